"""Whether benchmarks' own solutions get the verdicts they should: references pass, known-wrong ones fail."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from benchmarks.benchmark import reference_completion, wrong_completions
from benchmarks.known_faults import known_faults
from benchmarks.problem import Completion, Problem
from benchmarks.registry import AnyBenchmark, load_benchmark, parse_spec
from engine.needed import with_environments
from engine.places import cache_root
from runners.errors import UserError
from runners.program import Status, Verdict
from runners.sandbox import Sandbox, open_sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldCheck:
    """Whether the references of a benchmark pass and its known-wrong solutions fail."""

    benchmark: str
    isolation: str
    num_references: int
    num_wrong: int
    num_missing: int = 0
    """Problems that cannot be judged here; nothing of them was run."""
    notes: tuple[str, ...] = ()
    """What the benchmark says of its data."""
    known: dict[str, str] = field(default_factory=dict)
    """The same names -> why, of those that are known faults of the data."""
    failed_references: dict[str, str] = field(default_factory=dict)
    """task_id -> status and error of each reference that did not pass."""
    passed_wrong: dict[str, str] = field(default_factory=dict)
    """task_id and number -> each known-wrong solution that passed, or what kept it from being judged."""

    @property
    def ok(self) -> bool:
        """Whether the tests do what they should."""
        return not (self.failed_references.keys() | self.passed_wrong.keys()) - self.known.keys()

    def as_json(self) -> dict[str, Any]:
        """The check as plain data."""
        return asdict(self) | {"ok": self.ok}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One solution and what should become of it."""

    name: str
    problem: Problem
    completion: Completion
    is_reference: bool


def check_gold(spec: str, data: Path | None, console: Console) -> GoldCheck:
    """Run references and wrong solutions of a benchmark in the sandbox, on all CPUs.

    Raises:
        UserError: the benchmark cannot be loaded, or there is no isolation.
    """
    name, options = parse_spec(spec)
    benchmark = load_benchmark(name, options | ({"data": data} if data else {}), cache_root() / "data")
    if not _jobs(benchmark):
        raise UserError(f"{spec} has no reference solutions to check, or none that can be judged here.")
    sandboxes = [open_sandbox("auto") for _ in range(os.cpu_count() or 1)]
    try:
        benchmark = with_environments({spec: benchmark}, sandboxes[0])[spec]
        jobs = _jobs(benchmark)
        console.print(f"{spec}: expected outputs", style="dim")
        benchmark.prepare(sandboxes[0], cache_root() / "expected")
        console.print(f"{spec}: {len(jobs)} solutions in {len(sandboxes)} jails at a time", style="dim")
        outcomes = _judge(benchmark, jobs, sandboxes)
    finally:
        for sandbox in sandboxes:
            sandbox.close()
    return GoldCheck(
        benchmark=spec,
        isolation=sandboxes[0].isolation,
        num_references=sum(job.is_reference for job in jobs),
        num_wrong=sum(not job.is_reference for job in jobs),
        num_missing=sum(bool(problem.unavailable) for problem in benchmark.problems()),
        notes=tuple(benchmark.notes),
        known=_known(benchmark, outcomes),
        failed_references={job.name: why for job, passed, why in outcomes if job.is_reference and not passed},
        passed_wrong={
            job.name: why
            for job, passed, why in outcomes
            if not job.is_reference and (passed or why.startswith(Status.SANDBOX_ERROR))
        },
    )


def _known(benchmark: AnyBenchmark, outcomes: Sequence[tuple[_Job, bool, str]]) -> dict[str, str]:
    """Of the verdicts that are not what they should be, those that are listed, with the reason; no fault of ours."""
    name, edition = benchmark.name, benchmark.edition
    references = known_faults(name, edition, "reference") | known_faults(name, edition, "chance")
    tests = known_faults(name, edition, "tests")
    unlike = [
        (job, references if job.is_reference else tests)
        for job, passed, why in outcomes
        if passed is not job.is_reference and not why.startswith(Status.SANDBOX_ERROR)
    ]
    return {job.name: listed[job.problem.task_id] for job, listed in unlike if job.problem.task_id in listed}


def _jobs(benchmark: AnyBenchmark) -> list[_Job]:
    jobs = []
    for problem in benchmark.problems():
        if problem.unavailable:
            continue
        reference, wrong = reference_completion(problem), wrong_completions(problem)
        if reference:
            jobs.append(_Job(name=problem.task_id, problem=problem, completion=reference, is_reference=True))
        for number, completion in enumerate(wrong, start=1):
            name = f"{problem.task_id} #{number}"
            jobs.append(_Job(name=name, problem=problem, completion=completion, is_reference=False))
    return jobs


def _judge(benchmark: AnyBenchmark, jobs: Sequence[_Job], sandboxes: Sequence[Sandbox]) -> list[tuple[_Job, bool, str]]:
    """Each job, whether it passed, and its verdict in words; one thread per sandbox."""

    def judge(worker: int) -> list[tuple[_Job, bool, str]]:
        results = []
        for job in jobs[worker :: len(sandboxes)]:
            programs = benchmark.programs(job.problem, job.completion)
            verdicts = tuple(sandboxes[worker].run(program) for program in programs)
            score = benchmark.score(job.problem, job.completion, verdicts).values[benchmark.metrics[0]]
            results.append((job, score == 1.0, _outcome(verdicts)))
        return results

    with ThreadPoolExecutor(len(sandboxes)) as pool:
        return [result for part in pool.map(judge, range(len(sandboxes))) for result in part]


def _outcome(verdicts: Sequence[Verdict]) -> str:
    """The first verdict that is not a pass, in words."""
    worst = next((verdict for verdict in verdicts if not verdict.passed), None)
    if worst is None:
        return str(Status.PASSED)
    return f"{worst.status}: {worst.error} ({worst.cpu_seconds:.1f} s CPU)" if worst.error else str(worst.status)


def render_gold(check: GoldCheck) -> RenderableType:
    """Counts, then each solution whose verdict is not what it should be."""
    passed = check.num_references - len(check.failed_references)
    failed = check.num_wrong - len(check.passed_wrong)
    style = "green" if check.ok else "red"
    lines: list[RenderableType] = [
        Text.assemble((check.benchmark, "bold"), f"  isolation {check.isolation}"),
        Text(f"references passed  {passed}/{check.num_references}", style=style),
        Text(f"wrong ones failed  {failed}/{check.num_wrong}", style=style),
    ]
    if check.num_missing:
        lines.append(Text(f"missing            {check.num_missing} problems cannot be judged here", style="yellow"))
    lines += [Text(f"  note: {note}", style="dim") for note in check.notes]
    lines += [Text(f"  {task}  {_words(check, task, why)}") for task, why in check.failed_references.items()]
    lines += [
        Text(f"  {task}  {_words(check, task, f'a wrong solution got {why}')}")
        for task, why in check.passed_wrong.items()
    ]
    return Group(*lines)


def _words(check: GoldCheck, name: str, why: str) -> str:
    return f"known: {check.known[name]}" if name in check.known else why
