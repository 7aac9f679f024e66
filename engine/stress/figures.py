"""The figures of one level, with the definitions of `vllm bench serve`.

TTFT is the first token's arrival minus the sending, E2E the last token's. TPOT is (E2E - TTFT) / (output tokens - 1) of
requests with two tokens or more. ITL pools the gaps between arrivals over all requests. Percentiles interpolate
linearly. Requests that failed are in none of these, but in the error rate. Throughput divides by the time from the end
of the warm-up to the last end; goodput counts the requests that met every goal, and TPOT of a single token meets any.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.stress.goals import METRICS, STATISTICS, Goal, Metric, request_limits
from engine.stress.load import Request

MAX_ERROR_RATE = 0.01
"""With a larger share of failed requests a level meets no goal: it would else be judged by the survivors alone."""
MAX_LATE_SHARE = 0.01
"""Mean lateness of sending above this share of the mean gap says that we could not make the load ..."""
TIMER_SECONDS = 0.002
"""... unless it is within what the event loop's timer resolves."""

ARRIVAL_TO_END = "arrival_to_end"
"""From when a request was due until its completion was in our hands: queueing in the client is in it."""
SERIES = (*METRICS, ARRIVAL_TO_END, "queue", "late")

Statistics = dict[str, float]
"""mean, p50, p90, p95, p99, max in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One level, warm-up left out."""

    requests: int
    failed: int
    seconds: float
    """From the end of the warm-up to the last end."""
    prompt_tokens: int
    output_tokens: int
    in_flight_max: int
    late_share: float
    """Mean lateness of sending over the mean gap between arrivals; 0 in closed loop."""
    good: int | None
    """Requests that met every goal; None without goals."""
    latency_seconds: dict[str, Statistics | None]
    """By name of SERIES; None where nothing was measured."""

    @property
    def error_rate(self) -> float:
        """Failed requests over all, in [0, 1]."""
        return self.failed / self.requests if self.requests else 0.0

    @property
    def request_rate(self) -> float:
        """Requests answered per second."""
        return (self.requests - self.failed) / self.seconds if self.seconds else 0.0

    @property
    def output_token_rate(self) -> float:
        """Output tokens per second."""
        return self.output_tokens / self.seconds if self.seconds else 0.0

    @property
    def total_token_rate(self) -> float:
        """Tokens of prompts and completions per second."""
        return (self.prompt_tokens + self.output_tokens) / self.seconds if self.seconds else 0.0

    @property
    def goodput(self) -> float | None:
        """Requests per second that met every goal; None without goals."""
        if self.good is None:
            return None
        return self.good / self.seconds if self.seconds else 0.0

    @property
    def is_client_bound(self) -> bool:
        """Whether we could not send in time, so that the figures speak of this program and not of the server."""
        late = self.latency_seconds["late"]
        return late is not None and self.late_share > MAX_LATE_SHARE and late["mean"] > TIMER_SECONDS

    def value(self, goal: Goal) -> float | None:
        """The statistic that a goal speaks of, in seconds; None where it was not measured."""
        statistics = self.latency_seconds[goal.metric]
        return None if statistics is None else statistics[goal.statistic]

    def missed(self, goals: Iterable[Goal]) -> tuple[Goal, ...]:
        """The goals that were not met; all of them where too many requests failed, or where one was not measured."""
        if self.error_rate > MAX_ERROR_RATE:
            return tuple(goals)
        values = [(goal, self.value(goal)) for goal in goals]
        return tuple(goal for goal, value in values if value is None or value > goal.limit_seconds)

    def as_json(self) -> dict[str, object]:
        """All of it as plain data, rates included."""
        return {
            "requests": self.requests,
            "failed": self.failed,
            "error_rate": self.error_rate,
            "seconds": self.seconds,
            "request_rate": self.request_rate,
            "prompt_tokens": self.prompt_tokens,
            "output_tokens": self.output_tokens,
            "output_token_rate": self.output_token_rate,
            "total_token_rate": self.total_token_rate,
            "goodput": self.goodput,
            "in_flight_max": self.in_flight_max,
            "late_share": self.late_share,
            "is_client_bound": self.is_client_bound,
            "latency_seconds": self.latency_seconds,
        }


def compute_figures(requests: Sequence[Request], goals: Sequence[Goal], measured_from_seconds: float) -> Figures:
    """Compute the figures of one level.

    Args:
        requests: of the level; those of the warm-up are left out here.
        goals: what goodput is held to; may be empty.
        measured_from_seconds: when the warm-up ended, from the start of the level.
    """
    measured = [request for request in requests if not request.is_warm_up]
    answered = [request for request in measured if not request.error]
    seconds = max((request.ended_seconds for request in measured), default=measured_from_seconds)
    late = [request.late_seconds for request in measured]
    due = [request.scheduled_seconds for request in measured]
    gap = (max(due) - measured_from_seconds) / len(due) if due else 0.0
    return Figures(
        requests=len(measured),
        failed=len(measured) - len(answered),
        seconds=seconds - measured_from_seconds,
        prompt_tokens=sum(request.prompt_tokens or 0 for request in answered),
        output_tokens=sum(request.completion_tokens or 0 for request in answered),
        in_flight_max=_in_flight_max(requests),
        late_share=float(np.mean(late)) / gap if gap > 0 else 0.0,
        good=sum(is_good(request, goals) for request in answered) if goals else None,
        latency_seconds=_latency(answered) | {"late": statistics_of(late)},
    )


def statistics_of(values: Iterable[float | None]) -> Statistics | None:
    """mean, p50, p90, p95, p99 and max of what was measured; None if nothing was."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not known.size:
        return None
    percentiles = [float(name[1:]) for name in STATISTICS if name.startswith("p")]
    values_P = np.percentile(known, percentiles).tolist()
    return dict(zip(STATISTICS, [float(known.mean()), *values_P, float(known.max())], strict=True))


def is_good(request: Request, goals: Sequence[Goal]) -> bool:
    """Whether one answered request met the limit of each metric that goals name (`request_limits`)."""
    return all(_is_within(request, goal) for goal in request_limits(goals).values())


def _is_within(request: Request, goal: Goal) -> bool:
    if goal.metric == "itl":
        # A request has many gaps: they are held to the same statistic as those of all requests.
        gaps = statistics_of(request.inter_token_seconds)
        value = None if gaps is None else gaps[goal.statistic]
    else:
        value = _of_request(request, goal.metric)
    if value is None:
        is_single_token = request.completion_tokens is not None and request.completion_tokens < 2
        return is_single_token and goal.metric in ("tpot", "itl")
    return value <= goal.limit_seconds


def _of_request(request: Request, metric: Metric) -> float | None:
    if metric == "ttft":
        return request.ttft_seconds
    return request.e2e_seconds if metric == "e2e" else request.tpot_seconds


def _latency(answered: Sequence[Request]) -> dict[str, Statistics | None]:
    return {
        "ttft": statistics_of(request.ttft_seconds for request in answered),
        "tpot": statistics_of(request.tpot_seconds for request in answered),
        "itl": statistics_of(gap for request in answered for gap in request.inter_token_seconds),
        "e2e": statistics_of(request.e2e_seconds for request in answered),
        ARRIVAL_TO_END: statistics_of(request.ended_seconds - request.scheduled_seconds for request in answered),
        "queue": statistics_of(request.queue_seconds for request in answered),
    }


def _in_flight_max(requests: Sequence[Request]) -> int:
    """Most requests at once; one that ends when another is sent makes room for it."""
    changes = sorted(
        [(request.sent_seconds, 1) for request in requests] + [(request.ended_seconds, -1) for request in requests]
    )
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most
