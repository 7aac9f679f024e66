"""Two runs over the same problems: what differs, how sure that is, and what may be said of the candidate."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.problem import NOMINAL
from engine.asked import clusters_in
from engine.compare_costs import Cost, Side, compare_costs
from engine.identity import content_hash, differences, flatten
from engine.metrics import BenchmarkMetrics, Metrics
from engine.paired import Difference, Verdict, detectable, holm, paired_difference, problems_to_decide, verdict
from engine.scored_rows import METRIC_COLUMNS, ScoredRows, planned_of
from engine.store import METRICS_FILE, RUN_FILE, read_run, read_samples
from runners.errors import DataError, UserError

_HALF = 0.5
_MAY_DIFFER = ("format", "suite", "model", "generation.n", "generation.seed", "execution.isolation")
"""Keys of a run's identity that do not keep two runs from being compared; a prefix stands for all below it."""
_OF_PROMPTS = ("model.form", "model.max_model_len")
"""What of a model's settings decides how it is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How runs are compared."""

    metric: str = "pass_at_1"
    """Or the headline score of benchmarks that have none of that name."""
    margin: float = 0.05
    """The smallest difference that matters."""
    alpha: float = 0.05
    resamples: int = 10_000
    seed: int = 0
    allow: tuple[str, ...] = ()
    """Keys of the identity that may differ as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run as comparisons need it."""

    run_dir: Path
    name: str
    run: Mapping[str, Any]
    metrics: Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One benchmark in both runs."""

    benchmark: str
    metric: str
    base: float
    candidate: float
    num_samples: tuple[int, int]
    """n of base and candidate."""
    difference: Difference
    p_adjusted: float
    won: tuple[str, ...]
    """Problems whose value rose from below a half to a half or more."""
    lost: tuple[str, ...]
    detectable: float
    """Minimum detectable effect, at 80 % power."""
    problems_to_decide: int
    """How many problems of this kind would show the difference seen, or the margin if that is larger."""
    verdict: Verdict
    why: str = ""
    """What kept a verdict from being given; empty if nothing did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that two runs have in common."""

    base: Run
    candidate: Run
    rules: Rules
    compared: tuple[Compared, ...]
    costs: Mapping[str, Cost]
    """Latency and cost by name, where both runs measured them."""
    left_out: tuple[str, ...]
    """Benchmarks that only one of both has."""


def open_run(run_dir: Path) -> Run:
    """Read a run that has its metrics.

    Raises:
        UserError: there is no run, it is not finished, or its files are damaged.
    """
    run = read_run(run_dir)
    if run is None:
        raise UserError(
            f"{run_dir}: no run; a run directory holds {RUN_FILE}. Name one that `codeassay run` has written."
        )
    path = run_dir / METRICS_FILE
    if run["status"] != "complete" or not path.exists():
        raise UserError(
            f"{run_dir}: the run is {run['status']}; run its command again to complete it: {run['command']}"
        )
    try:
        metrics = Metrics.from_json(path.read_text())
    except ValueError as error:
        raise DataError(path, str(error), cure="Run the command of the run again.") from error
    return Run(run_dir=run_dir, name=run["model"].get("name") or run["model"]["spec"], run=run, metrics=metrics)


def compare(base: Run, candidate: Run, rules: Rules) -> Comparison:
    """Compare a candidate with a base, benchmark by benchmark; p-values are adjusted over all of them.

    Raises:
        UserError: the runs differ in more than their models, or have no benchmark in common.
    """
    planned = [planned_of(run.run) for run in (base, candidate)]
    # Perturbed forms ask the same problems again: as benchmarks of their own they would only dilute the verdicts.
    planned = [{name: plan for name, plan in each.items() if plan.variant == NOMINAL} for each in planned]
    shared = [name for name in planned[0] if name in planned[1]]
    if not shared:
        raise UserError(
            f"{base.run_dir} has {', '.join(planned[0])} and {candidate.run_dir} {', '.join(planned[1])}: "
            "no benchmark in common. Run both on the same suite."
        )
    if found := unlike(base, candidate, rules.allow):
        shown = "; ".join(found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "")
        raise UserError(
            f"{base.name} and {candidate.name} were not asked alike: {shown}. "
            f"Run both alike, or name what may differ: --allow {found[0].partition(':')[0]}"
        )
    rows = [read_samples(run.run_dir, METRIC_COLUMNS) for run in (base, candidate)]
    sides = {
        name: [ScoredRows.of(name, own, plan[name]) for own, plan in zip(rows, planned, strict=True)] for name in shared
    }
    clusters = clusters_of(base)
    compared = [_compared(name, pair, rules, clusters, _fault(name, base, candidate)) for name, pair in sides.items()]
    return Comparison(
        base=base,
        candidate=candidate,
        rules=rules,
        compared=tuple(_judged(compared, rules)),
        costs=_costs(base, candidate, sides.values(), rules),
        left_out=tuple(name for name in {**planned[0], **planned[1]} if name not in shared),
    )


def unlike(base: Run, candidate: Run, allow: Sequence[str] = ()) -> list[str]:
    """What keeps two runs from being compared, a line per setting that differs; empty if nothing does.

    Args:
        base: one run.
        candidate: the other; only benchmarks that both have count.
        allow: keys of the identity that may differ as well.
    """
    shared = [name for name in base.run["benchmarks"] if name in candidate.run["benchmarks"]]
    if not shared:
        return ["benchmarks: none in common"]
    found = differences(_asked_by(base.run, shared), _asked_by(candidate.run, shared))
    return [line for line in found if _matters(line.partition(":")[0], allow)]


def asked_key(run: Mapping[str, Any]) -> str:
    """Eight characters that are equal for runs that were asked alike, whatever their models; empty for no run.

    Args:
        run: what run.json holds.
    """
    if not run:
        return ""
    return content_hash(
        {key: value for key, value in flatten(_asked_by(run, list(run["benchmarks"]))).items() if _matters(key, ())}
    )


def clusters_of(run: Run) -> dict[tuple[str, str], str]:
    """What problems share, by benchmark and task; those that stand alone are not in it."""
    return clusters_in(run.run_dir)


def _asked_by(run: Mapping[str, Any], shared: Sequence[str]) -> dict[str, Any]:
    """The identity of a run as far as these benchmarks go, with their prompt modes and problems."""
    entries = {}
    for label in shared:
        entry = run["benchmarks"][label]
        tasks = entry["planned"].get("task_ids", [])
        entries[label] = {
            **run["identity"].get("benchmarks", {}).get(label, {}),
            "prompt": (entry.get("prompt") or {}).get("sha256"),
            "problems": f"{len(tasks)} ({content_hash(tasks)})",
        }
    return {**run["identity"], "benchmarks": entries}


def _matters(key: str, allow: Sequence[str]) -> bool:
    return not _is_below(key, allow) and (_is_below(key, _OF_PROMPTS) or not _is_below(key, _MAY_DIFFER))


def _is_below(key: str, prefixes: Sequence[str]) -> bool:
    return any(key == prefix or key.startswith(f"{prefix}.") for prefix in prefixes)


def _costs(base: Run, candidate: Run, pairs: Collection[Sequence[ScoredRows]], rules: Rules) -> dict[str, Cost]:
    """Latency and cost over the benchmarks that both have."""
    there, here = (
        Side.of([pair[index] for pair in pairs], has_copies=run.run["identity"]["generation"]["temperature"] == 0)
        for index, run in enumerate((base, candidate))
    )
    found = compare_costs(there, here, confidence=1 - rules.alpha, seed=rules.seed)
    rates = [_tokens_per_second(run) for run in (base, candidate)]
    if rates[0] and rates[1]:
        change = rates[1] / rates[0] - 1.0
        found["output tokens/s"] = Cost(base=rates[0], candidate=rates[1], unit="", change=change, interval=None)
    return found


def _tokens_per_second(run: Run) -> float | None:
    """Of the whole run, all its replicas together."""
    rates = run.metrics.serving.throughput.generation if run.metrics.serving else None
    return rates.output_tokens_per_second if rates else None


def _fault(name: str, *runs: Run) -> str:
    """Why a benchmark of either run says nothing of its model; empty if it does."""
    metrics: list[tuple[Run, BenchmarkMetrics]] = [(run, run.metrics.benchmarks[name]) for run in runs]
    return "; ".join(f"{run.name}: {found.withheld}" for run, found in metrics if found.withheld)


def _compared(
    name: str, sides: Sequence[ScoredRows], rules: Rules, clusters: Mapping[tuple[str, str], str], fault: str
) -> Compared:
    metric = rules.metric
    if metric.partition("_at_")[0] not in sides[0].plan.metrics:
        metric = sides[0].plan.metrics[0]
        metric = f"{metric}_at_1" if metric.endswith("pass") else metric
    values = [side.by_problem(metric) for side in sides]
    ids = [task for task in values[0] if task in values[1]]
    if not ids:
        raise UserError(f"{name}: no problem has {metric} in both runs. Raise --n, or choose another --metric.")
    base_P, candidate_P = ([side[task] for task in ids] for side in values)
    if wrong := next((task for side in values for task in ids if not 0.0 <= side[task] <= 1.0), None):
        raise UserError(
            f"{name}: {metric} of {wrong} is outside [0, 1]. Choose another --metric, or mend the benchmark."
        )
    shared = [clusters.get((name.partition("/")[0], task), f"\0{task}") for task in ids]
    found = paired_difference(
        base_P,
        candidate_P,
        clusters_P=shared if len(set(shared)) < len(ids) else None,
        resamples=rules.resamples,
        confidence=1 - rules.alpha,
        seed=rules.seed,
    )
    flips = [(task, b, c) for task, b, c in zip(ids, base_P, candidate_P, strict=True)]
    effect = max(abs(found.mean), rules.margin)
    return Compared(
        benchmark=name,
        metric=metric,
        base=sum(base_P) / len(ids),
        candidate=sum(candidate_P) / len(ids),
        num_samples=(sides[0].plan.num_samples, sides[1].plan.num_samples),
        difference=found,
        p_adjusted=found.p_value,
        won=tuple(task for task, b, c in flips if b < _HALF <= c),
        lost=tuple(task for task, b, c in flips if c < _HALF <= b),
        detectable=detectable(found.standard_error, alpha=rules.alpha),
        problems_to_decide=problems_to_decide(found, effect, alpha=rules.alpha),
        verdict="inconclusive",
        why=fault,
    )


def _judged(compared: Sequence[Compared], rules: Rules) -> list[Compared]:
    """The same with p-values adjusted over all benchmarks, and verdicts where nothing keeps them from being given."""
    adjusted = holm([each.difference.p_value for each in compared])
    return [
        replace(
            each,
            p_adjusted=p,
            verdict="inconclusive" if each.why else verdict(each.difference, p, margin=rules.margin, alpha=rules.alpha),
        )
        for each, p in zip(compared, adjusted, strict=True)
    ]
