"""Find the problems that can be judged in split: those whose reference solution passes there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.base import BaseBenchmark
from benchmarks.benchmark import reference_completion
from benchmarks.fetch import write_atomic
from benchmarks.problem import Problem
from runners.sandbox import Sandbox


def splittable_tasks(benchmark: BaseBenchmark[Any], sandbox: Sandbox, cache: Path) -> frozenset[str]:
    """Task ids whose reference passes with tests and program in two processes; computed once, kept under `cache`.

    Problems without a reference are left out, and so is everything where sandbox or benchmark have no `split`.
    """
    if "split" not in sandbox.judges or not benchmark.splits:
        return frozenset()
    kept = cache / f"{benchmark.name}-{_key(benchmark, sandbox)}.json"
    if kept.exists():
        return frozenset(json.loads(kept.read_text()))
    found = [problem.task_id for problem in benchmark.problems() if _passes(benchmark, problem, sandbox)]
    write_atomic(kept, json.dumps(found).encode())
    return frozenset(found)


def _key(benchmark: BaseBenchmark[Any], sandbox: Sandbox) -> str:
    parts = [sandbox.toolchain(), *(problem.sha256() for problem in benchmark.problems())]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _passes(benchmark: BaseBenchmark[Any], problem: Problem, sandbox: Sandbox) -> bool:
    reference = reference_completion(problem)
    if reference is None:
        return False
    programs = benchmark.programs(problem, reference)
    return all(sandbox.run(replace(program, judge="split")).passed for program in programs)
