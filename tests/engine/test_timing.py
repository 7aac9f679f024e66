from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from engine.scored_rows import PlannedBenchmark
from engine.store import _RUN_KEYS
from engine.timing import Timing, read_gaps, read_timing
from runners.errors import DataError
from tests.engine.rows import generation_table, sample_row, sample_table


def plan(**fields: Any) -> PlannedBenchmark:
    return PlannedBenchmark(**({"metrics": ("pass",), "num_problems": 9, "num_samples": 4} | fields))


def leave(run_dir: Path, *parts: list[dict[str, Any]]) -> Path:
    """Parts of generations as the Generate stage leaves them."""
    (run_dir / "generations").mkdir(parents=True)
    for number, rows in enumerate(parts):
        pq.write_table(generation_table(rows), run_dir / "generations" / f"part-{number}.parquet")
    return run_dir


def test_gaps_are_pooled_by_benchmark_over_all_parts(tmp_path: Path) -> None:
    """Of watched completions of the plan; others have none, and a benchmark without any is missing."""
    run_dir = leave(
        tmp_path,
        [sample_row("a", inter_token_seconds=[0.5, 0.25]), sample_row("b")],
        [
            sample_row("c", inter_token_seconds=[2.0]),
            sample_row("m", benchmark="mbpp", inter_token_seconds=[8.0]),
            sample_row("a", variant="rename", inter_token_seconds=[9.0]),
            sample_row("z", sample_index=4, inter_token_seconds=[7.0]),
        ],
    )
    gaps = read_gaps(run_dir, {"humaneval": plan(), "mbpp": plan(), "other": plan()})
    assert {name: sorted(each.values.tolist()) for name, each in gaps.items()} == {
        "humaneval": [0.25, 0.5, 2.0],
        "mbpp": [8.0],
    }
    assert (gaps["humaneval"].count, gaps["humaneval"].maximum) == (3, 2.0)


def test_gaps_of_greedy_copies_count_once(tmp_path: Path) -> None:
    """Rows of one request with the same times are one completion under greedy decoding, several where drawn."""
    rows = [sample_row("a", sample_index=index, inter_token_seconds=[0.5]) for index in range(3)]
    run_dir = leave(tmp_path, [*rows, sample_row("b", inter_token_seconds=[0.25])])
    planned = {"humaneval": plan()}
    assert sorted(read_gaps(run_dir, planned, has_copies=True)["humaneval"].values.tolist()) == [0.25, 0.5]
    assert read_gaps(run_dir, planned)["humaneval"].count == 4


def test_gaps_beyond_the_limit_are_a_fair_sample(tmp_path: Path) -> None:
    """Memory is bounded, count and maximum are exact, and percentiles stay within what such a sample can tell."""
    chance = np.random.default_rng(0)
    parts = [chance.exponential(size=1000).astype(np.float32) for _ in range(40)]
    rows = [[sample_row(f"t{number}", inter_token_seconds=values.tolist())] for number, values in enumerate(parts)]
    run_dir = leave(tmp_path, *rows)
    gaps = read_gaps(run_dir, {"humaneval": plan(num_problems=40)}, most=8000)["humaneval"]
    everything = np.concatenate(parts)
    assert 2000 < gaps.values.size <= 8000
    assert (gaps.count, gaps.maximum) == (40_000, float(everything.max()))
    for percent, tolerance in ((50, 0.1), (99, 0.5)):
        assert np.percentile(gaps.values, percent) == pytest.approx(np.percentile(everything, percent), abs=tolerance)
    by_part = [np.isin(values, gaps.values).mean() for values in parts]
    assert min(by_part) > 0.5 * max(by_part)  # early parts weigh no more than late ones


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    """One line with the file and the cure."""
    run_dir = leave(tmp_path, [sample_row("a")])
    (run_dir / "generations" / "part-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"part-0\.parquet.*Delete this file"):
        read_gaps(run_dir, {"humaneval": plan()})


def test_sessions_come_from_the_record_of_the_run(tmp_path: Path) -> None:
    """With their ends, where they have one; a run of before they were recorded has none."""
    rows, planned = sample_table([sample_row("a")]), {"humaneval": plan()}
    run = dict.fromkeys(_RUN_KEYS, "")
    sessions = [{"started_at": 1.0, "finished_at": None}, {"started_at": 5.0, "finished_at": 9.0}]
    (tmp_path / "run.json").write_text(json.dumps(run | {"sessions": sessions}))
    timing = read_timing(tmp_path, planned, rows, has_copies=True)
    assert timing == Timing(sessions=((1.0, None), (5.0, 9.0)), has_copies=True)
    (tmp_path / "run.json").write_text(json.dumps(run))
    assert read_timing(tmp_path, planned, rows, has_copies=False) == Timing()


def test_no_part_is_read_where_no_first_token_was_seen(tmp_path: Path) -> None:
    """Stored samples were never watched; their parts, even damaged ones, do not matter here."""
    run_dir = leave(tmp_path, [sample_row("a")])
    (run_dir / "generations" / "part-0.parquet").write_bytes(b"PAR1")
    rows = sample_table([sample_row("a", ttft_seconds=None)])
    assert read_timing(run_dir, {"humaneval": plan()}, rows, has_copies=False) == Timing()
