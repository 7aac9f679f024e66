"""When things happened in a run: what the ratios of generation are computed from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.parts import commit
from actors.samples import SAMPLE_SCHEMA
from benchmarks_perf.timings import timings
from tests.engine.rows import sample_row


def _row(task: str, asked: float, took: float, begun: float, done: float) -> dict[str, Any]:
    times = {"generation_started_at": asked, "generation_seconds": took, "execution_started_at": begun}
    return sample_row(task, "passed", completion_tokens=50, finished_at=done, **times)


def test_figures_come_from_the_rows_of_all_parts(tmp_path: Path) -> None:
    """Tokens over the time of generating; the first completion waits for its program in times of its own batch."""
    (tmp_path / "samples").mkdir()
    for rows in ([_row("a", 10.0, 4.0, 15.0, 16.0)], [_row("b", 10.0, 10.0, 20.5, 22.0)]):
        commit(tmp_path / "samples", rows, SAMPLE_SCHEMA)
    found = timings(tmp_path)
    assert (found.num_samples, found.tokens_per_second, found.total_seconds) == (2, 10.0, 12.0)
    assert (found.first_execution_share, found.first_lag_batches) == (0.5, 0.25)


def test_a_run_without_samples_is_refused(tmp_path: Path) -> None:
    """No figures of nothing."""
    with pytest.raises(ValueError, match="no generated samples"):
        timings(tmp_path)
