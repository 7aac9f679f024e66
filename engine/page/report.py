"""Where the report page of one run, or of several, goes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from engine.identity import content_hash
from engine.page.page import Page, write_page
from engine.places import REPORT_FILE, program, runs_root


def report_page(run_dirs: Sequence[Path], output: Path | None = None) -> Page:
    """Write the page of one run into its directory, that of several below the runs, or where `output` says.

    Raises:
        UserError: a run is not there or has no metrics yet, or the page cannot be written.
    """
    command = shlex.join([program("codeassay"), "report", *map(str, run_dirs)])
    return write_page(run_dirs, output or _place(run_dirs), command=command)


def _place(run_dirs: Sequence[Path]) -> Path:
    if len(run_dirs) == 1:
        return run_dirs[0] / REPORT_FILE
    return runs_root() / "reports" / content_hash([str(path.resolve()) for path in run_dirs]) / "index.html"
