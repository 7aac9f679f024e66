"""How well answers hold where prompts are perturbed: ReCode's worst case, the worst of a family, drops.

Arrays carry their shape in their names: P problems, V variants of a problem, N samples of a prompt. Problems differ in
V, since not every perturbation applies to each, and in N, since faults of ours leave it; a name such as `passed_PVN`
then stands for a sequence of P arrays of shape (V, N). Passes are booleans, or 0 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.paired import Difference, paired_difference
from engine.resampled import DEFAULT, Mean, Ratio, Resampling, mean_of, ratio_of
from engine.statistics import FloatArray, pass_at_k

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustPass:
    """The metrics of ReCode (arXiv 2212.10264), over the problems with enough variants and samples."""

    k: int
    s: int | None
    """Variants of each problem that count; None for all that it has, which is then the worst of `min_variants` to
    `max_variants` and comparable only with the same."""
    robust: Mean
    """RP_s@k: pass@k of what passes under all variants."""
    nominal: float | None
    """pass@k of the same problems unperturbed; None where no nominal samples were given."""
    robust_drop: Ratio | None
    """RD_s@k = (pass@k - RP_s@k) / pass@k, a loss above 0; None where pass@k is 0 or unknown."""
    robust_relative: Mean | None
    """RR_s@k: pass@k of what passes and then fails under some variant, plus that of the reverse; None if unknown."""
    min_variants: int
    """Fewest variants of any problem that counts."""
    max_variants: int
    num_left_out: int
    """Problems without enough variants or samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstCase:
    """pass@1 over several variants of each problem."""

    worst: Mean
    """Of the variant that does worst, problem by problem."""
    mean_of_m: float
    """Mean over the variants of a problem, then over problems."""
    spread: float | None
    """Largest less least pass@1 of a variant over the problems that have all variants; None where none has."""
    num_common: int
    """Problems that have all variants."""
    spread_within: float
    """Mean over problems of the best less the worst variant."""
    min_variants: int
    max_variants: int
    num_left_out: int
    """Problems without a variant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """What a perturbation changes in pass@k; a loss is below 0."""

    difference: Difference
    """Perturbed less baseline, seeds averaged within a problem first."""
    baseline: float
    perturbed: float
    """Mean pass@k of the same problems."""
    relative: Ratio | None
    """The difference over the baseline; None where the baseline is 0."""
    num_left_out: int
    """Problems without a variant or without a baseline."""


def robust_pass_at_k(
    passed_PVN: Sequence[ArrayLike],
    nominal_PN: Sequence[ArrayLike] | None = None,
    *,
    k: int = 1,
    s: int | None = None,
    clusters_P: Sequence[object] | None = None,
    how: Resampling = DEFAULT,
) -> RobustPass | None:
    """RP_s@k, RD_s@k and RR_s@k as ReCode defines them (arXiv 2212.10264).

    Samples are paired by index, which is sound for greedy decoding; where sampled ones are drawn apart, it is one
    pairing of many, and `independent_robust_pass` needs none.

    Args:
        passed_PVN: of each problem an array of shape (V, N); V may be 0.
        nominal_PN: of each problem the unperturbed samples, shape (N,), in the same order of samples.
        k: of pass@k; problems with fewer samples are left out.
        s: the first s variants of a problem count, and problems with fewer are left out; None for all of at least one.
        clusters_P: what each problem belongs to; None where each stands alone.
        how: intervals are drawn.

    Returns:
        None where no problem is left.

    Raises:
        ValueError: k or s below 1, or arrays that do not fit together.
    """
    if k < 1 or (s is not None and s < 1):
        raise ValueError(f"robust pass@k needs k >= 1 and s >= 1; got k = {k} and s = {s}.")
    _check_lengths(len(passed_PVN), nominal_PN, clusters_P)
    tables = [_table(passed_VN, may_be_empty=True) for passed_VN in passed_PVN]
    kept = [p for p, each in enumerate(tables) if each.shape[0] >= (s or 1) and each.shape[1] >= k]
    if not kept:
        return None
    tables = [tables[p][:s] for p in kept]
    worst = [_worst(each) for each in tables]
    clusters = None if clusters_P is None else [clusters_P[p] for p in kept]
    robust_P = _pass_at_k(worst, k)
    nominal = None if nominal_PN is None else [_row(nominal_PN[p], tables[i]) for i, p in enumerate(kept)]
    nominal_P = None if nominal is None else _pass_at_k(nominal, k)
    drop = None if nominal_P is None else ratio_of(nominal_P - robust_P, nominal_P, clusters_P=clusters, how=how)
    relative_P = None if nominal is None else _changed(nominal, tables, k)
    return RobustPass(
        k=k,
        s=s,
        robust=mean_of(robust_P, clusters_P=clusters, how=how),
        nominal=None if nominal_P is None else float(nominal_P.mean()),
        robust_drop=drop,
        robust_relative=None if relative_P is None else mean_of(relative_P, clusters_P=clusters, how=how),
        min_variants=min(len(each) for each in tables),
        max_variants=max(len(each) for each in tables),
        num_left_out=len(passed_PVN) - len(kept),
    )


def independent_robust_pass(
    passed_PVN: Sequence[Sequence[ArrayLike]],
    *,
    clusters_P: Sequence[object] | None = None,
    how: Resampling = DEFAULT,
) -> Mean | None:
    """Chance that one sample of each variant passes: mean over problems of prod_v mean_n passed.

    What the bigcode-evaluation-harness prints as alt-robust-pass-at-1. Samples of different prompts are drawn
    apart, so the product of their means has no bias, and no pairing by index is assumed.

    Args:
        passed_PVN: of each problem its variants, of each the passes of at least one sample; variants may differ in N.
        clusters_P: what each problem belongs to; None where each stands alone.
        how: the interval is drawn.

    Returns:
        None where no problem has a variant.

    Raises:
        ValueError: a variant has no samples, or one that is neither 0 nor 1.
    """
    _check_lengths(len(passed_PVN), clusters_P)
    kept = [p for p, variants in enumerate(passed_PVN) if len(variants)]
    if not kept:
        return None
    product_P = [float(np.prod([share_passed(each) for each in passed_PVN[p]])) for p in kept]
    return mean_of(product_P, clusters_P=None if clusters_P is None else [clusters_P[p] for p in kept], how=how)


def worst_case(
    rates_PV: ArrayLike, *, clusters_P: Sequence[object] | None = None, how: Resampling = DEFAULT
) -> WorstCase | None:
    """pass@1 of the worst variant of each problem, beside the mean and the spread of variants.

    With one sample per prompt the worst is 1 only where all variants pass. With few sampled ones it is too low, since
    the least of noisy rates is below the rate of the worst.

    Args:
        rates_PV: pass@1 of each problem under each variant, shape (P, V), in [0, 1]; NaN where it has no such variant.
        clusters_P: what each problem belongs to; None where each stands alone.
        how: the interval is drawn.

    Returns:
        None where no problem has a variant.

    Raises:
        ValueError: no table, or a rate outside [0, 1].
    """
    rates = np.asarray(rates_PV, dtype=np.float64)
    if rates.ndim != 2 or ((rates < 0.0) | (rates > 1.0)).any():
        raise ValueError(f"A worst case needs a rate in [0, 1] per problem and variant; got shape {rates.shape}.")
    _check_lengths(rates.shape[0], clusters_P)
    num_variants_P = (~np.isnan(rates)).sum(axis=1)
    kept_P = num_variants_P > 0
    if not kept_P.any():
        return None
    rates, num_variants_P = rates[kept_P], num_variants_P[kept_P]
    worst_P, common = np.nanmin(rates, axis=1), rates[num_variants_P == rates.shape[1]]
    means_V = common.mean(axis=0) if common.size else None
    clusters = None if clusters_P is None else [clusters_P[p] for p in np.flatnonzero(kept_P).tolist()]
    return WorstCase(
        worst=mean_of(worst_P, clusters_P=clusters, how=how),
        mean_of_m=float(np.nanmean(rates, axis=1).mean()),
        spread=None if means_V is None else float(means_V.max() - means_V.min()),
        num_common=common.shape[0],
        spread_within=float((np.nanmax(rates, axis=1) - worst_P).mean()),
        min_variants=int(num_variants_P.min()),
        max_variants=int(num_variants_P.max()),
        num_left_out=int((~kept_P).sum()),
    )


def drop_of(
    baseline_P: ArrayLike,
    variants_PS: Sequence[ArrayLike],
    *,
    clusters_P: Sequence[object] | None = None,
    how: Resampling = DEFAULT,
) -> Drop | None:
    """Mean over problems of the pass@k of its variants, averaged over seeds, less that of its baseline.

    Paired by problem, so a perturbation is judged on the problems that it applies to. The p-value is exact McNemar's
    where all values are 0 or 1, else that of a sign-flip test: see `paired_difference`. Adjust those of several
    perturbations with `engine.paired.holm`.

    Args:
        baseline_P: pass@k of each problem as it was, shape (P,); NaN where it has none.
        variants_PS: of each problem the pass@k of its variant of each seed, shape (S,); S may be 0.
        clusters_P: what each problem belongs to; None where each stands alone.
        how: interval and test are drawn.

    Returns:
        None where no problem has both.

    Raises:
        ValueError: lengths differ, or a value is outside [0, 1].
    """
    baseline = np.asarray(baseline_P, dtype=np.float64)
    if baseline.shape != (len(variants_PS),):
        raise ValueError(f"A drop needs variants of each problem; got {len(variants_PS)} for shape {baseline.shape}.")
    _check_lengths(len(variants_PS), clusters_P)
    kept = [p for p, values in enumerate(variants_PS) if np.size(values) and not np.isnan(baseline[p])]
    if not kept:
        return None
    perturbed = np.array([np.mean(np.asarray(variants_PS[p], dtype=np.float64)) for p in kept])
    clusters = None if clusters_P is None else [clusters_P[p] for p in kept]
    difference = paired_difference(
        baseline[kept],
        perturbed,
        clusters_P=clusters,
        resamples=how.resamples,
        confidence=how.confidence,
        seed=how.seed,
    )
    return Drop(
        difference=difference,
        baseline=float(baseline[kept].mean()),
        perturbed=float(perturbed.mean()),
        relative=ratio_of(perturbed - baseline[kept], baseline[kept], clusters_P=clusters, how=how),
        num_left_out=len(variants_PS) - len(kept),
    )


def share_passed(passed_N: ArrayLike) -> float:
    """pass@1 of one prompt.

    Raises:
        ValueError: no samples, or one that is neither 0 nor 1.
    """
    passed = np.asarray(passed_N)
    if passed.ndim != 1 or passed.size == 0 or not _is_binary(passed):
        raise ValueError(f"A prompt needs at least one sample, each 0 or 1; got shape {passed.shape}.")
    return float(passed.mean())


def _pass_at_k(passed_PN: Sequence[BoolArray], k: int) -> FloatArray:
    return pass_at_k([each.size for each in passed_PN], [each.sum() for each in passed_PN], k)


def _worst(passed_VN: BoolArray) -> BoolArray:
    return np.asarray(passed_VN.all(axis=0), dtype=np.bool_)


def _changed(nominal_PN: Sequence[BoolArray], passed_PVN: Sequence[BoolArray], k: int) -> FloatArray:
    """RR_s@k of each problem, in [0, 2], since with k > 1 samples may both break and be mended."""
    broken = [nominal & ~_worst(each) for nominal, each in zip(nominal_PN, passed_PVN, strict=True)]
    mended = [~nominal & each.any(axis=0) for nominal, each in zip(nominal_PN, passed_PVN, strict=True)]
    return _pass_at_k(broken, k) + _pass_at_k(mended, k)


def _table(passed_VN: ArrayLike, *, may_be_empty: bool = False) -> BoolArray:
    passed = np.asarray(passed_VN)
    if passed.size == 0 and passed.ndim <= 2 and passed.shape[0] == 0 and may_be_empty:
        return np.zeros((0, 0), dtype=np.bool_)
    if passed.ndim != 2 or passed.shape[0] == 0 or not _is_binary(passed):
        raise ValueError(f"A problem needs a table of 0 and 1, its variants by samples; got shape {passed.shape}.")
    return passed.astype(np.bool_)


def _row(nominal_N: ArrayLike, passed_VN: BoolArray) -> BoolArray:
    nominal = np.asarray(nominal_N)
    if nominal.shape != passed_VN.shape[1:] or not _is_binary(nominal):
        shapes = f"{nominal.shape} and {passed_VN.shape}"
        raise ValueError(f"Nominal samples and those of variants need the same N, each 0 or 1; got shapes {shapes}.")
    return nominal.astype(np.bool_)


def _is_binary(values: NDArray[np.generic]) -> bool:
    return values.dtype == np.bool_ or bool(np.isin(values, (0, 1)).all())


def _check_lengths(num_problems: int, *others: Sequence[object] | None) -> None:
    for other in others:
        if other is not None and len(other) != num_problems:
            raise ValueError(f"Each problem needs one entry; got {len(other)} for {num_problems} problems.")
