"""Start vLLM's asynchronous engine: its environment, its arguments, and what is told when it does not start.

The engine core runs in child processes. So its log is read on its way to stderr, to tell why it failed; and a watcher
ends those processes should this one be killed (actors/orphans.py).
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from actors.options import GeneratorOptions
from actors.orphans import Watcher
from actors.vllm_errors import EngineLog, explain
from runners.errors import DataError, UserError

ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # stdout is for results; and the log is read there
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # replicas on one node would all be bound to the same CPUs
}
"""What is set where the user's environment says nothing."""

CACHE_SHARE = 8
"""On CPUs the cache of a replica takes one part in so many of the memory; vLLM's own default leaves none to others."""

WHOLE_PROMPTS = {"enable_chunked_prefill": False}
"""On CPUs a prompt is read in one piece: after half a prompt vLLM turns the sample's random generator back, which
torch's for CPUs cannot do ("CPU Generator does not use offset"), and the engine ends."""

OPTION_OF = {
    "model": "--model",
    "dtype": "model.dtype",
    "max_model_len": "model.max_model_len",
    "tensor_parallel_size": "model.tensor_parallel_size",
    "pipeline_parallel_size": "model.pipeline_parallel_size",
    "quantization": "model.quantization",
    "gpu_memory_utilization": "model.gpu_memory_utilization",
    "enable_lora": "model.lora",
    "max_lora_rank": "model.lora",
    "trust_remote_code": "model.trust_remote_code",
}
"""Engine argument -> the option that sets it."""
RESERVED = {"disable_log_stats": "latencies are read from it", "stream_interval": "each token's arrival is watched"}
"""Engine arguments that must stay as they are -> why."""

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The ranks that vLLM makes room for."""


@dataclass(slots=True, kw_only=True)
class Engine:
    """An engine that runs."""

    llm: Any
    """vllm.v1.engine.async_llm.AsyncLLM."""
    lora: Any
    """vllm.lora.request.LoRARequest, or None."""
    max_model_len: int
    log: EngineLog
    watcher: Watcher

    def close(self) -> None:
        """Shut down and wait until its processes have ended; takes some seconds."""
        self.llm.shutdown()
        self.llm = None  # it shuts down once more when it is collected, and cannot at the interpreter's end
        self.watcher.stop()
        self.log.close()


def start_engine(target: str, options: GeneratorOptions) -> Engine:
    """Start an engine in child processes of this one; takes from ten seconds to minutes.

    Needs no event loop: the engine attaches itself to that of the first request, and must stay with it.

    Raises:
        ModuleNotFoundError: vLLM is not installed.
        UserError: an option is not possible with this model or on this machine; the message names the option.
    """
    prepare_environment(options)
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.platforms import current_platform

    arguments = engine_arguments(target, options, [field.name for field in fields(AsyncEngineArgs)])
    if current_platform.is_cpu():
        arguments = WHOLE_PROMPTS | arguments
    watcher, log = Watcher(), EngineLog()
    try:
        with log.collecting():
            watcher.mark_children()
            llm = _start(AsyncEngineArgs(**arguments))
    except Exception as error:
        watcher.stop()
        log.close()
        raise UserError(f"model {target}: {explain(log.text(), error)}") from error
    return Engine(
        llm=llm,
        lora=_lora_request(options.lora),
        max_model_len=int(llm.vllm_config.model_config.max_model_len),
        log=log,
        watcher=watcher,
    )


def engine_arguments(target: str, options: GeneratorOptions, known: Collection[str]) -> dict[str, Any]:
    """Keyword arguments of AsyncEngineArgs.

    Args:
        target: a checkpoint folder or a hub id.
        options: of the model.
        known: names that this vLLM's AsyncEngineArgs has.

    Raises:
        UserError: `options.engine` has a name that is unknown or that an option of its own sets.
        DataError: the adapter's adapter_config.json cannot be read.
    """
    _check_names(options.engine, known)
    arguments: dict[str, Any] = {
        "model": target,
        "dtype": options.dtype,
        "max_model_len": options.max_model_len,
        "tensor_parallel_size": options.tensor_parallel_size,
        "pipeline_parallel_size": options.pipeline_parallel_size,
        "quantization": options.quantization,
        "gpu_memory_utilization": options.gpu_memory_utilization,
        "trust_remote_code": options.trust_remote_code,
        "disable_log_stats": False,
        "use_tqdm_on_load": False,
    }
    if options.lora:
        arguments |= {"enable_lora": True, "max_lora_rank": lora_rank(Path(options.lora))}
    given = {name: value for name, value in arguments.items() if value is not None and name in known}
    return given | options.engine


def lora_rank(folder: Path) -> int:
    """The room that an adapter needs: the smallest of LORA_RANKS that its rank fits into.

    Raises:
        DataError: adapter_config.json is missing, is not JSON, or has no rank that vLLM can serve.
    """
    file = folder.expanduser() / "adapter_config.json"
    try:
        rank = json.loads(file.read_text())["r"]
    except OSError as error:
        raise DataError(file, f"cannot be read ({error.strerror}).", cure="model.lora is a LoRA folder.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(file, "no rank in it.", field="r", cure="Save the adapter with save_pretrained().") from error
    for room in LORA_RANKS:
        if isinstance(rank, int) and 0 < rank <= room:
            return room
    cure = f"vLLM serves ranks up to {LORA_RANKS[-1]}; merge the adapter into its base model."
    raise DataError(file, f"rank {rank}.", field="r", cure=cure)


def _check_names(engine: dict[str, Any], known: Collection[str]) -> None:
    for name in engine:
        if name in OPTION_OF:
            raise UserError(f"model.engine.{name}: set {OPTION_OF[name]} instead.")
        if name in RESERVED:
            raise UserError(f"model.engine.{name}: cannot be set, since {RESERVED[name]}. Leave it out.")
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {nearest[0]}?" if nearest else ""
            raise UserError(f"model.engine.{name}: this vLLM has no such engine argument.{hint}")


def prepare_environment(options: GeneratorOptions) -> None:
    """Set what vLLM and its children read; the logging level is read when vLLM is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if options.gpu_memory_utilization is None:
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(_cache_gib()))
    if options.threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)


def _cache_gib() -> int:
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, memory_bytes // CACHE_SHARE // (1 << 30))


def _start(arguments: Any) -> Any:  # noqa: ANN401 - vLLM is known by name only
    from vllm.v1.engine.async_llm import AsyncLLM

    return AsyncLLM.from_engine_args(arguments)


def _lora_request(folder: str | None) -> Any:  # noqa: ANN401
    if not folder:
        return None
    from vllm.lora.request import LoRARequest

    return LoRARequest("adapter", 1, str(Path(folder).expanduser()))
