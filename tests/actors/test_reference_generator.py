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
    generator = ReferenceGenerator({("", "T/0", "nominal"): (original,), ("", "T/0", "rename"): (renamed,)})
    assert ask(generator, Prompt(task_id="T/0", form="base")) == [original, original]
    assert ask(generator, Prompt(task_id="T/0", variant="rename", form="base")) == [renamed, renamed]


def test_benchmarks_with_the_same_tasks_keep_their_own_references() -> None:
    """A suite may hold one task id in several benchmarks."""
    cpp, java = Completion(text="return 1;"), Completion(text="return 2;")
    generator = ReferenceGenerator({("cpp", "T/0", "nominal"): (cpp,), ("java", "T/0", "nominal"): (java,)})
    assert ask(generator, Prompt(task_id="T/0", form="base", benchmark="java")) == [java, java]


def test_each_turn_has_its_own_answer() -> None:
    """A second question is not answered with what answers the first."""
    first, second = Completion(text="It adds."), Completion(text="return a + b")
    generator = ReferenceGenerator({("", "T/0", "nominal"): (first, second)})
    assert ask(generator, Prompt(task_id="T/0", form="chat", turn=1)) == [second, second]


def test_missing_reference_names_the_task() -> None:
    """A task without a reference gets an error that names task and variant."""
    got = ask(ReferenceGenerator({}), Prompt(task_id="T/9", variant="v", form="base"))
    assert [c.error for c in got] == ["no reference solution for T/9 (v)"] * 2
