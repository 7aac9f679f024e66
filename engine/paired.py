"""Which of two models is better on the same problems, and how sure that is.

Arrays carry their shape in their names: P problems, C clusters of problems, R resamples. A difference is candidate less
base, in the unit of the values, so above zero is in favour of the candidate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from engine.statistics import FloatArray, Interval

DRAWS_PER_CHUNK = 1 << 20
"""Random numbers held at once: bounds memory to a few MiB whatever R and C are."""

Verdict = Literal["better", "worse", "no evidence", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A paired difference of two means over the same problems."""

    mean: float
    interval: Interval
    p_value: float
    """Two-sided, of no difference."""
    standard_error: float
    """Of the mean, over clusters."""
    num_problems: int
    num_clusters: int


def paired_difference(
    base_P: ArrayLike,
    candidate_P: ArrayLike,
    *,
    clusters_P: Sequence[object] | None = None,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Mean of the differences per problem, its bootstrap interval and the p-value of a sign-flip test.

    Interval: percentile bootstrap over problems, or over whole clusters where problems share a source (Efron and
    Tibshirani 1993, chapter 13; Miller 2024, "Adding Error Bars to Evals", section 2.2 on clusters).
    p-value: Fisher's randomisation test for pairs (Fisher 1935, "The Design of Experiments", section 21): under equal
    models the sign of each cluster's difference is a coin's. All sign patterns are counted where there are at most
    `resamples` of them, else so many are drawn, the observed one among them (Phipson and Smyth 2010). Where each value
    is 0 or 1 and problems stand alone it is McNemar's exact test, which is then computed in closed form.

    Args:
        base_P: one value per problem, shape (P,), P >= 1, each in [0, 1], for instance its pass@1.
        candidate_P: the same problems in the same order.
        clusters_P: what each problem belongs to; None where each stands alone.
        resamples: R, of the interval and of the test.
        confidence: probability mass between the ends, in (0, 1).
        seed: of the draws; the same input and seed give the same result.

    Raises:
        ValueError: shapes differ, no values, values outside [0, 1], or resamples or confidence out of range.
    """
    base, candidate = _checked(base_P), _checked(candidate_P)
    if base.shape != candidate.shape or (clusters_P is not None and len(clusters_P) != base.size):
        raise ValueError(f"Pairs need as many values on both sides, and as many clusters; got {base.size} values.")
    if resamples < 1 or not 0.0 < confidence < 1.0:
        raise ValueError(f"resamples must be >= 1 and confidence in (0, 1); got {resamples} and {confidence}.")
    delta_P = candidate - base
    sums_C, sizes_C = _by_cluster(delta_P, clusters_P)
    rng = np.random.default_rng(seed)
    binary = clusters_P is None and bool(np.isin(base, (0, 1)).all() and np.isin(candidate, (0, 1)).all())
    return Difference(
        mean=float(delta_P.mean()),
        interval=_bootstrap(sums_C, sizes_C, resamples, confidence, rng),
        p_value=mcnemar(int((delta_P > 0).sum()), int((delta_P < 0).sum()))
        if binary
        else _sign_flip(sums_C, resamples, rng),
        standard_error=_standard_error(sums_C, sizes_C),
        num_problems=base.size,
        num_clusters=sums_C.size,
    )


def mcnemar(won: int, lost: int) -> float:
    """Two-sided p-value of McNemar's exact test: won of won + lost changed problems, each a fair coin.

    McNemar 1947, "Note on the sampling error of the difference between correlated proportions"; the exact form is the
    binomial test with p = 1/2. Without a changed problem it is 1.

    Raises:
        ValueError: a count is negative.
    """
    if won < 0 or lost < 0:
        raise ValueError(f"counts of changed problems must be >= 0; got {won} and {lost}.")
    if won + lost == 0:
        return 1.0
    return float(stats.binomtest(won, won + lost, 0.5).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted so that the chance of any false call among them stays at the level, in the given order.

    Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def detectable(standard_error: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Minimum detectable effect: the true difference that a two-sided test at `alpha` finds with `power`.

    (z_{1 - alpha/2} + z_power) * SE: Cohen 1988, "Statistical Power Analysis", chapter 2; Miller 2024, section 5.
    """
    return float(standard_error * (stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power)))


def problems_to_decide(difference: Difference, effect: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """How many problems of this kind make `effect` the minimum detectable one.

    The standard error falls with the root of the number of problems.

    Args:
        difference: what was measured.
        effect: the true difference to be found, above 0.
        alpha: level of the test.
        power: how often it is to find it.
    """
    now = detectable(difference.standard_error, alpha=alpha, power=power)
    return math.ceil(difference.num_problems * (now / effect) ** 2)


def verdict(difference: Difference, p_adjusted: float, *, margin: float, alpha: float = 0.05) -> Verdict:
    """What may be said of a candidate.

    `better` and `worse` need the adjusted p-value below `alpha` and an interval without zero. Without that, the
    comparison is `inconclusive` where a difference of `margin` could well have been missed, since it is smaller than
    the minimum detectable effect, and else there is `no evidence` of one.

    Args:
        difference: what was measured.
        p_adjusted: its p-value after `holm`.
        margin: the smallest difference that matters, above 0.
        alpha: level below which a p-value speaks.
    """
    if p_adjusted < alpha and difference.interval.low > 0.0:
        return "better"
    if p_adjusted < alpha and difference.interval.high < 0.0:
        return "worse"
    return "inconclusive" if detectable(difference.standard_error, alpha=alpha) > margin else "no evidence"


def _checked(values_P: ArrayLike) -> FloatArray:
    values = np.asarray(values_P, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not ((values >= 0.0) & (values <= 1.0)).all():
        raise ValueError(f"A comparison needs one value in [0, 1] per problem, at least one; got shape {values.shape}.")
    return values


def _by_cluster(delta_P: FloatArray, clusters_P: Sequence[object] | None) -> tuple[FloatArray, FloatArray]:
    """Sum and size of each cluster, in order of first appearance, each of shape (C,)."""
    if clusters_P is None:
        return delta_P, np.ones_like(delta_P)
    number_of: dict[object, int] = {}
    labels_P = np.array([number_of.setdefault(cluster, len(number_of)) for cluster in clusters_P])
    sums_C = np.bincount(labels_P, weights=delta_P).astype(np.float64)
    return sums_C, np.bincount(labels_P).astype(np.float64)


def _bootstrap(
    sums_C: FloatArray, sizes_C: FloatArray, resamples: int, confidence: float, rng: np.random.Generator
) -> Interval:
    means_R = np.empty(resamples)
    rows_per_chunk = max(1, DRAWS_PER_CHUNK // sums_C.size)
    alike = bool((sizes_C == sizes_C[0]).all())
    for start in range(0, resamples, rows_per_chunk):
        stop = min(start + rows_per_chunk, resamples)
        picks = rng.integers(0, sums_C.size, size=(stop - start, sums_C.size), dtype=np.int32)
        sizes_R = sums_C.size * sizes_C[0] if alike else sizes_C[picks].sum(axis=1)
        means_R[start:stop] = sums_C[picks].sum(axis=1) / sizes_R
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(means_R, [tail, 1.0 - tail])
    return Interval(low=float(low), high=float(high))


def _sign_flip(sums_C: FloatArray, resamples: int, rng: np.random.Generator) -> float:
    """Share of sign patterns whose sum is at least as far from zero as the observed one."""
    changed_C = sums_C[sums_C != 0.0]
    observed = abs(changed_C.sum())
    # Sums of the same terms in another order differ by rounding; such a pattern is as far as the observed one.
    bound = observed - 1e-9 * np.abs(changed_C).sum()
    if changed_C.size < 63 and 1 << changed_C.size <= resamples:
        patterns = np.arange(1 << changed_C.size)[:, None] >> np.arange(changed_C.size) & 1
        return float((np.abs((2.0 * patterns - 1.0) @ changed_C) >= bound).mean())
    as_far = 0
    rows_per_chunk = max(1, DRAWS_PER_CHUNK // changed_C.size)
    for start in range(0, resamples, rows_per_chunk):
        rows = min(rows_per_chunk, resamples - start)
        flips: NDArray[np.uint8] = np.unpackbits(
            rng.integers(0, 256, size=(rows, -(-changed_C.size // 8)), dtype=np.uint8), axis=1, count=changed_C.size
        )
        # The sum of s * x with s in {-1, 1} is twice the sum where s is 1, less the whole.
        as_far += int((np.abs(2.0 * (flips @ changed_C) - changed_C.sum()) >= bound).sum())
    return (1 + as_far) / (resamples + 1)


def _standard_error(sums_C: FloatArray, sizes_C: FloatArray) -> float:
    """Of the ratio of sums, clustered: sqrt(C / (C - 1) * sum of squared residuals) / P.

    Where no cluster differs from another that would be 0, however few they are. Then it is as though one cluster more
    had changed wholly, 1 / (C + 1): nobody can see less than that.
    """
    residuals_C = sums_C - sizes_C * (sums_C.sum() / sizes_C.sum())
    squares = float((residuals_C**2).sum())
    if squares <= 1e-18 * sums_C.size:
        return 1.0 / (sums_C.size + 1)
    return float(math.sqrt(sums_C.size / (sums_C.size - 1) * squares) / sizes_C.sum())
