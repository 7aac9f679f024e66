"""Count what sample rows cost and how far they can be trusted: tokens, seconds, truncation, duplicates, judges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from actors.samples import CACHED, FLAKY
from engine.statistics import FloatArray
from runners.program import Status

IntArray = NDArray[np.int64]
Number = TypeVar("Number", int, float)

USAGE_COLUMNS = (
    "status",
    "finish_reason",
    "prompt_tokens",
    "completion_tokens",
    "generation_seconds",
    "program_sha256",
    "judge",
    "isolation",
    "cpu_seconds",
    "wall_seconds",
    "peak_memory_bytes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a set of samples cost, and the counts that speak for or against trusting its numbers."""

    prompt_tokens: int | None = None
    """Each problem's prompt once, since one request brings all its completions; None if no row tells."""
    completion_tokens: int | None = None
    """Tokens generated, over all samples; None if no row tells."""
    generation_seconds: float | None = None
    """Wall time of the slowest request of each problem, summed; requests overlap, so this is no GPU time."""
    cpu_seconds: float = 0.0
    """CPU time of the programs that ran, identical programs of a problem once."""
    wall_seconds: float = 0.0
    """Wall time of the programs that ran, identical programs of a problem once."""
    peak_memory_bytes: int | None = None
    """Largest peak of any program; None if no row tells."""
    num_generated: int = 0
    """Samples that hold a completion."""
    num_truncated: int = 0
    """Completions that ended at the token limit."""
    num_programs: int = 0
    """Samples that hold a program."""
    num_duplicates: int = 0
    """Programs identical to an earlier one of the same problem."""
    num_cached: int = 0
    """Different programs of a problem whose verdict is an earlier run's: they did not run."""
    num_flaky: int = 0
    """Different programs of a problem that ran into their time limit, and run again alone did not."""
    num_passed_split: int = 0
    """Samples that passed tests in a process of their own."""
    num_passed_inside: int = 0
    """Samples that passed tests in the program's process, which a program could forge."""
    judges: dict[str, int] = field(default_factory=dict)
    """Samples per kind of judge (`split`, `inside`)."""
    isolations: dict[str, int] = field(default_factory=dict)
    """Samples per isolation level."""

    @property
    def truncated_share(self) -> float:
        """Truncated completions over completions; 0 where there are none."""
        return self.num_truncated / self.num_generated if self.num_generated else 0.0

    @property
    def duplicate_share(self) -> float:
        """Duplicate programs over programs; 0 where there are none."""
        return self.num_duplicates / self.num_programs if self.num_programs else 0.0


def usage_of(rows: pa.Table, problem_R: IntArray, num_problems: int) -> Usage:
    """Usage of the rows of one benchmark.

    Args:
        rows: R sample rows with at least USAGE_COLUMNS.
        problem_R: the problem of each row as a number in [0, num_problems), shape (R,).
        num_problems: how many different numbers there are.
    """
    finish = rows["finish_reason"]
    has_program_R = flags(pc.not_equal(rows["program_sha256"], ""))
    num_different = _first_of_each_program(rows["program_sha256"], problem_R, has_program_R).size
    ran_R = has_program_R & ~says(rows, CACHED)
    first = _first_of_each_program(rows["program_sha256"], problem_R, ran_R)
    flaky = _first_of_each_program(rows["program_sha256"], problem_R, has_program_R & says(rows, FLAKY))
    passed = count_values(_judges(rows.filter(pc.equal(rows["status"], Status.PASSED.value))))
    completion_tokens, peak = pc.sum(rows["completion_tokens"]).as_py(), pc.max(rows["peak_memory_bytes"]).as_py()
    prompt_tokens = _sum_of_maxima(rows["prompt_tokens"], problem_R, num_problems)
    return Usage(
        prompt_tokens=None if prompt_tokens is None else int(prompt_tokens),
        completion_tokens=completion_tokens,
        generation_seconds=_sum_of_maxima(rows["generation_seconds"], problem_R, num_problems),
        cpu_seconds=float(floats(rows["cpu_seconds"])[first].sum()),
        wall_seconds=float(floats(rows["wall_seconds"])[first].sum()),
        peak_memory_bytes=peak,
        num_generated=_count(pc.not_equal(finish, "error")),
        num_truncated=_count(pc.equal(finish, "length")),
        num_programs=int(has_program_R.sum()),
        num_duplicates=int(has_program_R.sum()) - num_different,
        num_cached=num_different - first.size,
        num_flaky=flaky.size,
        num_passed_split=passed.get("split", 0),
        num_passed_inside=passed.get("inside", 0),
        judges=count_values(_judges(rows)),
        isolations=count_values(rows["isolation"]),
    )


def total_usage(usages: Iterable[Usage]) -> Usage:
    """Usage of several benchmarks together: sums, and the largest peak."""
    parts = list(usages)
    return Usage(
        prompt_tokens=_total([part.prompt_tokens for part in parts]),
        completion_tokens=_total([part.completion_tokens for part in parts]),
        generation_seconds=_total([part.generation_seconds for part in parts]),
        cpu_seconds=sum(part.cpu_seconds for part in parts),
        wall_seconds=sum(part.wall_seconds for part in parts),
        peak_memory_bytes=max((part.peak_memory_bytes for part in parts if part.peak_memory_bytes), default=None),
        num_generated=sum(part.num_generated for part in parts),
        num_truncated=sum(part.num_truncated for part in parts),
        num_programs=sum(part.num_programs for part in parts),
        num_duplicates=sum(part.num_duplicates for part in parts),
        num_cached=sum(part.num_cached for part in parts),
        num_flaky=sum(part.num_flaky for part in parts),
        num_passed_split=sum(part.num_passed_split for part in parts),
        num_passed_inside=sum(part.num_passed_inside for part in parts),
        judges=total_counts(part.judges for part in parts),
        isolations=total_counts(part.isolations for part in parts),
    )


def count_values(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each value occurs, most frequent first; empty strings and nulls are left out."""
    pairs = [(entry["values"], entry["counts"]) for entry in pc.value_counts(column).to_pylist() if entry["values"]]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def total_counts(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Sum of several counts, most frequent first."""
    total: dict[str, int] = {}
    for part in counts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return dict(sorted(total.items(), key=lambda pair: (-pair[1], pair[0])))


def codes_of(column: pa.ChunkedArray) -> tuple[IntArray, list[str]]:
    """Each row's value as a number, shape (R,), and the values; numbers follow the order of first appearance."""
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary.to_pylist()


def _judges(rows: pa.Table) -> pa.ChunkedArray:
    """Where tests ran, without what else `actors.samples.judge_text` says."""
    return pc.replace_substring_regex(rows["judge"], " .*", "")


def says(rows: pa.Table, word: str) -> NDArray[np.bool_]:
    """Whether each row's judge has this word beside it (`actors.samples.judge_text`), shape (R,)."""
    return flags(pc.match_substring(rows["judge"], f" {word}"))


def _first_of_each_program(sha256: pa.ChunkedArray, problem_R: IntArray, has_program_R: NDArray[np.bool_]) -> IntArray:
    """Row numbers of the first sample of each different program of each problem."""
    code_R, values = codes_of(sha256)
    rows_with_program = np.flatnonzero(has_program_R)
    key = problem_R[rows_with_program] * max(len(values), 1) + code_R[rows_with_program]
    _, first = np.unique(key, return_index=True)
    return rows_with_program[first]


def _sum_of_maxima(column: pa.ChunkedArray, problem_R: IntArray, num_problems: int) -> float | None:
    """Largest value of each problem, summed over problems; None if every value is null."""
    if column.null_count == len(column):
        return None
    maxima_P = np.zeros(num_problems)
    np.maximum.at(maxima_P, problem_R, np.nan_to_num(floats(column)))
    return float(maxima_P.sum())


def _total(values: list[Number | None]) -> Number | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def floats(column: pa.ChunkedArray) -> FloatArray:
    """A column of numbers, NaN where it is null, shape (R,)."""
    array: FloatArray = column.cast(pa.float64()).to_numpy()
    return array


def flags(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """A column of truth values without nulls, shape (R,)."""
    array: NDArray[np.bool_] = column.to_numpy()
    return array


def _count(flags: pa.ChunkedArray) -> int:
    return int(pc.sum(flags).as_py() or 0)
