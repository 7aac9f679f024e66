"""The rows of one benchmark, brought into the form that statistics need: one number per row, one problem per row.

Arrays carry their shape in their names: R rows, P problems with at least one row, in order of task_id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from benchmarks.problem import NOMINAL
from engine.measured import SERVING_COLUMNS
from engine.statistics import FloatArray, pass_at_k
from engine.usage import USAGE_COLUMNS, IntArray, codes_of, count_values, total_counts
from runners.program import OURS, Status

METRIC_COLUMNS = ("benchmark", "task_id", "variant", "sample_index", "scores", *USAGE_COLUMNS, *SERVING_COLUMNS)
"""All that metrics are computed from: no text, so a run's rows fit in memory whatever its completions weigh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBenchmark:
    """What was to be sampled under one name; the name is `label`, or `label/variant` of a perturbed form."""

    metrics: tuple[str, ...]
    """Names of the scores that every sample has, the headline first."""
    num_problems: int
    num_samples: int
    """Samples per problem: the n of pass@k."""
    num_unavailable: int = 0
    """Problems of these that cannot be judged here, as was known before: nobody's failure."""
    task_ids: tuple[str, ...] = ()
    """Rows of other problems are left out; empty takes the rows of every problem."""
    variant: str = NOMINAL
    perturbation: str = ""
    """Which entry of the catalogue made it, or `replica`; empty for the nominal problems."""
    family: str = ""
    severity: int = 1
    seed: int = 0
    baseline: str = NOMINAL
    """Variant that it is compared with."""
    misleads: bool = False
    """Whether it says something untrue; left out of worst cases then."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Variants that the gate left out, by reason."""


def planned_of(run: Mapping[str, Any]) -> dict[str, PlannedBenchmark]:
    """What was to be sampled, by metric name, as run.json tells it."""
    plans = {name: dict(entry["planned"]) for name, entry in run["benchmarks"].items()}
    lists = ("metrics", "task_ids")
    return {
        name: PlannedBenchmark(**{**plan, **{key: tuple(plan[key]) for key in lists}}) for name, plan in plans.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRows:
    """The rows of one planned benchmark, and what they say about each of its problems."""

    name: str
    plan: PlannedBenchmark
    rows: pa.Table
    problem_R: IntArray
    """The problem of each row as a number in [0, P)."""
    task_ids: tuple[str, ...]
    """The problems with at least one row, in order of their ids, length P."""
    counts_R: NDArray[np.bool_]
    """Whether a row says something about the model."""

    @classmethod
    def of(cls, name: str, rows: pa.Table, plan: PlannedBenchmark) -> ScoredRows:
        """Pick the rows that belong to the plan from all rows of a run.

        Raises:
            ValueError: there are more rows than planned samples.
        """
        own = planned_rows(name, rows.select(METRIC_COLUMNS), plan)
        if own.num_rows > plan.num_problems * plan.num_samples:
            raise ValueError(
                f"{name}: {own.num_rows} rows, but {plan.num_problems} problems x {plan.num_samples} samples were "
                f"planned. Drop duplicate samples first, or name the planned task_ids."
            )
        code_R, task_ids = codes_of(own["task_id"])
        rank_of_code = np.argsort(np.argsort(np.array(task_ids, dtype=object))).astype(np.int64)
        return cls(
            name=name,
            plan=plan,
            rows=own,
            problem_R=rank_of_code[code_R],
            task_ids=tuple(sorted(task_ids)),
            counts_R=~pc.is_in(own["status"], pa.array([status.value for status in OURS])).to_numpy().astype(bool),
        )

    @property
    def num_seen(self) -> int:
        """P: problems with at least one row."""
        return len(self.task_ids)

    def num_counted(self) -> IntArray:
        """The n of each problem: its samples that say something about the model, shape (P,)."""
        return self._per_problem(self.counts_R)

    def values(self, ks: tuple[int, ...]) -> dict[str, FloatArray]:
        """Per metric, its value on each problem that has enough samples that count.

        Raises:
            ValueError: a sample that counts lacks one of the planned scores.
        """
        values: dict[str, FloatArray] = {}
        n_P = self.num_counted()
        for score in self.plan.metrics:
            score_R = self._score(score)
            if score == "pass" or score.endswith("_pass"):
                passed_P = self._per_problem(self.counts_R & (score_R == 1.0))
                for k in ks:
                    enough = n_P >= k
                    values[f"{score}_at_{k}"] = pass_at_k(n_P[enough], passed_P[enough], k)
            else:
                total_P = np.bincount(self.problem_R, np.where(self.counts_R, score_R, 0.0), minlength=self.num_seen)
                values[score] = total_P[n_P > 0] / n_P[n_P > 0]
        return values

    def by_problem(self, metric: str) -> dict[str, float]:
        """The value of one metric, such as `pass_at_5`, on each problem that has enough samples that count.

        Raises:
            ValueError: a sample that counts lacks the score.
        """
        k = metric.rpartition("_at_")[2]
        least = int(k) if k.isdecimal() else 1
        ids = [task for task, n in zip(self.task_ids, self.num_counted(), strict=True) if n >= least]
        return dict(zip(ids, self.values((least,))[metric].tolist(), strict=True))

    def samples(self, score: str) -> dict[str, dict[int, float]]:
        """One score of each sample that counts, by problem and sample index.

        Raises:
            ValueError: a sample that counts lacks the score.
        """
        found: dict[str, dict[int, float]] = {}
        columns = (self.rows["task_id"].to_pylist(), self.rows["sample_index"].to_pylist(), self._score(score).tolist())
        for task_id, index, value, counts in zip(*columns, self.counts_R.tolist(), strict=True):
            if counts:
                found.setdefault(task_id, {})[index] = value
        return found

    def statuses(self) -> dict[str, int]:
        """Planned samples by status, most frequent first; those without a row are `missing`."""
        missing = self.plan.num_problems * self.plan.num_samples - self.rows.num_rows
        seen = count_values(self.rows["status"])
        return total_counts([seen, {Status.MISSING.value: missing}] if missing else [seen])

    def _per_problem(self, flags_R: NDArray[np.bool_]) -> IntArray:
        return np.bincount(self.problem_R[flags_R], minlength=self.num_seen)

    def _score(self, name: str) -> FloatArray:
        # NaN where a row has no such score, which is allowed only where we failed.
        scores = self.rows["scores"].combine_chunks()
        offsets = scores.offsets.to_numpy()
        row_of_item = np.repeat(np.arange(len(scores)), np.diff(offsets))
        own_items = slice(offsets[0], offsets[-1])
        wanted = pc.equal(scores.keys, name).to_numpy(zero_copy_only=False)[own_items]
        score_R = np.full(len(scores), np.nan)
        score_R[row_of_item[wanted]] = scores.items.to_numpy(zero_copy_only=False)[own_items][wanted]
        absent = np.flatnonzero(self.counts_R & np.isnan(score_R))
        if absent.size:
            task_id = self.rows["task_id"][int(absent[0])].as_py()
            raise ValueError(f"{self.name}: {absent.size} samples lack the score '{name}', the first is of {task_id}.")
        return score_R


def planned_rows(name: str, rows: pa.Table, plan: PlannedBenchmark) -> pa.Table:
    """The rows that belong to the plan, by their columns benchmark, variant, sample_index and task_id."""
    label = name if plan.variant == NOMINAL else name.removesuffix(f"/{plan.variant}")
    keep = pc.and_(pc.equal(rows["benchmark"], label), pc.equal(rows["variant"], plan.variant))
    keep = pc.and_(keep, pc.less(rows["sample_index"], plan.num_samples))
    if plan.task_ids:
        keep = pc.and_(keep, pc.is_in(rows["task_id"], pa.array(plan.task_ids, pa.string())))
    return rows.filter(keep)
