"""Say why vLLM's engine failed, and which setting to change.

The engine core runs in a child process, and its parent learns only that it ended ("Engine core initialization failed.
See root cause above."). The root cause is in what the child wrote to stderr, so that is read on its way there.
"""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

KEPT_LINES = 2000
"""Lines of the log that are kept; a stack trace of three processes has some hundred."""
MAX_CHARACTERS = 400

CURES: tuple[tuple[str, str], ...] = (
    (
        r"max seq len \((?P<length>\d+)\).*?KV cache is needed"
        r"(?:.*?estimated maximum model length is (?P<most>\d+))?",
        "model.max_model_len {length}: the cache for one request does not fit into memory{most}. Lower"
        " model.max_model_len, or make room: raise model.gpu_memory_utilization or model.tensor_parallel_size, set"
        " model.quantization; on CPUs raise the environment variable VLLM_CPU_KVCACHE_SPACE (GiB).",
    ),
    (
        r"No available memory for the cache blocks",
        "the weights leave no memory for the cache. Raise model.gpu_memory_utilization or model.tensor_parallel_size,"
        " lower model.max_model_len, or set model.quantization; on CPUs raise the environment variable"
        " VLLM_CPU_KVCACHE_SPACE (GiB).",
    ),
    (
        r"(?P<found>Available memory on node \S+ \([^)]*\)).*?requested memory for kv",
        "the cache does not fit into this machine's memory ({found}). Lower the environment variable"
        " VLLM_CPU_KVCACHE_SPACE (GiB), model.gpu_memory_utilization or model.replicas.",
    ),
    (
        r"(?P<found>(?:Free|Available) memory on \S+ \S+ \([^)]*\)) on startup is less than",
        "other processes hold memory that this one wants ({found}). Lower model.gpu_memory_utilization, or end them.",
    ),
    (
        r"CUDA out of memory|OutOfMemoryError|HIP out of memory|CUDA error: out of memory",
        "the GPU is out of memory. Lower model.gpu_memory_utilization (other processes, CUDA graphs and sampling need"
        " room beside the cache), model.max_model_len or model.engine.max_num_seqs; where the weights alone are too"
        " large raise model.tensor_parallel_size or set model.quantization.",
    ),
    (
        r"User-specified max_model_len \((?P<length>\d+)\) is greater than the derived max_model_len"
        r"(?:.*?=(?P<made>\d+))?",
        "model.max_model_len {length} is more than this model was made for{made}. Lower model.max_model_len.",
    ),
    (
        r"must be divisible by tensor parallel size",
        "model.tensor_parallel_size does not divide this model's attention heads. Take another"
        " model.tensor_parallel_size.",
    ),
    (r"trust_remote_code", "it carries its own Python code. If you trust it, set model.trust_remote_code=true."),
    (
        r"Bfloat16 is only supported|does not support dtype",
        "this device cannot compute in that type. Set model.dtype=float16.",
    ),
    (
        r"(?P<found>(?:Unknown quantization|Quantization method|Cannot find the config file for)[^\n\[]*)",
        "model.quantization: {found}. Leave it out for a checkpoint that says itself how it is quantised.",
    ),
    (
        r"Repo id must be in the form|is not a valid model identifier|RepositoryNotFoundError",
        "there is no such checkpoint folder, and no such model on the hub.",
    ),
    (
        r"Model architectures \[?(?P<found>[^\]]*?)\]? (?:are not supported|failed to be inspected)",
        "vLLM does not know the architecture {found}. Use transformers:PATH instead.",
    ),
)
"""What the log says (a regular expression, over all lines) -> what the user is told; the first that is found counts."""

WORDS = {"most": " ({} tokens would fit)", "made": " ({})"}
"""How a number is put into a message, where the log has it."""

SYMPTOMS = ("Engine core initialization failed", "WorkerProc initialization failed", "EngineCore encountered an issue")
"""Messages that only say that something else went wrong."""


class EngineLog:
    """What child processes write to stderr: passed on line by line, and the last of it kept."""

    def __init__(self) -> None:
        """Make the pipe; nothing goes through it before `collecting`."""
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._out, self._in = os.pipe()
        self._stderr = os.dup(2)
        self._is_open = True
        self._reader = threading.Thread(target=self._pass_on, daemon=True, name="vllm-log")
        self._reader.start()

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Processes that are started within have their stderr read until they end; this process's own too, within."""
        os.dup2(self._in, 2)
        try:
            yield
        finally:
            os.dup2(self._stderr, 2)

    def text(self) -> str:
        """The last lines."""
        return "".join(list(self._lines))

    def close(self) -> None:
        """Read what is left and stop; may be called twice."""
        if self._is_open:
            self._is_open = False
            os.close(self._in)
            self._reader.join(timeout=1.0)  # longer only while a process that inherited the pipe lives on

    def _pass_on(self) -> None:
        with open(self._out, "rb") as stream:  # noqa: PTH123 - a descriptor
            for line in stream:
                self._lines.append(line.decode(errors="replace"))
                os.write(self._stderr, line)
        os.close(self._stderr)


def explain(log: str, error: BaseException | None = None) -> str:
    """Why the engine failed and what to change, on one line; the root cause as it stands where no cure is known."""
    text = f"{log}\n{error}" if error is not None else log
    for pattern, message in CURES:
        if found := re.search(pattern, text):
            return message.format(**{name: _worded(name, value) for name, value in found.groupdict().items()})
    return f"vLLM's engine failed: {_root_cause(text, error)} Its log, above or in the actor's, has more."


def _worded(name: str, value: str | None) -> str:
    return "" if value is None else WORDS.get(name, "{}").format(value.strip())


def _root_cause(text: str, error: BaseException | None) -> str:
    """The last exception that is named in a log and is no mere symptom; else the error itself."""
    named = re.findall(r"^(?:\([^)]*\) )?(?:ERROR [^\]]*\] )?((?:[\w.]+)(?:Error|Exception): .+)$", text, re.MULTILINE)
    causes = [line for line in named if not any(symptom in line for symptom in SYMPTOMS)]
    told = causes[-1] if causes else " ".join(str(error or "its processes ended").split())
    if checked := re.search(r"Value error, (.*?) \[type=", told):
        told = checked[1]
    short = " ".join(told.split())[:MAX_CHARACTERS]
    return short if short.endswith((".", "!", "?")) else short + "."
