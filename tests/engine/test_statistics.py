from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest

from engine import statistics
from engine.statistics import bootstrap_interval, pass_at_k


def test_pass_at_k_equals_the_share_of_subsets_with_a_pass() -> None:
    """For every n <= 7, c and k, pass@k is the share of k-subsets that hold at least one passing sample."""
    for n in range(1, 8):
        for c in range(n + 1):
            outcomes = [True] * c + [False] * (n - c)
            for k in range(1, n + 1):
                subsets = list(combinations(outcomes, k))
                expected = sum(any(subset) for subset in subsets) / len(subsets)
                assert pass_at_k([n], [c], k)[0] == pytest.approx(expected, abs=1e-14)


def test_pass_at_k_of_known_values() -> None:
    """Values worked out by hand from the formula, several problems at once."""
    np.testing.assert_allclose(pass_at_k([10, 10, 5, 2], [3, 0, 5, 1], 1), [0.3, 0.0, 1.0, 0.5], atol=1e-15)
    np.testing.assert_allclose(pass_at_k([10, 10, 5, 2], [3, 0, 5, 1], 2), [1 - 42 / 90, 0.0, 1.0, 1.0], atol=1e-15)


@pytest.mark.parametrize(("n", "c", "k"), [(10_000, 1, 1), (10_000, 7, 100), (10_000, 3, 9_000), (9_999, 5_000, 9_999)])
def test_pass_at_k_is_stable_for_many_samples(n: int, c: int, k: int) -> None:
    """With 10,000 samples the result agrees with exact integer arithmetic to 1e-12."""
    exact = 1 - comb(n - c, k) / comb(n, k)
    assert pass_at_k([n], [c], k)[0] == pytest.approx(exact, abs=1e-12)


def test_pass_at_k_is_unbiased() -> None:
    """Averaged over binomially many passes, pass@k is 1 - (1 - p)^k: the analytic mean, summed over all outcomes."""
    n, p, k = 12, 0.3, 5
    c_P = np.arange(n + 1)
    weights = [comb(n, c) * p**c * (1 - p) ** (n - c) for c in c_P]
    assert np.dot(weights, pass_at_k(np.full(n + 1, n), c_P, k)) == pytest.approx(1 - (1 - p) ** k, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "c", "k", "message"),
    [
        ([5, 3, 4], [1, 1, 1], 5, "2 of 3 problems have fewer. Raise the number"),
        ([5], [1], 0, "k >= 1"),
        ([5], [6], 1, "must lie in"),
        ([5, 5], [1], 1, "one of each per problem"),
    ],
)
def test_pass_at_k_refuses_what_is_not_defined(n: list[int], c: list[int], k: int, message: str) -> None:
    """Too few samples and impossible counts are refused with the count and the cure."""
    with pytest.raises(ValueError, match=message):
        pass_at_k(n, c, k)


def test_bootstrap_agrees_with_the_analytic_standard_error() -> None:
    """For 400 problems the interval is the normal one, mean -+ 1.96 standard errors, to 5 % of its width."""
    values = (np.arange(400) % 10 < 3).astype(float)
    interval = bootstrap_interval(values, resamples=20_000)
    error = np.sqrt(0.3 * 0.7 / 400)
    assert interval.low == pytest.approx(0.3 - 1.96 * error, abs=0.1 * error)
    assert interval.high == pytest.approx(0.3 + 1.96 * error, abs=0.1 * error)


def test_bootstrap_means_have_the_analytic_mean_and_variance() -> None:
    """The mean of resampled means is the mean; their variance is the population variance over P."""
    values = np.linspace(0.0, 1.0, 50) ** 2
    means = statistics._resampled_means(values, 40_000, seed=1)
    assert means.mean() == pytest.approx(values.mean(), abs=4 * np.sqrt(values.var() / 50 / 40_000))
    assert means.var() == pytest.approx(values.var() / 50, rel=0.04)


def test_bootstrap_agrees_with_all_resamples_of_a_small_set() -> None:
    """For P = 3 the interval's ends are quantiles of the 27 equally likely resamples."""
    values = np.array([0.0, 0.5, 1.0])
    every = [np.mean([a, b, c]) for a in values for b in values for c in values]
    interval = bootstrap_interval(values, resamples=50_000, confidence=0.8)
    assert (interval.low, interval.high) == tuple(np.quantile(every, [0.1, 0.9], method="inverted_cdf"))


def test_bootstrap_is_reproducible() -> None:
    """The same seed gives the same interval to the last bit; another seed gives another."""
    values = np.random.default_rng(5).random(164)
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)


def test_bootstrap_draws_in_bounded_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more problems than fit one chunk, all resamples are still drawn, one row at a time."""
    monkeypatch.setattr(statistics, "DRAWS_PER_CHUNK", 16)
    interval = bootstrap_interval(np.arange(50) % 2, resamples=500)
    assert 0.3 < interval.low < 0.45 < 0.55 < interval.high < 0.7


@pytest.mark.parametrize("values", [[0.4], [1.0] * 7])
def test_bootstrap_of_equal_values_collapses(values: list[float]) -> None:
    """One problem, or all values equal: the interval is that point."""
    interval = bootstrap_interval(values)
    assert interval.low == interval.high == values[0]


@pytest.mark.parametrize("values", [[], [0.1, float("nan")], [[0.1], [0.2]]])
def test_bootstrap_refuses_what_is_not_one_finite_value_per_problem(values: list[float]) -> None:
    """No values, values that are not finite and other shapes are refused."""
    with pytest.raises(ValueError, match="one finite value per problem"):
        bootstrap_interval(values)
    with pytest.raises(ValueError, match="confidence in"):
        bootstrap_interval([0.0, 1.0], confidence=1.0)
