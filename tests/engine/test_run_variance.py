"""Variance of runs and samples: held against enumeration of all outcomes and all sets of samples."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from engine.run_variance import pass_hat_k, run_spread, setting_spread, variance_split


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_pass_hat_k_is_the_share_of_sets_that_all_pass(k: int) -> None:
    """Every set of k of five samples."""
    for passed in range(6):
        sets = list(itertools.combinations([i < passed for i in range(5)], k))
        assert pass_hat_k([5], [passed], k)[0] == pytest.approx(np.mean([all(one) for one in sets]), abs=1e-12)


def test_pass_hat_k_needs_k_samples() -> None:
    """As pass@k does."""
    for n, c, k in ((2, 1, 3), (2, 3, 1), (2, 1, 0)):
        with pytest.raises(ValueError, match=r"\d"):
            pass_hat_k([n], [c], k)


def test_variance_parts_are_unbiased() -> None:
    """Over all outcomes of two problems with three samples each: within is the mean of p (1 - p).

    The floor of 0 is lifted by chances that are far apart, so that between is the variance of the chances.
    """
    chances, n = (0.0, 0.6), 3
    outcomes = [0, 1, 2, 3]
    weight = {c: math.comb(n, c) * 0.6**c * 0.4 ** (n - c) for c in outcomes}
    splits = {c: variance_split([n, n], [0, c]) for c in outcomes}
    within = sum(weight[c] * split.within for c, split in splits.items() if split)
    raw = sum(weight[c] * ((c / n) ** 2 / 2 - (c / n) * (1 - c / n) / (n - 1) / 2) for c in outcomes)
    assert within == pytest.approx(np.mean([p * (1 - p) for p in chances]), abs=1e-12)
    assert raw == pytest.approx(np.var(chances, ddof=1), abs=1e-12)
    for c, split in splits.items():
        p = c / n
        assert split is not None
        assert split.between == pytest.approx(max(0.0, p**2 / 2 - p * (1 - p) / (n - 1) / 2), abs=1e-12)
        assert split.total == split.between + split.within


def test_spread_by_sampling_is_that_of_runs() -> None:
    """The mean of sd_of_mean squared over all outcomes is the true variance of pass@1 from run to run."""
    n, p = 3, 0.4
    weight = [math.comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)]
    pairs = list(itertools.product(range(n + 1), repeat=2))
    found = {pair: variance_split([n, n], list(pair)) for pair in pairs}
    mean = sum(weight[a] * weight[b] * split.sd_of_mean**2 for (a, b), split in found.items() if split)
    assert mean == pytest.approx(p * (1 - p) / n / 2, abs=1e-12)


def test_variance_needs_two_problems_with_two_samples() -> None:
    """One sample says nothing of the variance within, one problem nothing of that between."""
    assert variance_split([1, 1, 5], [1, 0, 2]) is None
    assert variance_split([], []) is None
    found = variance_split([2, 2, 1], [2, 0, 1])
    assert found is not None and (found.num_problems, found.num_left_out, found.within) == (2, 1, 0.0)
    assert found.between == pytest.approx(0.5)
    for n, c in (([2], [3]), ([2, 2], [1])):
        with pytest.raises(ValueError, match="got"):
            variance_split(n, c)


def test_problems_alike_have_no_variance_between() -> None:
    """What is below 0 by chance is 0."""
    found = variance_split([4, 4, 4], [2, 2, 2])
    assert found is not None and found.between == 0.0
    assert found.within == pytest.approx(4 / 3 / 4)


def test_interval_of_a_standard_deviation_holds_it_as_often_as_stated() -> None:
    """2000 times five normal runs: 95 % +- 1.5 % of intervals hold the true one; five runs have the known factors."""
    rng = np.random.default_rng(0)
    spreads = [run_spread(rng.normal(0.5, 0.02, 5).tolist()) for _ in range(2000)]
    held = np.mean([each.interval.low <= 0.02 <= each.interval.high for each in spreads])
    assert held == pytest.approx(0.95, abs=0.015)
    one = spreads[0]
    assert (one.interval.low / one.sd, one.interval.high / one.sd) == pytest.approx((0.599, 2.874), abs=1e-3)


def test_equal_runs_have_no_spread_and_one_run_is_none() -> None:
    """Zero with an interval of zero; a spread needs two."""
    found = run_spread([0.5, 0.5])
    assert (found.mean, found.sd, found.interval.high, found.num_runs) == (0.5, 0.0, 0.0, 2)
    for values, more in (([0.5], {}), ([0.5, math.nan], {}), ([0.1, 0.2], {"confidence": 1.0})):
        with pytest.raises(ValueError, match="got"):
            run_spread(values, **more)


def test_settings_are_compared_on_the_problems_that_all_have() -> None:
    """A problem that one temperature lacks counts at none."""
    found = setting_spread({"0.2": [1.0, 0.5, 1.0], "0.8": [0.5, 0.25, math.nan]})
    assert found is not None
    assert found.means == {"0.2": 0.75, "0.8": 0.375}
    assert (found.spread, found.best, found.worst, found.num_problems, found.num_left_out) == (
        0.375,
        "0.2",
        "0.8",
        2,
        1,
    )
    assert setting_spread({"0": [math.nan]}) is None
    for fault in ({}, {"0": [1.0], "1": [1.0, 0.0]}):
        with pytest.raises(ValueError, match="spread"):
            setting_spread(fault)
