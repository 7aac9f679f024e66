"""CPU time and memory of a whole process tree, and which processors it may use."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

_ENTER = 'echo 0 > "$0/cgroup.procs" && exec "$@"'
_REMOVE_SECONDS = 5.0


class Account(Protocol):
    """Where the CPU time of one process tree is counted."""

    source: str
    """What counts, in words for the result file."""

    def command(self, argv: list[str]) -> list[str]:
        """The command line that starts `argv` as the root of the tree."""
        ...

    def cpu_seconds(self, pid: int) -> float:
        """User and system time of the tree under `pid` until now, ended processes included."""
        ...

    def close(self) -> None:
        """Remove what was made to count."""
        ...


class GroupAccount:
    """A control group of its own: exact to the nanosecond (v1) or microsecond (v2), whoever reaps whom."""

    def __init__(self, directory: Path, file: str) -> None:
        """Make the group.

        Raises:
            OSError: the control group file system refuses.
        """
        directory.mkdir()
        self._directory, self._file = directory, directory / file
        self.source = "cgroup v1 cpuacct.usage" if file == "cpuacct.usage" else "cgroup v2 cpu.stat"

    def command(self, argv: list[str]) -> list[str]:
        """Enter the group, then become `argv`."""
        return ["/bin/sh", "-c", _ENTER, str(self._directory), *argv]

    def cpu_seconds(self, pid: int) -> float:
        """CPU time of the group and of the groups that were made under it."""
        text = self._file.read_text()
        return int(text) / 1e9 if self._file.name == "cpuacct.usage" else int(text.split()[1]) / 1e6

    def close(self) -> None:
        """Kill what is left in the group and remove it with all below it.

        Raises:
            OSError: processes do not die.
        """
        deadline = time.monotonic() + _REMOVE_SECONDS
        while self._directory.exists():
            directories = [self._directory, *(path for path in self._directory.rglob("*") if path.is_dir())]
            try:
                for directory in reversed(directories):
                    _kill_all(directory)
                    directory.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


class TreeAccount:
    """Without control groups: /proc of every living process of the tree, and what it has reaped; 10 ms per process."""

    source = "/proc/*/stat of the process tree (utime + stime + cutime + cstime)"

    def command(self, argv: list[str]) -> list[str]:
        """Nothing to enter."""
        return argv

    def cpu_seconds(self, pid: int) -> float:
        """CPU time of the tree; that of a process whose parent never waits for it is lost."""
        ticks = sum(_cpu_ticks(process) for process in tree(pid))
        return ticks / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Nothing was made."""


def open_account(name: str, *, unified: bool) -> Account:
    """The most exact account this machine gives.

    Args:
        name: tells accounts of one process apart.
        unified: whether a v2 group may be used: in it no sandbox can make groups of its own, so not for level `full`.
    """
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for mount, file in mounts_of(controllers) if controllers or unified else []:
            with contextlib.suppress(OSError):
                return GroupAccount(mount / path.lstrip("/") / f"perf-{os.getpid()}-{name}", file)
    return TreeAccount()


def mounts_of(controllers: str) -> list[tuple[Path, str]]:
    """Where a line of /proc/self/cgroup may be mounted and the file that counts CPU time there; none if none does."""
    root = Path("/sys/fs/cgroup")
    if "cpuacct" in controllers.split(","):
        return [(root / controllers, "cpuacct.usage"), (root / "cpuacct", "cpuacct.usage")]
    return [(root / "unified", "cpu.stat"), (root, "cpu.stat")] if not controllers else []


def tree(root: int) -> list[int]:
    """A process and all that descend from it, the root first."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields is not None:
                parents[int(entry.name)] = int(fields[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def pss_bytes(pids: list[int]) -> int | None:
    """Proportional set size of these processes together; None if it may not be read."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except ProcessLookupError:
            continue
        except OSError:
            return None
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


@contextlib.contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Run on these processors only; processes started meanwhile inherit it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep so many processes busy with nothing: a machine under load."""
    loops = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on; None if the process has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _cpu_ticks(pid: int) -> int:
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) if fields is not None else 0


def _kill_all(directory: Path) -> None:
    for pid in (directory / "cgroup.procs").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
