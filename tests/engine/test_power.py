"""Power: what the formulas promise, checked by putting one into the other."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from scipy import stats

from engine.paired import detectable
from engine.power import detectable_by_pairs, power_of, problems_for_pairs, standard_error_of_pairs


@pytest.mark.parametrize(("alpha", "power"), [(0.05, 0.8), (0.05, 0.9), (0.01, 0.8)])
def test_the_detectable_effect_is_found_as_often_as_was_asked(alpha: float, power: float) -> None:
    """Its power is the one that it was computed for; twice the effect is found more often."""
    error = standard_error_of_pairs(0.15, 164)
    effect = detectable_by_pairs(0.15, 164, alpha=alpha, power=power)
    assert power_of(effect, error, alpha=alpha) == pytest.approx(power, abs=1e-5)
    assert power_of(2 * effect, error, alpha=alpha) > power_of(effect, error, alpha=alpha)
    assert power_of(-effect, error, alpha=alpha) == pytest.approx(power_of(effect, error, alpha=alpha))


def test_no_effect_is_found_as_often_as_the_level() -> None:
    """By chance alone: alpha."""
    assert power_of(0.0, 0.03, alpha=0.05) == pytest.approx(0.05)


def test_humaneval_with_15_percent_of_changed_verdicts_shows_8_points() -> None:
    """A standard error of 3.0 points, and 8.5 points to be seen."""
    assert standard_error_of_pairs(0.15, 164) == pytest.approx(0.0302, abs=1e-4)
    assert detectable_by_pairs(0.15, 164) == pytest.approx(0.0847, abs=1e-4)
    assert detectable_by_pairs(0.15, 164) == detectable(math.sqrt(0.15 / 164))


def test_the_problems_asked_for_are_the_fewest_that_do() -> None:
    """With them the effect is detectable; with one less it is not."""
    needed = problems_for_pairs(0.1, 0.03)
    assert detectable_by_pairs(0.1, needed) <= 0.03 < detectable_by_pairs(0.1, needed - 1)
    assert problems_for_pairs(0.0, 0.03) == 1


def test_an_effect_of_its_own_makes_the_test_stronger_than_promised() -> None:
    """With the true variance d - delta^2 the chance to find the detectable effect is above that asked for."""
    share, count = 0.15, 164
    effect = detectable_by_pairs(share, count)
    bound = stats.norm.ppf(0.975) * standard_error_of_pairs(share, count)
    true_error = math.sqrt((share - effect**2) / count)
    assert 1.0 - stats.norm.cdf((bound - effect) / true_error) > 0.8


@pytest.mark.parametrize(
    "call",
    [
        lambda: standard_error_of_pairs(1.5, 10),
        lambda: standard_error_of_pairs(0.5, 0),
        lambda: detectable_by_pairs(0.5, 10, alpha=0.0),
        lambda: power_of(0.1, 0.0),
        lambda: problems_for_pairs(0.5, 0.0),
    ],
)
def test_numbers_out_of_range_are_refused(call: Callable[[], float]) -> None:
    """Shares, counts, levels and effects."""
    with pytest.raises(ValueError, match="got"):
        call()
