"""Send a stress run to MLflow: one run, metrics whose step is the number of the level, the directory as artifacts.

What is to be told lies on disk first (`tracking.json`), so that a dead server loses nothing: `codeassay stress push`
sends it later. Sending again under the same key updates the same MLflow run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.places import runs_root
from engine.store import write_text
from engine.tracking import (
    MAX_REASON_CHARS,
    TIMEOUT,
    TRANSFER_SECONDS,
    TrackingUnavailable,
    experiment_id_of,
)
from engine.tracking_files import flat_params, redact
from engine.tracking_places import FIRST_CONTACT_SECONDS, default_tracking_uri, make_room
from engine.tracking_quiet import environment, quiet
from engine.tracking_runs import METRICS_PER_BATCH, PARAMS_PER_BATCH, RUN_KEY, metric_name, millis, plain_name
from runners.errors import DataError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

TRACKING_FILE = "tracking.json"
SOURCE = {"mlflow.source.name": "codeassay"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedStress:
    """Where a stress run is now."""

    tracking_uri: str
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StressRun:
    """All that MLflow is told of one stress run."""

    run_key: str
    """Identity of the run: sending the same key again updates the same MLflow run."""
    name: str
    tracking_uri: str | None
    """As configured; None is the environment's, else the file beside the runs, when it is sent."""
    experiment: str
    params: Mapping[str, Any]
    """Nested plain data; becomes `section.key` -> text."""
    tags: Mapping[str, str]
    series: Sequence[Mapping[str, float]]
    """Metrics of each level, in order; the step is the index."""
    totals: Mapping[str, float]
    """Metrics of the whole run, at step 0."""
    started_at: float
    """Seconds since the epoch."""
    finished_at: float
    """Seconds since the epoch; also the time of every metric."""


def save_stress(run: StressRun, directory: Path) -> None:
    """Write what is to be sent, without secrets."""
    write_text(directory / TRACKING_FILE, json.dumps(redact(asdict(run)), indent=2) + "\n")


def load_stress(directory: Path) -> StressRun:
    """Read what is to be sent.

    Raises:
        DataError: the directory is no stress run, or its file is damaged.
    """
    path = directory / TRACKING_FILE
    try:
        return StressRun(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        cure = "Give the directory that `codeassay stress` printed."
        raise DataError(path, f"cannot be read ({error}).", cure=cure) from error


def push_stress(directory: Path, tracking_uri: str | None = None) -> PushedStress:
    """Send the stress run of a directory, all its files as artifacts.

    Args:
        directory: of the stress run.
        tracking_uri: in place of the stored one, which holds no password.

    Raises:
        DataError: the directory is no stress run.
        TrackingUnavailable: no server within seconds, or the server refused something; says what it said.
    """
    run = load_stress(directory)
    uri = tracking_uri or run.tracking_uri or default_tracking_uri(runs_root())
    try:
        make_room(uri)
    except OSError as error:
        raise _unavailable(uri, directory, error) from error
    with quiet():
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        patience = os.environ.get(TIMEOUT, str(TRANSFER_SECONDS))
        try:
            with environment({TIMEOUT: str(FIRST_CONTACT_SECONDS)}):
                client = MlflowClient(tracking_uri=uri)
                experiment_id = experiment_id_of(client, uri, run.experiment)
            with environment({TIMEOUT: patience}):
                return PushedStress(tracking_uri=uri, run_id=_push(client, run, experiment_id, directory))
        except (MlflowException, OSError) as error:
            raise _unavailable(uri, directory, error) from error


def _push(client: MlflowClient, run: StressRun, experiment_id: str, directory: Path) -> str:
    from mlflow.entities import Param

    key = plain_name(run.run_key)
    found = client.search_runs([experiment_id], f"tags.`{RUN_KEY}` = '{key}'", max_results=1)
    tags = {RUN_KEY: key, **SOURCE, **run.tags}
    target = found[0] if found else client.create_run(experiment_id, millis(run.started_at), tags, run_name=run.name)
    run_id = str(target.info.run_id)
    params = [Param(metric_name(name)[:250], text) for name, text in flat_params(run.params).items()]
    for start in range(0, len(params), PARAMS_PER_BATCH):
        client.log_batch(run_id, params=params[start : start + PARAMS_PER_BATCH])
    points = _points(run)
    for start in range(0, len(points), METRICS_PER_BATCH):
        client.log_batch(run_id, metrics=points[start : start + METRICS_PER_BATCH])
    client.log_artifacts(run_id, str(directory))
    client.set_terminated(run_id, "FINISHED", millis(run.finished_at))
    return run_id


def _points(run: StressRun) -> list[Metric]:
    """Every number; a point that is sent again is the same point, since it has the same time."""
    from mlflow.entities import Metric

    at = millis(run.finished_at)
    steps = [(0, run.totals), *enumerate(run.series)]
    return [Metric(metric_name(name), value, at, step) for step, values in steps for name, value in values.items()]


def _unavailable(uri: str, directory: Path, error: Exception) -> TrackingUnavailable:
    reason = redact(" ".join(str(error).split()))[:MAX_REASON_CHARS] or type(error).__name__
    return TrackingUnavailable(
        f"MLflow at {redact(uri)} did not take the stress run: {reason} "
        f"Nothing is lost: {directory} is whole. Send it later: codeassay stress push {directory}"
    )
