"""How far a pass rate moves with nothing changed but the draw: between runs, between samples, between temperatures.

Arrays carry their shape in their names: P problems, T settings such as temperatures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from engine.statistics import FloatArray, Interval, pass_at_k

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpread:
    """The standard deviation of one number over runs that differ in their seed alone."""

    mean: float
    sd: float
    """Of the sample (n - 1)."""
    interval: Interval
    """Of the standard deviation, for numbers that are normal."""
    num_runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceSplit:
    """Where the variance of one sample's verdict comes from: total = between + within."""

    between: float
    """Of the chance to pass, over problems: some are harder."""
    within: float
    """Of the verdict, over samples of one problem: mean of p (1 - p)."""
    total: float
    sd_of_mean: float
    """What sampling alone moves pass@1 by from run to run with these problems and as many samples."""
    num_problems: int
    num_left_out: int
    """Problems with fewer than two samples: they tell nothing of the variance within."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingSpread:
    """pass@1 at several settings, over the problems that were asked at all of them."""

    means: dict[str, float]
    spread: float
    """Largest less smallest."""
    best: str
    worst: str
    num_problems: int
    num_left_out: int
    """Problems that lack a setting."""


def run_spread(values: Sequence[float], *, confidence: float = 0.95) -> RunSpread:
    """Standard deviation over runs with its interval by chi-square.

    (n - 1) s^2 / sigma^2 of normal values has the chi-square distribution of n - 1 degrees of freedom: Snedecor and
    Cochran 1989, "Statistical Methods". With five runs the upper end is almost three times the estimate.

    Args:
        values: the number in each run, at least two, finite.
        confidence: probability mass between the ends, in (0, 1).

    Raises:
        ValueError: fewer than two values, one that is not finite, or a confidence out of range.
    """
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or found.size < 2 or not np.isfinite(found).all():
        raise ValueError(f"A spread over runs needs at least two finite values; got shape {found.shape}.")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie in (0, 1); got {confidence}.")
    sd, free, tail = float(found.std(ddof=1)), found.size - 1, (1.0 - confidence) / 2.0
    low, high = (sd * math.sqrt(free / float(stats.chi2.ppf(q, free))) for q in (1.0 - tail, tail))
    return RunSpread(mean=float(found.mean()), sd=sd, interval=Interval(low=low, high=high), num_runs=found.size)


def variance_split(num_samples_P: ArrayLike, num_passed_P: ArrayLike) -> VarianceSplit | None:
    """Variance of a verdict between problems and within them, each without bias but for a floor of 0.

    The law of total variance with p estimated from n samples: within is the mean of n / (n - 1) p (1 - p); the variance
    of the estimates over problems holds, beside that of p, the mean of p (1 - p) / (n - 1), which is taken off (Searle,
    Casella and McCulloch 1992, "Variance Components", on the one-way layout). It may then fall below 0, and is 0 in
    that case. Miller 2024, "Adding Error Bars to Evals", splits the error of an evaluation alike.

    Args:
        num_samples_P: n of each problem, shape (P,); those below 2 are left out.
        num_passed_P: c, how many of them passed, shape (P,), 0 <= c <= n.

    Returns:
        None where fewer than two problems are left.

    Raises:
        ValueError: shapes differ, or c outside [0, n].
    """
    n_all, c_all = _counts(num_samples_P, num_passed_P)
    enough = n_all >= 2
    if enough.sum() < 2:
        return None
    n_P, c_P = n_all[enough], c_all[enough]
    p_P = c_P / n_P
    of_mean_P = p_P * (1.0 - p_P) / (n_P - 1.0)
    within = float((n_P * of_mean_P).mean())
    between = max(0.0, float(p_P.var(ddof=1) - of_mean_P.mean()))
    return VarianceSplit(
        between=between,
        within=within,
        total=between + within,
        sd_of_mean=math.sqrt(float(of_mean_P.sum())) / n_P.size,
        num_problems=n_P.size,
        num_left_out=int((~enough).sum()),
    )


def pass_hat_k(num_samples_P: ArrayLike, num_passed_P: ArrayLike, k: int) -> FloatArray:
    """Unbiased pass^k of each problem, shape (P,): the chance that k samples all pass, C(c, k) / C(n, k).

    Yao et al. 2024, "tau-bench", where it stands beside pass@k. k samples all pass where none of them is among the
    n - c failures, so it is 1 - pass@k of the failures.

    Args:
        num_samples_P: n of each problem, shape (P,).
        num_passed_P: c, how many of them passed, shape (P,), 0 <= c <= n.
        k: samples drawn, at least 1.

    Raises:
        ValueError: k < 1, c outside [0, n], shapes differ, or a problem has fewer than k samples.
    """
    n_P, c_P = _counts(num_samples_P, num_passed_P)
    return 1.0 - pass_at_k(n_P, n_P - c_P, k)


def setting_spread(rates: Mapping[str, ArrayLike]) -> SettingSpread | None:
    """How far pass@1 moves between settings, such as temperatures, on the problems that have all of them.

    Args:
        rates: pass@1 of each problem at each setting, arrays of shape (P,); NaN where a problem lacks it.

    Returns:
        None where no problem has all settings.

    Raises:
        ValueError: no settings, or shapes differ.
    """
    tables = [np.asarray(values, dtype=np.float64) for values in rates.values()]
    if not tables or tables[0].ndim != 1 or any(each.shape != tables[0].shape for each in tables):
        raise ValueError("A spread over settings needs at least one, and the same problems at each.")
    rates_TP = np.stack(tables)
    common_P = ~np.isnan(rates_TP).any(axis=0)
    if not common_P.any():
        return None
    means = dict(zip(rates, rates_TP[:, common_P].mean(axis=1).tolist(), strict=True))
    best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    return SettingSpread(
        means=means,
        spread=means[best] - means[worst],
        best=best,
        worst=worst,
        num_problems=int(common_P.sum()),
        num_left_out=int((~common_P).sum()),
    )


def _counts(num_samples_P: ArrayLike, num_passed_P: ArrayLike) -> tuple[IntArray, IntArray]:
    n_P, c_P = np.asarray(num_samples_P, dtype=np.int64), np.asarray(num_passed_P, dtype=np.int64)
    if n_P.shape != c_P.shape or n_P.ndim != 1 or ((c_P < 0) | (c_P > n_P)).any():
        raise ValueError(f"Each problem needs 0 <= passed <= samples; got shapes {n_P.shape} and {c_P.shape}.")
    return n_P, c_P
