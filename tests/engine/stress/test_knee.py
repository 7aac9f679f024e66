from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from engine.stress.knee import Knee, find_knee

SERVICE_SECONDS = 0.1


def _mean_latency(rate: float) -> float:
    """M/D/1: service and the mean wait of Pollaczek and Khinchine; without bound from 1 / service on."""
    load = rate * SERVICE_SECONDS
    return SERVICE_SECONDS * (1 + load / (2 * (1 - load))) if load < 1 else float("inf")


TRUE_KNEE = 2 * 4 / (SERVICE_SECONDS * (1 + 2 * 4))
"""Rate at which the mean latency is 5 services: load / (2 (1 - load)) = 4."""


class Probed:
    """Answers from the model and remembers the rates."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    async def __call__(self, rate: float) -> bool:
        """As a probe."""
        self.rates.append(rate)
        return self.meets(rate)

    @staticmethod
    def meets(rate: float) -> bool:
        """Whether the mean latency is at most 5 services."""
        return _mean_latency(rate) <= 5 * SERVICE_SECONDS


def _find(known: Mapping[float, bool], *, tolerance: float = 0.02, max_probes: int = 20) -> tuple[Knee, list[float]]:
    probed = Probed()
    return asyncio.run(find_knee(known, probed, tolerance=tolerance, max_probes=max_probes)), probed.rates


def _sweep(*rates: float) -> dict[float, bool]:
    return {rate: Probed.meets(rate) for rate in rates}


@pytest.mark.parametrize("rates", [(1.0, 2.0, 4.0, 8.0, 16.0), (0.5, 64.0), (1.0,), (100.0,)])
@pytest.mark.parametrize("tolerance", [0.1, 0.02])
def test_the_knee_of_a_queue_is_found(rates: tuple[float, ...], tolerance: float) -> None:
    """From whatever the sweep told, the true knee lies between the two ends, which are as near as asked."""
    knee, probes = _find(_sweep(*rates), tolerance=tolerance)
    assert knee.rate is not None
    assert knee.failing_rate is not None
    assert knee.rate <= TRUE_KNEE < knee.failing_rate <= knee.rate * (1 + tolerance)
    assert knee.found
    assert knee.probes == len(probes)


def test_bisection_takes_the_middle_in_log_space() -> None:
    """Between 4 and 16 the first rate tried is 8, and the number of probes is that of halvings."""
    knee, probes = _find(_sweep(4.0, 16.0), tolerance=0.05)
    assert probes[0] == pytest.approx(8.0)
    assert knee.probes == 5  # log2(ln 4 / ln 1.05) = 4.8


def test_the_limit_of_probes_is_kept() -> None:
    """What was not found is told as such, with the bracket as far as it came."""
    knee, probes = _find(_sweep(1.0, 64.0), max_probes=3)
    assert len(probes) == 3
    assert not knee.found
    assert "3 probes were not enough" in str(knee)
    assert knee.rate is not None
    assert knee.failing_rate is not None
    assert knee.rate <= TRUE_KNEE < knee.failing_rate


def test_a_side_that_is_never_seen_is_told() -> None:
    """Without a rate that fails, or one that meets, there is no knee."""
    too_slow, _ = _find({1000.0: False}, max_probes=2)
    assert (too_slow.rate, too_slow.failing_rate) == (None, 250.0)
    assert "no rate met the goals, down to 250" in str(too_slow)
    too_fast, _ = _find({0.01: True}, max_probes=2)
    assert (too_fast.rate, too_fast.failing_rate) == (0.04, None)
    assert "every rate met the goals" in str(too_fast)


def test_a_rate_that_meets_above_one_that_fails_is_not_believed() -> None:
    """The knee lies below the lowest rate that missed."""
    knee, probes = _find({2.0: True, 4.0: False, 8.0: True}, max_probes=0)
    assert (knee.rate, knee.failing_rate, probes) == (2.0, 4.0, [])
