"""The Execute stage: a Ray actor that owns one sandbox, runs the programs of completions, scores and commits them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from actors.generate import sample_id
from actors.judging import Judging, Policy, ProblemKey
from actors.parts import STOP_FILE, commit
from actors.samples import DONE_SCHEMA, SAMPLE_SCHEMA, completion_of, storable
from benchmarks.benchmark import Benchmark
from benchmarks.problem import Completion, Problem
from runners.program import Limits, Program, Status, Verdict
from runners.sandbox import open_sandbox

SAMPLES = "samples"


class Execute:
    """Turns completed rows into samples on disk; only statuses travel on."""

    def __init__(
        self,
        run_dir: str,
        benchmarks: Mapping[str, Benchmark],
        isolation: str,
        limits: Mapping[str, float],
        policy: Policy = "inside",
        splittable: Collection[ProblemKey] = (),
    ) -> None:
        """Open the sandbox; `limits` replaces fields of every program's Limits.

        Raises:
            SandboxUnavailable: the node does not give the isolation asked for.
        """
        self._directory = Path(run_dir)
        self._benchmarks = benchmarks
        self._problems = {
            (label, problem.task_id, problem.variant): problem
            for label, benchmark in benchmarks.items()
            for problem in benchmark.problems()
        }
        self._limits = dict(limits)
        self._judging = Judging(open_sandbox(isolation), policy, splittable)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Judge every completion of a batch of COMPLETED_SCHEMA rows; returns DONE_SCHEMA rows."""
        samples: list[dict[str, Any]] = []
        for row in batch.to_pylist():
            if (self._directory / STOP_FILE).exists():
                break
            samples += self._judge_all(row)
        if samples:
            commit(self._directory / SAMPLES, samples, SAMPLE_SCHEMA)
        return pa.Table.from_pylist(samples, schema=DONE_SCHEMA)

    def _judge_all(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """All samples of one prompt; identical programs run once."""
        seen: dict[str, Verdict] = {}
        identity = {name: row[name] for name in ("benchmark", "task_id", "variant")}
        samples = []
        for generated in row["completions"]:
            key = {"sample_id": sample_id(row["request_id"], generated["sample_index"])}
            samples.append({**key, **identity, **generated, **self._judge(row, completion_of(generated), seen)})
        return samples

    def _judge(self, row: dict[str, Any], completion: Completion, seen: dict[str, Verdict]) -> dict[str, Any]:
        benchmark = self._benchmarks[row["benchmark"]]
        key = (row["benchmark"], row["task_id"], row["variant"])
        problem = self._problems[key]
        if completion.error:
            verdict = Verdict(status=Status.GENERATION_ERROR, judge="none", error=completion.error)
            return judged_row((), (verdict,), {}, None)
        programs = tuple(self._limited(program) for program in benchmark.programs(problem, completion))
        verdicts = tuple(self._run_once(key, program, seen) for program in programs)
        return self._scored(benchmark, problem, completion, programs, verdicts)

    def _scored(
        self,
        benchmark: Benchmark,
        problem: Problem,
        completion: Completion,
        programs: tuple[Program, ...],
        verdicts: tuple[Verdict, ...],
    ) -> dict[str, Any]:
        if not all(verdict.status.counts for verdict in verdicts):
            return judged_row(programs, verdicts, {}, None)
        scores = dict(benchmark.score(problem, completion, verdicts).values)
        return judged_row(programs, verdicts, scores, scores[benchmark.metrics[0]])

    def _limited(self, program: Program) -> Program:
        return replace(program, limits=replace(program.limits, **_typed(self._limits))) if self._limits else program

    def _run_once(self, key: ProblemKey, program: Program, seen: dict[str, Verdict]) -> Verdict:
        digest = program.sha256()
        if digest not in seen:
            seen[digest] = self._judging.judge(key, program)
        return seen[digest]


def _typed(limits: Mapping[str, float]) -> dict[str, Any]:
    """Whole numbers for the fields of Limits that count bytes or things."""
    floats = {name for name in limits if name in ("cpu_seconds", "wall_seconds")}
    assert set(limits) <= set(Limits.__dataclass_fields__)
    return {name: value if name in floats else int(value) for name, value in limits.items()}


def judged_row(
    programs: tuple[Program, ...], verdicts: tuple[Verdict, ...], scores: Mapping[str, float], score: float | None
) -> dict[str, Any]:
    """The JUDGED columns of a sample; costs are added up.

    The first verdict in which we failed speaks for all, since there is no score then; else the first that is no pass.
    """
    ranked = sorted(verdicts, key=lambda verdict: (verdict.status.counts, verdict.passed))
    verdict = ranked[0] if ranked else Verdict(status=Status.PASSED, judge="text")
    peaks = [v.peak_memory_bytes for v in verdicts if v.peak_memory_bytes is not None]
    return {
        "program": storable(programs[0].source) if programs else "",
        "program_sha256": hashlib.sha256(programs[0].source.encode("utf-8", "replace")).hexdigest() if programs else "",
        "status": verdict.status.value,
        "judge": verdict.judge,
        "isolation": verdict.isolation,
        "cpu_seconds": sum(v.cpu_seconds for v in verdicts),
        "wall_seconds": sum(v.wall_seconds for v in verdicts),
        "peak_memory_bytes": max(peaks, default=None),
        "tests_passed": verdict.tests_passed,
        "error": storable(verdict.error),
        "stdout_tail": storable(verdict.stdout),
        "stderr_tail": storable(verdict.stderr),
        "score": score,
        "scores": list(scores.items()),
        "finished_at": time.time(),
    }
