from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from actors.alone import Alone
from actors.execute import NODES, Execute, judged_row
from actors.judging import Calibration, Yardstick
from actors.parts import STOP_FILE
from actors.samples import SAMPLE_SCHEMA
from benchmarks.problem import Completion
from runners.program import Program, Status, Verdict
from tests.actors.fakes import LABEL, FakeSandbox, completed, run_directory, tiny

Open = Callable[..., Execute]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return run_directory(tmp_path)


@pytest.fixture
def stage(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens an Execute with a fake sandbox."""

    def opened(sandbox: FakeSandbox, limits: Mapping[str, float] | None = None, **more: Any) -> Execute:
        monkeypatch.setattr("actors.execute.open_sandbox", lambda isolation: sandbox)
        monkeypatch.setattr("actors.execute.open_alone", lambda: Alone(None))  # other runs on this machine go on
        return Execute(str(run_dir), {LABEL: tiny()}, "auto", limits or {}, **more)

    return opened


def _rows(run_dir: Path) -> list[dict[str, Any]]:
    (part,) = (run_dir / "samples").iterdir()
    table = pq.read_table(part)
    assert table.schema.equals(SAMPLE_SCHEMA)
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def test_samples_are_committed_and_only_statuses_travel_on(stage: Open, run_dir: Path) -> None:
    """Each completion becomes a row with its program, verdict and score; the driver gets label and status."""
    sandbox = FakeSandbox(Status.PASSED, Status.WRONG_ANSWER)
    done = stage(sandbox)(completed("t0", [Completion(text="    a\n"), Completion(text="    b\n")]))
    assert done.to_pylist() == [
        {"benchmark": LABEL, "status": "passed"},
        {"benchmark": LABEL, "status": "wrong_answer"},
    ]
    rows = _rows(run_dir)
    assert [(row["sample_id"], row["score"], dict(row["scores"])) for row in rows] == [
        ("id-t0-0", 1.0, {"pass": 1.0}),
        ("id-t0-1", 0.0, {"pass": 0.0}),
    ]
    assert [row["program"] for row in rows] == [program.source for program in sandbox.ran]


def test_identical_programs_of_a_prompt_run_once(stage: Open, run_dir: Path) -> None:
    """Equal completions share one verdict and still have a row each."""
    sandbox = FakeSandbox(Status.WRONG_ANSWER)
    stage(sandbox)(completed("t0", [Completion(text="    a\n")] * 3))
    assert len(sandbox.ran) == 1
    assert [row["status"] for row in _rows(run_dir)] == ["wrong_answer"] * 3


def test_a_sandbox_error_is_tried_three_times_and_never_scored(stage: Open, run_dir: Path) -> None:
    """Where the sandbox keeps failing the row speaks of us and has no score."""
    sandbox = FakeSandbox(*[Status.SANDBOX_ERROR] * 3)
    stage(sandbox)(completed("t0", [Completion(text="    a\n")]))
    (row,) = _rows(run_dir)
    assert len(sandbox.ran) == 3
    assert (row["status"], row["score"], row["scores"]) == ("sandbox_error", None, [])


def test_a_sandbox_that_recovers_gives_the_programs_verdict(stage: Open, run_dir: Path) -> None:
    """One failure of the sandbox leaves no trace in the result."""
    stage(FakeSandbox(Status.SANDBOX_ERROR, Status.WRONG_ANSWER))(completed("t0", [Completion(text="    a\n")]))
    assert [(row["status"], row["score"]) for row in _rows(run_dir)] == [("wrong_answer", 0.0)]


def test_a_failed_generation_runs_nothing(stage: Open, run_dir: Path) -> None:
    """A completion with an error is a generation_error without program and score."""
    sandbox = FakeSandbox()
    stage(sandbox)(completed("t0", [Completion(text="", finish_reason="error", error="server gone")]))
    (row,) = _rows(run_dir)
    assert sandbox.ran == []
    assert (row["status"], row["score"], row["program"], row["error"]) == (
        "generation_error",
        None,
        "",
        "server gone",
    )


def test_configured_limits_replace_those_of_programs(stage: Open) -> None:
    """Only the limits that were given change; whole numbers stay whole."""
    sandbox = FakeSandbox()
    stage(sandbox, {"cpu_seconds": 2.5, "memory_bytes": 1e8})(completed("t0", [Completion(text="    a\n")]))
    limits = sandbox.ran[0].limits
    assert (limits.cpu_seconds, limits.memory_bytes) == (2.5, 100_000_000)
    assert isinstance(limits.memory_bytes, int)
    assert limits.wall_seconds == Program(source="", tests=()).limits.wall_seconds


def test_room_for_the_reference_is_given_and_what_the_user_says_goes_before_it(stage: Open, run_dir: Path) -> None:
    """A reference of 3 s gives its problem 15 s of CPU time and as much more wall time; a flag replaces that."""
    calibration = Calibration(reference_seconds={(LABEL, "t0", "nominal"): 3.0})
    sandbox = FakeSandbox()
    stage(sandbox, calibration=calibration)(completed("t0", [Completion(text="    a\n")]))
    stage(sandbox, {"cpu_seconds": 2}, calibration=calibration)(completed("t0", [Completion(text="    a\n")]))
    stage(sandbox, calibration=calibration)(completed("t1", [Completion(text="    a\n")]))
    limits = [(program.limits.cpu_seconds, program.limits.wall_seconds) for program in sandbox.ran]
    assert limits == [(15.0, 90.0), (2, 90.0), (10.0, 60.0)]


def test_a_program_that_was_judged_before_is_not_run_and_its_row_says_so(
    stage: Open, run_dir: Path, tmp_path: Path
) -> None:
    """Another executor with the same cache gives the same row but for the mark, without running anything."""
    batch = completed("t0", [Completion(text="    a\n")])
    stage(FakeSandbox(Status.WRONG_ANSWER), verdicts=str(tmp_path / "v"))(batch)
    (first,) = _rows(run_dir)
    sandbox = FakeSandbox()
    stage(sandbox, verdicts=str(tmp_path / "v"))(batch)
    (second,) = _rows(run_dir)
    assert sandbox.ran == []
    assert (first["judge"], second["judge"]) == ("inside", "inside cached")
    same = first.keys() - {"judge", "finished_at", "execution_started_at", "execution_queue_seconds"}
    assert {name: first[name] for name in same} == {name: second[name] for name in same}


def test_nothing_is_kept_of_unprotected_programs(stage: Open, run_dir: Path, tmp_path: Path) -> None:
    """At level none a program could write verdicts itself, so none is read or written."""
    sandbox = FakeSandbox()
    sandbox.isolation = "none"
    stage(sandbox, verdicts=str(tmp_path / "v"))(completed("t0", [Completion(text="    a\n")]))
    assert not (tmp_path / "v").exists()


def test_a_flaky_timeout_is_marked_in_its_row(stage: Open, run_dir: Path) -> None:
    """What passes when run again alone has passed, with the costs of both runs."""
    stage(FakeSandbox(Status.TIMEOUT))(completed("t0", [Completion(text="    a\n")]))
    (row,) = _rows(run_dir)
    assert (row["status"], row["judge"], row["cpu_seconds"], row["score"]) == ("passed", "inside flaky", 2.0, 1.0)


def test_a_slow_node_gives_more_time_and_says_so(stage: Open, run_dir: Path) -> None:
    """Yardsticks that need twice the driver's CPU time double the time limits; a file in the run directory tells it."""
    yardstick = Yardstick(program=Program(source="", tests=("pass",), judge="split"), cpu_seconds=0.5)
    sandbox = FakeSandbox()
    sandbox.judges = frozenset({"inside", "split"})
    opened = stage(sandbox, calibration=Calibration(yardsticks=(yardstick,)))
    opened(completed("t0", [Completion(text="    a\n")]))
    assert [program.limits.cpu_seconds for program in sandbox.ran] == [10.0, 20.0]
    (told,) = (run_dir / NODES).iterdir()
    assert json.loads(told.read_text())["time_limit_factor"] == 2.0


def test_while_the_stop_file_is_there_nothing_runs(stage: Open, run_dir: Path) -> None:
    """After Ctrl-C rows pass without work."""
    (run_dir / STOP_FILE).touch()
    sandbox = FakeSandbox()
    assert stage(sandbox)(completed("t0", [Completion(text="    a\n")])).num_rows == 0
    assert sandbox.ran == []
    assert list((run_dir / "samples").iterdir()) == []


def test_surrogates_from_a_program_are_stored(stage: Open, run_dir: Path) -> None:
    """What a program printed or raised cannot keep its row from being written."""
    stage(FakeSandbox(Status.RUNTIME_ERROR))(completed("t0", [Completion(text="    a\n")]))
    (row,) = _rows(run_dir)
    assert (row["stdout_tail"], row["error"]) == ("?", "?")


def test_our_failure_speaks_before_a_wrong_answer() -> None:
    """Where one of several programs met a sandbox error there is no score, so the status does not count either."""
    programs = (Program(source="a", tests=()), Program(source="b", tests=()))
    verdicts = (Verdict(status=Status.WRONG_ANSWER), Verdict(status=Status.SANDBOX_ERROR))
    assert judged_row(programs, verdicts, {}, None)["status"] == "sandbox_error"


def test_the_first_failure_speaks_and_costs_are_added_up() -> None:
    """Of several programs the first that did not pass gives the status; seconds add up, the peak is the largest."""
    verdicts = tuple(
        Verdict(status=status, cpu_seconds=1.0, wall_seconds=2.0, peak_memory_bytes=peak)
        for status, peak in ((Status.PASSED, 5), (Status.TIMEOUT, 9), (Status.WRONG_ANSWER, None))
    )
    row = judged_row((Program(source="a", tests=()),) * 3, verdicts, {"pass": 0.0}, 0.0)
    assert (row["status"], row["cpu_seconds"], row["wall_seconds"], row["peak_memory_bytes"]) == ("timeout", 3, 6, 9)


def test_text_metrics_need_no_program() -> None:
    """A completion that is scored as text has passed by text alone."""
    row = judged_row((), (), {"bleu": 0.5}, 0.5)
    assert (row["status"], row["judge"], row["program"], row["score"]) == ("passed", "text", "", 0.5)
