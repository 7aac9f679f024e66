"""Which samples the page shows with their texts: each different program of a problem once, in turn, within a budget."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa

from engine.page.inputs import PageRun
from engine.scored_rows import planned_rows
from engine.store import read_samples

SLIM = ("sample_id", "benchmark", "task_id", "variant", "sample_index", "status", "program_sha256")

ProblemKey = tuple[str, str]
"""Metric name and task id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Samples of one problem in one run that are alike: one speaks for all."""

    sample_id: str
    sample_index: int
    status: str
    count: int
    """Samples with this status and this very program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemSamples:
    """What one run has of one problem."""

    statuses: dict[str, int]
    """Samples by status."""
    groups: tuple[Shown, ...]
    """All of them, failures of each kind first."""


def samples_by_problem(run: PageRun) -> dict[ProblemKey, ProblemSamples]:
    """Every planned sample of a run, grouped by what it did and with which program."""
    slim = read_samples(run.run_dir, SLIM)
    return {
        (name, task): samples
        for name, plan in run.planned.items()
        for task, samples in _by_task(planned_rows(name, slim, plan)).items()
    }


def _by_task(rows: pa.Table) -> dict[str, ProblemSamples]:
    """A failed sample without a program stands for itself by its status."""
    rows = rows.sort_by([("task_id", "ascending"), ("sample_index", "ascending")])
    keys = ["task_id", "status", "program_sha256"]
    groups = rows.group_by(keys, use_threads=False).aggregate(
        [("sample_id", "first"), ("sample_index", "first"), ("sample_id", "count")]
    )
    found: dict[str, list[Shown]] = {}
    for row in groups.to_pylist():
        found.setdefault(row["task_id"], []).append(
            Shown(
                sample_id=row["sample_id_first"],
                sample_index=row["sample_index_first"],
                status=row["status"],
                count=row["sample_id_count"],
            )
        )
    return {task: _problem(groups) for task, groups in found.items()}


def _problem(groups: Sequence[Shown]) -> ProblemSamples:
    statuses: dict[str, int] = {}
    for group in groups:
        statuses[group.status] = statuses.get(group.status, 0) + group.count
    return ProblemSamples(statuses=statuses, groups=tuple(_in_turn(groups)))


def _in_turn(groups: Sequence[Shown]) -> list[Shown]:
    """One of each status, most frequent program first, then the second of each, and so on; failures before passes."""
    ordered = sorted(groups, key=lambda group: (group.status == "passed", -group.count, group.sample_index))
    seen: dict[str, int] = {}
    ranks = []
    for group in ordered:
        ranks.append(seen.get(group.status, 0))
        seen[group.status] = ranks[-1] + 1
    pairs = sorted(zip(ranks, range(len(ordered)), strict=True))
    return [ordered[position] for _, position in pairs]


def choose(
    runs: Sequence[dict[ProblemKey, ProblemSamples]], first: Collection[ProblemKey], budget: int
) -> list[set[str]]:
    """Sample ids to show of each run: groups in turn over all problems and runs, until `budget` of them.

    Args:
        runs: of each run its samples by problem.
        first: problems that come before others in each turn, such as those that were won or lost.
        budget: samples over all runs.
    """
    wanted = set(first)
    queue = sorted(
        (turn, key not in wanted, position, index, group.sample_id)
        for index, run in enumerate(runs)
        for position, (key, samples) in enumerate(run.items())
        for turn, group in enumerate(samples.groups)
    )
    chosen: list[set[str]] = [set() for _ in runs]
    for _, _, _, index, sample_id in queue[:budget]:
        chosen[index].add(sample_id)
    return chosen


def texts_of(run: PageRun, columns: Sequence[str], ids: Collection[str]) -> dict[str, dict[str, object]]:
    """Columns of the chosen samples, by sample id; the texts of all others are never held."""
    table = read_samples(run.run_dir, ["sample_id", *columns], ids)
    return {row["sample_id"]: row for row in table.to_pylist()}
