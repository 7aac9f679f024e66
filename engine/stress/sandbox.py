"""`codeassay stress sandbox`: how many programs this machine judges per second, at what price, and that none gets out.

Per number of workers two phases: `clean`, the packaged programs of `starter` alone, and `mixed`, the same with hostile
programs among them (`escapes.py`). Each worker is a process with a sandbox of its own, as in the pipeline, without Ray.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from actors.judging import Policy
from benchmarks.benchmark import reference_completion, wrong_completions
from benchmarks.starter import Starter, StarterOptions
from engine.stress.bare_fork import bare_fork_cpu_seconds
from engine.stress.escapes import HOSTILE
from engine.stress.sandbox_worker import Executed, Job, Share, serve
from runners.errors import UserError
from runners.sandbox import open_sandbox

_NUM_WARM_UP = 12
_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxStress:
    """What is asked of the sandbox."""

    workers: tuple[int, ...] = (1, 2)
    """Worker processes, one measurement each; more than there are CPUs are allowed."""
    programs: int = 200
    """Programs per phase."""
    hostile_share: float = 0.2
    """Share of the mixed phase's programs that are hostile, in [0, 1]."""
    isolation: str = "auto"
    judge: Policy = "auto"
    repeat: int = 1
    """Rounds, for the spread."""


def run_sandbox_stress(config: SandboxStress, console: Console) -> dict[str, Any]:
    """Measure each number of workers; the results of stress.json.

    Raises:
        UserError: hostile programs would run unprotected, the level has no such judge, or a number makes no sense.
    """
    check(config)
    floor = 1000 * bare_fork_cpu_seconds([job.program for job in honest_jobs() if job.passes and job.program])
    rounds: list[dict[str, Any]] = []
    for number in range(config.repeat):
        for workers in config.workers:
            console.print(f"round {number + 1}/{config.repeat}, {workers} worker(s)", highlight=False)
            skip = len(rounds) * round(config.programs * config.hostile_share)  # on through the table
            rounds.append({"workers": workers, "round": number, **_measure(config, workers, floor, skip)})
    return {
        "bare_fork_cpu_ms": floor,
        "rounds": rounds,
        "escapes": [escape for each in rounds for escape in each["escapes"]],
        "wrong": [wrong for each in rounds for wrong in each["wrong"]],
        "summary": [_summary(workers, rounds) for workers in config.workers],
    }


def is_ok(results: Mapping[str, Any]) -> bool:
    """Whether nothing got out and every verdict was right."""
    return not results["escapes"] and not results["wrong"]


def check(config: SandboxStress) -> None:
    """Refuse before anything hostile runs.

    Raises:
        UserError: names the option, its value and the cure.
    """
    if config.isolation == "none":
        raise UserError("--isolation none: hostile programs never run unprotected; leave it out or choose a jail.")
    if not 0 <= config.hostile_share <= 1:
        raise UserError(f"--hostile-share {config.hostile_share:g}: give a share between 0 and 1, e.g. 0.2.")
    if min(*config.workers, config.programs, config.repeat) < 1:
        raise UserError("--workers, --programs and --repeat: give numbers of at least 1.")
    sandbox = open_sandbox(config.isolation)
    sandbox.close()
    if config.judge not in {"auto", *sandbox.judges}:
        raise UserError(f"--judge {config.judge}: isolation {sandbox.isolation} has {', '.join(sandbox.judges)}.")


def honest_jobs() -> list[Job]:
    """The references and the wrong solutions of `starter`, with what their verdict has to be."""
    benchmark = Starter.load(StarterOptions(), Path())
    jobs = []
    for problem in benchmark.problems():
        right = [completion for completion in [reference_completion(problem)] if completion is not None]
        for completion in (*right, *wrong_completions(problem)):
            (program,) = benchmark.programs(problem, completion)
            jobs.append(Job(name=problem.task_id, program=program, passes=completion in right))
    return jobs


def mixed(honest: Sequence[int], hostile: Sequence[int], count: int, share: float) -> list[int]:
    """So many job numbers, of which this share is hostile and evenly spread; both kinds go round.

    Args:
        honest: job numbers of honest programs, not empty.
        hostile: job numbers of hostile ones.
        count: length of the result.
        share: in [0, 1].
    """
    chosen, num_hostile = [], 0
    for position in range(count):
        if hostile and (position + 1) * share - num_hostile >= 1 - 1e-9:
            chosen.append(hostile[num_hostile % len(hostile)])
            num_hostile += 1
        else:
            chosen.append(honest[(position - num_hostile) % len(honest)])
    return chosen


def _measure(config: SandboxStress, workers: int, floor_ms: float, skip: int) -> dict[str, Any]:
    """One round of one number of workers: warm up, clean phase, mixed phase; attacks go on after `skip` others."""
    jobs = [*honest_jobs(), *[Job(name=name, program=None) for name in HOSTILE]]
    honest = [number for number, job in enumerate(jobs) if job.program is not None]
    hostile = [number for number, job in enumerate(jobs) if job.program is None]
    hostile = hostile[skip % len(hostile) :] + hostile[: skip % len(hostile)]
    with _workers(workers, jobs, config) as pipes:
        levels = [pipe.recv() for pipe in pipes]
        _ask(pipes, [honest[:_NUM_WARM_UP]] * workers)
        clean = _phase(pipes, mixed(honest, (), config.programs, 0.0))
        attacked = _phase(pipes, mixed(honest, hostile, config.programs, config.hostile_share))
    clean_told, attacked_told = _told(clean), _told(attacked)
    overhead = clean_told["cpu_ms"] - floor_ms
    return {
        "isolation": levels[0],
        "clean": {**clean_told, "overhead_cpu_ms": overhead, "over_bare_fork": clean_told["cpu_ms"] / floor_ms},
        "mixed": attacked_told,
        **_findings([*clean, *attacked]),
    }


@contextmanager
def _workers(count: int, jobs: Sequence[Job], config: SandboxStress) -> Iterator[list[Connection]]:
    """Start workers; at the end they are asked to leave, and ended if they do not."""
    context = multiprocessing.get_context("spawn")
    started: list[tuple[BaseProcess, Connection]] = []
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            process: BaseProcess = context.Process(
                target=serve, args=(theirs, jobs, config.isolation, config.judge), daemon=True
            )
            process.start()
            theirs.close()
            started.append((process, ours))
        yield [pipe for _, pipe in started]
    finally:
        for process, pipe in started:
            _leave(process, pipe)


def _leave(process: BaseProcess, pipe: Connection) -> None:
    with contextlib.suppress(OSError):  # one that has gone was told of by `_answer`
        pipe.send(None)
    process.join(_STOP_SECONDS)
    if process.is_alive():
        process.kill()
    pipe.close()


def _phase(pipes: Sequence[Connection], numbers: Sequence[int]) -> list[Share]:
    """Judge these jobs, dealt out evenly; what each worker did."""
    return _ask(pipes, [numbers[first :: len(pipes)] for first in range(len(pipes))])


def _ask(pipes: Sequence[Connection], hands: Sequence[Sequence[int]]) -> list[Share]:
    """Give each worker its jobs and wait for all. A worker that dies is told as an escape: a program ended it."""
    for pipe, hand in zip(pipes, hands, strict=True):
        pipe.send(list(hand))
    return [_answer(pipe, number) for number, pipe in enumerate(pipes)]


def _answer(pipe: Connection, number: int) -> Share:
    try:
        share: Share = pipe.recv()
    except (EOFError, ConnectionError):
        died = Executed(
            name=f"worker {number}",
            hostile=True,
            status="sandbox_error",
            wall_seconds=0.0,
            is_right=False,
            escapes=("the worker's own process ended",),
        )
        return Share(executed=[died])
    return share


def _told(shares: Sequence[Share]) -> dict[str, Any]:
    """Figures of one phase; milliseconds, and programs of all workers per second of the whole phase."""
    executed = [each for share in shares for each in share.executed]
    wall_seconds = max(share.ended for share in shares) - min(share.begun for share in shares)
    honest = [1000 * each.wall_seconds for each in executed if not each.hostile]
    return {
        "num_programs": len(executed),
        "num_hostile": sum(each.hostile for each in executed),
        "executions_per_second": len(executed) / wall_seconds if wall_seconds > 0 else 0.0,
        "cpu_ms": 1000 * sum(share.cpu_seconds for share in shares) / max(1, len(executed)),
        "honest_wall_ms_p50": float(np.percentile(honest, 50)) if honest else None,
        "honest_wall_ms_p99": float(np.percentile(honest, 99)) if honest else None,
    }


def _findings(shares: Sequence[Share]) -> dict[str, Any]:
    """Escapes, verdicts that were not right, rows passed over and known weaknesses."""
    executed = [each for share in shares for each in share.executed]
    return {
        "escapes": [f"{each.name}: {proof}" for each in executed for proof in each.escapes],
        "wrong": [f"{each.name}: {each.status}" for each in executed if not each.is_right],
        "known_passes": sorted({each.name for each in executed if each.known_pass}),
        "skipped": {name: why for share in shares for name, why in share.skipped.items()},
        "hostile_statuses": {each.name: each.status for each in executed if each.hostile},
    }


def _summary(workers: int, rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Median, least and most over the rounds of one number of workers."""
    own = [each for each in rounds if each["workers"] == workers]
    names = {
        "clean": ("executions_per_second", "cpu_ms", "overhead_cpu_ms", "honest_wall_ms_p50", "honest_wall_ms_p99"),
        "mixed": ("executions_per_second", "honest_wall_ms_p50", "honest_wall_ms_p99"),
    }
    spread = {
        f"{phase}/{name}": _spread([each[phase][name] for each in own]) for phase in names for name in names[phase]
    }
    return {"workers": workers, "escapes": sum(len(each["escapes"]) for each in own), **spread}


def _spread(values: Sequence[float | None]) -> dict[str, float] | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return {"median": float(np.median(known)), "least": min(known), "most": max(known)}


def configuration(config: SandboxStress) -> dict[str, Any]:
    """The configuration as plain data."""
    return asdict(config)
