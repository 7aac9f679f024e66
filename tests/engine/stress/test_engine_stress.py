"""`codeassay stress engine`: the plan, the accounting over made-up parts, the faults, and a small real run."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from actors.parts import commit
from actors.samples import GENERATION_SCHEMA, SAMPLE_SCHEMA
from actors.synthetic_generator import Synthetic
from benchmarks.starter import Starter, StarterOptions
from engine.stress.accounting import account, expect, task_id_of, write_problems
from engine.stress.engine import EngineStress, check, complaint, fault_names, is_ok, run_engine_stress
from engine.stress.engine_view import draw, metrics, render
from engine.stress.pipeline_faults import (
    Struck,
    fill,
    is_ours,
    is_small_disk,
    kill_one,
    recovery_of,
    small_disk,
    why_no_small_disk,
)
from engine.stress.pipeline_run import Ended, Row, rows_of, run_child, without_secrets
from engine.stress.process_tree import command_line, cpu_seconds, peak_memory_bytes, tree
from engine.stress.stress_file import Measured, write_measured
from runners.errors import UserError
from tests.engine.rows import sample_row
from tests.engine.stress.children import WAITS, started

EXPECTED = {("synthetic/0", 0): "passed", ("synthetic/0", 1): "wrong_answer", ("synthetic/1", 0): "passed"}


def _row(task: str, index: int, status: str, **columns: Any) -> dict[str, Any]:
    own = {"sample_id": f"{task}-{index}", "worker": "here:1", "replica": "here:2", "benchmark": "starter"}
    return sample_row(task, status, sample_index=index, **own | columns)


def _run_dir(folder: Path, *parts: list[dict[str, Any]]) -> Path:
    (folder / "samples").mkdir()
    (folder / "generations").mkdir()
    for rows in parts:
        commit(folder / "samples", rows, SAMPLE_SCHEMA)
        commit(folder / "generations", rows, GENERATION_SCHEMA)
    return folder


def _whole() -> list[dict[str, Any]]:
    return [_row(task, index, status) for (task, index), status in EXPECTED.items()]


def test_a_whole_run_is_in_order(tmp_path: Path) -> None:
    """Each planned sample once with its status: nothing to tell."""
    found = account(_run_dir(tmp_path, _whole()), EXPECTED)
    assert found.ok
    assert (found.planned, found.lost, found.duplicated, found.wrong, found.repeated) == (3, 0, 0, 0, 0)
    assert found.statuses == found.expected_statuses == {"passed": 2, "wrong_answer": 1}
    assert found.examples == ()


def test_a_missing_row_is_lost(tmp_path: Path) -> None:
    """A planned sample without a row is counted and named."""
    found = account(_run_dir(tmp_path, _whole()[:2]), EXPECTED)
    assert not found.ok
    assert (found.lost, found.examples) == (1, ("synthetic/1[0] is lost",))


def test_a_sample_under_two_ids_is_doubled(tmp_path: Path) -> None:
    """Two rows of one sample that readers cannot tell to be the same are a duplicate."""
    found = account(_run_dir(tmp_path, _whole(), [_row("synthetic/0", 0, "passed", sample_id="other")]), EXPECTED)
    assert not found.ok
    assert (found.duplicated, found.lost) == (1, 0)
    assert found.examples == ("synthetic/0[0] stands twice",)


def test_a_row_that_was_never_planned_is_doubled_work(tmp_path: Path) -> None:
    """An index beyond n is told as a sample that nobody asked for."""
    found = account(_run_dir(tmp_path, _whole(), [_row("synthetic/1", 7, "passed")]), EXPECTED)
    assert (found.duplicated, found.ok) == (1, False)
    assert found.examples == ("synthetic/1[7] was never planned",)


def test_a_row_that_was_written_again_is_no_fault(tmp_path: Path) -> None:
    """Work that was done twice under one id is counted, and dropped by readers."""
    found = account(_run_dir(tmp_path, _whole(), _whole()[:1]), EXPECTED)
    assert found.ok
    assert (found.repeated, found.generated_twice, found.duplicated) == (1, 1, 0)


def test_another_status_is_wrong(tmp_path: Path) -> None:
    """A sample has to have exactly its own status, even where the mix is as expected."""
    swapped = [
        _row("synthetic/0", 0, "wrong_answer"),
        _row("synthetic/0", 1, "passed"),
        _row("synthetic/1", 0, "passed"),
    ]
    found = account(_run_dir(tmp_path, swapped), EXPECTED)
    assert found.statuses == found.expected_statuses
    assert (found.wrong, found.ok) == (2, False)
    assert "synthetic/0[0] is wrong_answer and has to be passed" in found.examples


def test_the_plan_is_read_by_starter_and_no_two_programs_are_alike(tmp_path: Path) -> None:
    """Problems beyond the packaged ones have ids and programs of their own."""
    path = tmp_path / "problems.jsonl"
    write_problems(path, 80)
    benchmark = Starter.load(StarterOptions(data=path), tmp_path)
    problems = benchmark.problems()
    assert [problem.task_id for problem in problems] == [task_id_of(number) for number in range(80)]
    assert len({problem.prompt for problem in problems}) == 80
    assert problems[36].reference == problems[0].reference


def test_expectation_follows_solution_and_errors() -> None:
    """A sample's status is its solution's; where generation fails, that."""
    statuses = [("passed", "wrong_answer"), ("passed", "runtime_error")]
    expected = expect(200, 2, Synthetic(), statuses)
    assert len(expected) == 400
    assert {status for (task, _), status in expected.items() if int(task.split("/")[1]) % 2} == {
        "passed",
        "runtime_error",
    }
    failing = expect(200, 2, Synthetic(errors=1.0), statuses)
    assert set(failing.values()) == {"generation_error"}


def test_rows_are_told_in_order_of_time(tmp_path: Path) -> None:
    """When a row of samples was judged, and by whom, comes from its columns."""
    early, late = _row("synthetic/0", 0, "passed", finished_at=5.0), _row("synthetic/0", 1, "passed", finished_at=9.0)
    rows = rows_of(_run_dir(tmp_path, [late], [early]), "samples")
    assert rows == [Row(at=5.0, place="here:1"), Row(at=9.0, place="here:1")]
    assert {row.place for row in rows_of(tmp_path, "generations")} == {"here:2"}


def test_recovery_is_the_first_row_of_a_new_process() -> None:
    """Rows of those that were there already show that the stage went on; a new one that the lost one was replaced."""
    struck = Struck(at=10.0, left=5, target="n:1", known=frozenset({"n:1", "n:2"}))
    rows = [Row(at=9.0, place="n:1"), Row(at=11.0, place="n:2"), Row(at=14.0, place="n:3")]
    found = recovery_of(rows, struck)
    assert (found.next_row_seconds, found.recovery_seconds) == (1.0, 4.0)
    assert recovery_of(rows[:2], struck).recovery_seconds is None
    assert recovery_of(rows, struck, since=12.0).next_row_seconds == 2.0
    assert recovery_of([], struck).next_row_seconds is None


def test_a_process_that_is_not_ours_is_not_killed() -> None:
    """Neither our own child that is no Ray worker, nor a Ray worker of somebody else's run, nor one that has gone."""
    with started([sys.executable, "-S", "-c", WAITS]) as plain:
        with started(["ray::Fake", "-S", "-c", WAITS]) as worker:
            assert not is_ours(plain.pid, os.getpid())
            assert is_ours(worker.pid, os.getpid())
            assert not is_ours(worker.pid, plain.pid)
            assert kill_one([plain.pid, 2**22 - 1], os.getpid()) is None
            assert kill_one([worker.pid], plain.pid) is None
            assert plain.poll() is worker.poll() is None
            killed = kill_one([plain.pid, worker.pid], os.getpid())
            assert killed is not None and killed.endswith(f":{worker.pid}")
            assert worker.wait() == -9
        assert plain.poll() is None


def test_an_ordinary_disk_is_not_filled(tmp_path: Path) -> None:
    """Only a file system that the test has mounted is filled."""
    with pytest.raises(UserError, match="it is not filled"):
        fill(tmp_path / "ballast")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(bool(why_no_small_disk()), reason="needs root")
def test_a_small_disk_is_filled_and_goes_away(tmp_path: Path) -> None:
    """Full means that not one more byte can be written; afterwards nothing is mounted."""
    try:
        with small_disk(tmp_path / "disk", 0) as disk:
            assert is_small_disk(disk)
            assert not is_small_disk(disk.parent)
            fill(disk / "ballast")
            with pytest.raises(OSError, match="No space left"):
                (disk / "more").write_text("x")
    except UserError as error:
        pytest.skip(str(error))
    assert not (tmp_path / "disk").exists()


def _ended(said: str, exit_code: int = 1) -> Ended:
    return Ended(exit_code=exit_code, said=said, began_at=0.0, ended_at=1.0, cpu_seconds=0.0, driver_peak_bytes=0)


def test_a_full_disk_is_to_be_told_with_place_and_cure() -> None:
    """What was said is held against each demand; a stack trace is none of the answers."""
    run_dir = Path("/mnt/disk/run")
    good = complaint(_ended("codeassay: /mnt/disk/run/x: No space left on device. Make room, then run again."), run_dir)
    assert all(good.values())
    bad = complaint(_ended("Traceback (most recent call last)\nOSError: [Errno 28]", exit_code=0), run_dir)
    assert not any(bad.values())


def test_faults_are_read_by_name() -> None:
    """In the order given; an unknown one is told with the known ones; none is possible."""
    assert fault_names("fill-disk,kill-actor") == ("fill-disk", "kill-actor")
    assert fault_names("") == ()
    with pytest.raises(UserError, match="kill-actor, kill-worker, fill-disk"):
        fault_names("unplug")


@pytest.mark.parametrize(
    "config",
    [EngineStress(scale=()), EngineStress(n=0), EngineStress(errors=2.0), EngineStress(isolation="none")],
    ids=["no scale", "n 0", "errors 2", "unprotected"],
)
def test_what_makes_no_sense_is_refused(config: EngineStress) -> None:
    """Before anything runs."""
    with pytest.raises(UserError, match="--"):
        check(config)


def test_keys_and_servers_of_the_user_stay_out_of_synthetic_runs() -> None:
    """A child gets no API key, no cluster and no tracking server."""
    given = {"OPENAI_API_KEY": "k", "RAY_ADDRESS": "a", "MLFLOW_TRACKING_URI": "u", "PATH": "p"}
    assert without_secrets(given) == {"PATH": "p"}


def test_a_process_is_seen_from_outside() -> None:
    """Tree, CPU time, memory and command line of a living process; nothing of one that has gone."""
    assert os.getpid() in tree(os.getppid())
    assert cpu_seconds(os.getpid()) > 0
    assert (peak_memory_bytes(os.getpid()) or 0) > 1 << 20
    with started([sys.executable, "-S", "-c", WAITS]) as child:
        assert "input()" in command_line(child.pid)
        gone = child.pid
    assert (tree(gone), peak_memory_bytes(gone), command_line(gone), cpu_seconds(gone)) == ([], None, "", 0.0)


def test_a_child_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    """Exit code and the end of what the command said come back."""
    ended = run_child(["run", "no_such_benchmark"], tmp_path, 120)
    assert ended.exit_code == 2
    assert "no_such_benchmark" in ended.said
    assert ended.driver_peak_bytes > 0


@pytest.mark.slow
def test_rows_survive_faults(tmp_path: Path) -> None:
    """200 rows on Ray: undisturbed, with an actor of either stage killed in mid-run, and on a disk that fills up.

    No row is lost or doubled, each has the verdict it has to have, and what was killed is replaced. A full disk is told
    with the place and the cure; the same command completes the run once there is room.
    """
    faults = ("kill-actor", "kill-worker", *([] if why_no_small_disk() else ["fill-disk"]))
    config = EngineStress(scale=(200,), faults=faults, latency=0.3, workers=2)
    results = run_engine_stress(config, tmp_path / "stress", Console(quiet=True))
    assert is_ok(results), results
    assert tuple(row["fault"] for row in results["faults"]) == faults
    for row in (*results["scales"], *results["faults"]):
        assert (row["accounting"]["planned"], row["accounting"]["lost"], row["accounting"]["duplicated"]) == (200, 0, 0)
        assert row["driver_peak_bytes"] > 0
    for row in results["faults"]:
        assert row["ok"], row
        if row["fault"] == "fill-disk":
            assert row["complaint"]["exit_code"] != 0
        else:
            assert row["left_rows"] > 0
            assert row["next_row_seconds"] > 0
    assert results["faults"][0]["recovery_seconds"] > 0
    assert not (tmp_path / "stress-runs").exists()
    _check_files(results, tmp_path / "told")


def _check_files(results: dict[str, Any], folder: Path) -> None:
    """What is shown and sent of real results."""
    (folder / "plots").mkdir(parents=True)
    series, totals = metrics(results)
    write_measured(
        folder,
        Measured(
            target="engine",
            configuration={},
            results=results,
            ok=True,
            started_at=0.0,
            series=series,
            totals=totals,
            draw=lambda axes: draw(results, axes),
            num_panels=3,
        ),
    )
    assert {"stress.json", "tracking.json", "plots"} == {path.name for path in folder.iterdir()}
    assert series[0]["engine/rows"] == 200.0
    assert totals["engine/kill-actor/recovery_seconds"] > 0
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render(results))
    assert "kill-worker" in console.export_text()
