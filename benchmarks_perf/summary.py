"""From the rounds of a run to the figures that are shown and filed: medians, spreads, ratios within a round."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks_perf.measure import Measurement

Rounds = Mapping[str, Sequence[Measurement]]
"""Subject to its measurements, one per round, in order."""
FIGURES = (
    "cpu_ms",
    "wall_ms",
    "samples_per_second",
    "first_cpu_seconds",
    "first_wall_seconds",
    "opening_cpu_seconds",
    "idle_pss_bytes",
    "tree_pss_bytes",
)


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, minimum, maximum and the values themselves, in round order.

    Raises:
        statistics.StatisticsError: there are none.
    """
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "rounds": list(values)}


def ratios(rounds: Sequence[Measurement], base: Sequence[Measurement], figure: str = "cpu_ms") -> list[float]:
    """A figure over that of the base in the same round."""
    return [getattr(ours, figure) / getattr(theirs, figure) for ours, theirs in zip(rounds, base, strict=True)]


def summarize(rounds: Rounds, bases: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Per subject: each figure's spread, the ratio of its CPU time to each base, and what came out of the samples."""
    return {name: _subject(measurements, rounds, bases) for name, measurements in rounds.items() if measurements}


def num_flips(rounds: Sequence[Sequence[str]]) -> int:
    """Samples whose status is not the same in all rounds."""
    return sum(len(set(statuses)) > 1 for statuses in zip(*rounds, strict=True))


def _subject(measurements: Sequence[Measurement], rounds: Rounds, bases: Sequence[str]) -> dict[str, Any]:
    first = measurements[0]
    figures: dict[str, Any] = {}
    for figure in FIGURES:
        values = [getattr(measurement, figure) for measurement in measurements]
        figures[figure] = None if None in values else spread(values)
    for base in bases:
        if len(rounds.get(base, ())) == len(measurements):
            figures[f"cpu_ratio_to_{base.replace(' ', '_')}"] = spread(ratios(measurements, rounds[base]))
    return {
        "description": first.description,
        "cpu_source": first.cpu_source,
        "num_samples": first.num_samples,
        "figures": figures,
        "statuses": [dict(Counter(measurement.statuses).most_common()) for measurement in measurements],
        "num_flips": num_flips([measurement.statuses for measurement in measurements]),
        "disagreements": [list(measurement.disagreements) for measurement in measurements],
    }
