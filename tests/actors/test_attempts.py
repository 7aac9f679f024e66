from __future__ import annotations

import os
from pathlib import Path

import pytest

from actors.attempts import MAX_IN_VAIN, Attempts, TooManyAttempts
from tests.actors.fakes import run_directory


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return run_directory(tmp_path)


def _open(run_dir: Path, times: int, replicas: int = 1) -> None:
    for _ in range(times):
        Attempts(run_dir).begin(replicas)


def test_openings_without_a_completion_come_to_an_end(run_dir: Path) -> None:
    """After so many openings in vain the next one is refused, with the last reason that was noted."""
    _open(run_dir, MAX_IN_VAIN)
    Attempts(run_dir).died("EngineDeadError: out of memory")
    with pytest.raises(TooManyAttempts, match=r"3 times.*out of memory"):
        Attempts(run_dir).begin(1)


def test_a_death_without_words_is_told_as_one(run_dir: Path) -> None:
    """Where no reason was noted (a kill by the system), the message says what is most likely."""
    _open(run_dir, MAX_IN_VAIN)
    with pytest.raises(TooManyAttempts, match="ran out of memory"):
        Attempts(run_dir).begin(1)


def test_each_replica_has_openings_of_its_own(run_dir: Path) -> None:
    """Two replicas may open twice as often."""
    _open(run_dir, 2 * MAX_IN_VAIN, replicas=2)
    with pytest.raises(TooManyAttempts):
        Attempts(run_dir).begin(2)


def test_a_completion_in_between_counts_anew(run_dir: Path) -> None:
    """An engine that dies now and then, but works in between, goes on."""
    _open(run_dir, MAX_IN_VAIN)
    part = run_dir / "generations" / "part-1.parquet"
    part.touch()
    later = max(note.stat().st_mtime_ns for note in (run_dir / "attempts").iterdir()) + 1_000_000
    os.utime(part, ns=(later, later))
    _open(run_dir, 1)


def test_a_new_attempt_at_the_run_starts_from_nothing(run_dir: Path) -> None:
    """Running again after the cause was mended is not refused."""
    _open(run_dir, MAX_IN_VAIN)
    Attempts(run_dir).clear()
    _open(run_dir, MAX_IN_VAIN)
