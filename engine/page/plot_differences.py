"""Plots of differences: between checkpoints, problem by problem, and to perturbed forms of the same problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.compare import Compared, Comparison
from engine.page.figure import Figure
from engine.page.inputs import PageRun
from engine.page.plot_data import Known, first_metric, is_given, is_nominal
from engine.page.plot_style import (
    BG,
    FG,
    GRID,
    MUTED,
    SERIES,
    Tips,
    drawing,
    last,
    lines_of_bars,
    pair_label,
    series,
    shared_legend,
    short,
    to_svg,
)
from engine.paired import Difference, paired_difference
from engine.usage import IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES = 30
MOST_RUNS = 7
RESAMPLES = 1000
ROOM_FOR_NUMBER = 0.035
"""Part of the axis that a bar needs for a number to fit in it."""
VERDICTS = {
    "better": (SERIES[2], "^"),
    "worse": (SERIES[3], "v"),
    "no evidence": (MUTED, "o"),
    "inconclusive": (SERIES[1], "D"),
}
OUTCOMES = (
    ("won", SERIES[2], ""),
    ("solved in both", SERIES[0], ""),
    ("in neither", GRID, ""),
    ("lost", SERIES[3], "///"),
)


def forest(comparisons: Sequence[Comparison]) -> Figure | None:
    """Differences with their intervals, one line per benchmark and comparison."""
    pairs, note = last([(one, each) for one in comparisons for each in one.compared], MOST_LINES, "differences")
    if not pairs:
        return None
    figure, (axis,) = drawing(height=1.1 + 0.34 * len(pairs))
    margin, tips = comparisons[0].rules.margin, Tips()
    axis.axvspan(-margin, margin, color=GRID, alpha=0.35, linewidth=0)
    for end in (-margin, margin):
        axis.axvline(end, color=MUTED, linewidth=0.8, linestyle=":")
    axis.axvline(0, color=FG, linewidth=0.8)
    for place, (one, each) in enumerate(pairs):
        colour, marker = VERDICTS[each.verdict]
        text = f"{pair_label(one.candidate.name, each.benchmark)}: {_told(each.difference)}, {each.verdict}"
        _draw_interval(axis, place, each.difference, colour, marker, text, tips)
    lines_of_bars(axis, _labels(pairs))
    axis.set_xlabel("candidate less base")
    return Figure(
        key="forest",
        title="Differences",
        caption="Paired differences with their intervals. Up: better, down: worse, circle: no evidence, diamond: "
        f"inconclusive. Within the grey band (±{margin:g}) a difference does not matter." + note,
        svg=to_svg(figure, "forest", "differences between checkpoints with intervals", tips),
        columns=("candidate", "base", "benchmark", "difference", "interval", "verdict"),
        rows=tuple(
            (one.candidate.name, one.base.name, each.benchmark, *_numbers(each.difference), each.verdict)
            for one, each in pairs
        ),
    )


def _labels(pairs: Sequence[tuple[Comparison, Compared]]) -> list[str]:
    """By benchmark, and by candidate where there are several."""
    several = len({one.candidate.run_dir for one, _ in pairs}) > 1
    return [pair_label(one.candidate.name, e.benchmark) if several else short(e.benchmark) for one, e in pairs]


def _draw_interval(axis: Axes, place: int, found: Difference, colour: str, marker: str, text: str, tips: Tips) -> None:
    axis.plot([found.interval.low, found.interval.high], [place, place], color=colour, linewidth=1.8)
    (point,) = axis.plot([found.mean], [place], color=colour, marker=marker, markersize=6, linestyle="none")
    tips.add(point, text)


def _numbers(found: Difference) -> tuple[str, str]:
    return f"{found.mean:+.3f}", f"{found.interval.low:+.3f} to {found.interval.high:+.3f}"


def _told(found: Difference) -> str:
    mean, interval = _numbers(found)
    return f"{mean} ({interval})"


def flips(comparisons: Sequence[Comparison], runs: Sequence[PageRun], known: Known) -> Figure | None:
    """How many problems were won and lost, and how many stayed as they were."""
    by_dir = {run.run_dir: run for run in runs}
    pairs, note = last(
        [
            (one, each)
            for one in comparisons
            for each in one.compared
            if all(side.run_dir in by_dir for side in (one.base, one.candidate))
        ],
        MOST_LINES,
        "comparisons",
    )
    if not pairs:
        return None
    counts_LO = np.array([_outcomes(one, each, by_dir, known) for one, each in pairs])
    figure, (axis,) = drawing(height=1.3 + 0.36 * len(pairs))
    _draw_outcomes(axis, counts_LO, _labels(pairs))
    tips = Tips()
    for bars, (label, *_) in zip(axis.containers, OUTCOMES, strict=True):
        for bar, (one, each) in zip(bars, pairs, strict=True):
            tips.add(bar, f"{pair_label(one.candidate.name, each.benchmark)}: {bar.get_width():.0f} {label}")
    shared_legend(figure, [axis], columns=4)
    return Figure(
        key="flips",
        title="Problems won and lost",
        caption="A problem is solved where at least half of its samples pass. Won: only by the candidate; lost: only "
        "by the base." + note,
        svg=to_svg(figure, "flips", "problems won and lost", tips),
        columns=("candidate", "base", "benchmark", *(label for label, *_ in OUTCOMES)),
        rows=tuple(
            (one.candidate.name, one.base.name, each.benchmark, *(f"{count:,}" for count in counts))
            for (one, each), counts in zip(pairs, counts_LO.tolist(), strict=True)
        ),
    )


def _outcomes(
    one: Comparison, each: Compared, by_dir: Mapping[Path, PageRun], known: Known
) -> tuple[int, int, int, int]:
    """Problems per outcome, in the order of OUTCOMES."""
    base, candidate = (
        known.scored(by_dir[side.run_dir], each.benchmark).by_problem(each.metric) for side in (one.base, one.candidate)
    )
    shared = [task for task in base if task in candidate]
    solved = sum(base[task] >= 0.5 and candidate[task] >= 0.5 for task in shared)
    unsolved = sum(base[task] < 0.5 and candidate[task] < 0.5 for task in shared)
    return len(each.won), solved, unsolved, len(each.lost)


def _draw_outcomes(axis: Axes, counts_LO: IntArray, labels: Sequence[str]) -> None:
    """Stacked bars; numbers stand where they fit."""
    from matplotlib.ticker import MaxNLocator

    left_L = np.zeros(len(labels))
    for (label, colour, hatch), count_L in zip(OUTCOMES, counts_LO.T, strict=True):
        bars = axis.barh(
            range(len(labels)), count_L, left=left_L, color=colour, hatch=hatch, edgecolor=BG, linewidth=0.6,
            label=label, alpha=0.65,
        )  # fmt: skip
        least = ROOM_FOR_NUMBER * counts_LO.sum(axis=1).max()
        texts = [str(count) if count >= least else "" for count in count_L]
        axis.bar_label(bars, texts, label_type="center", fontsize=8, color=FG)
        left_L += count_L
    lines_of_bars(axis, labels)
    axis.set_xlabel("problems")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def robustness(runs: Sequence[PageRun], known: Known) -> Figure | None:
    """How far scores fall where problems are perturbed."""
    latest, note = last(runs, MOST_RUNS, "runs")
    found = [
        (number, run.name, name, difference)
        for number, run in enumerate(latest)
        for name in run.planned
        if not is_nominal(run, name) and (difference := _drop(run, name, known)) is not None
    ]
    found, more = last(found, MOST_LINES, "variants")
    if not found:
        return None
    figure, (axis,) = drawing(height=1.1 + 0.34 * len(found))
    axis.axvline(0, color=FG, linewidth=0.8)
    tips = Tips()
    for place, (number, run_name, name, each) in enumerate(found):
        own = series(number)
        _draw_interval(
            axis, place, each, own["color"], own["marker"], f"{pair_label(run_name, name)}: {_told(each)}", tips
        )
    several = len({run_name for _, run_name, *_ in found}) > 1
    lines_of_bars(axis, [pair_label(one, name) if several else short(name) for _, one, name, _ in found])
    axis.set_xlabel("perturbed less nominal")
    return Figure(
        key="robustness",
        title="Robustness",
        caption="How the score changes where problems are perturbed: paired differences to the nominal form of the "
        "same problems, with 95% intervals; left of zero is a drop." + note + more,
        svg=to_svg(figure, "robustness", "drop of scores under perturbed problems", tips),
        columns=("checkpoint", "variant", "difference", "interval", "problems"),
        rows=tuple((one, name, *_numbers(each), f"{each.num_problems:,}") for _, one, name, each in found),
    )


def _drop(run: PageRun, name: str, known: Known) -> Difference | None:
    """A perturbed benchmark less its nominal form; None where one of both says nothing, or no share."""
    base = name.removesuffix(f"/{run.planned[name].variant}")
    if not (is_given(run, name) and is_given(run, base)):
        return None
    metrics = (run.planned[each].metrics for each in (base, name))
    metric, other = (first_metric(each) for each in metrics)
    if metric != other:
        return None
    values = [known.scored(run, each).by_problem(metric) for each in (base, name)]
    tasks = [task for task in values[0] if task in values[1]]
    pair = [[value[task] for task in tasks] for value in values]
    if not tasks or not all(0.0 <= value <= 1.0 for side in pair for value in side):
        return None
    clusters = _clusters(run, base)
    shared = [clusters.get(task, f"\0{task}") for task in tasks]
    return paired_difference(*pair, clusters_P=shared if len(set(shared)) < len(shared) else None, resamples=RESAMPLES)


def _clusters(run: PageRun, label: str) -> dict[str, str]:
    """What problems share, by task; those that stand alone are not in it."""
    rows = run.problems.select(["benchmark", "task_id", "cluster"]).to_pylist()
    return {row["task_id"]: row["cluster"] for row in rows if row["benchmark"] == label and row["cluster"]}
