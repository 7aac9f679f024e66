"""One driver process and what its whole process tree used, step by step."""

from __future__ import annotations

import json
import select
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from benchmarks_perf.cpu import Account, pss_bytes, tree

_STOP_SECONDS = 10.0


class DriverFailed(RuntimeError):
    """A driver ended or fell silent; says what it wrote last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a driver said to one step and what its tree used from the step before to here."""

    message: dict[str, Any]
    cpu_seconds: float
    wall_seconds: float
    """Seen from outside, from the request to the answer."""


class Session:
    """Starts a driver on entry and ends it, and all that it has left, on exit."""

    def __init__(self, argv: Sequence[str], account: Account, *, patience_seconds: float) -> None:
        """Start the driver.

        Args:
            argv: command line of the driver.
            account: counts its CPU time; closed with the session.
            patience_seconds: a step that takes longer is a failure.
        """
        self._account, self._patience = account, patience_seconds
        self.cpu_source = account.source
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed on exit)
        self._begun, self._cpu_before = time.perf_counter(), 0.0
        self._process = subprocess.Popen(
            account.command(list(argv)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()
        self._account.close()

    def request(self) -> None:
        """Ask for the next step: the first opens the executor and gives a verdict, all others run the workload.

        Raises:
            DriverFailed: the driver has ended.
        """
        assert self._process.stdin is not None
        self._begun = time.perf_counter()
        try:
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise DriverFailed(self._last_words()) from None

    def answer(self) -> Answer:
        """Wait for the answer; the first one, to no request, comes when the driver has been imported.

        Raises:
            DriverFailed: there is none.
        """
        stdout = self._process.stdout
        assert stdout is not None
        if not select.select([stdout], [], [], self._patience)[0]:
            raise DriverFailed(f"no answer within {self._patience:.0f} s")
        line = stdout.readline()
        wall = time.perf_counter() - self._begun
        if not line:
            raise DriverFailed(self._last_words())
        total = self._account.cpu_seconds(self._process.pid)
        used, self._cpu_before = total - self._cpu_before, total
        return Answer(message=json.loads(line), cpu_seconds=used, wall_seconds=wall)

    def memory(self) -> tuple[int | None, int | None]:
        """PSS in bytes of what the driver has started (jail and zygote), and of the same with the driver."""
        pids = tree(self._process.pid)
        return pss_bytes(pids[1:]), pss_bytes(pids)

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][-300:] if lines else f"ended with status {self._process.poll()} and no word"
