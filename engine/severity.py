"""How drops grow with the severity of a perturbation.

Arrays carry their shape in their names: P problems, S severities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from engine.paired import Difference
from engine.resampled import DEFAULT, Resampling, change_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SeverityCurve:
    """Drops of one perturbation over the problems that have it at every severity; a loss is below 0."""

    severities: tuple[float, ...]
    drops: tuple[Difference, ...]
    """Mean change of pass@k at each severity."""
    slope: Difference
    """Change of the drop per step of severity; below 0 where stronger perturbations cost more."""
    area: Difference
    """Mean over severities of the drop."""
    num_problems: int
    num_left_out: int
    """Problems that lack a severity."""


def severity_curve(
    severities: Sequence[float],
    drops_PS: ArrayLike,
    *,
    clusters_P: Sequence[object] | None = None,
    how: Resampling = DEFAULT,
) -> SeverityCurve | None:
    """Mean drop at each severity, the slope through them, and their mean, over the problems that have all severities.

    The slope is that of ordinary least squares through the drops of all problems. Since each problem has every severity
    once, it is the mean of the slopes of single problems; these are what the interval resamples and the test flips, so
    drops of one problem are never taken for independent of each other.

    Args:
        severities: at least two different numbers, shape (S,).
        drops_PS: pass@k perturbed less baseline, shape (P, S); NaN where a problem lacks a severity.
        clusters_P: what each problem belongs to; None where each stands alone.
        how: intervals and tests are drawn.

    Returns:
        None where no problem has all severities.

    Raises:
        ValueError: fewer than two severities, one twice, or shapes that do not fit.
    """
    levels_S, drops = np.asarray(severities, dtype=np.float64), np.asarray(drops_PS, dtype=np.float64)
    if levels_S.ndim != 1 or levels_S.size < 2 or np.unique(levels_S).size < levels_S.size:
        raise ValueError(f"A curve needs at least two different severities; got {list(severities)}.")
    if drops.ndim != 2 or drops.shape[1] != levels_S.size:
        raise ValueError(f"A curve needs one drop per problem and severity; got shape {drops.shape}.")
    if clusters_P is not None and len(clusters_P) != drops.shape[0]:
        raise ValueError(f"A curve needs one cluster per problem; got {len(clusters_P)} for shape {drops.shape}.")
    kept = np.flatnonzero(~np.isnan(drops).any(axis=1)).tolist()
    if not kept:
        return None
    common = drops[kept]
    clusters = None if clusters_P is None else [clusters_P[p] for p in kept]
    centred_S = levels_S - levels_S.mean()
    slope_P = common @ centred_S / (centred_S @ centred_S)
    return SeverityCurve(
        severities=tuple(levels_S.tolist()),
        drops=tuple(change_of(drop_P, clusters_P=clusters, how=how) for drop_P in common.T),
        slope=change_of(slope_P, clusters_P=clusters, how=how),
        area=change_of(common.mean(axis=1), clusters_P=clusters, how=how),
        num_problems=len(kept),
        num_left_out=drops.shape[0] - len(kept),
    )
