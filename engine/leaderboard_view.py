"""A leaderboard as a table for the terminal, Markdown, CSV or plain data."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from engine.compare_view import plain_table
from engine.leaderboard import Leaderboard, Place
from engine.metrics import Estimate
from engine.report import format_estimate

COLUMN = 12
"""Terminal columns that one benchmark takes."""
GROUPS = "Places that share a letter are not told apart (paired by problem, Holm over all pairs)."


def as_data(board: Leaderboard) -> dict[str, Any]:
    """All of it as plain data."""
    return asdict(board) | {"places": [asdict(place) | {"run_dir": str(place.run_dir)} for place in board.places]}


def render(board: Leaderboard) -> RenderableType:
    """A table that fits the terminal, benchmarks that do not fit in further ones."""
    return _Shown(board)


class _Shown:
    def __init__(self, board: Leaderboard) -> None:
        self.board = board

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        board = self.board
        yield Text.assemble((f"suite {board.suite}", "bold"), f"  {_title(board.metric)}")
        table = plain_table("", "checkpoint", "which", "score [interval]", "group")
        table.columns[1].justify = "left"
        table.columns[1].no_wrap = False
        table.columns[1].overflow = "fold"
        for place in board.places:
            table.add_row(str(place.rank), place.checkpoint, _which(place), format_estimate(place.score), place.group)
        yield table
        names = benchmarks_of(board)
        per_table = max(1, (options.max_width - 6) // COLUMN)
        if len(names) > 1:
            for start in range(0, len(names), per_table):
                yield Text()
                yield self._benchmarks(names[start : start + per_table])
        for note in (GROUPS, *board.notes):
            yield Text(note, "dim")

    def _benchmarks(self, names: Sequence[str]) -> RenderableType:
        table = plain_table("", *(_short(name) for name in names))
        for place in self.board.places:
            values = (f"{place.benchmarks[name].value:.3f}" if name in place.benchmarks else "-" for name in names)
            table.add_row(str(place.rank), *values)
        return table


def to_markdown(board: Leaderboard) -> str:
    """A table of GitHub's Markdown, and the notes below it."""
    names = benchmarks_of(board)
    header = ["#", "model", "checkpoint", "step", "which", "of", _title(board.metric), "group", *names]
    lines = [header, ["---"] * len(header)]
    for place in board.places:
        step = "" if place.step is None else str(place.step)
        row = [str(place.rank), place.model, place.checkpoint, step, _which(place), str(place.num_checkpoints)]
        row += [format_estimate(place.score), place.group]
        row += [format_estimate(place.benchmarks[name]) if name in place.benchmarks else "" for name in names]
        lines.append(row)
    text = "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)
    return "\n\n".join([text, *(_cell(note) for note in (GROUPS, *board.notes))]) + "\n"


def _cell(text: str) -> str:
    """What cannot end the cell or become markup."""
    plain = " ".join(text.split())
    return "".join(f"\\{char}" if char in "\\|<>`*_[]" else char for char in plain)


def to_csv(board: Leaderboard) -> str:
    """Comma-separated values, one column per number."""
    names = benchmarks_of(board)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = [f"{name}{end}" for name in ("score", *names) for end in ("", ".ci_low", ".ci_high")]
    writer.writerow(
        [
            "rank",
            "model",
            "checkpoint",
            "step",
            "best",
            "latest",
            "num_checkpoints",
            "group",
            *map(_safe, columns),
            "run_dir",
        ]
    )
    for place in board.places:
        told = [place.rank, _safe(place.model), _safe(place.checkpoint), place.step, place.is_best, place.is_latest]
        estimates = [place.score, *(place.benchmarks.get(name) for name in names)]
        numbers = [number for estimate in estimates for number in _numbers(estimate)]
        writer.writerow([*told, place.num_checkpoints, place.group, *numbers, _safe(str(place.run_dir))])
    return out.getvalue()


def _numbers(estimate: Estimate | None) -> Iterator[float | str]:
    yield from (estimate.value, estimate.ci_low, estimate.ci_high) if estimate else ("", "", "")


def _safe(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def benchmarks_of(board: Leaderboard) -> list[str]:
    """Benchmarks of any place, in order of appearance."""
    return list(dict.fromkeys(name for place in board.places for name in place.benchmarks))


def _which(place: Place) -> str:
    words = [word for word, holds in (("best", place.is_best), ("latest", place.is_latest)) if holds]
    return f"{', '.join(words)} of {place.num_checkpoints}"


def _title(metric: str) -> str:
    return metric.replace("_at_", "@")


def _short(name: str) -> str:
    return name if len(name) <= COLUMN - 2 else f"{name[: COLUMN - 3]}…"
