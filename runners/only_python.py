"""What sandboxes that have Python alone say to programs of other languages and environments."""

from __future__ import annotations

from typing import Protocol

from runners.languages import PYTHON
from runners.program import Program, Status, Verdict

ONLY_PYTHON = frozenset({PYTHON})


class Isolated(Protocol):
    """Anything with a level."""

    isolation: str


def refused(program: Program, sandbox: Isolated) -> Verdict | None:
    """A verdict that blames us, for a program that this sandbox cannot run; None for one that it can."""
    if program.language == PYTHON and not program.environment:
        return None
    what = program.environment or program.language
    error = f"{what}: isolation {sandbox.isolation} runs plain Python alone; full and rootless run all languages"
    return Verdict(status=Status.SANDBOX_ERROR, isolation=sandbox.isolation, error=error)
