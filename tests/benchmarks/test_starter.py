"""The benchmark that comes with the package."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.benchmark import reference_completion, wrong_completions
from benchmarks.problem import Completion
from benchmarks.starter import PACKAGED, STOP, Starter, StarterOptions
from runners.errors import DataError, SandboxUnavailable, UserError
from runners.program import Program, Status
from runners.sandbox import Sandbox, open_sandbox


@pytest.fixture
def starter(tmp_path: Path) -> Starter:
    return Starter.load(StarterOptions(), tmp_path)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    try:
        opened = open_sandbox()
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    yield opened
    opened.close()


def test_problems_are_whole(starter: Starter) -> None:
    """There are 36 problems of three difficulties, each its own function with at least four tests and a mistake."""
    problems = starter.problems()
    assert len(problems) == 36
    assert [problem.task_id for problem in problems] == [f"starter/{number}" for number in range(36)]
    assert len({problem.entry_point for problem in problems}) == 36
    assert {tag for problem in problems for tag in problem.tags} == {"trivial", "easy", "middling"}
    assert all(len(problem.tests) >= 4 and problem.reference and problem.wrong for problem in problems)


def test_prompts_are_short_and_typed(starter: Starter) -> None:
    """Each prompt is one annotated def line and a docstring of one line with an example, at most 200 characters."""
    for problem in starter.problems():
        signature, docstring, end = problem.prompt.split("\n")
        assert signature.startswith(f"def {problem.entry_point}(") and "->" in signature and end == ""
        assert docstring.startswith('    """') and docstring.endswith('."""') and f"{problem.entry_point}(" in docstring
        assert len(problem.prompt) <= 200


def test_solutions_hold_no_stop_sequence(starter: Starter) -> None:
    """No canonical solution would be cut by a stop sequence."""
    solutions = [problem.reference or "" for problem in starter.problems()]
    assert not [text for text in solutions if any(mark in text for mark in STOP)]


def test_base_prompt_is_continued(starter: Starter) -> None:
    """A base model gets the prompt and the stops; prompt and completion make the program, cut at a stop."""
    problem = starter.problems()[0]
    prompt = starter.prompt(problem, "base")
    assert (prompt.text, prompt.stop) == (problem.prompt, STOP)
    [program] = starter.programs(problem, Completion(text="    return 1\n\nprint(2)\n"))
    assert program.source.rstrip() == problem.prompt + "    return 1"
    assert program.tests == problem.tests


def test_chat_prompt_asks_for_the_function(starter: Starter) -> None:
    """A chat model gets one message with the whole prompt in it, and no stops."""
    problem = starter.problems()[3]
    prompt = starter.prompt(problem, "chat")
    [message] = prompt.messages
    assert message.role == "user" and problem.prompt in message.content
    assert prompt.stop == () and prompt.text == ""


def test_difficulty_selects(tmp_path: Path) -> None:
    """With a difficulty, only its problems are there, under their usual ids."""
    trivial = Starter.load(StarterOptions(difficulty="trivial"), tmp_path)
    assert [problem.task_id for problem in trivial.problems()] == [f"starter/{number}" for number in range(8)]


def test_instances_travel(starter: Starter) -> None:
    """A pickled benchmark holds the same problems."""
    assert pickle.loads(pickle.dumps(starter)).problems() == starter.problems()


def test_revision_is_refused(tmp_path: Path) -> None:
    """A revision makes no sense for packaged problems and is refused by name."""
    with pytest.raises(UserError, match="revision 'main'"):
        Starter.load(StarterOptions(revision="main"), tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("difficulty", "hard"), ("tests", ["assert True"]), ("entry_point", "other"), ("wrong_solutions", [])],
)
def test_malformed_record_names_its_line(tmp_path: Path, field: str, value: object) -> None:
    """A record that breaks a rule is refused with file and line; missing fields too."""
    good, bad = (json.loads(line) for line in PACKAGED.read_text().splitlines()[:2])
    path = tmp_path / "mine.jsonl"
    for broken in ({**bad, field: value}, {key: bad[key] for key in bad if key != field}):
        path.write_text(json.dumps(good) + "\n" + json.dumps(broken) + "\n")
        with pytest.raises(DataError, match=r"mine\.jsonl:2"):
            Starter.load(StarterOptions(data=path), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(36))
def test_tests_tell_right_from_wrong(starter: Starter, sandbox: Sandbox, number: int) -> None:
    """In the sandbox the canonical solution passes, every listed mistake fails, and so does an empty body."""
    problem = starter.problems()[number]
    reference = reference_completion(problem)
    assert reference is not None
    [program] = starter.programs(problem, reference)
    assert run(sandbox, program) is Status.PASSED
    for wrong in (*wrong_completions(problem), Completion(text="    pass\n", verbatim=True)):
        [program] = starter.programs(problem, wrong)
        assert run(sandbox, program) in (Status.WRONG_ANSWER, Status.RUNTIME_ERROR)


def run(sandbox: Sandbox, program: Program) -> Status:
    verdict = sandbox.run(program)
    assert verdict.status.counts, verdict.error
    return verdict.status
