"""Write the report: one HTML file that holds all it shows and asks no network for anything."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from engine.compare import Comparison, Rules, compare, open_run
from engine.page.browse import browser_data
from engine.page.flips import flips
from engine.page.inputs import PageRun, open_page_run
from engine.page.robust import robust_tables
from engine.page.sections import changes, repeats, score_rows, trust_boxes
from engine.store import write_text
from runners.errors import UserError

GLYPHS = {"better": "▲", "worse": "▼", "no evidence": "=", "inconclusive": "?"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A report that was written."""

    path: Path
    num_bytes: int
    note: str
    """What is not in it; empty if all is."""


def write_page(run_dirs: Sequence[Path], target: Path, *, command: str) -> Page:
    """Write the report of one or more runs, whole or not at all.

    With several runs each is compared with the one before it, by training step where all have one, else as given.

    Args:
        run_dirs: at least one, with metrics.
        target: the HTML file; its directory is made.
        command: what was typed, shown so that it can be typed again.

    Raises:
        UserError: no run is there, it has no metrics yet, a file is damaged, or the target cannot be written.
    """
    runs = _in_order([open_page_run(path) for path in run_dirs])
    comparisons, notes = _compared(runs)
    browser = browser_data(runs, comparisons)
    text = _render(runs, comparisons, notes, browser.packed, browser.note, command)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror}). Choose another --output.") from error
    write_text(target, text)
    return Page(path=target, num_bytes=len(text.encode()), note=browser.note)


def _in_order(runs: Sequence[PageRun]) -> list[PageRun]:
    if any(run.step is None for run in runs):
        return list(runs)
    return sorted(runs, key=lambda run: run.step or 0)


def _compared(runs: Sequence[PageRun]) -> tuple[list[Comparison], list[str]]:
    """Each run with the one before it, and why some cannot be compared."""
    found: list[Comparison] = []
    notes: list[str] = []
    for before, after in itertools.pairwise(runs):
        try:
            found.append(compare(open_run(before.run_dir), open_run(after.run_dir), Rules()))
        except UserError as error:
            notes.append(f"{after.name} is not compared with {before.name}: {error}")
    return found, notes


def _render(
    runs: Sequence[PageRun],
    comparisons: Sequence[Comparison],
    notes: Sequence[str],
    packed: str,
    browser_note: str,
    command: str,
) -> str:
    from jinja2 import Environment
    from markupsafe import Markup

    from engine.page.plots import draw

    script, style = _asset("page.js"), _asset("page.css")
    names = list(dict.fromkeys(run.name for run in runs))
    suites = ", ".join(dict.fromkeys(run.suite for run in runs))
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(_asset("page.html"))
    return template.render(
        title=f"{names[-1]} - codeassay",
        heading=names[0] if len(names) == 1 else f"{len(runs)} checkpoints of {_family(runs)}",
        subheading=f"suite {suites}" + ("" if len(names) == 1 else f" · {', '.join(names)}"),
        script=Markup(script),  # noqa: S704 - our own file
        style=Markup(style),  # noqa: S704 - our own file
        script_hash=_hash(script),
        style_hash=_hash(style),
        notes=notes,
        changes=changes(comparisons),
        glyphs=GLYPHS,
        scores=score_rows(runs),
        confidence=f"{runs[0].metrics.confidence:.0%}",
        trust=trust_boxes(runs),
        robust=robust_tables(runs),
        flips=flips(runs),
        figures=draw(runs, comparisons),
        browser_note=browser_note,
        page_command=command,
        repeats=repeats(runs),
        packed=packed,
    )


def _family(runs: Sequence[PageRun]) -> str:
    return ", ".join(dict.fromkeys(run.run["model"].get("family") or run.name for run in runs))


def _asset(name: str) -> str:
    return (files("engine.page") / "assets" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """A source expression of a Content-Security-Policy (W3C CSP 3, section 2.3.1)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
