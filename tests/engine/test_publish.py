from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine import publish
from engine.metrics import PlannedBenchmark, compute_metrics
from engine.publish import push_run, summary
from engine.tracking_records import PushedRun
from runners.errors import DataError, UserError
from tests.engine.rows import grid, sample_table

METRICS = compute_metrics(
    sample_table(grid({"a": 1, "b": 0}, 2)),
    {"humaneval": PlannedBenchmark(metrics=("pass",), num_problems=2, num_samples=2)},
    [1],
)
RUN: dict[str, Any] = {
    "status": "complete",
    "run_key": "k",
    "suite": "s",
    "identity": {},
    "model": {
        "spec": "transformers:/m/step-7",
        "path": "/m/step-7",
        "name": "m--step-7",
        "family": "m",
        "step": 7,
        "digest": "d",
    },
    "isolation": "full",
    "benchmarks": {"humaneval": {"planned": {"num_problems": 2}, "data": {"sha256": "e", "origin": "/data"}}},
    "started_at": 1.0,
    "finished_at": None,
    "command": "codeassay run s",
}


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    (tmp_path / "metrics.json").write_text(METRICS.to_json())
    (tmp_path / "config.yaml").write_text("tracking: {uri: null, experiment: null}\n")
    return tmp_path


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[PushedRun, str, str]]:
    """What MLflow would have been given."""
    calls: list[tuple[PushedRun, str, str]] = []
    monkeypatch.setattr(publish, "push", lambda *call: calls.append(call))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example.org")
    return calls


def test_a_run_is_pushed_under_its_family_at_its_step(run_dir: Path, pushed: list[Any]) -> None:
    """The experiment is the model family; without env.json there is no revision; the end is the start if unknown."""
    push_run(run_dir)
    ((run, uri, experiment),) = pushed
    assert (experiment, uri) == ("m", "http://tracking.example.org")
    assert (run.model_step, run.run_key, run.metrics, run.git_sha, run.finished_at) == (7, "k", METRICS, "", 1.0)
    assert [(entry.label, entry.digest, entry.num_problems) for entry in run.datasets] == [("humaneval", "e", 2)]


def test_the_configuration_names_server_and_experiment(run_dir: Path, pushed: list[Any]) -> None:
    """What the run was configured with goes before the environment."""
    (run_dir / "config.yaml").write_text("tracking: {uri: 'sqlite:////x.db', experiment: mine}\n")
    (run_dir / "env.json").write_text('{"git": "abc"}')
    push_run(run_dir)
    assert pushed[0][1:] == ("sqlite:////x.db", "mine")
    assert pushed[0][0].git_sha == "abc"


@pytest.mark.parametrize(
    ("name", "text"),
    [("config.yaml", None), ("config.yaml", "["), ("config.yaml", "[]"), ("env.json", "{"), ("env.json", "[1]")],
)
def test_a_damaged_file_of_a_run_is_named(run_dir: Path, pushed: list[Any], name: str, text: str | None) -> None:
    """One line with its path; nothing is pushed."""
    (run_dir / name).unlink(missing_ok=True) if text is None else (run_dir / name).write_text(text)
    with pytest.raises(DataError, match=name):
        push_run(run_dir)
    assert pushed == []


def test_a_summary_tells_what_the_run_says_of_itself(run_dir: Path) -> None:
    """Model, step, status and numbers come from the directory alone."""
    shown = summary(run_dir)
    assert (shown.model, shown.step, shown.status, shown.metrics) == ("m--step-7", 7, "complete", METRICS)


def test_a_run_without_metrics_says_how_to_finish_it(run_dir: Path) -> None:
    """Missing or damaged metrics name the command that computes them."""
    for damage in (lambda path: path.write_text("{}"), Path.unlink):
        damage(run_dir / "metrics.json")
        with pytest.raises(UserError, match=r"no metrics yet.*codeassay run s"):
            summary(run_dir)
