from __future__ import annotations

from pathlib import Path

import pytest

from engine.tracking import TrackingUnavailable
from engine.tracking_stress import TRACKING_FILE, StressRun, load_stress, push_stress, save_stress
from runners.errors import DataError


def _stress(directory: Path) -> StressRun:
    """A run of two levels, written to its directory."""
    run = StressRun(
        run_key="a-key",
        name="a model stress serve starter",
        tracking_uri=f"sqlite:///{directory.parent / 'mlflow.db'}",
        experiment="family/stress",
        params={"settings": {"values": [1.0, 2.0]}, "api_key": "k"},
        tags={"codeassay.stress": "serve"},
        series=[{"serve/rate": 1.0, "serve/e2e_p99_seconds": 0.1}, {"serve/rate": 2.0}],
        totals={"serve/knee_rate": 1.5},
        started_at=1_700_000_000.0,
        finished_at=1_700_000_100.0,
    )
    directory.mkdir()
    save_stress(run, directory)
    return run


def test_what_is_sent_lies_on_disk_without_secrets(tmp_path: Path) -> None:
    """It is read back as it was, but for what looks like a key."""
    run = _stress(tmp_path / "run")
    assert load_stress(tmp_path / "run").series == run.series
    assert "api_key" not in (tmp_path / "run" / TRACKING_FILE).read_text()


def test_a_directory_without_a_stress_run_is_told(tmp_path: Path) -> None:
    """The file that is missing, and what to give instead."""
    with pytest.raises(DataError, match=r"tracking\.json: cannot be read"):
        load_stress(tmp_path)


@pytest.mark.slow
def test_a_stress_run_is_sent_once_however_often(tmp_path: Path) -> None:
    """The levels are the steps; sent again it is the same MLflow run with the same points; files are artifacts."""
    from mlflow import MlflowClient

    run = _stress(tmp_path / "run")
    first, second = push_stress(tmp_path / "run"), push_stress(tmp_path / "run")
    assert first == second
    client = MlflowClient(run.tracking_uri)
    history = client.get_metric_history(first.run_id, "serve/rate")
    assert [(metric.step, metric.value) for metric in history] == [(0, 1.0), (1, 2.0)]
    stored = client.get_run(first.run_id)
    assert stored.data.metrics["serve/knee_rate"] == 1.5
    assert stored.data.params == {"settings.values": "[1.0, 2.0]"}
    assert stored.info.status == "FINISHED"
    assert [artifact.path for artifact in client.list_artifacts(first.run_id)] == [TRACKING_FILE]


@pytest.mark.slow
def test_a_dead_server_loses_nothing(tmp_path: Path) -> None:
    """It is told with the command that sends the run later; the files are as they were."""
    _stress(tmp_path / "run")
    with pytest.raises(TrackingUnavailable, match="Send it later: codeassay stress push"):
        push_stress(tmp_path / "run", "http://127.0.0.1:9")
    assert load_stress(tmp_path / "run").run_key == "a-key"
