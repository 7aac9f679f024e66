"""What a number of problems can show: the smallest effect that a two-sided test finds, and how often it finds one.

By the normal approximation, in closed form. From a measured standard error see `engine.paired.detectable`.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from engine.paired import detectable

_NORMAL = NormalDist()


def standard_error_of_pairs(discordant: float, num_problems: int) -> float:
    """Standard error of the difference of two pass rates over the same problems, one sample each: sqrt(d / P).

    The variance of one pair's difference is d - delta^2, d the share of pairs whose verdicts differ; without an effect
    that is d. With one it is less, so an effect computed from this is found at least as often (Connor 1987, "Sample
    size for testing differences in proportions for the paired-sample design").

    Args:
        discordant: d, in [0, 1].
        num_problems: P, at least 1.

    Raises:
        ValueError: a number outside its range.
    """
    if not 0.0 <= discordant <= 1.0 or num_problems < 1:
        raise ValueError(f"pairs need a share in [0, 1] of at least 1 problem; got {discordant} of {num_problems}.")
    return math.sqrt(discordant / num_problems)


def detectable_by_pairs(discordant: float, num_problems: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Minimum detectable difference of two pass rates: (z_{1 - alpha/2} + z_power) sqrt(d / P).

    A difference is never larger than d: where this is, none can be shown at that power. `standard_error_of_pairs` says
    what the arguments are and what is raised.
    """
    _check(alpha, power)
    return detectable(standard_error_of_pairs(discordant, num_problems), alpha=alpha, power=power)


def power_of(effect: float, standard_error: float, *, alpha: float = 0.05) -> float:
    """Chance that a two-sided test at `alpha` finds an effect: Phi(e / SE - z) + Phi(-e / SE - z).

    Args:
        effect: the true difference.
        standard_error: of its estimate, above 0.
        alpha: level of the test.

    Raises:
        ValueError: a standard error that is not above 0, or a level outside (0, 1).
    """
    _check(alpha, 0.5)
    if not standard_error > 0.0:
        raise ValueError(f"power needs a standard error above 0; got {standard_error}.")
    bound, shift = _NORMAL.inv_cdf(1.0 - alpha / 2.0), effect / standard_error
    return _NORMAL.cdf(shift - bound) + _NORMAL.cdf(-shift - bound)


def problems_for_pairs(discordant: float, effect: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """How many problems make `effect` the minimum detectable difference of pairs: ceil(d ((z + z) / effect)^2).

    Args:
        discordant: share of pairs whose verdicts differ, in [0, 1].
        effect: the true difference to be found, above 0.
        alpha: level of the test.
        power: how often it is to find it.

    Raises:
        ValueError: a number outside its range.
    """
    if not effect > 0.0:
        raise ValueError(f"the effect to be found must be above 0; got {effect}.")
    return max(1, math.ceil((detectable_by_pairs(discordant, 1, alpha=alpha, power=power) / effect) ** 2))


def _check(alpha: float, power: float) -> None:
    if not 0.0 < alpha < 1.0 or not 0.0 < power < 1.0:
        raise ValueError(f"alpha and power must lie in (0, 1); got {alpha} and {power}.")
