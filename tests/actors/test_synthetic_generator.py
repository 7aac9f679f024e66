"""The synthetic model: its answers follow from the prompt and the index alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from actors.generator import Sampling
from actors.models import open_generator, parse_model
from actors.options import GeneratorOptions
from actors.synthetic_generator import Synthetic, choice_of, parse_synthetic, solutions
from benchmarks.problem import Completion, Prompt
from benchmarks.starter import Starter, StarterOptions
from runners.errors import UserError

PROBLEMS = Starter.load(StarterOptions(), Path()).problems()
STARTER = Starter.load(StarterOptions(), Path())


def answers(prompt: Prompt, indexes: list[int], spec: str = "synthetic:latency=0") -> list[Completion]:
    generator = open_generator(parse_model(spec), GeneratorOptions(), {})
    return asyncio.run(generator.generate(prompt, Sampling(), indexes))


@pytest.mark.parametrize("form", ["base", "chat"])
def test_every_starter_problem_is_answered_with_one_of_its_solutions(form: str) -> None:
    """Whatever the prompt's form, each answer is the packaged solution that choice_of names, marked by its index."""
    for problem in PROBLEMS:
        prompt = STARTER.prompt(problem, form)
        bodies = (problem.reference or "", *problem.wrong)
        for index, completion in enumerate(answers(prompt, [0, 1, 2])):
            number = choice_of(problem.task_id, index, len(bodies), 0.0)
            assert number is not None
            assert completion.text == f"{bodies[number].rstrip()}\n    # sample {index}\n"
            assert STARTER.programs(problem, completion)[0].source.startswith(problem.prompt)


def test_answers_do_not_depend_on_what_else_is_asked() -> None:
    """The same index gives the same text alone, in another order and in another generator."""
    prompt = STARTER.prompt(PROBLEMS[3], "base")
    together = [completion.text for completion in answers(prompt, [0, 1, 2, 3])]
    alone = [answers(prompt, [index])[0].text for index in (3, 2, 1, 0)]
    assert together == alone[::-1]
    assert len(set(together)) == 4


def test_solutions_are_drawn_evenly() -> None:
    """Of three solutions each is about a third of the samples."""
    drawn = Counter(choice_of(f"task/{number}", 0, 3, 0.0) for number in range(3000))
    assert set(drawn) == {0, 1, 2}
    assert all(900 < count < 1100 for count in drawn.values())


def test_the_share_of_errors_is_as_asked() -> None:
    """With errors=0.1 about a tenth of the samples fails; with 0 none, with 1 all."""
    for share in (0.0, 0.1, 1.0):
        failed = sum(choice_of(f"task/{number}", 0, 3, share) is None for number in range(3000))
        assert abs(failed - 3000 * share) < 60


def test_a_failed_sample_is_an_error_completion() -> None:
    """An error names itself and has no text, so that its row counts as ours, not as a wrong answer."""
    completion = answers(STARTER.prompt(PROBLEMS[0], "base"), [0], "synthetic:errors=1")[0]
    assert (completion.finish_reason, completion.text, completion.error) == ("error", "", "synthetic error")


def test_a_foreign_prompt_is_an_error_completion() -> None:
    """A function that `starter` does not know has no answer; the error names the task."""
    prompt = Prompt(task_id="other/7", form="base", text="def no_such_function(x):\n")
    assert "other/7" in answers(prompt, [0])[0].error


@pytest.mark.parametrize("text", ["latency", "latency=x", "latency=-1", "errors=2", "speed=1", "latency=nan", ""])
def test_a_wrong_spec_is_told_with_the_right_form(text: str) -> None:
    """Unknown keys and values out of range are the user's fault, told with an example."""
    with pytest.raises(UserError, match="synthetic:latency=SECONDS"):
        parse_synthetic(text)


def test_spec_and_record_are_the_same() -> None:
    """What Synthetic prints parses to it."""
    how = Synthetic(latency=0.25, errors=0.125)
    spec = parse_model(str(how))
    assert (spec.kind, parse_synthetic(spec.target)) == ("synthetic", how)


def test_no_two_problems_share_a_function() -> None:
    """Functions tell the problems of `starter` apart, so none is answered with another's solution."""
    assert len(solutions()) == len(PROBLEMS) == 36
