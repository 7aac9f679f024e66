"""The floor under the sandbox: fork a warm interpreter, execute a packaged program with its tests, wait. No isolation.

Only reference solutions that come with this package run here: trusted text of our own, never a model's.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence

from runners.program import Program

_PRELOAD = (
    "bisect,cmath,collections,copy,datetime,functools,heapq,itertools,json,math,operator,random,re,string,time,typing"
)
"""What the warm jail imports too, so that the difference is the price of isolation alone."""
_START = "from engine.stress.bare_fork import main; main()"


def bare_fork_cpu_seconds(programs: Sequence[Program]) -> float:
    """CPU seconds per program of a process that forks once for each, parent and children, user and system.

    Raises:
        subprocess.CalledProcessError: a program failed, so that there is no floor.
    """
    sources = ["\n".join((program.source, *program.tests)) for program in programs]
    command = [sys.executable, "-c", f"import {_PRELOAD}\n{_START}"]
    done = subprocess.run(command, input=json.dumps(sources), capture_output=True, text=True, check=True)
    return float(done.stdout) / len(sources)


def main() -> None:
    """Read programs as JSON from standard input, print the CPU seconds of all of them."""
    sources: list[str] = json.load(sys.stdin)
    gc.collect()
    gc.freeze()
    gc.disable()
    before = _cpu_seconds()
    for source in sources:
        pid = os.fork()
        if pid == 0:
            _execute(source)
        if os.waitpid(pid, 0)[1]:
            sys.exit("a packaged reference solution failed")
    sys.stdout.write(f"{_cpu_seconds() - before}\n")


def _execute(source: str) -> None:
    """Run in the child and end it; 0 is a pass."""
    status = 1
    try:
        exec(compile(source, "program", "exec"), {"__name__": "__main__"})  # noqa: S102 - packaged references only
        status = 0
    finally:
        os._exit(status)


def _cpu_seconds() -> float:
    used = os.times()
    return time.process_time() + used.children_user + used.children_system
