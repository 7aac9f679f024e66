"""Plots of samples: what became of them, and how long they took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from engine.page.figure import Figure
from engine.page.inputs import PageRun
from engine.page.plot_data import Known
from engine.page.plot_style import (
    BG,
    GRID,
    LEGEND_CHARS,
    MUTED,
    SERIES,
    Tips,
    drawing,
    last,
    lines_of_bars,
    log_axis,
    pair_label,
    series,
    shared_legend,
    short,
    to_svg,
)
from engine.statistics import FloatArray
from runners.program import Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_RUNS = 7
MOST_BARS = 24
CDF_POINTS = 300
MOST_STEPS = 60
LOOKS = {
    Status.PASSED: (SERIES[2], ""),
    Status.WRONG_ANSWER: (SERIES[3], ""),
    Status.RUNTIME_ERROR: (SERIES[1], ""),
    Status.COMPILE_ERROR: (SERIES[4], ""),
    Status.TIMEOUT: (SERIES[0], "///"),
    Status.MEMORY_LIMIT: (SERIES[5], "\\\\\\"),
    Status.OUTPUT_LIMIT: (SERIES[1], "///"),
    Status.FORBIDDEN: (SERIES[3], "|||"),
    Status.SANDBOX_ERROR: (MUTED, "xxx"),
    Status.GENERATION_ERROR: (MUTED, "---"),
    Status.MISSING: (GRID, "xxx"),
}
"""Colour and hatch of each status: those that speak of us are grey."""
LATENCIES = {"ttft_seconds": "time to first token", "e2e_seconds": "end to end"}


def statuses(runs: Sequence[PageRun]) -> Figure | None:
    """Shares of what became of the samples."""
    found = [
        (run.name, name, each.statuses)
        for run in runs
        for name, each in run.metrics.benchmarks.items()
        if sum(each.statuses.values())
    ]
    bars, note = last(found, MOST_BARS, "bars")
    if not bars:
        return None
    present = [status for status in LOOKS if any(status in counts for *_, counts in bars)]
    figure, (axis,) = drawing(height=1.3 + 0.36 * len(bars))
    tips = Tips()
    left_B = np.zeros(len(bars))
    for status in present:
        left_B += _draw_status(axis, status, bars, left_B, tips)
    several = len({name for _, name, _ in bars}) > 1
    lines_of_bars(axis, [pair_label(run, name) if several else short(run) for run, name, _ in bars])
    axis.set(xlim=(0, 1), xlabel="share of samples")
    shared_legend(figure, [axis], columns=4)
    return Figure(
        key="statuses",
        title="What became of the samples",
        caption="Shares of all planned samples. Grey ones are faults of ours: they leave a problem's n and are never "
        "wrong answers." + note,
        svg=to_svg(figure, "statuses", "shares of verdicts", tips),
        columns=("checkpoint", "benchmark", *present),
        rows=tuple((run, name, *(f"{counts.get(status, 0):,}" for status in present)) for run, name, counts in bars),
    )


def _draw_status(
    axis: Axes, status: Status, bars: Sequence[tuple[str, str, dict[str, int]]], left_B: FloatArray, tips: Tips
) -> FloatArray:
    """One part of each bar; gives their widths."""
    colour, hatch = LOOKS[status]
    label = status.replace("_", " ")
    count_B = np.array([counts.get(status, 0) for *_, counts in bars])
    total_B = np.array([sum(counts.values()) for *_, counts in bars])
    drawn = axis.barh(
        range(len(bars)), count_B / total_B, left=left_B, color=colour, hatch=hatch, edgecolor=BG, linewidth=0.6,
        label=label,
    )  # fmt: skip
    for part, (run, name, _), count, total in zip(drawn, bars, count_B, total_B, strict=True):
        tips.add(part, f"{pair_label(run, name)}: {count:,} of {total:,} {label} ({count / total:.1%})")
    return np.asarray(count_B / total_B)


def latency(runs: Sequence[PageRun], known: Known) -> Figure | None:
    """Distributions of time to first token and of end-to-end latency."""
    latest, note = last(runs, MOST_RUNS, "runs")
    found = {kind: _latencies(latest, kind, known) for kind in LATENCIES}
    found = {kind: values for kind, values in found.items() if values}
    if not found:
        return None
    figure, axes = drawing(1, len(found), sharey=True)
    rows: list[tuple[str, ...]] = []
    for axis, (kind, measured) in zip(axes, found.items(), strict=True):
        for number, values in measured.items():
            _draw_cdf(axis, short(latest[number].name, LEGEND_CHARS), number, values)
            percentiles = (f"{each:.3g}" for each in np.percentile(values, (50, 90, 99)))
            rows.append((LATENCIES[kind], latest[number].name, f"{values.size:,}", *percentiles))
        axis.set(title=LATENCIES[kind], xlabel="seconds", ylim=(0, 1.02))
        positive = [float(end) for values in measured.values() for end in values[values > 0][[0, -1]]]
        log_axis(axis, min(positive), max(positive))
    axes[0].set_ylabel("share of completions")
    if len(latest) > 1:
        shared_legend(figure, axes)
    return Figure(
        key="latency",
        title="Latency",
        caption="The share of completions that took no longer. Failed ones do not count; greedy copies of one "
        "completion count once." + note,
        svg=to_svg(figure, "latency", "distributions of latency"),
        columns=("latency", "checkpoint", "completions", "p50 s", "p90 s", "p99 s"),
        rows=tuple(rows),
    )


def _latencies(runs: Sequence[PageRun], kind: str, known: Known) -> dict[int, FloatArray]:
    """Sorted seconds of each run by its number, where any took time at all."""
    measured = ((number, known.measured(run)) for number, run in enumerate(runs))
    found = {number: np.sort(part.generation[kind]) for number, part in measured if part is not None}
    return {number: values for number, values in found.items() if (values > 0).any()}


def _draw_cdf(axis: Axes, label: str, number: int, values: FloatArray) -> None:
    """From sorted values: step by step where they are few, else thinned to what a plot can show."""
    at = np.unique(np.linspace(0, values.size - 1, min(values.size, CDF_POINTS)).round().astype(int))
    own = series(number)
    drawstyle: Literal["steps-post", "default"] = "steps-post" if values.size <= MOST_STEPS else "default"
    axis.plot(
        values[at], (at + 1) / values.size, drawstyle=drawstyle, color=own["color"], linestyle=own["linestyle"],
        linewidth=1.6, label=label,
    )  # fmt: skip
