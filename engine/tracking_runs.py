"""MLflow runs of ours: found again by their key, told only what they do not know yet."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engine.tracking_files import flat_params, redact
from engine.tracking_records import PushedDataset, PushedRun

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

RUN_KEY = "codeassay.run_key"
KIND = "codeassay.kind"
MAX_DIGEST_CHARS = 36
METRICS_PER_BATCH = 1000
PARAMS_PER_BATCH = 100
MLFLOW_STATUS = {"complete": "FINISHED", "incomplete": "KILLED"}
"""MLflow's name for a run's status; any other is FAILED."""


def find_or_create(
    client: MlflowClient, experiment_id: str, key: str, name: str, tags: Mapping[str, str], started_at: float
) -> tuple[Run, bool]:
    """The MLflow run of this key with these tags, and whether it is new."""
    wanted = {**tags, RUN_KEY: plain_name(key)}
    found = client.search_runs([experiment_id], f"tags.`{RUN_KEY}` = '{plain_name(key)}'", max_results=1)
    if not found:
        return client.create_run(experiment_id, millis(started_at), wanted, run_name=name), True
    set_tags(client, found[0], wanted)
    return found[0], False


def set_tags(client: MlflowClient, target: Run, tags: Mapping[str, str]) -> None:
    """Set the tags that are not so already."""
    for key, value in tags.items():
        if target.data.tags.get(key) != value:
            client.set_tag(target.info.run_id, key, value)


def run_tags(run: PushedRun) -> dict[str, str]:
    """What one filters runs by; entries without a value are left out."""
    overall = run.metrics.overall
    tags = {
        KIND: "run",
        "codeassay.suite": run.suite,
        "codeassay.family": run.model_family,
        "codeassay.checkpoint": run.model_name,
        "codeassay.step": "" if run.model_step is None else str(run.model_step),
        "codeassay.isolation": ",".join(sorted(overall.usage.isolations)),
        "codeassay.status": run.status,
        "codeassay.withheld": overall.withheld,
        "codeassay.run_dir": str(run.run_dir.resolve()),
        "codeassay.git_sha": run.git_sha,
        "codeassay.trajectory": run.trajectory_key,
        "codeassay.asked": run.asked_key,
        "mlflow.source.name": "codeassay",
        "mlflow.source.git.commit": run.git_sha,
    }
    kept: dict[str, str] = redact({key: value for key, value in tags.items() if value})
    return kept


def log_params(client: MlflowClient, target: Run, config: Mapping[str, Any]) -> None:
    """Log parameters that are not there yet; MLflow's are immutable, the newest stand in config.yaml."""
    from mlflow.entities import Param

    params = {metric_name(key)[:250]: text for key, text in flat_params(config).items()}
    new = [Param(key, text) for key, text in params.items() if key not in target.data.params]
    for start in range(0, len(new), PARAMS_PER_BATCH):
        client.log_batch(target.info.run_id, params=new[start : start + PARAMS_PER_BATCH])


def log_inputs(client: MlflowClient, target: Run, datasets: tuple[PushedDataset, ...], model_id: str) -> None:
    """Say what data and which checkpoint a run used; MLflow keeps each once."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput

    known = {(each.dataset.name, each.dataset.digest) for each in target.inputs.dataset_inputs}
    inputs = []
    for dataset in datasets:
        if (dataset.label, dataset.digest[:MAX_DIGEST_CHARS]) in known:
            continue
        source = redact(dataset.source)
        is_url = source.startswith(("http://", "https://"))
        entity = Dataset(
            name=dataset.label,
            digest=dataset.digest[:MAX_DIGEST_CHARS],
            source_type="http" if is_url else "local",
            source=json.dumps({"url" if is_url else "uri": source}),
            profile=json.dumps({"num_rows": dataset.num_problems}),
        )
        inputs.append(DatasetInput(entity, [InputTag("mlflow.data.context", "evaluation")]))
    models = (
        [] if any(each.model_id == model_id for each in target.inputs.model_inputs) else [LoggedModelInput(model_id)]
    )
    if inputs or models:
        client.log_inputs(target.info.run_id, datasets=inputs, models=models)


def log_metrics(client: MlflowClient, target: Run, numbers: Mapping[str, float], run: PushedRun, model_id: str) -> int:
    """Log metrics whose value is not the stored one, tied to step, checkpoint and dataset; gives how many.

    MLflow takes nothing back: an outcome that a resumed run has no more is told as none of it.
    """
    known = target.data.metrics
    told = {metric_name(name): value for name, value in numbers.items()}
    told |= {name: 0.0 for name in known if "statuses/" in name and name not in told}
    new = list(
        _metrics({name: value for name, value in told.items() if known.get(name) != value}, run, target, model_id)
    )
    for start in range(0, len(new), METRICS_PER_BATCH):
        client.log_batch(target.info.run_id, metrics=new[start : start + METRICS_PER_BATCH])
    return len(new)


def _metrics(numbers: Mapping[str, float], run: PushedRun, target: Run, model_id: str) -> Iterator[Metric]:
    from mlflow.entities import Metric

    # MLflow shows the larger of two values with one time, and refuses a second one of a LoggedModel: a value that
    # changed has the time of its change, so that it is the one that counts.
    changed = millis(max(run.finished_at, time.time()))
    for key, value in numbers.items():
        dataset = next((dataset for dataset in run.datasets if key.startswith(f"{dataset.label}/")), None)
        yield Metric(
            key,
            value,
            changed if key in target.data.metrics else millis(run.finished_at),
            run.model_step or 0,
            model_id=model_id,
            dataset_name=dataset.label if dataset else None,
            dataset_digest=dataset.digest[:MAX_DIGEST_CHARS] if dataset else None,
            run_id=target.info.run_id,
        )


def close(client: MlflowClient, target: Run, run: PushedRun) -> None:
    """Set status and end, where they are not so already."""
    status, ended = MLFLOW_STATUS.get(run.status, "FAILED"), millis(run.finished_at)
    if (target.info.status, target.info.end_time) != (status, ended):
        client.set_terminated(target.info.run_id, status, ended)


def millis(seconds: float) -> int:
    """MLflow's unit of time."""
    return int(seconds * 1000)


def plain_name(text: str) -> str:
    """The text with only characters that MLflow allows in model names, filters and paths."""
    return re.sub(r"[^\w\-]", "-", text)


def metric_name(text: str) -> str:
    """The text with only characters that MLflow allows in names of metrics and parameters."""
    return re.sub(r"[^\w\-. :/]", "_", text)
