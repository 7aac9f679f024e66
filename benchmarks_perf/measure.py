"""Measure subjects in turn, round after round, so that a drift of the machine's speed meets all of them alike."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks_perf.cpu import Account, open_account, pinned
from benchmarks_perf.drivers.protocol import PASSED, Sample
from benchmarks_perf.session import Session
from benchmarks_perf.subjects import Settings, Subject
from benchmarks_perf.workload import thinned, write

_PATIENCE_SECONDS, _PATIENCE_PER_SAMPLE = 300.0, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One subject, one workload, one round."""

    num_samples: int
    cpu_ms: float
    """CPU time per sample of the driver and all below it, warm, user and system."""
    wall_ms: float
    first_cpu_seconds: float
    """From the start of a fresh driver process to its first verdict: interpreter, imports, executor, one sample."""
    first_wall_seconds: float
    opening_cpu_seconds: float
    """The part of it that opens the executor and gives the verdict, without interpreter and imports."""
    idle_pss_bytes: int | None
    """What waits between programs beside the driver (jail and warm interpreter), before or after; None for peers."""
    tree_pss_bytes: int | None
    """The same with the driver."""
    statuses: tuple[str, ...]
    """One per sample, in the workload's order."""
    disagreements: tuple[str, ...]
    """task_ids, one per sample, where passing or not differs from what is known."""
    description: str
    cpu_source: str

    @property
    def samples_per_second(self) -> float:
        """Throughput of one slot."""
        return 1000.0 / self.wall_ms


def measure(subject: Subject, samples: Sequence[Sample], settings: Settings, core: int) -> Measurement:
    """Run one subject over its share of the samples, on one core.

    Raises:
        DriverFailed: it could not be started or did not finish.
    """
    kept = thinned(samples, subject.every)
    with stored_workload(kept) as path, pinned({core}), open_session(subject, path, kept, settings) as session:
        started = session.answer()
        session.request()
        opened = session.answer()
        before = session.memory()
        session.request()
        done = session.answer()
        after = session.memory()
        return Measurement(
            num_samples=len(kept),
            cpu_ms=1000 * done.cpu_seconds / len(kept),
            wall_ms=1000 * done.message["wall_seconds"] / len(kept),
            first_cpu_seconds=started.cpu_seconds + opened.cpu_seconds,
            first_wall_seconds=started.wall_seconds + opened.wall_seconds,
            opening_cpu_seconds=opened.cpu_seconds,
            idle_pss_bytes=_larger(before[0], after[0]) if subject.sandbox else None,
            tree_pss_bytes=_larger(before[1], after[1]),
            statuses=tuple(done.message["statuses"]),
            disagreements=disagreements(kept, done.message["statuses"]),
            description=opened.message["description"],
            cpu_source=session.cpu_source,
        )


def throughput(
    subject: Subject, samples: Sequence[Sample], settings: Settings, *, slots: int, cores: set[int]
) -> float:
    """Samples per second of so many drivers side by side, each with the whole workload, not pinned within `cores`.

    Raises:
        DriverFailed: one could not be started or did not finish.
    """
    with stored_workload(samples) as path, pinned(cores), ExitStack() as stack:
        sessions = [
            stack.enter_context(open_session(subject, path, samples, settings, name=str(slot))) for slot in range(slots)
        ]
        for session in sessions:
            session.answer()
            session.request()
            session.answer()
        begun = time.perf_counter()
        for session in sessions:
            session.request()
        for session in sessions:
            session.answer()
        return slots * len(samples) / (time.perf_counter() - begun)


@contextmanager
def stored_workload(samples: Sequence[Sample]) -> Iterator[Path]:
    """A file with these samples, readable by everybody, for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="codeassay-perf-") as folder:
        Path(folder).chmod(0o755)
        write(samples, Path(folder) / "workload.jsonl")
        yield Path(folder) / "workload.jsonl"


def open_session(
    subject: Subject, workload: Path, samples: Sequence[Sample], settings: Settings, *, name: str = "0"
) -> Session:
    """Start the driver of a subject in an account of its own."""
    account: Account = open_account(name, unified=settings.isolation != "full")
    patience = _PATIENCE_SECONDS + _PATIENCE_PER_SAMPLE * len(samples)
    return Session(subject.command(workload, settings), account, patience_seconds=patience)


def disagreements(samples: Sequence[Sample], statuses: Sequence[str]) -> tuple[str, ...]:
    """task_ids of the samples that passed where they are known to fail, or the other way round."""
    pairs = zip(samples, statuses, strict=True)
    return tuple(s["task_id"] for s, status in pairs if s["expected"] not in (None, status == PASSED))


def _larger(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else max(first, second)
