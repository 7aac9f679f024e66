"""What a stress run leaves on disk: `stress.json` with every figure, `requests.parquet` with every request."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.store import write_text
from engine.stress.levels import Level
from engine.tracking_files import redact
from runners.errors import UserError

SUMMARY_FILE = "stress.json"
REQUESTS_FILE = "requests.parquet"
PLOTS = "plots"
SHOWN_ERRORS = 5

REQUEST_SCHEMA = pa.schema(
    [
        ("level", pa.int32()),
        ("load", pa.string()),
        ("value", pa.float64()),
        ("run", pa.int32()),
        ("task_id", pa.string()),
        ("warm_up", pa.bool_()),
        ("scheduled_seconds", pa.float64()),
        ("sent_seconds", pa.float64()),
        ("ended_seconds", pa.float64()),
        ("queue_seconds", pa.float64()),
        ("ttft_seconds", pa.float64()),
        ("tpot_seconds", pa.float64()),
        ("e2e_seconds", pa.float64()),
        ("inter_token_seconds", pa.list_(pa.float32())),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("finish_reason", pa.string()),
        ("error", pa.string()),
    ]
)
"""One row per request; times count from the start of its run of the level."""


def check_free(directory: Path) -> None:
    """Whether a stress run may be written there.

    Raises:
        UserError: there is one already.
    """
    if (directory / SUMMARY_FILE).exists():
        raise UserError(f"--output {directory}: there is a stress run already; choose another directory.")


def claim(directory: Path) -> None:
    """Make the directory.

    Raises:
        UserError: it cannot be written.
    """
    try:
        (directory / PLOTS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output {directory}: {error.strerror or error}. Choose one you can write.") from error


def give_back(directory: Path) -> None:
    """Take away a directory in which nothing was written; anything else in it stays."""
    # Not empty: it was there before, with files that are not ours.
    with contextlib.suppress(OSError):
        (directory / PLOTS).rmdir()
        directory.rmdir()


def write_requests(directory: Path, levels: Sequence[Level]) -> None:
    """Write every request of every level, warm-up included."""
    rows = [
        {name: getattr(request, name) for name in REQUEST_SCHEMA.names if hasattr(request, name)}
        | {"level": index, "load": level.load, "value": level.value, "run": run, "warm_up": request.is_warm_up}
        for index, level in enumerate(levels)
        for run, made in enumerate(level.runs)
        for request in made.requests
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=REQUEST_SCHEMA), directory / REQUESTS_FILE, compression="zstd")


def write_summary(directory: Path, summary: dict[str, Any]) -> dict[str, Any]:
    """Write `stress.json` without secrets; gives what was written."""
    safe: dict[str, Any] = redact(summary)
    write_text(directory / SUMMARY_FILE, json.dumps(safe, indent=2) + "\n")
    return safe


def level_json(level: Level) -> dict[str, Any]:
    """One level as plain data: its runs, and the goals it missed."""
    return {
        "load": level.load,
        "value": level.value,
        "is_probe": level.is_probe,
        "meets_goals": level.meets if level.goals else None,
        "missed": [str(goal) for goal in level.missed],
        "runs": [run.figures.as_json() for run in level.runs],
        "errors": dict(errors_of([level]).most_common(SHOWN_ERRORS)),
    }


def errors_of(levels: Sequence[Level]) -> Counter[str]:
    """How often each error was seen, warm-up included."""
    return Counter(request.error for level in levels for run in level.runs for request in run.requests if request.error)
