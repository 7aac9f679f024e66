from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from engine.config import RunConfig
from engine.metrics import Metrics, PlannedBenchmark, compute_metrics
from engine.report import to_text
from engine.stability import LATENCY, render_stability, repeats_of, spread, stability
from tests.engine.rows import sample_row, sample_table


def config(**fields: Any) -> RunConfig:
    return RunConfig.model_validate({"benchmarks": [{"name": "humaneval"}], **fields})


def metrics_with(num_passed: int, num_faults: int = 0) -> Metrics:
    """Metrics of ten problems, so many of them passed."""
    rows = [sample_row(f"t{i}", "passed" if i < num_passed else "wrong_answer") for i in range(10 - num_faults)]
    rows += [sample_row(f"t{9 - i}", "sandbox_error") for i in range(num_faults)]
    planned = {"humaneval": PlannedBenchmark(metrics=("pass",), num_problems=10, num_samples=1)}
    return compute_metrics(sample_table(rows), planned, [1])


def test_spread_is_mean_deviation_and_range() -> None:
    """The sample standard deviation: of 1, 2, 3 it is 1."""
    found = spread([3.0, 1.0, 2.0])
    assert (found.mean, found.sd, found.minimum, found.maximum, found.num_runs) == (2.0, 1.0, 1.0, 3.0, 3)
    assert spread([0.5]).sd == 0.0


def test_pass_at_1_is_spread_over_runs() -> None:
    """Of each benchmark, with the seeds that were used; the total of a single one is not told twice."""
    found = stability("m", config(), [metrics_with(4), metrics_with(6)], temperature=0.8)
    assert found.seeds == (1234, 1235)
    scores = {name: value for name, value in found.spreads.items() if "pass_at" in name}
    assert scores == {"humaneval/pass_at_1": spread([0.4, 0.6])}


def test_a_withheld_number_is_not_counted_as_zero() -> None:
    """The spread is over the runs that have it, and says over how many."""
    found = stability("m", config(), [metrics_with(4), metrics_with(4, num_faults=3)], temperature=0.8)
    assert found.spreads["humaneval/pass_at_1"] == spread([0.4])


def test_greedy_runs_and_cached_verdicts_are_told() -> None:
    """What the spread then shows, and what it does not."""
    runs = [metrics_with(4), metrics_with(4)]
    model = {"spec": "openai:http://h/v1#m"}
    text = to_text(render_stability(stability("m", config(model=model), runs, temperature=0.0)), width=200)
    assert "the seed changes nothing" in text
    assert "--no-cache" in text
    assert stability("m", config(model=model, execution={"cache": False}), runs, temperature=0.8).notes == ()
    assert "stored" in stability("m", config(), runs, temperature=0.0).notes[0]


def test_the_table_has_a_row_per_number() -> None:
    """Name, mean, deviation, least, greatest, runs."""
    text = to_text(render_stability(stability("m", config(), [metrics_with(4), metrics_with(6)], temperature=0.8)))
    assert re.search(r"humaneval/pass@1 +0\.5 +0\.1414 +0\.4 +0\.6 +2", text)


def test_repeats_lie_beside_the_first_run_and_have_their_own_seeds() -> None:
    """The first run is the one that is made without --repeat; nothing else changes."""
    first = config(generation={"seed": 7}, limit=3)
    second, third = repeats_of(first, Path("runs/m/starter-1a2b"), 3)
    assert [again.generation.seed for again in (second, third)] == [8, 9]
    assert [str(again.output) for again in (second, third)] == [
        "runs/m/starter-1a2b-repeat-2",
        "runs/m/starter-1a2b-repeat-3",
    ]
    same = {"output": None, "generation": first.generation}
    assert second.model_copy(update=same) == first
    assert repeats_of(first, Path("x"), 1) == []


@pytest.mark.parametrize(
    ("name", "is_shown"),
    [
        ("serving/e2e_seconds.p50", True),
        ("serving/ttft_seconds.p99", True),
        ("serving/e2e_seconds/p99", True),
        ("serving/ttft_seconds.p90", False),
        ("serving/itl_seconds.p50", False),
        ("humaneval/pass_at_1.ci_low", False),
    ],
)
def test_latencies_are_known_by_name(name: str, is_shown: bool) -> None:
    """End-to-end latency and time to first token, at p50 and p99."""
    assert bool(LATENCY.fullmatch(name)) is is_shown
