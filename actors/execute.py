"""The Execute stage: a Ray actor that owns one sandbox, runs the programs of completions, scores and commits them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from actors.alone import open_alone
from actors.generate import sample_id
from actors.judging import Calibration, Judged, Judging, Policy, ProblemKey, Runner
from actors.lanes import Lanes
from actors.parts import STOP_FILE, commit
from actors.samples import DONE_SCHEMA, SAMPLE_SCHEMA, completion_of, judge_text, place, storable
from actors.verdict_cache import VerdictCache
from benchmarks.benchmark import Benchmark
from benchmarks.problem import Completion, Problem
from runners.program import Limits, Program, Status, Verdict
from runners.sandbox import Sandbox, open_sandbox
from runners.supervise import Idle

SAMPLES = "samples"
NODES = "nodes"
"""Folder of a run directory with one small file per executor: its node, and how slow that is beside the driver's."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Prompt:
    """One row while its completions are judged."""

    row: dict[str, Any]
    arrived_at: float
    seen: dict[str, Judged] = field(default_factory=dict)
    """Verdicts by content of the program: identical programs run once."""
    begun: bool = False


class Execute:
    """Turns completed rows into samples on disk; only statuses travel on."""

    def __init__(
        self,
        run_dir: str,
        benchmarks: Mapping[str, Benchmark],
        isolation: str,
        limits: Mapping[str, float],
        policy: Policy = "inside",
        calibration: Calibration | None = None,
        verdicts: str | None = None,
    ) -> None:
        """Open the sandbox and measure the node.

        Args:
            run_dir: where samples are committed.
            benchmarks: by label.
            isolation: level of the sandbox.
            limits: fields that replace those of every program's Limits.
            policy: which judge decides.
            calibration: what the driver learned from reference solutions; None is nothing.
            verdicts: directory of the verdict cache; None runs every program.

        Raises:
            SandboxUnavailable: the node does not give the isolation asked for.
        """
        self._directory = Path(run_dir)
        self._opened_at = time.time()
        self._benchmarks = benchmarks
        self._problems = {
            (label, problem.task_id, problem.variant): problem
            for label, benchmark in benchmarks.items()
            for problem in benchmark.problems()
        }
        self._limits = _typed(limits)
        self._calibration = calibration or Calibration()
        sandbox = open_sandbox(isolation)
        runner = Runner(sandbox, open_alone())
        self._tell_speed(runner.measure_speed(self._calibration.yardsticks))
        cache = _open_cache(verdicts, sandbox)
        self._judging = Judging(
            sandbox,
            policy,
            self._calibration.splittable,
            inside_first=self._calibration.inside_first,
            cache=cache,
            runner=runner,
        )

    def _tell_speed(self, speed: float) -> None:
        """Record the node in the run directory; the file appears whole or not at all."""
        node = platform.node()
        _log.info("node %s: time limits x %.2f", node, speed)
        path = self._directory / NODES / f"{node}-{os.getpid()}.json"
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps({"node": node, "time_limit_factor": speed, "opened_at": time.time()}) + "\n")
        temporary.replace(path)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Judge every completion of a batch of COMPLETED_SCHEMA rows; returns DONE_SCHEMA rows."""
        arrived_at = time.time()
        prompts = [_Prompt(row, arrived_at) for row in batch.to_pylist()]
        tasks = [
            partial(self._judge_one, prompt, generated) for prompt in prompts for generated in prompt.row["completions"]
        ]
        judged = iter(Lanes(tasks).run_all())
        samples: list[dict[str, Any]] = []
        for prompt in prompts:
            of_prompt = [next(judged) for _ in prompt.row["completions"]]
            samples += [sample for sample in of_prompt if sample is not None]
        if samples:
            commit(self._directory / SAMPLES, samples, SAMPLE_SCHEMA)
        return pa.Table.from_pylist(samples, schema=DONE_SCHEMA)

    def _judge_one(self, prompt: _Prompt, generated: dict[str, Any], idle: Idle) -> dict[str, Any] | None:
        """One sample; None where the run is to stop and its prompt was not begun."""
        if not prompt.begun and (self._directory / STOP_FILE).exists():
            return None
        prompt.begun = True
        row = prompt.row
        key = {"sample_id": sample_id(row["request_id"], generated["sample_index"])}
        identity = {name: row[name] for name in ("benchmark", "task_id", "variant")}
        started_at = time.time()
        times = {
            "execution_started_at": started_at,
            "execution_queue_seconds": max(0.0, started_at - self._ready_at(prompt, generated)),
            "worker": place(),
        }
        judged = self._judge(row, completion_of(generated), prompt.seen, idle)
        return {**key, **identity, **generated, **judged, **times, "finished_at": time.time()}

    def _ready_at(self, prompt: _Prompt, generated: dict[str, Any]) -> float:
        """When a completion could have been executed: at its generation's end; where that was in an earlier run, now.

        Clocks of several nodes are compared here; where they differ by more than a queue is long, it counts as none.
        """
        began, seconds = generated["generation_started_at"], generated["generation_seconds"]
        ended = None if began is None or seconds is None else began + seconds
        return prompt.arrived_at if ended is None or ended < self._opened_at else ended

    def _judge(
        self, row: dict[str, Any], completion: Completion, seen: dict[str, Judged], idle: Idle
    ) -> dict[str, Any]:
        benchmark = self._benchmarks[row["benchmark"]]
        key = (row["benchmark"], row["task_id"], row["variant"])
        problem = self._problems[key]
        if completion.error:
            verdict = Verdict(status=Status.GENERATION_ERROR, judge="none", error=completion.error)
            return judged_row((), (verdict,), {}, None)
        if problem.unavailable:
            verdict = Verdict(status=Status.MISSING, judge="none", error=problem.unavailable)
            return judged_row((), (verdict,), {}, None)
        programs = tuple(self._limited(key, program) for program in benchmark.programs(problem, completion))
        judged = tuple(self._run_once(key, program, seen, idle) for program in programs)
        row = self._scored(benchmark, problem, completion, programs, tuple(each.verdict for each in judged))
        cached = bool(judged) and all(each.cached for each in judged)
        return row | {"judge": judge_text(row["judge"], cached=cached, flaky=any(each.flaky for each in judged))}

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

    def _limited(self, key: ProblemKey, program: Program) -> Program:
        """The program with room for its problem; what the user asked for goes before that."""
        limits = replace(self._calibration.limits(key, program.limits), **self._limits)
        return replace(program, limits=limits)

    def _run_once(self, key: ProblemKey, program: Program, seen: dict[str, Judged], idle: Idle) -> Judged:
        digest = program.sha256()
        if digest not in seen:
            seen[digest] = self._judging.decide(key, program, digest, idle)
        return seen[digest]


def _open_cache(directory: str | None, sandbox: Sandbox) -> VerdictCache | None:
    """The cache for this sandbox; none at level `none`, where a program can write what it likes into it."""
    if directory is None or sandbox.isolation == "none":
        return None
    return VerdictCache(Path(directory), toolchain=sandbox.toolchain(), isolation=sandbox.isolation)


def _typed(limits: Mapping[str, float]) -> dict[str, Any]:
    """Whole numbers for the fields of Limits that count bytes or things."""
    floats = {name for name in limits if name in ("cpu_seconds", "wall_seconds")}
    assert set(limits) <= set(Limits.__dataclass_fields__)
    return {name: value if name in floats else int(value) for name, value in limits.items()}


def judged_row(
    programs: tuple[Program, ...], verdicts: tuple[Verdict, ...], scores: Mapping[str, float], score: float | None
) -> dict[str, Any]:
    """The JUDGED columns of a sample; costs are added up.

    The first verdict in which we failed speaks for all, since there is no score then; else the first that is no pass,
    unless the headline is full all the same: then what did not pass decides other scores.
    """
    ranked = sorted(verdicts, key=lambda verdict: (verdict.status.counts, verdict.passed is not (score == 1.0)))
    verdict = ranked[0] if ranked else Verdict(status=Status.PASSED, judge="text")
    compiled = [v.compile_seconds for v in verdicts if v.compile_seconds is not None]
    peaks = [v.peak_memory_bytes for v in verdicts if v.peak_memory_bytes is not None]
    return {
        "program": storable(programs[0].source) if programs else "",
        "program_sha256": hashlib.sha256(programs[0].source.encode("utf-8", "replace")).hexdigest() if programs else "",
        "status": verdict.status.value,
        "judge": verdict.judge,
        "isolation": verdict.isolation,
        "compile_seconds": sum(compiled) if compiled else None,
        "cpu_seconds": sum(v.cpu_seconds for v in verdicts),
        "wall_seconds": sum(v.wall_seconds for v in verdicts),
        "peak_memory_bytes": max(peaks, default=None),
        "tests_passed": verdict.tests_passed,
        "error": storable(verdict.error),
        "stdout_tail": storable(verdict.stdout),
        "stderr_tail": storable(verdict.stderr),
        "score": score,
        "scores": list(scores.items()),
    }
