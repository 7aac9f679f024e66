"""One worker of `codeassay stress sandbox`: a process with a sandbox of its own, judging as an executor does."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from actors.alone import open_alone
from actors.judging import Judging, Policy, ProblemKey, Runner
from benchmarks.problem import NOMINAL
from engine.stress.canaries import Canaries, known_pass
from engine.stress.escapes import HOSTILE, Hostile
from engine.stress.process_tree import cpu_seconds
from runners.program import Program, Status
from runners.restricted import RestrictedSandbox
from runners.sandbox import Sandbox, open_sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One program to judge."""

    name: str
    """task_id of an honest program, row of the hostile table of another."""
    program: Program | None
    """None for a hostile row: it is written for the machine that runs it."""
    passes: bool = False
    """Whether the right verdict is a pass."""

    @property
    def key(self) -> ProblemKey:
        """What the judge knows it by."""
        return ("hostile" if self.program is None else "starter", self.name, NOMINAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """What became of one job."""

    name: str
    hostile: bool
    status: str
    wall_seconds: float
    """From the call to the verdict, all runs that it needed included."""
    is_right: bool
    """An honest program: it passed or failed as it should. A hostile one: the verdict is one of the program's."""
    known_pass: bool = False
    """A hostile program passed inside, where that is known to be possible."""
    escapes: tuple[str, ...] = ()
    """Proofs of an escape, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one worker did."""

    executed: list[Executed] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Hostile rows that this level does not promise to contain, and why."""
    begun: float = 0.0
    """When it began, on the machine's monotonic clock."""
    ended: float = 0.0
    cpu_seconds: float = 0.0
    """Of this process, its jails and its programs while it judged."""


def serve(pipe: Connection, jobs: Sequence[Job], isolation: str, judge: Policy) -> None:
    """Open a sandbox, say its level, then judge jobs by number as they are asked for, and answer with a Share.

    Each message is a list of job numbers; None ends the worker.
    """
    with Canaries() as canaries, contextlib.closing(open_sandbox(isolation)) as sandbox:
        keys = {job.key for job in jobs} if "split" in sandbox.judges else set()
        judging = Judging(sandbox, judge, keys, runner=Runner(sandbox, open_alone()))
        pipe.send(sandbox.isolation)
        while (numbers := pipe.recv()) is not None:
            pipe.send(_judge_all([jobs[number] for number in numbers], judging, sandbox, canaries))


def _judge_all(jobs: Sequence[Job], judging: Judging, sandbox: Sandbox, canaries: Canaries) -> Share:
    before, begun = cpu_seconds(os.getpid()), time.monotonic()
    executed, skipped = [], {}
    for job in jobs:
        if job.program is not None:
            executed.append(_honest(job, job.program, judging))
        elif reason := not_contained(HOSTILE[job.name], sandbox):
            skipped[job.name] = reason
        else:
            executed.append(_hostile(job, HOSTILE[job.name], judging, sandbox, canaries))
    ended = time.monotonic()
    used = cpu_seconds(os.getpid()) - before
    return Share(executed=executed, skipped=skipped, begun=begun, ended=ended, cpu_seconds=used)


def _honest(job: Job, program: Program, judging: Judging) -> Executed:
    begun = time.perf_counter()
    verdict = judging.decide(job.key, program).verdict
    seconds = time.perf_counter() - begun
    is_right = verdict.status.counts and verdict.passed == job.passes
    return Executed(name=job.name, hostile=False, status=verdict.status.value, wall_seconds=seconds, is_right=is_right)


def _hostile(job: Job, row: Hostile, judging: Judging, sandbox: Sandbox, canaries: Canaries) -> Executed:
    facts = canaries.facts()
    if row.first:
        sandbox.run(row.program(facts, source=row.first))
    begun = time.perf_counter()
    verdict = judging.decide(job.key, row.program(facts)).verdict
    seconds = time.perf_counter() - begun
    known = verdict.passed and known_pass(verdict.judge, forgeable_inside=row.forgeable_inside)
    return Executed(
        name=job.name,
        hostile=True,
        status=verdict.status.value,
        wall_seconds=seconds,
        is_right=verdict.status is not Status.SANDBOX_ERROR,
        known_pass=known,
        escapes=tuple(canaries.escapes(verdict, may_pass=known)),
    )


def not_contained(row: Hostile, sandbox: Any) -> str:  # noqa: ANN401 - what `restricted` holds is its class's own
    """Why a row is not run in this sandbox; empty if it is."""
    if sandbox.isolation not in row.levels:
        return f"{sandbox.isolation} does not promise to contain it"
    if not (row.needs_bound and isinstance(sandbox, RestrictedSandbox)):
        return ""
    is_bound = os.geteuid() != 0 or sandbox.has_groups or sandbox.own_uid
    return "" if is_bound else "nothing bounds the number of root's processes here"
