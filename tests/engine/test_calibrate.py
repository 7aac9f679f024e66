"""What is learned from reference solutions."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from actors.alone import Alone
from actors.judging import ProblemKey, Runner
from benchmarks.registry import load_benchmark
from engine.calibrate import calibrate, choose_yardsticks
from runners.program import Program, Status, Verdict
from runners.sandbox import open_sandbox
from runners.supervise import Idle
from tests.actors.fakes import LABEL, FakeSandbox, tiny


class Jail(FakeSandbox):
    """Has both judges; programs of t2 fail."""

    judges = frozenset({"inside", "split"})

    def run(self, program: Program, idle: Idle | None = None) -> Verdict:
        """A verdict by source."""
        verdict = super().run(program, idle)
        return dataclasses.replace(verdict, status=Status.WRONG_ANSWER) if "t2" in program.source else verdict

    def toolchain(self) -> str:
        """One that is not the other fakes'."""
        return "jail"


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other runs on this machine go on."""
    monkeypatch.setattr("engine.calibrate.open_alone", lambda: Alone(None))


def key(task: str) -> tuple[str, str, str]:
    return LABEL, task, "nominal"


def test_references_that_pass_in_split_tell_what_they_need(tmp_path: Path) -> None:
    """Those that fail there are not splittable and tell nothing; each ran in split, with five times its limits."""
    sandbox = Jail()
    calibration = calibrate({LABEL: tiny(3)}, sandbox, tmp_path)
    assert calibration.splittable == {key("t0"), key("t1")}
    assert calibration.reference_seconds == {key("t0"): 1.0, key("t1"): 1.0}
    assert {(program.judge, program.limits.cpu_seconds) for program in sandbox.ran} == {("split", 50.0)}


def test_references_run_once(tmp_path: Path) -> None:
    """What was learned is kept, under every label; other problems are learned anew."""
    calibrate({LABEL: tiny(2)}, Jail(), tmp_path)
    sandbox = Jail()
    assert calibrate({"other": tiny(2)}, sandbox, tmp_path).reference_seconds[("other", "t0", "nominal")] == 1.0
    assert sandbox.ran == []
    calibrate({LABEL: tiny(2, reference="    return\n")}, sandbox, tmp_path)
    assert len(sandbox.ran) == 2


def test_nothing_is_kept_where_the_sandbox_failed(tmp_path: Path) -> None:
    """A failure of ours must not make problems unsplittable for ever."""
    assert calibrate({LABEL: tiny(1)}, Jail(*[Status.SANDBOX_ERROR] * 3), tmp_path).splittable == frozenset()
    assert calibrate({LABEL: tiny(1)}, Jail(), tmp_path).splittable == {key("t0")}


def test_a_busy_driver_makes_no_problem_unsplittable(tmp_path: Path) -> None:
    """A reference that times out once passes when it is run again alone."""
    assert calibrate({LABEL: tiny(1)}, Jail(Status.TIMEOUT), tmp_path).splittable == {key("t0")}


def test_a_sandbox_without_split_teaches_nothing(tmp_path: Path) -> None:
    """No reference runs, and every problem is judged inside."""
    sandbox = FakeSandbox()
    calibration = calibrate({LABEL: tiny(3)}, sandbox, tmp_path)
    assert (calibration.splittable, calibration.yardsticks, sandbox.ran) == (frozenset(), (), [])


def test_yardsticks_are_short_plain_and_of_middling_cost() -> None:
    """The five in the middle, without long ones, those that need numpy, and those of several programs."""
    seconds = {key(f"t{number}"): 0.001 * (number + 1) for number in range(9)}
    plain = Program(source="pass", tests=("pass",), judge="split")
    programs: dict[ProblemKey, tuple[Program, ...]] = dict.fromkeys(seconds, (plain,))
    chosen = choose_yardsticks(programs, seconds)
    assert [round(yardstick.cpu_seconds, 3) for yardstick in chosen] == [0.003, 0.004, 0.005, 0.006, 0.007]
    long, numpy, several = key("long"), key("numpy"), key("several")
    seconds |= {long: 5.0, numpy: 0.005, several: 0.005}
    programs |= {long: (plain,), several: (plain, plain), numpy: (dataclasses.replace(plain, source="import numpy"),)}
    assert choose_yardsticks(programs, seconds) == chosen


@pytest.mark.slow
def test_a_real_node_is_measured_by_real_references(tmp_path: Path) -> None:
    """All references of `starter` pass in split in the real jail, and five of them give a factor within its bounds."""
    benchmark = load_benchmark("starter", {}, tmp_path)
    sandbox = open_sandbox()
    try:
        calibration = calibrate({"starter": benchmark}, sandbox, tmp_path)
        assert len(calibration.splittable) == 36
        assert len(calibration.yardsticks) == 5
        assert 1.0 <= Runner(sandbox).measure_speed(calibration.yardsticks) <= 4.0
    finally:
        sandbox.close()
