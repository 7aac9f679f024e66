"""Problems of several turns: what is asked about an answer, until the answer that is judged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from benchmarks.benchmark import Benchmark
from benchmarks.problem import Completion, Problem, Prompt

T = TypeVar("T", int, float)
Ask = Callable[[Prompt], Awaitable[Sequence[Completion]]]
"""Completes one prompt, once."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One benchmark whose answers are asked about."""

    benchmark: Benchmark
    problems: dict[tuple[str, str], Problem]
    """By task_id and variant."""

    @classmethod
    def of(cls, benchmark: Benchmark) -> Conversation:
        """The benchmark with its problems at hand."""
        return cls(benchmark, {(problem.task_id, problem.variant): problem for problem in benchmark.problems()})

    async def go_on(self, prompt: Prompt, first: Completion, ask: Ask) -> Completion:
        """Ask until nothing is left to ask, or an answer failed; the last answer with what all of them cost.

        Args:
            prompt: the first question.
            first: its answer.
            ask: asks the model.
        """
        problem, answers = self.problems[(prompt.task_id, prompt.variant)], [first]
        while not answers[-1].error:
            following = self.benchmark.follow_up(problem, prompt.form, tuple(answers))
            if following is None:
                break
            named = replace(following, turn=len(answers), benchmark=prompt.benchmark)
            answers += await ask(named)
        return joined(answers)


def joined(answers: Sequence[Completion]) -> Completion:
    """The last answer; tokens and seconds are those of all turns, waiting times those of the first."""
    first, last = answers[0], answers[-1]
    if len(answers) == 1:
        return first
    return replace(
        last,
        prompt_tokens=_sum([answer.prompt_tokens for answer in answers]),
        completion_tokens=_sum([answer.completion_tokens for answer in answers]),
        reasoning_tokens=_sum([answer.reasoning_tokens for answer in answers]),
        seconds=_sum([answer.seconds for answer in answers]),
        started_at=first.started_at,
        queue_seconds=first.queue_seconds,
        ttft_seconds=first.ttft_seconds,
        inter_token_seconds=tuple(gap for answer in answers for gap in answer.inter_token_seconds),
        earlier=tuple(answer.text for answer in answers[:-1]),
    )


def _sum(values: Sequence[T | None]) -> T | None:
    """The sum; None where a value is not known."""
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known and len(known) == len(values) else None
