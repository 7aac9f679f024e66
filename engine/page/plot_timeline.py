"""Plot of a run's time: tokens and executions per second, and how busy replicas and workers were.

Arrays carry their shape in their names: S spans, E edges of bins, R rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from engine.measured import Measured
from engine.page.figure import Figure
from engine.page.inputs import PageRun
from engine.page.plot_data import Known
from engine.page.plot_style import MUTED, SERIES, drawing, series, shared_legend, short, to_svg
from engine.statistics import FloatArray
from engine.timeline import EMPTY, pool_sizes, union, unions_by
from engine.usage import codes_of, floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TIMELINES = 3
NUM_BINS = 80
NUM_ROWS = 8
"""Lines of the table per run, each the mean of as many bins."""
LONGEST_WAIT = 60.0
"""Seconds without any work that are a pause, where a run did not note its sessions."""


def timeline(runs: Sequence[PageRun], known: Known) -> Figure | None:
    """Tokens and executions per second over the time of a run, and how busy replicas and workers were."""
    parts: list[tuple[PageRun, Measured, Clock]] = []
    for run in reversed(runs):
        if len(parts) < MOST_TIMELINES and (part := known.measured(run)) and (clock := Clock.of(run, part)):
            parts.insert(0, (run, part, clock))
    if not parts:
        return None
    figure, axes = drawing(3, len(parts), height=4.6, sharex="col", sharey="row")
    rows: list[tuple[str, ...]] = []
    for column, (run, part, clock) in enumerate(parts):
        rows += _draw_run(axes[column :: len(parts)], run.name, part, clock)
    for axis, label in zip(axes[:: len(parts)], ("tokens/s", "executions/s", "busy"), strict=True):
        axis.set_ylabel(label)
    for first in (0, len(parts)):  # the first row and the second share their scale over all runs
        axes[first].set_ylim(0, 1.05 * max(each.dataLim.y1 for each in axes[first : first + len(parts)]) or 1.0)
    shared_legend(figure, [axes[column] for column in range(2 * len(parts), 3 * len(parts))])
    note = "" if len(parts) == len(runs) else f" Of {len(runs)} runs the last {len(parts)} with times are drawn."
    return Figure(
        key="timeline",
        title="Throughput and idle time",
        caption="Tokens are spread evenly over the time of their request, executions over theirs. Busy: the share of "
        "replicas (or workers) with something to do; the rest is idle. Pauses between sessions are cut out (of "
        "more than a minute, where a run noted no sessions); dotted lines stand where one was." + note,
        svg=to_svg(figure, "timeline", "throughput and idle time over the run"),
        columns=("checkpoint", "from s", "to s", "tokens/s", "executions/s", "replicas busy", "workers busy"),
        rows=tuple(rows),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A run's own time: seconds of its sessions one after the other."""

    spans_S2: FloatArray
    """From the first to the last work of each session, seconds since the epoch; sorted, disjoint."""
    starts_S: FloatArray
    """When each begins, in the run's own time."""
    edges_E: FloatArray
    """Of the bins, in the run's own time."""

    @classmethod
    def of(cls, run: PageRun, part: Measured) -> Clock | None:
        """None where no work took any time."""
        work = np.concatenate([_intervals(part.requests), _intervals(part.executions)])
        sessions = [(each["started_at"], each["finished_at"]) for each in run.run.get("sessions", [])]
        spans = union(_spans(sessions, work) if sessions else _without_pauses(work))
        if not len(spans):
            return None
        ends = np.cumsum(spans[:, 1] - spans[:, 0])
        return cls(
            spans_S2=spans,
            starts_S=np.concatenate([[0.0], ends[:-1]]),
            edges_E=np.linspace(0.0, ends[-1], NUM_BINS + 1),
        )

    def at(self, times: FloatArray) -> FloatArray:
        """Seconds since the epoch as the run's own time; what lies in a pause stands at its end."""
        own = np.column_stack([self.starts_S, self.starts_S + self.spans_S2[:, 1] - self.spans_S2[:, 0]])
        placed: FloatArray = np.interp(times, self.spans_S2.ravel(), own.ravel())
        return placed

    def per_second(self, start: FloatArray, end: FloatArray, amount: FloatArray) -> FloatArray:
        """Amounts per second in each bin, each spread evenly over its interval; times are the run's own."""
        # The amount before a moment is a sum of ramps; its differences over the bins are what fell into them.
        length = np.maximum(end - start, 1e-6)
        before_E = np.array([(amount * np.clip((edge - start) / length, 0.0, 1.0)).sum() for edge in self.edges_E])
        return np.asarray(np.diff(before_E) / np.diff(self.edges_E))


def _intervals(table: pa.Table) -> FloatArray:
    return np.column_stack([floats(table["start"]), floats(table["end"])])


def _spans(sessions: Sequence[tuple[float, float | None]], work: FloatArray) -> FloatArray:
    """From the first to the last work of each session, as `engine.serving` defines idle time."""
    following = [*(start for start, _ in sessions[1:]), np.inf]
    spans = []
    for (start, end), next_start in zip(sessions, following, strict=True):
        own = work[(work[:, 0] >= start) & (work[:, 0] < next_start)]
        if len(own):
            spans.append((own[:, 0].min(), min(own[:, 1].max(), next_start if end is None else end)))
    return np.array(spans) if spans else EMPTY


def _without_pauses(work: FloatArray) -> FloatArray:
    """When anything went on, with gaps of less than LONGEST_WAIT closed."""
    half = np.array([-LONGEST_WAIT / 2, LONGEST_WAIT / 2])
    return np.asarray(union(work + half) - half) if len(work) else EMPTY


def _draw_run(axes: Sequence[Axes], name: str, part: Measured, clock: Clock) -> Iterator[tuple[str, ...]]:
    """One column of the figure; gives its numbers as rows."""
    edges = clock.edges_E
    rates = [_rate(part.requests, "output_tokens", clock), _rate(part.executions, "executions", clock)]
    busy = [_busy(table, clock) for table in (part.requests, part.executions)]
    for axis, values, colour in zip(axes, rates, (SERIES[0], SERIES[2]), strict=False):
        axis.stairs(values, edges, fill=True, color=colour, alpha=0.5, linewidth=0)
    for shares, label, number in zip(busy, ("replicas", "workers"), (0, 2), strict=True):
        if shares is not None:
            own = series(number)
            middle = (edges[1:] + edges[:-1]) / 2
            axes[2].plot(middle, shares, color=own["color"], linestyle=own["linestyle"], linewidth=1.4, label=label)
    for axis in axes:
        for start in clock.starts_S[1:]:
            axis.axvline(start, color=MUTED, linewidth=1.0, linestyle=":")
    axes[0].set_title(short(name, 20))
    axes[2].set(xlabel="seconds", ylim=(0, 1.05))
    for first in range(0, NUM_BINS, NUM_BINS // NUM_ROWS):
        bins = slice(first, first + NUM_BINS // NUM_ROWS)
        told = ["" if each is None else f"{each[bins].mean():.2f}" for each in busy]
        numbers = [f"{each[bins].mean():.4g}" for each in rates]
        yield (name, f"{edges[first]:.1f}", f"{edges[bins.stop]:.1f}", *numbers, *told)


def _rate(table: pa.Table, amount: str, clock: Clock) -> FloatArray:
    """What a table counts, per second in each bin; the part of an interval in a pause does not count."""
    times, amount_R = _intervals(table), floats(table[amount])
    own = np.isfinite(amount_R) & np.isfinite(times).all(axis=1)
    placed, length = clock.at(times[own]), np.diff(times[own]).ravel()
    share_R = np.where(length > 0, np.diff(placed).ravel() / np.maximum(length, 1e-9), 1.0)
    return clock.per_second(placed[:, 0], placed[:, 1], amount_R[own] * share_R)


def _busy(table: pa.Table, clock: Clock) -> FloatArray | None:
    """Share of a pool's members that had something to do, in each bin; None where there is no pool.

    The pool of each session is as large as in `engine.timeline.idle_share`; one in which none worked has no size.
    """
    if not table.num_rows:
        return None
    codes, names = codes_of(table["member"])
    members = unions_by(codes, _intervals(table), len(names))
    size_S = pool_sizes(members, clock.spans_S2).astype(float)
    span_S2 = clock.at(clock.spans_S2)
    capacity = clock.per_second(span_S2[:, 0], span_S2[:, 1], size_S * np.diff(span_S2).ravel())
    work = clock.at(np.concatenate(members))
    busy = clock.per_second(work[:, 0], work[:, 1], np.diff(work).ravel())
    return np.asarray(np.minimum(1.0, busy / np.maximum(capacity, 1e-9))) if size_S.any() else None
