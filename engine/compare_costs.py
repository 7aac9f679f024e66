"""What two runs took for the same problems: latency, tokens and CPU time, and how sure a change is.

Arrays carry their shape in their names: V values, P problems, R resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from actors.samples import CACHED
from engine.measured import completed_rows, executed_rows
from engine.scored_rows import ScoredRows
from engine.statistics import FloatArray, Interval
from engine.usage import IntArray, floats, says

RESAMPLES = 1000
MOST_VALUES = 10_000
"""Of one quantity in one run; a larger number is thinned at random before it is resampled."""
ROWS_PER_CHUNK = 64
COSTS = {
    "TTFT p50": ("ttft", 0.5, "s"),
    "TTFT p99": ("ttft", 0.99, "s"),
    "TPOT p50": ("tpot", 0.5, "s"),
    "E2E p50": ("e2e", 0.5, "s"),
    "E2E p99": ("e2e", 0.99, "s"),
    "tokens per completion": ("tokens", None, ""),
    "CPU per program": ("cpu", None, "s"),
}
"""Name, then quantity, quantile (None is the mean) and unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One figure of both runs."""

    base: float
    candidate: float
    unit: str
    change: float | None
    """Candidate over base, less 1; None where the base is 0."""
    interval: Interval | None
    """Of the change: percentile bootstrap over problems, the same ones drawn for both runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """One quantity of one run."""

    value_V: FloatArray
    problem_V: IntArray
    """Position in Side.problems of the problem that each value belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one run took, by quantity: `ttft`, `tpot`, `e2e`, `cpu` (seconds) and `tokens`."""

    problems: tuple[str, ...]
    """Benchmark and task of each problem."""
    quantities: Mapping[str, Values]

    @classmethod
    def of(cls, benchmarks: Sequence[ScoredRows], *, has_copies: bool) -> Side:
        """Gather the values of several benchmarks.

        Args:
            benchmarks: the rows of each.
            has_copies: as for Measured.of.
        """
        problems = [f"{each.name} {task}" for each in benchmarks for task in each.task_ids]
        starts = np.cumsum([0, *(each.num_seen for each in benchmarks)])
        parts = [
            _quantities(each, int(start), has_copies=has_copies)
            for each, start in zip(benchmarks, starts, strict=False)
        ]
        return cls(
            problems=tuple(problems), quantities={name: _joined([part[name] for part in parts]) for name in parts[0]}
        )


def compare_costs(base: Side, candidate: Side, *, confidence: float, seed: int) -> dict[str, Cost]:
    """Figures that both runs have, by name.

    The interval tells how far a change would move with other problems; it knows nothing of another hour or machine.
    """
    numbers = {name: number for number, name in enumerate(dict.fromkeys([*base.problems, *candidate.problems]))}
    codes = [np.array([numbers[name] for name in side.problems]) for side in (base, candidate)]
    rng = np.random.default_rng(seed)
    weights_RP = rng.multinomial(len(numbers), np.full(len(numbers), 1.0 / len(numbers)), size=RESAMPLES)
    tail = (1.0 - confidence) / 2.0
    found = {}
    for name, (quantity, quantile, unit) in COSTS.items():
        sides = [side.quantities[quantity] for side in (base, candidate)]
        if all(side.value_V.size for side in sides):
            there, here = (_statistic(side.value_V, quantile) for side in sides)
            statistics = [
                _resampled(_thinned(side, code_P, rng), weights_RP, quantile)
                for side, code_P in zip(sides, codes, strict=True)
            ]
            change, interval = _change(there, here, statistics, tail)
            found[name] = Cost(base=there, candidate=here, unit=unit, change=change, interval=interval)
    return found


def _change(
    there: float, here: float, resampled: Sequence[FloatArray], tail: float
) -> tuple[float | None, Interval | None]:
    """Of the figure, and its interval over the resamples in which both runs have it."""
    if not there:
        return None, None
    base_R, candidate_R = resampled
    fit = (base_R > 0) & np.isfinite(candidate_R)
    if not fit.any():
        return here / there - 1.0, None
    low, high = np.quantile(candidate_R[fit] / base_R[fit], [tail, 1.0 - tail])
    return here / there - 1.0, Interval(low=float(low) - 1.0, high=float(high) - 1.0)


def _thinned(values: Values, code_P: IntArray, rng: np.random.Generator) -> Values:
    """At most MOST_VALUES values in order of size, their problems by the numbers that both runs share."""
    size = values.value_V.size
    picked = rng.choice(size, MOST_VALUES, replace=False) if size > MOST_VALUES else np.arange(size)
    order = picked[np.argsort(values.value_V[picked], kind="stable")]
    return Values(value_V=values.value_V[order], problem_V=code_P[values.problem_V[order]])


def _resampled(values: Values, weights_RP: IntArray, quantile: float | None) -> FloatArray:
    """The statistic under each row of weights, shape (R,); NaN where none of the values was drawn."""
    if quantile is None:
        count_P = np.bincount(values.problem_V, minlength=weights_RP.shape[1])
        sum_P = np.bincount(values.problem_V, values.value_V, minlength=weights_RP.shape[1])
        with np.errstate(invalid="ignore"):
            return np.asarray((weights_RP @ sum_P) / (weights_RP @ count_P))
    found_R = np.full(len(weights_RP), np.nan)
    for start in range(0, len(weights_RP), ROWS_PER_CHUNK):
        sums_RV = np.cumsum(weights_RP[start : start + ROWS_PER_CHUNK, values.problem_V], axis=1, dtype=np.int32)
        enough_RV = sums_RV >= np.maximum(quantile * sums_RV[:, -1:], 1)
        drawn_R = sums_RV[:, -1] > 0
        found_R[start : start + ROWS_PER_CHUNK] = np.where(drawn_R, values.value_V[enough_RV.argmax(axis=1)], np.nan)
    return found_R


def _statistic(value_V: FloatArray, quantile: float | None) -> float:
    return float(value_V.mean() if quantile is None else np.quantile(value_V, quantile))


def _quantities(benchmark: ScoredRows, start: int, *, has_copies: bool) -> dict[str, Values]:
    rows, problem_R = benchmark.rows, benchmark.problem_R
    completed = completed_rows(rows, problem_R, has_copies=has_copies)
    tokens_N, ttft_N, e2e_N = (
        floats(rows[name].take(completed)) for name in ("completion_tokens", "ttft_seconds", "generation_seconds")
    )
    several_N = np.where(tokens_N > 1, tokens_N - 1, np.nan)
    # Programs whose verdict came from the cache are not the same in both runs, nor like the others.
    executed = np.empty(0, dtype=np.int64) if says(rows, CACHED).any() else executed_rows(rows, problem_R)
    measured = {
        "ttft": (ttft_N, completed),
        "tpot": ((e2e_N - ttft_N) / several_N, completed),
        "e2e": (e2e_N, completed),
        "tokens": (tokens_N, completed),
        "cpu": (floats(rows["cpu_seconds"].take(executed)), executed),
    }
    return {name: _known(value_N, problem_R[rows_N] + start) for name, (value_N, rows_N) in measured.items()}


def _known(value_N: FloatArray, problem_N: IntArray) -> Values:
    known_N = np.isfinite(value_N)
    return Values(value_V=value_N[known_N], problem_V=problem_N[known_N])


def _joined(parts: Sequence[Values]) -> Values:
    return Values(
        value_V=np.concatenate([part.value_V for part in parts]),
        problem_V=np.concatenate([part.problem_V for part in parts]),
    )
