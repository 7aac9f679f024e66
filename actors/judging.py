"""Which judge decides: tests inside the program's process are fast, tests in a process of their own are sound.

Only a pass can be forged, so a failure inside stands and a pass is confirmed in `split`. Where most samples of a
problem pass, asking `split` at once costs less. Problems whose reference does not pass in split are judged inside
alone, and their verdicts say so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from typing import Literal

from runners.program import Program, Verdict
from runners.sandbox import Sandbox

Policy = Literal["auto", "inside", "split"]
ProblemKey = tuple[str, str, str]
"""Benchmark label, task_id, variant."""

_ATTEMPTS = 3
"""How often a program is tried when the sandbox, not the program, fails."""
_ENOUGH = 3
"""Verdicts of a problem before its pass rate says anything."""
_SPLIT_FIRST_RATE = 0.6
"""Inside costs about 0.4 of split, so above this pass rate (1 - 0.4) asking split at once is cheaper."""


class Judging:
    """Runs programs in one sandbox by one policy."""

    def __init__(self, sandbox: Sandbox, policy: Policy, splittable: Collection[ProblemKey]) -> None:
        """`splittable` are the problems whose reference passes in split."""
        self._sandbox, self._policy, self._splittable = sandbox, policy, frozenset(splittable)
        self._num_judged: Counter[ProblemKey] = Counter()
        self._num_passed: Counter[ProblemKey] = Counter()

    def judge(self, key: ProblemKey, program: Program) -> Verdict:
        """The verdict that counts, with the costs of all runs that led to it."""
        verdict = self._judge(key, program)
        self._num_judged[key] += 1
        self._num_passed[key] += verdict.passed
        return verdict

    def _judge(self, key: ProblemKey, program: Program) -> Verdict:
        if self._policy == "split" or (self._policy == "auto" and self._split_first(key)):
            return self._run(replace(program, judge="split"))
        first = self._run(program)
        if self._policy == "inside" or not first.passed or key not in self._splittable:
            return first
        second = self._run(replace(program, judge="split"))
        return replace(
            second,
            cpu_seconds=first.cpu_seconds + second.cpu_seconds,
            wall_seconds=first.wall_seconds + second.wall_seconds,
        )

    def _split_first(self, key: ProblemKey) -> bool:
        judged = self._num_judged[key]
        return key in self._splittable and judged >= _ENOUGH and self._num_passed[key] > _SPLIT_FIRST_RATE * judged

    def _run(self, program: Program) -> Verdict:
        """Run once; again, in a fresh jail, while it is the sandbox that fails."""
        for _ in range(_ATTEMPTS):
            verdict = self._sandbox.run(program)
            if verdict.status.counts:
                break
        return verdict
