"""The embedded default: train, evaluate three checkpoints, compare."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.mlflow_server import Server
from tests.integration.browser import Seen, chromium, needs_chromium, seen
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


@pytest.fixture(scope="module")
def server(places: Path) -> Iterator[Server]:
    """A real `mlflow server` over the demo's store."""
    runs = places / "runs"
    found = Server(f"sqlite:///{runs / 'mlflow.db'}", runs / "mlartifacts")
    yield found
    found.close()


@needs_chromium
def test_the_ui_draws_the_curve_of_the_training(server: Server) -> None:
    """The run of the trajectory shows a chart whose points are the steps and scores, without a word on the console."""
    demo = Demo(server.address)
    with chromium() as browser, seen(browser, f"{server.address}/#{demo.page(demo.curve)}/model-metrics") as found:
        found.page.wait_for_selector(".js-plotly-plot .scatterlayer .point", state="attached")
        charts = found.page.locator(".js-plotly-plot").evaluate_all(
            "plots => plots.map(plot => plot.data.map(line => [Array.from(line.x), Array.from(line.y)]))"
        )
        steps = [int(run.data.tags["codeassay.step"]) for run in demo.parents]
        scores = [run.data.metrics["starter/pass_at_1"] for run in demo.parents]
        assert [steps, scores] in [line for chart in charts for line in chart]
        assert demo.complaints(found) == []


@needs_chromium
def test_the_ui_compares_the_three_checkpoints(server: Server) -> None:
    """The compare view names them and draws the score of each, without a word on the console."""
    demo = Demo(server.address)
    runs = json.dumps([run.info.run_id for run in demo.parents])
    address = f"{server.address}/#/compare-runs?runs={runs}&experiments={json.dumps([demo.experiment_id])}"
    with chromium() as browser, seen(browser, address) as found:
        found.page.wait_for_selector(".js-plotly-plot .parcoords", state="attached")
        axes = found.page.locator(".js-plotly-plot").first.evaluate(
            "plot => plot.data[0].dimensions.map(axis => [axis.label, Array.from(axis.values)])"
        )
        scores = [run.data.metrics["starter/pass_at_1"] for run in demo.parents]
        assert sorted(dict(axes)["starter/pass_at_1"]) == scores
        text = found.text("body")
        assert all(str(run.info.run_name) in text for run in demo.parents)
        assert demo.complaints(found) == []


class Demo:
    """What the store holds of the demo."""

    def __init__(self, address: str) -> None:
        from mlflow import MlflowClient

        client = MlflowClient(address)
        self.experiment_id = client.get_experiment_by_name("demo").experiment_id
        runs = client.search_runs([self.experiment_id])
        kinds = {
            kind: [run for run in runs if run.data.tags["codeassay.kind"] == kind] for kind in ("run", "trajectory")
        }
        (self.curve,) = kinds["trajectory"]
        self.parents = sorted(kinds["run"], key=lambda run: int(run.data.tags["codeassay.step"]))

    def page(self, run: Any) -> str:
        """The path of a run's page."""
        return f"/experiments/{self.experiment_id}/runs/{run.info.run_id}"

    def complaints(self, found: Seen) -> list[str]:
        """What the console said, but for what MLflow 3.17 says on every page of a server without users."""
        missing = [url for url in found.missing if not url.endswith("/ajax-api/2.0/mlflow/users/current")]
        said = [text for text in found.complaints if "404" not in text and "ResizeObserver loop" not in text]
        return missing + said


def test_nothing_is_prepared(places: Path) -> None:
    """Without one of its checkpoints the demo shows the two that are left."""
    shutil.rmtree(places / "runs" / "demo" / "step-000160")
    done = codeassay("demo", "--json", places=places)
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 2 + 1
