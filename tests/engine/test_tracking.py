from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from actors.samples import SAMPLE_SCHEMA
from engine.metrics import Metrics, PlannedBenchmark, compute_metrics
from engine.tracking import (
    PushedDataset,
    PushedRun,
    PushResult,
    TrackingUnavailable,
    check_tracking,
    default_tracking_uri,
    push,
    ui_command,
)
from engine.tracking_files import flat_params, redact, write_samples
from engine.tracking_metrics import benchmark_metrics, parent_metrics
from tests.engine.rows import grid, sample_row, sample_table

EXPERIMENT = "code/ft-7b"
SECRET = "s3cr3t-value-of-a-token"


def made_up_run(directory: Path, step: int, passed: int = 3) -> PushedRun:
    """A run of 8 problems x 4 samples, in two parts of which the second repeats one row of the first."""
    run_dir = directory / "runs" / f"step-{step}" / "standard-7f3c21"
    samples = run_dir / "samples"
    samples.mkdir(parents=True, exist_ok=True)
    rows = grid({f"t{i}": min(i, passed) for i in range(8)}, 4)
    pq.write_table(sample_table(rows[:20]), samples / "part-0.parquet", row_group_size=7)
    pq.write_table(sample_table([*rows[20:], rows[0] | {"finished_at": 2e9}]), samples / "part-1.parquet")
    plan = PlannedBenchmark(metrics=("pass",), num_problems=8, num_samples=4)
    return PushedRun(
        run_key=f"key/{step}",
        run_dir=run_dir,
        samples_dir=samples,
        suite="standard",
        status="complete",
        model_name=f"ft-7b/step-{step}",
        model_digest=f"sha256:{step:064x}",
        model_path=f"/checkpoints/step-{step}",
        model_step=step,
        config={
            "generation": {"n": 4, "stop": ["a", "b"]},
            "api_key": SECRET,
            "note": f"uses {SECRET}",
            "long": "x" * 9000,
        },
        env={"python": "3.11", "HF_TOKEN": SECRET, "command": ["run", f"--auth={SECRET}"]},
        git_sha="abc123",
        metrics=compute_metrics(sample_table(rows), {"humaneval": plan}, [1, 2]),
        datasets=(
            PushedDataset(label="humaneval", digest="d" * 64, source="https://u:p@example.org/h.jsonl", num_problems=8),
        ),
        started_at=1_700_000_000.0,
        finished_at=1_700_000_100.0,
    )


class Store:
    """A real store, and the runs that were pushed to it."""

    def __init__(self, directory: Path) -> None:
        from mlflow import MlflowClient

        self.uri = default_tracking_uri(directory / "runs")
        self.runs = [made_up_run(directory, step) for step in (1000, 2000, 3000)]
        self.results: list[PushResult] = [push(run, self.uri, EXPERIMENT) for run in self.runs]
        self.client = MlflowClient(tracking_uri=self.uri)

    def artifact(self, result: PushResult, name: str) -> Path:
        """A local copy of one artifact."""
        return Path(self.client.download_artifacts(result.run_id, name))


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MY_SERVICE_TOKEN", SECRET)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield Store(tmp_path_factory.mktemp("tracking"))


@pytest.mark.slow
def test_metrics_stand_at_the_training_step_with_their_intervals(store: Store) -> None:
    """What the run is told stands at step = training step, value and interval ends alike, under legal names."""
    run, result = store.runs[1], store.results[1]
    stored = store.client.get_run(result.run_id)
    assert stored.data.metrics == parent_metrics(run.metrics)
    served = ("latency/ttft_seconds.p99", "throughput/generation_idle_share", "execution/run_seconds.mean")
    for name in ("humaneval/pass_at_1", "humaneval/pass_at_2.ci_low", "overall/pass_at_1.ci_high", *served):
        assert [metric.step for metric in store.client.get_metric_history(result.run_id, name)] == [2000]
    assert result.num_metrics == len(parent_metrics(run.metrics)) + len(benchmark_metrics(run.metrics, "humaneval"))
    assert stored.info.status == "FINISHED"
    assert stored.info.end_time - stored.info.start_time == 100_000


@pytest.mark.slow
def test_a_checkpoint_is_a_logged_model_with_its_metrics(store: Store) -> None:
    """Each checkpoint is one ready LoggedModel; its metrics name step, run and dataset; search finds the best one."""
    models = store.client.search_logged_models([store.results[0].experiment_id], "metrics.`humaneval/pass_at_1` > 0")
    assert {model.model_id for model in models} == {result.model_id for result in store.results}
    model = store.client.get_logged_model(store.results[1].model_id)
    assert (model.name, str(model.status), model.model_type) == ("ft-7b-step-2000", "READY", "checkpoint")
    assert model.params == {"digest": f"sha256-{2000:064x}", "path": "/checkpoints/step-2000", "step": "2000"}
    headline = next(metric for metric in model.metrics if metric.key == "humaneval/pass_at_1")
    assert (headline.step, headline.run_id) == (2000, store.results[1].run_id)
    assert (headline.dataset_name, headline.dataset_digest) == ("humaneval", "d" * 36)


@pytest.mark.slow
def test_datasets_and_model_are_inputs_of_the_run(store: Store) -> None:
    """The run names what was asked, with digest and source, and which LoggedModel answered."""
    inputs = store.client.get_run(store.results[0].run_id).inputs
    (dataset,) = [entry.dataset for entry in inputs.dataset_inputs]
    assert (dataset.name, dataset.digest, json.loads(dataset.profile)) == ("humaneval", "d" * 36, {"num_rows": 8})
    assert json.loads(dataset.source) == {"url": "https://[redacted]@example.org/h.jsonl"}
    assert [model.model_id for model in inputs.model_inputs] == [store.results[0].model_id]


@pytest.mark.slow
def test_samples_travel_as_one_parquet_file(store: Store) -> None:
    """All parts are one readable artifact, every sample once, beside metrics, configuration and environment."""
    table = pq.read_table(store.artifact(store.results[0], "samples.parquet"))
    assert table.schema == SAMPLE_SCHEMA
    assert table.num_rows == len(set(table["sample_id"].to_pylist())) == 32
    assert Metrics.from_json(store.artifact(store.results[0], "metrics.json").read_text()) == store.runs[0].metrics
    assert json.loads(store.artifact(store.results[0], "env.json").read_text())["python"] == "3.11"
    assert "n: 4" in store.artifact(store.results[0], "config.yaml").read_text()


@pytest.mark.slow
def test_artifacts_lie_beside_the_runs(store: Store) -> None:
    """With the default store nothing is written into the current directory."""
    stored = store.client.get_run(store.results[0].run_id)
    assert stored.info.artifact_uri.startswith((store.runs[0].run_dir.parents[1] / "mlartifacts").as_uri())
    assert not Path("mlruns").exists()
    assert not Path("mlflow.db").exists()


@pytest.mark.slow
def test_pushing_again_changes_nothing(store: Store) -> None:
    """The same run again: the same MLflow runs and LoggedModel, no new point in any metric's history."""
    again = push(store.runs[0], store.uri, EXPERIMENT)
    first = store.results[0]
    assert (again.run_id, again.model_id, again.created, again.num_metrics) == (first.run_id, first.model_id, False, 0)
    assert len(store.client.search_runs([first.experiment_id])) == 3 * 2  # with the nested run of its benchmark
    assert len(store.client.search_logged_models([first.experiment_id])) == 3
    assert len(store.client.get_metric_history(first.run_id, "humaneval/pass_at_1")) == 1
    assert len(store.client.get_run(first.run_id).inputs.dataset_inputs) == 1


@pytest.mark.slow
def test_a_resumed_run_updates_its_numbers(store: Store, tmp_path: Path) -> None:
    """A run that goes on after a first push replaces its values and its status in the same MLflow run."""
    short = replace(made_up_run(tmp_path, 4000, passed=1), status="incomplete")
    first = push(short, store.uri, "code/resumed")
    assert store.client.get_run(first.run_id).info.status == "KILLED"
    longer = replace(made_up_run(tmp_path, 4000), finished_at=1_700_000_200.0)
    second = push(longer, store.uri, "code/resumed")
    stored = store.client.get_run(first.run_id)
    assert (second.run_id, stored.info.status) == (first.run_id, "FINISHED")
    assert stored.data.metrics["humaneval/pass_at_1"] == longer.metrics.flat()["humaneval/pass_at_1"]
    assert stored.data.tags["codeassay.status"] == "complete"


@pytest.mark.slow
def test_tags_and_parameters_are_what_one_filters_by(store: Store) -> None:
    """Tags name suite, checkpoint, step, isolation, status and commit; parameters are flat and not too long."""
    data = store.client.get_run(store.results[0].run_id).data
    tags = {
        name: data.tags[f"codeassay.{name}"]
        for name in ("suite", "checkpoint", "step", "isolation", "status", "git_sha")
    }
    assert list(tags.values()) == ["standard", "ft-7b/step-1000", "1000", "full", "complete", "abc123"]
    assert data.params["generation.n"] == "4"
    assert data.params["generation.stop"] == '["a", "b"]'
    assert len(data.params["long"]) == 6000


@pytest.mark.slow
def test_no_secret_reaches_the_store(store: Store) -> None:
    """The value of a token variable is in no file of the store: not in the database, not in any artifact."""
    root = store.runs[0].run_dir.parents[1]
    files = [path for path in [root / "mlflow.db", *(root / "mlartifacts").rglob("*")] if path.is_file()]
    assert len(files) > 12
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
    assert store.client.get_run(store.results[0].run_id).data.params["note"] == "uses [redacted]"


@pytest.mark.slow
def test_a_server_that_is_down_is_told_within_seconds(store: Store, tmp_path: Path) -> None:
    """A closed port raises TrackingUnavailable that says that nothing is lost; settings are restored."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(TrackingUnavailable, match=rf"{address} did not take the run: .* Nothing is lost"):
        push(made_up_run(tmp_path, 1), address, EXPERIMENT)
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


@pytest.mark.slow
def test_pushing_prints_nothing(tmp_path: Path) -> None:
    """From a fresh process into a fresh store, with all migrations: not one byte on either stream."""
    code = (
        "import sys; from pathlib import Path; from tests.engine.test_tracking import made_up_run, push;"
        "push(made_up_run(Path(sys.argv[1]), 5), None, 'quiet')"
    )
    variables = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, env=variables, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tmp_path / "runs" / "mlflow.db").exists()


def test_a_database_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    """Where the store's directory cannot be made, TrackingUnavailable says so before MLflow retries for minutes."""
    (tmp_path / "file").write_text("")
    with pytest.raises(TrackingUnavailable, match="Nothing is lost"):
        push(made_up_run(tmp_path, 1), f"sqlite:///{tmp_path}/file/mlflow.db", EXPERIMENT)


def test_check_says_what_would_stop_a_push(tmp_path: Path) -> None:
    """Nothing speaks against a writable place, which is left untouched; a closed port and a file in the way do."""
    assert check_tracking(f"sqlite:///{tmp_path}/runs/mlflow.db") == ""
    assert not (tmp_path / "runs").exists()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
        assert check_tracking(address).startswith(f"{address}: ")
    assert "not a directory" in check_tracking(f"sqlite:///{__file__}/x/mlflow.db").lower()


def test_importing_tracking_does_not_import_mlflow() -> None:
    """The import of mlflow is paid by a push alone."""
    code = "import sys, engine.tracking; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_default_store_is_beside_the_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """MLFLOW_TRACKING_URI decides where it is set; else it is a SQLite file under the runs root."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert default_tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert default_tracking_uri(tmp_path) == "http://tracking:5000"


def test_ui_command_is_what_to_type_or_to_open() -> None:
    """A file needs a server of one's own, quoted for the shell; a server has an address already."""
    command = ui_command("sqlite:////a b/mlflow.db")
    assert command.endswith("mlflow ui --backend-store-uri 'sqlite:////a b/mlflow.db' --workers 1")
    assert ui_command("http://tracking:5000") == "http://tracking:5000"


@pytest.mark.parametrize(
    "name",
    ["api_key", "apiKey", "OPENAI_API_KEY", "hf_token", "client-secret", "password", "db.passwd", "Authorization"],
)
def test_entries_named_like_secrets_are_dropped(name: str) -> None:
    """However it is spelt and nested, a key, token, secret or password is left out."""
    assert redact({"a": [{name: "x", "kept": 1}]}, {}) == {"a": [{"kept": 1}]}


@pytest.mark.parametrize(
    "name", ["max_tokens", "tokenizer", "run_key", "monkey", "prompt_tokens", "keyword", "entry_point"]
)
def test_entries_that_only_sound_alike_are_kept(name: str) -> None:
    """Words that merely contain one of these stay."""
    assert redact({name: 3}, {}) == {name: 3}


def test_values_of_secret_variables_are_replaced_wherever_they_stand() -> None:
    """Inside longer texts too; short values such as `1` are not, and user names in URLs go."""
    environment = {"MY_TOKEN": "abcdefgh", "SORT_KEY": "1", "HOME": "/home/u"}
    value: dict[str, Any] = {"a": "x abcdefgh y", "b": Path("/home/u/1"), "c": [1, None, True], "d": "http://u:p@h/x"}
    expected = {"a": "x [redacted] y", "b": "/home/u/1", "c": [1, None, True], "d": "http://[redacted]@h/x"}
    assert redact(value, environment) == expected


def test_parameters_are_flat() -> None:
    """Sections and lists of sections become dotted keys; lists of plain values stay one text; null is kept."""
    config = {
        "suite": "s",
        "benchmarks": [{"name": "a"}, {"name": "b"}],
        "report": {"k": [1, 10], "seed": None},
        "x": {},
    }
    assert flat_params(config) == {
        "suite": "s",
        "benchmarks.0.name": "a",
        "benchmarks.1.name": "b",
        "report.k": "[1, 10]",
        "report.seed": "null",
        "x": "{}",
    }


def test_joined_samples_keep_the_row_that_finished_last(tmp_path: Path) -> None:
    """Of a sample that was run twice only the later row is kept, whichever part holds it; no parts give no rows."""
    old, new = sample_row("t0", "sandbox_error", finished_at=1.0), sample_row("t0", finished_at=2.0)
    pq.write_table(sample_table([new, sample_row("t1")]), tmp_path / "part-0.parquet")
    pq.write_table(sample_table([old]), tmp_path / "part-1.parquet")
    assert write_samples(sorted(tmp_path.glob("part-*")), tmp_path / "all.parquet") == 2
    assert pq.read_table(tmp_path / "all.parquet")["status"].to_pylist() == ["passed", "passed"]
    assert write_samples([], tmp_path / "none.parquet") == 0
