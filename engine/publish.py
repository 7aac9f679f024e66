"""From a run directory to what others are told of it: the summary that is shown and the run that MLflow gets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from actors.execute import SAMPLES
from engine.compare import asked_key
from engine.identity import content_hash
from engine.places import runs_root
from engine.report import RunSummary
from engine.run import load_outcome
from engine.tracking import PushResult, default_tracking_uri, push
from engine.tracking_records import PushedDataset, PushedRun
from runners.errors import DataError


def summary(run_dir: Path) -> RunSummary:
    """What a finished or interrupted run is shown as.

    Raises:
        UserError: no run is there, or it has no metrics yet.
    """
    run, metrics = load_outcome(run_dir)
    return RunSummary(
        model=run["model"]["name"],
        suite=run["suite"],
        run_dir=run_dir,
        step=run["model"]["step"],
        metrics=metrics,
        isolation=run["isolation"],
        status=run["status"],
        command=run["command"],
        gold={label: entry["gold"] for label, entry in run["benchmarks"].items() if "gold" in entry},
        notes={label: entry["notes"] for label, entry in run["benchmarks"].items() if "notes" in entry},
    )


def tracking_uri(config: dict[str, Any]) -> str:
    """Where the run's configuration says that MLflow is; else the environment, else a file beside the runs."""
    return config["tracking"]["uri"] or default_tracking_uri(runs_root())


def push_run(run_dir: Path) -> PushResult:
    """Send a run to MLflow; sending it again changes nothing.

    Raises:
        UserError: no run is there, it has no metrics yet, or a file of it is damaged.
        TrackingUnavailable: MLflow did not take it.
    """
    run, metrics = load_outcome(run_dir)
    config, environment = _config(run_dir), _environment(run_dir)
    pushed = PushedRun(
        run_key=run["run_key"],
        run_dir=run_dir,
        samples_dir=run_dir / SAMPLES,
        suite=run["suite"],
        status=run["status"],
        model_name=run["model"]["name"],
        model_family=run["model"]["family"],
        trajectory_key=_trajectory_key(run, run_dir),
        asked_key=asked_key(run),
        model_digest=run["model"]["digest"],
        model_path=run["model"]["path"],
        model_step=run["model"]["step"],
        config=config,
        env=environment,
        git_sha=environment.get("git") or "",
        metrics=metrics,
        datasets=tuple(_datasets(run)),
        started_at=run["started_at"],
        finished_at=run["finished_at"] or run["started_at"],
    )
    return push(pushed, tracking_uri(config), config["tracking"]["experiment"] or run["model"]["family"])


def _trajectory_key(run: dict[str, Any], run_dir: Path) -> str:
    """What the checkpoints of a training share that were asked alike; empty for repeats, which are no points of one."""
    if run["model"]["step"] is None or re.search(r"-repeat-\d+$", run_dir.name):
        return ""
    model = {key: value for key, value in run["identity"].get("model", {}).items() if key != "digest"}
    return content_hash([run["model"]["family"], {**run["identity"], "model": model}])


def _config(run_dir: Path) -> dict[str, Any]:
    path = run_dir / "config.yaml"
    try:
        config = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DataError(path, f"cannot be read ({reason:.200}).", cure="Run the same command again.") from error
    if not isinstance(config, dict) or not isinstance(config.get("tracking"), dict):
        raise DataError(path, "is no configuration of a run.", cure="Run the same command again.")
    return config


def _environment(run_dir: Path) -> dict[str, Any]:
    """What the run was made with; nothing where no stage ran yet."""
    path = run_dir / "env.json"
    try:
        return dict(json.loads(path.read_text())) if path.exists() else {}
    except (OSError, ValueError, TypeError) as error:
        raise DataError(path, f"cannot be read ({error}).", cure="Delete it; the run can be pushed without.") from error


def _datasets(run: dict[str, Any]) -> list[PushedDataset]:
    return [
        PushedDataset(
            label=label,
            digest=entry["data"]["sha256"],
            source=entry["data"]["origin"],
            num_problems=entry["planned"]["num_problems"],
        )
        for label, entry in run["benchmarks"].items()
        if "/" not in label  # a perturbed form is no data set of its own
    ]
