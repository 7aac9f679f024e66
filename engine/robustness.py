"""Robustness of a run from its sample rows: each perturbation against its baseline, families, severities, noise.

Problems stand in the order of their ids in all arrays; P problems, V variants, S seeds, N samples. What we failed on
leaves a problem's samples on either side, and a problem counts where both sides are left with some.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.perturbations.perturbation import HALF
from benchmarks.problem import NOMINAL
from engine.flip_statistics import FlipShares, excess_flip, flip_shares, flips_of, self_flip_shares
from engine.paired import detectable, holm
from engine.resampled import DEFAULT, Resampling
from engine.robust_metrics import FamilyMetrics, PerturbationMetrics, Robustness, robustness_from
from engine.robust_statistics import (
    BoolArray,
    RobustPass,
    drop_of,
    independent_robust_pass,
    robust_pass_at_k,
    worst_case,
)
from engine.run_variance import RunSpread, VarianceSplit, run_spread, variance_split
from engine.scored_rows import PlannedBenchmark, ScoredRows
from engine.severity import SeverityCurve, severity_curve
from engine.statistics import FloatArray, pass_at_k

__all__ = ["REPLICA", "FamilyMetrics", "PerturbationMetrics", "Robustness", "robustness_from", "robustness_of"]

REPLICA = "replica"
"""Perturbation of planned variants that are the nominal prompts once more."""
EVERY_FAMILY = "all"
"""Name of the worst case over all families that change the nominal prompt."""
RECODE_S = 5
"""Variants per problem in the tables of ReCode's paper."""

_Samples = Mapping[str, Mapping[int, bool]]
"""Whether each sample passed, by task and sample index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    k: int
    s: int
    paired: bool
    max_infra_errors: float
    how: Resampling


@dataclass(frozen=True, slots=True, kw_only=True)
class _Label:
    """One benchmark: its plans and samples by variant."""

    tasks: tuple[str, ...]
    plans: Mapping[str, PlannedBenchmark]
    samples: Mapping[str, _Samples]
    withheld: Mapping[str, str]
    """Why a variant's samples are not used, of those that are not."""
    clusters: list[str] | None
    """What each task belongs to; None where each stands alone."""
    rules: _Rules

    def of(self, variant: str) -> list[Mapping[int, bool]]:
        """The samples of each task, by index; none where the variant lacks the task."""
        return [self.samples.get(variant, {}).get(task, {}) for task in self.tasks]

    def rows(self, variant: str) -> list[BoolArray]:
        """The passes of each task in order of index, shape (N,); N may be 0."""
        return [_row(found, sorted(found)) for found in self.of(variant)]

    def rates(self, variant: str, k: int) -> FloatArray:
        """pass@k of each task, shape (P,); NaN where fewer than k samples count."""
        rows = self.rows(variant)
        n_P, c_P = np.array([row.size for row in rows]), np.array([row.sum() for row in rows], dtype=np.int64)
        rate_P = np.full(len(rows), np.nan)
        enough = n_P >= k
        rate_P[enough] = pass_at_k(n_P[enough], c_P[enough], k)
        return rate_P

    def aligned(self, baseline: str, variants: Sequence[str]) -> tuple[list[BoolArray], list[BoolArray]]:
        """Of each task the baseline's samples (N,) and those of its variants (V, N), of the indices that all have.

        A variant that shares no index with the baseline is not there.
        """
        found = [_aligned(before, after) for before, *after in zip(*map(self.of, (baseline, *variants)), strict=True)]
        return [row for row, _ in found], [table for _, table in found]


def robustness_of(
    scored: Mapping[str, ScoredRows],
    name: str,
    ks: Sequence[int] = (1,),
    how: Resampling = DEFAULT,
    clusters: Mapping[tuple[str, str], str] | None = None,
    *,
    s: int = RECODE_S,
    paired: bool = False,
    max_infra_errors: float = 0.005,
) -> Robustness | None:
    """Robustness of one benchmark.

    Args:
        scored: the rows of a run, under `label` or `label/variant`.
        name: label of the benchmark.
        ks: the k of every pass@k; the least is that of drops and of ReCode's metrics.
        how: intervals and tests are drawn.
        clusters: what problems share, by label and task; those that stand alone need not be in it.
        s: variants per problem in ReCode's metrics; beside it stands the worst of all that a problem has.
        paired: whether sample i of one prompt belongs to sample i of another, as with greedy decoding.
        max_infra_errors: share of infrastructure errors above which a variant's numbers are withheld.

    Returns:
        None where the benchmark has neither perturbed forms nor replicas, or its headline is no pass.

    Raises:
        ValueError: k or s below 1, or a sample that counts lacks its headline score.
    """
    own = {each.plan.variant: each for key, each in scored.items() if key in (name, f"{name}/{each.plan.variant}")}
    if not any(each.plan.perturbation for each in own.values()) or NOMINAL not in own:
        return None
    if not own[NOMINAL].plan.metrics[0].endswith("pass"):
        return None
    rules = _Rules(k=min(ks, default=1), s=s, paired=paired, max_infra_errors=max_infra_errors, how=how)
    return _robustness(_label(name, own, clusters or {}, rules))


def _label(
    name: str, scored: Mapping[str, ScoredRows], clusters: Mapping[tuple[str, str], str], rules: _Rules
) -> _Label:
    samples: dict[str, _Samples] = {}
    faults = {variant: _fault(each, rules.max_infra_errors) for variant, each in scored.items()}
    for variant, each in scored.items():
        if not faults[variant]:
            found = each.samples(each.plan.metrics[0])
            samples[variant] = {task: {i: v == 1.0 for i, v in own.items()} for task, own in found.items()}
    ids = tuple(sorted({task for each in scored.values() for task in each.task_ids}))
    shared = [clusters.get((name, task), f"\0{task}") for task in ids]
    return _Label(
        tasks=ids,
        plans={variant: each.plan for variant, each in scored.items()},
        samples=samples,
        withheld={variant: fault for variant, fault in faults.items() if fault},
        clusters=shared if len(set(shared)) < len(ids) else None,
        rules=rules,
    )


def _fault(scored: ScoredRows, most: float) -> str:
    """Why the samples of a variant say too little; empty if they do not."""
    expected = (scored.plan.num_problems - scored.plan.num_unavailable) * scored.plan.num_samples
    lost = max(0, expected - int(scored.counts_R.sum()))
    if not expected or lost / expected <= most:
        return ""
    return f"infrastructure errors {lost / expected:.1%} of {scored.name} are above {most:.1%}"


def _robustness(label: _Label) -> Robustness:
    groups = _groups(label.plans)
    replicas = [name for name, plan in label.plans.items() if plan.perturbation == REPLICA and name in label.samples]
    noise, source = _noise(label, replicas)
    found = {
        name: _perturbation(label, variants, _noise_of(label, label.plans[name].baseline, noise))
        for name, variants in groups.items()
    }
    return Robustness(
        k=label.rules.k,
        s=label.rules.s,
        paired=label.rules.paired,
        perturbations=_adjusted(found),
        families=_families(label),
        curves=_curves(label, groups),
        noise=flips_of(noise, clusters_P=label.clusters, how=label.rules.how),
        noise_source=source,
        replicas=_replica_spread(label, replicas),
        variance=_variance(label),
    )


def _groups(plans: Mapping[str, PlannedBenchmark]) -> dict[str, list[str]]:
    """Variants of one perturbation and severity, by the name of the one with the lowest seed."""
    groups: dict[tuple[str, int], list[str]] = {}
    for variant, plan in sorted(plans.items(), key=lambda each: each[1].seed):
        if plan.perturbation and plan.perturbation != REPLICA:
            groups.setdefault((plan.perturbation, plan.severity), []).append(variant)
    order = list(plans)
    return {group[0]: group for group in sorted(groups.values(), key=lambda group: order.index(group[0]))}


def _noise_of(label: _Label, baseline: str, noise: FlipShares) -> FlipShares:
    """The noise of a baseline: that of the nominal prompts is theirs alone, others tell theirs by their samples."""
    if baseline == NOMINAL:
        return noise
    return self_flip_shares([[] for _ in label.tasks] if label.rules.paired else label.rows(baseline))


def _perturbation(label: _Label, variants: Sequence[str], noise: FlipShares) -> PerturbationMetrics:
    plans = [label.plans[variant] for variant in variants]
    first, rules = plans[0], label.rules
    bare = PerturbationMetrics(
        perturbation=first.perturbation,
        family=first.family,
        severity=first.severity,
        baseline=first.baseline,
        misleads=first.misleads,
        variants=tuple(variants),
        dropped=_total(plan.dropped for plan in plans),
    )
    faults = [label.withheld[name] for name in (first.baseline, *variants) if name in label.withheld]
    if faults:
        return replace(bare, withheld="; ".join(dict.fromkeys(faults)))
    drop = drop_of(
        label.rates(first.baseline, rules.k), _known(label, variants), clusters_P=label.clusters, how=rules.how
    )
    shares = _shares(label, first.baseline, variants)
    return replace(
        bare,
        drop=drop,
        detectable=None if drop is None else detectable(drop.difference.standard_error),
        flips=flips_of(shares, clusters_P=label.clusters, how=rules.how),
        excess_flip=excess_flip(shares, noise, clusters_P=label.clusters, how=rules.how),
        over_seeds=_recode(label, first.baseline, variants, None) if len(variants) > 1 else None,
    )


def _known(label: _Label, variants: Sequence[str]) -> list[FloatArray]:
    """pass@k of each variant that a task has, shape (S,) for each task."""
    rates_PS = np.stack([label.rates(variant, label.rules.k) for variant in variants], axis=1)
    return [rate_S[~np.isnan(rate_S)] for rate_S in rates_PS]


def _shares(label: _Label, baseline: str, variants: Sequence[str]) -> FlipShares:
    if label.rules.paired:
        before, after = label.aligned(baseline, variants)
        return flip_shares(before, [list(table) for table in after], paired=True)
    columns = zip(*(label.rows(variant) for variant in variants), strict=True)
    return flip_shares(label.rows(baseline), [list(rows) for rows in columns], paired=False)


def _recode(label: _Label, baseline: str, variants: Sequence[str], s: int | None) -> RobustPass | None:
    before, after = label.aligned(baseline, variants)
    return robust_pass_at_k(after, before, k=label.rules.k, s=s, clusters_P=label.clusters, how=label.rules.how)


def _adjusted(found: Mapping[str, PerturbationMetrics]) -> dict[str, PerturbationMetrics]:
    """With p-values by Holm over all that have one."""
    p_values = {name: each.drop.difference.p_value for name, each in found.items() if each.drop}
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return {name: replace(each, p_adjusted=adjusted.get(name)) for name, each in found.items()}


def _families(label: _Label) -> dict[str, FamilyMetrics]:
    """Worst cases; what misleads, replicas and the half solution, which only gives a baseline, are in none."""
    members: dict[tuple[str, str], list[str]] = {}
    for variant, plan in label.plans.items():
        usable = variant in label.samples and plan.baseline in label.samples
        if usable and not plan.misleads and plan.perturbation not in ("", REPLICA, HALF):
            members.setdefault((plan.family, plan.baseline), []).append(variant)
    nominal = [variants for (_, baseline), variants in members.items() if baseline == NOMINAL]
    if len(nominal) > 1:
        members[EVERY_FAMILY, NOMINAL] = [variant for variants in nominal for variant in variants]
    return {
        family if baseline == NOMINAL else f"{family}.{baseline}": _family(label, family, baseline, variants)
        for (family, baseline), variants in members.items()
    }


def _family(label: _Label, family: str, baseline: str, variants: Sequence[str]) -> FamilyMetrics:
    columns = zip(*(label.rows(variant) for variant in variants), strict=True)
    passed_PVN = [[row for row in rows if row.size] for rows in columns]
    rates_PV = np.stack([label.rates(variant, 1) for variant in variants], axis=1)
    clusters, how = label.clusters, label.rules.how
    return FamilyMetrics(
        family=family,
        baseline=baseline,
        variants=tuple(variants),
        worst=worst_case(rates_PV, clusters_P=clusters, how=how),
        robust=_recode(label, baseline, variants, None),
        robust_s=_recode(label, baseline, variants, label.rules.s),
        independent=independent_robust_pass(passed_PVN, clusters_P=clusters, how=how),
    )


def _curves(label: _Label, groups: Mapping[str, Sequence[str]]) -> dict[str, SeverityCurve]:
    """Of each perturbation whose drops are known at several severities."""
    levels: dict[str, dict[int, Sequence[str]]] = {}
    for variants in groups.values():
        plan = label.plans[variants[0]]
        if plan.baseline in label.samples and all(variant in label.samples for variant in variants):
            levels.setdefault(plan.perturbation, {})[plan.severity] = variants
    curves = {name: _curve(label, own) for name, own in levels.items() if len(own) > 1}
    return {name: curve for name, curve in curves.items() if curve}


def _curve(label: _Label, levels: Mapping[int, Sequence[str]]) -> SeverityCurve | None:
    severities = sorted(levels)
    baseline = label.rates(label.plans[levels[severities[0]][0]].baseline, label.rules.k)
    means = [[rate_S.mean() if rate_S.size else np.nan for rate_S in _known(label, levels[one])] for one in severities]
    drops_PS = np.array(means).T - baseline[:, None]
    return severity_curve(severities, drops_PS, clusters_P=label.clusters, how=label.rules.how)


def _noise(label: _Label, replicas: Sequence[str]) -> tuple[FlipShares, str]:
    """Flips between draws of the nominal prompts, and what they were told by."""
    if replicas and NOMINAL in label.samples:
        return _shares(label, NOMINAL, replicas), "replicas"
    # Greedy samples of one prompt in one request are alike, whatever the back end does to others.
    shares = self_flip_shares([[] for _ in label.tasks] if label.rules.paired else label.rows(NOMINAL))
    return shares, "" if np.isnan(shares.broken_P).all() else "samples"


def _replica_spread(label: _Label, replicas: Sequence[str]) -> RunSpread | None:
    if not replicas or NOMINAL not in label.samples:
        return None
    rates_RP = np.stack([label.rates(variant, 1) for variant in (NOMINAL, *replicas)])
    common = rates_RP[:, ~np.isnan(rates_RP).any(axis=0)]
    return run_spread(common.mean(axis=1).tolist(), confidence=label.rules.how.confidence) if common.size else None


def _variance(label: _Label) -> VarianceSplit | None:
    rows = label.rows(NOMINAL)
    return variance_split([row.size for row in rows], [int(row.sum()) for row in rows])


def _aligned(before: Mapping[int, bool], after: Sequence[Mapping[int, bool]]) -> tuple[BoolArray, BoolArray]:
    present = [each for each in after if before.keys() & each.keys()]
    shared = sorted(before.keys() & set.intersection(*map(set, present)) if present else ())
    if not shared:
        return np.zeros(0, dtype=np.bool_), np.zeros((0, 0), dtype=np.bool_)
    return _row(before, shared), np.stack([_row(each, shared) for each in present])


def _row(found: Mapping[int, bool], indices: Iterable[int]) -> BoolArray:
    return np.array([found[index] for index in indices], dtype=np.bool_)


def _total(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for reason, count in each.items():
            total[reason] = total.get(reason, 0) + count
    return total
