from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from engine import doctor
from engine.doctor import Finding, GoldCheck, check_gold, check_machine, render_gold, render_machine
from engine.report import to_text
from runners.errors import UserError
from runners.isolation import RestrictedProbe
from runners.program import Status
from tests.actors.fakes import FakeSandbox, tiny

QUIET = Console(file=StringIO())


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[FakeSandbox]:
    """A machine of one CPU whose sandboxes are those in the list; `starter` is a benchmark of two made-up problems."""
    sandboxes: list[FakeSandbox] = []
    benchmark = tiny(2, wrong=("    a\n", "    b\n"))
    monkeypatch.setattr(doctor.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(doctor, "open_sandbox", lambda isolation: sandboxes[0])
    monkeypatch.setattr(doctor, "load_benchmark", lambda *_: benchmark)
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
    monkeypatch.setattr(doctor, "load_benchmark", lambda *_: tiny(2, reference=None))
    with pytest.raises(UserError, match="no reference solutions"):
        check_gold("starter", None, QUIET)


def test_gold_of_an_unknown_benchmark_is_a_fault() -> None:
    """The name is checked before a sandbox is opened."""
    with pytest.raises(UserError, match="There is no benchmark 'nope'"):
        check_gold("nope", None, QUIET)


def test_the_machine_is_described_without_mlflow_or_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken tracking address and a place that cannot be written are findings, and no password is shown."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("CODEASSAY_RUNS", str(tmp_path / "file" / "runs"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:hunter2@127.0.0.1:1")
    found = {finding.name: finding for finding in check_machine()}
    assert not found["mlflow"].ok
    assert not found["mlflow"].needed
    assert "hunter2" not in found["mlflow"].detail
    assert not found["runs"].ok
    assert found["runs"].needed


def test_restricted_is_told_though_no_run_takes_it_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether `--isolation restricted` could be asked for is a finding that no run needs."""
    for available, detail in ((True, "Landlock ABI 7"), (False, "this kernel has no Landlock")):
        probed = RestrictedProbe(available=available, detail=detail)
        monkeypatch.setattr(doctor, "probe_restricted", lambda probed=probed: probed)
        found = {finding.name: finding for finding in check_machine()}["restricted"]
        assert (found.ok, found.detail, found.needed) == (available, detail, False)


def test_findings_tell_what_is_needed_by_their_mark() -> None:
    """One line each: ok or no, name, detail."""
    text = to_text(
        render_machine(
            [Finding(name="isolation", ok=True, detail="full"), Finding(name="cuda", ok=False, detail="[none]")]
        )
    )
    assert [line.split()[:3] for line in text.splitlines()[:2]] == [
        ["ok", "isolation", "full"],
        ["no", "cuda", "[none]"],
    ]


def test_an_empty_check_is_ok() -> None:
    """Only findings make it fail."""
    assert GoldCheck(benchmark="b", isolation="full", num_references=0, num_wrong=0).ok
