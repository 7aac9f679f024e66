"""Load a generator: open loop at given arrival times, or closed loop with so many requests in flight.

Open loop means that a request is sent at its arrival time whatever is still in flight, as users do who do not wait for
each other: a server that is too slow then shows a queue instead of being spared the load.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from actors.generator import Generator, GeneratorDied, Sampling
from actors.retry import Clock
from benchmarks.problem import Completion, Prompt
from engine.stress.arrivals import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request to be made."""

    prompt: Prompt
    index: int
    """Sample index: the same prompt asked again draws with another seed."""
    is_warm_up: bool = False
    """Sent like the others, in no figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that was made; times are seconds from the start of the level."""

    task_id: str
    is_warm_up: bool
    scheduled_seconds: float
    """When it was due; in closed loop the same as sent."""
    sent_seconds: float
    ended_seconds: float
    """When its completion was in our hands."""
    queue_seconds: float | None
    ttft_seconds: float | None
    e2e_seconds: float | None
    """From sent to the last token; None where it failed."""
    inter_token_seconds: tuple[float, ...]
    prompt_tokens: int | None
    completion_tokens: int | None
    finish_reason: str
    error: str
    """Empty if it was answered."""

    @property
    def tpot_seconds(self) -> float | None:
        """Time per output token after the first; None with fewer than two tokens or where they were not watched."""
        tokens = self.completion_tokens or 0
        if tokens < 2 or self.ttft_seconds is None or self.e2e_seconds is None:
            return None
        return (self.e2e_seconds - self.ttft_seconds) / (tokens - 1)

    @property
    def late_seconds(self) -> float:
        """How much later than due it was sent: our own fault, not the server's."""
        return self.sent_seconds - self.scheduled_seconds


async def open_loop(
    generator: Generator, sampling: Sampling, asks: Sequence[Ask], arrivals_R: FloatArray, clock: Clock
) -> list[Request]:
    """Send each request at its arrival time, and wait for all; gives them in the order of arrival.

    Args:
        generator: what is loaded; it must not hold requests back itself.
        sampling: how completions are drawn.
        asks: the requests.
        arrivals_R: seconds from now to each, ascending.
        clock: `monotonic` and `sleep` are used.
    """
    start = clock.monotonic()
    async with asyncio.TaskGroup() as group:
        tasks = []
        for ask, arrival in zip(asks, arrivals_R.tolist(), strict=True):
            # Sleeping for 0 still lets the tasks that were made before begin.
            await clock.sleep(max(0.0, start + arrival - clock.monotonic()))
            tasks.append(group.create_task(_make(generator, sampling, ask, start, arrival, clock)))
    return [task.result() for task in tasks]


async def closed_loop(
    generator: Generator,
    sampling: Sampling,
    asks: Iterator[Ask],
    concurrency: int,
    clock: Clock,
    duration_seconds: float | None = None,
) -> list[Request]:
    """Keep so many requests in flight until there are no more; gives them in the order they were sent.

    Args:
        generator: what is loaded.
        sampling: how completions are drawn.
        asks: the requests; may be endless where a duration is given.
        concurrency: requests in flight at once.
        clock: `monotonic` is used.
        duration_seconds: no request is sent later than this after the first that is not warm-up; None sends all.
    """
    start = clock.monotonic()
    first_measured: float | None = None
    requests: list[Request] = []

    async def work() -> None:
        nonlocal first_measured
        for ask in asks:
            now = clock.monotonic() - start
            if not ask.is_warm_up:
                first_measured = now if first_measured is None else first_measured
                if duration_seconds is not None and now >= first_measured + duration_seconds:
                    return
            requests.append(await _make(generator, sampling, ask, start, None, clock))

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())
    return sorted(requests, key=lambda request: request.sent_seconds)


async def _make(
    generator: Generator, sampling: Sampling, ask: Ask, start: float, scheduled: float | None, clock: Clock
) -> Request:
    sent = clock.monotonic() - start
    try:
        (completion,) = await generator.generate(ask.prompt, sampling, [ask.index])
    except GeneratorDied as error:
        completion = Completion(text="", finish_reason="error", error=f"the model ended: {error}")
    ended = clock.monotonic() - start
    return _request(ask, completion, sent if scheduled is None else scheduled, sent, ended)


def _request(ask: Ask, completion: Completion, scheduled: float, sent: float, ended: float) -> Request:
    """What is kept of a completion; the latency is the generator's own, ours where it tells none."""
    own = completion.seconds if completion.seconds is not None else ended - sent
    gaps = completion.inter_token_seconds
    tokens = completion.completion_tokens
    return Request(
        task_id=ask.prompt.task_id,
        is_warm_up=ask.is_warm_up,
        scheduled_seconds=scheduled,
        sent_seconds=sent,
        ended_seconds=ended,
        queue_seconds=completion.queue_seconds,
        ttft_seconds=None if completion.error else completion.ttft_seconds,
        e2e_seconds=None if completion.error else own,
        inter_token_seconds=() if completion.error else gaps,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=tokens if tokens is not None or not gaps else len(gaps) + 1,
        finish_reason=completion.finish_reason,
        error=completion.error,
    )
