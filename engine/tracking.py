"""Send a finished run to MLflow: a run per checkpoint and suite, nested runs per benchmark, a trajectory; idempotent.

The run's own directory stays the truth: nothing is read back from the server, and a run that could not be sent is sent
by pushing again. mlflow is imported inside functions, because its import costs seconds of CPU.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from engine.tracking_artifacts import log_artifacts
from engine.tracking_files import redact
from engine.tracking_metrics import benchmark_metrics, families, family_metrics, labels, parent_metrics
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
from engine.tracking_runs import (
    KIND,
    RUN_KEY,
    close,
    find_or_create,
    log_inputs,
    log_metrics,
    log_params,
    plain_name,
    run_tags,
    set_tags,
)
from engine.tracking_tables import FAILURES, FLIPS, compared_with, failures_table, flips_table, verdict_text
from engine.tracking_traces import log_traces
from engine.tracking_trajectory import MODEL_ID, before, parents_of, update_trajectory
from runners.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run, RunInfo

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
MAX_REASON_CHARS = 200
TRANSFER_SECONDS = 60
"""How long any later request may take, unless MLFLOW_HTTP_REQUEST_TIMEOUT says otherwise."""
TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"


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
                experiment_id = experiment_id_of(client, uri, experiment)
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
    name = f"{run.model_name} {run.suite}"
    target, created = find_or_create(client, experiment_id, run.run_key, name, run_tags(run), run.started_at)
    model = _logged_model(client, run, experiment_id, target.info.run_id)
    log_params(client, target, redact(run.config))
    log_inputs(client, target, run.datasets, model.model_id)
    num_metrics = log_metrics(client, target, parent_metrics(run.metrics), run, model.model_id)
    children = [
        child for label in labels(run.metrics) for child in _push_benchmark(client, run, target, label, model.model_id)
    ]
    close(client, target, run)
    set_tags(client, target, {MODEL_ID: model.model_id})
    trajectory_id, tables = _place_among_others(client, run, target)
    num_artifacts = log_artifacts(client, run, target, tables)
    num_traces = log_traces(client, tracking_uri, target, run, model.model_id)
    return PushResult(
        tracking_uri=tracking_uri,
        experiment_id=experiment_id,
        run_id=target.info.run_id,
        model_id=model.model_id,
        created=created,
        num_metrics=num_metrics + sum(count for _, count in children),
        child_ids=tuple(child for child, _ in children),
        trajectory_id=trajectory_id,
        num_artifacts=num_artifacts,
        num_traces=num_traces,
    )


def _push_benchmark(
    client: MlflowClient, run: PushedRun, parent: Run, label: str, model_id: str
) -> list[tuple[str, int]]:
    """The nested run of one benchmark, then those of its perturbations; ids and how many metrics were written."""
    numbers = benchmark_metrics(run.metrics, label)
    own, count = _push_nested(client, run, parent.info, label, {KIND: "benchmark"}, numbers, model_id)
    nested = [(own.run_id, count)]
    for family in families(run.metrics, label):
        tags = {KIND: "family", "codeassay.family": family}
        child, count = _push_nested(client, run, own, label, tags, family_metrics(run.metrics, label, family), model_id)
        nested.append((child.run_id, count))
    return nested


def _push_nested(
    client: MlflowClient,
    run: PushedRun,
    parent: RunInfo,
    label: str,
    own_tags: dict[str, str],
    numbers: dict[str, float],
    model_id: str,
) -> tuple[RunInfo, int]:
    """One run below another; gives it and how many metrics were written."""
    tags = {**run_tags(run), **own_tags, "codeassay.benchmark": label, "mlflow.parentRunId": parent.run_id}
    tags.pop("codeassay.trajectory", None)
    what = " ".join([label, *([own_tags["codeassay.family"]] if "codeassay.family" in own_tags else [])])
    key, name = f"{run.run_key}-{what.replace(' ', '-')}", f"{run.model_name} {what}"
    target, _ = find_or_create(client, parent.experiment_id, key, name, tags, run.started_at)
    log_inputs(client, target, tuple(each for each in run.datasets if each.label == label), model_id)
    count = log_metrics(client, target, numbers, run, model_id)
    close(client, target, run)
    return target.info, count


def _place_among_others(client: MlflowClient, run: PushedRun, target: Run) -> tuple[str, dict[str, str]]:
    """Update the training's trajectory and compare with the checkpoint before; gives the trajectory's id and tables."""
    tables = {FAILURES: failures_table(run.run_dir)}
    if not run.trajectory_key or run.model_step is None:
        return "", tables
    parents = parents_of(client, target.info.experiment_id, run.trajectory_key)
    trajectory_id = update_trajectory(client, target.info.experiment_id, run, parents)
    previous = before(parents, run.model_step) if run.status == "complete" else None
    if previous is None:
        return trajectory_id if run.status == "complete" else "", tables
    tags = previous.data.tags
    found = compared_with(Path(tags.get("codeassay.run_dir", "")), tags[RUN_KEY], run.run_dir)
    if found is not None:
        tables[FLIPS] = flips_table(found)
        told = {"codeassay.verdict": verdict_text(found), "codeassay.compared_with": found.base.name}
        set_tags(client, target, told)
    return trajectory_id, tables


def experiment_id_of(client: MlflowClient, tracking_uri: str, name: str) -> str:
    """Of the experiment of this name, which is made if it is not there."""
    known = client.get_experiment_by_name(name)
    if known is not None:
        return str(known.experiment_id)
    location = _artifact_location(tracking_uri, name)
    return str(client.create_experiment(name, artifact_location=location, tags=MODEL_TRAINING))


def _artifact_location(tracking_uri: str, experiment: str) -> str | None:
    """Beside a SQLite file, which would else mean the current directory; a server knows its own place."""
    database = sqlite_file(tracking_uri)
    return (database.parent / "mlartifacts" / plain_name(experiment)).as_uri() if database else None


def _logged_model(client: MlflowClient, run: PushedRun, experiment_id: str, run_id: str) -> LoggedModel:
    """The LoggedModel of this digest: one per checkpoint, whatever is measured on it."""
    digest = plain_name(run.model_digest)
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
        name=plain_name(run.model_name),
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
