"""Plots of scores: pass@k, score against training step, differences, flips, robustness, tags."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.problem import NOMINAL
from engine.compare import Comparison
from engine.metrics import Estimate
from engine.page.figure import Figure
from engine.page.inputs import PageRun
from engine.page.plot_style import BG, FG, GRID, MUTED, SERIES, drawing, series, short, to_svg
from engine.paired import paired_difference
from engine.statistics import interval_of_mean

if TYPE_CHECKING:
    from matplotlib.patches import Rectangle

MOST_PANELS = 6
MOST_RUNS = 7
"""Of one plot: so many series are told apart."""
MOST_ROWS = 30
RESAMPLES = 1000
VERDICTS = {
    "better": (SERIES[2], "^"),
    "worse": (SERIES[3], "v"),
    "no evidence": (MUTED, "o"),
    "inconclusive": (SERIES[1], "D"),
}


def pass_at_k(runs: Sequence[PageRun]) -> Figure | None:
    """pass@k for every k that n allows, with intervals over problems."""
    latest = runs[-MOST_RUNS:]
    from matplotlib.ticker import MaxNLocator

    names = list(dict.fromkeys(name for run in latest for name in run.planned if _passes(run, name)))
    names = [name for name in names if max(_n(run, name) for run in latest) > 1][:MOST_PANELS]
    if not names:
        return None
    columns = min(len(names), 2)
    lines = math.ceil(len(names) / columns)
    figure, axes = drawing(lines, columns, height=3.3 + 2.4 * (lines - 1), sharey=True)
    rows: list[tuple[str, ...]] = []
    for axis, name in zip(axes, names, strict=False):
        for number, run in enumerate(latest):
            curve = _curve(run, name)
            if curve:
                k, value, low, high = (list(column) for column in zip(*curve, strict=True))
                axis.plot(k, value, label=short(run.name), markersize=4, linewidth=1.5, **series(number))
                axis.fill_between(k, low, high, color=SERIES[number % len(SERIES)], alpha=0.15, linewidth=0)
                rows += [(name, run.name, str(a), f"{b:.3f}", f"{c:.3f} to {d:.3f}") for a, b, c, d in curve]
        axis.set(title=short(name, 40), xlabel="k", ylim=(0, 1.02))
        if max(_n(run, name) for run in latest) > 20:
            axis.set_xscale("log")
            axis.xaxis.set_major_formatter("{x:g}")
        else:
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    axes[0].set_ylabel("pass@k")
    if len(latest) > 1:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return Figure(
        key="pass-at-k",
        title="pass@k against k",
        caption="The chance that at least one of k samples passes: the unbiased estimator of Chen et al. 2021, "
        "averaged over problems. Bands are 95% bootstrap intervals over problems.",
        svg=to_svg(figure, "pass-at-k", "pass@k against k"),
        columns=("benchmark", "checkpoint", "k", "pass@k", "interval"),
        rows=tuple(rows),
    )


def _passes(run: PageRun, name: str) -> bool:
    plan = run.planned[name]
    return plan.variant == NOMINAL and "pass" in plan.metrics and not run.metrics.benchmarks[name].withheld


def _n(run: PageRun, name: str) -> int:
    return run.planned[name].num_samples if name in run.planned else 0


def _curve(run: PageRun, name: str) -> list[tuple[int, float, float, float]]:
    if name not in run.planned or not _passes(run, name):
        return []
    n = _n(run, name)
    ks = range(1, n + 1) if n <= 20 else sorted({int(k) for k in np.geomspace(1, n, 16).round()})
    values = run.scored(name).values(tuple(ks))
    curve = []
    for k in ks:
        value_P = values[f"pass_at_{k}"]
        if value_P.size:
            found = interval_of_mean(value_P, resamples=RESAMPLES, confidence=0.95, seed=0)
            curve.append((k, float(value_P.mean()), found.low, found.high))
    return curve


def score_by_step(runs: Sequence[PageRun]) -> Figure | None:
    """Headline scores of checkpoints against their training step."""
    stepped = [run for run in runs if run.step is not None]
    if len({run.step for run in stepped}) < 2:
        return None
    names = [name for name in dict.fromkeys(n for run in stepped for n in run.metrics.benchmarks) if "/" not in name]
    figure, (axis,) = drawing()
    rows: list[tuple[str, ...]] = []
    for number, name in enumerate(names[:MOST_RUNS]):
        points = [(run, found) for run in stepped if (found := headline(run, name))]
        if not points:
            continue
        steps = [run.step or 0 for run, _ in points]
        own = series(number)
        axis.plot(steps, [each.value for _, (_, each) in points], label=short(name), markersize=5, linewidth=1.6, **own)
        low, high = ([getattr(each, end) for _, (_, each) in points] for end in ("ci_low", "ci_high"))
        axis.fill_between(steps, low, high, color=own["color"], alpha=0.15, linewidth=0)
        rows += [
            (
                name,
                str(run.step),
                key.replace("_at_", "@"),
                f"{each.value:.3f}",
                f"{each.ci_low:.3f} to {each.ci_high:.3f}",
            )
            for run, (key, each) in points
        ]
    if not rows:
        return None
    axis.set(xlabel="training step", ylabel="score", ylim=(0, 1.02))
    axis.legend(loc="best")
    return Figure(
        key="score-by-step",
        title="Score against training step",
        caption="The headline score of each benchmark; bands are the intervals of each checkpoint by itself. Whether "
        "two checkpoints differ is told by the paired comparison.",
        svg=to_svg(figure, "score-by-step", "score against training step"),
        columns=("benchmark", "step", "score", "value", "interval"),
        rows=tuple(rows),
    )


def headline(run: PageRun, name: str) -> tuple[str, Estimate] | None:
    """The first score of a benchmark, pass@1 where it has one; None where it has none or it is withheld."""
    estimates = run.metrics.benchmarks[name].estimates if name in run.metrics.benchmarks else {}
    key = "pass_at_1" if "pass_at_1" in estimates else next(iter(estimates), "")
    return (key, estimates[key]) if key else None


def forest(comparisons: Sequence[Comparison]) -> Figure | None:
    """Differences with their intervals, one line per benchmark and comparison."""
    pairs = [(one, each) for one in comparisons for each in one.compared][-MOST_ROWS:]
    if not pairs:
        return None
    figure, (axis,) = drawing(height=1.1 + 0.34 * len(pairs))
    margin = comparisons[0].rules.margin
    axis.axvspan(-margin, margin, color=GRID, alpha=0.35, linewidth=0)
    axis.axvline(0, color=FG, linewidth=0.8)
    for place, (_, each) in enumerate(pairs):
        colour, marker = VERDICTS[each.verdict]
        interval = each.difference.interval
        axis.plot([interval.low, interval.high], [place, place], color=colour, linewidth=1.8)
        axis.plot([each.difference.mean], [place], color=colour, marker=marker, markersize=6, linestyle="none")
    several = len(comparisons) > 1
    labels = [
        f"{short(one.candidate.name, 20)}  {short(e.benchmark, 16)}" if several else short(e.benchmark)
        for one, e in pairs
    ]
    axis.set_yticks(range(len(pairs)), labels)
    axis.set_ylim(len(pairs) - 0.4, -0.6)
    axis.set_xlabel("candidate less base")
    axis.grid(visible=False, axis="y")
    return Figure(
        key="forest",
        title="Differences",
        caption="Paired differences with their intervals. Up: better, down: worse, circle: no evidence, diamond: "
        f"inconclusive. Within the grey band (+-{margin:g}) a difference does not matter.",
        svg=to_svg(figure, "forest", "differences between checkpoints with intervals"),
        columns=("candidate", "base", "benchmark", "difference", "interval", "verdict"),
        rows=tuple(
            (
                one.candidate.name,
                one.base.name,
                each.benchmark,
                f"{each.difference.mean:+.3f}",
                f"{each.difference.interval.low:+.3f} to {each.difference.interval.high:+.3f}",
                each.verdict,
            )
            for one, each in pairs
        ),
    )


def flips(comparisons: Sequence[Comparison], runs: Sequence[PageRun]) -> Figure | None:
    """How many problems were won and lost, and how many stayed as they were."""
    by_dir = {run.run_dir: run for run in runs}
    counted = []
    for one in comparisons:
        for each in one.compared:
            candidate = by_dir[one.candidate.run_dir].scored(each.benchmark).by_problem(each.metric)
            base = by_dir[one.base.run_dir].scored(each.benchmark).by_problem(each.metric)
            solved = sum(candidate[task] >= 0.5 and base[task] >= 0.5 for task in candidate if task in base)
            unsolved = each.difference.num_problems - solved - len(each.won) - len(each.lost)
            counted.append((one, each, (len(each.won), solved, unsolved, len(each.lost))))
    counted = counted[-MOST_ROWS:]
    if not counted:
        return None
    kinds = (
        ("won", SERIES[2], ""),
        ("solved in both", SERIES[0], ""),
        ("in neither", GRID, ""),
        ("lost", SERIES[3], "///"),
    )
    figure, (axis,) = drawing(height=1.3 + 0.36 * len(counted))
    left = np.zeros(len(counted))
    for position, (label, colour, hatch) in enumerate(kinds):
        widths = np.array([counts[position] for _, _, counts in counted])
        bars = axis.barh(
            range(len(counted)),
            widths,
            left=left,
            color=colour,
            hatch=hatch,
            edgecolor=BG,
            linewidth=0.6,
            label=label,
            alpha=0.65,
        )
        axis.bar_label(
            bars, [str(width) if width else "" for width in widths], label_type="center", fontsize=8, color=FG
        )
        left += widths
    several = len(comparisons) > 1
    labels = [
        f"{short(one.candidate.name, 20)}  {short(e.benchmark, 16)}" if several else short(e.benchmark)
        for one, e, _ in counted
    ]
    axis.set_yticks(range(len(counted)), labels)
    axis.set_ylim(len(counted) - 0.4, -0.6)
    axis.set_xlabel("problems")
    axis.grid(visible=False, axis="y")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper left", ncols=4)
    return Figure(
        key="flips",
        title="Problems won and lost",
        caption="A problem is solved where at least half of its samples pass. Won: only by the candidate; lost: only "
        "by the base.",
        svg=to_svg(figure, "flips", "problems won and lost"),
        columns=("candidate", "base", "benchmark", "won", "solved in both", "in neither", "lost"),
        rows=tuple(
            (one.candidate.name, one.base.name, each.benchmark, *map(str, counts)) for one, each, counts in counted
        ),
    )


def robustness(runs: Sequence[PageRun]) -> Figure | None:
    """How far scores fall where problems are perturbed."""
    found = []
    for number, run in enumerate(runs[-MOST_RUNS:]):
        for name, plan in run.planned.items():
            base = name.removesuffix(f"/{plan.variant}")
            if plan.variant == NOMINAL or base not in run.planned:
                continue
            metric = "pass_at_1" if "pass" in plan.metrics else plan.metrics[0]
            values = [run.scored(each).by_problem(metric) for each in (base, name)]
            tasks = [task for task in values[0] if task in values[1]]
            if tasks:
                pair = ([value[task] for task in tasks] for value in values)
                found.append((number, run.name, name, paired_difference(*pair, resamples=RESAMPLES)))
    found = found[:MOST_ROWS]
    if not found:
        return None
    figure, (axis,) = drawing(height=1.1 + 0.34 * len(found))
    axis.axvline(0, color=FG, linewidth=0.8)
    for place, (number, _, _, each) in enumerate(found):
        own = series(number)
        axis.plot([each.interval.low, each.interval.high], [place, place], color=own["color"], linewidth=1.8)
        axis.plot([each.mean], [place], color=own["color"], marker=own["marker"], markersize=6, linestyle="none")
    axis.set_yticks(range(len(found)), [f"{short(run, 18)}  {short(name, 22)}" for _, run, name, _ in found])
    axis.set_ylim(len(found) - 0.4, -0.6)
    axis.set_xlabel("perturbed less nominal")
    axis.grid(visible=False, axis="y")
    return Figure(
        key="robustness",
        title="Robustness",
        caption="How the score changes where problems are perturbed: paired differences to the nominal form with "
        "their intervals.",
        svg=to_svg(figure, "robustness", "drop of scores under perturbed problems"),
        columns=("checkpoint", "variant", "difference", "interval"),
        rows=tuple(
            (run, name, f"{each.mean:+.3f}", f"{each.interval.low:+.3f} to {each.interval.high:+.3f}")
            for _, run, name, each in found
        ),
    )


def tags(runs: Sequence[PageRun]) -> Figure | None:
    """pass@1 by the tags of problems, such as their difficulty."""
    cells = {run.run_dir: _by_tag(run) for run in runs}
    names = list(dict.fromkeys(tag for found in cells.values() for tag in found))[:MOST_ROWS]
    shown = [run for run in runs if cells[run.run_dir]][-MOST_ROWS:]
    if not names or not shown:
        return None
    value_TR = np.array([[cells[run.run_dir].get(tag, (np.nan, 0))[0] for run in shown] for tag in names])
    figure, (axis,) = drawing(height=1.2 + 0.36 * len(names))
    # One colour that grows fainter reads alike in light and dark, and without colour.
    for (row, column), value in np.ndenumerate(value_TR):
        if not np.isnan(value):
            axis.add_patch(_cell(column, row, value))
            axis.text(column, row, f"{value:.2f}", ha="center", va="center", color=FG, fontsize=8)
    count = {tag: max(cells[run.run_dir].get(tag, (0, 0))[1] for run in shown) for tag in names}
    axis.set_xticks(range(len(shown)), [short(run.name, 90 // len(shown)) for run in shown])
    axis.set_yticks(range(len(names)), [f"{short(tag)} ({count[tag]})" for tag in names])
    axis.set(xlim=(-0.5, len(shown) - 0.5), ylim=(len(names) - 0.5, -0.5))
    axis.grid(visible=False)
    return Figure(
        key="tags",
        title="pass@1 by tag",
        caption="Mean pass@1 of the problems with each tag (their number in brackets); fuller colour: a higher score.",
        svg=to_svg(figure, "tags", "pass@1 by tag"),
        columns=("tag", "problems", *(run.name for run in shown)),
        rows=tuple(
            (tag, str(count[tag]), *("" if np.isnan(value) else f"{value:.3f}" for value in values))
            for tag, values in zip(names, value_TR, strict=True)
        ),
    )


def _by_tag(run: PageRun) -> dict[str, tuple[float, int]]:
    """Mean pass@1 and number of problems per tag, over all unperturbed benchmarks that have tests."""
    values: dict[tuple[str, str], float] = {}
    for name, plan in run.planned.items():
        if plan.variant == NOMINAL and "pass" in plan.metrics:
            values |= {(name, task): value for task, value in run.scored(name).by_problem("pass_at_1").items()}
    found: dict[str, list[float]] = {}
    for row in run.problems.select(["benchmark", "task_id", "variant", "tags"]).to_pylist():
        value = values.get((row["benchmark"], row["task_id"]))
        if value is not None and row["variant"] == NOMINAL:
            for tag in row["tags"]:
                found.setdefault(tag, []).append(value)
    return {tag: (float(np.mean(own)), len(own)) for tag, own in sorted(found.items())}


def _cell(column: int, row: int, value: float) -> Rectangle:
    from matplotlib.patches import Rectangle

    return Rectangle(
        (column - 0.48, row - 0.46), 0.96, 0.92, color=SERIES[0], alpha=0.08 + 0.62 * float(value), linewidth=0
    )
