"""Each limit of `Limits` fires with the right status, in each sandbox that can hold it, and not before it is reached.

CPU time, wall time, memory and output are rows of `test_sandbox_contract.BEYOND_LIMITS` for every sandbox, and of
`test_split_sandbox.BEYOND_LIMITS` for judge=split; here is what is left: limits that only a jail holds, under both
judges, the mechanism behind a limit, and the bound itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import pytest

from runners.program import MEBIBYTE, Limits, Program, Status, Verdict
from runners.sandbox import Sandbox
from tests.runners.conftest import JAILS, SLOW_COLD_JAILS, Run, open_or_skip, runner_of
from tests.runners.test_sandbox_contract import BEYOND_LIMITS

Judge = Literal["inside", "split"]
ERROR = Status.RUNTIME_ERROR

_NESTED = """
import sys
sys.setrecursionlimit(10**9)
nested = []
for _ in range(20_000): nested = [nested]
text = repr(nested)
"""
"""Recursion in C, of a few megabytes of stack."""


class Row(NamedTuple):
    """A program that breaks one limit, and passes where the limit is as in `enough`."""

    source: str
    too_small: Mapping[str, Any]
    enough: Mapping[str, Any]
    status: Status
    says: str
    says_split: str = ""
    """What the verdict says where tests run apart; as `says` if empty."""


ROWS: dict[str, Row] = {
    "processes": Row(
        "import os, time\nfor _ in range(12):\n    if os.fork() == 0: time.sleep(600)",
        {"processes": 8},
        {"processes": 32},
        ERROR,
        "Resource temporarily unavailable",
    ),
    "file size": Row(
        "file = open('a', 'wb', buffering=0)\nassert file.write(bytes(1 << 20)) == 1 << 20\nfile.write(b'x')",
        {"file_bytes": MEBIBYTE},
        {"file_bytes": MEBIBYTE + 1},
        ERROR,
        "File too large",
    ),
    "bytes in /tmp": Row(
        "for name in 'abcd': open(name, 'wb', buffering=0).write(bytes(1 << 20)); open(name + '2', 'w').write('x')",
        {"tmp_bytes": 2 * MEBIBYTE},
        {"tmp_bytes": 8 * MEBIBYTE},
        ERROR,
        "No space left",
    ),
    "open files": Row(
        "held = [open('/dev/null') for _ in range(40)]",
        {"open_files": 32},
        {"open_files": 64},
        ERROR,
        "Too many open files",
    ),
    "stack": Row(_NESTED, {"stack_bytes": MEBIBYTE}, {"stack_bytes": 64 * MEBIBYTE}, ERROR, "SIGSEGV", "program ended"),
    "output on both streams together": Row(
        "import os\nfor _ in range(3): os.write(1, b'x' * 1000); os.write(2, b'x' * 1000)",
        {"output_bytes": 5999},
        {"output_bytes": 6000},
        Status.OUTPUT_LIMIT,
        "5999 bytes",
    ),
}
NEVER_FIRES = {"kept_bytes"}
"""Fields of Limits that end no program."""


@pytest.fixture(scope="module", params=[*JAILS, *SLOW_COLD_JAILS])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Each of the jails in turn, those for other processors too."""
    sandbox = open_or_skip(request.param)
    yield sandbox
    sandbox.close()


def limited(sandbox: Sandbox, source: str, judge: Judge, limits: Mapping[str, Any]) -> Verdict:
    """The verdict of a program under these limits; skips where the sandbox has no such judge."""
    if judge not in sandbox.judges:
        pytest.skip(f"{type(sandbox).__name__} has no judge={judge}")
    chosen = Limits(**{"cpu_seconds": 5.0, "wall_seconds": 30.0, **limits})
    program = Program(source=f"{source}\ndef f(): return 1", tests=("assert f() == 1",), judge=judge, limits=chosen)
    return sandbox.run(program)


@pytest.mark.parametrize("judge", ["inside", "split"])
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_limit_fires_at_its_bound(sandbox: Sandbox, row: Row, judge: Judge) -> None:
    """A program that wants more is ended with the limit's own status; with enough of it the same program passes."""
    verdict = limited(sandbox, row.source, judge, row.too_small)
    assert verdict.status is row.status, verdict
    assert (row.says_split if judge == "split" and row.says_split else row.says) in verdict.error
    verdict = limited(sandbox, row.source, judge, row.enough)
    assert verdict.passed, verdict


def test_every_limit_has_a_row() -> None:
    """No field of Limits is without a program that breaks it, here or in the contract."""
    here = {name for row in ROWS.values() for name in row.too_small}
    contract = {name for _, limits, _, _ in BEYOND_LIMITS.values() for name in limits}
    assert here | contract | NEVER_FIRES == {field.name for field in dataclasses.fields(Limits)}


@pytest.mark.parametrize("judge", ["inside", "split"])
def test_files_in_tmp_are_counted(sandbox: Sandbox, judge: Judge) -> None:
    """/tmp takes some thousand files and no more, however empty they are; 1,000 are no fault."""
    source = "for name in range({count}): open(f'/tmp/{{name}}', 'w').close()"
    verdict = limited(sandbox, source.format(count=5000), judge, {})
    assert verdict.status is ERROR, verdict
    assert "No space left" in verdict.error
    assert limited(sandbox, source.format(count=1000), judge, {}).passed


@pytest.mark.parametrize("level", JAILS)
def test_memory_is_held_by_the_mechanism_of_the_level(level: str) -> None:
    """The control group ends the program (full); address space refuses it the memory (rootless): one status."""
    sandbox = open_or_skip(level)
    verdict = runner_of(sandbox)("held = bytearray(b'x') * (160 << 20)", memory_bytes=128 * MEBIBYTE)
    sandbox.close()
    assert verdict.status is Status.MEMORY_LIMIT
    assert ("bytes of memory" if level == "full" else "MemoryError") in verdict.error
    assert level != "full" or (verdict.peak_memory_bytes or 0) >= 120 * MEBIBYTE


def test_address_space_is_no_memory_where_a_group_counts() -> None:
    """At full a program may reserve what it never touches; at rootless the reservation counts."""
    reserve = "import mmap\nheld = mmap.mmap(-1, 512 << 20)"
    full, rootless = (open_or_skip(level) for level in JAILS)
    assert runner_of(full)(reserve, memory_bytes=128 * MEBIBYTE).passed
    assert not runner_of(rootless)(reserve, memory_bytes=128 * MEBIBYTE).passed
    full.close()
    rootless.close()


def test_cpu_time_of_children_counts_together() -> None:
    """With control groups, children that use 0.2 s each break a limit of 0.5 s together."""
    sandbox = open_or_skip("full")
    source = (
        "import os, time\nfor _ in range(6):\n    if os.fork() == 0:\n        while time.process_time() < 0.2: pass\n"
        "        os._exit(0)\n    os.wait()"
    )
    verdict = runner_of(sandbox)(source, cpu_seconds=0.5)
    sandbox.close()
    assert verdict.status is Status.TIMEOUT
    assert "0.5 s of CPU time" in verdict.error


def test_both_ends_of_too_much_output_are_kept(run: Run) -> None:
    """A program that is stopped for its output still shows how it began, and what it wrote last before that."""
    verdict = run("print('first', flush=True)\nwhile True: print('x' * 99)", output_bytes=1 << 16, kept_bytes=64)
    assert verdict.status is Status.OUTPUT_LIMIT
    assert verdict.stdout.startswith("first\nxxx")
    assert "bytes left out" in verdict.stdout
    assert len(verdict.stdout) < 200
