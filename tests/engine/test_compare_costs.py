"""What two runs took: which figures are given, and how their intervals are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from engine.compare_costs import MOST_VALUES, Side, Values, compare_costs
from engine.scored_rows import PlannedBenchmark, ScoredRows
from tests.engine.rows import grid, sample_table

NOTHING = Values(value_V=np.empty(0), problem_V=np.empty(0, dtype=np.int64))


def side(e2e: dict[str, list[float]]) -> Side:
    """A run that took so long for each problem's requests, in seconds."""
    problems = tuple(e2e)
    values = Values(
        value_V=np.array([value for values in e2e.values() for value in values]),
        problem_V=np.repeat(np.arange(len(problems)), [len(values) for values in e2e.values()]),
    )
    return Side(
        problems=problems, quantities=dict.fromkeys(("ttft", "tpot", "tokens", "cpu"), NOTHING) | {"e2e": values}
    )


def test_a_change_is_the_ratio_of_both_figures() -> None:
    """The median of a candidate that takes twice as long everywhere has doubled in every resample."""
    base = {f"t{number}": [1.0 + number, 2.0 + number] for number in range(9)}
    doubled = {task: [2 * value for value in values] for task, values in reversed(base.items())}
    found = compare_costs(side(base), side(doubled), confidence=0.95, seed=0)
    assert list(found) == ["E2E p50", "E2E p99"]
    assert found["E2E p50"].change == pytest.approx(1.0)
    assert found["E2E p50"].interval is not None
    assert (found["E2E p50"].interval.low, found["E2E p50"].interval.high) == pytest.approx((1.0, 1.0))


def test_resampled_figures_are_those_of_repeated_problems() -> None:
    """A resample's quantile and mean are what one gets from writing each drawn problem out as often as it was drawn."""
    from engine.compare_costs import _resampled, _thinned

    rng = np.random.default_rng(3)
    values = Values(value_V=rng.random(60), problem_V=rng.integers(0, 12, 60))
    weights_RP = rng.multinomial(12, np.full(12, 1 / 12), size=20)
    ordered = _thinned(values, np.arange(12), rng)
    for quantile in (0.5, 0.99, None):
        found_R = _resampled(ordered, weights_RP, quantile)
        for row, found in zip(weights_RP, found_R, strict=True):
            written = np.sort(np.repeat(values.value_V, row[values.problem_V]))
            at = int(np.ceil(quantile * written.size)) - 1 if quantile else 0
            assert found == pytest.approx(written[at] if quantile else written.mean())


def test_an_interval_holds_the_true_change() -> None:
    """Of 40 pairs of runs with the same law, the interval of the p50's change holds zero in most."""
    rng = np.random.default_rng(1)
    held = 0
    for seed in range(40):
        there, here = (side({f"t{n}": list(rng.lognormal(size=3)) for n in range(50)}) for _ in range(2))
        interval = compare_costs(there, here, confidence=0.95, seed=seed)["E2E p50"].interval
        assert interval is not None
        held += interval.low <= 0.0 <= interval.high
    assert held >= 35


def test_many_values_are_thinned_and_keep_their_median() -> None:
    """Twice as many values as are resampled: the figure itself is of all of them."""
    rng = np.random.default_rng(0)
    many = side({f"t{n}": list(rng.random(200)) for n in range(2 * MOST_VALUES // 200)})
    cost = compare_costs(many, many, confidence=0.95, seed=0)["E2E p50"]
    assert cost.base == np.median(many.quantities["e2e"].value_V)
    assert cost.interval is not None
    assert -0.1 < cost.interval.low <= 0.0 <= cost.interval.high < 0.1


@pytest.mark.parametrize("cached", [False, True])
def test_programs_that_did_not_run_keep_cpu_time_from_being_compared(cached: bool) -> None:
    """With verdicts from the cache the programs that ran are not the same in both runs."""
    rows = [row | ({"judge": "split cached"} if cached else {}) for row in grid({"a": 1, "b": 2}, 3)]
    plan = PlannedBenchmark(metrics=("pass",), num_problems=2, num_samples=3)
    one = Side.of([ScoredRows.of("humaneval", sample_table(rows), plan)], has_copies=False)
    assert ("CPU per program" in compare_costs(one, one, confidence=0.95, seed=0)) is not cached


def test_a_figure_without_a_base_has_no_change() -> None:
    """Nothing can be said of a change from zero."""
    cost = compare_costs(side({"a": [0.0]}), side({"a": [1.0]}), confidence=0.95, seed=0)["E2E p50"]
    assert (cost.base, cost.candidate, cost.change, cost.interval) == (0.0, 1.0, None, None)
