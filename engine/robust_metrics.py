"""The numbers of robustness of one benchmark, as records, under flat names and as plain data."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from engine.flip_statistics import Flips
from engine.paired import Difference
from engine.resampled import Mean, Ratio
from engine.robust_statistics import Drop, RobustPass, WorstCase
from engine.run_variance import RunSpread, VarianceSplit
from engine.severity import SeverityCurve
from engine.statistics import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class PerturbationMetrics:
    """What one perturbation of one severity does, over the problems where it and its baseline count."""

    perturbation: str
    family: str
    severity: int
    baseline: str
    """Variant that it is compared with."""
    misleads: bool
    """Whether it says something untrue: it is in no worst case then."""
    variants: tuple[str, ...]
    """Its variant of each seed."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Variants that the gate left out, by reason, all seeds together."""
    withheld: str = ""
    """Why there are no numbers; empty if there are some, or if no problem counts."""
    drop: Drop | None = None
    p_adjusted: float | None = None
    """p-value of the drop by Holm over all perturbations of the benchmark."""
    detectable: float | None = None
    """The smallest true drop that these problems show four times in five."""
    flips: Flips | None = None
    excess_flip: Difference | None = None
    """Flip rate less that of noise; None where there is nothing to tell the noise by."""
    over_seeds: RobustPass | None = None
    """The worst of its seeds; None where it has one."""

    @property
    def num_problems(self) -> int:
        """Problems that the drop is over."""
        return self.drop.difference.num_problems if self.drop else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyMetrics:
    """The worst cases over the perturbations of a family that share a baseline; those that mislead are left out."""

    family: str
    baseline: str
    variants: tuple[str, ...]
    worst: WorstCase | None
    """pass@1 of the worst variant; None where no problem counts, as with the others."""
    robust: RobustPass | None
    """ReCode's metrics over all variants that a problem has."""
    robust_s: RobustPass | None
    """The same over the first s variants of the problems that have so many."""
    independent: Mean | None
    """Chance that one sample of each variant passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """How one benchmark's answers hold under its perturbations."""

    k: int
    """Of pass@k in drops and in ReCode's metrics."""
    s: int
    """Variants per problem in `robust_s`."""
    paired: bool
    """Whether flips hold sample i against sample i (greedy), or each against each (sampled)."""
    perturbations: dict[str, PerturbationMetrics]
    """By the name of the variant of the first seed, such as `keyboard_typos.2`."""
    families: dict[str, FamilyMetrics]
    """By family, or `family.baseline` where the baseline is not the nominal problem."""
    curves: dict[str, SeverityCurve]
    """By perturbation, of those with several severities."""
    noise: Flips | None
    """Flips between draws of the same nominal prompts."""
    noise_source: str
    """`replicas`, or `samples` of the same prompt where there are no replicas; empty where neither tells."""
    replicas: RunSpread | None
    """pass@1 of the nominal prompts and their replicas, on the problems that all have; None without replicas."""
    variance: VarianceSplit | None
    """Of a nominal sample's verdict, between problems and within; None with one sample per problem."""

    def flat(self, label: str) -> dict[str, float]:
        """Every number under one name, such as `humaneval/robust/keyboard_typos.2/drop`; unknown ones are absent."""
        return {f"{label}/robust/{name}": value for name, value in self._numbers() if value is not None}

    def to_plain(self) -> dict[str, Any]:
        """Plain data that JSON holds; `robustness_from` reads it."""
        return asdict(self)

    def _numbers(self) -> Iterator[tuple[str, float | None]]:
        for name, perturbation in self.perturbations.items():
            yield from _below(name, _of_perturbation(perturbation))
        for name, family in self.families.items():
            yield from _below(f"family/{name}", _of_family(family))
        for name, curve in self.curves.items():
            numbers = [*_difference("slope", curve.slope), *_difference("area", curve.area)]
            yield from _below(f"severity/{name}", [*numbers, ("num_problems", curve.num_problems)])
        yield from _below("noise", _of_noise(self))


_Numbers = Iterator[tuple[str, float | None]]


def robustness_from(raw: Mapping[str, Any]) -> Robustness:
    """Robustness from what `to_plain` gave, also after JSON.

    Raises:
        ValueError: it is not of this version's fields.
    """
    try:
        return _adapter().validate_python(raw)
    except ValidationError as error:
        raise ValueError(f"not the robustness of this version of codeassay ({error.error_count()} faults).") from error


@functools.cache
def _adapter() -> TypeAdapter[Robustness]:
    return TypeAdapter(Robustness)


def _of_perturbation(found: PerturbationMetrics) -> _Numbers:
    yield "num_problems", found.num_problems
    yield from ((reason, count) for reason, count in found.dropped.items())
    if found.drop:
        yield "pass_at_k", found.drop.perturbed
        yield "baseline_pass_at_k", found.drop.baseline
        yield from _difference("drop", found.drop.difference)
        yield from _estimate("relative_drop", found.drop.relative)
    yield "drop.p_adjusted", found.p_adjusted
    yield "detectable", found.detectable
    if found.flips:
        yield from _of_flips(found.flips)
    if found.excess_flip:
        yield from _difference("excess_flip", found.excess_flip)
    if found.over_seeds:
        yield from _of_robust("", found.over_seeds)


def _of_family(found: FamilyMetrics) -> _Numbers:
    yield "num_variants", len(found.variants)
    if found.worst:
        yield from _estimate("worst_pass_at_1", found.worst.worst)
        yield "mean_pass_at_1", found.worst.mean_of_m
        yield "spread", found.worst.spread
        yield "spread_within", found.worst.spread_within
        yield "num_problems", found.worst.worst.num_problems
        yield "min_variants", found.worst.min_variants
        yield "max_variants", found.worst.max_variants
    if found.robust:
        yield from _of_robust("", found.robust)
    if found.robust_s:
        yield from _of_robust(f"_{found.robust_s.s}", found.robust_s)
    yield from _estimate("independent_pass_at_1", found.independent)


def _of_noise(found: Robustness) -> _Numbers:
    if found.noise:
        yield from _of_flips(found.noise)
    if found.replicas:
        yield "pass_at_1.sd", found.replicas.sd
        yield "pass_at_1.sd.ci_low", found.replicas.interval.low
        yield "pass_at_1.sd.ci_high", found.replicas.interval.high
    if found.variance:
        yield "variance_between", found.variance.between
        yield "variance_within", found.variance.within
        yield "pass_at_1.sd_by_sampling", found.variance.sd_of_mean


def _of_flips(flips: Flips) -> _Numbers:
    yield from _estimate("flip_rate", flips.flip_rate)
    yield from _estimate("broken", flips.broken)
    yield from _estimate("fixed", flips.fixed)
    yield "consistency", flips.consistency


def _of_robust(suffix: str, found: RobustPass) -> _Numbers:
    """ReCode's three under `robust_pass_at_k` for the worst of all, `robust_pass_5_at_k` for that of exactly 5."""
    yield from _estimate(f"robust_pass{suffix}_at_{found.k}", found.robust)
    yield from _estimate(f"robust_drop{suffix}_at_{found.k}", found.robust_drop)
    yield from _estimate(f"robust_relative{suffix}_at_{found.k}", found.robust_relative)
    yield f"robust_pass{suffix}_at_{found.k}.num_problems", found.robust.num_problems


def _difference(name: str, found: Difference) -> _Numbers:
    yield name, found.mean
    yield from _ends(name, found.interval)
    yield f"{name}.p_value", found.p_value


def _estimate(name: str, found: Mean | Ratio | None) -> _Numbers:
    if found:
        yield name, found.value
        yield from _ends(name, found.interval)


def _ends(name: str, interval: Interval) -> _Numbers:
    yield f"{name}.ci_low", interval.low
    yield f"{name}.ci_high", interval.high


def _below(name: str, numbers: Iterator[tuple[str, float | None]] | list[tuple[str, float | None]]) -> _Numbers:
    yield from ((f"{name}/{key}", value) for key, value in numbers)
