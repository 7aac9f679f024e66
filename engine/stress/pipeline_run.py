"""One `codeassay run` as a child process, watched from outside: its parts, its memory, its CPU time, its end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from actors.generate import GENERATIONS
from engine.stress.process_tree import cpu_seconds, peak_memory_bytes
from runners.errors import UserError

_START = "from engine.cli import main; main()"
_ROOT = Path(__file__).resolve().parents[2]
_LOOK_SECONDS, _SAMPLE_SECONDS = 0.05, 0.5
_SAID_CHARS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What was seen of a run."""

    exit_code: int
    said: str
    """The end of what it wrote to standard error."""
    began_at: float
    """Seconds since the epoch."""
    ended_at: float
    cpu_seconds: float
    """Of the driver and all below it, Ray's own processes among them; the largest that was seen."""
    driver_peak_bytes: int
    """Largest resident set of the driver process (VmHWM)."""

    @property
    def wall_seconds(self) -> float:
        """From the start of the command to its end."""
        return self.ended_at - self.began_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A committed row: when, and by which process."""

    at: float
    """Seconds since the epoch: when its part was written (generations) or its verdict was there (samples)."""
    place: str
    """`node:pid`."""


def run_child(
    arguments: Sequence[str], folder: Path, patience_seconds: float, look: Callable[[int], None] = lambda _: None
) -> Ended:
    """Run `codeassay ARGUMENTS` with caches of its own and a Ray of its own, to its end.

    Args:
        arguments: what follows `codeassay`.
        folder: where its caches and what it says go.
        patience_seconds: after so long it is stopped.
        look: called with the driver's pid twenty times a second.

    Raises:
        UserError: it did not end in time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", _START, *arguments]
    with (folder / "said.txt").open("a+") as said:
        start = said.tell()
        began_at = time.time()
        process = subprocess.Popen(
            command, env=_environment(folder), cwd=folder, stdout=said, stderr=said, start_new_session=True
        )
        used, peak = _watch(process, patience_seconds, look)
        ended_at = time.time()
        said.seek(start)
        text = said.read().strip()[-_SAID_CHARS:]
    return Ended(
        exit_code=process.returncode,
        said=text,
        began_at=began_at,
        ended_at=ended_at,
        cpu_seconds=used,
        driver_peak_bytes=peak,
    )


def _watch(process: subprocess.Popen[bytes], patience_seconds: float, look: Callable[[int], None]) -> tuple[float, int]:
    """CPU seconds of the tree and peak memory of the driver, by the time it ended."""
    used, peak, deadline, next_sample = 0.0, 0, time.monotonic() + patience_seconds, 0.0
    try:
        while process.poll() is None:
            now = time.monotonic()
            if now > deadline:
                raise UserError(f"codeassay run did not end within {patience_seconds:.0f} s; see {process.args!r:.200}")
            if now >= next_sample:
                next_sample = now + _SAMPLE_SECONDS
                used = max(used, cpu_seconds(process.pid))
            peak = peak_memory_bytes(process.pid) or peak
            look(process.pid)
            time.sleep(_LOOK_SECONDS)
    finally:
        _stop(process)
    return used, peak


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a run that still lives: it drains and leaves Ray; killed if it does not."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _environment(folder: Path) -> dict[str, str]:
    """Places of its own; no cluster, tracking server or key of the user's."""
    own = {"CODEASSAY_RUNS": str(folder / "runs"), "CODEASSAY_CACHE": str(folder / "cache")}
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    return without_secrets(os.environ) | own | {"PYTHONPATH": path}


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what a synthetic run has no use for."""
    left_out = ("RAY_ADDRESS", "MLFLOW_TRACKING_URI")
    return {name: value for name, value in environment.items() if name not in left_out and not name.endswith("API_KEY")}


def count_rows(run_dir: Path, stage: str) -> int:
    """Rows that a stage (`generations` or `samples`) has committed, read from footers."""
    return sum(pq.read_metadata(part).num_rows for part in (run_dir / stage).glob("part-*.parquet"))


def rows_of(run_dir: Path, stage: str) -> list[Row]:
    """All rows that a stage has committed, in order of time."""
    rows = []
    for part in (run_dir / stage).glob("part-*.parquet"):
        if stage == GENERATIONS:
            written_at = part.stat().st_mtime
            rows += [Row(at=written_at, place=place) for place in _column(part, "replica").to_pylist()]
        else:
            places, times = _column(part, "worker").to_pylist(), _column(part, "finished_at").to_pylist()
            rows += [Row(at=at, place=place) for at, place in zip(times, places, strict=True)]
    return sorted(rows, key=lambda row: row.at)


def _column(part: Path, name: str) -> pa.ChunkedArray:
    return pq.read_table(part, columns=[name])[name]
