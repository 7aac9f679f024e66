"""Make and gate all variants of one benchmark; started by benchmarks_perf.perturbations in an account of its own.

`python -m benchmarks_perf.drivers.perturbations SPEC DATA VERDICTS SEVERITIES`: writes a line when the benchmark is
loaded, makes the variants when a line comes, writes what that took, gates when the next line comes, and writes what
became of them.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.perturbations.catalogue import catalogue
from benchmarks.perturbations.gate import AnyBenchmark, Gated, Wanted, gate
from benchmarks.perturbations.perturbation import HALF, Perturbation, random_of
from benchmarks.perturbations.subject import Subject
from benchmarks.registry import load_benchmark, parse_spec
from engine.perturbing import GateJudge

ENTRIES = tuple(entry for entry in catalogue().values() if entry.family != "recode" and not entry.needs_llm)


def main(spec: str, data: str, verdicts: str, severities: str) -> None:
    """The dialogue of the module's docstring."""
    name, options = parse_spec(spec)
    benchmark = load_benchmark(name, options | {"data": Path(data)}, Path(verdicts))
    with GateJudge("auto", Path(verdicts)) as judge:
        _say("ready")
        sys.stdin.readline()
        levels = tuple(int(level) for level in severities.split(","))
        _say(generated(benchmark, levels))
        sys.stdin.readline()
        gated = gate(benchmark, Wanted(perturbations=ENTRIES, severities=levels), "base", judge, splits=judge.splits)
        _say(told(benchmark, gated) | {"programs_run": judge.num_run})
        sys.stdin.readline()


def generated(benchmark: AnyBenchmark, levels: tuple[int, ...]) -> dict[str, dict[str, float]]:
    """By family: variants made and CPU seconds of making them, parsing of each problem included once per family."""
    found: dict[str, dict[str, float]] = {}
    for family in dict.fromkeys(entry.family for entry in ENTRIES):
        entries = [entry for entry in ENTRIES if entry.family == family]
        before = time.process_time()
        made = sum(_made(benchmark, entries, levels))
        found[family] = {"variants": made, "cpu_seconds": time.process_time() - before}
    return found


def _made(benchmark: AnyBenchmark, entries: list[Perturbation], levels: tuple[int, ...]) -> list[int]:
    """How many variants each problem has, before the gate."""
    counts = []
    for problem in benchmark.problems():
        subject = Subject(problem, benchmark.language)
        halved = catalogue()[HALF].apply(subject, random_of(problem.task_id, HALF, 1, 0), 1)
        half = Subject(halved, benchmark.language) if halved else None
        made = 0
        for entry in entries:
            before = half if entry.baseline == HALF else subject
            if before is None or not entry.fits(before):
                continue
            for severity in levels if entry.scale else (1,):
                random = random_of(problem.task_id, entry.name, severity, 0)
                made += entry.apply(before, random, severity) is not None
        counts.append(made)
    return counts


def told(benchmark: AnyBenchmark, gated: Gated) -> dict[str, Any]:
    """Counts by perturbation and by reason, and the problems of each family that have a kept variant."""
    entries: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    problems: dict[str, set[str]] = defaultdict(set)
    with_construct: dict[str, set[str]] = defaultdict(set)
    invalid: list[dict[str, str]] = []
    for variant in gated.variants:
        entries[variant.perturbation][variant.finding.reason] += 1
        if variant.is_kept:
            problems[variant.family].add(variant.task_id)
        if variant.problem is not None:
            with_construct[variant.family].add(variant.task_id)
        if variant.finding.reason == "invalid":
            invalid.append({"variant": variant.name, "task_id": variant.task_id, "why": variant.finding.detail})
    return {
        "problems": len(benchmark.problems()),
        "unverified": len(gated.unverified),
        "variants": sum(variant.problem is not None for variant in gated.variants),
        "kept": len(gated.kept()),
        "entries": entries,
        "problems_with_kept": {family: len(found) for family, found in problems.items()},
        "problems_with_made": {family: len(found) for family, found in with_construct.items()},
        "kept_problems": _kept_problems(gated),
        "invalid": invalid,
    }


def _kept_problems(gated: Gated) -> dict[str, int]:
    """By perturbation: problems with at least one kept variant."""
    found: dict[str, set[str]] = defaultdict(set)
    for variant in gated.kept():
        found[variant.perturbation].add(variant.task_id)
    return {name: len(tasks) for name, tasks in found.items()}


def _say(words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
