from __future__ import annotations

import math
import random

import numpy as np
import pytest

from engine.latency import Distribution


def brute_percentile(values: list[float], percent: float) -> float:
    """Linear interpolation between the two values around the rank percent / 100 * (N - 1)."""
    ordered = sorted(values)
    rank = percent / 100 * (len(ordered) - 1)
    below, above = ordered[math.floor(rank)], ordered[math.ceil(rank)]
    return below + (above - below) * (rank - math.floor(rank))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 1001])
def test_percentiles_interpolate_linearly(size: int) -> None:
    """By hand, from the sorted values, in whatever order they come."""
    chance = random.Random(size)
    values = [chance.expovariate(1.0) for _ in range(size)]
    found = Distribution.of(np.array(values))
    assert found is not None
    for percent, value in ((50, found.p50), (90, found.p90), (95, found.p95), (99, found.p99)):
        assert value == pytest.approx(brute_percentile(values, percent))
    assert found.mean == pytest.approx(math.fsum(values) / size)
    assert (found.max, found.count) == (max(values), size)


def test_the_order_of_values_changes_no_bit() -> None:
    """A sum depends on the order of its terms, so they are sorted first: metrics of the same rows are byte-equal."""
    values = np.array([1e16, 1.0, 1.0])
    assert values.mean() != values[::-1].mean()
    assert Distribution.of(values) == Distribution.of(values[::-1])


def test_a_sample_of_values_tells_how_many_there_were() -> None:
    """Count and maximum are those of all values, the rest is the sample's; of no values there is no distribution."""
    found = Distribution.of(np.array([1.0, 3.0]), count=200, maximum=9.0)
    assert found is not None
    assert (found.count, found.max, found.mean) == (200, 9.0, 2.0)
    assert Distribution.of(np.array([])) is None
