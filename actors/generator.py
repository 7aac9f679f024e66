"""What a model back end is: it completes one prompt n times. One file each implements this."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.problem import Completion, Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How completions are drawn; a part of every sample's identity."""

    temperature: float = 0.0
    """0 is greedy decoding."""
    top_p: float = 1.0
    top_k: int = 0
    """0 keeps the whole vocabulary."""
    max_tokens: int = 512
    seed: int = 1234

    def seed_of(self, prompt: Prompt, index: int) -> int:
        """Seed of one sample, in [0, 2**31): the same whatever else is in the batch, on any node, in any order."""
        text = f"{self.seed}\0{prompt.task_id}\0{prompt.variant}\0{index}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) & 0x7FFFFFFF


class GeneratorDied(RuntimeError):
    """The back end ended and takes no more requests; its process is to be ended and started anew."""


class Generator(Protocol):
    """A model that is loaded and ready."""

    async def generate(self, prompt: Prompt, sampling: Sampling, indexes: Sequence[int]) -> list[Completion]:
        """Complete one prompt once per sample index, in that order.

        Many calls may be in flight at once; a back end batches them as it likes. A request that fails for good comes
        back as completions with `error` set and finish_reason `error`, never as an exception.

        Raises:
            GeneratorDied: the back end ended and takes no more requests.
        """
        ...

    async def close(self) -> None:
        """Give back what the back end holds (connections, GPU memory)."""
        ...
