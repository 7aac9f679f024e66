"""One vLLM engine for all tests that ask one: starting it takes most of their time."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Coroutine
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest

from actors.generator import Sampling
from actors.options import GeneratorOptions
from actors.vllm_generator import VllmGenerator
from benchmarks.problem import Completion, Prompt

T = TypeVar("T")

CONTEXT = 256
TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"

needs_vllm = [
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed; `make test-vllm` has it"),
]


class Opened:
    """A generator on one event loop that lives as long as it, as in an actor."""

    def __init__(self, checkpoint: Path, **options: Any) -> None:
        fixed = {"dtype": "float32", "max_model_len": CONTEXT, "threads": 1, "chat_template": TEMPLATE}
        engine = {"enforce_eager": True, "max_num_seqs": 16}
        self.generator = VllmGenerator(str(checkpoint), GeneratorOptions(**(fixed | {"engine": engine} | options)))
        self.closed = False
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the loop and wait."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=300)

    def ask(self, prompt: Prompt, sampling: Sampling, indexes: list[int]) -> list[Completion]:
        """One call."""
        return self.wait(self.generator.generate(prompt, sampling, indexes))

    def ask_all(self, prompts: list[Prompt], sampling: Sampling, indexes: list[int]) -> list[list[Completion]]:
        """One call per prompt, all at once."""

        async def together() -> list[list[Completion]]:
            return list(await asyncio.gather(*(self.generator.generate(p, sampling, indexes) for p in prompts)))

        return self.wait(together())

    def close(self) -> None:
        """Close the generator and end the loop."""
        self.closed = True
        self.wait(self.generator.close())
        self.loop.call_soon_threadsafe(self.loop.stop)


@cache
def random_checkpoint() -> Path:
    """A micro model with random weights: what it says has no sense, and it says it at once."""
    import torch

    from actors.micro_model import new_model, train_tokenizer

    torch.manual_seed(7)
    folder = Path(tempfile.mkdtemp(prefix="codeassay-random-"))
    tokenizer = train_tokenizer([Path(train_tokenizer.__code__.co_filename).read_text()])
    new_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


_shared: list[Opened] = []


def shared_engine() -> Opened:
    """The engine, started where none is open."""
    if not _shared or _shared[-1].closed:
        _shared.append(Opened(random_checkpoint(), stream_every=2))
    return _shared[-1]


def end_shared_engine() -> None:
    """Close what was opened and remove its files."""
    if _shared and not _shared[-1].closed:
        _shared[-1].close()
    if random_checkpoint.cache_info().currsize:
        shutil.rmtree(random_checkpoint())
