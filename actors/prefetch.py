"""Bring the next model's weights near while the present model generates: onto the machine, and into its page cache."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.checkpoint import LocalFolder, files_to_load, weight_files
from actors.models import LOCAL_KINDS, ModelSpec
from actors.weights import localize
from runners.errors import UserError

CHUNK_BYTES = 128 << 10
"""Linux cuts what one call of posix_fadvise asks for down to its read-ahead, 128 KiB by default."""
HUB_FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja", "*.py", "tokenizer*", "*.model", "*.tiktoken")


def prefetch(spec: ModelSpec, cache: Path, stopped: threading.Event | None = None) -> int:
    """Download what is not here, and read weight files into this machine's page cache.

    Weights that do not fit into half of the free memory are left on the disk: they would push out what others use.

    Args:
        spec: the model; those that hold no weights need nothing.
        cache: root of the caches.
        stopped: when it is set, what is left is not read.

    Returns:
        Bytes that the kernel was asked to read.

    Raises:
        UserError: the model is not there or cannot be reached.
    """
    if spec.kind not in LOCAL_KINDS:
        return 0
    folder = _hub_snapshot(spec.target) if spec.is_hub_id else localize(spec.target, cache)
    sizes = LocalFolder(folder).sizes()
    files = [folder / name for name in weight_files(files_to_load(sizes))]
    if sum(sizes[path.name] for path in files) > _available_bytes() // 2:
        return 0
    return sum(_read_ahead(path, stopped) for path in files)


class Prefetch:
    """The next model's weights on their way: in a thread where there is one machine, else in a task per GPU node."""

    def __init__(self, spec: ModelSpec, cache: Path) -> None:
        """Start; nothing is waited for. What fails here fails again, and is told, when the model is opened."""
        self.error = ""
        self._stopped = threading.Event()
        self._tasks: list[Any] = []
        self._thread: threading.Thread | None = None
        nodes = nodes_to_warm(ray.nodes() if ray.is_initialized() and spec.kind in LOCAL_KINDS else [])
        if nodes:
            self._tasks = [_task_on(node).remote(spec, cache) for node in nodes]
        else:
            self._thread = threading.Thread(target=self._run, args=(spec, cache), daemon=True, name="prefetch")
            self._thread.start()

    def _run(self, spec: ModelSpec, cache: Path) -> None:
        try:
            prefetch(spec, cache, self._stopped)
        except (UserError, OSError) as error:
            self.error = str(error)

    def join(self) -> None:
        """Wait until all is read."""
        if self._thread is not None:
            self._thread.join()
        if self._tasks:
            ray.wait(self._tasks, num_returns=len(self._tasks))

    def stop(self) -> None:
        """Read no further in this process; a download ends with its process and goes on another time.

        Tasks are left to end with their job: Ray 2.60 aborts the driver when one is cancelled as it ends.
        """
        self._stopped.set()


def nodes_to_warm(nodes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Ids of the nodes that may open the model: those with GPUs, else all; none where the cluster is one machine."""
    alive = [node for node in nodes if node["Alive"]]
    if len(alive) <= 1:
        return []
    with_gpus = [node for node in alive if node["Resources"].get("GPU", 0) > 0]
    return [str(node["NodeID"]) for node in with_gpus or alive]


def _task_on(node: str) -> Any:  # noqa: ANN401 - ray has no types here
    """The task bound to a node; elsewhere where that node is gone."""
    affinity = NodeAffinitySchedulingStrategy(node, soft=True)
    return ray.remote(prefetch).options(num_cpus=0, max_retries=0, scheduling_strategy=affinity)


def _hub_snapshot(repository: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, allow_patterns=list(HUB_FILES)))
    except (OSError, ValueError) as error:
        raise UserError(f"model '{repository}': cannot be downloaded ({type(error).__name__}).") from error


def _read_ahead(path: Path, stopped: threading.Event | None) -> int:
    """Ask the kernel to read a file; returns the bytes asked for."""
    asked = 0
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for start in range(0, size, CHUNK_BYTES):
            if stopped is not None and stopped.is_set():
                break
            os.posix_fadvise(file.fileno(), start, CHUNK_BYTES, os.POSIX_FADV_WILLNEED)
            asked += min(CHUNK_BYTES, size - start)
    return asked


def _available_bytes() -> int:
    """Memory that may be used without pushing out what is in use; page cache counts as free."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) * 1024
