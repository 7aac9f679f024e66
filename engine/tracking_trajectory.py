"""The trajectory of a training: one MLflow run whose x axis is the training step, made from its checkpoints' runs.

A line chart of MLflow draws a line per run, so the runs of single checkpoints make no curve. Points cannot be taken
back: where one is no longer true (its run was resumed), the trajectory is made anew from the runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from engine.tracking_metrics import MOST_METRICS, headlines
from engine.tracking_records import PushedRun
from engine.tracking_runs import KIND, METRICS_PER_BATCH, RUN_KEY, metric_name, plain_name

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

TRAJECTORY = "codeassay.trajectory"
MODEL_ID = "codeassay.model_id"
"""Tag of a run: the LoggedModel of its checkpoint."""
Points = dict[tuple[str, int], float]
"""Value by metric and training step."""


def parents_of(client: MlflowClient, experiment_id: str, trajectory_key: str) -> list[Run]:
    """The finished runs of a training's checkpoints, by step; of several at one step the one that began last."""
    search = f"tags.`{TRAJECTORY}` = '{plain_name(trajectory_key)}' and tags.`{KIND}` = 'run'"
    found: list[Run] = []
    token = None
    while True:
        page = client.search_runs([experiment_id], search, max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            break
    whole = [run for run in found if run.info.status == "FINISHED" and run.data.tags.get("codeassay.step")]
    by_step = {_step(run): run for run in sorted(whole, key=lambda run: run.info.start_time)}
    return [by_step[step] for step in sorted(by_step)]


def before(parents: Sequence[Run], step: int) -> Run | None:
    """The run of the checkpoint before this step; None for the first."""
    earlier = [run for run in parents if _step(run) < step]
    return earlier[-1] if earlier else None


def update_trajectory(client: MlflowClient, experiment_id: str, run: PushedRun, parents: Sequence[Run]) -> str:
    """Give the trajectory the points that it lacks, or make it anew where a point is not true.

    Gives its run id; empty where no checkpoint is a point of it.
    """
    key = f"trajectory-{plain_name(run.trajectory_key)}"
    found = list(client.search_runs([experiment_id], f"tags.`{RUN_KEY}` = '{key}'"))
    known = dict(_points(client, found[0])) if found else {}
    told = [name for name, _ in known]  # a run whose scores are withheld knows none of them
    names = list(dict.fromkeys([*told, *map(metric_name, headlines(run.metrics))]))[:MOST_METRICS]
    wanted: Points = {
        (name, _step(parent)): parent.data.metrics[name]
        for parent in parents
        for name in names
        if name in parent.data.metrics
    }
    if len(found) > 1 or any(wanted.get(point) != value for point, value in known.items()):
        for each in found:
            client.delete_run(each.info.run_id)
        found, known = [], {}
    if not wanted:
        return ""
    target = found[0] if found else _create(client, experiment_id, key, run, parents)
    _log(client, target.info.run_id, {point: value for point, value in wanted.items() if point not in known}, parents)
    if target.info.status != "FINISHED":
        client.set_terminated(target.info.run_id, "FINISHED", parents[-1].info.end_time)
    return str(target.info.run_id)


def _create(client: MlflowClient, experiment_id: str, key: str, run: PushedRun, parents: Sequence[Run]) -> Run:
    tags = {
        RUN_KEY: key,
        KIND: "trajectory",
        "codeassay.suite": run.suite,
        "codeassay.family": run.model_family,
        "mlflow.source.name": "codeassay",
        "mlflow.note.content": "Headline scores of every checkpoint; the x axis is the training step.",
    }
    name = f"{run.model_family} {run.suite} by step"
    return client.create_run(experiment_id, parents[0].info.start_time, tags, run_name=name)


def _points(client: MlflowClient, target: Run) -> Iterator[tuple[tuple[str, int], float]]:
    """What the trajectory says now."""
    for name in target.data.metrics:
        for metric in client.get_metric_history(target.info.run_id, name):
            yield (name, metric.step), metric.value


def _log(client: MlflowClient, run_id: str, points: Mapping[tuple[str, int], float], parents: Sequence[Run]) -> None:
    """In order of steps, so that the last one is also what a table of runs shows."""
    from mlflow.entities import Metric

    of_step = {_step(parent): parent for parent in parents}
    metrics = [
        Metric(
            name,
            value,
            of_step[step].info.end_time,
            step,
            model_id=of_step[step].data.tags.get(MODEL_ID),
            run_id=run_id,
        )
        for (name, step), value in sorted(points.items(), key=lambda item: item[0][1])
    ]
    for start in range(0, len(metrics), METRICS_PER_BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + METRICS_PER_BATCH])


def _step(run: Run) -> int:
    return int(run.data.tags["codeassay.step"])
