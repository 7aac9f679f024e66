"""Our own ways to judge, one slot in one process, as an actor uses them. Arguments: WORKLOAD TIMEOUT WAY LEVEL."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from actors.judging import Judging, ProblemKey
from benchmarks.extraction import preamble_of
from benchmarks_perf.drivers.protocol import Opened, Sample, serve
from runners.cgroup import find_parents
from runners.errors import SandboxUnavailable
from runners.nsjail import NsjailSandbox
from runners.program import Limits, Program, Verdict
from runners.sandbox import Sandbox, open_sandbox

Judge = Callable[[str, Program], Verdict]
"""Takes a task_id and a program that says `inside`."""


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


def inside(sandbox: Sandbox, task_ids: Iterable[str]) -> Judge:
    """Tests in the program's process."""
    return lambda task_id, program: sandbox.run(program)


def split(sandbox: Sandbox, task_ids: Iterable[str]) -> Judge:
    """Tests in a process of their own, for every program."""
    return lambda task_id, program: sandbox.run(replace(program, judge="split"))


def auto(sandbox: Sandbox, task_ids: Iterable[str]) -> Judge:
    """The default policy, which confirms passes in `split`; all problems of HumanEval can be split."""
    judging = Judging(sandbox, "auto", {key_of(task_id) for task_id in task_ids})
    return lambda task_id, program: judging.judge(key_of(task_id), program)


def key_of(task_id: str) -> ProblemKey:
    """How the policy knows a problem: benchmark, task, variant."""
    return "humaneval", task_id, "nominal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A sandbox and what is asked of it."""

    open: Callable[[str], Sandbox] = open_sandbox
    judge: Callable[[Sandbox, Iterable[str]], Judge]


WAYS: dict[str, Way] = {
    "inside": Way(judge=inside),
    "split": Way(judge=split),
    "auto": Way(judge=auto),
    "cold": Way(open=open_cold, judge=inside),
}


def program_of(sample: Sample, timeout_seconds: float) -> Program:
    """The program that `benchmarks.humaneval` makes of a sample, with this CPU limit."""
    return Program(
        source=sample["prompt"] + sample["completion"] + "\n",
        tests=(f"{sample['test']}\ncheck({sample['entry_point']})",),
        helpers=preamble_of(sample["prompt"], sample["entry_point"]),
        under_test=(sample["entry_point"],),
        module_name="builtins",
        limits=Limits(cpu_seconds=timeout_seconds),
    )


@contextlib.contextmanager
def open_executor(samples: list[Sample], timeout_seconds: float) -> Iterator[Opened]:
    """Open the sandbox, as a fresh actor does: its canaries are part of the time to the first verdict."""
    way = WAYS[sys.argv[3]]
    sandbox = way.open(sys.argv[4])
    judge = way.judge(sandbox, [sample["task_id"] for sample in samples])

    def execute(sample: Sample) -> str:
        return judge(sample["task_id"], program_of(sample, timeout_seconds)).status.value

    with contextlib.closing(sandbox):
        yield execute, f"{type(sandbox).__name__}, {sys.argv[3]}, isolation {sandbox.isolation}, {sandbox.toolchain()}"


if __name__ == "__main__":
    serve(open_executor)
