"""Plot of scores by the tags of problems, such as their difficulty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.problem import NOMINAL
from engine.page.figure import Figure
from engine.page.inputs import PageRun
from engine.page.plot_data import Known, is_given, is_nominal
from engine.page.plot_style import FG, SERIES, Tips, drawing, last, pair_label, short, to_svg

if TYPE_CHECKING:
    from matplotlib.patches import Rectangle

MOST_TAGS = 30
MOST_RUNS = 7
CHARS_OF_COLUMNS = 84
"""Of all names of runs together, so that they stand side by side."""
Tag = tuple[str, str]
"""Benchmark and tag."""


def tags(runs: Sequence[PageRun], known: Known) -> Figure | None:
    """pass@1 by the tags of problems; benchmarks without tags are left out."""
    latest, note = last(runs, MOST_RUNS, "runs")
    found = [(run, cells) for run in latest if (cells := _by_tag(run, known))]
    count: dict[Tag, int] = {}
    for _, cells in found:
        for tag, values in cells.items():
            count[tag] = max(count.get(tag, 0), len(values))
    if not count:
        return None
    shown = _most_frequent(count)
    if len(shown) < len(count):
        note += f" Of {len(count)} tags the {MOST_TAGS} most frequent are drawn."
    figure, (axis,) = drawing(height=1.0 + 0.36 * len(shown))
    several, tips = len({benchmark for benchmark, _ in count}) > 1, Tips()
    for column, (run, cells) in enumerate(found):
        for row, tag in enumerate(shown):
            if own := cells.get(tag):
                cell, mean = axis.add_patch(_cell(column, row, float(np.mean(own)))), np.mean(own)
                tips.add(cell, f"{short(run.name, 40)}, {' '.join(tag)}: {mean:.3f}, {len(own)} problems")
                axis.text(column, row, f"{mean:.2f}", ha="center", va="center", color=FG, fontsize=8)
    width = max(8, CHARS_OF_COLUMNS // len(found) - 2)
    axis.set_xticks(range(len(found)), [short(run.name, width) for run, _ in found])
    labels = [pair_label(*tag) if several else short(tag[1]) for tag in shown]
    axis.set_yticks(range(len(shown)), [f"{label} ({count[tag]})" for label, tag in zip(labels, shown, strict=True)])
    axis.set(xlim=(-0.5, len(found) - 0.5), ylim=(len(shown) - 0.5, -0.5))
    axis.grid(visible=False)
    return Figure(
        key="tags",
        title="pass@1 by tag",
        caption="Mean pass@1 of the problems with each tag (their number in brackets); fuller colour: a higher score. "
        "A problem counts for each of its tags." + note,
        svg=to_svg(figure, "tags", "pass@1 by tag", tips),
        columns=("benchmark", "tag", "problems", *(run.name for run, _ in found)),
        rows=tuple(
            (*tag, f"{count[tag]:,}", *(f"{np.mean(c[tag]):.3f}" if tag in c else "" for _, c in found))
            for tag in shown
        ),
    )


def _most_frequent(count: dict[Tag, int]) -> list[Tag]:
    """As many tags as there is room for, in the order of their first problems."""
    kept = set(sorted(count, key=lambda tag: -count[tag])[:MOST_TAGS])
    return [tag for tag in count if tag in kept]


def _by_tag(run: PageRun, known: Known) -> dict[Tag, list[float]]:
    """pass@1 of the problems of each tag, of all unperturbed benchmarks that have tests and are not withheld."""
    rows = run.problems.select(["benchmark", "task_id", "variant", "tags"]).to_pylist()
    tagged = {row["benchmark"] for row in rows if row["tags"]}
    values = {
        name: known.scored(run, name).by_problem("pass_at_1")
        for name, plan in run.planned.items()
        if name in tagged and is_nominal(run, name) and is_given(run, name) and "pass" in plan.metrics
    }
    found: dict[Tag, list[float]] = {}
    for row in rows:
        value = values.get(row["benchmark"], {}).get(row["task_id"])
        if value is not None and row["variant"] == NOMINAL:
            for tag in dict.fromkeys(row["tags"]):
                found.setdefault((row["benchmark"], tag), []).append(value)
    return found


def _cell(column: int, row: int, value: float) -> Rectangle:
    """One colour that grows fuller reads alike in light and dark, and without colour."""
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.48, row - 0.46), 0.96, 0.92, color=SERIES[0], alpha=0.08 + 0.62 * value, linewidth=0)
