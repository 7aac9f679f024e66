"""Plots of samples: what became of them, how long they took, and how busy the machines were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from engine.measured import Measured
from engine.page.figure import Figure
from engine.page.inputs import PageRun
from engine.page.plot_style import BG, GRID, MUTED, SERIES, drawing, series, short, to_svg
from engine.statistics import FloatArray
from engine.timeline import union, unions_by
from engine.usage import codes_of, floats
from runners.program import Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_RUNS = 7
MOST_BARS = 24
MOST_TIMELINES = 3
NUM_BINS = 80
CDF_POINTS = 300
LOOKS = {
    Status.PASSED: (SERIES[2], ""),
    Status.WRONG_ANSWER: (SERIES[3], ""),
    Status.RUNTIME_ERROR: (SERIES[1], ""),
    Status.COMPILE_ERROR: (SERIES[4], ""),
    Status.TIMEOUT: (SERIES[0], "///"),
    Status.MEMORY_LIMIT: (SERIES[5], "///"),
    Status.OUTPUT_LIMIT: (SERIES[1], "///"),
    Status.FORBIDDEN: (SERIES[3], "///"),
    Status.SANDBOX_ERROR: (MUTED, "xxx"),
    Status.GENERATION_ERROR: (MUTED, "..."),
    Status.MISSING: (GRID, "xxx"),
}
"""Colour and hatch of each status: those that speak of us are grey."""


def statuses(runs: Sequence[PageRun]) -> Figure | None:
    """Shares of what became of the samples."""
    bars = [
        (run.name, name, each.statuses)
        for run in runs
        for name, each in run.metrics.benchmarks.items()
        if each.statuses
    ][-MOST_BARS:]
    if not bars:
        return None
    present = [status for status in LOOKS if any(status in counts for *_, counts in bars)]
    figure, (axis,) = drawing(height=1.3 + 0.36 * len(bars))
    total = np.array([sum(counts.values()) for *_, counts in bars])
    left = np.zeros(len(bars))
    for status in present:
        colour, hatch = LOOKS[status]
        shares = np.array([counts.get(status, 0) for *_, counts in bars]) / total
        axis.barh(
            range(len(bars)), shares, left=left, color=colour, hatch=hatch, edgecolor=BG, linewidth=0.6,
            label=status.replace("_", " "),
        )  # fmt: skip
        left += shares
    several = len({name for _, name, _ in bars}) > 1
    labels = [f"{short(run, 20)}  {short(name, 16)}" if several else short(run) for run, name, _ in bars]
    axis.set_yticks(range(len(bars)), labels)
    axis.set(xlim=(0, 1), ylim=(len(bars) - 0.4, -0.6), xlabel="share of samples")
    axis.grid(visible=False, axis="y")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper left", ncols=min(4, len(present)))
    return Figure(
        key="statuses",
        title="What became of the samples",
        caption="Shares of all planned samples. Grey ones are faults of ours: they leave a problem's n and are never "
        "wrong answers.",
        svg=to_svg(figure, "statuses", "shares of verdicts"),
        columns=("checkpoint", "benchmark", *present),
        rows=tuple((run, name, *(f"{counts.get(status, 0):,}" for status in present)) for run, name, counts in bars),
    )


def latency(runs: Sequence[PageRun]) -> Figure | None:
    """Distributions of time to first token and of end-to-end latency."""
    latest = runs[-MOST_RUNS:]
    measured = [_measured(run) for run in latest]
    kinds = {"ttft_seconds": "time to first token", "e2e_seconds": "end to end"}
    shown = [kind for kind in kinds if any(part and part.generation[kind].size for part in measured)]
    if not shown:
        return None
    figure, axes = drawing(1, len(shown), sharey=True)
    rows: list[tuple[str, ...]] = []
    for axis, kind in zip(axes, shown, strict=True):
        for number, (run, part) in enumerate(zip(latest, measured, strict=True)):
            if part is None or not part.generation[kind].size:
                continue
            values = np.sort(part.generation[kind])
            own = series(number)
            at = np.unique(np.linspace(0, values.size - 1, min(values.size, CDF_POINTS)).round().astype(int))
            axis.plot(
                values[at],
                (at + 1) / values.size,
                color=own["color"],
                linestyle=own["linestyle"],
                linewidth=1.6,
                label=short(run.name),
            )
            p50, p90, p99 = np.percentile(values, (50, 90, 99))
            rows.append((kinds[kind], run.name, f"{values.size:,}", f"{p50:.3g}", f"{p90:.3g}", f"{p99:.3g}"))
        axis.set(title=kinds[kind], xlabel="seconds", ylim=(0, 1.02))
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
    axes[0].set_ylabel("share of completions")
    if len(latest) > 1:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return Figure(
        key="latency",
        title="Latency",
        caption="The share of completions that took no longer. Failed ones do not count; greedy copies of one "
        "completion count once.",
        svg=to_svg(figure, "latency", "distributions of latency"),
        columns=("latency", "checkpoint", "completions", "p50 s", "p90 s", "p99 s"),
        rows=tuple(rows),
    )


def _measured(run: PageRun) -> Measured | None:
    has_copies = run.run["identity"]["generation"].get("temperature") == 0
    scored = [run.scored(name) for name in run.planned]
    parts = [Measured.of(each.rows, each.problem_R, has_copies=has_copies) for each in scored if each.rows.num_rows]
    return Measured.together(parts) if parts else None


def timeline(runs: Sequence[PageRun]) -> Figure | None:
    """Tokens and executions per second over the time of a run, and how busy replicas and workers were."""
    parts = [(run, part) for run in runs if (part := _measured(run)) and _spans(part).size][-MOST_TIMELINES:]
    if not parts:
        return None
    figure, axes = drawing(3, len(parts), height=4.6, sharex="col", sharey="row")
    rows: list[tuple[str, ...]] = []
    for column, (run, part) in enumerate(parts):
        rows += _draw_timeline(axes[column :: len(parts)], run, part, is_first=column == 0)
    left_out = "" if len(parts) == len(runs) else f" Of {len(runs)} runs the last {len(parts)} are drawn."
    return Figure(
        key="timeline",
        title="Throughput and idle time",
        caption="Tokens are spread evenly over the time of their request, executions over theirs. Busy: the share of "
        "replicas (or workers) with something to do; the rest is idle. Pauses between sessions are cut out." + left_out,
        svg=to_svg(figure, "timeline", "throughput and idle time over the run"),
        columns=("checkpoint", "from s", "to s", "tokens/s", "executions/s", "replicas busy", "workers busy"),
        rows=tuple(rows),
    )


def _draw_timeline(axes: Sequence[Axes], run: PageRun, part: Measured, *, is_first: bool) -> Iterator[tuple[str, ...]]:
    spans = _spans(part)
    origin_S = np.concatenate([[0.0], np.cumsum(spans[:, 1] - spans[:, 0])])
    edges = np.linspace(0.0, origin_S[-1], NUM_BINS + 1)
    middle, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    tokens = _rate(part.requests, "output_tokens", spans, edges)
    executions = _rate(part.executions, "executions", spans, edges)
    busy = [_busy(table, spans, edges) for table in (part.requests, part.executions)]
    axes[0].fill_between(middle, tokens, step="mid", color=SERIES[0], alpha=0.5, linewidth=0)
    axes[1].fill_between(middle, executions, step="mid", color=SERIES[2], alpha=0.5, linewidth=0)
    for values, label, number in zip(busy, ("replicas", "workers"), (0, 2), strict=True):
        own = series(number)
        axes[2].plot(middle, values, color=own["color"], linestyle=own["linestyle"], linewidth=1.4, label=label)
    axes[0].set_title(short(run.name))
    axes[2].set(xlabel="seconds", ylim=(0, 1.05))
    if is_first:
        for axis, label in zip(axes, ("tokens/s", "executions/s", "busy"), strict=True):
            axis.set_ylabel(label)
        axes[2].legend(loc="best")
    for first in range(0, NUM_BINS, NUM_BINS // 8):
        bins = slice(first, first + NUM_BINS // 8)
        numbers = [f"{each[bins].mean():.4g}" for each in (tokens, executions)]
        numbers += [f"{each[bins].mean():.2f}" for each in busy]
        yield (run.name, f"{edges[first]:.1f}", f"{edges[first] + width * (NUM_BINS // 8):.1f}", *numbers)


def _intervals(table: pa.Table) -> FloatArray:
    return np.column_stack([floats(table["start"]), floats(table["end"])])


def _spans(part: Measured) -> FloatArray:
    """When anything went on, with gaps of less than a minute closed: pauses between sessions are no idle time."""
    both: FloatArray = np.concatenate([_intervals(part.requests), _intervals(part.executions)])
    both = both[np.isfinite(both).all(axis=1)]
    if not both.size:
        return both
    padded = union(both + np.array([-30.0, 30.0]))
    return np.asarray(padded + np.array([30.0, -30.0]))


def _on_axis(times: FloatArray, spans: FloatArray) -> FloatArray:
    """Seconds since the epoch as seconds of the run, pauses cut out."""
    origin_S = np.concatenate([[0.0], np.cumsum(spans[:, 1] - spans[:, 0])])
    placed: FloatArray = np.interp(times, spans.ravel(), np.repeat(origin_S, 2)[1:-1])
    return placed


def _rate(table: pa.Table, amount: str, spans: FloatArray, edges: FloatArray) -> FloatArray:
    """Amounts per second in each bin, each spread evenly over its interval."""
    amount_R = floats(table[amount])
    own = np.isfinite(amount_R)
    start, end = (_on_axis(floats(table[name])[own], spans) for name in ("start", "end"))
    # The amount before a time is a sum of ramps; its differences over the bins are what fell into them.
    length = np.maximum(end - start, 1e-6)
    before: FloatArray = np.array(
        [(amount_R[own] * np.clip((edge - start) / length, 0.0, 1.0)).sum() for edge in edges]
    )
    return np.asarray(np.diff(before) / np.diff(edges))


def _busy(table: pa.Table, spans: FloatArray, edges: FloatArray) -> FloatArray:
    """Share of the members that had something to do, in each bin; zero where there are none."""
    if not table.num_rows:
        return np.zeros(edges.size - 1)
    codes, members = codes_of(table["member"])
    merged = unions_by(codes, _on_axis(_intervals(table).ravel(), spans).reshape(-1, 2), len(members))
    before = np.zeros(edges.size)
    for own in merged:
        before += np.array([np.clip(edge - own[:, 0], 0.0, own[:, 1] - own[:, 0]).sum() for edge in edges])
    busy = np.diff(before) / np.diff(edges)
    return np.asarray(busy / max(1.0, float(np.ceil(busy.max() - 1e-9))))
