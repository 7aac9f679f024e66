"""What a run directory tells of the run's time beside its sample rows: its sessions, and the gaps between tokens.

A million completions have hundreds of millions of gaps, so parts are read one by one and MAX_GAPS values are kept in
memory. Above that, each gap so far is kept with chance 1/2 (seeded), and those that follow with the same chance, so
that all benchmarks are sampled alike; count and largest gap stay exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from actors.generate import GENERATIONS
from actors.parts import read_part
from actors.samples import GENERATION_SCHEMA
from engine.latency import Gaps
from engine.scored_rows import PlannedBenchmark, planned_rows
from engine.store import read_run

Session = tuple[float, float | None]
"""From when to when the pipeline ran, seconds since the epoch; no end where it was killed."""
MAX_GAPS = 20_000_000
"""Gaps kept in memory, 4 bytes each."""
_GAPS = "inter_token_seconds"
_SAME_COMPLETION = ["task_id", "replica", "generation_started_at", "generation_seconds", "completion_tokens"]
_COLUMNS = ["benchmark", "variant", "sample_index", *_SAME_COMPLETION, _GAPS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What is known of a run's time beside its sample rows."""

    sessions: tuple[Session, ...] = ()
    """In order; none is one session, from the first start to the last end of what was measured."""
    gaps: Mapping[str, Gaps] = field(default_factory=dict)
    """Inter-token gaps by the name of the planned benchmark."""
    has_copies: bool = False
    """Whether rows of one request with the same times and tokens are one completion (greedy decoding)."""

    def gaps_of(self, *names: str) -> list[Gaps]:
        """The gaps of those of the named benchmarks that have any."""
        return [self.gaps[name] for name in names if name in self.gaps]


def read_timing(run_dir: Path, planned: Mapping[str, PlannedBenchmark], rows: pa.Table, *, has_copies: bool) -> Timing:
    """What a run directory tells of its time.

    Args:
        run_dir: a run directory.
        planned: as for `compute_metrics`.
        rows: the run's sample rows; where none saw a first token, no completion was watched and no part is read.
        has_copies: as in Timing.

    Raises:
        DataError: run.json or a part is damaged.
    """
    sessions = (read_run(run_dir) or {}).get("sessions", [])
    is_watched = rows["ttft_seconds"].null_count < rows.num_rows
    return Timing(
        sessions=tuple((session["started_at"], session["finished_at"]) for session in sessions),
        gaps=read_gaps(run_dir, planned, has_copies=has_copies) if is_watched else {},
        has_copies=has_copies,
    )


def read_gaps(
    run_dir: Path, planned: Mapping[str, PlannedBenchmark], *, has_copies: bool = False, most: int = MAX_GAPS
) -> dict[str, Gaps]:
    """Inter-token gaps of each planned benchmark; one without watched completions is missing.

    A completion that was generated twice, because its first part never travelled on, was measured twice.

    Args:
        run_dir: a run directory.
        planned: as for `compute_metrics`.
        has_copies: whether rows of one request with the same times and tokens are one completion (greedy decoding).
        most: gaps to keep in memory.

    Raises:
        DataError: a part is damaged.
    """
    pools = _Pools(planned, most)
    for part in sorted((run_dir / GENERATIONS).glob("part-*.parquet")):
        rows = read_part(part, GENERATION_SCHEMA, _COLUMNS)
        watched = rows.filter(pc.is_valid(rows[_GAPS]))
        if watched.num_rows:
            for name, plan in planned.items():
                own = planned_rows(name, watched, plan)
                pools.add(name, _values(_without_copies(own) if has_copies else own))
    return pools.gaps()


def _without_copies(rows: pa.Table) -> pa.Table:
    """Copies of a completion lie in one part, since a request is committed whole."""
    numbered = rows.select(_SAME_COMPLETION).append_column("row", pa.array(np.arange(rows.num_rows)))
    return rows.take(numbered.group_by(_SAME_COMPLETION, use_threads=False).aggregate([("row", "min")])["row_min"])


def _values(rows: pa.Table) -> NDArray[np.float32]:
    values: NDArray[np.float32] = pc.list_flatten(rows[_GAPS]).to_numpy()
    return values


class _Pools:
    """Gaps by benchmark, all thinned alike."""

    def __init__(self, names: Mapping[str, object], most: int) -> None:
        self._kept: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
        self._count = dict.fromkeys(names, 0)
        self._maximum = dict.fromkeys(names, 0.0)
        self._most = most
        self._size = 0
        self._share = 1.0
        self._chance = np.random.default_rng(0)

    def add(self, name: str, values: NDArray[np.float32]) -> None:
        """Take the gaps of one part."""
        if not values.size:
            return
        self._count[name] += values.size
        self._maximum[name] = max(self._maximum[name], float(values.max()))
        self._kept[name].append(self._thinned(values, self._share))
        self._size += self._kept[name][-1].size
        while self._size > self._most:
            self._halve()

    def _halve(self) -> None:
        self._share /= 2
        for name, pool in self._kept.items():
            self._kept[name] = [self._thinned(values, 0.5) for values in pool]
        self._size = sum(values.size for pool in self._kept.values() for values in pool)

    def _thinned(self, values: NDArray[np.float32], share: float) -> NDArray[np.float32]:
        return values if share == 1.0 else values[self._chance.random(values.size, dtype=np.float32) < share]

    def gaps(self) -> dict[str, Gaps]:
        """What is kept, with the exact count and maximum."""
        return {
            name: Gaps(values=np.concatenate(pool), count=self._count[name], maximum=self._maximum[name])
            for name, pool in self._kept.items()
            if pool
        }
