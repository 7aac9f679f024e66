"""Replicas of a local model that answer single requests as they come, each a Ray actor with one generator.

The pipeline's actors take batches of rows; these take one prompt at a time, many in flight, as a server does. The
request goes to the replica with the fewest in flight.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from actors.generator import Generator, GeneratorDied, Sampling
from actors.models import ModelSpec, open_generator
from actors.options import GeneratorOptions
from actors.placement import Placement, cluster_nodes, place_replicas
from benchmarks.problem import Completion, Prompt
from runners.errors import UserError

MAX_IN_FLIGHT = 100_000
"""Calls that an actor takes at once: what holds requests back is the back end alone."""


class Replica:
    """One generator in a process of its own."""

    def __init__(self, spec: ModelSpec, options: GeneratorOptions) -> None:
        """Remember what to load; `load` does it."""
        self._spec = spec
        self._options = options
        self._generator: Generator | None = None

    async def load(self) -> None:
        """Load the model, beside the event loop, since that takes long.

        Raises:
            UserError: the back end is not installed, or cannot load what the spec names.
        """
        self._generator = await asyncio.to_thread(open_generator, self._spec, self._options, {})

    async def generate(self, prompt: Prompt, sampling: Sampling, indexes: Sequence[int]) -> list[Completion]:
        """As Generator.generate; many calls may be in flight."""
        assert self._generator is not None
        return await self._generator.generate(prompt, sampling, indexes)

    async def close(self) -> None:
        """Give back what the generator holds."""
        if self._generator is not None:
            await self._generator.close()


class Replicas:
    """A Generator over several replicas, by least in flight."""

    def __init__(self, replicas: Sequence[Any]) -> None:
        """Take handles of `Replica` actors that have loaded their model."""
        self._replicas = list(replicas)
        self._in_flight = [0] * len(replicas)
        self._alive = set(range(len(replicas)))
        self._next = 0

    @classmethod
    async def open(cls, spec: ModelSpec, options: GeneratorOptions, asked: int | str) -> Replicas:
        """Start the actors and load the model in each; Ray is connected.

        Args:
            spec: the model, of a kind that holds weights.
            options: of its back end.
            asked: replicas, or `auto`: one per GPU (or group of them), else one.

        Raises:
            UserError: the cluster has too few GPUs, or the model cannot be loaded.
        """
        placement = place_replicas(spec, options, asked, *cluster_nodes())
        placed = placement.applied_to(options)
        actors = [_start(spec, placed, placement) for _ in range(placement.replicas)]
        opened = cls(actors)
        try:
            await asyncio.gather(*(actor.load.remote() for actor in actors))
        except (RayTaskError, RayActorError) as error:
            await opened.close()
            cause = getattr(error, "cause", None)
            if isinstance(cause, UserError):
                raise cause from None
            raise UserError(f"{spec}: a replica ended while it loaded the model: {_last_line(error)}") from error
        return opened

    def __len__(self) -> int:
        """How many replicas there are."""
        return len(self._replicas)

    async def generate(self, prompt: Prompt, sampling: Sampling, indexes: Sequence[int]) -> list[Completion]:
        """Ask the replica with the fewest requests in flight; what a dead one held comes back as errors.

        Raises:
            GeneratorDied: no replica is left.
        """
        chosen = self._choose()
        self._in_flight[chosen] += len(indexes)
        try:
            answered: list[Completion] = await self._replicas[chosen].generate.remote(prompt, sampling, indexes)
            return answered
        except (RayTaskError, RayActorError) as error:
            if isinstance(error, RayActorError):
                # It has nothing in flight any more and would draw all further requests.
                self._alive.discard(chosen)
            told = f"replica {chosen}: {_last_line(error)}"
            return [Completion(text="", finish_reason="error", error=told) for _ in indexes]
        finally:
            self._in_flight[chosen] -= len(indexes)

    async def close(self) -> None:
        """End the actors; each gets a moment to close its generator."""
        closing = [replica.close.remote() for replica in self._replicas]
        await asyncio.gather(*(_given_up(reference) for reference in closing))
        for replica in self._replicas:
            ray.kill(replica)

    def _choose(self) -> int:
        """Of those alive the one with the fewest in flight; of equals the next in turn."""
        if not self._alive:
            raise GeneratorDied("no replica is left")
        count = len(self._replicas)
        chosen = min(self._alive, key=lambda number: (self._in_flight[number], (number - self._next) % count))
        self._next = (chosen + 1) % count
        return chosen


def disconnect() -> None:
    """Leave Ray, where this process has joined it."""
    if ray.is_initialized():
        ray.shutdown()


def _start(spec: ModelSpec, options: GeneratorOptions, placement: Placement) -> Any:  # noqa: ANN401 - an actor handle
    own_group = placement.actor_arguments()
    arguments = own_group() if own_group else {}
    remote = ray.remote(Replica).options(
        num_cpus=0, num_gpus=placement.actor_gpus, max_concurrency=MAX_IN_FLIGHT, **arguments
    )
    return remote.remote(spec, options)


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__


async def _given_up(reference: Any) -> None:  # noqa: ANN401 - an object reference
    """Wait a while; a replica that cannot close any more is ended all the same."""
    try:
        await asyncio.wait_for(reference, timeout=10)
    except (RayTaskError, RayActorError, TimeoutError):
        return
