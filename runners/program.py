"""What is run and what happened: Program, Limits, Verdict and the one list of statuses for all languages."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

MEBIBYTE = 1 << 20


class Status(StrEnum):
    """What a program did; the last three speak of us, not of the program."""

    PASSED = "passed"
    WRONG_ANSWER = "wrong_answer"
    COMPILE_ERROR = "compile_error"
    RUNTIME_ERROR = "runtime_error"
    TIMEOUT = "timeout"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    FORBIDDEN = "forbidden"
    SANDBOX_ERROR = "sandbox_error"
    GENERATION_ERROR = "generation_error"
    MISSING = "missing"

    @property
    def counts(self) -> bool:
        """Whether this says something about the model; False where we, not the program, failed."""
        return self not in OURS


OURS = frozenset({Status.SANDBOX_ERROR, Status.GENERATION_ERROR, Status.MISSING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one program may use. CPU time judges; wall time only catches sleepers."""

    cpu_seconds: float = 10.0
    wall_seconds: float = 60.0
    memory_bytes: int = 1024 * MEBIBYTE
    processes: int = 64
    file_bytes: int = 16 * MEBIBYTE
    tmp_bytes: int = 64 * MEBIBYTE
    open_files: int = 256
    stack_bytes: int = 64 * MEBIBYTE
    output_bytes: int = 64 * MEBIBYTE
    """Bytes on stdout and stderr together after which the program is stopped with OUTPUT_LIMIT."""
    kept_bytes: int = 4096
    """Bytes of each stream kept in the Verdict: the first and the last half of this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program to run and the tests that judge it."""

    source: str
    """The program under test, complete: prompt and completion already joined."""
    tests: tuple[str, ...]
    """Test sources, run in order in the program's namespace; each passes if it ends without an exception."""
    judge: Literal["inside", "split"] = "inside"
    """Where the tests run: in the program's process, or in another that sees plain data only."""
    helpers: str = ""
    """Trusted source of what tests need besides the program; known to the judge of `split` alone."""
    under_test: tuple[str, ...] = ()
    """Names that are always the program's own, whatever `helpers` define."""
    language: str = "python"
    """A row of `runners.languages`. Other languages than Python have one test, which is joined to the source."""
    flags: tuple[str, ...] = ()
    """What the benchmark asks of the compiler beyond the language's row, such as `-std=c++11`; trusted."""
    environment: str = ""
    """Named interpreter with packages of its own, such as `datascience`; empty for the engine's."""
    module_name: str = "__main__"
    """`__name__` while the program runs; decides whether `if __name__ == "__main__"` blocks run."""
    limits: Limits = field(default_factory=Limits)

    def sha256(self) -> str:
        """Content hash over all that a verdict may depend on in the program itself."""
        own, limits = _fields(self), _fields(self.limits)  # dataclasses.asdict copies all texts first
        own = {name: value for name, value in own.items() if value or name not in ("flags", "environment")}
        text = json.dumps({**own, "limits": limits}, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _fields(record: Program | Limits) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What happened to one Program: all that a Score may depend on."""

    status: Status
    cpu_seconds: float = 0.0
    """User and system time of the whole process tree."""
    wall_seconds: float = 0.0
    compile_seconds: float | None = None
    """CPU seconds of compiling, no part of `cpu_seconds`; 0 where it was built before, None without a compiler."""
    peak_memory_bytes: int | None = None
    """Peak of the memory cgroup, or of the largest process where there is none; None if neither could be read."""
    tests_passed: tuple[bool, ...] | None = None
    """One entry per test in the Program's order, False for those never reached; None if no test started."""
    judge: str = "inside"
    """Where tests ran: `inside` the program's process, or `split` from it."""
    isolation: str = "none"
    error: str = ""
    """One line: exception, signal or limit behind the status; empty when passed."""
    stdout: str = ""
    stderr: str = ""

    @property
    def passed(self) -> bool:
        """Whether every test passed, by evidence that the program did not write."""
        return self.status is Status.PASSED
