"""Tasks run one after the other, except beside those that sleep."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from actors.lanes import Lanes
from runners.supervise import Idle

PATIENCE_SECONDS = 30
"""A wait that takes so long has failed."""
TICK_SECONDS = 0.01
"""How often a sleeper says so, as a jail does."""


def told(name: str, log: list[tuple[str, int]]) -> Callable[[Idle], str]:
    """A task that only says where it ran."""

    def task(idle: Idle) -> str:
        log.append((name, threading.get_ident()))
        return name

    return task


def asleep_until(event: threading.Event, name: str) -> Callable[[Idle], str]:
    """A task that sleeps until something happens."""

    def task(idle: Idle) -> str:
        for _ in range(int(PATIENCE_SECONDS / TICK_SECONDS)):
            idle()
            if event.wait(TICK_SECONDS):
                return name
        return "nobody woke it"

    return task


def setting(event: threading.Event, name: str) -> Callable[[Idle], str]:
    """A task that makes it happen."""

    def task(idle: Idle) -> str:
        event.set()
        return name

    return task


def test_tasks_that_do_not_sleep_run_in_order_in_the_calling_thread() -> None:
    """No thread is made for work that needs none."""
    log: list[tuple[str, int]] = []
    assert Lanes([told(name, log) for name in "abc"]).run_all() == ["a", "b", "c"]
    assert log == [(name, threading.get_ident()) for name in "abc"]


def test_next_task_runs_while_one_sleeps() -> None:
    """A task that only a later one can wake ends, and results keep the order of the tasks."""
    woken = threading.Event()
    assert Lanes([asleep_until(woken, "a"), setting(woken, "b")]).run_all() == ["a", "b"]


def test_number_of_sleepers_is_bounded() -> None:
    """Where one may sleep, a second that sleeps holds up what waits behind it."""
    first, second = threading.Event(), threading.Event()
    begun: list[tuple[str, int]] = []

    def sleeps_too(idle: Idle) -> str:
        idle()
        first.set()
        return "b" if not begun else "the next task did not wait"

    tasks = [asleep_until(first, "a"), sleeps_too, told("c", begun), setting(second, "d")]
    assert Lanes(tasks, max_asleep=1).run_all() == ["a", "b", "c", "d"]
    assert second.is_set()


def test_task_that_has_slept_makes_room_for_the_next_sleeper() -> None:
    """The bound counts tasks that sleep now, not all that ever did."""
    events = [threading.Event() for _ in range(3)]
    tasks = [task for event in events for task in (asleep_until(event, "a"), setting(event, "b"))]
    assert Lanes(tasks, max_asleep=1).run_all() == ["a", "b"] * 3


def test_error_of_a_task_is_raised_after_all_threads_have_ended() -> None:
    """What a task raises in another thread reaches the caller."""
    woken = threading.Event()

    def fails(idle: Idle) -> str:
        woken.set()
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        Lanes([asleep_until(woken, "a"), fails]).run_all()
    assert not [thread for thread in threading.enumerate() if thread.name.endswith("(_work)")]
