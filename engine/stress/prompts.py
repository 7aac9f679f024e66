"""What is asked: real prompts of benchmarks, cycled in a seeded order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from actors.models import ModelSpec
from benchmarks.problem import Prompt, PromptForm
from engine.asking import limited, load_benchmarks, model_form
from engine.config import RunConfig
from engine.stress.load import Ask


def benchmark_prompts(config: RunConfig, spec: ModelSpec) -> tuple[PromptForm, list[Prompt]]:
    """The prompt form of the model, and the prompts of all its configured benchmarks in their own order.

    Raises:
        UserError: an option, a file or a checkpoint is at fault.
    """
    form = model_form(spec, config)
    benchmarks = [limited(benchmark, config.limit) for benchmark in load_benchmarks(config).values()]
    return form, [benchmark.ask(problem, form) for benchmark in benchmarks for problem in benchmark.problems()]


def asks(prompts: Sequence[Prompt], warm_up: int, measured: int | None, seed: int) -> Iterator[Ask]:
    """Requests of one level: the same for every level and every run of it.

    Args:
        prompts: what to cycle through, in an order that follows from the seed.
        warm_up: requests at the start that are left out of the figures; the measured ones are the same without them.
        measured: requests after that; None never ends.
        seed: of the order.
    """
    order = np.random.default_rng(seed).permutation(len(prompts)).tolist()
    for number in range(warm_up):
        # From the end of the order, so that the first measured prompts are not those that were just answered.
        yield Ask(prompt=prompts[order[-1 - number % len(order)]], index=number // len(order), is_warm_up=True)
    for number in itertools.count() if measured is None else range(measured):
        yield Ask(prompt=prompts[order[number % len(order)]], index=number // len(order))
