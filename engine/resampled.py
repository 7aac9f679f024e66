"""Means, ratios and signed changes over problems, each with its interval: what the numbers of robustness are made of.

Arrays carry their shape in their names: P problems, C clusters of problems, U different rows, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from engine.paired import Difference, paired_difference
from engine.statistics import FloatArray, Interval, interval_of_mean, wilson_interval

NUMBERS_PER_CHUNK = 1 << 20
"""Counts held at once: bounds memory to a few MiB whatever R and U are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """How intervals are drawn."""

    resamples: int = 10_000
    confidence: float = 0.95
    seed: int = 0
    """The same values and seed give the same interval."""


DEFAULT = Resampling()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A mean over problems."""

    value: float
    interval: Interval
    num_problems: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A sum over problems over another one, which is above 0."""

    value: float
    interval: Interval


def mean_of(values_P: ArrayLike, *, clusters_P: Sequence[object] | None = None, how: Resampling = DEFAULT) -> Mean:
    """Mean over problems: Wilson's interval of a share, else a bootstrap over problems or whole clusters of them.

    Args:
        values_P: one value per problem, shape (P,), P >= 1, finite.
        clusters_P: what each problem belongs to; None where each stands alone.
        how: the interval is drawn.

    Raises:
        ValueError: no values, one that is not finite, or other than P clusters.
    """
    values = np.asarray(values_P, dtype=np.float64)
    if clusters_P is not None:
        ratio = ratio_of(values, np.ones_like(values), clusters_P=clusters_P, how=how)
        assert ratio is not None
        return Mean(value=ratio.value, interval=ratio.interval, num_problems=values.size)
    interval = interval_of_mean(values, resamples=how.resamples, confidence=how.confidence, seed=how.seed)
    return Mean(value=float(values.mean()), interval=interval, num_problems=values.size)


def ratio_of(
    part_P: ArrayLike, whole_P: ArrayLike, *, clusters_P: Sequence[object] | None = None, how: Resampling = DEFAULT
) -> Ratio | None:
    """Sum of `part` over sum of `whole`, such as the passes that broke over all passes; None where the whole is 0.

    Interval: Wilson's where problems stand alone and each has a whole and a part of 0 or 1, part <= whole; else the
    percentile bootstrap of the ratio over problems, or over clusters of them (Efron and Tibshirani 1993, chapter 13),
    without the resamples whose whole is 0.

    Args:
        part_P: shape (P,), finite.
        whole_P: shape (P,), finite, each >= 0.
        clusters_P: what each problem belongs to; None where each stands alone.
        how: the interval is drawn.

    Raises:
        ValueError: no problems, shapes differ, a value is not finite, or a whole is below 0.
    """
    part, whole = np.asarray(part_P, dtype=np.float64), np.asarray(whole_P, dtype=np.float64)
    if part.ndim != 1 or part.shape != whole.shape or part.size == 0:
        raise ValueError(f"A ratio needs two values per problem, at least one; got shapes {part.shape}, {whole.shape}.")
    if not np.isfinite(part).all() or not np.isfinite(whole).all() or (whole < 0.0).any():
        raise ValueError("A ratio needs finite values and wholes of at least 0.")
    if clusters_P is not None and len(clusters_P) != part.size:
        raise ValueError(f"A ratio needs one cluster per problem; got {len(clusters_P)} for {part.size} problems.")
    if whole.sum() == 0.0:
        return None
    is_share = clusters_P is None and bool(np.isin(part, (0, 1)).all() and np.isin(whole, (0, 1)).all())
    if is_share and (part <= whole).all():
        interval = wilson_interval(int(part.sum()), int(whole.sum()), how.confidence)
    else:
        interval = _bootstrap(_rows(part, whole, clusters_P), how)
    return Ratio(value=float(part.sum() / whole.sum()), interval=interval)


def change_of(
    change_P: ArrayLike, *, clusters_P: Sequence[object] | None = None, how: Resampling = DEFAULT
) -> Difference:
    """Mean of signed changes of any size, with the interval and the p-value of `paired_difference`.

    That function takes two values in [0, 1]: here the falls and the rises, both over the largest change of all.

    Args:
        change_P: one change per problem, shape (P,), P >= 1, finite.
        clusters_P: what each problem belongs to; None where each stands alone.
        how: interval and test are drawn.

    Raises:
        ValueError: no values, or one that is not finite.
    """
    change = np.asarray(change_P, dtype=np.float64)
    if change.ndim != 1 or change.size == 0 or not np.isfinite(change).all():
        raise ValueError(f"A mean change needs one finite value per problem, at least one; got shape {change.shape}.")
    scale = float(np.abs(change).max()) or 1.0
    found = paired_difference(
        np.maximum(-change, 0.0) / scale,
        np.maximum(change, 0.0) / scale,
        clusters_P=clusters_P,
        resamples=how.resamples,
        confidence=how.confidence,
        seed=how.seed,
    )
    return replace(
        found,
        mean=float(change.mean()),
        interval=Interval(low=scale * found.interval.low, high=scale * found.interval.high),
        standard_error=scale * found.standard_error,
    )


def _rows(part_P: FloatArray, whole_P: FloatArray, clusters_P: Sequence[object] | None) -> FloatArray:
    """Part and whole of each cluster, shape (C, 2), in order of first appearance."""
    number_of: dict[object, int] = {}
    names = range(part_P.size) if clusters_P is None else clusters_P
    labels_P = np.array([number_of.setdefault(name, len(number_of)) for name in names])
    return np.stack([np.bincount(labels_P, part_P), np.bincount(labels_P, whole_P)], axis=1)


def _bootstrap(rows_C2: FloatArray, how: Resampling) -> Interval:
    # How often each different row is drawn is multinomial; few rows differ, so that draws less than picking rows would.
    rows_U2, counts_U = np.unique(rows_C2, axis=0, return_counts=True)
    size = rows_C2.shape[0]
    rng = np.random.default_rng(how.seed)
    per_chunk = max(1, NUMBERS_PER_CHUNK // counts_U.size)
    sums_R2 = np.concatenate(
        [
            rng.multinomial(size, counts_U / size, size=min(per_chunk, how.resamples - start)) @ rows_U2
            for start in range(0, how.resamples, per_chunk)
        ]
    )
    kept_R2 = sums_R2[sums_R2[:, 1] > 0.0]
    tail = (1.0 - how.confidence) / 2.0
    low, high = np.quantile(kept_R2[:, 0] / kept_R2[:, 1], [tail, 1.0 - tail])
    return Interval(low=float(low), high=float(high))
