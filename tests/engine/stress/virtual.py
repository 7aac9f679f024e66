"""Virtual time: an event loop whose clock jumps to the next timer, and a server as a queue model in it."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from actors.generator import Sampling
from actors.retry import Clock
from benchmarks.problem import Completion, Prompt

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Waits for nothing: where only timers are left, its time is that of the first one."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual_seconds = 0.0

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual_seconds

    def _run_once(self) -> None:
        scheduled = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
        if scheduled and not self._ready:  # type: ignore[attr-defined]
            self._virtual_seconds = max(self._virtual_seconds, scheduled[0]._when)
        super()._run_once()  # type: ignore[misc]


def in_virtual_time(work: Callable[[Clock], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in virtual time; it is given the clock."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work(Clock(now=loop.time, monotonic=loop.time)))
    finally:
        loop.close()


class QueueServer:
    """A server with so many slots; each request takes one for its whole service, in the order of arrival.

    With one slot, constant service times and Poisson arrivals it is M/D/1: stable below 1 / service requests per
    second, and the mean wait is rate * service^2 / (2 * (1 - rate * service)) (Pollaczek and Khinchine).
    """

    def __init__(
        self,
        *,
        slots: int = 1,
        prefill_seconds: float = 0.02,
        token_seconds: float = 0.01,
        tokens: int = 9,
        fails: Callable[[int], bool] = lambda number: False,
    ) -> None:
        self._slots = asyncio.Semaphore(slots)
        self._prefill, self._token, self._tokens, self._fails = prefill_seconds, token_seconds, tokens, fails
        self.service_seconds = prefill_seconds + (tokens - 1) * token_seconds
        self.asked: list[str] = []
        self.began: list[float] = []
        self.in_flight = 0
        self.most_in_flight = 0

    async def generate(self, prompt: Prompt, sampling: Sampling, indexes: Sequence[int]) -> list[Completion]:
        """One completion, after the wait for a slot and the service."""
        clock = asyncio.get_running_loop().time
        number, called = len(self.asked), clock()
        self.asked.append(prompt.task_id)
        self.began.append(called)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        async with self._slots:
            queued = clock() - called
            await asyncio.sleep(self._prefill)
            first = clock() - called
            await asyncio.sleep((self._tokens - 1) * self._token)
        self.in_flight -= 1
        if self._fails(number):
            return [Completion(text="", finish_reason="error", error="HTTP 503: overloaded")]
        return [
            Completion(
                text="x",
                prompt_tokens=100,
                completion_tokens=self._tokens,
                seconds=clock() - called,
                queue_seconds=queued,
                ttft_seconds=first,
                inter_token_seconds=(self._token,) * (self._tokens - 1),
            )
        ]

    async def close(self) -> None:
        """Nothing is held."""


def prompts(count: int) -> list[Prompt]:
    """Prompts t0, t1, ..."""
    return [Prompt(task_id=f"t{number}", form="base", text=f"def t{number}():\n") for number in range(count)]
