"""Which of a run's numbers MLflow is told, and where: a browser of runs drowns in hundreds of metrics.

At most MOST_METRICS on any MLflow run. The parent has each benchmark's headline with its interval and what tells of the
whole run; a benchmark's own run has all of that benchmark. What is in neither is in metrics.json, an artifact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from engine.metrics import OVERALL, BenchmarkMetrics, Metrics
from engine.serving import FLAT_EXECUTION, FLAT_GENERATION

MOST_METRICS = 60
INTERVAL = (".ci_low", ".ci_high")
SERVED = (
    "latency/ttft_seconds.p50",
    "latency/ttft_seconds.p99",
    "latency/tpot_seconds.p50",
    "latency/e2e_seconds.p50",
    "latency/e2e_seconds.p99",
    "throughput/output_tokens_per_second",
    "throughput/executions_per_second",
    "throughput/overlap_share",
    "throughput/generation_idle_share",
    "throughput/execution_idle_share",
    "execution/run_seconds.p50",
    "execution/run_seconds.p99",
)
"""The most telling of how a run was served, first to last."""


def parent_metrics(metrics: Metrics) -> dict[str, float]:
    """What the run of a whole suite is told, the most telling first, at most MOST_METRICS.

    Headlines with intervals; totals of problems and faults; statuses; latency and throughput; then the other k of each
    headline, the rest of the totals, and all else as far as there is room.
    """
    flat = metrics.flat()
    names = [*headlines(metrics)]
    names += [f"{OVERALL}/{name}" for name in ("num_problems", "infra_error_share", "truncated_share")]
    names += [name for name in flat if name.startswith("statuses/")]
    names += SERVED
    names += [name for name in flat if "_at_" in name and not name.endswith(INTERVAL)]
    names += [name for name in flat if name.startswith(f"{OVERALL}/")]
    return _first(flat, [*names, *flat])


def headlines(metrics: Metrics) -> Iterator[str]:
    """Names of the first score of each benchmark, and of all together where there are several, with their intervals.

    Those of all benchmarks come before any interval, so that a limit cuts intervals first.
    """
    benchmarks = dict(metrics.benchmarks)
    if len(benchmarks) > 1:
        benchmarks = {OVERALL: metrics.overall, **benchmarks}
    scores = [f"{label}/{key}" for label, each in benchmarks.items() for key in islice(each.estimates, 1)]
    yield from scores
    yield from (f"{score}{end}" for score in scores for end in INTERVAL)


def benchmark_metrics(metrics: Metrics, label: str) -> dict[str, float]:
    """What the run of one benchmark is told, worst cases of its families too, at most MOST_METRICS.

    Perturbed forms are told here where no robustness was computed of them, else in runs of their families.
    """
    is_robust = label in metrics.robustness
    own = {
        name: each
        for name, each in metrics.benchmarks.items()
        if name == label or (name.startswith(f"{label}/") and not is_robust)
    }
    flat = {name: value for name, value in metrics.flat().items() if name.startswith(f"{label}/")}
    others = [f"{name}/" for name in metrics.benchmarks if name.startswith(f"{label}/") and name not in own]
    robust = (*others, f"{label}/robust/")
    numbers = {name: value for name, value in flat.items() if not name.startswith(robust)}
    if is_robust:
        told = ("worst_pass_at_1", "robust_pass_at_1", "robust_drop_at_1", "/noise/flip_rate")
        numbers |= {name: value for name, value in flat.items() if name.startswith(robust) and name.endswith(told)}
    for name, each in own.items():
        numbers |= {f"{name}/statuses/{status}": float(count) for status, count in each.statuses.items()}
        numbers |= _latency(name, each)
    scores = {f"{name}/{key}{end}" for name, each in own.items() for key in each.estimates for end in ("", *INTERVAL)}
    return _first(numbers, [*(name for name in numbers if name in scores), *numbers])


def families(metrics: Metrics, label: str) -> list[str]:
    """Families of perturbations that have a run of their own below that of their benchmark."""
    found = metrics.robustness.get(label)
    return list(dict.fromkeys(each.family for each in found.perturbations.values())) if found else []


def family_metrics(metrics: Metrics, label: str, family: str) -> dict[str, float]:
    """What the run of one family is told, at most MOST_METRICS: drops with intervals and p-values first."""
    robustness = metrics.robustness[label]
    flat = robustness.flat(label)
    names = [name for name, each in robustness.perturbations.items() if each.family == family]
    worst = [f"{label}/robust/family/{name}" for name, each in robustness.families.items() if each.family == family]
    wanted = [f"{name}/{key}" for name in worst for key in ("worst_pass_at_1", "robust_pass_at_1", "robust_drop_at_1")]
    for key in ("drop", "drop.p_adjusted", "drop.ci_low", "drop.ci_high", "excess_flip", "flip_rate", "num_problems"):
        wanted += [f"{label}/robust/{name}/{key}" for name in names]
    prefixes = tuple(f"{label}/robust/{name}/" for name in names)
    return _first(flat, [*wanted, *(name for name in flat if name.startswith(prefixes))])


def labels(metrics: Metrics) -> list[str]:
    """Benchmarks that have a run of their own: a perturbed form is in the run of its benchmark."""
    return list(dict.fromkeys(name.partition("/")[0] for name in metrics.benchmarks))


def _latency(name: str, benchmark: BenchmarkMetrics) -> dict[str, float]:
    if benchmark.latency is None:
        return {}
    parts = (
        ("latency", benchmark.latency.generation, FLAT_GENERATION),
        ("execution", benchmark.latency.execution, FLAT_EXECUTION),
    )
    return {
        f"{name}/{part}/{kind}.{statistic}": getattr(found[kind], statistic)
        for part, found, wanted in parts
        for kind, statistics in wanted.items()
        if kind in found
        for statistic in statistics
    }


def _first(numbers: Mapping[str, float], names: Iterable[str]) -> dict[str, float]:
    known = dict.fromkeys(name for name in names if name in numbers)
    return {name: numbers[name] for name in islice(known, MOST_METRICS)}
