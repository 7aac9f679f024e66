"""MBPP: editions, splits, prompts and programs."""

from __future__ import annotations

import pytest

from benchmarks.benchmark import reference_completion, wrong_completions
from benchmarks.mbpp import entry_point_of
from benchmarks.problem import Completion, Problem
from benchmarks.registry import AnyBenchmark
from runners.errors import DataError, UserError
from runners.program import Status
from runners.sandbox import Sandbox
from tests.benchmarks.conftest import Loader

COUNTS = {
    ("mbpp", "train"): 374,
    ("mbpp", "test"): 500,
    ("mbpp", "validation"): 90,
    ("mbpp", "prompt"): 10,
    ("mbpp", "all"): 974,
    ("mbpp:sanitized", "train"): 120,
    ("mbpp:sanitized", "test"): 257,
    ("mbpp:sanitized", "validation"): 43,
    ("mbpp:sanitized", "prompt"): 7,
    ("mbpp:sanitized", "all"): 427,
}


def by_id(benchmark: AnyBenchmark, task_id: str) -> Problem:
    """One problem."""
    return next(problem for problem in benchmark.problems() if problem.task_id == task_id)


@pytest.mark.parametrize(("spec", "split"), COUNTS, ids=[f"{spec}-{split}" for spec, split in COUNTS])
def test_splits_have_the_papers_sizes(real: Loader, spec: str, split: str) -> None:
    """Task id ranges give the published number of problems in both editions."""
    assert len(real(spec, split=split).problems()) == COUNTS[spec, split]


def test_zero_shot_prompt_is_a_docstring_of_text_and_first_test(real: Loader) -> None:
    """The BigCode form, byte for byte."""
    problem = by_id(real("mbpp"), "Mbpp/11")
    assert problem.prompt == (
        '"""\nWrite a python function to remove first and last occurrence of a given character from the string.\n'
        'assert remove_Occ("hello","l") == "heo"\n"""\n'
    )


def test_three_shots_are_the_papers_and_are_not_scored(real: Loader) -> None:
    """Tasks 2, 3 and 4 stand solved before each question, and no row of their split is asked."""
    benchmark = real("mbpp", shots=3, split="all")
    prompt = benchmark.prompt(by_id(benchmark, "Mbpp/11"), "base")
    assert prompt.text.count("[BEGIN]") == 4
    assert prompt.text.count("[DONE]") == 3
    assert [prompt.text.index(f"def {name}(") for name in ("similar_elements", "is_not_prime", "heap_queue_largest")]
    assert prompt.text.endswith("[BEGIN]\n")
    assert prompt.stop == ("[DONE]",)
    assert len(benchmark.problems()) == 964
    assert real("mbpp").stop != prompt.stop


def test_three_shots_refuse_to_score_only_their_own_split(real: Loader) -> None:
    """Scoring what was shown would be scoring nothing."""
    with pytest.raises(UserError, match="no task of split 'prompt' is left"):
        real("mbpp", shots=3, split="prompt")


def test_wrong_edition_names_the_missing_field(real: Loader) -> None:
    """A sanitized file read as the full edition is told by its first row."""
    with pytest.raises(DataError, match="field 'text': Field required"):
        real("mbpp", data=real.folder / "mbpp/sanitized-mbpp.json.gz")


def test_nothing_of_the_prompt_enters_the_program(real: Loader) -> None:
    """The program is the tests' imports and the code; each assertion is a test of its own."""
    problem = by_id(real("mbpp:sanitized", split="all"), "Mbpp/82")
    completion = Completion(text="def volume_sphere(r):\n    return 0\nassert False")
    (program,) = real("mbpp:sanitized", split="all").programs(problem, completion)
    assert program.source == "import math\ndef volume_sphere(r):\n    return 0\n"
    assert len(program.tests) == 3
    assert all(test.startswith("assert ") for test in program.tests)


def test_setup_code_runs_after_the_program(real: Loader) -> None:
    """Tasks 367 and 927 build objects of a class that the answer defines."""
    problem = by_id(real("mbpp", split="all"), "Mbpp/367")
    assert problem.setup == ""
    assert problem.tests[0].startswith("root = Node(1)")


def test_every_problem_has_an_entry_point_that_its_code_defines(real: Loader) -> None:
    """Extraction from chat answers needs the name in all 974 tasks."""
    assert [problem.task_id for problem in real("mbpp", split="all").problems() if problem.entry_point is None] == []


def test_entry_point_is_the_defined_function_among_nested_calls() -> None:
    """`set(f(x))` and `math.isclose(f(x), y)` test f."""
    code = "def helper(x):\n    return x\ndef f(x):\n    return helper(x)\n"
    assert entry_point_of(code, "assert set(f((1, 2))) == set((1, 2))") == "f"
    assert entry_point_of(code, "assert math.isclose(f(1), 2)") == "f"
    assert entry_point_of(code, "assert other(1)") is None


@pytest.mark.parametrize("task_id", ["Mbpp/2", "Mbpp/82", "Mbpp/246", "Mbpp/367", "Mbpp/927"])
def test_reference_passes_and_wrong_ones_fail_in_the_sandbox(real: Loader, sandbox: Sandbox, task_id: str) -> None:
    """The task's own code passes and functions that solve nothing do not."""
    spec = "mbpp" if task_id in ("Mbpp/367", "Mbpp/927") else "mbpp:sanitized"
    benchmark = real(spec, split="all")
    problem = by_id(benchmark, task_id)
    reference = reference_completion(problem)
    assert reference is not None
    assert sandbox.run(benchmark.programs(problem, reference)[0]).status is Status.PASSED
    for wrong in wrong_completions(problem):
        verdict = sandbox.run(benchmark.programs(problem, wrong)[0])
        assert verdict.status.counts
        assert not verdict.passed
