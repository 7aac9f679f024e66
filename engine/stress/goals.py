"""What a server is to keep: `ttft_p99<500ms,tpot_p99<40ms`, read into records."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

from runners.errors import UserError

Metric = Literal["ttft", "tpot", "itl", "e2e"]
METRICS: tuple[Metric, ...] = ("ttft", "tpot", "itl", "e2e")
"""Time to first token, time per output token, inter-token latency, end-to-end latency."""
STATISTICS = ("mean", "p50", "p90", "p95", "p99", "max")
UNITS = {"ms": 1e-3, "s": 1.0}

_GOAL = re.compile(
    r"(?P<metric>[a-z0-9]+)_(?P<statistic>[a-z0-9]+)\s*<=?\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[a-z]*)"
)
_EXAMPLE = "Write e.g. ttft_p99<500ms,tpot_p99<40ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One statistic of one metric, and the most it may be."""

    metric: Metric
    statistic: str
    limit_seconds: float

    def __str__(self) -> str:
        """As it is written: `ttft_p99<500ms`."""
        return f"{self.metric}_{self.statistic}<{self.limit_seconds * 1e3:g}ms"


def parse_goals(text: str) -> tuple[Goal, ...]:
    """Read goals with commas between.

    Raises:
        UserError: a part is no goal; names what is possible.
    """
    return tuple(_parse(part.strip()) for part in text.split(",") if part.strip())


def request_limits(goals: Iterable[Goal]) -> dict[Metric, Goal]:
    """The goal that each single request is held to, by metric: the loosest one.

    A goal on a median next to one on a p99 says that half of the requests may be slower than it, so a single request
    is only held to the other.
    """
    limits: dict[Metric, Goal] = {}
    for goal in goals:
        known = limits.get(goal.metric)
        if known is None or goal.limit_seconds > known.limit_seconds:
            limits[goal.metric] = goal
    return limits


def _parse(part: str) -> Goal:
    found = _GOAL.fullmatch(part.lower())
    if found is None:
        raise UserError(f"--goal '{part}': a goal is METRIC_STATISTIC<NUMBER and a unit. {_EXAMPLE}")
    for name, known in (("metric", METRICS), ("statistic", STATISTICS), ("unit", tuple(UNITS))):
        if found[name] not in known:
            told = f"'{found[name]}'" if found[name] else "nothing"
            raise UserError(f"--goal '{part}': {name} is {told}; it is one of {', '.join(known)}. {_EXAMPLE}")
    limit = float(found["number"]) * UNITS[found["unit"]]
    if limit <= 0:
        raise UserError(f"--goal '{part}': nothing is faster than 0; give a positive limit. {_EXAMPLE}")
    return Goal(metric=cast(Metric, found["metric"]), statistic=found["statistic"], limit_seconds=limit)
