"""End the processes that a killed owner leaves behind: an engine that lives on keeps the GPU's memory for itself.

vLLM's engine runs in child processes that do not notice when their parent is killed (measured with 0.32: they were
still there ten minutes later). A watcher, a small process in a session of its own, waits for the owner's end and then
kills what carries the owner's mark, an environment variable that children inherit from the moment they are started.

The watcher runs this file by itself, without the packages around it: standard library only.
"""

from __future__ import annotations

import os
import secrets
import select
import signal
import subprocess
import sys
from pathlib import Path

MARK = "CODEASSAY_OWNER"
"""Environment variable that says whose a process is."""
KEEPS_ENVIRONMENT = "SPT_NOENV"
"""Tells the `setproctitle` package not to write a process's title over its environment, where the mark stands."""
SPARED = b"multiprocessing.resource_tracker"
"""Python's helper that removes shared memory and ends by itself once its users have ended."""


class Watcher:
    """Ends what this process starts from now on, should this process be killed; until `stop`."""

    def __init__(self) -> None:
        """Start watching; what is started while `marking` holds carries the mark."""
        self._mark = secrets.token_hex(16)
        owner = os.pidfd_open(os.getpid())
        unmarked = {name: value for name, value in os.environ.items() if name != MARK}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(owner), self._mark],
                pass_fds=[owner],
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=unmarked,
            )
        finally:
            os.close(owner)

    def mark_children(self) -> None:
        """From now on child processes inherit the mark."""
        os.environ.setdefault(KEEPS_ENVIRONMENT, "1")
        os.environ[MARK] = self._mark

    def stop(self) -> None:
        """Watch no more; marked processes stay as they are. May be called twice."""
        if os.environ.get(MARK) == self._mark:
            del os.environ[MARK]
        self._process.kill()
        self._process.wait()


def kill_marked(mark: str) -> int:
    """SIGKILL every process of this user that carries the mark; says how many there were."""
    return sum(_kill_if_marked(int(entry.name), mark) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _kill_if_marked(pid: int, mark: str) -> bool:
    """Kill by a descriptor that was opened before the look, so that a pid given anew is never hit."""
    try:
        process = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not _is_marked(Path(f"/proc/{pid}"), mark):
            return False
        signal.pidfd_send_signal(process, signal.SIGKILL)
        select.select([process], [], [])
    except OSError:
        return False
    finally:
        os.close(process)
    return True


def _is_marked(folder: Path, mark: str) -> bool:
    if folder.stat().st_uid != os.getuid() or SPARED in (folder / "cmdline").read_bytes():
        return False
    return f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0")


def watch(owner: int, mark: str) -> None:
    """Wait until the process behind a pidfd has ended, then kill what carries its mark, and what that had started."""
    select.select([owner], [], [])
    while kill_marked(mark):
        pass


if __name__ == "__main__":
    watch(int(sys.argv[1]), sys.argv[2])
