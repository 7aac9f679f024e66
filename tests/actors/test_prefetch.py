from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import fsspec
import pytest

from actors import prefetch as prefetch_module
from actors.models import ModelSpec
from actors.prefetch import CHUNK_BYTES, Prefetch, nodes_to_warm, prefetch
from runners.errors import UserError

WEIGHTS = b"w" * (2 * CHUNK_BYTES + 5)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A folder in Hugging Face layout."""
    folder = tmp_path / "step-1"
    folder.mkdir()
    for name, data in {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": WEIGHTS}.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def advised(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What the kernel was asked to read, as (offset, length)."""
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(
        prefetch_module.os, "posix_fadvise", lambda file, offset, length, advice: asked.append((offset, length))
    )
    return asked


def spec_of(target: object) -> ModelSpec:
    return ModelSpec(kind="vllm", target=str(target))


def test_weights_are_read_ahead_in_pieces_that_the_kernel_does_not_cut(
    checkpoint: Path, tmp_path: Path, advised: list[tuple[int, int]]
) -> None:
    """All of each weight file, and nothing else."""
    assert prefetch(spec_of(checkpoint), tmp_path) == len(WEIGHTS)
    assert advised == [(start * CHUNK_BYTES, CHUNK_BYTES) for start in range(3)]


def test_weights_that_do_not_fit_into_memory_are_left(
    checkpoint: Path, tmp_path: Path, advised: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would push out what the present model uses."""
    monkeypatch.setattr(prefetch_module, "_available_bytes", lambda: 2 * len(WEIGHTS) - 1)
    assert prefetch(spec_of(checkpoint), tmp_path) == 0
    assert advised == []


def test_what_is_stopped_reads_no_further(checkpoint: Path, tmp_path: Path, advised: list[tuple[int, int]]) -> None:
    """So that the end of a run does not wait."""
    stopped = threading.Event()
    stopped.set()
    assert prefetch(spec_of(checkpoint), tmp_path, stopped) == 0


def test_a_model_without_weights_needs_nothing(tmp_path: Path) -> None:
    """An endpoint, and samples on disk."""
    assert prefetch(ModelSpec(kind="openai", target="http://h/v1", model="m"), tmp_path) == 0


def test_a_remote_checkpoint_comes_onto_the_disk(checkpoint: Path, tmp_path: Path) -> None:
    """By the time its turn comes it is in the cache."""
    fs = fsspec.filesystem("memory")
    for path in checkpoint.iterdir():
        fs.pipe_file(f"/prefetch/step-1/{path.name}", path.read_bytes())
    fetching = Prefetch(spec_of("memory://prefetch/step-1"), tmp_path / "cache")
    fetching.join()
    (folder,) = [path for path in (tmp_path / "cache" / "models").iterdir() if not path.name.startswith(".")]
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert fetching.error == ""


def test_a_failure_waits_until_the_models_turn(tmp_path: Path) -> None:
    """It is kept and does not disturb the model that runs."""
    fetching = Prefetch(spec_of(tmp_path / "none"), tmp_path)
    fetching.join()
    fetching.stop()
    assert "no such directory" in fetching.error
    with pytest.raises(UserError, match="no such directory"):
        prefetch(spec_of(tmp_path / "none"), tmp_path)


def node(name: str, alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"NodeID": name, "Alive": alive, "Resources": resources}


CLUSTERS = {
    "one machine": ([node("a", GPU=8)], []),
    "one machine alive": ([node("a", GPU=8), node("b", alive=False, GPU=8)], []),
    "a head and two with GPUs": ([node("h", CPU=4), node("a", GPU=8), node("b", GPU=8)], ["a", "b"]),
    "CPUs only": ([node("a", CPU=4), node("b", CPU=4)], ["a", "b"]),
    "no cluster": ([], []),
}


@pytest.mark.parametrize(("nodes", "warmed"), CLUSTERS.values(), ids=CLUSTERS)
def test_nodes_that_may_open_the_model_are_warmed(nodes: list[dict[str, Any]], warmed: list[str]) -> None:
    """Those with GPUs, by a task each; a single machine by a thread of the driver."""
    assert nodes_to_warm(nodes) == warmed
