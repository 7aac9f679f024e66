from __future__ import annotations

import math
import random
from typing import Any

import pytest

from engine.stress.figures import compute_figures, statistics_of
from engine.stress.goals import STATISTICS, parse_goals
from engine.stress.load import Request


def request(**fields: Any) -> Request:
    """A request that is due and sent at 0 and ends after 1 s with 11 tokens, but for what is given."""
    given: dict[str, Any] = {
        "task_id": "t",
        "is_warm_up": False,
        "scheduled_seconds": 0.0,
        "sent_seconds": fields.get("scheduled_seconds", 0.0),
        "ended_seconds": 1.0,
        "queue_seconds": None,
        "ttft_seconds": 0.5,
        "e2e_seconds": 1.0,
        "inter_token_seconds": (0.05,) * 10,
        "prompt_tokens": 7,
        "completion_tokens": 11,
        "finish_reason": "length",
        "error": "",
    }
    return Request(**{**given, **fields})


def failed(**fields: Any) -> Request:
    """A request that was refused."""
    nothing = {"ttft_seconds": None, "e2e_seconds": None, "inter_token_seconds": (), "completion_tokens": None}
    return request(**{**nothing, "error": "HTTP 503", **fields})


def _percentile(values: list[float], share: float) -> float:
    """Linear interpolation between the two nearest ranks, written out."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def test_statistics_are_those_of_a_sorted_list() -> None:
    """Mean, percentiles by ranks, and the largest, of 257 values in any order, without those that are missing."""
    values = [random.Random(1).expovariate(1.0) for _ in range(257)]
    told = statistics_of([*values, None])
    assert told is not None
    expected = [sum(values) / 257, *(_percentile(values, share) for share in (0.5, 0.9, 0.95, 0.99)), max(values)]
    assert [told[name] for name in STATISTICS] == pytest.approx(expected)
    assert statistics_of([None]) is None


def test_latencies_have_the_definitions_of_vllm_bench_serve() -> None:
    """TPOT is (E2E - TTFT) / (tokens - 1) of requests with two tokens or more; ITL pools all gaps."""
    requests = [
        request(ttft_seconds=0.2, e2e_seconds=1.2, completion_tokens=5, inter_token_seconds=(0.1, 0.2, 0.3, 0.4)),
        request(ttft_seconds=0.4, e2e_seconds=0.4, completion_tokens=1, inter_token_seconds=()),
        failed(),
    ]
    latency = compute_figures(requests, (), 0.0).latency_seconds
    means = {name: values["mean"] for name, values in latency.items() if values is not None}
    assert means["ttft"] == pytest.approx(0.3)
    assert means["tpot"] == pytest.approx(0.25)
    assert means["itl"] == pytest.approx(0.25)
    assert means["e2e"] == pytest.approx(0.8)
    assert latency["queue"] is None


def test_throughput_divides_by_the_time_until_the_last_end() -> None:
    """Of what was answered; the time starts where the warm-up ended, and a failed request's end counts too."""
    requests = [
        request(is_warm_up=True, ended_seconds=50.0, completion_tokens=1000),
        request(scheduled_seconds=10.0, ended_seconds=12.0),
        request(scheduled_seconds=11.0, ended_seconds=14.0),
        failed(scheduled_seconds=12.0, ended_seconds=15.0),
    ]
    figures = compute_figures(requests, (), 10.0)
    assert figures.requests == 3
    assert figures.seconds == 5.0
    assert figures.request_rate == pytest.approx(2 / 5)
    assert figures.output_token_rate == pytest.approx(22 / 5)
    assert figures.total_token_rate == pytest.approx(36 / 5)
    assert figures.error_rate == pytest.approx(1 / 3)
    assert figures.goodput is None


def test_warm_up_is_in_no_figure() -> None:
    """A warm-up that is slow, failed or late changes nothing but what was in flight."""
    measured = [request(scheduled_seconds=5.0, ended_seconds=6.0)]
    slow = [request(is_warm_up=True, ttft_seconds=90.0, e2e_seconds=99.0, sent_seconds=3.0), failed(is_warm_up=True)]
    alone, together = compute_figures(measured, (), 4.0), compute_figures([*slow, *measured], (), 4.0)
    assert together.latency_seconds == alone.latency_seconds
    assert (together.requests, together.failed, together.output_tokens) == (1, 0, 11)


def test_goodput_counts_requests_that_meet_every_goal() -> None:
    """By brute force over random requests: answered, TTFT and TPOT within their limits; one token meets any TPOT."""
    chance = random.Random(4)
    requests = []
    for _ in range(300):
        tokens, ttft = chance.choice([1, 2, 20]), chance.uniform(0, 1)
        latency = ttft + (tokens - 1) * chance.uniform(0, 0.1)
        requests.append(
            failed()
            if chance.random() < 0.1
            else request(ttft_seconds=ttft, e2e_seconds=latency, completion_tokens=tokens)
        )
    good = sum(
        not each.error
        and each.ttft_seconds <= 0.5
        and (
            each.completion_tokens == 1 or (each.e2e_seconds - each.ttft_seconds) / (each.completion_tokens - 1) <= 0.04
        )
        for each in requests
    )
    figures = compute_figures(requests, parse_goals("ttft_p99<500ms,tpot_p99<40ms"), 0.0)
    assert 0 < good < 300
    assert figures.goodput == pytest.approx(good / 1.0)


def test_goals_on_gaps_hold_each_request_to_its_own_gaps() -> None:
    """A request with one long gap misses `itl_max` and meets `itl_p50`."""
    requests = [request(inter_token_seconds=(0.01,) * 9 + (0.9,)), request(inter_token_seconds=(0.01,) * 10)]
    assert compute_figures(requests, parse_goals("itl_max<100ms"), 0.0).goodput == 1.0
    assert compute_figures(requests, parse_goals("itl_p50<100ms"), 0.0).goodput == 2.0


def test_what_was_not_measured_meets_no_goal() -> None:
    """An answer that came as a whole has no time to first token: its goals are missed, not passed over."""
    figures = compute_figures(
        [request(ttft_seconds=None, inter_token_seconds=())], goals := parse_goals("ttft_p99<9s"), 0
    )
    assert figures.goodput == 0.0
    assert figures.missed(goals) == goals


def test_a_level_that_fails_requests_meets_no_goal() -> None:
    """Two of a hundred failed: the survivors were quick, and the level is not taken for good."""
    goals = parse_goals("ttft_p99<900ms")
    assert compute_figures([request()] * 99 + [failed()], goals, 0.0).missed(goals) == ()
    assert compute_figures([request()] * 98 + [failed()] * 2, goals, 0.0).missed(goals) == goals


def test_lateness_of_our_own_is_told_apart_from_latency() -> None:
    """Sent 40 ms late at 10 per second: 40 % of the gap, we were the bottleneck; TTFT counts from the sending."""
    due = [0.1 * number for number in range(1, 101)]
    late = [request(scheduled_seconds=at, sent_seconds=at + 0.04, ended_seconds=at + 1.04) for at in due]
    figures = compute_figures(late, (), 0.0)
    assert figures.late_share == pytest.approx(0.4)
    assert figures.is_client_bound
    ttft, to_end = figures.latency_seconds["ttft"], figures.latency_seconds["arrival_to_end"]
    assert ttft is not None
    assert to_end is not None
    assert (ttft["mean"], to_end["mean"]) == pytest.approx((0.5, 1.04))
    in_time = [request(scheduled_seconds=at, sent_seconds=at + 0.0005) for at in due]
    assert not compute_figures(in_time, (), 0.0).is_client_bound


def test_most_in_flight_counts_overlaps() -> None:
    """Three overlap, the fourth begins when the first ends."""
    spans = [(0.0, 2.0), (1.0, 3.0), (1.5, 1.9), (2.0, 4.0)]
    requests = [request(scheduled_seconds=begin, ended_seconds=end) for begin, end in spans]
    assert compute_figures(requests, (), 0.0).in_flight_max == 3
