"""`codeassay leaderboard`: what it prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console

from engine.leaderboard import Leaderboard, leaderboard
from engine.leaderboard_view import as_data, render, to_csv, to_markdown
from engine.report import to_text
from engine.store import write_text

Format = Literal["table", "markdown", "csv", "json"]


def run_leaderboard(
    names: Sequence[str],
    *,
    metric: str,
    suite: str | None,
    form: Format,
    output: Path | None,
    alpha: float,
    resamples: int,
) -> int:
    """Print the leaderboard in one of its forms, or write it to a file; the exit code.

    Raises:
        UserError: nothing of that name, no complete evaluation in it, or the file cannot be written.
    """
    board = leaderboard(names, metric=metric, suite=suite, alpha=alpha, resamples=resamples)
    if form == "table" and output is None:
        Console().print(render(board))
        return 0
    text = _text(board, form)
    if output is None:
        print(text, end="")  # noqa: T201
    else:
        write_text(output, text)
    return 0


def _text(board: Leaderboard, form: Format) -> str:
    if form == "markdown":
        return to_markdown(board)
    if form == "csv":
        return to_csv(board)
    return json.dumps(as_data(board)) + "\n" if form == "json" else to_text(render(board), width=120)
