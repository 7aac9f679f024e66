"""A model that knows the answers: returns each benchmark's canonical solution, to check judge and jail with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from actors.generator import Sampling
from benchmarks.problem import Completion, Prompt

References = Mapping[tuple[str, str, str], tuple[Completion, ...]]
"""Label of the benchmark, task_id, variant -> answers to its turns."""


class ReferenceGenerator:
    """Answers every prompt with the canonical solution of its task."""

    def __init__(self, references: References) -> None:
        """Take the answers by (benchmark's label, task_id, variant)."""
        self._references = references

    async def generate(self, prompt: Prompt, sampling: Sampling, indexes: Sequence[int]) -> list[Completion]:
        """The same answer for each index; an error completion where the benchmark has none."""
        answers = self._references.get((prompt.benchmark, prompt.task_id, prompt.variant), ())
        found = answers[prompt.turn] if prompt.turn < len(answers) else _missing(prompt)
        return [found for _ in indexes]

    async def close(self) -> None:
        """Nothing is held."""


def _missing(prompt: Prompt) -> Completion:
    error = f"no reference solution for {prompt.task_id} ({prompt.variant})"
    return Completion(text="", finish_reason="error", error=error)
