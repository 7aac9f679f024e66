"""`codeassay stress engine`: synthetic rows at rising scale through the whole pipeline, then faults in mid-run.

Each run is the command itself, as a child process: `codeassay run starter --data FILE --model synthetic:...`, where
FILE holds as many problems as the scale asks for. Its rows are held against a plan that is known beforehand.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from actors.execute import SAMPLES
from actors.judging import Policy
from actors.synthetic_generator import Synthetic
from engine.stress.accounting import Expected, account, expect, solution_statuses, write_problems
from engine.stress.pipeline_faults import (
    FAULTS,
    Fault,
    FaultName,
    Struck,
    empty,
    recovery_of,
    small_disk,
    why_no_small_disk,
)
from engine.stress.pipeline_run import Ended, Row, rows_of, run_child
from runners.errors import UserError

_PATIENCE_SECONDS, _PATIENCE_PER_ROW = 600.0, 0.2
_NUM_POINTS = 100
"""Points of the curve of committed rows that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStress:
    """What is asked of the engine."""

    scale: tuple[int, ...] = (100, 1000, 10_000)
    """Rows (samples) of each run, rounded up to whole problems."""
    faults: tuple[FaultName, ...] = FAULTS
    """Each in a run of its own at the largest scale."""
    n: int = 4
    """Samples per problem."""
    latency: float = 0.05
    """Seconds from a request to the model until its completions."""
    errors: float = 0.0
    """Share of the samples whose generation fails."""
    workers: int | None = None
    """Executors; one per CPU if None."""
    isolation: str = "auto"
    judge: Policy = "auto"


def run_engine_stress(config: EngineStress, directory: Path, console: Console) -> dict[str, Any]:
    """Run every scale and every fault; the results of stress.json.

    Args:
        config: what is asked.
        directory: of the results; the runs themselves go beside it and stay only if something failed.
        console: where progress is told.

    Raises:
        UserError: a number or a name makes no sense, no safe isolation here, or a run did not end.
    """
    check(config)
    statuses = solution_statuses(config.isolation, config.judge)
    # Beside the folder, not in it: what lies in that is sent to MLflow.
    runs = directory.with_name(f"{directory.name}-runs")
    scales, faults = [], []
    for rows in config.scale:
        console.print(f"scale {rows:,}", highlight=False)
        scales.append(_scale(_Case.of(config, rows, runs / f"scale-{rows}", statuses)))
    for name in config.faults:
        console.print(f"{name} at scale {max(config.scale):,}", highlight=False)
        faults.append(_fault(name, _Case.of(config, max(config.scale), runs / name, statuses)))
    results = {"scales": scales, "faults": faults, **_slopes(scales)}
    if is_ok(results):
        shutil.rmtree(runs)
    else:
        console.print(f"the runs stay for a look: {runs}", soft_wrap=True, markup=False)
    return results


def is_ok(results: Mapping[str, Any]) -> bool:
    """Whether nothing was lost, doubled or misjudged and every fault that was brought about was survived."""
    return all(each["ok"] for each in (*results["scales"], *results["faults"]))


def check(config: EngineStress) -> None:
    """Refuse what makes no sense before anything runs.

    Raises:
        UserError: names the option, its value and the cure.
    """
    if not config.scale or min(*config.scale, config.n) < 1:
        raise UserError("--scale and --n: give numbers of at least 1, e.g. --scale 100,1000.")
    if config.latency < 0 or not 0 <= config.errors <= 1:
        raise UserError("--latency: at least 0 seconds; --errors: a share between 0 and 1.")
    if config.isolation == "none":
        raise UserError("--isolation none: leave it out or choose a jail.")


def fault_names(text: str) -> tuple[FaultName, ...]:
    """Read `kill-actor,fill-disk`; empty text is no fault.

    Raises:
        UserError: there is no such fault; names the known ones.
    """
    known = {str(name): name for name in FAULTS}
    for name in filter(None, text.split(",")):
        if name not in known:
            raise UserError(f"--faults {name}: unknown; known: {', '.join(FAULTS)}.")
    return tuple(known[name] for name in text.split(",") if name)


def configuration(config: EngineStress) -> dict[str, Any]:
    """The configuration as plain data."""
    return asdict(config)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One run to be: its command, its place and its plan."""

    folder: Path
    arguments: tuple[str, ...]
    """All but --output."""
    expected: Expected

    @classmethod
    def of(cls, config: EngineStress, rows: int, folder: Path, statuses: list[tuple[str, ...]]) -> _Case:
        """Write the problems of so many rows and say how they are run."""
        folder.mkdir(parents=True, exist_ok=True)
        count = -(-rows // config.n)
        write_problems(folder / "problems.jsonl", count)
        how = Synthetic(latency=config.latency, errors=config.errors)
        sets = {"tracking.enabled": "false", "report.max_infra_errors": "1"}
        sets |= {"execution.workers": str(config.workers)} if config.workers else {}
        arguments = (
            *("run", "starter", "--data", str(folder / "problems.jsonl"), "--model", str(how), "--n", str(config.n)),
            *("--isolation", config.isolation, "--judge", config.judge, "--no-cache", "--json"),
            *[part for name, value in sets.items() for part in ("--set", f"{name}={value}")],
        )
        return cls(folder=folder, arguments=arguments, expected=expect(count, config.n, how, statuses))

    def run(self, run_dir: Path, fault: Fault | None = None) -> Ended:
        """Run it to its end in this run directory."""
        patience = _PATIENCE_SECONDS + _PATIENCE_PER_ROW * len(self.expected)
        arguments = (*self.arguments, "--output", str(run_dir))
        return run_child(arguments, self.folder, patience, *([fault.look] if fault else []))


def _scale(case: _Case) -> dict[str, Any]:
    """One run that nothing disturbs."""
    run_dir = case.folder / "run"
    ended = case.run(run_dir)
    return _figures(case, run_dir, ended)


def _figures(case: _Case, run_dir: Path, ended: Ended) -> dict[str, Any]:
    """What one run cost and whether its rows are those of the plan."""
    accounting = account(run_dir, case.expected)
    rows = rows_of(run_dir, SAMPLES)
    first, last = (rows[0].at, rows[-1].at) if rows else (ended.ended_at, ended.ended_at)
    ok = accounting.ok and ended.exit_code == 0
    return {
        "rows": len(case.expected),
        "ok": ok,
        "exit_code": ended.exit_code,
        **({} if ok else {"said": ended.said}),
        "rows_per_second": (len(rows) - 1) / (last - first) if last > first else None,
        "wall_seconds": ended.wall_seconds,
        "startup_seconds": first - ended.began_at,
        "cpu_seconds": ended.cpu_seconds,
        "cpu_ms_per_row": 1000 * ended.cpu_seconds / len(case.expected),
        "driver_peak_bytes": ended.driver_peak_bytes,
        "accounting": accounting.as_json(),
        "committed": _curve(rows, ended.began_at),
    }


def _curve(rows: Sequence[Row], began_at: float) -> list[tuple[float, int]]:
    """Seconds since the start and rows judged by then, at no more than _NUM_POINTS points."""
    step = max(1, len(rows) // _NUM_POINTS)
    return [(row.at - began_at, number + 1) for number, row in enumerate(rows) if (number + 1) % step == 0]


def _fault(name: FaultName, case: _Case) -> dict[str, Any]:
    """One run that a fault meets."""
    if name != "fill-disk":
        return _killed(name, case)
    if reason := why_no_small_disk():
        return {"fault": name, "ok": True, "skipped": reason}
    return _filled(case)


def _killed(name: FaultName, case: _Case) -> dict[str, Any]:
    """A process is killed; the same run has to go on to its end."""
    run_dir = case.folder / "run"
    fault = Fault(name, run_dir, len(case.expected))
    ended = case.run(run_dir, fault)
    figures = _figures(case, run_dir, ended)
    if fault.struck is None:
        return {"fault": name, **figures, "ok": False, "why": "the run ended before a process could be killed"}
    if not fault.struck.left:
        return {"fault": name, **figures, "ok": False, "why": "nothing was left to do when the process was killed"}
    recovery = recovery_of(rows_of(run_dir, fault.stage), fault.struck)
    return {"fault": name, **figures, **_told(fault.struck, ended), **asdict(recovery)}


def _filled(case: _Case) -> dict[str, Any]:
    """The disk is full; the run has to say so, and the same command has to complete it once there is room."""
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(case.folder / "disk", len(case.expected)))
        run_dir = disk / "run"
        fault = Fault("fill-disk", run_dir, len(case.expected))
        broken = case.run(run_dir, fault)
        empty(disk)
        again = case.run(run_dir)
        figures = _figures(case, run_dir, again)
        figures |= {"rows_per_second": None, "startup_seconds": None}  # of two runs with a gap between
        figures["committed"] = _curve(rows_of(run_dir, SAMPLES), broken.began_at)
        if fault.struck is None:
            return {"fault": "fill-disk", **figures, "ok": False, "why": "the run ended before the disk was full"}
        recovery = recovery_of(rows_of(run_dir, fault.stage), fault.struck, since=again.began_at)
    told = complaint(broken, run_dir)
    return {
        "fault": "fill-disk",
        **figures,
        **_told(fault.struck, broken),
        **asdict(recovery),
        "complaint": {**told, "exit_code": broken.exit_code, "said": broken.said},
        "ok": figures["ok"] and all(told.values()),
    }


def _told(struck: Struck, ended: Ended) -> dict[str, Any]:
    return {"struck": struck.target, "struck_seconds": struck.at - ended.began_at, "left_rows": struck.left}


def complaint(ended: Ended, run_dir: Path) -> dict[str, bool]:
    """What a run has to say of a full disk: that it failed, where, what cures it, and no stack trace."""
    said = " ".join(ended.said.split()).lower()
    return {
        "failed": ended.exit_code not in (0, 3),
        "names_the_directory": str(run_dir).lower() in said,
        "names_the_fault": "no space left" in said or "full" in said,
        "names_the_cure": "run again" in said or "same command again" in said or "make room" in said,
        "no_stack_trace": "traceback" not in said,
    }


def _slopes(scales: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """What one more row costs, from the smallest to the largest scale: without the start of Ray and of sandboxes."""
    small, large = min(scales, key=_rows), max(scales, key=_rows)
    more = large["rows"] - small["rows"]
    if not more:
        return {"marginal_cpu_ms_per_row": None, "driver_bytes_per_row": None}
    slope = partial(_difference, small, large)
    return {
        "marginal_cpu_ms_per_row": 1000 * slope("cpu_seconds") / more,
        "driver_bytes_per_row": slope("driver_peak_bytes") / more,
    }


def _rows(scale: Mapping[str, Any]) -> int:
    return int(scale["rows"])


def _difference(small: Mapping[str, Any], large: Mapping[str, Any], name: str) -> float:
    return float(large[name] - small[name])
