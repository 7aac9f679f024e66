"""Learn from reference solutions: which problems can be judged in split, what they need, and how fast this machine is.

Each reference runs once in split on the driver; what was learned is kept. Executors run a few of them again and stretch
their time limits where their node is slower than the driver was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from actors.alone import open_alone
from actors.judging import Calibration, ProblemKey, Runner, Yardstick, scaled
from benchmarks.base import BaseBenchmark
from benchmarks.benchmark import reference_completion
from benchmarks.fetch import write_atomic
from benchmarks.problem import NOMINAL, Problem
from runners.languages import PYTHON
from runners.program import Program, Verdict
from runners.sandbox import Sandbox

_FORMAT = "2"
"""Part of the key of what is kept; another number for another format."""
_ROOM = 5
"""References get this much more time than others, so that what they need is learned where the limit is too tight."""
_NUM_YARDSTICKS = 5
_LONGEST_YARDSTICK_SECONDS = 0.03
"""Five of them keep the start of an executor below 0.2 s of CPU time."""


def calibrate(benchmarks: Mapping[str, BaseBenchmark[Any]], sandbox: Sandbox, cache: Path) -> Calibration:
    """Run the references of all benchmarks, or read under `cache` what was learned before.

    Problems without a reference are left out, and so is everything where sandbox or benchmark have no `split`.
    """
    seconds: dict[ProblemKey, float] = {}
    programs: dict[ProblemKey, tuple[Program, ...]] = {}
    checked: list[str] = []
    for label, benchmark in benchmarks.items():
        if "split" not in sandbox.judges or not benchmark.splits:
            continue
        nominal = [p for p in benchmark.problems() if p.variant == NOMINAL and p.reference is not None]
        references = {problem.task_id: _reference(benchmark, problem) for problem in nominal}
        references = {task: programs for task, programs in references.items() if all(map(is_plain_python, programs))}
        checked += [label] if references else []
        learned = reference_seconds(benchmark.name, references, sandbox, cache)
        keys = {(label, p.task_id, p.variant): p.task_id for p in benchmark.problems() if p.task_id in learned}
        seconds |= {key: learned[task] for key, task in keys.items()}
        programs |= {key: references[task] for key, task in keys.items()}
    return Calibration(
        splittable=frozenset(seconds),
        reference_seconds=seconds,
        yardsticks=choose_yardsticks(programs, seconds),
        checked=frozenset(checked),
        inside_first=frozenset(label for label, benchmark in benchmarks.items() if benchmark.times_calls),
    )


def with_variants(calibration: Calibration, benchmarks: Mapping[str, BaseBenchmark[Any]]) -> Calibration:
    """What was learned of the nominal problems, said of their variants too: the gate ran each one's reference so."""
    keys = {
        (label, problem.task_id, problem.variant): (label, problem.task_id, NOMINAL)
        for label, benchmark in benchmarks.items()
        for problem in benchmark.problems()
    }
    seconds = calibration.reference_seconds
    told = {key: seconds[nominal] for key, nominal in keys.items() if nominal in seconds}
    return replace(calibration, splittable=frozenset(told), reference_seconds=told)


def is_plain_python(program: Program) -> bool:
    """Whether a program has two judges; those of other languages and environments have one."""
    return program.language == PYTHON and not program.environment


def _reference(benchmark: BaseBenchmark[Any], problem: Problem) -> tuple[Program, ...]:
    completion = reference_completion(problem)
    assert completion is not None
    return tuple(replace(program, judge="split") for program in benchmark.programs(problem, completion))


def reference_seconds(
    name: str, references: Mapping[str, Sequence[Program]], sandbox: Sandbox, cache: Path
) -> dict[str, float]:
    """CPU seconds of the references that pass in split, by task_id; measured once, kept under `cache`.

    Where the sandbox itself failed nothing is kept: the next run measures again.
    """
    kept = cache / f"{name}-{_key(references, sandbox)}.json"
    if kept.exists():
        stored: dict[str, float] = json.loads(kept.read_text())
        return stored
    runner = Runner(sandbox, open_alone())
    verdicts = {task: [_run(runner, program) for program in programs] for task, programs in references.items()}
    found = {
        task: max(verdict.cpu_seconds for verdict in group)
        for task, group in verdicts.items()
        if group and all(verdict.passed for verdict in group)
    }
    if all(verdict.status.counts for group in verdicts.values() for verdict in group):
        write_atomic(kept, json.dumps(found).encode())
    return found


def _key(references: Mapping[str, Sequence[Program]], sandbox: Sandbox) -> str:
    parts = [_FORMAT, sandbox.toolchain()]
    parts += [f"{task} {program.sha256()}" for task, programs in references.items() for program in programs]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _run(runner: Runner, program: Program) -> Verdict:
    return runner.run(replace(program, limits=scaled(program.limits, _ROOM))).verdict


def choose_yardsticks(
    programs: Mapping[ProblemKey, Sequence[Program]], seconds: Mapping[ProblemKey, float]
) -> tuple[Yardstick, ...]:
    """The references of middling cost that are short, are one program, and need no numpy (whose jail starts slowly)."""
    candidates = [
        Yardstick(program=programs[key][0], cpu_seconds=seconds[key])
        for key in sorted(seconds, key=lambda key: (seconds[key], key))
        if len(programs[key]) == 1 and 0 < seconds[key] <= _LONGEST_YARDSTICK_SECONDS
    ]
    plain = [y for y in candidates if not any("numpy" in text for text in (y.program.source, *y.program.tests))]
    start = max(0, (len(plain) - _NUM_YARDSTICKS) // 2)
    return tuple(plain[start : start + _NUM_YARDSTICKS])
