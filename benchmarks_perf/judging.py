"""Judge samples as an executor does by its default policy, and compare the verdicts of several judgings."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks_perf.cpu import busy
from benchmarks_perf.drivers.ours import auto, program_of
from benchmarks_perf.drivers.protocol import PASSED, Sample
from runners.program import Verdict
from runners.sandbox import open_sandbox

KNOWN_TIMEOUT = "timeout"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """All samples judged once, by a fresh sandbox and policy: neither dedup nor cache."""

    verdicts: tuple[Verdict, ...]
    """One per sample, in their order."""
    busy_loops: int
    wall_seconds: float
    load_average: tuple[float, float]
    """Of one minute: before and after."""

    @property
    def statuses(self) -> tuple[str, ...]:
        """One per sample."""
        return tuple(verdict.status.value for verdict in self.verdicts)

    def as_json(self) -> dict[str, Any]:
        """What the result file keeps of it."""
        return {
            "busy_loops": self.busy_loops,
            "wall_seconds": round(self.wall_seconds, 1),
            "load_average": self.load_average,
            "num_passed": sum(verdict.passed for verdict in self.verdicts),
            "statuses": dict(Counter(self.statuses).most_common()),
            "judges": dict(Counter(verdict.judge for verdict in self.verdicts).most_common()),
        }


def judge_all(samples: Sequence[Sample], *, isolation: str, timeout_seconds: float, busy_loops: int) -> Judging:
    """Judge every sample with so many busy loops beside it.

    Raises:
        SandboxUnavailable: this machine does not give the isolation.
    """
    before, begun = os.getloadavg()[0], time.perf_counter()
    with busy(busy_loops), contextlib.closing(open_sandbox(isolation)) as sandbox:
        judge = auto(sandbox, [sample["task_id"] for sample in samples])
        verdicts = tuple(judge(sample["task_id"], program_of(sample, timeout_seconds)) for sample in samples)
    return Judging(
        verdicts=verdicts,
        busy_loops=busy_loops,
        wall_seconds=time.perf_counter() - begun,
        load_average=(before, os.getloadavg()[0]),
    )


def failures(samples: Sequence[Sample], judging: Judging) -> list[dict[str, Any]]:
    """The samples that did not pass, of those that must."""
    rows = zip(samples, judging.verdicts, strict=True)
    return [
        {"index": index, "task_id": sample["task_id"], "status": verdict.status.value, "error": verdict.error}
        for index, (sample, verdict) in enumerate(rows)
        if not verdict.passed
    ]


def flips(samples: Sequence[Sample], judgings: Sequence[Judging]) -> list[dict[str, Any]]:
    """The samples whose status is not the same in all judgings."""
    rows = zip(samples, zip(*(judging.verdicts for judging in judgings), strict=True), strict=True)
    return [
        {
            "index": index,
            "task_id": sample["task_id"],
            "statuses": [verdict.status.value for verdict in verdicts],
            "errors": [verdict.error for verdict in verdicts],
            "passes_differ": len({verdict.passed for verdict in verdicts}) > 1,
        }
        for index, (sample, verdicts) in enumerate(rows)
        if len({verdict.status for verdict in verdicts}) > 1
    ]


def differences(
    samples: Sequence[Sample], known: Sequence[str | None], judgings: Sequence[Judging]
) -> list[dict[str, Any]]:
    """Verdicts that are not the known ones: passing or not, or timing out or not, in any judging.

    What is known says `passed`, `failed` or `timeout`; a program that times out there and fails here, or the other way
    round, does not pass in either: told, with `passes_differ` false.
    """
    found = []
    for index, (sample, word) in enumerate(zip(samples, known, strict=True)):
        statuses = [judging.statuses[index] for judging in judgings]
        if word is not None and any(_as_known(status) != word for status in statuses):
            differ = any((status == PASSED) != (word == PASSED) for status in statuses)
            row = {"index": index, "task_id": sample["task_id"], "known": word, "statuses": statuses}
            found.append({**row, "passes_differ": differ})
    return found


def _as_known(status: str) -> str:
    """A status of ours in the words of the known verdicts."""
    return status if status in (PASSED, KNOWN_TIMEOUT) else "failed"
