"""nl2code: questions in two languages, and the challenge tests apart from the published ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.benchmark import reference_completion, wrong_completions
from benchmarks.problem import Completion
from benchmarks.registry import AnyBenchmark, load_benchmark
from runners.errors import DataError, UserError
from runners.program import Status, Verdict
from runners.sandbox import Sandbox

ROW: dict[str, object] = {
    "task_id": "Python/1",
    "prompt": "Write a function that doubles.",
    "prompt_text_chinese": "写一个加倍的函数。",
    "canonical_solution": "def twice(x):\n    return 2 * x\n",
    "test_setup": "",
    "test": ["assert twice(4) == 8", "assert twice(0) == 0"],
    "challenge_test_list": ["assert twice('a') == 'aa'"],
}
ONLY_NUMBERS = "def twice(x):\n    return x + int(x)\n"
"""Passes the published tests and not the challenge test."""


def load(folder: Path, changes: dict[str, object] | None = None, **options: object) -> AnyBenchmark:
    """The benchmark with one row."""
    path = folder / "mbpp_x.jsonl"
    path.write_text(json.dumps(ROW | (changes or {})) + "\n", encoding="utf-8")
    return load_benchmark("nl2code", {"data": path, **options}, folder)


@pytest.fixture
def real_set(shared_data: Path, tmp_path: Path) -> AnyBenchmark:
    """All 500 problems."""
    return load_benchmark("nl2code", {"data": shared_data / "codefuse" / "nl2code"}, tmp_path)


def test_the_real_file_loads_whole(real_set: AnyBenchmark) -> None:
    """500 problems with three tests each; 11 have challenge tests, and so a second program."""
    problems = real_set.problems()
    assert len(problems) == 500
    programs = [real_set.programs(problem, Completion(text="", verbatim=True)) for problem in problems]
    assert {len(first.tests) for first, *_ in programs} == {3}
    assert sum(len(each) == 2 for each in programs) == 11
    assert all(problem.entry_point for problem in problems)


def test_the_question_shows_the_tests_or_names_the_function(tmp_path: Path) -> None:
    """Without either nobody could know the name; challenge tests are never shown."""
    (shown,) = load(tmp_path).problems()
    (hidden,) = load(tmp_path, show_tests=False).problems()
    assert shown.prompt.startswith('"""\nWrite a function that doubles.\nYour code should satisfy these tests:\n')
    assert "assert twice(0) == 0" in shown.instruction
    assert "assert" not in hidden.prompt + hidden.instruction
    assert "`twice`" in hidden.prompt
    assert "'aa'" not in shown.prompt + shown.instruction


def test_the_question_can_be_chinese(tmp_path: Path) -> None:
    """The tests stay."""
    (problem,) = load(tmp_path, text="zh").problems()
    assert problem.prompt.startswith('"""\n写一个加倍的函数。\n你的代码应该满足这些测试用例：\nassert twice(4) == 8\n')
    assert "Write" not in problem.instruction


def test_chinese_without_a_chinese_text_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(UserError, match=r"text=zh.*mbpp_x\.jsonl"):
        load(tmp_path, {"prompt_text_chinese": ""}, text="zh")


def test_the_setup_stands_before_the_tests_of_each_program(tmp_path: Path) -> None:
    """It uses what the answer defines, so it follows the answer."""
    benchmark = load(tmp_path, {"test_setup": "four = twice(2)"})
    (problem,) = benchmark.problems()
    completion = reference_completion(problem)
    assert completion is not None
    published, challenge = benchmark.programs(problem, completion)
    assert published.tests == ("four = twice(2)\nassert twice(4) == 8", "assert twice(0) == 0")
    assert challenge.tests == ("four = twice(2)\nassert twice('a') == 'aa'",)
    assert published.source == challenge.source == completion.text + "\n"


@pytest.mark.parametrize(
    ("statuses", "scores"),
    [
        ((Status.PASSED, Status.PASSED), (1.0, 1.0)),
        ((Status.PASSED, Status.TIMEOUT), (1.0, 0.0)),
        ((Status.WRONG_ANSWER, Status.PASSED), (0.0, 0.0)),
        ((Status.PASSED,), (1.0, 1.0)),
        ((), (0.0, 0.0)),
    ],
    ids=["all", "not the challenge", "not the published", "no challenge", "no verdict"],
)
def test_the_challenge_counts_apart(tmp_path: Path, statuses: tuple[Status, ...], scores: tuple[float, float]) -> None:
    """`pass` looks at the published tests alone, `challenge_pass` at all."""
    benchmark = load(tmp_path)
    (problem,) = benchmark.problems()
    verdicts = tuple(Verdict(status=status) for status in statuses)
    score = benchmark.score(problem, Completion(text=""), verdicts)
    assert (score.values["pass"], score.values["challenge_pass"]) == scores


def test_a_changed_challenge_makes_another_problem(tmp_path: Path) -> None:
    """Stored samples of the old one are not taken for it."""
    problems = [load(tmp_path, {"challenge_test_list": [test]}).problems()[0] for test in ("assert 1", "assert 2")]
    assert problems[0].sha256() != problems[1].sha256()


def test_a_row_without_tests_is_named(tmp_path: Path) -> None:
    """File and field are told."""
    with pytest.raises(DataError, match=r"mbpp_x\.jsonl.*test"):
        load(tmp_path, {"test": []})


def test_both_metrics_in_the_sandbox(tmp_path: Path, sandbox: Sandbox) -> None:
    """The reference has both, an answer that the challenge tells has one, wrong ones have none."""
    benchmark = load(tmp_path)
    (problem,) = benchmark.problems()
    reference = reference_completion(problem)
    assert reference is not None
    expected = [(reference, 1.0, 1.0), (Completion(text=ONLY_NUMBERS, verbatim=True), 1.0, 0.0)]
    expected += [(wrong, 0.0, 0.0) for wrong in wrong_completions(problem)]
    for completion, published, challenge in expected:
        verdicts = tuple(sandbox.run(program) for program in benchmark.programs(problem, completion))
        values = benchmark.score(problem, completion, verdicts).values
        assert (values["pass"], values["challenge_pass"]) == (published, challenge)


@pytest.mark.slow
def test_all_references_pass_in_the_sandbox(real_set: AnyBenchmark, sandbox: Sandbox) -> None:
    """500 of 500, the challenge tests included."""
    failed = []
    for problem in real_set.problems():
        reference = reference_completion(problem)
        assert reference is not None
        verdicts = tuple(sandbox.run(program) for program in real_set.programs(problem, reference))
        values = real_set.score(problem, reference, verdicts).values
        failed += [] if values["challenge_pass"] else [(problem.task_id, verdicts)]
    assert failed == []
