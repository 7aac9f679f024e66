"""From sample rows to the values that latency and throughput are computed from: which rows count, and once each.

Arrays carry their shape in their names: R sample rows, N chosen ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from actors.samples import CACHED
from engine.latency import Distribution, Gaps, Latency
from engine.statistics import FloatArray
from engine.usage import IntArray, flags, floats, says
from runners.program import OURS

SERVING_COLUMNS = (
    "generation_started_at",
    "queue_seconds",
    "ttft_seconds",
    "replica",
    "execution_started_at",
    "execution_queue_seconds",
    "compile_seconds",
    "worker",
    "finished_at",
)
"""What is needed beside USAGE_COLUMNS."""
GENERATION_COLUMNS = {
    "queue_seconds": "queue_seconds",
    "ttft_seconds": "ttft_seconds",
    "e2e_seconds": "generation_seconds",
}
EXECUTION_COLUMNS = {
    "queue_seconds": "execution_queue_seconds",
    "compile_seconds": "compile_seconds",
    "run_seconds": "wall_seconds",
    "cpu_seconds": "cpu_seconds",
    "peak_memory_bytes": "peak_memory_bytes",
}

_REQUEST = ("replica", "generation_started_at")
"""What tells one request from another of the same problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the rows of one benchmark, or of several, measured, value by value."""

    generation: dict[str, FloatArray]
    """Values by the names of Latency.generation, without gaps; in no order."""
    execution: dict[str, FloatArray]
    """Values by the names of Latency.execution; in no order."""
    requests: pa.Table
    """member, start, end (seconds since the epoch); per row what it adds to output_tokens, prompt_tokens, requests."""
    executions: pa.Table
    """member, start, end (seconds since the epoch); per row what it adds to executions."""

    @classmethod
    def of(cls, rows: pa.Table, problem_R: IntArray, *, has_copies: bool = False) -> Measured:
        """Choose what counts from R sample rows of one benchmark.

        A request is one prompt, sent at one time to one replica, with all completions that came back. Identical
        programs of a problem run once: of their rows the one that was begun first speaks.

        Args:
            rows: at least SERVING_COLUMNS, USAGE_COLUMNS and sample_index.
            problem_R: the problem of each row as a number.
            has_copies: whether rows of one request with the same times and tokens are one completion, as under greedy
                decoding, which computes it once.
        """
        answered_R = flags(pc.not_equal(rows["finish_reason"], "error"))
        asked = _first_of_each(problem_R, {name: rows[name] for name in _REQUEST}, answered_R)
        completed = completed_rows(rows, problem_R, has_copies=has_copies)
        ran_R = flags(pc.not_equal(rows["program_sha256"], "")) & ~says(rows, CACHED)
        executed = executed_rows(rows, problem_R)
        return cls(
            generation=_generation(rows.take(completed), rows.take(asked)),
            execution=_known(rows.take(executed), EXECUTION_COLUMNS),
            requests=_requests(rows, completed, asked),
            executions=_executions(rows, ran_R, executed),
        )

    @classmethod
    def together(cls, parts: Sequence[Measured]) -> Measured:
        """What several benchmarks measured, as one; at least one part."""
        return cls(
            generation=_joined([part.generation for part in parts]),
            execution=_joined([part.execution for part in parts]),
            requests=pa.concat_tables([part.requests for part in parts]),
            executions=pa.concat_tables([part.executions for part in parts]),
        )

    def latency(self, gaps: Sequence[Gaps] = ()) -> Latency | None:
        """The distributions; None where nothing was measured.

        Args:
            gaps: inter-token gaps of the same benchmarks.
        """
        generation = {name: Distribution.of(values) for name, values in self.generation.items()}
        generation["itl_seconds"] = _itl(gaps)
        execution = {name: Distribution.of(values) for name, values in self.execution.items()}
        found = Latency(generation=_measured(generation), execution=_measured(execution))
        return found if found.generation or found.execution else None


def completed_rows(rows: pa.Table, problem_R: IntArray, *, has_copies: bool) -> IntArray:
    """Row numbers of the completions that came back, each once; arguments as of Measured.of."""
    answered_R = flags(pc.not_equal(rows["finish_reason"], "error"))
    if not has_copies:
        return np.flatnonzero(answered_R)
    keys = (*_REQUEST, "generation_seconds", "ttft_seconds", "completion_tokens")
    return _first_of_each(problem_R, {name: rows[name] for name in keys}, answered_R)


def executed_rows(rows: pa.Table, problem_R: IntArray) -> IntArray:
    """Row numbers of the programs that ran here and got a verdict of their own, each program of a problem once."""
    ours_R = flags(pc.is_in(rows["status"], pa.array([status.value for status in OURS])))
    ran_R = flags(pc.not_equal(rows["program_sha256"], "")) & ~says(rows, CACHED)
    key = {"program_sha256": rows["program_sha256"]}
    return _first_of_each(problem_R, key, ran_R & ~ours_R, order=_by_start(rows))


def _generation(completed: pa.Table, asked: pa.Table) -> dict[str, FloatArray]:
    tokens_N, ttft_N, e2e_N = (
        floats(completed[name]) for name in ("completion_tokens", "ttft_seconds", "generation_seconds")
    )
    several = tokens_N > 1  # false where tokens are not known
    tpot_N = (e2e_N[several] - ttft_N[several]) / (tokens_N[several] - 1)
    return {
        **_known(completed, GENERATION_COLUMNS),
        "tpot_seconds": tpot_N[~np.isnan(tpot_N)],
        **_known(asked, {"prompt_tokens": "prompt_tokens"}),
        **_known(completed, {"completion_tokens": "completion_tokens"}),
    }


def _requests(rows: pa.Table, completed: IntArray, asked: IntArray) -> pa.Table:
    """All requests that were in flight, failed ones too; only what came back adds to the counts."""
    start_R = floats(rows["generation_started_at"])
    table = pa.table(
        {
            "member": rows["replica"],
            "start": start_R,
            "end": start_R + floats(rows["generation_seconds"]),
            "output_tokens": _only(rows["completion_tokens"], completed),
            "prompt_tokens": _only(rows["prompt_tokens"], asked),
            "requests": _only(pa.chunked_array([np.ones(rows.num_rows, dtype=np.int64)]), asked),
        }
    )
    return table.filter(pc.is_finite(table["end"]))


def _executions(rows: pa.Table, ran_R: NDArray[np.bool_], executed: IntArray) -> pa.Table:
    start_R = floats(rows["execution_started_at"])
    table = pa.table(
        {
            "member": rows["worker"],
            "start": start_R,
            "end": floats(rows["finished_at"]),
            "executions": _only(pa.chunked_array([np.ones(rows.num_rows, dtype=np.int64)]), executed),
        }
    )
    return table.filter(pa.array(ran_R & np.isfinite(start_R)))


def _only(column: pa.ChunkedArray, chosen: IntArray) -> pa.ChunkedArray:
    """The column as whole numbers, null in rows that were not chosen."""
    chosen_R = np.zeros(len(column), dtype=bool)
    chosen_R[chosen] = True
    return pc.if_else(pa.array(chosen_R), column.cast(pa.int64()), None)


def _first_of_each(
    problem_R: IntArray,
    keys: Mapping[str, pa.ChunkedArray],
    among_R: NDArray[np.bool_],
    order: IntArray | None = None,
) -> IntArray:
    """The first row, in the given order, of each problem and value of the keys, among the rows that are flagged."""
    order = np.arange(problem_R.size) if order is None else order
    chosen = order[among_R[order]]
    table = pa.table({"problem": problem_R, **keys}).take(chosen).append_column("row", pa.array(chosen))
    groups = table.group_by(["problem", *keys], use_threads=False).aggregate([("row", "first")])
    first: IntArray = groups["row_first"].to_numpy()
    return first


def _by_start(rows: pa.Table) -> IntArray:
    """Row numbers in the order in which they were begun to be judged; ties by sample, unknown ones last."""
    order: IntArray = np.lexsort((rows["sample_index"].to_numpy(), floats(rows["execution_started_at"])))
    return order


def _known(rows: pa.Table, columns: Mapping[str, str]) -> dict[str, FloatArray]:
    """The values of columns that are not null, under their new names."""
    return {name: floats(rows[column].drop_null()) for name, column in columns.items()}


def _joined(parts: Sequence[Mapping[str, FloatArray]]) -> dict[str, FloatArray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _itl(gaps: Sequence[Gaps]) -> Distribution | None:
    if not gaps:
        return None
    values = np.concatenate([each.values for each in gaps])
    return Distribution.of(values, count=sum(each.count for each in gaps), maximum=max(each.maximum for each in gaps))


def _measured(distributions: Mapping[str, Distribution | None]) -> dict[str, Distribution]:
    return {name: value for name, value in distributions.items() if value is not None}
