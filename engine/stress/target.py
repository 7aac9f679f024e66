"""What is loaded: an endpoint, called from this process, or replicas of our own."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from actors.generator import Generator
from actors.models import ModelSpec, open_generator
from actors.options import GeneratorOptions
from benchmarks.problem import PromptForm
from engine.config import ModelConfig
from runners.errors import UserError

HOLDS_WEIGHTS = frozenset({"transformers", "vllm"})
STORED = frozenset({"reference", "replay"})
UNLIMITED = 100_000
"""Requests in flight that the client allows: the open loop alone decides how many there are."""


def check_target(spec: ModelSpec, replicas: int | None) -> None:
    """Whether this model can be loaded at all.

    Raises:
        UserError: it only gives back what is stored, or replicas are asked for where none are started.
    """
    if spec.kind in STORED:
        raise UserError(
            f"--model {spec}: it gives back what is stored and has no latency. Load openai:URL#MODEL, vllm:PATH, "
            "transformers:PATH or a checkpoint directory."
        )
    if replicas is not None and replicas < 1:
        raise UserError(f"--replicas {replicas}: give at least 1.")
    if replicas is not None and spec.kind not in HOLDS_WEIGHTS:
        raise UserError(f"--replicas {replicas}: --model {spec} starts no replicas; it belongs to a checkpoint.")


def stress_options(config: ModelConfig) -> GeneratorOptions:
    """The options of the back end: nothing held back, nothing asked again, every request watched token by token.

    What the user set stays, but for the limit on requests in flight: below the load it would hide the queue.
    """
    wanted: dict[str, Any] = {"max_retries": 0, "stream_every": 1}
    kept = {name: value for name, value in wanted.items() if name not in config.model_fields_set}
    options: GeneratorOptions = config.model_copy(update={**kept, "concurrency": UNLIMITED})
    return options


@asynccontextmanager
async def open_target(
    spec: ModelSpec, options: GeneratorOptions, replicas: int | str, form: PromptForm
) -> AsyncIterator[Generator]:
    """A generator that is ready, closed at the end; for weights Ray is connected before.

    Raises:
        UserError: the endpoint refuses or is not there, or the model cannot be loaded.
    """
    _allow_many_connections()
    generator = await _opened(spec, options, replicas, form)
    try:
        yield generator
    finally:
        await generator.close()


async def _opened(spec: ModelSpec, options: GeneratorOptions, replicas: int | str, form: PromptForm) -> Generator:
    if spec.kind in HOLDS_WEIGHTS:
        from actors.serving import Replicas

        return await Replicas.open(spec, options, replicas)
    if spec.kind == "openai":
        from actors.openai_generator import OpenAIGenerator

        endpoint = OpenAIGenerator(spec.target, spec.model, options)
        try:
            await endpoint.check(form)
        except UserError:
            await endpoint.close()
            raise
        return endpoint
    return open_generator(spec, options, {})


def _allow_many_connections() -> None:
    """Each request in flight is an open file; the usual limit of 1024 is meant for programs with few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
