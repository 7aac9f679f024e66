"""Robustness statistics: held against enumeration of all subsets of samples, and against cases known by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from engine.paired import mcnemar
from engine.resampled import Resampling, change_of, mean_of, ratio_of
from engine.robust_statistics import (
    BoolArray,
    drop_of,
    independent_robust_pass,
    robust_pass_at_k,
    worst_case,
)
from engine.statistics import FloatArray, Interval, wilson_interval

QUICK = Resampling(resamples=200)
EXACT = 1e-12


def _problems(seed: int, count: int = 12) -> tuple[list[BoolArray], list[BoolArray]]:
    """Nominal samples (N,) and those of variants (V, N), V and N different from problem to problem."""
    rng = np.random.default_rng(seed)
    sizes = [(int(rng.integers(1, 5)), int(rng.integers(3, 7))) for _ in range(count)]
    return [rng.random(n) < 0.6 for _, n in sizes], [rng.random((v, n)) < 0.7 for v, n in sizes]


def _chance(good: Callable[[int], bool], num_samples: int, k: int) -> float:
    """Share of all sets of k samples in which at least one is good."""
    sets = list(itertools.combinations(range(num_samples), k))
    return sum(any(good(i) for i in chosen) for chosen in sets) / len(sets)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("s", [None, 1, 2])
def test_recode_metrics_are_those_of_all_sets_of_samples(k: int, s: int | None) -> None:
    """RP, RD and RR by drawing every set of k samples of every problem with at least s variants."""
    nominal, variants = _problems(seed=k)
    expected: list[tuple[float, float, float]] = []
    for before, after in zip(nominal, variants, strict=True):
        if len(after) < (s or 1):
            continue
        rows = after[:s]
        n = before.size
        robust = _chance(lambda i, rows=rows: all(row[i] for row in rows), n, k)  # type: ignore[misc]
        broke = _chance(lambda i, b=before, rows=rows: b[i] and not all(r[i] for r in rows), n, k)  # type: ignore[misc]
        mended = _chance(lambda i, b=before, rows=rows: not b[i] and any(r[i] for r in rows), n, k)  # type: ignore[misc]
        expected.append((_chance(lambda i, b=before: bool(b[i]), n, k), robust, broke + mended))  # type: ignore[misc]
    passed, robust_pass, relative = np.mean(expected, axis=0)
    found = robust_pass_at_k(variants, nominal, k=k, s=s, how=QUICK)
    assert found is not None and found.robust_drop is not None and found.robust_relative is not None
    assert found.nominal == pytest.approx(passed, abs=EXACT)
    assert found.robust.value == pytest.approx(robust_pass, abs=EXACT)
    assert found.robust_drop.value == pytest.approx((passed - robust_pass) / passed, abs=EXACT)
    assert found.robust_relative.value == pytest.approx(relative, abs=EXACT)
    assert (found.robust.num_problems, found.num_left_out) == (len(expected), len(variants) - len(expected))


def test_greedy_relative_is_the_share_of_problems_whose_verdict_changes() -> None:
    """With n = k = 1 a problem counts once if any variant differs from nominal, and intervals are Wilson's."""
    rng = np.random.default_rng(1)
    nominal, variants = rng.random((40, 1)) < 0.5, rng.random((40, 3, 1)) < 0.6
    found = robust_pass_at_k(list(variants), list(nominal))
    changed = [any(row[0] != before[0] for row in after) for before, after in zip(nominal, variants, strict=True)]
    assert found is not None and found.robust_relative is not None
    assert found.robust_relative.value == pytest.approx(np.mean(changed), abs=EXACT)
    assert found.robust_relative.interval == wilson_interval(sum(changed), 40)
    assert found.robust.interval == wilson_interval(int(variants.all(axis=1).sum()), 40)


def test_worst_of_all_variants_tells_how_many_there_are() -> None:
    """Without s every problem with a variant counts with all of its own; those without are counted apart."""
    found = robust_pass_at_k([[[1], [1]], [[0]], np.zeros((0, 1))], [[1], [1], [1]])
    assert found is not None and found.robust_drop is not None
    assert (found.min_variants, found.max_variants, found.num_left_out, found.s) == (1, 2, 1, None)
    assert (found.robust.value, found.nominal, found.robust_drop.value) == (0.5, 1.0, 0.5)


@pytest.mark.parametrize(("nominal", "robust", "drop"), [(0, 0, None), (0, 1, None), (1, 1, 0.0), (1, 0, 1.0)])
def test_drop_is_unknown_where_nothing_passes(nominal: int, robust: int, drop: float | None) -> None:
    """No division by a pass@k of zero; one problem is enough for all the rest."""
    found = robust_pass_at_k([[[robust] * 2]], [[nominal] * 2], k=2)
    assert found is not None and found.robust_relative is not None
    assert (found.robust.value, found.nominal, found.robust.num_problems) == (robust, nominal, 1)
    assert found.robust_relative.value == float(nominal != robust)
    assert (None if found.robust_drop is None else found.robust_drop.value) == drop


def test_without_nominal_samples_only_the_robust_pass_is_known() -> None:
    """Drop and relative need something to compare with."""
    found = robust_pass_at_k([[[1, 0]]])
    assert found is not None
    assert (found.robust.value, found.nominal, found.robust_drop, found.robust_relative) == (0.5, None, None, None)


def test_problems_with_too_few_samples_are_left_out() -> None:
    """A problem that lost samples to faults of ours has no pass@2; with none left there is no number."""
    found = robust_pass_at_k([[[1]], [[1, 1]]], k=2)
    assert found is not None and (found.robust.num_problems, found.num_left_out) == (1, 1)
    assert robust_pass_at_k([[[1]]], k=2) is None
    assert robust_pass_at_k([]) is None
    assert robust_pass_at_k([[]], s=3) is None


@pytest.mark.parametrize(
    ("variants", "nominal", "more"),
    [
        ([[[1, 0]]], [[1]], {}),
        ([[[1, 0]]], [[1, 0], [1, 0]], {}),
        ([[[1, 2]]], None, {}),
        ([[1, 0]], None, {}),
        ([[[1, 0]]], [[1, 3]], {}),
        ([[[1]]], None, {"k": 0}),
        ([[[1]]], None, {"s": 0}),
        ([[[1]]], None, {"clusters_P": ["a", "b"]}),
    ],
)
def test_passes_that_do_not_fit_together_are_refused(
    variants: object, nominal: object, more: dict[str, object]
) -> None:
    """Shapes, values, k and s are checked before anything is computed."""
    with pytest.raises(ValueError, match="got"):
        robust_pass_at_k(variants, nominal, **more)  # type: ignore[arg-type]  # the values are the table's


def test_independent_pass_is_the_mean_over_all_pairings() -> None:
    """Every way to take one sample of each variant: the share of those that all pass, variants of different N."""
    rng = np.random.default_rng(2)
    problems = [[rng.random(rng.integers(1, 4)) < 0.6 for _ in range(rng.integers(1, 4))] for _ in range(6)]
    expected = [np.mean([all(one) for one in itertools.product(*variants)]) for variants in problems]
    found = independent_robust_pass([*problems, []], how=QUICK)
    assert found is not None and found.num_problems == 6
    assert found.value == pytest.approx(np.mean(expected), abs=EXACT)


def test_independent_pass_needs_samples() -> None:
    """A variant without samples has no share; problems without variants have no product."""
    assert independent_robust_pass([[], []]) is None
    faults: tuple[list[list[list[int]]], ...] = ([[[]]], [[[2]]])
    for fault in faults:
        with pytest.raises(ValueError, match="got"):
            independent_robust_pass(fault)


def test_worst_case_takes_the_least_of_each_problem() -> None:
    """Worst, mean and spreads of a table with a gap; the spread is over the problems that have all variants."""
    nan = math.nan
    found = worst_case([[0.5, 1.0, 0.0], [1.0, nan, 0.25], [1.0, 0.0, 0.5], [nan, nan, nan]], how=QUICK)
    assert found is not None
    assert found.worst.value == pytest.approx((0.0 + 0.25 + 0.0) / 3)
    assert found.mean_of_m == pytest.approx((0.5 + 0.625 + 0.5) / 3)
    assert found.spread == pytest.approx(0.75 - 0.25)
    assert found.spread_within == pytest.approx((1.0 + 0.75 + 1.0) / 3)
    counts = (found.num_common, found.min_variants, found.max_variants, found.num_left_out)
    assert counts == (2, 2, 3, 1)


def test_worst_case_of_greedy_answers_is_the_robust_pass() -> None:
    """One sample per prompt: the least of zeros and ones is 1 only where all variants pass."""
    passed = np.random.default_rng(3).random((30, 4, 1)) < 0.8
    worst, robust = worst_case(passed[:, :, 0]), robust_pass_at_k(list(passed))
    independent = independent_robust_pass([list(each) for each in passed])
    assert worst is not None and robust is not None
    assert worst.worst == robust.robust == independent


def test_variants_that_share_no_problem_have_no_spread() -> None:
    """Means over different problems are not compared."""
    found = worst_case([[1.0, math.nan], [math.nan, 0.0]])
    assert found is not None and (found.spread, found.num_common) == (None, 0)
    assert worst_case(np.full((2, 3), math.nan)) is None
    for fault in ([0.5], [[1.5]]):
        with pytest.raises(ValueError, match="got shape"):
            worst_case(fault)


def test_drop_averages_seeds_within_a_problem_first() -> None:
    """A problem with three seeds weighs as much as one with one; problems without a side are left out."""
    found = drop_of([1.0, 0.5, 0.25, math.nan], [[0.0, 0.5, 1.0], [0.25], [], [1.0]], how=QUICK)
    assert found is not None and found.relative is not None
    assert found.difference.mean == pytest.approx(((0.5 - 1.0) + (0.25 - 0.5)) / 2)
    assert (found.baseline, found.perturbed) == (0.75, 0.375)
    assert found.relative.value == pytest.approx(-0.5)
    assert (found.difference.num_problems, found.num_left_out) == (2, 2)


def test_drop_of_greedy_answers_has_mcnemars_p_value() -> None:
    """One sample and one variant per problem: 2 fixed, 7 broken."""
    before, after = [1] * 7 + [0] * 2 + [1] * 20, [0] * 7 + [1] * 2 + [1] * 20
    found = drop_of(before, [[value] for value in after])
    assert found is not None and found.difference.p_value == mcnemar(2, 7)
    assert found.difference.mean == pytest.approx(-5 / 29)


def test_relative_drop_needs_a_baseline() -> None:
    """Nothing passed before: the difference is known, its share is not; without problems there is nothing."""
    found = drop_of([0.0, 0.0], [[0.5], [0.0]])
    assert found is not None and (found.difference.mean, found.relative) == (0.25, None)
    assert drop_of([], []) is None
    assert drop_of([1.0], [[]]) is None
    for base, variants in (([1.0], []), ([2.0], [[1.0]]), ([0.5], [[math.nan]])):
        with pytest.raises(ValueError, match="got"):
            drop_of(base, variants)


def test_copies_of_a_problem_widen_nothing_they_should_not() -> None:
    """Clusters: five copies of each problem give the interval of one, for means, ratios and drops alike."""
    rng = np.random.default_rng(4)
    part, whole = rng.random(30), 0.5 + rng.random(30)
    names = np.repeat(np.arange(30), 5).tolist()
    once, copied = ratio_of(part, whole), ratio_of(np.repeat(part, 5), np.repeat(whole, 5), clusters_P=names)
    assert once is not None and copied is not None
    assert copied.value == pytest.approx(once.value)
    assert (copied.interval.low, copied.interval.high) == pytest.approx((once.interval.low, once.interval.high))
    alone = mean_of(np.repeat(part, 5))
    clustered = mean_of(np.repeat(part, 5), clusters_P=names)
    assert clustered.interval.low < alone.interval.low < alone.interval.high < clustered.interval.high


def test_interval_of_a_ratio_is_that_of_all_resamples() -> None:
    """Four problems have 256 resamples; quantiles of many drawn ones are those of all whose whole is not 0."""
    part, whole = np.array([0.0, -0.5, 1.0, 0.0]), np.array([1.0, 0.5, 2.0, 0.0])
    sums = [(part[list(p)].sum(), whole[list(p)].sum()) for p in itertools.product(range(4), repeat=4)]
    expected = np.quantile([a / b for a, b in sums if b > 0], [0.1, 0.9])
    found = ratio_of(part, whole, how=Resampling(resamples=200_000, confidence=0.8))
    assert found is not None and found.value == pytest.approx(0.5 / 3.5)
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(expected), abs=0.02)


def test_a_ratio_of_counts_is_a_share() -> None:
    """Zeros and ones: 2 of 3 that passed broke."""
    found = ratio_of([1, 1, 0, 0], [1, 1, 1, 0])
    assert found is not None and found.value == pytest.approx(2 / 3)
    assert found.interval == wilson_interval(2, 3)
    assert ratio_of([0, 0], [0, 0]) is None


@pytest.mark.parametrize(
    ("part", "whole", "clusters"),
    [([], [], None), ([1.0], [1.0, 2.0], None), ([1.0], [-1.0], None), ([math.nan], [1.0], None), ([1.0], [1.0], [])],
)
def test_what_is_no_ratio_is_refused(part: list[float], whole: list[float], clusters: list[str] | None) -> None:
    """Lengths, signs and gaps are checked."""
    with pytest.raises(ValueError, match="ratio"):
        ratio_of(part, whole, clusters_P=clusters)


def test_signed_changes_keep_their_unit() -> None:
    """Twice the changes: twice the mean, interval and error, and the same p-value; also beyond 1."""
    change: FloatArray = np.random.default_rng(5).normal(0.3, 1.0, 40)
    once, twice = change_of(change), change_of(2.0 * change)
    assert once.mean == pytest.approx(change.mean())
    assert once.standard_error == pytest.approx(change.std(ddof=1) / math.sqrt(40))
    ends = (once.interval.low, once.interval.high, once.standard_error, once.mean)
    assert (twice.interval.low, twice.interval.high, twice.standard_error, twice.mean) == pytest.approx(
        tuple(2.0 * end for end in ends)
    )
    assert once.p_value == twice.p_value
    assert change_of([0.0, 0.0]).interval == Interval(low=0.0, high=0.0)
    for fault in ([], [math.nan]):
        with pytest.raises(ValueError, match="got shape"):
            change_of(fault)
