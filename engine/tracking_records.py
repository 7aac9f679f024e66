"""The records that tracking speaks in: what is pushed, and where it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedDataset:
    """The problems that one metric label speaks of."""

    label: str
    digest: str
    """Content hash of the problems asked; MLflow keeps its first 36 characters."""
    source: str
    """Where they come from: a URL or a path, with its revision."""
    num_problems: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedRun:
    """All that MLflow is told of one run."""

    run_key: str
    """Identity of the run: pushing the same key again updates the same MLflow run."""
    run_dir: Path
    samples_dir: Path
    """Directory of the run's `part-*.parquet` sample files."""
    suite: str
    status: str
    """`complete`, `incomplete` or `failed`."""
    model_name: str
    model_family: str = ""
    """The training that the checkpoint comes from."""
    trajectory_key: str = ""
    """Same for all checkpoints that were asked alike; empty keeps the run out of any trajectory."""
    asked_key: str = ""
    """Same for all runs that were asked alike, whatever their models."""
    model_digest: str
    model_path: str
    """Where the weights are; they stay there."""
    model_step: int | None = None
    """Training step, the x axis of every metric; None puts them at 0."""
    config: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, Any] = field(default_factory=dict)
    """Versions, git, hardware."""
    git_sha: str = ""
    metrics: Metrics
    datasets: tuple[PushedDataset, ...] = ()
    started_at: float
    """Seconds since the epoch."""
    finished_at: float
    """Seconds since the epoch; also the time of every metric, so that pushing again logs no new points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    """Where a run is now."""

    tracking_uri: str
    experiment_id: str
    run_id: str
    model_id: str
    created: bool
    """False if the run was there already and was updated."""
    num_metrics: int
    """Metrics written, those of nested runs too: 0 if all were there already with these values."""
    child_ids: tuple[str, ...] = ()
    """One nested run per benchmark."""
    trajectory_id: str = ""
    """The run whose x axis is the training step; empty if this run is no point of one."""
    num_artifacts: int = 0
    """Files sent: 0 if all were there already."""
    num_traces: int = 0
    """Traces written: 0 if all were there already."""
