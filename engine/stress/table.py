"""A stress run in a terminal: what each level carried, its latencies, and what the reader must know of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engine.stress.figures import ARRIVAL_TO_END, MAX_ERROR_RATE, Figures
from engine.stress.files import errors_of
from engine.stress.goals import METRICS, STATISTICS
from engine.stress.knee import Knee
from engine.stress.levels import Level, by_value

NAMES = {"ttft": "TTFT", "tpot": "TPOT", "itl": "ITL", "e2e": "E2E", ARRIVAL_TO_END: "due to end"}
SPREAD = (("ttft", "p50"), ("ttft", "p99"), ("tpot", "p50"), ("tpot", "p99"), ("e2e", "p50"), ("e2e", "p99"))
LONGEST_ERROR = 160
DELAY_SHOWN = 0.01
"""Share of E2E from which the delay on our own side has a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is shown of a stress run."""

    model: str
    asked: str
    """Where the prompts come from, how many, and in which form."""
    arrivals: str
    levels: Sequence[Level]
    knee: Knee | None
    directory: Path


def render(shown: Shown) -> RenderableType:
    """Two tables (load, latency), the spread where levels ran several times, then the notes."""
    levels = by_value(shown.levels)
    parts: list[RenderableType] = [Text(f"{shown.model}\n{shown.asked}\n{shown.arrivals}", style="bold"), ""]
    parts += [_load_table(levels), "", _latency_table([level for level in levels if _is_detailed(level, shown.knee)])]
    if any(len(level.runs) > 1 for level in levels):
        parts += ["", _spread_table(levels)]
    parts.append("")
    if shown.knee is not None:
        parts.append(Text(f"knee: {shown.knee}", style="bold"))
    parts += [Text(note, style="yellow") for note in notes(levels)]
    parts.append(Text(f"files: {shown.directory}", no_wrap=True, overflow="ignore"))
    return Group(*parts)


def notes(levels: Sequence[Level]) -> Iterator[str]:
    """What weakens trust in the figures."""
    for level in levels:
        if any(run.figures.is_client_bound for run in level.runs):
            late = level.latency("late", "mean") or 0.0
            yield (
                f"{level.name}: the load generator was the bottleneck: requests were sent {late * 1e3:.1f} ms late on "
                f"average, {level.median(lambda figures: figures.late_share):.0%} of the gap between them."
            )
        if level.goals and any(run.figures.error_rate > MAX_ERROR_RATE for run in level.runs):
            yield f"{level.name}: more than {MAX_ERROR_RATE:.0%} of the requests failed, so no goal counts as met."
    unmeasured = {
        goal.metric
        for level in levels
        for goal in level.goals
        if level.latency("e2e", "mean") is not None and level.latency(goal.metric, "mean") is None
    }
    for metric in sorted(unmeasured):
        yield f"{NAMES[metric]} was not measured: the model did not tell when its tokens came, so its goals are missed."
    for error, count in errors_of(levels).most_common(3):
        yield f"{count} x {error:.{LONGEST_ERROR}}"


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    return table


def _load_table(levels: Sequence[Level]) -> Table:
    with_goals = any(level.goals for level in levels)
    goals = ["good/s", "goals"] if with_goals else []
    table = _table("load", "req", "req/s", "out tok/s", "tok/s", "failed", "at once", *goals)
    for level in levels:
        cells = [
            level.name + (" *" if level.is_probe else ""),
            _number(level.median(lambda figures: figures.requests), ".0f"),
            _number(level.median(lambda figures: figures.request_rate), ".2f"),
            _number(level.median(lambda figures: figures.output_token_rate), ",.0f"),
            _number(level.median(lambda figures: figures.total_token_rate), ",.0f"),
            _number(level.median(lambda figures: figures.error_rate), ".1%"),
            _number(level.median(lambda figures: figures.in_flight_max), ".0f"),
        ]
        goal_cells = [Text(_number(level.median(_goodput), ".2f")), _verdict(level)] if with_goals else []
        table.add_row(*cells, *goal_cells)
    if any(level.is_probe for level in levels):
        table.caption, table.caption_justify = "* added by the search for the knee", "left"
    return table


def _goodput(figures: Figures) -> float | None:
    return figures.goodput


def _verdict(level: Level) -> Text:
    return Text("met", style="green") if level.meets else Text("missed", style="red")


def _latency_table(levels: Sequence[Level]) -> Table:
    table = _table("load", "ms", *STATISTICS)
    for level in levels:
        names = [*METRICS, ARRIVAL_TO_END] if _is_delayed(level) else METRICS
        measured = [name for name in names if level.latency(name, "mean") is not None]
        for row, series in enumerate(measured):
            cells = [_cell(level, series, statistic) for statistic in STATISTICS]
            table.add_row(level.name if row == 0 else "", NAMES[series], *cells, end_section=row == len(measured) - 1)
    table.columns[1].justify = "left"
    return table


def _is_detailed(level: Level, knee: Knee | None) -> bool:
    """Probes are told in the first table; of their latencies only those at the knee are shown."""
    return not level.is_probe or (knee is not None and level.value == knee.rate)


def _is_delayed(level: Level) -> bool:
    """Whether our own side added what is worth a row: then the time from when requests were due stands beside E2E."""
    e2e, to_end = level.latency("e2e", "mean"), level.latency(ARRIVAL_TO_END, "mean")
    return e2e is not None and to_end is not None and to_end > e2e * (1 + DELAY_SHOWN)


def _cell(level: Level, series: str, statistic: str) -> Text:
    """The value in milliseconds, coloured where a goal speaks of it."""
    goals = [goal for goal in level.goals if (goal.metric, goal.statistic) == (series, statistic)]
    style = "" if not goals else "red" if any(goal in level.missed for goal in goals) else "green"
    return Text(milliseconds(level.latency(series, statistic)), style=style)


def _spread_table(levels: Sequence[Level]) -> Table:
    table = _table("load", "runs", *(f"{NAMES[series]} {statistic}" for series, statistic in SPREAD))
    for level in levels:
        cells = [_number(level.spread(series, statistic), ".1%") for series, statistic in SPREAD]
        table.add_row(level.name, str(len(level.runs)), *cells)
    table.caption, table.caption_justify = "run to run: (largest - smallest) / median; above are medians", "left"
    return table


def milliseconds(seconds: float | None) -> str:
    """Three digits that matter: 5.23, 12.3, 1,234."""
    if seconds is None:
        return "-"
    value = seconds * 1e3
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
