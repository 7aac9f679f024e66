"""A sweep as a table: each checkpoint's scores, and whether it is better than the one before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from engine.compare import Comparison, Rules, compare, open_run
from engine.compare_view import STYLES, difference_text, plain_table
from engine.publish import summary
from engine.report import render_comparison
from runners.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One checkpoint against the one before it."""

    name: str
    run_dir: Path
    against: str = ""
    """The checkpoint before; empty for the first."""
    comparison: Comparison | None = None
    reason: str = ""
    """Why there is no comparison; empty for the first, and where there is one."""


def steps_of(run_dirs: Sequence[Path], rules: Rules) -> list[Step]:
    """Each run compared with the one before it, in the given order."""
    found: list[Step] = []
    for index, run_dir in enumerate(run_dirs):
        name = summary(run_dir).model
        before = found[index - 1] if index else None
        found.append(_step(name, run_dir, before, rules))
    return found


def _step(name: str, run_dir: Path, before: Step | None, rules: Rules) -> Step:
    if before is None:
        return Step(name=name, run_dir=run_dir)
    try:
        found = compare(open_run(before.run_dir), open_run(run_dir), rules)
    except UserError as error:
        return Step(name=name, run_dir=run_dir, against=before.name, reason=str(error))
    return Step(name=name, run_dir=run_dir, against=before.name, comparison=found)


def render_steps(steps: Sequence[Step]) -> RenderableType:
    """Scores of all, then each one's change against the one before."""
    scores = render_comparison([summary(step.run_dir) for step in steps])
    changes = [_changes(step) for step in steps[1:]]
    if not changes:
        return scores
    table = plain_table("against the one before", "benchmark", "diff [interval]", "verdict")
    for rows in changes:
        for row in rows:
            table.add_row(*row)
    return Group(scores, Padding(table, (1, 0, 0, 0)), *_reasons(steps))


def _changes(step: Step) -> list[tuple[Text, ...]]:
    if step.comparison is None:
        return [(Text(step.name, "bold"), Text("-"), Text("-"), Text("not compared", "yellow"))]
    return [
        (
            Text(step.name if not index else "", "bold"),
            Text(each.benchmark),
            difference_text(each),
            Text(each.verdict, STYLES[each.verdict]),
        )
        for index, each in enumerate(step.comparison.compared)
    ]


def _reasons(steps: Sequence[Step]) -> list[Text]:
    return [Text(f"{step.name}: {step.reason}", "yellow") for step in steps if step.reason]


def steps_data(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The changes as plain data."""
    return [
        {
            "name": step.name,
            "against": step.against,
            "reason": step.reason,
            "compared": [asdict(each) for each in step.comparison.compared] if step.comparison else [],
        }
        for step in steps[1:]
    ]
