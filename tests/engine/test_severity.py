"""Severity curves: held against least squares and against curves known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from engine.severity import severity_curve


def test_slope_is_that_of_least_squares_over_all_problems() -> None:
    """As by a regression through every problem's drop at every severity, severities not evenly apart."""
    drops = -np.random.default_rng(0).random((25, 3))
    levels = [1.0, 2.0, 5.0]
    found = severity_curve(levels, drops)
    theirs = stats.linregress(np.tile(levels, 25), drops.ravel())
    assert found is not None
    assert found.slope.mean == pytest.approx(theirs.slope, abs=1e-12)
    assert found.area.mean == pytest.approx(drops.mean(), abs=1e-12)
    assert [each.mean for each in found.drops] == pytest.approx(drops.mean(axis=0).tolist(), abs=1e-12)


def test_only_problems_with_every_severity_count() -> None:
    """A problem that is easy and has no third severity would bend the curve."""
    found = severity_curve([1, 2, 3], [[-0.1, -0.2, -0.3], [0.0, 0.0, math.nan], [-0.1, -0.2, -0.3]])
    assert found is not None
    assert (found.num_problems, found.num_left_out) == (2, 1)
    assert found.slope.mean == pytest.approx(-0.1)
    assert found.slope.interval.low == pytest.approx(found.slope.interval.high)
    assert found.area.mean == pytest.approx(-0.2)


def test_problems_that_share_a_slope_have_a_sure_one_whatever_their_level() -> None:
    """Hard and easy problems that fall alike: the interval of the slope is narrower than that of the drops."""
    level = np.random.default_rng(1).uniform(-0.5, 0.5, 40)
    found = severity_curve([1, 2], np.stack([level, level - 0.2], axis=1))
    assert found is not None
    assert found.slope.mean == pytest.approx(-0.2)
    assert found.slope.interval.high - found.slope.interval.low < 1e-9
    assert found.area.interval.high - found.area.interval.low > 0.1
    assert found.slope.p_value < 0.001


def test_copies_of_a_problem_add_nothing_to_a_curve() -> None:
    """Clusters: four copies of each are as sure as one."""
    drops = np.random.default_rng(2).uniform(-1, 1, (20, 2))
    once = severity_curve([1, 3], drops)
    copied = severity_curve([1, 3], np.repeat(drops, 4, axis=0), clusters_P=np.repeat(np.arange(20), 4).tolist())
    assert once is not None and copied is not None
    assert copied.slope.standard_error == pytest.approx(once.slope.standard_error)


def test_no_problem_with_every_severity_means_no_curve() -> None:
    """Nothing is made up of parts."""
    assert severity_curve([1, 2], [[0.1, math.nan], [math.nan, 0.1]]) is None
    assert severity_curve([1, 2], np.zeros((0, 2))) is None


@pytest.mark.parametrize(
    ("levels", "drops", "clusters"),
    [([1], [[0.1]], None), ([1, 1], [[0.1, 0.2]], None), ([1, 2], [[0.1]], None), ([1, 2], [[0.1, 0.2]], ["a", "b"])],
)
def test_what_is_no_curve_is_refused(levels: list[float], drops: list[list[float]], clusters: list[str] | None) -> None:
    """One severity, one twice, shapes and clusters that do not fit."""
    with pytest.raises(ValueError, match="got"):
        severity_curve(levels, drops, clusters_P=clusters)
