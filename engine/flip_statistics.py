"""How often a verdict changes with its prompt, and how often it does so by itself.

Arrays carry their shape in their names: P problems, S variants of a problem (its seeds), N samples of a prompt. S and N
differ between problems, so `variants_PSN` stands for a sequence of P sequences of S arrays of shape (N,).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from engine.paired import Difference, paired_difference
from engine.resampled import DEFAULT, Mean, Ratio, Resampling, mean_of, ratio_of
from engine.robust_statistics import share_passed
from engine.statistics import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipShares:
    """Of each problem the share of pairs whose verdict changed, shape (P,); NaN where it has no pair."""

    broken_P: FloatArray
    """Pairs that passed before and failed after."""
    fixed_P: FloatArray
    """Pairs that failed before and passed after."""
    baseline_P: FloatArray
    """Samples of the baseline that passed."""

    @property
    def flipped_P(self) -> FloatArray:
        """Pairs that changed either way."""
        return self.broken_P + self.fixed_P


@dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """Changed verdicts over the problems that have a pair."""

    flip_rate: Mean
    """Pairs that changed; the chance that one sample of either prompt differs in its verdict."""
    broken: Ratio | None
    """Of what passed before, the share that fails now: the success rate of an attack; None where nothing passed."""
    fixed: Ratio | None
    """Of what failed before, the share that passes now; None where nothing failed."""

    @property
    def consistency(self) -> float:
        """Pairs with the same verdict."""
        return 1.0 - self.flip_rate.value


def flip_shares(
    baseline_PN: Sequence[ArrayLike], variants_PSN: Sequence[Sequence[ArrayLike]], *, paired: bool
) -> FlipShares:
    """Shares of pairs of samples, one of the baseline and one of a variant, averaged over a problem's variants.

    Paired by index, sample i is held against sample i: for greedy decoding. Else each sample is held against each of
    the other prompt: the mean over all pairs i, j is p (1 - q) + q (1 - p) of the two shares that passed, and has no
    bias for that chance of the model's, since samples of different prompts are drawn apart.

    Args:
        baseline_PN: of each problem the passes of its baseline, shape (N,); N may be 0.
        variants_PSN: of each problem the passes of each variant; S and N may be 0. A variant without samples has no
            pair.
        paired: whether by index; each variant then needs as many samples as its baseline.

    Raises:
        ValueError: lengths differ, or a sample is neither 0 nor 1.
    """
    if len(baseline_PN) != len(variants_PSN):
        raise ValueError(f"Flips need variants of each problem; got {len(variants_PSN)} for {len(baseline_PN)}.")
    found = [_of_problem(b, v, paired) for b, v in zip(baseline_PN, variants_PSN, strict=True)]
    table = np.array(found, dtype=np.float64).reshape(len(found), 3)
    return FlipShares(broken_P=table[:, 0], fixed_P=table[:, 1], baseline_P=table[:, 2])


def self_flip_shares(passed_PN: Sequence[ArrayLike]) -> FlipShares:
    """Shares among the samples of one and the same prompt: noise of sampling, where no replica was drawn.

    Over all ordered pairs i != j of n samples, c of which passed, c (n - c) / (n (n - 1)) break and as many are fixed:
    without bias for p (1 - p), where pairing a sample with itself would be too low. A problem with one sample has no
    pair.

    Args:
        passed_PN: of each problem the passes of one prompt, shape (N,); N may be 0.

    Raises:
        ValueError: a sample is neither 0 nor 1.
    """
    n_P = np.array([np.size(each) for each in passed_PN], dtype=np.float64)
    p_P = np.array([share_passed(each) if np.size(each) > 1 else np.nan for each in passed_PN], dtype=np.float64)
    broken_P = p_P * (1.0 - p_P) * n_P / np.where(n_P > 1, n_P - 1.0, 1.0)
    return FlipShares(broken_P=broken_P, fixed_P=broken_P.copy(), baseline_P=p_P)


def flips_of(
    shares: FlipShares, *, clusters_P: Sequence[object] | None = None, how: Resampling = DEFAULT
) -> Flips | None:
    """Flip rate, broken and fixed over problems, with intervals.

    Broken is the sum of broken shares over that of passed ones, so problems weigh alike in either; with one sample per
    prompt it is #(1 -> 0) / #1.

    Args:
        shares: of each problem.
        clusters_P: what each problem belongs to; None where each stands alone.
        how: intervals are drawn.

    Returns:
        None where no problem has a pair.

    Raises:
        ValueError: other than P clusters.
    """
    if clusters_P is not None and len(clusters_P) != shares.broken_P.size:
        raise ValueError(f"Flips need one cluster per problem; got {len(clusters_P)} for {shares.broken_P.size}.")
    kept = np.flatnonzero(~np.isnan(shares.broken_P)).tolist()
    if not kept:
        return None
    clusters = None if clusters_P is None else [clusters_P[p] for p in kept]
    passed_P = shares.baseline_P[kept]
    return Flips(
        flip_rate=mean_of(shares.flipped_P[kept], clusters_P=clusters, how=how),
        broken=ratio_of(shares.broken_P[kept], passed_P, clusters_P=clusters, how=how),
        fixed=ratio_of(shares.fixed_P[kept], 1.0 - passed_P, clusters_P=clusters, how=how),
    )


def excess_flip(
    shares: FlipShares,
    noise: FlipShares,
    *,
    clusters_P: Sequence[object] | None = None,
    how: Resampling = DEFAULT,
) -> Difference | None:
    """Flip rate less the flip rate of noise, on the problems that have both.

    Without it a perturbation is charged with verdicts that change by themselves.

    Args:
        shares: of a perturbation.
        noise: of two replicas of the nominal prompts, problems in the same order.
        clusters_P: what each problem belongs to; None where each stands alone.
        how: interval and test are drawn.

    Returns:
        None where no problem has both.

    Raises:
        ValueError: numbers of problems or clusters differ.
    """
    if shares.broken_P.size != noise.broken_P.size or (clusters_P and len(clusters_P) != noise.broken_P.size):
        raise ValueError(f"Excess flips need the same problems; got {shares.broken_P.size} and {noise.broken_P.size}.")
    flipped_P, noise_P = shares.flipped_P, noise.flipped_P
    kept = np.flatnonzero(~np.isnan(flipped_P + noise_P)).tolist()
    if not kept:
        return None
    return paired_difference(
        np.clip(noise_P[kept], 0.0, 1.0),
        np.clip(flipped_P[kept], 0.0, 1.0),
        clusters_P=None if clusters_P is None else [clusters_P[p] for p in kept],
        resamples=how.resamples,
        confidence=how.confidence,
        seed=how.seed,
    )


def _of_problem(baseline_N: ArrayLike, variants_SN: Sequence[ArrayLike], paired: bool) -> tuple[float, float, float]:
    """Broken, fixed and baseline shares."""
    variants = [each for each in variants_SN if np.size(each)]
    if not np.size(baseline_N) or not variants:
        return np.nan, np.nan, np.nan
    passed = share_passed(baseline_N)
    if not paired:
        after = float(np.mean([share_passed(each) for each in variants]))
        return passed * (1.0 - after), after * (1.0 - passed), passed
    before = np.asarray(baseline_N, dtype=np.bool_)
    pairs = [_both(before, each) for each in variants]
    broken, fixed = (float(np.mean([pair[side] for pair in pairs])) for side in (0, 1))
    return broken, fixed, passed


def _both(before_N: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], variant_N: ArrayLike) -> tuple[float, float]:
    share_passed(variant_N)
    after_N = np.asarray(variant_N, dtype=np.bool_)
    if after_N.shape != before_N.shape:
        raise ValueError(f"Pairs by index need as many samples of both; got {after_N.shape} and {before_N.shape}.")
    return float((before_N & ~after_N).mean()), float((~before_N & after_N).mean())
