from __future__ import annotations

import math

import numpy as np
import pytest

from engine.stress.arrivals import arrival_times


@pytest.mark.parametrize("burstiness", [0.25, 1.0, 4.0, math.inf])
def test_the_rate_offered_is_exactly_the_one_asked_for(burstiness: float) -> None:
    """Whatever the shape, the last of 500 requests at 8 per second comes after 62.5 s, and none before another."""
    times = arrival_times(500, 8.0, burstiness, 3)
    assert times.shape == (500,)
    assert times[-1] == pytest.approx(62.5)
    assert times[0] > 0
    assert (np.diff(times) >= 0).all()


@pytest.mark.parametrize("burstiness", [0.25, 1.0, 4.0])
def test_gaps_have_the_moments_of_the_gamma_distribution(burstiness: float) -> None:
    """Mean 1 / rate, coefficient of variation 1 / sqrt(burstiness), skewness 2 / sqrt(burstiness)."""
    gaps = np.diff(arrival_times(200_000, 5.0, burstiness, 1), prepend=0.0)
    deviation = gaps.std()
    skewness = ((gaps - gaps.mean()) ** 3).mean() / deviation**3
    assert gaps.mean() == pytest.approx(0.2)
    assert deviation / gaps.mean() == pytest.approx(1 / math.sqrt(burstiness), rel=0.02)
    assert skewness == pytest.approx(2 / math.sqrt(burstiness), rel=0.06)


def test_poisson_arrivals_per_second_have_equal_mean_and_variance() -> None:
    """Counts in windows of a second: the mark of a Poisson process; bursts have more variance, constant gaps none."""
    index_of_dispersion = {}
    for burstiness in (0.25, 1.0, math.inf):
        counts = np.bincount(arrival_times(100_000, 10.0, burstiness, 2).astype(int))[:-1]
        index_of_dispersion[burstiness] = counts.var() / counts.mean()
    assert index_of_dispersion[1.0] == pytest.approx(1.0, rel=0.05)
    assert index_of_dispersion[0.25] > 2.5
    assert index_of_dispersion[math.inf] < 0.02


def test_the_same_seed_gives_the_same_times() -> None:
    """And another seed gives others; a lower rate stretches the same ones."""
    first = arrival_times(50, 2.0, 1.0, 7)
    assert (arrival_times(50, 2.0, 1.0, 7) == first).all()
    assert not np.allclose(arrival_times(50, 2.0, 1.0, 8), first)
    assert np.allclose(arrival_times(50, 1.0, 1.0, 7), 2 * first)


def test_no_requests_have_no_times() -> None:
    """A level without warm-up asks for none."""
    assert arrival_times(0, 2.0, 1.0, 7).shape == (0,)
