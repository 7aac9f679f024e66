"""Robustness in words and as a terminal table."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from engine.compare_view import signed
from engine.flip_statistics import Flips
from engine.resampled import Mean
from engine.robust_metrics import FamilyMetrics, PerturbationMetrics, Robustness
from engine.robust_statistics import RobustPass, WorstCase
from engine.statistics import Interval

ALPHA = 0.05
SOURCES = {"replicas": "replicas of the nominal prompt", "samples": "samples of one prompt"}


def number(value: float) -> str:
    """Three decimals."""
    return f"{value:.3f}"


def change_text(value: float, interval: Interval) -> str:
    """`-.120 [-.210, -.030]`."""
    return f"{signed(value)} {interval_text(interval)}"


def interval_text(interval: Interval) -> str:
    """`[-.210, -.030]`."""
    return f"[{signed(interval.low)}, {signed(interval.high)}]"


def family_text(family: FamilyMetrics) -> str:
    """Its worst case, and of how many."""
    if family.worst is None:
        return "no problem has a variant and a baseline"
    worst = family.worst
    text = f"{_mean(worst.worst)} in the worst of {_size(worst)}, {number(worst.mean_of_m)} in the mean"
    parts = [text, *_recode(family.robust), *_recode(family.robust_s)]
    return ", ".join([*parts, f"{worst.worst.num_problems:,} problems"])


def _recode(found: RobustPass | None) -> list[str]:
    """ReCode's numbers of all variants, or of the first s."""
    if found is None:
        return []
    s = "" if found.s is None else f"_{found.s}"
    drop = f" (RD{s} {found.robust_drop.value:.1%})" if found.robust_drop else ""
    return [f"RP{s}@{found.k} {number(found.robust.value)}{drop}"]


def _size(worst: WorstCase) -> str:
    low, high = worst.min_variants, worst.max_variants
    return str(low) if low == high else f"{low} to {high}"


def _mean(mean: Mean) -> str:
    return f"{number(mean.value)} [{number(mean.interval.low)}, {number(mean.interval.high)}]"


def noise_text(robustness: Robustness) -> str:
    """How often verdicts change by themselves."""
    if robustness.noise is None or not robustness.noise_source:
        return "not known: one sample per prompt and no replica of the nominal prompts"
    rate = robustness.noise.flip_rate
    interval = f"[{rate.interval.low:.1%}, {rate.interval.high:.1%}]"
    return f"{rate.value:.1%} {interval} of verdicts differ between {SOURCES[robustness.noise_source]}"


def dropped_text(each: PerturbationMetrics) -> str:
    """What the gate left out."""
    told = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in each.dropped.items() if count]
    return ", ".join(told) or "-"


def flips_text(flips: Flips | None) -> str:
    """Shares that broke and that were mended: `23% / 4%`."""
    if flips is None:
        return "-"
    return " / ".join("-" if each is None else f"{each.value:.0%}" for each in (flips.broken, flips.fixed))


def robust_tables(robustness: Mapping[str, Robustness]) -> list[RenderableType]:
    """A table of perturbations per benchmark, worst cases below it."""
    parts: list[RenderableType] = []
    for label, each in robustness.items():
        parts += [*([Text()] if parts else []), _table(label, each), _facts(each)]
    return parts


def _table(label: str, robustness: Robustness) -> Table:
    table = Table(box=box.HORIZONTALS, show_edge=False, pad_edge=False, header_style="")
    table.add_column(f"{label} perturbed", overflow="fold")
    for heading in ("problems", f"pass@{robustness.k}", "diff [interval]", "p", "excess"):
        table.add_column(Text(heading), justify="right", no_wrap=True)
    for name, each in robustness.perturbations.items():
        table.add_row(Text(name, "bold"), *_cells(each))
    return table


def _cells(each: PerturbationMetrics) -> list[str | Text]:
    if each.withheld:
        return ["", Text("withheld", "red"), each.withheld, "", ""]
    if each.drop is None:
        return ["0", "-", "-", "-", "-"]
    difference, p_value = each.drop.difference, each.p_adjusted
    is_sure = p_value is not None and p_value < ALPHA and difference.mean < 0
    return [
        f"{each.num_problems:,}",
        number(each.drop.perturbed),
        Text(change_text(difference.mean, difference.interval), "red" if is_sure else ""),
        "-" if p_value is None else f"{p_value:.2g}",
        signed(each.excess_flip.mean) if each.excess_flip else "-",
    ]


def _facts(robustness: Robustness) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_row(Text("noise floor", "dim"), noise_text(robustness))
    for name, family in robustness.families.items():
        table.add_row(Text(family_name(name), "dim"), family_text(family))
    invalid = sum(each.dropped.get("invalid", 0) for each in robustness.perturbations.values())
    if invalid:
        table.add_row(Text("gate", "dim"), f"{invalid:,} variants were invalid and are left out")
    return table


def family_name(name: str) -> str:
    """`syntax, given code` of `syntax.half_solution`."""
    family, _, baseline = name.partition(".")
    return f"{family}, given code" if baseline else family
