"""What the tests see of this machine's processes from outside of the jails."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path


def with_marker(marker: str) -> list[Path]:
    """The /proc directories of all processes with this text in their command line, except nsjail's own."""
    return [
        path for path in Path("/proc").glob("[0-9]*") if marker in (line := _command_line(path)) and "--" not in line
    ]


def groups_of(pid: int) -> list[Path]:
    """The control groups that this process has made and not removed."""
    # os.walk passes over folders that vanish meanwhile; Path.glob raises.
    places = os.walk("/sys/fs/cgroup")
    return sorted(Path(at, name) for at, names, _ in places for name in names if name.startswith(f"codeassay-{pid}-"))


def status_of(path: Path) -> dict[str, str]:
    """The fields of a process's status file."""
    lines = (path / "status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def children() -> list[str]:
    """The pids of this process's children, ended ones that were not waited for among them."""
    return sorted(pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split())


def open_descriptors() -> list[str]:
    """The numbers of this process's open descriptors."""
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Poll until the condition holds; False if it does not within the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _command_line(path: Path) -> list[str]:
    try:
        return (path / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:  # ended meanwhile
        return []


def status_while(marker: str, act: Callable[[], object]) -> dict[str, str]:
    """Status of the process with a marker, read while `act` runs it.

    Raises:
        IndexError: none was seen.
    """
    found: list[dict[str, str]] = []

    def look() -> None:
        if wait_until(lambda: bool(with_marker(marker)), 5):
            found.append(status_of(with_marker(marker)[0]))

    watcher = threading.Thread(target=look)
    watcher.start()
    act()
    watcher.join()
    return found[0]
