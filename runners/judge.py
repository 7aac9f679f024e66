"""From evidence to verdict: a pure function. `passed` needs every test's nonce; an exit status alone says nothing."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from runners.cgroup import Usage
from runners.harness.zygote_protocol import PROGRAM_ENDED
from runners.program import Limits, Status, Verdict
from runners.supervise import Evidence

_KINDS = {
    status.value: status
    for status in (
        Status.WRONG_ANSWER,
        Status.COMPILE_ERROR,
        Status.RUNTIME_ERROR,
        Status.TIMEOUT,
        Status.MEMORY_LIMIT,
    )
}
_SIGNAL_BASE = 128
_MAX_ERROR_CHARS = 400


def verdict_of(
    evidence: Evidence, limits: Limits, usage: Usage | None, isolation: str, *, judge: str = "inside"
) -> Verdict:
    """Judge one run.

    Args:
        evidence: what the supervisor saw.
        limits: the program's limits, for the wording and for CPU time at the end.
        usage: what the control group counted; None where there is none.
        isolation: level of the sandbox, recorded in the verdict.
        judge: where the tests ran, recorded in the verdict.
    """
    cpu_seconds = usage.cpu_seconds if usage else evidence.cpu_seconds
    status, error = _status(evidence, limits, cpu_seconds, out_of_memory=bool(usage and usage.out_of_memory))
    return Verdict(
        status=status,
        cpu_seconds=cpu_seconds,
        wall_seconds=evidence.wall_seconds,
        peak_memory_bytes=usage.peak_memory_bytes if usage else evidence.max_rss_bytes,
        tests_passed=_tests_passed(evidence),
        judge=judge,
        isolation=isolation,
        error=_one_line(error),
        stdout=evidence.stdout,
        stderr=evidence.stderr,
    )


def _status(evidence: Evidence, limits: Limits, cpu_seconds: float, *, out_of_memory: bool) -> tuple[Status, str]:
    if evidence.stopped_for == "output":
        return Status.OUTPUT_LIMIT, f"more than {limits.output_bytes} bytes of output"
    if evidence.stopped_for == "protocol":
        return Status.RUNTIME_ERROR, f"wrote to the judge's channel: {evidence.log}"
    if not evidence.ready:
        return _never_started(evidence)
    if out_of_memory:
        return Status.MEMORY_LIMIT, f"more than {limits.memory_bytes} bytes of memory"
    if evidence.stopped_for == "cpu" or (evidence.stopped_for == "" and cpu_seconds > limits.cpu_seconds):
        return Status.TIMEOUT, f"more than {limits.cpu_seconds:g} s of CPU time"
    if evidence.stopped_for == "wall":
        return Status.TIMEOUT, f"more than {limits.wall_seconds:g} s of wall time ({cpu_seconds:.1f} s of CPU time)"
    if evidence.stopped_for == "" and cpu_seconds > limits.cpu_seconds / 2 and _was_killed(evidence):
        return Status.TIMEOUT, f"killed at the kernel's own limit of CPU time ({cpu_seconds:.1f} s used)"
    return _ended(evidence)


def _was_killed(evidence: Evidence) -> bool:
    """Whether the program died of SIGKILL and nothing is told of it but that."""
    told = [evidence.load or {}, *evidence.results]
    failures = [message for message in told if "error" in message and message["error"] != PROGRAM_ENDED]
    return not failures and signal.SIGKILL in (_signal(evidence.exit_status), _signal(evidence.program_status))


def _never_started(evidence: Evidence) -> tuple[Status, str]:
    """The harness never spoke: no untrusted instruction has run, so this is our fault and not the program's."""
    said = evidence.log or evidence.stderr
    return Status.SANDBOX_ERROR, f"the jail did not start (status {evidence.exit_status}): {said}"


def _ended(evidence: Evidence) -> tuple[Status, str]:
    """The program ended by itself: what its own messages and its exit status prove."""
    if signal.SIGSYS in (_signal(evidence.exit_status), _signal(evidence.program_status)):
        return Status.FORBIDDEN, "system call that the seccomp policy ends programs for"
    if evidence.load is not None and evidence.load.get("loaded") is not True:
        return _failure(evidence.load)
    failures = [result for result in evidence.results if "test" in result and result.get("passed") is not True]
    if failures:
        return _failure(failures[0])
    if _complete(evidence):
        return Status.PASSED, ""
    number = _signal(evidence.exit_status)
    how = f"signal {signal.Signals(number).name}" if number else f"exit status {evidence.exit_status}"
    when = "before its tests ended" if evidence.load else "while it was loaded"
    return Status.RUNTIME_ERROR, f"ended with {how} {when}"


def _complete(evidence: Evidence) -> bool:
    """Whether each test reported a pass in order, then the end, all with the nonce, and the harness ended cleanly."""
    expected = [{"nonce": evidence.nonce, "test": i, "passed": True} for i in range(evidence.num_tests)]
    expected.append({"nonce": evidence.nonce, "done": evidence.num_tests})
    return evidence.exit_status == 0 and evidence.num_tests > 0 and evidence.results == expected


def _failure(message: Mapping[str, Any]) -> tuple[Status, str]:
    status = _KINDS.get(str(message.get("kind")), Status.RUNTIME_ERROR)
    error = message.get("error")
    return status, error if isinstance(error, str) else ""


def _one_line(text: str) -> str:
    """Text that is safe to store and to print in one line: no line breaks, control characters, lone surrogates."""
    line = " ".join(text[: 4 * _MAX_ERROR_CHARS].split())[:_MAX_ERROR_CHARS]
    return "".join(character if character.isprintable() else "\ufffd" for character in line)


def _signal(exit_status: int | None) -> int:
    """The signal behind an exit status (the jail adds 128, a bare process gives its negative); 0 if none."""
    if exit_status is None:
        return 0
    number = -exit_status if exit_status < 0 else exit_status - _SIGNAL_BASE
    return number if 0 < number < signal.NSIG else 0


def _tests_passed(evidence: Evidence) -> tuple[bool, ...] | None:
    if not evidence.load or evidence.load.get("loaded") is not True:
        return None
    passed = [result.get("test") for result in evidence.results if result.get("passed") is True]
    reached = {index for index in passed if isinstance(index, int)}
    return tuple(index in reached for index in range(evidence.num_tests))
