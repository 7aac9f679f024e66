from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from actors.orphans import MARK, Watcher, kill_marked

OWNER = """
import subprocess, sys
from actors.orphans import Watcher
before = subprocess.Popen(["sleep", "600"])
watcher = Watcher()
watcher.mark_children()
marked = subprocess.Popen(["sh", "-c", "sleep 600 & echo $!; wait"], stdout=subprocess.PIPE, start_new_session=True)
grandchild = int(marked.stdout.readline())
pids = [before.pid, marked.pid, grandchild]
{then}
print(*pids, flush=True)
sys.stdin.read()
"""


def _start(then: str) -> tuple[subprocess.Popen[bytes], list[int]]:
    """An owner with an unmarked child, a marked one and a grandchild; their pidfds in this order, then those added."""
    code = OWNER.format(then=then)
    owner = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert owner.stdout is not None
    return owner, [os.pidfd_open(int(pid)) for pid in owner.stdout.readline().split()]


def _ended(process: int, seconds: float) -> bool:
    return bool(select.select([process], [], [], seconds)[0])


def _clean(owner: subprocess.Popen[bytes], processes: list[int]) -> None:
    owner.kill()
    owner.wait()
    for stream in (owner.stdin, owner.stdout):
        assert stream is not None
        stream.close()
    for process in processes:
        if not _ended(process, 0):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        os.close(process)


def test_kill_of_the_owner_ends_what_it_started() -> None:
    """After kill -9 of the owner its marked child and grandchild end, an unmarked child stays, the watcher goes."""
    owner, processes = _start("pids.append(watcher._process.pid)")
    before, marked, grandchild, watcher = processes
    try:
        assert not any(_ended(process, 0) for process in processes)
        owner.kill()
        assert _ended(marked, 30)
        assert _ended(grandchild, 30)
        assert _ended(watcher, 30)
        assert not _ended(before, 0)
    finally:
        _clean(owner, processes)


def test_stopped_watcher_leaves_all_alone() -> None:
    """Once watching was stopped, twice, the owner's end ends nothing."""
    owner, processes = _start("watcher.stop(); watcher.stop()")
    try:
        owner.kill()
        owner.wait()
        assert not any(_ended(process, 0) for process in processes)
    finally:
        _clean(owner, processes)


def test_mark_is_for_children_alone() -> None:
    """The mark is in the environment of what is started, and is gone after the end of watching."""
    watcher = Watcher()
    try:
        watcher.mark_children()
        assert MARK in os.environ
    finally:
        watcher.stop()
    assert MARK not in os.environ


def test_a_process_without_the_mark_is_not_killed() -> None:
    """A mark that no process carries kills nothing, this process included."""
    assert kill_marked("no such mark") == 0
    assert Path(f"/proc/{os.getpid()}").exists()
