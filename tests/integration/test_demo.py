"""The embedded default: train, evaluate three checkpoints, compare."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.integration.command import codeassay

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo keeps its runs."""
    return tmp_path_factory.mktemp("demo")


def test_scores_rise_with_training_and_mlflow_holds_them_at_their_steps(places: Path) -> None:
    """pass@1 of the three checkpoints rises; MLflow has a run and a LoggedModel for each, at its training step."""
    from mlflow import MlflowClient

    done = codeassay("demo", "--json", places=places)
    assert done.code == 0, done.err
    *results, last = [json.loads(line) for line in done.out.splitlines()]
    scores = [result["metrics"]["starter/pass_at_1"] for result in results]
    assert len(scores) == 3
    assert sorted(scores) == scores
    assert scores[0] < scores[2]
    assert last["steps"][-1]["compared"][0]["verdict"] == "better"
    client = MlflowClient(f"sqlite:///{places / 'runs' / 'mlflow.db'}")
    (experiment,) = [found for found in client.search_experiments() if found.name == "demo"]
    runs = client.search_runs([experiment.experiment_id], "tags.`codeassay.kind` = 'run'")
    history = [client.get_metric_history(run.info.run_id, "starter/pass_at_1") for run in runs]
    logged = sorted((metric.step, metric.value) for (metric,) in history)
    assert [value for _, value in logged] == scores
    (curve,) = client.search_runs([experiment.experiment_id], "tags.`codeassay.kind` = 'trajectory'")
    points = client.get_metric_history(curve.info.run_id, "starter/pass_at_1")
    assert sorted((metric.step, metric.value) for metric in points) == logged
    models = client.search_logged_models([experiment.experiment_id])
    assert sorted(int(model.params["step"]) for model in models) == [step for step, _ in logged]


def test_nothing_is_prepared(places: Path) -> None:
    """Without one of its checkpoints the demo shows the two that are left."""
    shutil.rmtree(places / "runs" / "demo" / "step-000160")
    done = codeassay("demo", "--json", places=places)
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 2 + 1
