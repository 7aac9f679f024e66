"""Tasks one after the other, except that while one sleeps the next may begin: a bounded number in all."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from runners.supervise import Idle

T = TypeVar("T")
Task = Callable[[Idle], T]
"""Does its work; calls what it is given while it sleeps."""
MAX_ASLEEP = 8
"""Tasks that may sleep while another runs: each holds a jail of its own."""


class Lanes(Generic[T]):
    """One call of `run_all`: as long as nothing sleeps, all is done in the calling thread."""

    def __init__(self, tasks: Iterable[Task[T]], max_asleep: int = MAX_ASLEEP) -> None:
        """Take the tasks, in order."""
        self._waiting = deque(enumerate(tasks))
        self._max_asleep = max_asleep
        self._lock = threading.Lock()
        self._results: dict[int, T] = {}
        self._errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._num_asleep = 0

    def run_all(self) -> list[T]:
        """Run all tasks to their end; their results in the order of the tasks.

        Raises:
            BaseException: the first that a task raised; tasks that had not begun by then are not run.
        """
        self._work()
        while self._threads:  # a thread may have started others before it ended
            self._threads.pop().join()
        if self._errors:
            raise self._errors[0]
        return [self._results[index] for index in sorted(self._results)]

    def _work(self) -> None:
        """Run waiting tasks until none is left, or until this thread's task has slept and another thread took over."""
        while not self._errors:
            with self._lock:
                if not self._waiting:
                    return
                index, task = self._waiting.popleft()
            turn = _Turn(self)
            try:
                self._results[index] = task(turn.pass_on)
            except BaseException as error:  # noqa: BLE001 (raised again by `run_all`)
                self._errors.append(error)
            if turn.is_over():
                return

    def take_over(self) -> bool:
        """Let another thread go on with what waits, if something does and not too many sleep."""
        with self._lock:
            if not self._waiting or self._num_asleep >= self._max_asleep:
                return False
            self._num_asleep += 1
            thread = threading.Thread(target=self._work, daemon=True)
            self._threads.append(thread)
        thread.start()
        return True

    def wake(self) -> None:
        """A task that slept has ended."""
        with self._lock:
            self._num_asleep -= 1


class _Turn:
    """One task's right to run, which it passes on when it sleeps."""

    def __init__(self, lanes: Lanes[T]) -> None:
        self._lanes, self._passed_on = lanes, False

    def pass_on(self) -> None:
        """Called while the task sleeps, as often as one likes."""
        self._passed_on = self._passed_on or self._lanes.take_over()

    def is_over(self) -> bool:
        """Whether another thread runs in its place."""
        if self._passed_on:
            self._lanes.wake()
        return self._passed_on
