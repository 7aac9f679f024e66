"""The floor: fork a warm interpreter, execute program and tests in the child, look at its exit status. No isolation."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import platform
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

from benchmarks_perf.drivers.protocol import PASSED, Opened, Sample, check_program, serve

PRELOAD = (
    "bisect,cmath,collections,copy,datetime,functools,heapq,itertools,json,math,operator,random,re,string,time,typing"
)
"""The same modules as the warm jail imports, so that the ratio of the two is the price of isolation alone."""


@contextlib.contextmanager
def open_executor(samples: list[Sample], timeout_seconds: float) -> Iterator[Opened]:
    """Warm up this interpreter; its children stop themselves by SIGALRM after so much wall time."""
    for name in PRELOAD.split(","):
        importlib.import_module(name)
    os.dup2(1, 2)  # tracebacks of programs go where their output goes
    gc.collect()
    gc.freeze()
    gc.disable()

    def execute(sample: Sample) -> str:
        pid = os.fork()
        if pid == 0:
            child(sample, timeout_seconds)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return PASSED if status == 0 else "failed" if status > 0 else f"signal {-status}"

    yield execute, f"os.fork of CPython {platform.python_version()} with {PRELOAD.count(',') + 1} modules imported"


def child(sample: Sample, timeout_seconds: float) -> NoReturn:
    """Execute and end; exit status 0 means passed, which a program could forge: nobody should judge like this."""
    status = 1
    try:
        signal.setitimer(signal.ITIMER_REAL, timeout_seconds)
        exec(check_program(sample), {})
        status = 0
    finally:
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    serve(open_executor)
