"""Capped tables that MLflow's UI shows beside a run: what failed, and what was won and lost against the one before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.compare import Comparison, Rules, compare, open_run
from engine.scored_rows import METRIC_COLUMNS, ScoredRows, planned_of
from engine.store import read_samples
from engine.tracking_files import redact
from engine.tracking_runs import plain_name
from runners.errors import UserError

MOST_ROWS = 500
MOST_CHARS = 2000
MOST_LINES = 5
"""Of an error: its end, where what went wrong usually stands."""
FAILURES, FLIPS = "failures.json", "flips.json"
_SLIM = ["sample_id", "benchmark", "task_id", "variant", "sample_index", "status"]
_TEXTS = ["error", "generation_error", "stderr_tail", "program"]
_COLUMNS = ("benchmark", "task_id", "variant", "sample_index", "status", "error", "program")
_FLIP_COLUMNS = ("benchmark", "task_id", "change", "metric", "base", "candidate")
"""The last two are the values of the problem in the checkpoint before and in this one."""


def table_text(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table as MLflow's `log_table` writes it, which itself would add to what is there."""
    return json.dumps({"columns": list(columns), "data": [list(row) for row in rows]}, ensure_ascii=False)


def failures_table(run_dir: Path) -> str:
    """Samples that did not pass: of each problem the first of each status, in turn, at most MOST_ROWS.

    Raises:
        DataError: a file of the run is damaged.
    """
    rows = [row for row in read_samples(run_dir, _SLIM).to_pylist() if row["status"] != "passed"]
    rows.sort(key=lambda row: (row["benchmark"], row["variant"], row["task_id"], row["sample_index"]))
    turns: dict[tuple[str, ...], int] = {}
    ranked = []
    for position, row in enumerate(rows):
        problem = (row["benchmark"], row["variant"], row["task_id"])
        turn = turns.get((*problem, row["status"]), 0)
        turns[(*problem, row["status"])] = turn + 1
        ranked.append((turn, position))
    chosen = [rows[position] for _, position in sorted(ranked)[:MOST_ROWS]]
    texts = {
        row["sample_id"]: row
        for row in read_samples(run_dir, ["sample_id", *_TEXTS], {row["sample_id"] for row in chosen}).to_pylist()
    }
    full = [row | _shortened(texts[row["sample_id"]]) for row in chosen]
    return table_text(_COLUMNS, [[row[name] for name in _COLUMNS] for row in full])


def _shortened(row: dict[str, Any]) -> dict[str, str]:
    # Without secrets first, then cut: half a secret would not be known as one.
    error, program = redact([row["error"] or row["generation_error"] or row["stderr_tail"], row["program"]])
    return {"error": "\n".join(error.strip().splitlines()[-MOST_LINES:])[-MOST_CHARS:], "program": program[:MOST_CHARS]}


def compared_with(base_dir: Path, base_key: str, run_dir: Path) -> Comparison | None:
    """The comparison with an earlier checkpoint; None where it cannot be made or its directory is another run's now."""
    try:
        base = open_run(base_dir)
        return compare(base, open_run(run_dir), Rules()) if plain_name(base.run["run_key"]) == base_key else None
    except UserError:
        return None  # the runs were not asked alike, or one of them is no longer here


def flips_table(comparison: Comparison) -> str:
    """Problems lost, then won, at most MOST_ROWS."""
    values = _values(comparison)
    rows = [
        (each.benchmark, task, change, each.metric, *(side[task] for side in values[each.benchmark]))
        for change in ("lost", "won")
        for each in comparison.compared
        for task in (each.lost if change == "lost" else each.won)
    ]
    return table_text(_FLIP_COLUMNS, rows[:MOST_ROWS])


def _values(comparison: Comparison) -> dict[str, list[dict[str, float]]]:
    """Value of each problem in base and candidate, of benchmarks in which any was won or lost."""
    sides = [
        (read_samples(run.run_dir, METRIC_COLUMNS), planned_of(run.run))
        for run in (comparison.base, comparison.candidate)
    ]
    return {
        each.benchmark: [
            ScoredRows.of(each.benchmark, rows, planned[each.benchmark]).by_problem(each.metric)
            for rows, planned in sides
        ]
        for each in comparison.compared
        if each.won or each.lost
    }


def verdict_text(comparison: Comparison) -> str:
    """`better`, or per benchmark where there are several: `humaneval better, mbpp no evidence`."""
    verdicts = [(each.benchmark, each.verdict) for each in comparison.compared]
    return verdicts[0][1] if len(verdicts) == 1 else ", ".join(f"{name} {word}" for name, word in verdicts)
