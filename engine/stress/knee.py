"""The highest rate that still meets the goals, found by bisection between one that does and one that does not."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

Probe = Callable[[float], Awaitable[bool]]
"""Loads the server at a rate (requests per second); whether the goals were met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knee:
    """Where the server stops keeping its goals."""

    rate: float | None
    """Highest rate, in requests per second, seen to meet the goals; None if none did."""
    failing_rate: float | None
    """Lowest rate above it that was seen to miss them; None if none did."""
    probes: int
    """Levels that were run beyond those of the sweep."""
    tolerance: float

    @property
    def found(self) -> bool:
        """Whether the knee lies between the two rates, which differ by no more than the tolerance."""
        return self.rate is not None and self.failing_rate is not None and _near(self)

    def __str__(self) -> str:
        """One sentence for the terminal."""
        if self.rate is None:
            return f"no rate met the goals, down to {self.failing_rate:g} requests/s"
        if self.failing_rate is None:
            return f"every rate met the goals, up to {self.rate:g} requests/s"
        sure = "" if self.found else f"; {self.probes} probes were not enough for a tolerance of {self.tolerance:.0%}"
        return f"{self.rate:.4g} requests/s met the goals, {self.failing_rate:.4g} did not{sure}"


async def find_knee(known: Mapping[float, bool], probe: Probe, *, tolerance: float, max_probes: int) -> Knee:
    """Search on from what a sweep told.

    The bracket is the lowest rate that missed and the highest below it that met; where one side is missing, rates are
    doubled or halved until it is there. Then the bracket is halved in log space until its ends differ by no more than
    the tolerance. Rates above the lowest that missed are not believed: that they met is taken for luck.

    Args:
        known: rates already run, and whether they met the goals; not empty.
        probe: runs a further one.
        tolerance: share by which the two ends may differ, e.g. 0.05.
        max_probes: further rates at most.
    """
    met = dict(known)
    probes = 0
    while probes < max_probes:
        rate = _next_rate(met, tolerance)
        if rate is None:
            break
        met[rate] = await probe(rate)
        probes += 1
    low, high = _bracket(met)
    return Knee(rate=low, failing_rate=high, probes=probes, tolerance=tolerance)


def _next_rate(met: Mapping[float, bool], tolerance: float) -> float | None:
    """The rate to try now; None where the knee is known well enough."""
    low, high = _bracket(met)
    if high is None:
        return 2.0 * max(met)
    if low is None:
        return min(met) / 2.0
    return None if high <= low * (1.0 + tolerance) else math.sqrt(low * high)


def _bracket(met: Mapping[float, bool]) -> tuple[float | None, float | None]:
    """The highest rate that met below the lowest that missed, and the latter."""
    high = min((rate for rate, is_met in met.items() if not is_met), default=None)
    below = [rate for rate, is_met in met.items() if is_met and (high is None or rate < high)]
    return max(below, default=None), high


def _near(knee: Knee) -> bool:
    assert knee.rate is not None
    assert knee.failing_rate is not None
    return knee.failing_rate <= knee.rate * (1.0 + knee.tolerance)
