"""A model that costs nothing: answers problems of `starter` from (prompt, index) alone, for stress tests of the engine.

Each sample is one of the problem's packaged solutions, right or wrong, with its index in a comment so that no two
programs are alike. Which one it is, and whether the request fails instead, follows from the prompt's task_id and the
index: `choice_of` tells it beforehand, so that a test knows every verdict before the run.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actors.generator import Sampling
from actors.models import ModelSpec
from actors.options import GeneratorOptions
from benchmarks.problem import Completion, Prompt
from benchmarks.starter import Starter, StarterOptions
from runners.errors import UserError

_FUNCTION = re.compile(r"^def (\w+)\(", re.MULTILINE)
_FORM = "write synthetic:latency=SECONDS,errors=SHARE, e.g. synthetic:latency=0.05,errors=0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthetic:
    """How the synthetic model answers, as its spec says it: `synthetic:latency=0.05,errors=0`."""

    latency: float = 0.0
    """Seconds from a request to its completions."""
    errors: float = 0.0
    """Share of the samples that fail, in [0, 1]."""

    def __str__(self) -> str:
        """The spec that parses to this."""
        return f"synthetic:latency={self.latency:g},errors={self.errors:g}"


class SyntheticGenerator:
    """Answers prompts that hold a function of `starter`; an error completion for any other."""

    def __init__(self, spec: ModelSpec, options: GeneratorOptions) -> None:
        """Read what the spec says; the options do not matter here.

        Raises:
            UserError: the spec says something else.
        """
        self._how = parse_synthetic(spec.target)
        self._solutions = solutions()

    async def generate(self, prompt: Prompt, sampling: Sampling, indexes: Sequence[int]) -> list[Completion]:
        """One packaged solution per index, after the latency; the same for the same prompt and index."""
        started_at, began = time.time(), time.perf_counter()
        await asyncio.sleep(self._how.latency)
        seconds = time.perf_counter() - began
        return [self._answer(prompt, index, started_at, seconds) for index in indexes]

    async def close(self) -> None:
        """Nothing is held."""

    def _answer(self, prompt: Prompt, index: int, started_at: float, seconds: float) -> Completion:
        bodies = self._solutions.get(function_of(prompt), ())
        number = choice_of(prompt.task_id, index, len(bodies), self._how.errors)
        if number is None:
            why = "synthetic error" if bodies else f"{prompt.task_id} holds no function of `starter`"
            return Completion(text="", finish_reason="error", error=why, started_at=started_at, seconds=seconds)
        text = f"{bodies[number].rstrip()}\n    # sample {index}\n"
        tokens = len(text.split())
        return Completion(
            text=text, completion_tokens=tokens, started_at=started_at, seconds=seconds, ttft_seconds=seconds
        )


def parse_synthetic(text: str) -> Synthetic:
    """Read `latency=0.05,errors=0`; either may be left out.

    Raises:
        UserError: another key, no number, or a number out of range.
    """
    values = {"latency": 0.0, "errors": 0.0}
    for part in text.split(","):
        key, _, value = part.partition("=")
        try:
            values[key] = float(value) if key in values else float("nan")
        except ValueError:
            values[key] = float("nan")
        if not (0 <= values[key] <= (1 if key == "errors" else 3600)):
            raise UserError(f"model 'synthetic:{text}': '{part}': {_FORM}.")
    return Synthetic(**values)


def choice_of(task_id: str, index: int, num_solutions: int, errors: float) -> int | None:
    """Number of the solution that a sample is, evenly spread; None where it is an error."""
    digest = hashlib.sha256(f"{task_id}\0{index}".encode()).digest()
    fails = int.from_bytes(digest[:8]) / 2**64 < errors
    return None if fails or not num_solutions else int.from_bytes(digest[8:16]) % num_solutions


def function_of(prompt: Prompt) -> str:
    """Name of the first function that a prompt defines; empty if it defines none."""
    text = prompt.text or "\n".join(message.content for message in prompt.messages)
    found = _FUNCTION.search(text)
    return found[1] if found else ""


@functools.cache
def solutions() -> dict[str, tuple[str, ...]]:
    """The packaged solutions of `starter` by function: the reference, then the wrong ones."""
    problems = Starter.load(StarterOptions(), Path()).problems()
    return {problem.entry_point or "": (problem.reference or "", *problem.wrong) for problem in problems}
