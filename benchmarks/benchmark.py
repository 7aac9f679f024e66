"""What a benchmark is: problems, how to ask them, what to run, how to score. One file each implements this."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from benchmarks.problem import Completion, Problem, Prompt, PromptForm, Score
from runners.program import Program, Verdict
from runners.sandbox import Sandbox


class Benchmark(Protocol):
    """A benchmark that is ready to be asked; instances are plain picklable data (they travel to every executor)."""

    name: str
    """Registry name, e.g. `humaneval`."""
    metrics: tuple[str, ...]
    """Names in every Score's values, the headline first."""

    turns: int
    """How often a problem is asked about at most; more than once where `follow_up` says so."""

    def problems(self) -> Sequence[Problem]:
        """All problems in the benchmark's own order; task_ids are unique."""
        ...

    def prompt(self, problem: Problem, form: PromptForm) -> Prompt:
        """What to ask a base model or a chat model, as the benchmark's authors do."""
        ...

    def ask(self, problem: Problem, form: PromptForm) -> Prompt:
        """The prompt with what the prompt mode adds: system message, examples, a cue to reason."""
        ...

    def follow_up(self, problem: Problem, form: PromptForm, answers: tuple[Completion, ...]) -> Prompt | None:
        """What is asked after these answers, in order; None if the last of them is the one to judge."""
        ...

    def earlier_answers(self, problem: Problem) -> tuple[str, ...]:
        """What a right answer says in the turns before the last; empty where there is one turn."""
        ...

    def programs(self, problem: Problem, completion: Completion) -> tuple[Program, ...]:
        """What to run for one completion; empty for metrics of text alone."""
        ...

    def score(self, problem: Problem, completion: Completion, verdicts: tuple[Verdict, ...]) -> Score:
        """Score one completion from its verdicts, in the order of `programs`."""
        ...

    def prepare(self, sandbox: Sandbox, cache: Path) -> None:
        """Compute once what programs() needs (expected outputs), in the sandbox, kept in `cache`; most do nothing."""
        ...


def reference_completion(problem: Problem) -> Completion | None:
    """The canonical solution as a completion; None if the benchmark has none."""
    return None if problem.reference is None else Completion(text=problem.reference, verbatim=True)


def reference_answers(benchmark: Benchmark, problem: Problem) -> tuple[Completion, ...]:
    """Canonical answers to a problem's turns, the solution last; empty if the benchmark has none."""
    solution = reference_completion(problem)
    if solution is None:
        return ()
    return (*(Completion(text=text) for text in benchmark.earlier_answers(problem)), solution)


def wrong_completions(problem: Problem) -> tuple[Completion, ...]:
    """Completions that must not pass, for checking the tests themselves."""
    return tuple(Completion(text=text, verbatim=True) for text in problem.wrong)
