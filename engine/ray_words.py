"""What Ray says to the terminal while a run goes on: it goes to standard error, and a worker's death in one line.

Ray's driver prints what the raylet reports on standard output, which belongs to our results (`--json`).
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout

_DEATH = ("died or was killed", "will be retried")
DEATH_NOTE = "a worker process died: Ray starts another one, and its work is done again"


class _Words(io.TextIOBase):
    """A stream that takes what Ray prints."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Tell a death as a note, pass the rest on to standard error."""
        if any(words in text for words in _DEATH):
            self._note(DEATH_NOTE)
        elif text.strip():
            sys.stderr.write(text.rstrip("\n") + "\n")
        return len(text)


@contextmanager
def ray_words(note: Callable[[str], None]) -> Iterator[None]:
    """Keep standard output free of Ray; `note` is told that a worker died, from another thread."""
    with redirect_stdout(_Words(note)):
        yield
