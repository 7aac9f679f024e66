"""`codeassay stress sandbox`: the hostile table, the detectors of escapes, the accounting, and a small real run."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from engine.stress.bare_fork import bare_fork_cpu_seconds
from engine.stress.canaries import SECRET_VARIABLE, Canaries, known_pass
from engine.stress.escapes import HOSTILE, LEVELS
from engine.stress.sandbox import SandboxStress, check, honest_jobs, is_ok, mixed, run_sandbox_stress
from engine.stress.sandbox_view import draw, metrics, render
from engine.stress.stress_file import Measured, write_measured
from runners.errors import UserError
from runners.program import Program, Status, Verdict
from tests.engine.stress.children import WAITS, started

REFUSED = Verdict(status=Status.WRONG_ANSWER)


@pytest.fixture
def canaries() -> Iterator[Canaries]:
    """Bait that is laid out."""
    with Canaries() as laid:
        yield laid


def _write(canaries: Canaries) -> None:
    (canaries.folder / "new").write_text("x")


def _change(canaries: Canaries) -> None:
    canaries.secret.write_text("other")


def _mark(canaries: Canaries) -> None:
    Path(f"/dev/shm/{canaries.marker}").touch()


def _connect(canaries: Canaries) -> None:
    socket.create_connection(("127.0.0.1", int(canaries.facts()["port"]))).close()


def _send(canaries: Canaries) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.sendto(b"x", ("127.0.0.1", int(canaries.facts()["udp_port"])))


def _abstract(canaries: Canaries) -> None:
    with socket.socket(socket.AF_UNIX) as ours:
        ours.connect(f"\0{canaries.marker}")


def _kill(canaries: Canaries) -> None:
    canaries.victim.send_signal(signal.SIGKILL)
    canaries.victim.wait()


def _slow(canaries: Canaries) -> None:
    os.setpriority(os.PRIO_PROCESS, canaries.victim.pid, 19)


ACTS: dict[str, tuple[Callable[[Canaries], None], str]] = {
    "a file appears": (_write, "new was made"),
    "a file changes": (_change, "secret was changed"),
    "a file with the marker appears elsewhere": (_mark, "was made"),
    "a TCP connection comes": (_connect, "TCP listener"),
    "a datagram comes": (_send, "UDP listener"),
    "an abstract socket is reached": (_abstract, "abstract unix listener"),
    "a process dies": (_kill, "another process was killed"),
    "a process is slowed": (_slow, "priority or limits"),
}


@pytest.mark.parametrize("name", ACTS)
def test_each_canary_sings_once(canaries: Canaries, name: str) -> None:
    """What an escape would do is told in words, once, and put right, so that the next program is not blamed for it."""
    act, told = ACTS[name]
    assert canaries.escapes(REFUSED) == []
    act(canaries)
    found = canaries.escapes(REFUSED)
    assert len(found) == 1
    assert told in found[0]
    assert canaries.escapes(REFUSED) == []


def test_a_process_that_outlives_its_program_is_found_and_ended(canaries: Canaries) -> None:
    """Processes are known by the marker in their command line."""
    with started([sys.executable, "-S", "-c", WAITS, canaries.marker]) as left:
        assert canaries.escapes(REFUSED) == [f"process {left.pid} outlived its program"]
        assert left.wait() == -signal.SIGKILL


def test_a_secret_in_the_output_is_an_escape(canaries: Canaries) -> None:
    """The secret of the environment on either stream is told."""
    for stream in ({"stdout": os.environ[SECRET_VARIABLE]}, {"stderr": canaries.marker}):
        verdict = Verdict(status=Status.WRONG_ANSWER, **stream)  # type: ignore[arg-type]  # both are text
        assert canaries.escapes(verdict) == ["the secret stands in the program's output"]


def test_a_pass_is_an_escape_unless_it_is_known_to_be_possible(canaries: Canaries) -> None:
    """Only inside, and only rows that no judge inside can stop, may pass."""
    passed = Verdict(status=Status.PASSED)
    assert canaries.escapes(passed) == ["verdict: passed"]
    assert canaries.escapes(passed, may_pass=True) == []
    assert known_pass("inside", forgeable_inside=True)
    assert not known_pass("split", forgeable_inside=True)
    assert not known_pass("inside", forgeable_inside=False)


def test_bait_goes_away(tmp_path: Path) -> None:
    """Nothing of it is left: no folder, no variable, no process."""
    with Canaries() as laid:
        folder, victim = laid.folder, laid.victim
    assert not folder.exists()
    assert SECRET_VARIABLE not in os.environ
    assert victim.returncode is not None


def test_every_row_is_a_program_of_its_own(canaries: Canaries) -> None:
    """Each row is complete once it is told of the machine, compiles, and is contained by the jails at least."""
    sources = []
    for row in HOSTILE.values():
        program = row.program(canaries.facts())
        compile(program.source, "row", "exec")
        assert "$" not in program.source
        assert set(row.levels) <= set(LEVELS) and {"full", "rootless"} <= set(row.levels)
        sources.append(program.source)
    assert len(set(sources)) == len(HOSTILE) >= 40


def test_hostile_programs_are_spread_evenly() -> None:
    """A fifth of ten are two, five apart; honest ones go round; without hostile ones all are honest."""
    assert mixed([1, 2, 3], [8, 9], 10, 0.2) == [1, 2, 3, 1, 8, 2, 3, 1, 2, 9]
    assert mixed([1], [8], 4, 1.0) == [8, 8, 8, 8]
    assert mixed([1, 2], [], 3, 0.5) == [1, 2, 1]
    assert sum(number > 5 for number in mixed([1], [9], 1000, 0.3)) == 300


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (SandboxStress(isolation="none"), "never run unprotected"),
        (SandboxStress(hostile_share=1.5), "--hostile-share 1.5"),
        (SandboxStress(workers=(0,)), "at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(config: SandboxStress, told: str) -> None:
    """Before anything hostile runs; unprotected it never does."""
    with pytest.raises(UserError, match=told):
        check(config)


def test_the_floor_is_measured() -> None:
    """A bare fork takes some CPU time, and a program that fails is no floor."""
    right = [job.program for job in honest_jobs() if job.passes and job.program][:3]
    assert 0 < bare_fork_cpu_seconds(right) < 1
    with pytest.raises(subprocess.CalledProcessError):
        bare_fork_cpu_seconds([Program(source="", tests=("assert False",))])


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """A small run with every row of the table."""
    config = SandboxStress(workers=(2,), programs=2 * len(HOSTILE), hostile_share=0.5)
    return run_sandbox_stress(config, Console(quiet=True))


@pytest.mark.slow
def test_nothing_gets_out(results: dict[str, Any]) -> None:
    """Every row beside honest programs, two at a time: no escape, and no honest program is judged otherwise."""
    (only,) = results["rounds"]
    assert set(only["hostile_statuses"]) | set(only["skipped"]) == set(HOSTILE)
    assert (results["escapes"], results["wrong"]) == ([], [])
    assert is_ok(results)
    assert only["clean"]["num_hostile"] == 0 < only["mixed"]["num_hostile"]
    assert only["clean"]["overhead_cpu_ms"] > 0


@pytest.mark.slow
def test_files_are_written(results: dict[str, Any], tmp_path: Path) -> None:
    """stress.json, the plot and what MLflow is told lie in the folder, and the table names the workers."""
    series, totals = metrics(results)
    measured = Measured(
        target="sandbox",
        configuration={"workers": [2]},
        results=results,
        ok=True,
        started_at=0.0,
        series=series,
        totals=totals,
        draw=lambda axes: draw(results, axes),
        num_panels=2,
    )
    (tmp_path / "plots").mkdir()
    written = write_measured(tmp_path, measured)
    assert set(written["results"]["rounds"][0]["hostile_statuses"]) == set(HOSTILE) - set(
        written["results"]["rounds"][0]["skipped"]
    )
    assert {"stress.json", "tracking.json", "plots"} == {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / "plots" / "sandbox.png").stat().st_size > 1000
    assert series[0]["sandbox/workers"] == 2.0
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(render(results))
    assert "attacked" in console.export_text()
