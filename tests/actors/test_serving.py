from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import RayActorError

from actors.generator import GeneratorDied, Sampling
from actors.serving import Replicas
from benchmarks.problem import Completion, Prompt

PROMPT = Prompt(task_id="t", form="base", text="def f():\n")


def _handle(answer: Callable[[], Awaitable[list[Completion]]]) -> Any:
    """What stands for an actor: `generate.remote` gives something to await."""
    return SimpleNamespace(generate=SimpleNamespace(remote=lambda prompt, sampling, indexes: answer()))


class Held:
    """A replica whose answers wait until they are let go."""

    def __init__(self) -> None:
        self.calls = 0
        self.gate = asyncio.Event()

    async def __call__(self) -> list[Completion]:
        """One completion, later."""
        self.calls += 1
        await self.gate.wait()
        return [Completion(text="x")]


async def _dead() -> list[Completion]:
    raise RayActorError


async def _ask(replicas: Replicas) -> Completion:
    (completion,) = await replicas.generate(PROMPT, Sampling(), [0])
    return completion


def test_requests_go_to_the_replica_with_the_fewest_in_flight() -> None:
    """Twelve spread evenly over three; when one has answered its four, the next four are its own."""

    async def work() -> list[list[int]]:
        held = [Held() for _ in range(3)]
        replicas = Replicas([_handle(each) for each in held])
        tasks = [asyncio.create_task(_ask(replicas)) for _ in range(12)]
        await asyncio.sleep(0)
        seen = [[each.calls for each in held]]
        held[1].gate.set()
        while sum(task.done() for task in tasks) < 4:
            await asyncio.sleep(0)
        held[1].gate.clear()
        tasks += [asyncio.create_task(_ask(replicas)) for _ in range(4)]
        await asyncio.sleep(0)
        seen.append([each.calls for each in held])
        for each in held:
            each.gate.set()
        await asyncio.gather(*tasks)
        return seen

    assert asyncio.run(work()) == [[4, 4, 4], [4, 8, 4]]


def test_a_dead_replica_fails_what_it_held_and_gets_no_more() -> None:
    """It has nothing in flight from then on, and is passed over all the same."""

    async def work() -> list[str]:
        alive = Held()
        alive.gate.set()
        replicas = Replicas([_handle(_dead), _handle(alive)])
        return [(await _ask(replicas)).error for _ in range(6)]

    errors = asyncio.run(work())
    assert errors[0].startswith("replica 0: ")
    assert errors[1:] == [""] * 5


def test_without_any_replica_the_model_has_died() -> None:
    """The last one's request is an error, the next one is told so."""

    async def work() -> None:
        replicas = Replicas([_handle(_dead)])
        assert (await _ask(replicas)).error
        with pytest.raises(GeneratorDied, match="no replica is left"):
            await _ask(replicas)

    asyncio.run(work())
