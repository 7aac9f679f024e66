"""Processes for tests to look at."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

WAITS = "print(flush=True); input()"
"""A program that says that it runs and then waits until it is let go."""


@contextmanager
def started(argv: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """This interpreter under these arguments, once it runs: its command line is empty at first. It ends with us."""
    with subprocess.Popen(
        argv, executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child
