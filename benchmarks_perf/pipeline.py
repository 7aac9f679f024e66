"""The whole pipeline over stored samples: `codeassay run humaneval --model replay:FILE` in a fresh directory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from benchmarks_perf.cpu import pinned
from benchmarks_perf.drivers.protocol import Sample
from benchmarks_perf.measure import stored_workload
from benchmarks_perf.session import DriverFailed
from benchmarks_perf.subjects import Settings

_PATIENCE_SECONDS, _PATIENCE_PER_SAMPLE = 600.0, 2.0
START = "import sys; from engine.cli import main; main()"
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One run of the command, told by the `finished_at` of its samples."""

    num_executed: int
    samples_per_second: float
    """From the first verdict to the last."""
    middle_per_second: float
    """Between the first and the last tenth of the verdicts: without the start of a later worker and the last batch."""
    startup_seconds: float
    """From the start of the command to its first verdict: imports, checks, Ray, sandboxes, first program."""
    ending_seconds: float
    """From the last verdict to the end of the command: metrics, Ray's end."""
    statuses: Mapping[str, int]


def replay(
    samples: Sequence[Sample], data: Path, settings: Settings, *, workers: int, cores: Collection[int]
) -> Replayed:
    """Run the command over these samples and read when each was judged.

    Args:
        samples: distinct programs, in the order of the benchmark.
        data: HumanEval's file.
        settings: isolation and CPU limit.
        workers: execution actors.
        cores: processors that all of it may use.

    Raises:
        DriverFailed: the command failed, or did not judge each sample.
    """
    with tempfile.TemporaryDirectory(prefix="codeassay-perf-") as folder, stored_workload(samples) as path:
        argv = [sys.executable, "-c", START, *arguments(samples, path, data, settings, workers, Path(folder) / "run")]
        begun = time.time()
        with pinned(set(cores)):
            run_command(argv, Path(folder), patience_seconds=_PATIENCE_SECONDS + _PATIENCE_PER_SAMPLE * len(samples))
        ended = time.time()
        finished, statuses = _judged(Path(folder) / "run")
    if len(finished) != len(samples):
        raise DriverFailed(f"{len(finished)} of {len(samples)} samples were judged: {dict(statuses)}")
    return Replayed(
        num_executed=len(finished),
        samples_per_second=rate(finished),
        middle_per_second=rate(middle(finished)),
        startup_seconds=finished[0] - begun,
        ending_seconds=ended - finished[-1],
        statuses=statuses,
    )


def arguments(
    samples: Sequence[Sample], path: Path, data: Path, settings: Settings, workers: int, output: Path
) -> list[str]:
    """What follows `codeassay`; samples that fail to be n per problem are missing, not executed."""
    sets = {
        "model.allow_missing": "true",
        "execution.workers": str(workers),
        "execution.cpus": str(workers),
        "execution.cpu_seconds": str(settings.timeout_seconds),
        "tracking.enabled": "false",
    }
    return [
        *("run", "humaneval", "--data", str(data), "--model", f"replay:{path}", "--output", str(output)),
        *("--isolation", settings.isolation, "--judge", "auto", "--json"),
        *("--limit", str(1 + max(_position(sample["task_id"]) for sample in samples))),
        *(["--no-cache"] if _has_flag("--no-cache") else []),
        *[part for name, value in sets.items() for part in ("--set", f"{name}={value}")],
    ]


def rate(finished: Sequence[float]) -> float:
    """Verdicts per second of a row of times, seconds in ascending order: the first only starts the clock.

    Raises:
        DriverFailed: too few to tell.
    """
    if len(finished) < 2 or finished[-1] <= finished[0]:
        raise DriverFailed("too few samples to tell a rate: raise --subset")
    return (len(finished) - 1) / (finished[-1] - finished[0])


def middle(finished: Sequence[float]) -> Sequence[float]:
    """The times without the first and the last tenth."""
    tenth = len(finished) // 10
    return finished[tenth : len(finished) - tenth]


def _position(task_id: str) -> int:
    return int(task_id.rpartition("/")[2])


def _has_flag(name: str) -> bool:
    from engine.cli import app

    command: Any = typer.main.get_command(app)
    return any(name in (*option.opts, *option.secondary_opts) for option in command.commands["run"].params)


def run_command(argv: list[str], folder: Path, *, patience_seconds: float) -> None:
    """Run the command with places of its own: no cluster, cache or run of the user's."""
    own = {"CODEASSAY_RUNS": str(folder / "runs"), "CODEASSAY_CACHE": str(folder / "cache"), "PYTHONPATH": str(_ROOT)}
    kept = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI")}
    with (folder / "said").open("w+") as said:
        process = subprocess.Popen(argv, env=kept | own, cwd=folder, stdout=said, stderr=said, start_new_session=True)
        try:
            code = process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            process.terminate()  # it drains, commits and leaves Ray
            process.wait()
            raise DriverFailed(f"codeassay run did not end within {patience_seconds:.0f} s") from None
        said.seek(0)
        if code:
            raise DriverFailed(f"codeassay run ended with {code}: {said.read().strip()[-300:]}")


def _judged(run_dir: Path) -> tuple[list[float], Counter[str]]:
    """When each program's verdict was there, in order, and the statuses of all samples."""
    import pyarrow.parquet as pq

    from runners.program import Status

    rows: list[dict[str, Any]] = []
    for part in run_dir.glob("samples/part-*.parquet"):
        rows += pq.read_table(part, columns=["sample_id", "status", "finished_at"]).to_pylist()
    last = {row["sample_id"]: row for row in sorted(rows, key=lambda row: row["finished_at"])}
    finished = sorted(row["finished_at"] for row in last.values() if Status(row["status"]).counts)
    return finished, Counter(row["status"] for row in last.values() if Status(row["status"]).counts)
