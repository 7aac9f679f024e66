"""Estimate pass@k and say how sure the estimate is.

Arrays carry their shape in their names: P problems, R bootstrap resamples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

FloatArray = NDArray[np.float64]

DRAWS_PER_CHUNK = 1 << 18
"""Problem indices drawn at once by the bootstrap: bounds its memory to a few MiB whatever R and P are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval in the unit of the values it was computed from."""

    low: float
    high: float


def pass_at_k(num_samples_P: ArrayLike, num_passed_P: ArrayLike, k: int) -> FloatArray:
    """Unbiased pass@k of each problem, shape (P,), in [0, 1]: 1 - C(n - c, k) / C(n, k).

    Chen et al. 2021, "Evaluating Large Language Models Trained on Code", eq. 1. The ratio of binomials is the chance
    that k samples drawn without replacement all fail, multiplied up draw by draw: no factorial is ever formed, so the
    error stays near k rounding errors for any n.

    Args:
        num_samples_P: n, the number of samples of each problem, shape (P,).
        num_passed_P: c, how many of them passed, shape (P,), 0 <= c <= n.
        k: samples drawn, at least 1.

    Raises:
        ValueError: k < 1, c outside [0, n], shapes differ, or a problem has fewer than k samples, so that its pass@k
            is not defined.
    """
    n_P, c_P = np.asarray(num_samples_P, dtype=np.int64), np.asarray(num_passed_P, dtype=np.int64)
    _check_counts(n_P, c_P, k)
    all_fail_P = np.ones(n_P.shape)
    for drawn in range(k):
        all_fail_P *= np.maximum(n_P - c_P - drawn, 0) / (n_P - drawn)
    return 1.0 - all_fail_P


def _check_counts(n_P: NDArray[np.int64], c_P: NDArray[np.int64], k: int) -> None:
    if k < 1:
        raise ValueError(f"pass@k needs k >= 1, got k = {k}.")
    if n_P.shape != c_P.shape:
        raise ValueError(
            f"num_samples_P has shape {n_P.shape}, num_passed_P {c_P.shape}; give one of each per problem."
        )
    if ((c_P < 0) | (c_P > n_P)).any():
        raise ValueError("num_passed_P must lie in [0, num_samples_P] for every problem.")
    num_short = int((n_P < k).sum())
    if num_short:
        raise ValueError(
            f"pass@{k} needs {k} samples per problem; {num_short} of {n_P.size} problems have fewer. "
            f"Raise the number of samples per problem to at least {k} or ask for a smaller k."
        )


def bootstrap_interval(
    values_P: ArrayLike, *, resamples: int = 10_000, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Percentile bootstrap interval of the mean over problems.

    Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13. Problems are the unit that is resampled,
    because samples of one problem are not independent of each other. The same values, resamples and seed always give
    the same interval, and the order of problems is part of the values.

    Where all values are equal, and so for P = 1, every resample has the same mean and the interval collapses to that
    point. It then says nothing about problems that were not asked.

    Args:
        values_P: one value per problem, shape (P,), P >= 1, finite.
        resamples: R, how many sets of P problems are drawn with replacement.
        confidence: probability mass between the ends, in (0, 1).
        seed: of the draws.

    Raises:
        ValueError: no values, a value that is not finite, or resamples or confidence out of range.
    """
    values = np.asarray(values_P, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"The bootstrap needs one finite value per problem, at least one; got shape {values.shape}.")
    if resamples < 1 or not 0.0 < confidence < 1.0:
        raise ValueError(f"resamples must be >= 1 and confidence in (0, 1); got {resamples} and {confidence}.")
    if values.min() == values.max():
        return Interval(low=float(values[0]), high=float(values[0]))
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(_resampled_means(values, resamples, seed), [tail, 1.0 - tail])
    return Interval(low=float(low), high=float(high))


def wilson_interval(num_passed: int, num_problems: int, confidence: float = 0.95) -> Interval:
    """Score interval of a share, for one sample per problem; it has width even where all or none pass.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    Raises:
        ValueError: no problems, or more passed than there are.
    """
    if not 0 <= num_passed <= num_problems or num_problems < 1:
        raise ValueError(f"a share needs 0 <= passed <= problems and a problem; got {num_passed} of {num_problems}.")
    ends = stats.binomtest(num_passed, num_problems).proportion_ci(confidence, method="wilson")
    return Interval(low=float(ends.low), high=float(ends.high))


def interval_of_mean(
    values_P: ArrayLike, *, resamples: int = 10_000, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Interval of the mean over problems: Wilson's where each value is 0 or 1, else the bootstrap's.

    A share has a width even where all problems pass; a bootstrap of equal values has none. See `wilson_interval` and
    `bootstrap_interval`, also for what is raised.
    """
    values = np.asarray(values_P, dtype=np.float64)
    if values.ndim == 1 and values.size and np.isin(values, (0.0, 1.0)).all():
        return wilson_interval(int(values.sum()), values.size, confidence)
    return bootstrap_interval(values, resamples=resamples, confidence=confidence, seed=seed)


def _resampled_means(values_P: FloatArray, resamples: int, seed: int) -> FloatArray:
    """Mean of each resample, shape (R,)."""
    rng = np.random.default_rng(seed)
    num_problems = values_P.size
    index_type = np.uint16 if num_problems <= 1 << 16 else np.int64
    rows_per_chunk = max(1, DRAWS_PER_CHUNK // num_problems)
    means_R = np.empty(resamples)
    for start in range(0, resamples, rows_per_chunk):
        stop = min(start + rows_per_chunk, resamples)
        picks = rng.integers(0, num_problems, size=(stop - start, num_problems), dtype=index_type)
        means_R[start:stop] = values_P[picks].mean(axis=1)
    return means_R
