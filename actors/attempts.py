"""How often a model was opened in vain: an engine that dies again and again must not do so for ever.

Ray starts a dead actor anew and gives it its rows again, without end. So each opening leaves a note in the run
directory, each death says why, and where too many notes are younger than the latest completion, the run ends instead.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

from actors.generate import GENERATIONS

ATTEMPTS = "attempts"
"""Folder of a run directory with a note per opening and per death of this attempt at the run."""
MAX_IN_VAIN = 3
"""Openings per replica without a completion in between."""


class TooManyAttempts(RuntimeError):
    """The model was opened again and again, and nothing came of it."""


class Attempts:
    """The notes of one run directory; used by all replicas, on any node."""

    def __init__(self, run_dir: Path) -> None:
        """Look at a run directory; nothing is written yet."""
        self._folder = run_dir / ATTEMPTS
        self._generations = run_dir / GENERATIONS

    def clear(self) -> None:
        """Forget what earlier attempts at the run left: a new one begins."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def begin(self, replicas: int) -> None:
        """Note an opening.

        Raises:
            TooManyAttempts: more than MAX_IN_VAIN openings per replica since the latest completion.
        """
        since = max((part.stat().st_mtime for part in self._generations.glob("part-*.parquet")), default=0.0)
        opened = [note for note in self._folder.glob("open-*") if note.stat().st_mtime > since]
        if len(opened) >= MAX_IN_VAIN * replicas:
            raise TooManyAttempts(
                f"the model was opened {len(opened)} times and no completion came since. {self._last_words()}"
            )
        self._note("open", "")

    def died(self, error: str) -> None:
        """Note why a back end ended."""
        self._note("died", error)

    def _last_words(self) -> str:
        deaths = sorted(self._folder.glob("died-*"))
        if not deaths:
            return "Its process ended without a word: most often the machine ran out of memory."
        return f"The last end: {json.loads(deaths[-1].read_text())['error']}"

    def _note(self, kind: str, error: str) -> None:
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{kind}-{time.time_ns()}-{os.getpid()}.json"
        path.write_text(json.dumps({"error": error}) + "\n")
