"""When things happened in a run, read from its parts: what the speed of a pipeline is computed from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """One finished run; times in seconds since the epoch."""

    num_samples: int
    output_tokens: int
    asked_at: float
    """The first request of the model."""
    generated_at: float
    """The last completion."""
    executed_at: float
    """The last verdict."""
    first_completion_at: float
    """The first completion that was committed."""
    first_execution_at: float
    """The first program that was begun."""
    first_generation_seconds: float
    """How long the request of the first completion took."""
    first_lag_seconds: float
    """From the end of that request to the start of its program."""

    @property
    def generation_seconds(self) -> float:
        """From the first request to the last completion."""
        return self.generated_at - self.asked_at

    @property
    def tokens_per_second(self) -> float:
        """Output tokens over the time in which any request was in flight from first to last."""
        return self.output_tokens / self.generation_seconds

    @property
    def total_seconds(self) -> float:
        """From the first request to the last verdict."""
        return self.executed_at - self.asked_at

    @property
    def first_execution_share(self) -> float:
        """How far generation had come when the first program was begun, 0 to 1."""
        return (self.first_execution_at - self.asked_at) / self.generation_seconds

    @property
    def first_lag_batches(self) -> float:
        """How long the first completion waited to be executed, in times that its batch took to generate."""
        return self.first_lag_seconds / self.first_generation_seconds


def timings(run_dir: Path) -> Timings:
    """Read a run whose samples were all generated and judged.

    Raises:
        ValueError: it holds no such sample.
    """
    times = ["generation_started_at", "generation_seconds", "execution_started_at", "finished_at"]
    rows: list[dict[str, Any]] = []
    for part in run_dir.glob("samples/part-*.parquet"):
        rows += pq.read_table(part, columns=["completion_tokens", *times]).to_pylist()
    rows = [row for row in rows if row["generation_started_at"] is not None]
    if not rows:
        raise ValueError(f"{run_dir}: no generated samples")
    ends = [row["generation_started_at"] + row["generation_seconds"] for row in rows]
    first = rows[ends.index(min(ends))]
    return Timings(
        num_samples=len(rows),
        output_tokens=sum(row["completion_tokens"] or 0 for row in rows),
        asked_at=min(row["generation_started_at"] for row in rows),
        generated_at=max(ends),
        executed_at=max(row["finished_at"] for row in rows),
        first_completion_at=min(ends),
        first_execution_at=min(row["execution_started_at"] for row in rows),
        first_generation_seconds=first["generation_seconds"],
        first_lag_seconds=first["execution_started_at"] - min(ends),
    )
