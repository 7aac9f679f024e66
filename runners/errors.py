"""The one error that speaks to the user: what is wrong, where, and how to mend it.

Every package raises `UserError` (or a subclass) for faults that the person at the keyboard can cure. The command line
prints its text without a stack trace and exits with code 2. Everything else that escapes is a defect of ours.
"""

from __future__ import annotations

from pathlib import Path


class UserError(Exception):
    """A fault in what the user gave us: one message that names the value, the rule and the cure."""


class DataError(UserError):
    """A benchmark, samples or suite file that does not hold what its format promises."""

    def __init__(
        self, path: Path | str, problem: str, *, line: int | None = None, field: str | None = None, cure: str = ""
    ) -> None:
        """Build the message `path:line: field 'x': problem cure`."""
        where = str(path) if line is None else f"{path}:{line}"
        what = f"field '{field}': {problem}" if field else problem
        super().__init__(f"{where}: {what}" + (f" {cure}" if cure else ""))


class SandboxUnavailable(UserError):
    """This machine cannot give the isolation that was asked for."""
