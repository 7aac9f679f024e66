"""A run as the report page needs it: everything but the text of its samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.asked import read_problems
from engine.metrics import Metrics
from engine.run import load_outcome
from engine.scored_rows import METRIC_COLUMNS, PlannedBenchmark, ScoredRows, planned_of
from engine.store import read_samples


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRun:
    """One run with its numbers and the rows behind them."""

    run_dir: Path
    name: str
    """Of the checkpoint."""
    step: int | None
    """Training step; None if it is not known."""
    suite: str
    status: str
    """`complete`, or what else became of the run."""
    run: Mapping[str, Any]
    """run.json."""
    metrics: Metrics
    planned: Mapping[str, PlannedBenchmark]
    rows: pa.Table
    """METRIC_COLUMNS of all samples, each once."""
    problems: pa.Table
    """engine.asked.PROBLEM_SCHEMA; no rows for runs that did not keep it."""

    def scored(self, name: str) -> ScoredRows:
        """The rows of one benchmark, by its metric name."""
        return ScoredRows.of(name, self.rows, self.planned[name])


def open_page_run(run_dir: Path) -> PageRun:
    """Read a run, whole or not, that has metrics.

    Raises:
        UserError: no run is there, it has no metrics yet, or a file of it is damaged.
    """
    run, metrics = load_outcome(run_dir)
    return PageRun(
        run_dir=run_dir,
        name=run["model"]["name"],
        step=run["model"].get("step"),
        suite=run["suite"],
        status=run["status"],
        run=run,
        metrics=metrics,
        planned=planned_of(run),
        rows=read_samples(run_dir, METRIC_COLUMNS),
        problems=read_problems(run_dir),
    )
