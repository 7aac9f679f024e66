from __future__ import annotations

import pytest

from engine.stress.goals import Goal, parse_goals, request_limits
from runners.errors import UserError


def test_goals_are_read_with_their_units() -> None:
    """Milliseconds and seconds, with `<` or `<=`, blanks and capitals as they come."""
    assert parse_goals("ttft_p99<500ms, TPOT_mean <= 40 ms,e2e_max<2.5s") == (
        Goal(metric="ttft", statistic="p99", limit_seconds=0.5),
        Goal(metric="tpot", statistic="mean", limit_seconds=0.04),
        Goal(metric="e2e", statistic="max", limit_seconds=2.5),
    )


def test_a_goal_is_written_so_that_it_reads_as_itself() -> None:
    """Text of a goal parses to the goal."""
    (goal,) = parse_goals("itl_p95<12.5ms")
    assert str(goal) == "itl_p95<12.5ms"
    assert parse_goals(str(goal)) == (goal,)
    assert parse_goals("") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tfft_p99<500ms", "metric is 'tfft'; it is one of ttft, tpot, itl, e2e"),
        ("ttft_p75<500ms", "statistic is 'p75'; it is one of mean, p50, p90, p95, p99, max"),
        ("ttft_p99<500", "unit is nothing; it is one of ms, s"),
        ("ttft_p99<500us", "unit is 'us'"),
        ("ttft_p99>500ms", "a goal is METRIC_STATISTIC<NUMBER and a unit"),
        ("ttft<500ms", "a goal is METRIC_STATISTIC<NUMBER and a unit"),
        ("ttft_p99<0ms", "positive limit"),
        ("ttft_p99<500ms,nonsense", "'nonsense'"),
    ],
)
def test_what_is_no_goal_is_told_with_what_is_possible(text: str, expected: str) -> None:
    """The message names the part at fault, what is known, and an example."""
    with pytest.raises(UserError, match=r"Write e\.g\. ttft_p99<500ms") as told:
        parse_goals(text)
    assert expected in str(told.value)


def test_a_request_is_held_to_the_loosest_goal_of_each_metric() -> None:
    """A median goal says that half of the requests may be slower."""
    limits = request_limits(parse_goals("ttft_p50<200ms,ttft_p99<500ms,e2e_mean<2s"))
    assert {metric: goal.limit_seconds for metric, goal in limits.items()} == {"ttft": 0.5, "e2e": 2.0}
