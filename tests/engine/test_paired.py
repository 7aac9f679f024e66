"""Paired statistics: held against enumeration, known values, and simulated models that are equal or differ."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from engine.paired import (
    Difference,
    detectable,
    holm,
    mcnemar,
    paired_difference,
    problems_to_decide,
    verdict,
)
from engine.statistics import FloatArray, Interval, interval_of_mean, wilson_interval


def _by_flipping(delta: Sequence[float]) -> float:
    """The sign-flip test by counting every pattern."""
    observed = abs(sum(delta))
    sums = [
        abs(sum(s * d for s, d in zip(signs, delta, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(delta))
    ]
    return sum(value >= observed - 1e-9 for value in sums) / len(sums)


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (1, 0), (3, 1), (5, 5), (0, 9), (2, 8)])
def test_mcnemar_counts_every_pattern_of_signs(won: int, lost: int) -> None:
    """The closed form is the share of coin tosses at least as uneven as the one seen."""
    assert mcnemar(won, lost) == pytest.approx(_by_flipping([1.0] * won + [-1.0] * lost))


def test_one_sample_per_problem_is_judged_by_mcnemar() -> None:
    """Values of 0 and 1: problems that both pass or both fail count for nothing."""
    base, candidate = [1, 1, 0, 0, 0, 0, 0, 0, 1], [1, 0, 1, 1, 1, 1, 1, 0, 1]
    assert paired_difference(base, candidate).p_value == mcnemar(5, 1)


def test_rates_are_judged_by_flipping_signs() -> None:
    """Few problems: every pattern is counted, so the p-value is exact."""
    base, candidate = [0.2, 0.5, 0.0, 0.4, 1.0], [0.4, 0.4, 0.3, 0.9, 1.0]
    delta = [c - b for b, c in zip(base, candidate, strict=True)]
    assert paired_difference(base, candidate).p_value == pytest.approx(_by_flipping(delta))


def test_drawn_patterns_agree_with_the_exact_test() -> None:
    """Many problems: patterns are drawn, and the p-value is near that of scipy's permutation test over the same."""
    rng = np.random.default_rng(3)
    base, candidate = rng.integers(0, 6, 60) / 5, rng.integers(0, 6, 60) / 5
    theirs = stats.permutation_test(
        (candidate - base,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(4)
    )
    assert paired_difference(base, candidate).p_value == pytest.approx(theirs.pvalue, abs=0.01)


def test_interval_is_that_of_all_resamples() -> None:
    """Four problems have 256 resamples; quantiles of many drawn ones are those of all."""
    base, candidate = np.array([0.1, 0.5, 0.3, 0.2]), np.array([0.2, 0.4, 0.8, 0.9])
    means = [np.mean(drawn) for drawn in itertools.product(candidate - base, repeat=4)]
    found = paired_difference(base, candidate, resamples=200_000, confidence=0.8).interval
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.1, 0.9])), abs=0.01)


def test_copies_of_a_problem_add_nothing() -> None:
    """Five copies of each problem, as clusters, are as sure as one; as problems of their own they claim more."""
    rng = np.random.default_rng(0)
    base, candidate = rng.random(40), rng.random(40)
    once = paired_difference(base, candidate)
    copies = np.repeat(base, 5), np.repeat(candidate, 5)
    clustered = paired_difference(*copies, clusters_P=np.repeat(np.arange(40), 5).tolist())
    assert (clustered.num_problems, clustered.num_clusters) == (200, 40)
    assert clustered.standard_error == pytest.approx(once.standard_error)
    assert clustered.interval.low == pytest.approx(once.interval.low)
    assert clustered.p_value == pytest.approx(once.p_value)
    assert paired_difference(*copies).standard_error < 0.5 * once.standard_error


def test_standard_error_is_that_of_the_mean() -> None:
    """Without clusters it is scipy's."""
    rng = np.random.default_rng(1)
    base, candidate = rng.random(30), rng.random(30)
    assert paired_difference(base, candidate).standard_error == pytest.approx(stats.sem(candidate - base))


def test_clusters_of_different_sizes_weigh_by_their_problems() -> None:
    """The mean is over problems, not over clusters, and one cluster says nothing of others."""
    found = paired_difference([0, 0, 0, 0], [1, 1, 1, 0], clusters_P=["a", "a", "a", "b"])
    assert found.mean == 0.75
    assert (found.interval.low, found.interval.high) == (0.0, 1.0)
    assert paired_difference([0, 0], [1, 1], clusters_P=["a", "a"]).standard_error == 0.5


def test_equal_runs_show_no_difference() -> None:
    """The same values: a difference of 0, p of 1, and an error that falls with the number of problems."""
    found = paired_difference([0.4] * 99, [0.4] * 99)
    assert (found.mean, found.p_value, found.interval) == (0.0, 1.0, Interval(low=0.0, high=0.0))
    assert found.standard_error == 0.01


def test_same_input_gives_same_result() -> None:
    """No number moves between two calls."""
    rng = np.random.default_rng(2)
    base, candidate = rng.random(50), rng.random(50)
    assert paired_difference(base, candidate) == paired_difference(base, candidate)


@pytest.mark.parametrize(
    ("base", "candidate", "more"),
    [
        ([0.5], [0.5, 1.0], {}),
        ([], [], {}),
        ([float("nan")], [1.0], {}),
        ([1.5], [1.0], {}),
        ([1.0], [1.0], {"clusters_P": ["a", "b"]}),
        ([1.0], [1.0], {"resamples": 0}),
        ([1.0], [1.0], {"confidence": 1.0}),
    ],
)
def test_what_cannot_be_paired_is_refused(base: list[float], candidate: list[float], more: dict[str, object]) -> None:
    """Lengths, values and settings are checked before anything is drawn."""
    with pytest.raises(ValueError, match="got"):
        paired_difference(base, candidate, **more)  # type: ignore[arg-type]  # the values are the table's


def test_holm_is_closed_testing_by_bonferroni() -> None:
    """Each adjusted p-value is the largest Bonferroni p-value of all sets of tests that hold its own."""
    p_values = [0.01, 0.04, 0.03, 0.5, 0.005]
    others = range(len(p_values))
    for index, adjusted in enumerate(holm(p_values)):
        sets = (s for size in range(1, 6) for s in itertools.combinations(others, size) if index in s)
        assert adjusted == pytest.approx(max(min(1.0, len(s) * min(p_values[i] for i in s)) for s in sets))
    assert holm([]) == []


@pytest.mark.parametrize(("passed", "problems"), [(0, 10), (10, 10), (3, 164), (1, 1)])
def test_wilson_ends_are_where_the_score_test_turns(passed: int, problems: int) -> None:
    """At an inner end the share lies 1.96 standard errors away; where all or none pass there is still a width."""
    found = wilson_interval(passed, problems)
    assert 0.0 <= found.low < found.high <= 1.0
    for end in (found.low, found.high):
        if 1e-9 < end < 1 - 1e-9:
            score = abs(passed / problems - end) / (end * (1 - end) / problems) ** 0.5
            assert score == pytest.approx(stats.norm.ppf(0.975))


def test_a_mean_of_zeros_and_ones_has_the_interval_of_a_share() -> None:
    """Also where all pass; other values have the bootstrap's."""
    assert interval_of_mean([1.0] * 36) == wilson_interval(36, 36)
    assert interval_of_mean([0.0, 1.0, 1.0]) == wilson_interval(2, 3)
    assert interval_of_mean([0.5, 0.5]) == Interval(low=0.5, high=0.5)


def test_a_share_of_nothing_is_refused() -> None:
    """More passed than there are, negative counts, no problems."""
    for counts in ((2, 1), (-1, 3), (0, 0)):
        with pytest.raises(ValueError, match="got"):
            wilson_interval(*counts)
    with pytest.raises(ValueError, match="got"):
        mcnemar(-1, 0)


def _measured(rng: np.random.Generator, rates: FloatArray, n: int) -> FloatArray:
    return rng.binomial(n, rates) / n


@pytest.mark.parametrize("n", [1, 5])
def test_equal_models_are_told_apart_one_time_in_twenty(n: int) -> None:
    """500 pairs of models with the same chance at each problem: 3 to 7 in a hundred are called different.

    With one sample per problem the test is exact and may be stricter than that, never laxer.
    """
    rng = np.random.default_rng(11)
    called = 0
    for pair in range(500):
        rates = rng.beta(0.5, 0.5, 164)
        base, candidate = _measured(rng, rates, n), _measured(rng, rates, n)
        found = paired_difference(base, candidate, resamples=1000, seed=pair)
        called += verdict(found, found.p_value, margin=0.05) in ("better", "worse")
    assert (0.01 if n == 1 else 0.03) <= called / 500 <= 0.07


def test_a_difference_of_the_minimum_detectable_effect_is_found_four_times_in_five() -> None:
    """Candidates that are better by what was stated are called better in 80 % +- 5 % of 400 simulated pairs."""
    rng = np.random.default_rng(12)
    pilot = rng.uniform(0.3, 0.6, 200)
    error = np.mean([stats.sem(_measured(rng, pilot + 0.05, 5) - _measured(rng, pilot, 5)) for _ in range(50)])
    effect = detectable(float(error))
    called = 0
    for pair in range(400):
        base, candidate = _measured(rng, pilot, 5), _measured(rng, pilot + effect, 5)
        found = paired_difference(base, candidate, resamples=1000, seed=pair)
        called += verdict(found, found.p_value, margin=0.05) == "better"
    assert called / 400 == pytest.approx(0.8, abs=0.05)


def test_so_many_problems_make_the_effect_detectable() -> None:
    """Four times the problems for half the effect."""
    found = _difference(0.01, -0.03, 0.05, error=0.02)
    now = detectable(found.standard_error)
    assert now == pytest.approx(2.8016 * 0.02, rel=1e-4)
    assert problems_to_decide(found, now) == pytest.approx(100, abs=1)
    assert problems_to_decide(found, now / 2) == pytest.approx(400, abs=1)


def _difference(mean: float, low: float, high: float, *, error: float) -> Difference:
    return Difference(
        mean=mean,
        interval=Interval(low=low, high=high),
        p_value=0.5,
        standard_error=error,
        num_problems=100,
        num_clusters=100,
    )


@pytest.mark.parametrize(
    ("low", "high", "p", "error", "word"),
    [
        (0.01, 0.05, 0.01, 0.01, "better"),
        (-0.05, -0.01, 0.01, 0.01, "worse"),
        (0.01, 0.05, 0.2, 0.01, "no evidence"),
        (-0.01, 0.05, 0.01, 0.01, "no evidence"),
        (-0.1, 0.1, 0.6, 0.04, "inconclusive"),
    ],
)
def test_verdict_needs_interval_and_p_value(low: float, high: float, p: float, error: float, word: str) -> None:
    """Both have to speak; where neither could have, the verdict is that nothing was decided."""
    assert verdict(_difference((low + high) / 2, low, high, error=error), p, margin=0.05) == word
