"""Turn sample rows into the numbers of a run: pass@k and mean scores with intervals, outcomes, what it cost, how fast.

Faults of ours (sandbox_error, generation_error, missing) are never counted as wrong answers: they leave the problem's
n, and where they are too many no headline is given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.problem import NOMINAL
from engine.latency import Latency
from engine.measured import Measured
from engine.resampled import Resampling
from engine.robustness import Robustness, robustness_from, robustness_of
from engine.scored_rows import METRIC_COLUMNS, PlannedBenchmark, ScoredRows
from engine.serving import Serving, latency_from, serving_from, serving_of
from engine.statistics import FloatArray, interval_of_mean
from engine.timing import Timing
from engine.usage import Usage, total_counts, total_usage, usage_of
from runners.program import OURS, Status

__all__ = [
    "METRIC_COLUMNS",
    "OVERALL",
    "BenchmarkMetrics",
    "Estimate",
    "Metrics",
    "PlannedBenchmark",
    "Timing",
    "compute_metrics",
]

OVERALL = "overall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over problems and its confidence interval."""

    value: float
    ci_low: float
    ci_high: float
    num_problems: int
    """Problems that the mean is over: those with enough samples that count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkMetrics:
    """The numbers of one benchmark, or of all together."""

    num_problems: int
    num_samples: int | None
    """Planned samples per problem; None where benchmarks differ."""
    estimates: dict[str, Estimate] = field(default_factory=dict)
    """`pass_at_1`, `base_pass_at_10`, or a score's own name; empty if withheld."""
    withheld: str = ""
    """Why no headline is given; empty if one is."""
    statuses: dict[str, int] = field(default_factory=dict)
    """Planned samples by status, most frequent first, `missing` included."""
    num_unavailable: int = 0
    """Planned samples of problems that could not be judged here, as was known before; they are `missing`."""
    num_problems_short: int = 0
    """Problems left with fewer samples that count than the largest k asks."""
    usage: Usage = field(default_factory=Usage)
    latency: Latency | None = None
    """Of the benchmark's own requests and executions; None where nothing was measured, and of all together."""

    @property
    def num_infra_errors(self) -> int:
        """Planned samples that say nothing about the model because we failed."""
        return max(0, sum(self.statuses.get(status, 0) for status in OURS) - self.num_unavailable)

    @property
    def infra_error_share(self) -> float:
        """Infrastructure errors over planned samples that can be judged; 0 where there are none."""
        planned = sum(self.statuses.values()) - self.num_unavailable
        return self.num_infra_errors / planned if planned else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """All numbers of a run, and how they were computed."""

    benchmarks: dict[str, BenchmarkMetrics]
    overall: BenchmarkMetrics
    """All unperturbed benchmarks together; its pass@k is the macro mean over all their problems, each counted once."""
    ks: tuple[int, ...]
    confidence: float
    resamples: int
    seed: int
    max_infra_errors: float
    serving: Serving | None = None
    """Latency and throughput of all benchmarks and variants together; None where nothing was measured."""
    robustness: dict[str, Robustness] = field(default_factory=dict)
    """By benchmark, how the model holds where prompts are perturbed; of those that have perturbed forms."""

    def flat(self) -> dict[str, float]:
        """Every number under one name, such as `humaneval/pass_at_1.ci_low` (MLflow allows no `@`)."""
        numbers: dict[str, float] = {}
        for name, benchmark in {**self.benchmarks, OVERALL: self.overall}.items():
            numbers |= {f"{name}/{key}": value for key, value in _flat_benchmark(benchmark).items()}
        numbers |= {f"{OVERALL}/{key}": value for key, value in _flat_usage(self.overall.usage).items()}
        numbers |= {f"statuses/{status}": float(count) for status, count in self.overall.statuses.items()}
        for name, robustness in self.robustness.items():
            numbers |= dict(robustness.flat(name))
        return numbers | (self.serving.flat() if self.serving else {})

    def to_json(self) -> str:
        """Write the metrics as text, byte for byte equal for equal metrics."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Metrics:
        """Metrics from what to_json wrote.

        Raises:
            ValueError: the text is not JSON, or not of this version's fields.
        """
        try:
            raw = json.loads(text)
            benchmarks = {name: _benchmark_from(value) for name, value in raw.pop("benchmarks").items()}
            overall, ks = _benchmark_from(raw.pop("overall")), tuple(raw.pop("ks"))
            serving = raw.pop("serving", None)  # metrics of before it was measured have none
            serving = None if serving is None else serving_from(serving)
            robustness = {name: robustness_from(value) for name, value in raw.pop("robustness", {}).items()}
            return cls(benchmarks=benchmarks, overall=overall, ks=ks, serving=serving, robustness=robustness, **raw)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not the metrics of this version of codeassay ({error}); compute them again.") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    ks: tuple[int, ...]
    confidence: float
    resamples: int
    seed: int
    max_infra_errors: float

    def estimates(self, values: Mapping[str, FloatArray]) -> dict[str, Estimate]:
        """Mean and interval of each metric that has a value on at least one problem."""
        return {key: self._estimate(values_P) for key, values_P in values.items() if values_P.size}

    def _estimate(self, values_P: FloatArray) -> Estimate:
        interval = interval_of_mean(values_P, resamples=self.resamples, confidence=self.confidence, seed=self.seed)
        return Estimate(
            value=float(values_P.mean()), ci_low=interval.low, ci_high=interval.high, num_problems=values_P.size
        )


def compute_metrics(
    rows: pa.Table,
    planned: Mapping[str, PlannedBenchmark],
    ks: Sequence[int],
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    max_infra_errors: float = 0.005,
    timing: Timing | None = None,
    clusters: Mapping[tuple[str, str], str] | None = None,
) -> Metrics:
    """Numbers of a run from its sample rows; the order of rows does not matter.

    Rows outside the plan (another label or variant, a sample index or problem that was not asked for) are left out.

    Args:
        rows: one row per sample, no sample twice, with at least METRIC_COLUMNS of SAMPLE_SCHEMA.
        planned: what was to be sampled, under `label` or `label/variant`.
        ks: the k of every pass@k.
        confidence: of the intervals.
        resamples: of the bootstrap over problems.
        seed: of the bootstrap.
        max_infra_errors: share of infrastructure errors above which a benchmark's estimates are withheld.
        timing: what is known of the run's time beside the rows; nothing if None.
        clusters: what problems share, by label and task_id; for intervals of robustness.

    Raises:
        ValueError: a k is larger than the samples planned per problem, more rows than planned, or a sample that counts
            lacks one of its benchmark's scores.
    """
    rules = _Rules(
        ks=_checked_ks(ks, planned),
        confidence=confidence,
        resamples=resamples,
        seed=seed,
        max_infra_errors=max_infra_errors,
    )
    scored = {name: ScoredRows.of(name, rows, plan) for name, plan in planned.items()}
    values = {name: group.values(rules.ks) for name, group in scored.items()}
    timing = timing or Timing()
    measured = {
        name: Measured.of(group.rows, group.problem_R, has_copies=timing.has_copies) for name, group in scored.items()
    }
    latency = {name: part.latency(timing.gaps_of(name)) for name, part in measured.items()}
    benchmarks = {name: _benchmark_metrics(group, values[name], latency[name], rules) for name, group in scored.items()}
    nominal = [name for name, plan in planned.items() if plan.variant == NOMINAL]
    overall = _overall({name: benchmarks[name] for name in nominal}, [values[name] for name in nominal], rules)
    how = Resampling(resamples=resamples, confidence=confidence, seed=seed)
    found = {
        name: robustness_of(
            scored, name, rules.ks, how, clusters, paired=timing.has_copies, max_infra_errors=max_infra_errors
        )
        for name in nominal
    }
    return Metrics(
        benchmarks=benchmarks,
        overall=overall,
        serving=serving_of(measured, timing),
        robustness={name: each for name, each in found.items() if each and not benchmarks[name].withheld},
        **asdict(rules),
    )


def _checked_ks(ks: Sequence[int], planned: Mapping[str, PlannedBenchmark]) -> tuple[int, ...]:
    unique = tuple(sorted(set(ks)))
    for name, plan in planned.items():
        if unique and unique[-1] > plan.num_samples:
            raise ValueError(
                f"{name}: pass@{unique[-1]} needs {unique[-1]} samples per problem, {plan.num_samples} are planned. "
                "Raise the number of samples or ask for a smaller k."
            )
    return unique


def _benchmark_metrics(
    scored: ScoredRows, values: dict[str, FloatArray], latency: Latency | None, rules: _Rules
) -> BenchmarkMetrics:
    num_enough = int((scored.num_counted() >= max(rules.ks, default=1)).sum())
    bare = BenchmarkMetrics(
        num_problems=scored.plan.num_problems,
        num_samples=scored.plan.num_samples,
        statuses=scored.statuses(),
        num_unavailable=scored.plan.num_unavailable * scored.plan.num_samples,
        num_problems_short=scored.plan.num_problems - scored.plan.num_unavailable - num_enough,
        usage=usage_of(scored.rows, scored.problem_R, scored.num_seen),
        latency=latency,
    )
    if bare.infra_error_share > rules.max_infra_errors:
        return replace(bare, withheld=_withheld(bare, rules))
    return replace(bare, estimates=rules.estimates(values))


def _overall(
    benchmarks: Mapping[str, BenchmarkMetrics], values: Sequence[Mapping[str, FloatArray]], rules: _Rules
) -> BenchmarkMetrics:
    """All benchmarks as one: pass@k is the mean over all problems that have a pass score, whosever they are."""
    sizes = {benchmark.num_samples for benchmark in benchmarks.values()}
    bare = BenchmarkMetrics(
        num_problems=sum(benchmark.num_problems for benchmark in benchmarks.values()),
        num_samples=sizes.pop() if len(sizes) == 1 else None,
        statuses=total_counts(benchmark.statuses for benchmark in benchmarks.values()),
        num_unavailable=sum(benchmark.num_unavailable for benchmark in benchmarks.values()),
        num_problems_short=sum(benchmark.num_problems_short for benchmark in benchmarks.values()),
        usage=total_usage(benchmark.usage for benchmark in benchmarks.values()),
    )
    withheld = [name for name, benchmark in benchmarks.items() if benchmark.withheld]
    if withheld:
        return replace(bare, withheld=f"withheld for {', '.join(withheld)}")
    parts = {f"pass_at_{k}": [part[f"pass_at_{k}"] for part in values if f"pass_at_{k}" in part] for k in rules.ks}
    return replace(bare, estimates=rules.estimates({key: np.concatenate(part) for key, part in parts.items() if part}))


def _withheld(metrics: BenchmarkMetrics, rules: _Rules) -> str:
    counts = ", ".join(f"{status} {count}" for status, count in metrics.statuses.items() if Status(status) in OURS)
    return (
        f"infrastructure errors {metrics.infra_error_share:.1%} ({counts}) are above {rules.max_infra_errors:.1%}; "
        "run the same command again to fill them in"
    )


def _flat_benchmark(benchmark: BenchmarkMetrics) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for key, estimate in benchmark.estimates.items():
        numbers |= {key: estimate.value, f"{key}.ci_low": estimate.ci_low, f"{key}.ci_high": estimate.ci_high}
    return numbers | {
        "num_problems": float(benchmark.num_problems),
        "num_problems_short": float(benchmark.num_problems_short),
        "infra_error_share": benchmark.infra_error_share,
        "truncated_share": benchmark.usage.truncated_share,
        "duplicate_share": benchmark.usage.duplicate_share,
    }


def _flat_usage(usage: Usage) -> dict[str, float]:
    names = (
        "prompt_tokens",
        "completion_tokens",
        "generation_seconds",
        "cpu_seconds",
        "wall_seconds",
        "peak_memory_bytes",
        "num_flaky",
        "num_passed_inside",
    )
    return {name: float(getattr(usage, name)) for name in names if getattr(usage, name) is not None}


def _benchmark_from(raw: dict[str, Any]) -> BenchmarkMetrics:
    estimates = {key: Estimate(**value) for key, value in raw.pop("estimates").items()}
    usage, latency = Usage(**raw.pop("usage")), raw.pop("latency", None)
    latency = None if latency is None else latency_from(latency)
    return BenchmarkMetrics(estimates=estimates, usage=usage, latency=latency, **raw)
