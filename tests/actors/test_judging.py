"""Which judge decides."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.alone import Alone
from actors.judging import Calibration, Judging, PassRates, Policy, Runner, Yardstick, scaled
from actors.verdict_cache import VerdictCache
from runners.program import Limits, Program, Status, Verdict
from runners.supervise import Idle

KEY, OTHER = ("benchmark", "task/0", "nominal"), ("benchmark", "task/1", "nominal")
PROGRAM = Program(source="", tests=("pass",))


class TwoJudges:
    """A sandbox whose verdict depends on the judge; remembers which judges were asked."""

    isolation = "fake"
    judges = frozenset({"inside", "split"})

    def __init__(self, inside: Status, split: Status) -> None:
        self.asked: list[str] = []
        self._statuses = {"inside": inside, "split": split}

    def run(self, program: Program, idle: Idle | None = None) -> Verdict:
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
        return Judging(sandbox, policy, [KEY, OTHER] if splits else []), sandbox

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
    """After the first pass of a benchmark the run inside is saved, for problems not seen before too."""
    judging, sandbox = make(Status.PASSED)
    for key in (KEY, KEY, OTHER):
        judging.judge(key, PROGRAM)
    assert sandbox.asked == ["inside", "split", "split", "split"]


def test_a_pass_rate_starts_at_the_benchmarks_and_becomes_the_problems_own() -> None:
    """One half before any verdict; another benchmark says nothing; a problem's own verdicts outweigh the others."""
    rates = PassRates()
    assert rates.rate(KEY) == 0.5
    for _ in range(8):
        rates.add(KEY, passed=True)
    assert rates.rate(OTHER) == pytest.approx(0.9)
    assert rates.rate(("another", "task/0", "nominal")) == 0.5
    for _ in range(8):
        rates.add(OTHER, passed=False)
    assert rates.rate(OTHER) == pytest.approx(2 * 0.5 / 10)


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


class Script:
    """A sandbox that gives verdicts in turn, the last for ever; remembers what was asked, with what locks."""

    isolation = "fake"
    judges = frozenset({"inside", "split"})

    def __init__(self, *statuses: Status, cpu_seconds: float = 1.0, wall_seconds: float = 2.0) -> None:
        self.ran: list[Program] = []
        self.log: list[str] = []
        self._statuses = list(statuses)
        self._costs = {"cpu_seconds": cpu_seconds, "wall_seconds": wall_seconds}

    def run(self, program: Program, idle: Idle | None = None) -> Verdict:
        """The next verdict."""
        self.ran.append(program)
        self.log.append(program.judge)
        if idle is not None:
            idle()
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        return Verdict(status=status, judge=program.judge, **self._costs)

    def toolchain(self) -> str:
        """Name nothing real."""
        return "fake"

    def close(self) -> None:
        """Nothing is held."""


class Locks(Alone):
    """Locks that are only told."""

    def __init__(self, log: list[str]) -> None:
        super().__init__(None)
        self._log = log

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Tell it."""
        self._log.append("shared")
        yield
        self._log.append("end")

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Tell it."""
        self._log.append("exclusive")
        yield
        self._log.append("end")


def test_a_timeout_is_run_again_alone() -> None:
    """The first run ends before the second begins, which has the node for itself; one that times out twice has."""
    sandbox = Script(Status.TIMEOUT)
    judged = Runner(sandbox, Locks(sandbox.log)).run(PROGRAM)
    assert sandbox.log == ["shared", "inside", "end", "exclusive", "inside", "end"]
    assert (judged.verdict.status, judged.flaky) == (Status.TIMEOUT, False)
    assert (judged.verdict.cpu_seconds, judged.verdict.wall_seconds) == (2.0, 4.0)


@pytest.mark.parametrize(("cpu_seconds", "wall_seconds"), [(10.0, 10.9), (10.0, 3.0), (0.1, 60.0)])
def test_a_timeout_that_others_did_not_cause_stands(cpu_seconds: float, wall_seconds: float) -> None:
    """Who computed all the while, on one processor or more, or slept, is not run again: the node would wait for it."""
    sandbox = Script(Status.TIMEOUT, cpu_seconds=cpu_seconds, wall_seconds=wall_seconds)
    judged = Runner(sandbox).run(PROGRAM)
    assert sandbox.log == ["inside"]
    assert (judged.verdict.status, judged.verdict.cpu_seconds) == (Status.TIMEOUT, cpu_seconds)


def test_nothing_is_begun_while_a_program_runs_alone() -> None:
    """Who may begin another program while this one sleeps is not called in the run that has the node for itself."""
    sandbox = Script(Status.TIMEOUT)
    Judging(sandbox, "inside", []).decide(KEY, PROGRAM, idle=lambda: sandbox.log.append("idle"))
    assert sandbox.log == ["inside", "idle", "inside"]


@pytest.mark.parametrize("status", [Status.PASSED, Status.WRONG_ANSWER, Status.MEMORY_LIMIT])
def test_what_is_said_alone_stands_and_is_flaky(status: Status) -> None:
    """Another verdict in the second run is the one that counts, with the costs of both."""
    judged = Runner(Script(Status.TIMEOUT, status)).run(PROGRAM)
    assert (judged.verdict.status, judged.verdict.cpu_seconds) == (status, 2.0)
    assert judged.flaky
    assert judged.contradicted


def test_a_timeout_stands_where_the_sandbox_fails_alone() -> None:
    """A failure of ours contradicts nothing."""
    judged = Runner(Script(Status.TIMEOUT, Status.SANDBOX_ERROR)).run(PROGRAM)
    assert (judged.verdict.status, judged.flaky) == (Status.TIMEOUT, False)


def test_tests_that_time_calls_are_never_left_to_split_alone() -> None:
    """However likely a pass is, such a benchmark's programs run inside first."""
    sandbox = Script(Status.PASSED)
    judging = Judging(sandbox, "auto", [KEY], inside_first=[KEY[0]])
    for _ in range(10):
        judging.judge(KEY, PROGRAM)
    assert sandbox.log == ["inside", "split"] * 10


def test_a_timeout_in_split_is_run_again_in_split() -> None:
    """A pass inside whose confirmation times out once is a pass, and flaky."""
    sandbox = Script(Status.PASSED, Status.TIMEOUT, Status.PASSED)
    judged = Judging(sandbox, "auto", [KEY]).decide(KEY, PROGRAM)
    assert sandbox.log == ["inside", "split", "split"]
    assert (judged.verdict.status, judged.flaky, judged.verdict.cpu_seconds) == (Status.PASSED, True, 3.0)


@pytest.fixture
def cache(tmp_path: Path) -> VerdictCache:
    """An empty cache."""
    return VerdictCache(tmp_path, toolchain="fake", isolation="fake")


def test_a_verdict_of_before_is_not_asked_for_again(cache: VerdictCache) -> None:
    """Another executor finds the whole verdict, whatever problem it is now asked for."""
    first = Judging(Script(Status.PASSED), "auto", [KEY], cache=cache).decide(KEY, PROGRAM)
    sandbox = Script(Status.WRONG_ANSWER)
    second = Judging(sandbox, "auto", [OTHER], cache=cache).decide(OTHER, PROGRAM)
    assert sandbox.log == []
    assert (first.cached, second.cached) == (False, True)
    assert second.verdict == first.verdict


def test_a_pass_inside_does_not_answer_for_split(cache: VerdictCache) -> None:
    """What was judged by the weaker policy is judged again by the stronger, and the other way round."""
    for policy, splittable in (("inside", [KEY]), ("split", [KEY]), ("auto", [KEY])):
        sandbox = Script(Status.PASSED)
        assert not Judging(sandbox, policy, splittable, cache=cache).decide(KEY, PROGRAM).cached  # type: ignore[arg-type]
    # A problem that cannot be split is judged as `inside` judges.
    assert Judging(Script(Status.PASSED), "auto", [], cache=cache).decide(KEY, PROGRAM).cached


@pytest.mark.parametrize(
    "statuses",
    [
        (Status.TIMEOUT,),
        (Status.TIMEOUT, Status.PASSED),
        (Status.SANDBOX_ERROR,),
        (Status.MEMORY_LIMIT,),
        (Status.OUTPUT_LIMIT,),
        (Status.PASSED, Status.WRONG_ANSWER),
    ],
    ids=lambda statuses: " then ".join(statuses),
)
def test_what_may_come_out_otherwise_is_not_kept(cache: VerdictCache, statuses: tuple[Status, ...]) -> None:
    """Timeouts, limits that rest on load, failures of ours, flaky verdicts and runs that disagree are run again."""
    Judging(Script(*statuses), "auto", [KEY], cache=cache).decide(KEY, PROGRAM)
    assert not Judging(Script(Status.PASSED), "auto", [KEY], cache=cache).decide(KEY, PROGRAM).cached


def test_limits_have_room_for_the_reference_and_are_never_lowered() -> None:
    """Five times what the reference needs, in whole seconds; wall time keeps its proportion to CPU time."""
    calibration = Calibration(reference_seconds={KEY: 2.5, OTHER: 0.01})
    limits = Limits(cpu_seconds=10, wall_seconds=60)
    raised = calibration.limits(KEY, limits)
    assert raised.cpu_seconds == pytest.approx(13)
    assert raised.wall_seconds == pytest.approx(78)
    assert calibration.limits(OTHER, limits) == limits
    assert calibration.limits(("b", "unknown", "nominal"), limits) == limits
    assert scaled(limits, 0.5) == limits


@pytest.mark.parametrize(("cpu_seconds", "speed"), [(0.1, 1.0), (1.0, 1.0), (1.5, 1.5), (90.0, 4.0)])
def test_a_nodes_speed_is_the_median_ratio_within_bounds(cpu_seconds: float, speed: float) -> None:
    """A faster node is not given less time, a very slow one not more than four times as much."""
    runner = Runner(Script(Status.PASSED, cpu_seconds=cpu_seconds))
    yardsticks = [Yardstick(program=PROGRAM, cpu_seconds=seconds) for seconds in (0.2, 1.0, 9.0)]
    assert runner.measure_speed(yardsticks) == speed
    runner.run(PROGRAM)
    assert isinstance(runner.sandbox, Script)
    assert runner.sandbox.ran[-1].limits == scaled(PROGRAM.limits, speed)


def test_a_node_that_cannot_be_measured_keeps_the_limits() -> None:
    """No yardstick, none that passes, or a sandbox without split: the factor is 1."""
    yardsticks = [Yardstick(program=PROGRAM, cpu_seconds=0.1)]
    assert Runner(Script(Status.PASSED)).measure_speed([]) == 1.0
    assert Runner(Script(Status.WRONG_ANSWER)).measure_speed(yardsticks) == 1.0
    sandbox = Script(Status.PASSED)
    sandbox.judges = frozenset({"inside"})
    assert Runner(sandbox).measure_speed(yardsticks) == 1.0
    assert sandbox.ran == []
