"""Plots of a stress run: latency and goodput against the load, and latency distributions; PNG and SVG."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.stress.goals import Goal, Metric
from engine.stress.knee import Knee
from engine.stress.levels import Level, by_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
"""Colours that are told apart with any form of colour blindness (Okabe and Ito 2008); yellow is too pale for lines."""
PERCENTILES = {"p50": ("o", "-"), "p90": ("s", "--"), "p99": ("^", "-")}
"""Marker and line, so that curves differ without colour too."""
PANELS: tuple[tuple[Metric, str], ...] = (
    ("ttft", "time to first token"),
    ("tpot", "time per output token"),
    ("e2e", "end-to-end latency"),
)
AXIS = {"rate": "offered load (requests/s)", "concurrency": "requests in flight"}
LOG_SPAN = 6.0
"""Largest over smallest load from which its axis is logarithmic."""
MAX_CURVES = len(OKABE_ITO)
DPI = 150
GOAL_LINE: Any = {"color": "#666666", "linestyle": ":", "linewidth": 1.2}
STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.titlesize": 11,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "codeassay",
}


def draw_plots(levels: Sequence[Level], knee: Knee | None, title: str, directory: Path) -> list[Path]:
    """Draw what the levels have to show; gives the files, a PNG and an SVG each.

    Args:
        levels: at least one, all of one kind of load.
        knee: drawn as a line where it was found.
        title: stands above each figure.
        directory: where the files go.
    """
    import matplotlib as mpl

    ordered = by_value(levels)
    with mpl.rc_context(STYLE):
        figures = {
            "latency": _latency(ordered, knee, title),
            "goodput": _goodput(ordered, knee, title),
            "cdf": _distributions(ordered, knee, title),
        }
        return [path for name, figure in figures.items() for path in _save(figure, directory / name)]


def _figure(columns: int, title: str) -> tuple[Figure, list[Axes]]:
    """A figure of its own, without pyplot: no display, nothing global."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(0.8 + 4.2 * columns if columns > 1 else 6.4, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    axes = figure.subplots(1, columns, squeeze=False)
    return figure, list(axes[0])


def _save(figure: Figure, stem: Path) -> list[Path]:
    paths = [stem.with_suffix(".png"), stem.with_suffix(".svg")]
    figure.savefig(paths[0], dpi=DPI, metadata={"Software": "codeassay"})
    figure.savefig(paths[1], metadata={"Date": None, "Creator": "codeassay"})
    return paths


def _latency(levels: Sequence[Level], knee: Knee | None, title: str) -> Figure:
    """Percentiles of each metric against the load, with its goals."""
    panels = [panel for panel in PANELS if any(level.latency(panel[0], "mean") is not None for level in levels)]
    figure, axes = _figure(max(1, len(panels)), title)
    for axis, (metric, name) in zip(axes, panels, strict=False):
        for (statistic, (marker, line)), color in zip(PERCENTILES.items(), OKABE_ITO, strict=False):
            points = [(level.value, level.latency(metric, statistic)) for level in levels]
            known = [(value, seconds * 1e3) for value, seconds in points if seconds is not None]
            axis.plot(*zip(*known, strict=True), marker=marker, linestyle=line, color=color, label=statistic)
        _draw_goals(axis, [goal for goal in levels[0].goals if goal.metric == metric])
        _scale_latency(axis)
        _draw_knee(axis, knee)
        axis.set_title(name)
        axis.set_ylabel("latency (ms)")
        _load_axis(axis, levels)
    _shared_legend(figure, axes)
    return figure


def _goodput(levels: Sequence[Level], knee: Knee | None, title: str) -> Figure:
    """Requests answered and requests within the goals, against the load."""
    figure, (axis,) = _figure(1, title)
    values = [level.value for level in levels]
    if levels[0].load == "rate":
        axis.plot(values, values, color="#999999", linestyle=":", label="offered")
    answered = [level.median(lambda figures: figures.request_rate) or 0.0 for level in levels]
    axis.plot(values, answered, marker="s", linestyle="--", color=OKABE_ITO[1], label="answered")
    if levels[0].goals:
        good = [level.median(lambda figures: figures.goodput) or 0.0 for level in levels]
        axis.plot(values, good, marker="o", color=OKABE_ITO[0], label="goodput: within all goals")
    axis.set_xlabel(AXIS[levels[0].load])
    axis.set_ylabel("requests/s")
    axis.set_xlim(left=0)
    axis.set_ylim(bottom=0)
    _draw_knee(axis, knee)
    axis.legend()
    return figure


def _distributions(levels: Sequence[Level], knee: Knee | None, title: str) -> Figure:
    """The share of requests that took no longer, per level."""
    panels = [panel for panel in PANELS if panel[0] != "tpot" and _samples(levels, panel[0])]
    figure, axes = _figure(max(1, len(panels)), title)
    for axis, (metric, name) in zip(axes, panels, strict=False):
        for level, color, line in zip(_chosen(levels, knee), itertools.cycle(OKABE_ITO), _lines(), strict=False):
            sorted_R = np.sort(np.array(_samples([level], metric))) * 1e3
            if sorted_R.size:
                share_R = np.arange(1, sorted_R.size + 1) / sorted_R.size
                axis.step(sorted_R, share_R, where="post", color=color, linestyle=line, label=level.name)
        for goal in (goal for goal in levels[0].goals if goal.metric == metric):
            axis.axvline(goal.limit_seconds * 1e3, **GOAL_LINE)
        _scale_latency(axis, horizontal=True)
        axis.set_title(name)
        axis.set_xlabel("latency (ms)")
        axis.set_ylabel("share of requests")
        axis.set_ylim(0, 1.02)
    _shared_legend(figure, axes)
    return figure


def _shared_legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend below all panels, where it covers no curve."""
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), MAX_CURVES))


def _samples(levels: Sequence[Level], metric: Metric) -> list[float]:
    """TTFT or E2E of every measured request of all runs, in seconds."""
    requests = [request for level in levels for run in level.runs for request in run.requests if not request.is_warm_up]
    values = [request.ttft_seconds if metric == "ttft" else request.e2e_seconds for request in requests]
    return [value for value in values if value is not None]


def _chosen(levels: Sequence[Level], knee: Knee | None) -> list[Level]:
    """The levels of the sweep and the knee, no more than there are colours, evenly spread with both ends among them."""
    shown = [level for level in levels if not level.is_probe or (knee is not None and level.value == knee.rate)]
    if len(shown) <= MAX_CURVES:
        return shown
    return [shown[int(number)] for number in np.linspace(0, len(shown) - 1, MAX_CURVES).round()]


def _lines() -> itertools.cycle[str]:
    return itertools.cycle(("-", "--", "-."))


def _is_log(levels: Sequence[Level]) -> bool:
    return levels[-1].value / levels[0].value >= LOG_SPAN


def _load_axis(axis: Axes, levels: Sequence[Level]) -> None:
    axis.set_xlabel(AXIS[levels[0].load])
    if _is_log(levels):
        axis.set_xscale("log", base=2)
    _plain_ticks(axis.xaxis, [level.value for level in levels if not level.is_probe])


def _plain_ticks(axis: Any, values: Sequence[float]) -> None:  # noqa: ANN401 - XAxis or YAxis
    """Ticks at the levels of the sweep, written as they were typed."""
    axis.set_ticks(values, labels=[f"{value:g}" for value in values])
    axis.set_ticks([], minor=True)


def _scale_latency(axis: Axes, *, horizontal: bool = False) -> None:
    """Logarithmic where the data spans more than a decade, else from zero; plain numbers, and room above."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.dataLim.intervalx if horizontal else axis.dataLim.intervaly
    side = axis.xaxis if horizontal else axis.yaxis
    if not 0 < low <= high:
        return
    is_log = high / low > 10
    if is_log:
        (axis.set_xscale if horizontal else axis.set_yscale)("log")
        side.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        side.set_minor_formatter(NullFormatter())
    (axis.set_xlim if horizontal else axis.set_ylim)(low / 1.5 if is_log else 0.0, high * (1.5 if is_log else 1.15))
    side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _draw_goals(axis: Axes, goals: Sequence[Goal]) -> None:
    for goal in goals:
        limit = goal.limit_seconds * 1e3
        axis.axhline(limit, **GOAL_LINE)
        # Curves rise to the right, so the left is where the text is free.
        axis.annotate(
            f"{goal.statistic} goal {limit:g} ms",
            (0.02, limit),
            xycoords=("axes fraction", "data"),
            xytext=(0, 2),
            textcoords="offset points",
            fontsize=8,
            color="#444444",
        )


def _draw_knee(axis: Axes, knee: Knee | None) -> None:
    if knee is not None and knee.rate is not None and knee.failing_rate is not None:
        axis.axvline(knee.rate, color="#D55E00", linewidth=1.2, alpha=0.8, label=f"knee {knee.rate:.4g}/s")
