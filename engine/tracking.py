"""Send a finished run to MLflow: one run per checkpoint and suite, one LoggedModel per checkpoint, all idempotent.

The run's own directory stays the truth: nothing is read back from the server, and a run that could not be sent is sent
by pushing again. mlflow is imported inside functions, because its import costs seconds of CPU.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from engine.tracking_files import flat_params, redact, write_samples
from engine.tracking_places import (
    FIRST_CONTACT_SECONDS,
    check_tracking,
    default_tracking_uri,
    make_room,
    sqlite_file,
    ui_command,
)
from engine.tracking_quiet import environment, quiet
from engine.tracking_records import PushedDataset, PushedRun, PushResult
from runners.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Metric, Run

__all__ = [
    "PushResult",
    "PushedDataset",
    "PushedRun",
    "TrackingUnavailable",
    "check_tracking",
    "default_tracking_uri",
    "push",
    "ui_command",
]

MODEL_TRAINING = {"mlflow.experimentKind": "custom_model_development"}
"""Makes the UI open on runs and their metrics, and not on the traces of an application."""
RUN_KEY = "codeassay.run_key"
MAX_DIGEST_CHARS = 36
MAX_REASON_CHARS = 200
METRICS_PER_BATCH = 1000
PARAMS_PER_BATCH = 100
TRANSFER_SECONDS = 60
"""How long any later request may take, unless MLFLOW_HTTP_REQUEST_TIMEOUT says otherwise."""
TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
MLFLOW_STATUS = {"complete": "FINISHED", "incomplete": "KILLED"}
"""MLflow's name for a run's status; any other is FAILED."""


class TrackingUnavailable(UserError):
    """MLflow did not take the run; what the run left on disk is whole, and pushing again sends it."""


def push(run: PushedRun, tracking_uri: str | None, experiment: str) -> PushResult:
    """Send one run; the same run_key again changes only what is different.

    Args:
        run: what to send.
        tracking_uri: None is default_tracking_uri of the directory above the model's.
        experiment: its name, the model family; made if it is not there.

    Raises:
        TrackingUnavailable: no server within seconds, or the server refused something; says what it said.
    """
    uri = tracking_uri or default_tracking_uri(run.run_dir.resolve().parent.parent)
    try:
        make_room(uri)
    except OSError as error:
        raise _unavailable(uri, run, error) from error
    with quiet():
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        patience = os.environ.get(TIMEOUT, str(TRANSFER_SECONDS))
        try:
            with environment({TIMEOUT: str(FIRST_CONTACT_SECONDS)}):
                client = MlflowClient(tracking_uri=uri)
                experiment_id = _experiment_id(client, uri, experiment)
            with environment({TIMEOUT: patience}):
                return _push(client, run, uri, experiment_id)
        except (MlflowException, OSError) as error:
            raise _unavailable(uri, run, error) from error


def _unavailable(tracking_uri: str, run: PushedRun, error: Exception) -> TrackingUnavailable:
    text = redact(" ".join(str(error).split())) or type(error).__name__
    reason = text if len(text) <= MAX_REASON_CHARS else f"{text[:MAX_REASON_CHARS]}..."
    return TrackingUnavailable(
        f"MLflow at {redact(tracking_uri)} did not take the run: {reason} "
        f"Nothing is lost: {run.run_dir} is whole and can be pushed later."
    )


def _push(client: MlflowClient, run: PushedRun, tracking_uri: str, experiment_id: str) -> PushResult:
    target, created = _run(client, run, experiment_id)
    run_id = target.info.run_id
    model = _logged_model(client, run, experiment_id, run_id)
    _log_params(client, target, redact(run.config))
    _log_inputs(client, run, run_id, model.model_id)
    num_metrics = _log_metrics(client, run, target, model.model_id)
    _log_artifacts(client, run, run_id)
    client.set_terminated(run_id, MLFLOW_STATUS.get(run.status, "FAILED"), _millis(run.finished_at))
    return PushResult(
        tracking_uri=tracking_uri,
        experiment_id=experiment_id,
        run_id=run_id,
        model_id=model.model_id,
        created=created,
        num_metrics=num_metrics,
    )


def _experiment_id(client: MlflowClient, tracking_uri: str, name: str) -> str:
    known = client.get_experiment_by_name(name)
    if known is not None:
        return str(known.experiment_id)
    location = _artifact_location(tracking_uri, name)
    return str(client.create_experiment(name, artifact_location=location, tags=MODEL_TRAINING))


def _artifact_location(tracking_uri: str, experiment: str) -> str | None:
    """Beside a SQLite file, which would else mean the current directory; a server knows its own place."""
    database = sqlite_file(tracking_uri)
    return (database.parent / "mlartifacts" / _plain_name(experiment)).as_uri() if database else None


def _run(client: MlflowClient, run: PushedRun, experiment_id: str) -> tuple[Run, bool]:
    """The MLflow run of this run_key, and whether it is new."""
    tags = _tags(run)
    found = client.search_runs([experiment_id], f"tags.`{RUN_KEY}` = '{_plain_name(run.run_key)}'", max_results=1)
    if not found:
        name = f"{run.model_name} {run.suite}"
        return client.create_run(experiment_id, _millis(run.started_at), tags, run_name=name), True
    for key, value in tags.items():
        if found[0].data.tags.get(key) != value:
            client.set_tag(found[0].info.run_id, key, value)
    return found[0], False


def _tags(run: PushedRun) -> dict[str, str]:
    overall = run.metrics.overall
    tags = {
        RUN_KEY: _plain_name(run.run_key),
        "codeassay.suite": run.suite,
        "codeassay.checkpoint": run.model_name,
        "codeassay.step": "" if run.model_step is None else str(run.model_step),
        "codeassay.isolation": ",".join(sorted(overall.usage.isolations)),
        "codeassay.status": run.status,
        "codeassay.withheld": overall.withheld,
        "codeassay.run_dir": str(run.run_dir.resolve()),
        "codeassay.git_sha": run.git_sha,
        "mlflow.source.name": "codeassay",
        "mlflow.source.git.commit": run.git_sha,
    }
    kept: dict[str, str] = redact({key: value for key, value in tags.items() if value})
    return {RUN_KEY: tags[RUN_KEY], **kept}


def _logged_model(client: MlflowClient, run: PushedRun, experiment_id: str, run_id: str) -> LoggedModel:
    """The LoggedModel of this digest: one per checkpoint, whatever is measured on it."""
    digest = _plain_name(run.model_digest)
    found = client.search_logged_models([experiment_id], f"params.digest = '{digest}'", max_results=1)
    model = found[0] if found else _create_model(client, run, experiment_id, run_id, digest)
    if str(model.status) != "READY":
        _write_model_file(client, model)
        model = client.finalize_logged_model(model.model_id, "READY")
    return model


def _create_model(client: MlflowClient, run: PushedRun, experiment_id: str, run_id: str, digest: str) -> LoggedModel:
    params = {"digest": digest, "path": redact(run.model_path)}
    if run.model_step is not None:
        params["step"] = str(run.model_step)
    # What mlflow.create_external_model does, without its global state and its look-ups of git.
    return client.create_logged_model(
        experiment_id,
        name=_plain_name(run.model_name),
        source_run_id=run_id,
        tags={"mlflow.model.isExternal": "true"},
        params=params,
        model_type="checkpoint",
    )


def _write_model_file(client: MlflowClient, model: LoggedModel) -> None:
    """Give the model the file without which MLflow's registry would not take it."""
    from mlflow.models.utils import get_external_mlflow_model_spec

    with tempfile.TemporaryDirectory() as directory:
        get_external_mlflow_model_spec(model).save(str(Path(directory) / "MLmodel"))
        client.log_model_artifacts(model.model_id, directory)


def _log_params(client: MlflowClient, target: Run, config: Mapping[str, Any]) -> None:
    """Log parameters that are not there yet; MLflow's are immutable, the newest stand in config.yaml."""
    from mlflow.entities import Param

    params = {_metric_name(key)[:250]: text for key, text in flat_params(config).items()}
    new = [Param(key, text) for key, text in params.items() if key not in target.data.params]
    for start in range(0, len(new), PARAMS_PER_BATCH):
        client.log_batch(target.info.run_id, params=new[start : start + PARAMS_PER_BATCH])


def _log_inputs(client: MlflowClient, run: PushedRun, run_id: str, model_id: str) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput

    inputs = []
    for dataset in run.datasets:
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
    client.log_inputs(run_id, datasets=inputs, models=[LoggedModelInput(model_id)])


def _log_metrics(client: MlflowClient, run: PushedRun, target: Run, model_id: str) -> int:
    """Log metrics whose value is not the stored one; gives how many."""
    known = target.data.metrics
    new = [metric for metric in _metrics(run, target.info.run_id, model_id) if known.get(metric.key) != metric.value]
    for start in range(0, len(new), METRICS_PER_BATCH):
        client.log_batch(target.info.run_id, metrics=new[start : start + METRICS_PER_BATCH])
    return len(new)


def _metrics(run: PushedRun, run_id: str, model_id: str) -> Iterator[Metric]:
    """Every number of the run, tied to its training step, its checkpoint and, where it has one, its dataset."""
    from mlflow.entities import Metric

    for key, value in run.metrics.flat().items():
        dataset = next((dataset for dataset in run.datasets if key.startswith(f"{dataset.label}/")), None)
        yield Metric(
            _metric_name(key),
            value,
            _millis(run.finished_at),
            run.model_step or 0,
            model_id=model_id,
            dataset_name=dataset.label if dataset else None,
            dataset_digest=dataset.digest[:MAX_DIGEST_CHARS] if dataset else None,
            run_id=run_id,
        )


def _log_artifacts(client: MlflowClient, run: PushedRun, run_id: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "metrics.json").write_text(run.metrics.to_json())
        (directory / "config.yaml").write_text(yaml.safe_dump(redact(run.config), sort_keys=False))
        (directory / "env.json").write_text(json.dumps(redact(run.env), indent=2) + "\n")
        write_samples(sorted(run.samples_dir.glob("part-*.parquet")), directory / "samples.parquet")
        client.log_artifacts(run_id, name)


def _millis(seconds: float) -> int:
    return int(seconds * 1000)


def _plain_name(text: str) -> str:
    """The text with only characters that MLflow allows in model names, filters and paths."""
    return re.sub(r"[^\w\-]", "-", text)


def _metric_name(text: str) -> str:
    return re.sub(r"[^\w\-. :/]", "_", text)
