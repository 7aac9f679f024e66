"""Find runs in MLflow, and bring them here where their directories are on another machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from engine.places import cache_root
from engine.store import RUN_FILE, read_run
from engine.tracking import TIMEOUT
from engine.tracking_artifacts import SAMPLES_FILE
from engine.tracking_files import redact
from engine.tracking_places import FIRST_CONTACT_SECONDS
from engine.tracking_quiet import environment, quiet
from engine.tracking_runs import plain_name
from runners.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

T = TypeVar("T")
WANTED = ("metrics.json", "config.yaml", "env.json", "problems.parquet")
"""Files of a run beside run.json and the samples; those that are not there are done without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """One evaluation as MLflow knows it."""

    run_id: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    started_at: float
    """Seconds since the epoch."""


def fetch_run(run_id: str, tracking_uri: str) -> Path:
    """The directory of a run: the one that it was pushed from where that is here, else a copy of its artifacts.

    A nested run stands for the run that it belongs to.

    Raises:
        UserError: the server does not answer or has no such run, or it cannot be brought here.
    """
    return _ask(tracking_uri, run_id, lambda client: _fetch(client, client.get_run(run_id)))


def runs_of_experiment(name: str, tracking_uri: str) -> list[TrackedRun]:
    """All finished evaluations of an experiment, in no order; nested runs and trajectories are left out.

    Raises:
        UserError: the server does not answer, or has no such experiment.
    """
    return _ask(tracking_uri, name, lambda client: _evaluations(client, name, tracking_uri))


def _ask(tracking_uri: str, name: str, question: Callable[[MlflowClient], T]) -> T:
    timeout = os.environ.get(TIMEOUT, str(FIRST_CONTACT_SECONDS))
    with quiet(), environment({TIMEOUT: timeout}):
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            return question(MlflowClient(tracking_uri=tracking_uri))
        except (MlflowException, OSError) as error:
            reason = redact(" ".join(str(error).split()))
            cure = "Set MLFLOW_TRACKING_URI, or name a run directory."
            raise UserError(
                f"{name}: MLflow at {redact(tracking_uri)} does not give it ({reason:.200}). {cure}"
            ) from error


def _fetch(client: MlflowClient, found: Run) -> Path:
    tags = found.data.tags
    if tags.get("codeassay.kind") in ("benchmark", "family"):
        return _fetch(client, client.get_run(tags["mlflow.parentRunId"]))
    if tags.get("codeassay.kind") == "trajectory":
        raise UserError(f"{found.info.run_id}: is the curve of a training. Name the run of one of its checkpoints.")
    run_dir = Path(tags.get("codeassay.run_dir", ""))
    if tags.get("codeassay.run_dir") and (run_dir / RUN_FILE).exists() and _is_same(run_dir, tags):
        return run_dir
    return _copy(client, found, str(run_dir))


def _is_same(run_dir: Path, tags: Mapping[str, str]) -> bool:
    """Whether the directory still holds the run that was pushed: another may have taken its place."""
    key = tags.get("codeassay.run_key")
    return key is None or plain_name(str((read_run(run_dir) or {}).get("run_key"))) == key


def _copy(client: MlflowClient, found: Run, where: str) -> Path:
    """Artifacts of a run laid out as a run directory; made anew when the run has ended again since."""
    run_id = found.info.run_id
    target = cache_root() / "mlflow" / f"{run_id}-{found.info.end_time}"
    if (target / RUN_FILE).exists():
        return target
    names = {each.path for each in client.list_artifacts(run_id)}
    if not {RUN_FILE, SAMPLES_FILE} <= names:
        raise UserError(
            f"{run_id}: its directory is not on this machine ({where}), and MLflow does not hold all of it. "
            "Push it again from where it is, or copy it here and name it."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / "run"
        (made / "samples").mkdir(parents=True)
        for name in (RUN_FILE, *(name for name in WANTED if name in names)):
            shutil.copyfile(client.download_artifacts(run_id, name, folder), made / name)
        samples = client.download_artifacts(run_id, SAMPLES_FILE, folder)
        shutil.copyfile(samples, made / "samples" / f"part-{run_id[:24]}.parquet")
        made.rename(target)
    return target


def _evaluations(client: MlflowClient, name: str, tracking_uri: str) -> list[TrackedRun]:
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        known = sorted(each.name for each in client.search_experiments())
        near = get_close_matches(name, known, n=3) or known[:6]
        raise UserError(f"{name}: no experiment of MLflow at {redact(tracking_uri)}. Known there: {', '.join(near)}.")
    runs: list[Run] = []
    token = None
    while True:
        page = client.search_runs([experiment.experiment_id], max_results=1000, page_token=token)
        runs += page
        token = page.token
        if not token:
            break
    return [
        TrackedRun(
            run_id=run.info.run_id,
            tags=run.data.tags,
            metrics=run.data.metrics,
            started_at=run.info.start_time / 1000,
        )
        for run in runs
        if run.data.tags.get("codeassay.kind", "run") == "run" and run.data.tags.get("codeassay.checkpoint")
    ]
