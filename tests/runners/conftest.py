"""Every sandbox that this machine can open, and one way to run a small program in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runners.cgroup import find_parents
from runners.errors import SandboxUnavailable
from runners.isolation import open_sandbox
from runners.nsjail import NsjailSandbox
from runners.plain import PlainSandbox
from runners.program import Limits, Program, Verdict
from runners.sandbox import Sandbox

JAILS = ("full", "rootless")
COLD_JAILS = ("cold full", "cold rootless")
"""What `open_sandbox` falls back to on processors without a table of system calls."""
SLOW_COLD_JAILS = tuple(pytest.param(level, marks=pytest.mark.slow) for level in COLD_JAILS)
RESTRICTED = pytest.param("restricted", marks=pytest.mark.slow)
"""One process started per program; its own quick tests are in test_restricted.py."""
Run = Callable[..., Verdict]


def open_or_skip(level: str) -> Sandbox:
    """The sandbox of a level; skips where this machine does not give it, and says why."""
    if level == "none":
        return PlainSandbox()
    kind, _, name = level.rpartition(" ")
    try:
        sandbox = open_sandbox(name)
        if not kind:
            return sandbox
        sandbox.close()
        return NsjailSandbox(find_parents()[0] if name == "full" else None)
    except SandboxUnavailable as error:
        pytest.skip(f"{error} ({find_parents()[1]})")


def runner_of(sandbox: Sandbox) -> Run:
    """A function that runs `source` with `tests` under small limits, each of which a keyword changes."""

    def run(source: str, tests: tuple[str, ...] = ("pass",), module_name: str = "__main__", **limits: Any) -> Verdict:
        chosen = Limits(**({"cpu_seconds": 5.0, "wall_seconds": 30.0} | limits))
        return sandbox.run(Program(source=source, tests=tests, module_name=module_name, limits=chosen))

    return run


@pytest.fixture(scope="session", params=(*JAILS, *SLOW_COLD_JAILS, "none"))
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a program in each of the sandboxes in turn."""
    return runner_of(open_or_skip(request.param))


@pytest.fixture(scope="session", params=JAILS)
def jail(request: pytest.FixtureRequest) -> Run:
    """Runs a program in each of the jails in turn."""
    return runner_of(open_or_skip(request.param))
