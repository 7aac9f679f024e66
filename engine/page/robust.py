"""Robustness in tables, as the page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.problem import NOMINAL
from engine.compare_view import signed
from engine.page.inputs import PageRun
from engine.page.sections import BAR, Bar
from engine.paired import Difference
from engine.robust_metrics import PerturbationMetrics, Robustness
from engine.robust_view import (
    change_text,
    dropped_text,
    family_name,
    family_text,
    flips_text,
    interval_text,
    noise_text,
    number,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustRow:
    """One perturbation."""

    name: str
    family: str
    note: str
    nominal: str = "-"
    perturbed: str = "-"
    change: str = "-"
    interval: str = ""
    bar: Bar | None = None
    p_value: str = "-"
    detectable: str = "-"
    flips: str = "-"
    excess: str = "-"
    problems: str = "0"
    dropped: str = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustTable:
    """The perturbed forms of one benchmark in one run."""

    run: str
    benchmark: str
    facts: tuple[tuple[str, str], ...]
    caption: str
    rows: tuple[RobustRow, ...]


def robust_tables(runs: Sequence[PageRun]) -> list[RobustTable]:
    """One table per run and benchmark that has perturbed forms."""
    return [_table(run, label, each) for run in runs for label, each in run.metrics.robustness.items()]


def _table(run: PageRun, label: str, robustness: Robustness) -> RobustTable:
    facts = [("noise floor", noise_text(robustness))]
    facts += [(family_name(name), family_text(each)) for name, each in robustness.families.items()]
    facts += [
        (f"{name} by severity", f"slope {change_text(curve.slope.mean, curve.slope.interval)} per step")
        for name, curve in robustness.curves.items()
    ]
    return RobustTable(
        run=run.name,
        benchmark=label,
        facts=tuple(facts),
        caption=f"pass@{robustness.k} under each perturbation less that of the unperturbed form of the same problems; "
        f"the upright line is zero. p is Holm's over {len(robustness.perturbations)} perturbations.",
        rows=tuple(_row(name, each) for name, each in robustness.perturbations.items()),
    )


def _row(name: str, each: PerturbationMetrics) -> RobustRow:
    notes = [*(["misleads"] if each.misleads else []), *(["given code"] if each.baseline != NOMINAL else [])]
    notes += [each.withheld] if each.withheld else []
    row = RobustRow(name=name, family=each.family, note=", ".join(notes), dropped=dropped_text(each))
    if each.drop is None:
        return row
    difference = each.drop.difference
    return replace(
        row,
        nominal=number(each.drop.baseline),
        perturbed=number(each.drop.perturbed),
        change=signed(difference.mean),
        interval=interval_text(difference.interval),
        bar=_bar(difference),
        p_value="-" if each.p_adjusted is None else f"{each.p_adjusted:.3g}",
        detectable="-" if each.detectable is None else number(each.detectable),
        flips=flips_text(each.flips),
        excess=signed(each.excess_flip.mean) if each.excess_flip else "-",
        problems=f"{each.num_problems:,}",
    )


def _bar(difference: Difference) -> Bar:
    """From -1 to 1."""
    ends = (difference.interval.low, difference.interval.high, difference.mean)
    low, high, dot = (BAR * (1 + value) / 2 for value in ends)
    return Bar(start=low, width=max(high - low, 0.5), dot=dot, zero=BAR / 2)
