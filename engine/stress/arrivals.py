"""When requests are sent: arrival times of one level, from a rate, a shape and a seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Shape = Literal["poisson", "constant", "burst"]
FloatArray = NDArray[np.float64]

BURSTINESS: dict[Shape, float] = {"poisson": 1.0, "constant": math.inf, "burst": 0.25}
"""Shape parameter of the gamma distribution that gaps are drawn from: below 1 arrivals come in bursts."""


def arrival_times(count: int, rate: float, burstiness: float, seed: int | Sequence[int]) -> FloatArray:
    """Seconds from the start of the level to each request, ascending, shape (count,); the last one is count / rate.

    Gaps are drawn from Gamma(shape=burstiness, scale=1 / (rate * burstiness)), whose mean is 1 / rate and whose
    coefficient of variation is 1 / sqrt(burstiness): 1 is a Poisson process, infinity a constant gap. The sum is then
    stretched to count / rate, so that the rate offered is the same for every seed. Both as in `vllm bench serve`.

    Args:
        count: requests.
        rate: requests per second, positive.
        burstiness: positive, may be infinite.
        seed: of the gaps.
    """
    if math.isinf(burstiness):
        gaps_R = np.full(count, 1.0 / rate)
    else:
        gaps_R = np.random.default_rng(seed).gamma(burstiness, 1.0 / (rate * burstiness), count)
    times_R: FloatArray = np.cumsum(gaps_R)
    total = float(times_R[-1]) if count else 0.0
    return times_R * (count / rate / total) if total else times_R
