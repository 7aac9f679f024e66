"""Programs that sleep are told of, so that others can run meanwhile."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

from runners.program import Limits, Program, Status, Verdict
from runners.sandbox import Sandbox
from tests.runners.conftest import open_or_skip
from tests.runners.processes import groups_of

SLEEPER = Program(source="import time\ntime.sleep(60)", tests=("pass",), limits=Limits(wall_seconds=0.8))
BUSY = Program(source="while True: pass", tests=("pass",), limits=Limits(cpu_seconds=0.5))
HONEST = Program(source="def f(x): return x + 1", tests=("assert f(1) == 2",))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A jail that knows the CPU time of the whole tree."""
    with contextlib.closing(open_or_skip("full")) as opened:
        yield opened


def test_sleeping_program_is_told_of(sandbox: Sandbox) -> None:
    """While a program sleeps, `idle` is called; its verdict is the wall limit's."""
    calls: list[str] = []
    verdict = sandbox.run(SLEEPER, lambda: calls.append(""))
    assert calls
    assert verdict.status is Status.TIMEOUT


def test_busy_program_is_not(sandbox: Sandbox) -> None:
    """A program that computes until its CPU limit is never taken to sleep."""
    calls: list[str] = []
    assert sandbox.run(BUSY, lambda: calls.append("")).status is Status.TIMEOUT
    assert not calls


def test_no_jail_is_left_by_a_run_that_is_broken_off(sandbox: Sandbox) -> None:
    """What is raised while a program runs reaches the caller, and takes the jail and its control group along."""

    def idle() -> None:
        raise KeyboardInterrupt

    before = groups_of(os.getpid())
    with pytest.raises(KeyboardInterrupt):
        sandbox.run(SLEEPER, idle)
    assert set(groups_of(os.getpid())) < set(before)
    assert sandbox.run(HONEST).passed


def test_others_run_while_one_sleeps(sandbox: Sandbox) -> None:
    """The same sandbox runs other programs while one sleeps, each with the verdict that is its own."""
    others: list[Verdict] = []
    programs = iter((HONEST, BUSY))

    def idle() -> None:
        others.extend(sandbox.run(program) for program in [next(programs, None)] if program is not None)

    verdict = sandbox.run(SLEEPER, idle)
    assert others[0].passed
    assert verdict.status is Status.TIMEOUT
    assert verdict.cpu_seconds < BUSY.limits.cpu_seconds
