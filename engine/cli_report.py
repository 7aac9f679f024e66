"""`codeassay report`: what it prints, and the page that it writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from engine.cli_run import run_data
from engine.page.report import report_page
from engine.publish import summary
from engine.report import render_comparison, render_run
from engine.run_names import find_run


def run_report(names: Sequence[str], output: Path | None, *, page: bool, as_json: bool) -> int:
    """Show one run in full, or several side by side, and write the page of all; the exit code.

    Raises:
        UserError: a run is not there or has no metrics yet, or the page cannot be written.
    """
    run_dirs = list(dict.fromkeys(find_run(name) for name in names))
    shown = [summary(run_dir) for run_dir in run_dirs]
    written = report_page(run_dirs, output) if page else None
    if as_json:
        found = [run_data(each.run_dir, each.metrics, each.status) for each in shown]
        told = {"page": str(written.path)} if written else {}
        print(json.dumps((found[0] if len(found) == 1 else {"runs": found}) | told))  # noqa: T201
        return 0
    out = Console()
    out.print(render_run(shown[0]) if len(shown) == 1 else render_comparison(shown))
    if written:
        size = f"{written.num_bytes / 1e6:.1f} MB" if written.num_bytes >= 1e5 else f"{written.num_bytes / 1e3:.0f} kB"
        out.print(f"\npage  {written.path}  ({size})", soft_wrap=True, markup=False, highlight=False)
        if written.note:
            out.print(written.note, style="dim", markup=False, highlight=False)
    return 0
