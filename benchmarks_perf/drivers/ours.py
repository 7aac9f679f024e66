"""Our own sandboxes, one slot in one process, as an actor uses them. Arguments: WORKLOAD TIMEOUT NAME LEVEL."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from benchmarks_perf.drivers.protocol import Opened, Sample, serve
from runners.cgroup import find_parents
from runners.errors import SandboxUnavailable
from runners.nsjail import NsjailSandbox
from runners.program import Limits, Program
from runners.sandbox import Sandbox, open_sandbox


def open_cold(isolation: str) -> Sandbox:
    """One nsjail per program.

    Raises:
        SandboxUnavailable: control groups are asked for and there are none.
    """
    if isolation != "full":
        return NsjailSandbox(None)
    parents, reason = find_parents()
    if parents is None:
        raise SandboxUnavailable(reason)
    return NsjailSandbox(parents)


SANDBOXES: dict[str, Callable[[str], Sandbox]] = {"inside": open_sandbox, "cold": open_cold}


def program_of(sample: Sample, timeout_seconds: float) -> Program:
    """The program that `benchmarks.humaneval` makes of a sample, with this CPU limit."""
    return Program(
        source=sample["prompt"] + sample["completion"] + "\n",
        tests=(f"{sample['test']}\ncheck({sample['entry_point']})",),
        module_name="builtins",
        limits=Limits(cpu_seconds=timeout_seconds),
    )


@contextlib.contextmanager
def open_executor(samples: list[Sample], timeout_seconds: float) -> Iterator[Opened]:
    """Open the sandbox, as a fresh actor does: its canaries are part of the time to the first verdict."""
    sandbox = SANDBOXES[sys.argv[3]](sys.argv[4])

    def execute(sample: Sample) -> str:
        return sandbox.run(program_of(sample, timeout_seconds)).status.value

    with contextlib.closing(sandbox):
        yield execute, f"{type(sandbox).__name__}, isolation {sandbox.isolation}, {sandbox.toolchain()}"


if __name__ == "__main__":
    serve(open_executor)
