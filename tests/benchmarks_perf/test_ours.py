"""Our own drivers run what a run of the benchmark would run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from benchmarks.humaneval import HumanEval, HumanEvalRecord, problem_of
from benchmarks.problem import Completion
from benchmarks_perf.drivers.ours import WAYS, auto, inside, program_of, split
from benchmarks_perf.drivers.protocol import Sample
from benchmarks_perf.subjects import SUBJECTS
from runners.program import Limits, Program, Status, Verdict

RECORD = HumanEvalRecord(
    task_id="HumanEval/0",
    prompt="import math\n\ndef f(x):\n",
    canonical_solution="    return x + 1\n",
    test="def check(candidate):\n    assert candidate(1) == 2\n",
    entry_point="f",
)
SAMPLE = Sample(
    task_id=RECORD.task_id,
    prompt=RECORD.prompt,
    completion=RECORD.canonical_solution,
    test=RECORD.test,
    entry_point=RECORD.entry_point,
    expected=True,
)


class Recording:
    """A sandbox that passes everything and keeps what it was asked."""

    isolation = "none"
    judges = frozenset({"inside", "split"})

    def __init__(self) -> None:
        self.asked: list[str] = []

    def run(self, program: Program, idle: Callable[[], None] | None = None) -> Verdict:
        """Pass."""
        self.asked.append(program.judge)
        return Verdict(status=Status.PASSED, judge=program.judge)

    def toolchain(self) -> str:
        """None."""
        return ""

    def close(self) -> None:
        """Nothing to close."""


def test_program_is_that_of_the_benchmark() -> None:
    """Source, tests, helpers, names under test and module name are those of `benchmarks.humaneval`."""
    benchmark, problem = HumanEval.__new__(HumanEval), problem_of(RECORD)
    completion = Completion(text=RECORD.canonical_solution, form="completion", verbatim=True)
    (expected,) = benchmark.programs(problem, completion)
    assert program_of(SAMPLE, 3.0) == dataclasses.replace(expected, limits=Limits(cpu_seconds=3.0))


def test_each_way_asks_its_own_judge() -> None:
    """`inside` and `split` ask one judge for every program; `auto` confirms a pass in split."""
    asked = {}
    for name, way in {"inside": inside, "split": split, "auto": auto}.items():
        sandbox = Recording()
        assert way(sandbox, [SAMPLE["task_id"]])(SAMPLE["task_id"], program_of(SAMPLE, 3.0)).passed
        asked[name] = sandbox.asked
    assert (asked["inside"], asked["split"], asked["auto"][-1]) == (["inside"], ["split"], "split")


def test_every_row_of_ours_has_a_way() -> None:
    """A subject that names none would fail only when it is measured."""
    assert {subject.sandbox for subject in SUBJECTS if subject.sandbox} == set(WAYS)
