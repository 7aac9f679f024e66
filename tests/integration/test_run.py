"""The whole pipeline as users run it: real Ray, real jails, real files."""

from __future__ import annotations

import gzip
import json
import os
import select
import signal
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from benchmarks.registry import load_benchmark
from tests.integration.command import Done, codeassay, finish, start

pytestmark = pytest.mark.slow

COLUMNS = {
    "task_id",
    "variant",
    "sample_index",
    "completion",
    "program_sha256",
    "status",
    "judge",
    "isolation",
    "cpu_seconds",
    "wall_seconds",
    "peak_memory_bytes",
    "stdout_tail",
    "stderr_tail",
    "score",
}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A samples file over `starter`: per problem the reference and its wrong solutions, made distinct, 10 in all."""
    path = tmp_path_factory.mktemp("samples") / "samples.jsonl.gz"
    with gzip.open(path, "wt") as file:
        for problem in load_benchmark("starter", {}, path.parent).problems():
            bodies = [problem.reference or "", *problem.wrong]
            for index in range(10):
                completion = f"{bodies[index % len(bodies)].rstrip()}\n    # sample {index}\n"
                file.write(json.dumps({"task_id": problem.task_id, "completion": completion}) + "\n")
    return path


def _rows(run_dir: Path) -> list[dict[str, Any]]:
    return [row for part in sorted((run_dir / "samples").glob("part-*")) for row in pq.read_table(part).to_pylist()]


def _run(places: Path, samples: Path, *more: str) -> tuple[str, ...]:
    fixed = ("--set", "tracking.enabled=false", "--set", "execution.cpus=2", "--json")
    return ("run", "starter", "--model", f"replay:{samples}", "--output", str(places / "run"), *fixed, *more)


@pytest.fixture(scope="module")
def unbroken(cluster: dict[str, str], samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """All samples judged on a cluster of 2 CPUs, in one go."""
    places = tmp_path_factory.mktemp("unbroken")
    return codeassay(*_run(places, samples), places=places, environment=cluster)


@pytest.fixture(scope="module")
def untracked(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """All references judged on a cluster of 1 CPU, with no MLflow server where one ought to be."""
    down = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    options = ("--set", "execution.cpus=1", "--json")
    places = tmp_path_factory.mktemp("untracked")
    return codeassay("run", "starter", "--model", "reference", *options, places=places, environment=down)


def test_two_cpus_are_enough_for_the_whole_pipeline(unbroken: Done) -> None:
    """On a cluster of 2 CPUs the stages do not starve each other; every sample has its row and its columns."""
    assert unbroken.code == 0, unbroken.err
    rows = _rows(Path(unbroken.json["run_dir"]))
    assert len({row["sample_id"] for row in rows}) == len(rows) == 360
    assert set(rows[0]) >= COLUMNS


def test_one_cpu_is_enough_for_the_whole_pipeline(untracked: Done) -> None:
    """On a cluster of 1 CPU the run ends as well, and what is right passes."""
    assert untracked.code == 0, untracked.err
    assert untracked.json["statuses"] == {"passed": 36}
    assert untracked.json["metrics"]["starter/pass_at_1"] == 1.0


def _kill_after_first_parts(process: subprocess.Popen[str], run_dir: Path) -> None:
    """SIGKILL the driver as soon as a part of samples has been committed; its children may live a moment longer."""
    while not list((run_dir / "samples").glob("part-*")):
        assert process.poll() is None, "the run ended before it could be killed"
        select.select([], [], [], 0.05)  # a pause between looks, not a wait for a fixed time
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_a_killed_run_resumes_without_doing_anything_twice(
    cluster: dict[str, str], tmp_path: Path, samples: Path, unbroken: Done
) -> None:
    """SIGKILL in the middle, the same command again: committed parts stay untouched and the metrics are the same."""
    run_dir = tmp_path / "run"
    process = start(_run(tmp_path, samples), tmp_path)
    _kill_after_first_parts(process, run_dir)
    committed = _states(run_dir)
    assert 0 < sum(pq.read_metadata(path).num_rows for path in committed if path.parent.name == "samples") < 360
    resumed = codeassay(*_run(tmp_path, samples), places=tmp_path, environment=cluster)
    assert resumed.code == 0, resumed.err
    after = _states(run_dir)
    assert {path: after[path] for path in committed} == committed
    rows = _rows(run_dir)
    assert len({row["sample_id"] for row in rows}) == len(rows) == 360
    assert _without_times(resumed) == _without_times(unbroken)


def _states(run_dir: Path) -> dict[Path, tuple[int, int]]:
    """Inode and modification time of every part."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in run_dir.glob("*/part-*.parquet")}


def _without_times(done: Done) -> dict[str, Any]:
    """Metrics that do not measure time or memory."""
    measured = ("seconds", "memory", "latency/", "throughput/", "execution/")
    return {name: value for name, value in done.json["metrics"].items() if not any(word in name for word in measured)}


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(
    cluster: dict[str, str], tmp_path: Path, samples: Path
) -> None:
    """SIGINT drains, exits with code 4 and names the cure; running again completes the run."""
    process = start(_run(tmp_path, samples), tmp_path)
    while not list((tmp_path / "run" / "samples").glob("part-*")):
        assert process.poll() is None, "the run ended before it could be interrupted"
        select.select([], [], [], 0.05)
    os.kill(process.pid, signal.SIGINT)
    stopped = finish(process)
    assert stopped.code == 4, stopped.err
    assert "run the same command again to resume" in stopped.err
    assert "Traceback" not in stopped.err
    assert 0 < stopped.json["statuses"]["missing"] < 360
    resumed = codeassay(*_run(tmp_path, samples), places=tmp_path, environment=cluster)
    assert resumed.code == 0, resumed.err
    assert "missing" not in resumed.json["statuses"]


def test_another_configuration_in_the_same_directory_is_refused(unbroken: Done, samples: Path) -> None:
    """A run directory belongs to one configuration: another one is one line that shows the difference, exit code 2."""
    places = Path(unbroken.json["run_dir"]).parent
    other = codeassay(*_run(places, samples, "--limit", "3"), places=places)
    assert other.code == 2
    assert "limit: None there, 3 here" in other.err
    assert len(other.err.strip().splitlines()) == 1


def test_a_dead_tracking_server_loses_nothing(untracked: Done, tmp_path: Path) -> None:
    """With MLflow down the run ends well and says how to send it later; `push` then does."""
    assert "push" in untracked.err
    pushed = codeassay("push", untracked.json["run_dir"], "--json", places=tmp_path)
    assert pushed.code == 0, pushed.err
    assert pushed.json["tracking_uri"].startswith("sqlite:///")
