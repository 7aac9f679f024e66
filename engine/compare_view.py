"""A comparison as a table for the terminal and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from engine.compare import Compared, Comparison
from engine.compare_costs import Cost
from engine.gate import Checked, outcome

STYLES = {"better": "green", "worse": "red", "no evidence": "dim", "inconclusive": "yellow"}
_DECISIONS = {"pass": "green", "regression": "red", "inconclusive": "yellow"}
WIDE = 96
"""Columns from which p-values and MDE are shown too."""
_LEAST_P = 0.0005
_NAMED = 6
"""Flipped problems that a line names; --json has all."""


def as_data(comparison: Comparison) -> dict[str, Any]:
    """The whole comparison as plain data."""
    return {
        "base": {"name": comparison.base.name, "run_dir": str(comparison.base.run_dir)},
        "candidate": {"name": comparison.candidate.name, "run_dir": str(comparison.candidate.run_dir)},
        "rules": asdict(comparison.rules),
        "compared": [asdict(each) for each in comparison.compared],
        "left_out": list(comparison.left_out),
        "costs": {name: asdict(cost) for name, cost in comparison.costs.items()},
    }


def render(comparison: Comparison) -> RenderableType:
    """Scores, flips and costs, one block each; on narrow terminals without p-values and MDE."""
    return _Shown(comparison)


@dataclass(frozen=True, slots=True)
class _Shown:
    comparison: Comparison

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        comparison = self.comparison
        rules, count = comparison.rules, len(comparison.compared)
        holm = f", Holm over {count} benchmarks" if count > 1 else ""
        yield Text.assemble(
            (comparison.candidate.name, "bold"), " against ", (comparison.base.name, "bold"), f"  {rules.metric}"
        )
        yield Text(f"paired by problem, {rules.resamples:,} resamples{holm}", "dim")
        yield _scores(comparison, wide=options.max_width >= WIDE)
        yield from _notes(comparison)
        yield Text()
        if comparison.costs:
            yield _costs(comparison)
            yield Text()


def render_gate(checked: Sequence[Checked]) -> RenderableType:
    """Each bound, how far the score fell, and what follows."""
    table = plain_table("gate", "", "may fall", "diff [interval]", "verdict")
    for each in checked:
        table.add_row(
            each.score,
            each.level,
            f"{each.max_drop:.3f}",
            difference_text(each.compared),
            Text(each.decision, _DECISIONS[each.decision]),
        )
    return table


def gate_data(checked: Sequence[Checked]) -> dict[str, Any]:
    """The gate as plain data."""
    scores = [
        {"score": e.score, "level": e.level, "max_drop": e.max_drop, "decision": e.decision} | _found(e.compared)
        for e in checked
    ]
    return {"decision": outcome(checked), "scores": scores}


def _found(compared: Compared) -> dict[str, Any]:
    return {"mean": compared.difference.mean, "interval": asdict(compared.difference.interval)}


def plain_table(*names: str) -> Table:
    """A table without frame whose first column may wrap."""
    table = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, show_edge=False)
    table.add_column(Text(names[0]), overflow="fold")
    for name in names[1:]:
        table.add_column(Text(name), justify="right", no_wrap=True)
    return table


def _scores(comparison: Comparison, *, wide: bool) -> Table:
    level = f"diff [{1 - comparison.rules.alpha:.0%} interval]"
    table = plain_table("", "base", "cand", level, *(("p", "MDE") if wide else ()), "won/lost", "verdict")
    for each in comparison.compared:
        own = "" if each.metric == comparison.rules.metric else f" {each.metric}"
        p_value = f"{each.p_adjusted:.3f}" if each.p_adjusted >= _LEAST_P else "<.001"
        table.add_row(
            Text.assemble(each.benchmark, (own, "dim")),
            f"{each.base:.3f}",
            f"{each.candidate:.3f}",
            difference_text(each),
            *((p_value, f"{each.detectable:.3f}") if wide else ()),
            f"{len(each.won)}/{len(each.lost)}",
            Text(each.verdict, STYLES[each.verdict]),
        )
    return table


def difference_text(each: Compared) -> Text:
    """A mean difference with its interval: `+.045 [+.012, +.078]`."""
    interval = each.difference.interval
    return Text.assemble(
        (signed(each.difference.mean), "bold"), (f" [{signed(interval.low)}, {signed(interval.high)}]", "dim")
    )


def signed(value: float) -> str:
    """A difference in three digits, always with its sign: `+.045`."""
    return f"{value:+.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:+.3f}"


def _notes(comparison: Comparison) -> list[Text]:
    lines = []
    for each in comparison.compared:
        lines += [
            Text(f"{each.benchmark} {word}: {_named(tasks)}", "dim")
            for word, tasks in (("won", each.won), ("lost", each.lost))
            if tasks
        ]
        if each.why:
            lines.append(Text(f"{each.benchmark}: no verdict, {each.why}", "yellow"))
        elif each.verdict == "inconclusive":
            lines.append(Text(f"{each.benchmark}: {_cure(each, comparison.rules.margin)}", "yellow"))
    if comparison.left_out:
        lines.append(Text(f"in one of both only: {', '.join(comparison.left_out)}", "dim"))
    return lines


def _cure(each: Compared, margin: float) -> str:
    effect = max(abs(each.difference.mean), margin)
    count = each.difference.num_problems
    return f"{count:,} problems show {each.detectable:.3f} or more; {each.problems_to_decide:,} would show {effect:.3f}"


def _named(tasks: tuple[str, ...]) -> str:
    more = f" and {len(tasks) - _NAMED} more" if len(tasks) > _NAMED else ""
    return ", ".join(tasks[:_NAMED]) + more


def _costs(comparison: Comparison) -> Table:
    level = f"change [{1 - comparison.rules.alpha:.0%} interval]"
    table = plain_table("latency and cost", "base", "cand", level)
    for name, cost in comparison.costs.items():
        table.add_row(name, *(_amount(value, cost.unit) for value in (cost.base, cost.candidate)), _change(cost))
    return table


def _amount(value: float, unit: str) -> str:
    return f"{value:,.3g} {unit}".rstrip() if value < 1000 else f"{value:,.0f} {unit}".rstrip()


def _change(cost: Cost) -> Text:
    if cost.change is None:
        return Text("-", "dim")
    interval = cost.interval
    around = f" [{interval.low:+.0%}, {interval.high:+.0%}]" if interval else ""
    return Text.assemble((f"{cost.change:+.0%}", "bold"), (around, "dim"))
