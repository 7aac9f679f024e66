"""The one thing that all sandboxes do: run a program under limits and say what happened."""

from __future__ import annotations

from typing import Protocol

from runners.program import Program, Verdict
from runners.supervise import Idle


class Sandbox(Protocol):
    """Runs untrusted programs; one contract suite holds for all implementations.

    `run` may be called from several threads at once, which is of use only while programs sleep: the machine is judged
    by one program per processor.
    """

    judges: frozenset[str]
    """Which `Program.judge` it can run: `inside`, and `split` where it has two processes for one program."""
    languages: frozenset[str]
    """Which `Program.language` it can run; a program of another is SANDBOX_ERROR, never judged as what it is not."""
    environments: bool
    """Whether it can run programs in the named environments of `runners.environments`."""
    isolation: str
    """`full`, `rootless`, `restricted` or `none`."""

    def run(self, program: Program, idle: Idle | None = None) -> Verdict:
        """Run one program to its verdict. Faults of the program are statuses; faults of ours are SANDBOX_ERROR.

        Args:
            program: what to run.
            idle: called now and then, in the calling thread, while the program lives and uses next to no CPU time;
                never where the CPU time of its whole tree is unknown (levels without control groups).
        """
        ...

    def toolchain(self) -> str:
        """What a verdict depends on besides the program: interpreter, harness and policy versions, as one string."""
        ...

    def close(self) -> None:
        """Remove all that this instance left on the machine (control groups, directories)."""
        ...


def open_sandbox(isolation: str = "auto") -> Sandbox:
    """The sandbox of a level; see `runners.isolation.open_sandbox`, which this calls."""
    from runners import isolation as levels

    return levels.open_sandbox(isolation)
