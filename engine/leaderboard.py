"""The best and the latest checkpoint of each model, ranked, and which of them can be told apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from benchmarks.problem import NOMINAL
from engine.compare import Run, asked_key, clusters_of, open_run
from engine.metrics import OVERALL, Estimate, Metrics
from engine.paired import holm, paired_difference
from engine.places import runs_root
from engine.run import load_outcome
from engine.run_names import run_dirs_below
from engine.scored_rows import METRIC_COLUMNS, ScoredRows, planned_of
from engine.store import read_run, read_samples
from engine.tracking_lookup import TrackedRun, fetch_run, runs_of_experiment
from engine.tracking_places import default_tracking_uri
from runners.errors import UserError

REPEAT = re.compile(r"-repeat-\d+$")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A finished evaluation that may stand in a leaderboard."""

    model: str
    """The training that the checkpoint comes from."""
    checkpoint: str
    step: int | None
    suite: str
    asked: str
    """Equal for evaluations that were asked alike."""
    score: float
    started_at: float
    open: Callable[[], Path]
    """Gives its run directory; brings it here where it is in MLflow alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One row of a leaderboard."""

    rank: int
    model: str
    checkpoint: str
    step: int | None
    is_best: bool
    is_latest: bool
    num_checkpoints: int
    """Of this model, from which the best was picked."""
    run_dir: Path
    score: Estimate
    benchmarks: Mapping[str, Estimate]
    """The headline of each benchmark."""
    group: str
    """Letters: places that share one are not told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard:
    """Places by rank, and what is not in them."""

    suite: str
    metric: str
    places: tuple[Place, ...]
    notes: tuple[str, ...]


def leaderboard(
    names: Sequence[str],
    *,
    metric: str = "pass_at_1",
    suite: str | None = None,
    alpha: float = 0.05,
    resamples: int = 10_000,
) -> Leaderboard:
    """Rank the best and the latest checkpoint of each model.

    Evaluations that were asked differently do not stand in one table: of several kinds the one with most models, then
    most checkpoints, is shown, and the others are named.

    Args:
        names: experiments of MLflow, or directories with runs below.
        metric: the score; where a suite has no such score, the headline of its first benchmark ranks.
        suite: only evaluations of this suite.
        alpha: chance that any two places that are alike are told apart, over all pairs.
        resamples: of the test of each pair.

    Raises:
        UserError: nothing of that name, or no complete evaluation in it.
    """
    found = [candidate for name in names for candidate in _candidates(name, metric)]
    wanted = [each for each in found if suite in (None, each.suite)]
    if not wanted:
        known = ", ".join(sorted({each.suite for each in found})) or "none"
        of_suite = f" of suite {suite}" if suite else ""
        raise UserError(f"{', '.join(names)}: no complete evaluation{of_suite}. Suites there: {known}.")
    groups: dict[str, list[Candidate]] = {}
    for each in wanted:
        groups.setdefault(f"{each.suite} {each.asked}", []).append(each)
    key = max(groups, key=lambda name: (len({each.model for each in groups[name]}), len(groups[name])))
    chosen = groups.pop(key)
    places = _places(chosen, metric, alpha, resamples)
    others = [f"{len(each)} evaluations of suite {each[0].suite} were asked otherwise" for each in groups.values()]
    notes = [f"Not shown: {'; '.join(others)}. --suite NAME picks a suite."] if others else []
    if any(place.num_checkpoints > 2 for place in places):
        notes.append("The best of several checkpoints was picked on these very problems, so its score flatters it.")
    return Leaderboard(suite=chosen[0].suite, metric=metric, places=places, notes=tuple(notes))


def _candidates(name: str, metric: str) -> list[Candidate]:
    if Path(name).is_dir():
        return [each for run_dir in run_dirs_below(Path(name)) if (each := _from_disk(run_dir, metric))]
    uri = default_tracking_uri(runs_root())
    return [each for run in runs_of_experiment(name, uri) if (each := _from_mlflow(run, uri, metric))]


def _from_disk(run_dir: Path, metric: str) -> Candidate | None:
    """None for what is not complete, was withheld, or is a repeat."""
    try:
        run = read_run(run_dir)
        if run is None or run["status"] != "complete" or REPEAT.search(run_dir.name):
            return None
        _, metrics = load_outcome(run_dir)
    except UserError:
        return None  # a damaged run, or one of an earlier version
    score = _score(metrics, metric)
    if score is None:
        return None
    model = run["model"]
    return Candidate(
        model=model["family"],
        checkpoint=model["name"],
        step=model["step"],
        suite=run["suite"],
        asked=asked_key(run),
        score=score.value,
        started_at=run["started_at"],
        open=lambda: run_dir,
    )


def _from_mlflow(run: TrackedRun, tracking_uri: str, metric: str) -> Candidate | None:
    tags = run.tags
    is_repeat = REPEAT.search(tags.get("codeassay.run_dir", ""))
    scores = [value for name, value in run.metrics.items() if name == f"{OVERALL}/{metric}"]
    scores += [value for name, value in run.metrics.items() if name.endswith(f"/{metric}")]
    scores += [value for name, value in run.metrics.items() if f"{name}.ci_low" in run.metrics]
    if tags.get("codeassay.status") != "complete" or tags.get("codeassay.withheld") or is_repeat or not scores:
        return None
    return Candidate(
        model=tags.get("codeassay.family") or tags["codeassay.checkpoint"].partition("--")[0],
        checkpoint=tags["codeassay.checkpoint"],
        step=int(tags["codeassay.step"]) if tags.get("codeassay.step") else None,
        suite=tags.get("codeassay.suite", ""),
        asked=tags.get("codeassay.asked", ""),
        score=scores[0],
        started_at=run.started_at,
        open=lambda: fetch_run(run.run_id, tracking_uri),
    )


def _score(metrics: Metrics, metric: str) -> Estimate | None:
    """The score over all benchmarks, else the headline of the first that has any."""
    if metric in metrics.overall.estimates:
        return metrics.overall.estimates[metric]
    return next((_headline(each.estimates, metric) for each in metrics.benchmarks.values() if each.estimates), None)


def _headline(estimates: Mapping[str, Estimate], metric: str) -> Estimate:
    return estimates[metric] if metric in estimates else next(iter(estimates.values()))


def _places(chosen: Sequence[Candidate], metric: str, alpha: float, resamples: int) -> tuple[Place, ...]:
    rows = [
        _place(one, best, latest, count, metric) for best, latest, count in _picked(chosen) for one in (best, latest)
    ]
    unique = {(row.model, row.run_dir): row for row in rows}
    ordered = sorted(unique.values(), key=lambda row: (-row.score.value, row.model, row.checkpoint))
    groups = letters(len(ordered), _told_apart(ordered, metric, alpha, resamples))
    return tuple(
        replace(row, rank=rank, group=group) for rank, (row, group) in enumerate(zip(ordered, groups, strict=True), 1)
    )


def _picked(chosen: Sequence[Candidate]) -> list[tuple[Candidate, Candidate, int]]:
    """Of each model the best and the latest checkpoint, and how many there are; of a checkpoint the last evaluation."""
    by_model: dict[str, dict[str, Candidate]] = {}
    for each in sorted(chosen, key=lambda each: each.started_at):
        by_model.setdefault(each.model, {})[each.checkpoint] = each
    picked = []
    for own in by_model.values():
        best = max(own.values(), key=lambda each: (each.score, each.step or 0))
        latest = max(own.values(), key=lambda each: (-1 if each.step is None else each.step, each.started_at))
        picked.append((best, latest, len(own)))
    return picked


def _place(one: Candidate, best: Candidate, latest: Candidate, count: int, metric: str) -> Place:
    run = open_run(one.open())
    score = _score(run.metrics, metric)
    assert score is not None
    return Place(
        rank=0,
        model=one.model,
        checkpoint=one.checkpoint,
        step=one.step,
        is_best=one is best,
        is_latest=one is latest,
        num_checkpoints=count,
        run_dir=run.run_dir,
        score=score,
        benchmarks={
            name: _headline(each.estimates, metric) for name, each in run.metrics.benchmarks.items() if each.estimates
        },
        group="",
    )


def _told_apart(places: Sequence[Place], metric: str, alpha: float, resamples: int) -> set[tuple[int, int]]:
    """Pairs of places, the better first, whose paired difference is significant after Holm over all pairs."""
    runs = [open_run(place.run_dir) for place in places]
    values = [_values(run, metric) for run in runs]
    clusters = {key: f"in {cluster}" for run in runs for key, cluster in clusters_of(run).items()}
    pairs = list(combinations(range(len(places)), 2))
    p_values = []
    for first, second in pairs:
        keys = [key for key in values[first] if key in values[second]]
        sides = ([values[index][key] for key in keys] for index in (first, second))
        shared = [clusters.get(key, key) for key in keys]
        found = shared if len(set(shared)) < len(keys) else None
        p_values.append(paired_difference(*sides, clusters_P=found, resamples=resamples).p_value if keys else 1.0)
    return {pair for pair, p in zip(pairs, holm(p_values), strict=True) if p < alpha}


def _values(run: Run, metric: str) -> dict[tuple[str, str], float]:
    """The score of each problem of all unperturbed benchmarks."""
    rows = read_samples(run.run_dir, METRIC_COLUMNS)
    found: dict[tuple[str, str], float] = {}
    for name, plan in planned_of(run.run).items():
        score = metric if metric.partition("_at_")[0] in plan.metrics else plan.metrics[0]
        score = f"{score}_at_1" if score.endswith("pass") else score
        if plan.variant == NOMINAL:
            own = ScoredRows.of(name, rows, plan).by_problem(score)
            found |= {(name, task): value for task, value in own.items()}
    return found


def letters(count: int, told_apart: set[tuple[int, int]]) -> list[str]:
    """Compact letter display: two places share a letter if and only if they are not told apart.

    Insert and absorb (Piepho 2004, "An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons").

    Args:
        count: places, in order.
        told_apart: pairs of them, the smaller number first.
    """
    columns: list[set[int]] = [set(range(count))]
    for pair in sorted(told_apart):
        split = [column - {member} for column in columns if set(pair) <= column for member in pair]
        kept = [column for column in columns if not set(pair) <= column]
        columns = _absorbed([*kept, *split])
    columns.sort(key=lambda column: sorted(column))
    names = [LETTERS[number] if number < len(LETTERS) else f"({number + 1})" for number in range(len(columns))]
    return [
        "".join(name for name, column in zip(names, columns, strict=True) if place in column) for place in range(count)
    ]


def _absorbed(columns: Sequence[set[int]]) -> list[set[int]]:
    """Without columns that are part of another, each once."""
    unique = [column for index, column in enumerate(columns) if column not in columns[:index]]
    return [column for column in unique if not any(column < other for other in unique)]
