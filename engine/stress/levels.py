"""One level of a sweep with its runs, and what is read from it: medians over the runs, and their spread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from engine.stress.figures import Figures
from engine.stress.goals import Goal
from engine.stress.load import Request
from engine.stress.settings import Load


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRun:
    """One run of a level."""

    requests: tuple[Request, ...]
    """All of them, in the order they were sent, warm-up included."""
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One rate or concurrency, run once or several times."""

    load: Load
    value: float
    is_probe: bool
    """Whether the search for the knee added it."""
    runs: tuple[LevelRun, ...]
    goals: tuple[Goal, ...]

    @property
    def name(self) -> str:
        """`4/s` or `16 at once`."""
        return f"{self.value:.4g}/s" if self.load == "rate" else f"{self.value:g} at once"

    @property
    def meets(self) -> bool:
        """Whether more than half of the runs met every goal."""
        met = sum(not run.figures.missed(self.goals) for run in self.runs)
        return 2 * met > len(self.runs)

    @property
    def missed(self) -> tuple[Goal, ...]:
        """The goals that half of the runs or more did not meet."""
        missed = [run.figures.missed(self.goals) for run in self.runs]
        return tuple(goal for goal in self.goals if 2 * sum(goal in each for each in missed) >= len(missed))

    def median(self, read: Callable[[Figures], float | None]) -> float | None:
        """The median over the runs of what is read from their figures; None where no run has it."""
        values = self._values(read)
        return median(values) if values else None

    def latency(self, series: str, statistic: str) -> float | None:
        """The median over the runs of one statistic, in seconds."""
        return self.median(lambda figures: _latency(figures, series, statistic))

    def spread(self, series: str, statistic: str) -> float | None:
        """(largest - smallest) / median over the runs; None with fewer than two, or where nothing was measured."""
        values = self._values(lambda figures: _latency(figures, series, statistic))
        middle = median(values) if len(values) > 1 else 0.0
        return (max(values) - min(values)) / middle if middle else None

    def _values(self, read: Callable[[Figures], float | None]) -> list[float]:
        return [value for run in self.runs if (value := read(run.figures)) is not None]


def by_value(levels: Sequence[Level]) -> list[Level]:
    """Ascending, as they are shown and counted."""
    return sorted(levels, key=lambda level: level.value)


def _latency(figures: Figures, series: str, statistic: str) -> float | None:
    statistics = figures.latency_seconds[series]
    return None if statistics is None else statistics[statistic]
