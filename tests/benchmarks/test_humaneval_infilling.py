"""Single-line infilling: which lines become gaps, how gap and completion are joined, and what passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.benchmark import reference_completion, wrong_completions
from benchmarks.humaneval_infilling import HumanEvalInfilling
from benchmarks.problem import Completion
from benchmarks.registry import load_benchmark
from runners.errors import UserError
from runners.program import Status
from runners.sandbox import Sandbox

PROMPT = 'def twice(x):\n    return 2 * x\n\n\ndef f(x):\n    """Four times x."""\n'
RECORD = {
    "task_id": "HumanEval/7",
    "prompt": PROMPT,
    "canonical_solution": "    y = twice(x)\n\n    return twice(y)\n",
    "test": "def check(candidate):\n    assert candidate(3) == twice(6)\n",
    "entry_point": "f",
}


def infilling(folder: Path, **changes: str) -> HumanEvalInfilling:
    """The benchmark made from one record."""
    file = folder / "data.jsonl"
    file.write_text(json.dumps(RECORD | changes) + "\n")
    benchmark = load_benchmark("humaneval_infilling", {"data": file}, folder)
    assert isinstance(benchmark, HumanEvalInfilling)
    return benchmark


def test_each_line_that_is_not_blank_is_a_gap(tmp_path: Path) -> None:
    """Tasks carry the line's number in the solution; prefix, line and suffix make up the whole."""
    first, second = infilling(tmp_path).problems()
    assert (first.task_id, second.task_id) == tuple(f"SingleLineInfilling/HumanEval/7/L{n}" for n in (0, 2))
    assert (first.prompt, first.reference, first.suffix) == (
        PROMPT + "\n",  # the authors' own line break
        "    y = twice(x)\n",
        "\n    return twice(y)\n",
    )
    assert (second.prompt, second.reference, second.suffix) == (
        PROMPT + "    y = twice(x)\n\n",
        "    return twice(y)\n",
        "",
    )


def test_gaps_of_one_solution_are_one_cluster(tmp_path: Path) -> None:
    """Both lines come from HumanEval/7, also where the published file says so in its task id alone."""
    assert {problem.cluster for problem in infilling(tmp_path).problems()} == {"HumanEval/7"}
    published = infilling(tmp_path, task_id="SingleLineInfilling/HumanEval/7/L2", suffix="", canonical_solution="x\n")
    assert [problem.cluster for problem in published.problems()] == ["HumanEval/7"]


def test_prompt_shows_both_sides_and_has_no_stop(tmp_path: Path) -> None:
    """Form `fim` gives prefix and suffix as they are."""
    benchmark = infilling(tmp_path)
    problem = benchmark.problems()[0]
    prompt = benchmark.prompt(problem, "fim")
    assert (prompt.form, prompt.text, prompt.suffix, prompt.stop) == ("fim", problem.prompt, problem.suffix, ())


@pytest.mark.parametrize("form", ["base", "chat"])
def test_other_forms_are_refused_with_the_cure(tmp_path: Path, form: str) -> None:
    """A form that cannot show a suffix is an error that names the one that can."""
    benchmark = infilling(tmp_path)
    assert benchmark.forms == ("fim",)
    with pytest.raises(UserError, match=r"--set model\.form=fim"):
        benchmark.prompt(benchmark.problems()[0], form)


def test_program_is_the_harness_own_text(tmp_path: Path) -> None:
    """Prefix, completion and suffix are joined byte for byte, then a line break, the test and the call."""
    benchmark = infilling(tmp_path)
    problem = benchmark.problems()[0]
    (program,) = benchmark.programs(problem, Completion(text="    y = 1"))
    theirs = problem.prompt + "    y = 1" + problem.suffix + "\n" + RECORD["test"] + "\n" + "check(f)"
    assert program.source + "".join(program.tests) == theirs


def test_published_file_gives_the_same_tasks(tmp_path: Path) -> None:
    """A record with a suffix is one task as it stands, equal to the one made from HumanEval's record."""
    made = infilling(tmp_path).problems()[1]
    published = {"task_id": made.task_id, "prompt": made.prompt, "suffix": made.suffix}
    assert infilling(tmp_path, **published, canonical_solution="    return twice(y)\n").problems() == (made,)


def test_removed_line_passes_and_wrong_ones_fail_in_the_sandbox(tmp_path: Path, sandbox: Sandbox) -> None:
    """The line that was taken out passes, also where the test calls a helper; others do not."""
    benchmark = infilling(tmp_path)
    for problem in benchmark.problems():
        reference = reference_completion(problem)
        assert reference is not None
        assert sandbox.run(benchmark.programs(problem, reference)[0]).status is Status.PASSED
        for wrong in (*wrong_completions(problem), Completion(text="    return y = x\n"), Completion(text="")):
            verdict = sandbox.run(benchmark.programs(problem, wrong)[0])
            assert verdict.status.counts and not verdict.passed
