from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from actors.generator import GeneratorDied, Sampling
from actors.retry import Clock
from benchmarks.problem import Completion, Prompt
from engine.stress.load import Request, closed_loop, open_loop
from engine.stress.prompts import asks
from tests.engine.stress.virtual import QueueServer, in_virtual_time, prompts

SAMPLING = Sampling(max_tokens=9)


def _open(server: QueueServer, times: Sequence[float], warm_up: int = 0) -> list[Request]:
    made = list(asks(prompts(5), warm_up, len(times) - warm_up, 0))
    return in_virtual_time(lambda clock: open_loop(server, SAMPLING, made, np.array(times), clock))


def test_open_loop_sends_at_each_arrival_whatever_is_in_flight() -> None:
    """Ten arrivals within one service: all are in the server at once, each sent when it was due."""
    times = [0.01 * number for number in range(1, 11)]
    server = QueueServer(prefill_seconds=1.0)
    requests = _open(server, times)
    assert server.most_in_flight == 10
    assert server.began == pytest.approx(times)
    assert [request.late_seconds for request in requests] == pytest.approx([0.0] * 10)


def test_a_slow_server_shows_its_queue() -> None:
    """With one slot the k-th of ten at once waits for k services: its latency holds the queue, from its own sending."""
    server = QueueServer()
    requests = _open(server, [1.0] * 10)
    expected = [server.service_seconds * number for number in range(1, 11)]
    assert [request.e2e_seconds for request in requests] == pytest.approx(expected)
    assert [request.ended_seconds - request.scheduled_seconds for request in requests] == pytest.approx(expected)


def test_requests_carry_what_the_server_told() -> None:
    """Queue, first token, gaps and tokens; TPOT follows from them."""
    (request,) = _open(QueueServer(prefill_seconds=0.5, token_seconds=0.25, tokens=5), [2.0])
    assert (request.scheduled_seconds, request.sent_seconds, request.ended_seconds) == pytest.approx((2.0, 2.0, 3.5))
    assert (request.ttft_seconds, request.e2e_seconds, request.tpot_seconds) == pytest.approx((0.5, 1.5, 0.25))
    assert (request.queue_seconds, request.prompt_tokens, request.completion_tokens) == (0.0, 100, 5)
    assert len(request.inter_token_seconds) == 4


def test_a_driver_that_is_held_up_tells_by_how_much() -> None:
    """A clock that oversleeps by 30 ms: every request is that late, and its own latency does not hold it."""
    made = list(asks(prompts(3), 0, 3, 0))

    async def work(clock: Clock) -> list[Request]:
        async def oversleep(seconds: float) -> None:
            await clock.sleep(seconds + 0.03 if seconds else 0.0)

        slow = Clock(now=clock.now, monotonic=clock.monotonic, sleep=oversleep)
        return await open_loop(QueueServer(slots=9), SAMPLING, made, np.array([1.0, 2.0, 3.0]), slow)

    requests = in_virtual_time(work)
    assert [request.late_seconds for request in requests] == pytest.approx([0.03] * 3)
    assert [request.e2e_seconds for request in requests] == pytest.approx([0.1] * 3)


@pytest.mark.parametrize("concurrency", [1, 3, 8])
def test_closed_loop_keeps_so_many_in_flight(concurrency: int) -> None:
    """Never more, and with slots for all the time is that of the rounds."""
    server = QueueServer(slots=concurrency)
    requests = in_virtual_time(
        lambda clock: closed_loop(server, SAMPLING, asks(prompts(5), 0, 24, 0), concurrency, clock)
    )
    assert server.most_in_flight == concurrency
    assert len(requests) == 24
    assert max(request.ended_seconds for request in requests) == pytest.approx(
        24 / concurrency * server.service_seconds
    )


def test_closed_loop_stops_sending_after_its_duration() -> None:
    """One in flight, 0.1 s each: 10 in a second that starts with the first measured request, after two of warm-up."""
    server = QueueServer()
    requests = in_virtual_time(
        lambda clock: closed_loop(server, SAMPLING, asks(prompts(5), 2, None, 0), 1, clock, duration_seconds=0.95)
    )
    assert sum(not request.is_warm_up for request in requests) == 10
    assert sum(request.is_warm_up for request in requests) == 2


def test_a_failed_request_is_a_row_with_its_error() -> None:
    """It has no latency that could be taken for one; the others are as they were."""
    requests = _open(QueueServer(slots=9, fails=lambda number: number == 1), [1.0, 2.0, 3.0])
    assert [request.error for request in requests] == ["", "HTTP 503: overloaded", ""]
    assert (requests[1].ttft_seconds, requests[1].e2e_seconds, requests[1].tpot_seconds) == (None, None, None)


class Dead:
    """A model that ended."""

    async def generate(self, prompt: Prompt, sampling: Sampling, indexes: Sequence[int]) -> list[Completion]:
        """Raises."""
        raise GeneratorDied("no memory left")

    async def close(self) -> None:
        """Nothing is held."""


def test_a_model_that_died_fails_its_requests_and_not_the_run() -> None:
    """Each request says why."""
    made = list(asks(prompts(2), 0, 2, 0))
    requests = in_virtual_time(lambda clock: open_loop(Dead(), SAMPLING, made, np.array([1.0, 2.0]), clock))
    assert [request.error for request in requests] == ["the model ended: no memory left"] * 2


def test_prompts_are_cycled_in_a_seeded_order_with_new_indexes() -> None:
    """Each prompt once per cycle; the same seed gives the same order, another seed another."""
    made = list(asks(prompts(7), 0, 14, 3))
    names = [ask.prompt.task_id for ask in made]
    assert sorted(names[:7]) == [f"t{number}" for number in range(7)]
    assert names[7:] == names[:7]
    assert [ask.index for ask in made] == [0] * 7 + [1] * 7
    assert [ask.prompt.task_id for ask in asks(prompts(7), 0, 14, 3)] == names
    assert [ask.prompt.task_id for ask in asks(prompts(7), 0, 14, 4)] != names


def test_measured_requests_are_the_same_with_and_without_warm_up() -> None:
    """Warm-up comes before them and takes nothing from them."""
    with_warm_up = list(asks(prompts(7), 3, 5, 3))
    assert [ask.is_warm_up for ask in with_warm_up] == [True] * 3 + [False] * 5
    assert with_warm_up[3:] == list(asks(prompts(7), 0, 5, 3))
    assert len(list(itertools.islice(asks(prompts(2), 0, None, 3), 100))) == 100
