"""References and wrong solutions of a benchmark, judged and told."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from engine import gold
from engine.gold import GoldCheck, check_gold, render_gold
from engine.report import to_text
from runners.errors import UserError
from runners.program import Status
from tests.actors.fakes import FakeSandbox, tiny

QUIET = Console(file=StringIO())


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[FakeSandbox]:
    """A machine of one CPU whose sandboxes are those in the list; `starter` is a benchmark of two made-up problems."""
    sandboxes: list[FakeSandbox] = []
    benchmark = tiny(2, wrong=("    a\n", "    b\n"))
    monkeypatch.setattr(gold.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(gold, "open_sandbox", lambda isolation: sandboxes[0])
    monkeypatch.setattr(gold, "load_benchmark", lambda *_: benchmark)
    return sandboxes


def test_good_tests_pass_references_and_fail_wrong_solutions(judged: list[FakeSandbox]) -> None:
    """Counts are those of solutions, not of problems."""
    judged.append(FakeSandbox(*[Status.PASSED, Status.WRONG_ANSWER, Status.RUNTIME_ERROR] * 2))
    check = check_gold("starter", None, QUIET)
    assert (check.ok, check.num_references, check.num_wrong) == (True, 2, 4)
    assert "references passed  2/2" in to_text(render_gold(check))
    assert "wrong ones failed  4/4" in to_text(render_gold(check))


def test_each_wrong_solution_that_passes_is_named(judged: list[FakeSandbox]) -> None:
    """Two wrong solutions of one problem that pass are two findings."""
    judged.append(FakeSandbox(Status.PASSED, Status.PASSED, Status.PASSED, Status.TIMEOUT, Status.WRONG_ANSWER))
    check = check_gold("starter", None, QUIET)
    assert not check.ok
    assert list(check.passed_wrong) == ["t0 #1", "t0 #2", "t1 #2"]
    assert list(check.failed_references) == ["t1"]
    text = to_text(render_gold(check))
    assert "wrong ones failed  1/4" in text
    assert "t0 #2  a wrong solution got passed" in text
    assert json.loads(json.dumps(check.as_json()))["ok"] is False


def test_a_wrong_solution_that_could_not_be_judged_proves_nothing(judged: list[FakeSandbox]) -> None:
    """A sandbox error is not a failure of the solution."""
    judged.append(FakeSandbox(Status.PASSED, Status.SANDBOX_ERROR, Status.WRONG_ANSWER, *[Status.PASSED]))
    assert "t0 #1" in check_gold("starter", None, QUIET).passed_wrong


def test_a_benchmark_without_solutions_cannot_be_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to run is a fault, not a success."""
    monkeypatch.setattr(gold, "load_benchmark", lambda *_: tiny(2, reference=None))
    with pytest.raises(UserError, match="no reference solutions"):
        check_gold("starter", None, QUIET)


def test_gold_of_an_unknown_benchmark_is_a_fault() -> None:
    """The name is checked before a sandbox is opened."""
    with pytest.raises(UserError, match="There is no benchmark 'nope'"):
        check_gold("nope", None, QUIET)


def test_known_faults_of_the_data_are_told_and_no_finding(
    judged: list[FakeSandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reference and a wrong solution that are listed keep the check good; what is listed is shown with its reason."""
    faults = {"reference": {"t0": "its sum is off"}, "tests": {"t1": "nothing is compared"}}
    monkeypatch.setattr(gold, "known_faults", lambda name, edition, kind: faults.get(kind, {}))
    judged.append(FakeSandbox(*[Status.WRONG_ANSWER] * 3, Status.PASSED, Status.PASSED, Status.WRONG_ANSWER))
    check = check_gold("starter", None, QUIET)
    assert check.ok
    assert check.known == {"t0": "its sum is off", "t1 #1": "nothing is compared"}
    text = to_text(render_gold(check))
    assert "references passed  1/2" in text
    assert "t0  known: its sum is off" in text
    assert "t1 #1  known: nothing is compared" in text


def test_a_fault_of_ours_is_no_known_fault_of_the_data(
    judged: list[FakeSandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listed reference that could not be judged is a finding all the same."""
    faults = {"reference": {"t0": "its sum is off"}, "tests": {}}
    monkeypatch.setattr(gold, "known_faults", lambda name, edition, kind: faults.get(kind, {}))
    wrong = [Status.WRONG_ANSWER] * 2
    judged.append(FakeSandbox(Status.SANDBOX_ERROR, *wrong, Status.PASSED, *wrong))
    check = check_gold("starter", None, QUIET)
    assert not check.ok
    assert check.known == {}


def test_problems_that_cannot_be_judged_here_are_counted_and_not_run(
    judged: list[FakeSandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of them is run, and their number is told."""
    whole = tiny(2, wrong=("    a\n",))
    first, second = whole.problems()
    lacking = whole.with_problems([first, replace(second, unavailable="no data")], notes=("one row lacks its data",))
    monkeypatch.setattr(gold, "load_benchmark", lambda *_: lacking)
    judged.append(FakeSandbox(Status.PASSED, Status.WRONG_ANSWER))
    check = check_gold("starter", None, QUIET)
    assert (check.num_references, check.num_wrong, check.num_missing) == (1, 1, 1)
    assert "missing            1 problems cannot be judged here" in to_text(render_gold(check))
    assert "note: one row lacks its data" in to_text(render_gold(check))


def test_an_empty_check_is_ok() -> None:
    """Only findings make it fail."""
    assert GoldCheck(benchmark="b", isolation="full", num_references=0, num_wrong=0).ok
