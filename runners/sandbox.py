"""The one thing that all sandboxes do: run a program under limits and say what happened."""

from __future__ import annotations

from typing import Protocol

from runners.program import Program, Verdict


class Sandbox(Protocol):
    """Runs untrusted programs, one at a time per instance; one contract suite holds for all implementations."""

    judges: frozenset[str]
    """Which `Program.judge` it can run: `inside`, and `split` where it has two processes for one program."""
    isolation: str
    """`full`, `rootless`, `restricted` or `none`."""

    def run(self, program: Program) -> Verdict:
        """Run one program to its verdict. Faults of the program are statuses; faults of ours are SANDBOX_ERROR."""
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
