"""Which judge decides: tests inside the program's process are fast, tests in a process of their own are sound.

Only a pass can be forged, so a failure inside stands and a pass is confirmed in `split`. Where most samples of a
problem pass, asking `split` at once costs less. Problems whose reference does not pass in split are judged inside
alone, and their verdicts say so. All of it may be used by several threads.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Literal

from actors.alone import Alone
from actors.verdict_cache import VerdictCache
from runners import kit
from runners.environments import find_environment
from runners.languages import LANGUAGES, PYTHON
from runners.program import Limits, Program, Status, Verdict
from runners.sandbox import Sandbox
from runners.supervise import Idle

Policy = Literal["auto", "inside", "split"]
ProblemKey = tuple[str, str, str]
"""Benchmark label, task_id, variant."""

_ATTEMPTS = 3
"""How often a program is tried when the sandbox, not the program, fails."""
_INSIDE_COST = 0.45
"""CPU time of a run inside over one in split: 2.3 ms to 5.3 ms for the references of `starter`, level full."""
_SPLIT_FIRST_RATE = 1 - _INSIDE_COST
"""Inside first costs inside + pass rate x split, and split first costs split: above this pass rate it is cheaper."""
_PRIOR_WEIGHT = 2
"""Verdicts that the pass rate of the benchmark counts for in that of a problem, and one half in the benchmark's."""
_ROOM = 5
"""CPU limit of a problem over what its reference needs, at least: slower solutions are right too."""
_ASLEEP_SHARE = 0.05
"""A program that computes gets more of a processor than this, even on a machine with twenty programs for each."""
_SHARED, _START_SECONDS = 1.1, 0.2
"""Wall time over CPU time of a program that had a processor to itself, at most."""
_SLOWEST = 4.0
"""A node that seems slower than this beside the driver's is broken, and more time does not mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A verdict, and how it came about."""

    verdict: Verdict
    """The one that counts, with the costs of all runs that led to it."""
    cached: bool = False
    """Nothing ran: the program was judged before, and its costs are of then."""
    flaky: bool = False
    """It ran into its time limit beside other programs, and alone it did not."""
    contradicted: bool = False
    """Two runs of it, in whatever way, did not agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Yardstick:
    """A reference solution that tells how fast a node is."""

    program: Program
    cpu_seconds: float
    """What it used on the driver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What the driver learned by running reference solutions."""

    splittable: frozenset[ProblemKey] = frozenset()
    """Problems whose reference passes in split."""
    reference_seconds: Mapping[ProblemKey, float] = field(default_factory=dict)
    """CPU seconds of a reference that passes."""
    yardsticks: tuple[Yardstick, ...] = ()
    inside_first: frozenset[str] = frozenset()
    """Labels of benchmarks whose tests time calls, which works inside only: `split` only confirms there."""
    checked: frozenset[str] = frozenset()
    """Labels of benchmarks whose references were run: what is not splittable there failed its own tests in split."""

    def limits(self, key: ProblemKey, limits: Limits) -> Limits:
        """A problem's limits, raised where its reference needs more than a fifth of the CPU time; never lowered."""
        # Whole seconds, so that the noise of a measurement does not make another program of it for the cache.
        needed = math.ceil(_ROOM * self.reference_seconds.get(key, 0.0))
        return scaled(limits, needed / limits.cpu_seconds)


def scaled(limits: Limits, factor: float) -> Limits:
    """CPU and wall limit times a factor; never lowered."""
    if factor <= 1:
        return limits
    return replace(limits, cpu_seconds=limits.cpu_seconds * factor, wall_seconds=limits.wall_seconds * factor)


class Runner:
    """Runs one program in one sandbox until there is a verdict to rely on."""

    def __init__(self, sandbox: Sandbox, alone: Alone | None = None) -> None:
        """`alone` keeps others of this node waiting while a timeout is run again; None keeps nobody."""
        self.sandbox = sandbox
        self._alone = alone or Alone(None)
        self.speed = 1.0
        """Factor of all time limits: how much slower this node is than the driver's."""

    def run(self, program: Program, idle: Idle | None = None) -> Judged:
        """Run once; in a fresh jail while it is the sandbox that fails; once more, alone, if others made time run out.

        Time ran out because of others only where the program had to share its processor. One that computed all the
        while, or slept all the while, would do so again; and alone means that the whole node waits for it.

        `idle` is called while the program sleeps (see `Sandbox.run`), but never while it has the node for itself.
        """
        if self.speed > 1:
            program = replace(program, limits=scaled(program.limits, self.speed))
        with self._alone.shared():
            first = self._attempt(program, idle)
        if first.status is not Status.TIMEOUT or not _was_held_up(first):
            return Judged(verdict=first)
        with self._alone.exclusive():
            second = self._attempt(program)
        if not second.status.counts:
            return Judged(verdict=_with_costs(first, second))
        is_flaky = second.status is not Status.TIMEOUT
        return Judged(verdict=_with_costs(second, first), flaky=is_flaky, contradicted=is_flaky)

    def _attempt(self, program: Program, idle: Idle | None = None) -> Verdict:
        for _ in range(_ATTEMPTS):
            verdict = self.sandbox.run(program, idle)
            if verdict.status.counts:
                break
        return verdict

    def measure_speed(self, yardsticks: Sequence[Yardstick]) -> float:
        """Set `speed` by what yardsticks need here, as the median ratio in [1, 4]; 1 where none can be run."""
        ratios = []
        for yardstick in yardsticks if "split" in self.sandbox.judges else ():
            with self._alone.shared():
                verdict = self._attempt(yardstick.program)
            if verdict.passed:
                ratios.append(verdict.cpu_seconds / yardstick.cpu_seconds)
        self.speed = min(max(median(ratios), 1.0), _SLOWEST) if ratios else 1.0
        return self.speed


def _was_held_up(verdict: Verdict) -> bool:
    """Whether a program neither had a processor to itself nor slept nearly all the time."""
    slept = verdict.cpu_seconds < _ASLEEP_SHARE * verdict.wall_seconds
    return not slept and verdict.wall_seconds > _SHARED * verdict.cpu_seconds + _START_SECONDS


def _with_costs(verdict: Verdict, other: Verdict) -> Verdict:
    """A verdict with the costs of another run added."""
    return replace(
        verdict,
        cpu_seconds=verdict.cpu_seconds + other.cpu_seconds,
        wall_seconds=verdict.wall_seconds + other.wall_seconds,
    )


def _toolchain(program: Program) -> str:
    """What a verdict depends on besides program and sandbox: the environment's packages, the language's compiler."""
    if program.environment:
        return f" {find_environment(program.environment).fingerprint}"
    return "" if program.language == PYTHON else f" {kit.fingerprint(LANGUAGES[program.language])}"


class PassRates:
    """How likely a problem's next sample passes, by what this executor has seen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._judged: Counter[str | ProblemKey] = Counter()
        self._passed: Counter[str | ProblemKey] = Counter()

    def add(self, key: ProblemKey, *, passed: bool) -> None:
        """Count a verdict, for its problem and for its benchmark."""
        with self._lock:
            for each in (key, key[0]):
                self._judged[each] += 1
                self._passed[each] += passed

    def rate(self, key: ProblemKey) -> float:
        """The problem's pass rate: its benchmark's at first, its own more and more; one half before any verdict."""
        with self._lock:
            return self._rate(key, prior=self._rate(key[0], prior=0.5))

    def _rate(self, key: str | ProblemKey, *, prior: float) -> float:
        return (self._passed[key] + _PRIOR_WEIGHT * prior) / (self._judged[key] + _PRIOR_WEIGHT)


class Judging:
    """Judges programs in one sandbox by one policy."""

    def __init__(
        self,
        sandbox: Sandbox,
        policy: Policy,
        splittable: Collection[ProblemKey],
        *,
        inside_first: Collection[str] = (),
        cache: VerdictCache | None = None,
        runner: Runner | None = None,
    ) -> None:
        """Judge in a sandbox.

        Args:
            sandbox: where programs run.
            policy: which judge is asked.
            splittable: problems whose reference passes in split.
            inside_first: labels of benchmarks for which `auto` never asks split alone; see `Calibration`.
            cache: verdicts of before; None runs every program.
            runner: how programs are run in this sandbox; one that locks nothing if None.
        """
        self._policy, self._splittable = policy, frozenset(splittable)
        self._inside_first = frozenset(inside_first)
        self._cache, self._runner = cache, runner or Runner(sandbox)
        self._rates = PassRates()

    def judge(self, key: ProblemKey, program: Program) -> Verdict:
        """The verdict that counts, with the costs of all runs that led to it."""
        return self.decide(key, program).verdict

    def decide(self, key: ProblemKey, program: Program, sha256: str = "", idle: Idle | None = None) -> Judged:
        """The verdict and how it came about.

        Args:
            key: the problem.
            program: what is judged.
            sha256: the program's, if it is known already.
            idle: called while the program sleeps; see `Runner.run`.
        """
        judged = self._decide(key, program, sha256, idle)
        self._rates.add(key, passed=judged.verdict.passed)
        return judged

    def _decide(self, key: ProblemKey, program: Program, sha256: str, idle: Idle | None) -> Judged:
        if self._cache is None:
            return self._judge(key, program, idle)
        sha256, mode = sha256 or program.sha256(), self._mode(key, program) + _toolchain(program)
        if (kept := self._cache.get(sha256, mode)) is not None:
            return Judged(verdict=kept, cached=True)
        judged = self._judge(key, program, idle)
        if not judged.contradicted:
            self._cache.put(sha256, mode, judged.verdict)
        return judged

    def _mode(self, key: ProblemKey, program: Program) -> Policy:
        """The policy as it is for this problem; what is not plain Python has one judge only."""
        if program.language != PYTHON or program.environment:
            return "inside"
        return "inside" if self._policy == "auto" and key not in self._splittable else self._policy

    def _judge(self, key: ProblemKey, program: Program, idle: Idle | None) -> Judged:
        mode = self._mode(key, program)
        likely = key[0] not in self._inside_first and self._rates.rate(key) > _SPLIT_FIRST_RATE
        if mode == "split" or (mode == "auto" and likely):
            return self._runner.run(replace(program, judge="split"), idle)
        inside = self._runner.run(program, idle)
        if mode == "inside" or not inside.verdict.passed:
            return inside
        split = self._runner.run(replace(program, judge="split"), idle)
        return Judged(
            verdict=_with_costs(split.verdict, inside.verdict),
            flaky=inside.flaky or split.flaky,
            contradicted=inside.contradicted or split.contradicted or not split.verdict.passed,
        )
