"""Which judge decides."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actors.judging import Judging, Policy
from runners.program import Program, Status, Verdict

KEY = ("benchmark", "task/0", "nominal")
PROGRAM = Program(source="", tests=("pass",))


class TwoJudges:
    """A sandbox whose verdict depends on the judge; remembers which judges were asked."""

    isolation = "fake"
    judges = frozenset({"inside", "split"})

    def __init__(self, inside: Status, split: Status) -> None:
        self.asked: list[str] = []
        self._statuses = {"inside": inside, "split": split}

    def run(self, program: Program) -> Verdict:
        """Remember the judge and give its verdict."""
        self.asked.append(program.judge)
        return Verdict(status=self._statuses[program.judge], cpu_seconds=1.0, judge=program.judge)

    def toolchain(self) -> str:
        """Name nothing real."""
        return "fake"

    def close(self) -> None:
        """Nothing is held."""


Make = Callable[..., tuple[Judging, TwoJudges]]


@pytest.fixture
def make() -> Make:
    """Builds a judging over a fake sandbox."""

    def build(
        inside: Status, split: Status = Status.PASSED, policy: Policy = "auto", *, splits: bool = True
    ) -> tuple[Judging, TwoJudges]:
        sandbox = TwoJudges(inside, split)
        return Judging(sandbox, policy, [KEY] if splits else []), sandbox

    return build


def test_a_failure_inside_stands(make: Make) -> None:
    """Only a pass can be forged, so a failure inside is not looked at twice."""
    judging, sandbox = make(Status.WRONG_ANSWER)
    assert judging.judge(KEY, PROGRAM).status is Status.WRONG_ANSWER
    assert sandbox.asked == ["inside"]


def test_a_pass_inside_is_confirmed_in_split(make: Make) -> None:
    """A pass counts only once split says so too; the costs of both are told."""
    judging, sandbox = make(Status.PASSED)
    verdict = judging.judge(KEY, PROGRAM)
    assert (verdict.status, verdict.judge, verdict.cpu_seconds) == (Status.PASSED, "split", 2.0)
    assert sandbox.asked == ["inside", "split"]


def test_a_forged_pass_fails(make: Make) -> None:
    """What passes inside and not in split has not passed."""
    judging, _ = make(Status.PASSED, split=Status.WRONG_ANSWER)
    assert judging.judge(KEY, PROGRAM).status is Status.WRONG_ANSWER


def test_a_problem_that_cannot_be_split_is_judged_inside_and_says_so(make: Make) -> None:
    """Where the reference does not pass in split, the verdict is from inside and named so."""
    judging, sandbox = make(Status.PASSED, splits=False)
    assert judging.judge(KEY, PROGRAM).judge == "inside"
    assert sandbox.asked == ["inside"]


def test_split_is_asked_first_where_most_pass(make: Make) -> None:
    """After three passes of a problem the run inside is saved."""
    judging, sandbox = make(Status.PASSED)
    for _ in range(4):
        judging.judge(KEY, PROGRAM)
    assert sandbox.asked[6:] == ["split"]


@pytest.mark.parametrize("policy", ["inside", "split"])
def test_a_forced_judge_is_the_only_one(make: Make, policy: Policy) -> None:
    """Asked for by name, one judge decides alone."""
    judging, sandbox = make(Status.PASSED, policy=policy)
    assert judging.judge(KEY, PROGRAM).judge == policy
    assert sandbox.asked == [policy]


def test_a_failure_of_the_sandbox_is_tried_again(make: Make) -> None:
    """What says nothing about the program is run three times in all."""
    judging, sandbox = make(Status.SANDBOX_ERROR)
    assert judging.judge(KEY, PROGRAM).status is Status.SANDBOX_ERROR
    assert sandbox.asked == ["inside"] * 3
