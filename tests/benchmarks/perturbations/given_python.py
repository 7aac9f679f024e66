"""Python problems with part of their solution given, written by hand, and what perturbations make of them."""

from __future__ import annotations

from random import Random
from typing import Any

from benchmarks.perturbations import layout, syntax
from benchmarks.perturbations.check import check
from benchmarks.perturbations.perturbation import Perturbation
from benchmarks.perturbations.subject import Subject
from benchmarks.problem import Problem

ENTRIES: dict[str, Perturbation] = {entry.name: entry for entry in (*syntax.TABLE, *layout.TABLE)}
HEAD = 'def f(xs: list, n: int) -> int:\n    """Do it.\n\n    >>> f([1], 2)\n    3\n    """\n'
REST = "    return n\n"


def given(code: str, rest: str = REST, head: str = HEAD) -> Subject:
    """A function of which this code is given."""
    problem = Problem(
        task_id="own/0",
        prompt=head + code,
        instruction=f"Complete it.\n\n{(head + code).strip()}\n",
        tests=("assert True",),
        entry_point="f",
        reference=rest,
    )
    return Subject(problem, "python")


def made(name: str, subject: Subject, severity: int = 3, seed: int = 0) -> Problem | None:
    """The variant; it passes the checks that need no execution."""
    entry = ENTRIES[name]
    problem = entry.apply(subject, Random(seed), severity)
    if problem is not None:
        finding = check(entry, subject, problem)
        assert finding.reason == "kept", (finding.detail, problem.prompt)
    return problem


def code_of(name: str, code: str, severity: int = 3, rest: str = REST, head: str = HEAD) -> str | None:
    """What becomes of given code; the head and the rest stay as they are. None if nothing is to be changed."""
    problem = made(name, given(code, rest, head), severity)
    if problem is None:
        return None
    assert problem.reference == rest and problem.prompt.startswith(head)
    return problem.prompt.removeprefix(head)


def results(problem: Problem, *calls: tuple[Any, ...]) -> list[Any]:
    """What the whole reference returns for each call."""
    space: dict[str, Any] = {}
    exec(compile(problem.prompt + (problem.reference or ""), "own", "exec"), space)
    return [space["f"](*arguments) for arguments in calls]
