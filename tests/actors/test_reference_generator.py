from __future__ import annotations

import asyncio

from actors.generator import Sampling
from actors.reference_generator import ReferenceGenerator
from benchmarks.problem import Completion, Prompt


def ask(generator: ReferenceGenerator, prompt: Prompt) -> list[Completion]:
    return asyncio.run(generator.generate(prompt, Sampling(), [0, 1]))


def test_variant_has_its_own_reference() -> None:
    """A perturbed problem is answered with its own solution, not with the original's."""
    original, renamed = Completion(text="return f()"), Completion(text="return g()")
    generator = ReferenceGenerator({("T/0", "nominal"): original, ("T/0", "rename"): renamed})
    assert ask(generator, Prompt(task_id="T/0", form="base")) == [original, original]
    assert ask(generator, Prompt(task_id="T/0", variant="rename", form="base")) == [renamed, renamed]


def test_missing_reference_names_the_task() -> None:
    """A task without a reference gets an error that names task and variant."""
    got = ask(ReferenceGenerator({}), Prompt(task_id="T/9", variant="v", form="base"))
    assert [c.error for c in got] == ["no reference solution for T/9 (v)"] * 2
