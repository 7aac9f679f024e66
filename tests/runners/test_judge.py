"""From evidence to verdict, without a process."""

from __future__ import annotations

from typing import Any

import pytest

from runners.cgroup import Usage
from runners.judge import verdict_of
from runners.program import Limits, Status
from runners.supervise import Evidence

NONCE = "nonce"
LOADED = {"loaded": True}
PASS_0 = {"nonce": NONCE, "test": 0, "passed": True}
PASS_1 = {"nonce": NONCE, "test": 1, "passed": True}
FAIL_1 = {"nonce": NONCE, "test": 1, "passed": False, "kind": "wrong_answer", "error": "AssertionError"}
GONE_1 = {"nonce": NONCE, "test": 1, "passed": False, "kind": "runtime_error", "error": "program ended"}
DONE = {"nonce": NONCE, "done": 2}
COMPLETE = [PASS_0, PASS_1, DONE]


def evidence(**changes: Any) -> Evidence:
    """The evidence of a program that passed both of its tests, with changes."""
    honest: dict[str, Any] = {
        "num_tests": 2,
        "nonce": NONCE,
        "ready": True,
        "load": LOADED,
        "results": COMPLETE,
        "exit_status": 0,
    }
    return Evidence(**(honest | changes))


def status_of(usage: Usage | None = None, **changes: Any) -> Status:
    """The status that this evidence gives."""
    return verdict_of(evidence(**changes), Limits(cpu_seconds=10), usage, "full").status


def test_complete_evidence_is_a_pass() -> None:
    """Every test's message in order, the end, and exit status 0: passed."""
    verdict = verdict_of(evidence(), Limits(), None, "rootless")
    assert (verdict.status, verdict.tests_passed, verdict.error) == (Status.PASSED, (True, True), "")
    assert (verdict.judge, verdict.isolation) == ("inside", "rootless")


ENDS: dict[str, tuple[dict[str, Any], Status]] = {
    "failed test": ({"results": [PASS_0, FAIL_1, DONE]}, Status.WRONG_ANSWER),
    "not compiled": ({"load": {"loaded": False, "kind": "compile_error"}, "results": []}, Status.COMPILE_ERROR),
    "raised while loaded": ({"load": {"loaded": False, "kind": "runtime_error"}, "results": []}, Status.RUNTIME_ERROR),
    "MemoryError": ({"load": {"loaded": False, "kind": "memory_limit"}, "results": []}, Status.MEMORY_LIMIT),
    "ended while loaded": ({"load": None, "results": []}, Status.RUNTIME_ERROR),
    "ended before the tests": ({"results": []}, Status.RUNTIME_ERROR),
    "died of a signal in the jail": ({"results": [PASS_0], "exit_status": 139}, Status.RUNTIME_ERROR),
    "died of a signal without a jail": ({"results": [PASS_0], "exit_status": -11}, Status.RUNTIME_ERROR),
    "forbidden call": ({"results": [PASS_0], "exit_status": 159}, Status.FORBIDDEN),
    "forbidden call after all passed": ({"exit_status": 159}, Status.FORBIDDEN),
    "killed by the kernel while it computed": ({"results": [], "exit_status": -9, "cpu_seconds": 8.7}, Status.TIMEOUT),
    "killed by the kernel while the judge waited": (
        {"results": [PASS_0, GONE_1, DONE], "program_status": -9, "cpu_seconds": 8.7},
        Status.TIMEOUT,
    ),
    "killed by the kernel before it could compute": (
        {"results": [], "exit_status": -9, "cpu_seconds": 0.1},
        Status.RUNTIME_ERROR,
    ),
    "failed, then killed": ({"results": [PASS_0, FAIL_1], "exit_status": -9, "cpu_seconds": 8.7}, Status.WRONG_ANSWER),
    "failed, then lingered in split": (
        {"results": [PASS_0, FAIL_1, DONE], "program_status": -9, "cpu_seconds": 8.7},
        Status.WRONG_ANSWER,
    ),
    "output": ({"stopped_for": "output"}, Status.OUTPUT_LIMIT),
    "garbage on the channel": ({"stopped_for": "protocol"}, Status.RUNTIME_ERROR),
    "cpu": ({"stopped_for": "cpu", "exit_status": -9}, Status.TIMEOUT),
    "wall": ({"stopped_for": "wall", "exit_status": -9}, Status.TIMEOUT),
    "rlimit of cpu": ({"results": [], "exit_status": 137, "cpu_seconds": 11.0}, Status.TIMEOUT),
    "passed with too much cpu": ({"cpu_seconds": 10.01}, Status.TIMEOUT),
    "killed with little cpu": ({"results": [], "exit_status": 137, "cpu_seconds": 1.0}, Status.RUNTIME_ERROR),
    "never started": ({"ready": False, "load": None, "results": [], "exit_status": 255}, Status.SANDBOX_ERROR),
    "never started in time": (
        {"ready": False, "load": None, "results": [], "stopped_for": "wall"},
        Status.SANDBOX_ERROR,
    ),
}


@pytest.mark.parametrize(("changes", "status"), ENDS.values(), ids=ENDS)
def test_end_has_its_status(changes: dict[str, Any], status: Status) -> None:
    """Each way to end has one status."""
    assert status_of(**changes) is status


FORGED: dict[str, dict[str, Any]] = {
    "exit status alone": {"results": []},
    "wrong nonce": {"results": [PASS_0, PASS_1 | {"nonce": "other"}, DONE]},
    "no nonce": {"results": [PASS_0, {"test": 1, "passed": True}, DONE]},
    "one result twice": {"results": [PASS_0, PASS_0, DONE]},
    "wrong order": {"results": [PASS_1, PASS_0, DONE]},
    "done too early": {"results": [PASS_0, DONE]},
    "done first": {"results": [DONE, PASS_0, PASS_1]},
    "not done": {"results": [PASS_0, PASS_1]},
    "done with a wrong count": {"results": [PASS_0, PASS_1, DONE | {"done": 1}]},
    "one result too many": {"results": [*COMPLETE, DONE]},
    "extra field": {"results": [PASS_0, PASS_1 | {"kind": ""}, DONE]},
    "truthy instead of true": {"results": [PASS_0, PASS_1 | {"passed": 1}, DONE]},
    "list for a test number": {"results": [PASS_0, PASS_1 | {"test": [1]}, DONE]},
    "loaded is truthy": {"load": {"loaded": 1}},
    "exit status 1": {"exit_status": 1},
    "unknown exit status": {"exit_status": None},
    "no tests": {"num_tests": 0, "results": [{"nonce": NONCE, "done": 0}]},
    "claims a status of ours": {"results": [PASS_0, FAIL_1 | {"kind": "sandbox_error"}, DONE]},
    "claims to have passed": {"results": [PASS_0, FAIL_1 | {"kind": "passed"}, DONE]},
    "kind and error of no type that we know": {"results": [PASS_0, FAIL_1 | {"kind": 7, "error": 1.5}, DONE]},
}


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED)
def test_forged_evidence_never_passes(changes: dict[str, Any]) -> None:
    """Whatever differs from complete evidence is a failure of the program, never a pass and never a fault of ours."""
    status = status_of(**changes)
    assert status is not Status.PASSED
    assert status.counts


def test_memory_of_the_group_counts_before_the_exit() -> None:
    """A kill for memory is the memory limit, however the program ended, and the group's figures are the verdict's."""
    usage = Usage(cpu_seconds=2.0, peak_memory_bytes=5, out_of_memory=True)
    verdict = verdict_of(evidence(cpu_seconds=0.1, max_rss_bytes=1), Limits(), usage, "full")
    assert (verdict.status, verdict.cpu_seconds, verdict.peak_memory_bytes) == (Status.MEMORY_LIMIT, 2.0, 5)


def test_error_is_one_bounded_line() -> None:
    """What the program says about its failure is cut and cleaned before it is stored."""
    said = FAIL_1 | {"error": "a\nb\0\ud800" + "x" * 10_000}
    error = verdict_of(evidence(results=[PASS_0, said]), Limits(), None, "full").error
    assert error.startswith("a b\ufffd\ufffdxxx")
    assert len(error) == 400
