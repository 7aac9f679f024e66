"""Faults that `codeassay stress engine` brings about in a run of its own: a killed actor, a killed worker, a full disk.

A process is killed by a descriptor of it (pidfd), after two proofs that it is ours: it descends from the run that we
started, and it is a Ray worker. A disk is filled only where it is a small file system that we have just mounted.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from actors.execute import NODES, SAMPLES
from actors.generate import GENERATIONS
from engine.stress.pipeline_run import Row, count_rows, rows_of
from engine.stress.process_tree import command_line, tree
from runners.errors import UserError

FaultName = Literal["kill-actor", "kill-worker", "fill-disk"]
FAULTS: tuple[FaultName, ...] = ("kill-actor", "kill-worker", "fill-disk")
STAGE_OF: dict[FaultName, str] = {"kill-actor": GENERATIONS, "kill-worker": SAMPLES, "fill-disk": SAMPLES}
"""Where each fault shows."""
_DUE_SHARE = 0.1
"""A fault comes when the stage it hits has committed this share of the plan."""
_BALLAST = "ballast"
_MEBIBYTE = 1 << 20
_BYTES_PER_ROW = 16 << 10
"""Room on the small disk per planned row: parts of a few rows are mostly Parquet's own overhead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """A fault that came about."""

    at: float
    """Seconds since the epoch."""
    left: int
    """Rows that the stage had still to commit."""
    target: str
    """What was hit: `node:pid`, or a file."""
    known: frozenset[str]
    """Places that had committed before."""


class Fault:
    """One fault of one run; `look` brings it about when it is due."""

    def __init__(self, name: FaultName, run_dir: Path, planned: int) -> None:
        """Nothing happens yet; `planned` is the run's number of samples."""
        self.name, self.stage = name, STAGE_OF[name]
        self._run_dir, self._planned = run_dir, planned
        self.struck: Struck | None = None

    def look(self, driver: int) -> None:
        """Bring the fault about, once, when enough rows are committed; `driver` is the pid of the run."""
        if self.struck is not None:
            return
        committed = count_rows(self._run_dir, self.stage)
        if committed < max(1, _DUE_SHARE * self._planned):
            return
        known = frozenset(row.place for row in rows_of(self._run_dir, self.stage))
        if self.name == "fill-disk":
            target: str | None = str(fill(self._run_dir.parent / _BALLAST))
        else:
            target = kill_one(_candidates(self._run_dir, self.stage, known), driver)
        if target is not None:
            left = self._planned - committed
            self.struck = Struck(at=time.time(), left=left, target=target, known=known)


def _candidates(run_dir: Path, stage: str, known: frozenset[str]) -> list[int]:
    """Pids of this node that the run itself has recorded for a stage."""
    node = platform.node()
    pids = {int(place.rpartition(":")[2]) for place in known if place.rpartition(":")[0] == node}
    if stage == SAMPLES:
        notes = (run_dir / NODES).glob("*.json")
        pids |= {int(note.stem.rpartition("-")[2]) for note in notes if json.loads(note.read_text())["node"] == node}
    return sorted(pids)


def kill_one(pids: Sequence[int], driver: int) -> str | None:
    """SIGKILL the first of these processes that is a Ray worker of our own run; None if none is.

    Args:
        pids: what the run has recorded.
        driver: pid of the run that we started.
    """
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)  # from here on the number cannot come to mean another process
            try:
                if is_ours(pid, driver):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    return f"{platform.node()}:{pid}"
            finally:
                os.close(descriptor)
    return None


def is_ours(pid: int, driver: int) -> bool:
    """Whether a process is a Ray worker that descends from this driver."""
    return command_line(pid).startswith("ray::") and pid in tree(driver)[1:]


def fill(path: Path) -> Path:
    """Write a file until its disk is full, and return it.

    Raises:
        UserError: its folder is not a small disk of ours.
    """
    if not is_small_disk(path.parent):
        raise UserError(f"{path.parent}: not a file system that this test has mounted; it is not filled.")
    with path.open("wb", buffering=0) as file:
        for size in (_MEBIBYTE, 4096, 1):
            with contextlib.suppress(OSError):  # full, by steps of this size
                while file.write(bytes(size)) == size:
                    pass
    return path


def empty(folder: Path) -> None:
    """Take the ballast away again."""
    (folder / _BALLAST).unlink(missing_ok=True)


def why_no_small_disk() -> str:
    """Why no disk can be filled here; empty if one can."""
    return "" if os.geteuid() == 0 else "needs root, to mount a small file system of its own"


@contextlib.contextmanager
def small_disk(folder: Path, planned: int) -> Iterator[Path]:
    """Mount a small tmpfs in a folder that is empty or missing; it is unmounted at the end.

    Raises:
        UserError: it cannot be mounted; says what the system said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    size = 32 * _MEBIBYTE + _BYTES_PER_ROW * planned
    source = f"{_SOURCE}-{uuid.uuid4().hex[:8]}"
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", source, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not is_small_disk(folder):
        raise UserError(f"{folder}: no small file system could be mounted ({done.stderr.strip()}).")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=False, capture_output=True)
        with contextlib.suppress(OSError):  # still mounted: somebody sits in it
            folder.rmdir()


_SOURCE = "codeassay-stress"


def is_small_disk(folder: Path) -> bool:
    """Whether the last thing mounted on exactly this folder is a tmpfs that `small_disk` made."""
    mounted = ""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, kind = line.partition(" - ")
        if fields.split()[4] == str(folder.resolve()):
            mounted = kind
    return mounted.startswith(f"tmpfs {_SOURCE}-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How a stage went on after a fault; None where it did not."""

    next_row_seconds: float | None
    """Until the next row of the stage, by whichever process."""
    recovery_seconds: float | None
    """Until the first row of a process that had not committed before: what was killed has been replaced."""


def recovery_of(rows: Sequence[Row], struck: Struck, *, since: float | None = None) -> Recovery:
    """Read from the rows of the stage how long the fault lasted.

    Args:
        rows: of the stage that was hit, in order of time.
        struck: the fault.
        since: when its cause was taken away; the fault's own time if None.
    """
    start = struck.at if since is None else since
    later = [row for row in rows if row.at > start]
    fresh = [row for row in later if row.place not in struck.known]
    return Recovery(
        next_row_seconds=later[0].at - start if later else None,
        recovery_seconds=fresh[0].at - start if fresh else None,
    )
