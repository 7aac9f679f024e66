"""The list of rows that were found to be wrong in published data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from benchmarks import known_faults as listed
from benchmarks.known_faults import LIST, fault_notes, known_faults
from benchmarks.registry import BENCHMARKS


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A list of two faults of one benchmark."""
    path = tmp_path / "faults.yaml"
    path.write_text(
        "toy:\n"
        "  - {fault: reference, why: its sum is off, tasks: [T/1, T/2, T/3, T/4, T/5]}\n"
        "  - {fault: tests, why: nothing is compared, tasks: [T/9]}\n"
        "toy:second:\n"
        "  - {fault: tests, why: it tests itself, tasks: [T/1]}\n"
    )
    monkeypatch.setattr(listed, "LIST", path)
    listed._read.cache_clear()
    yield
    listed._read.cache_clear()


def test_faults_are_known_by_benchmark_kind_and_task(faults: None) -> None:
    """What is wrong with tests is no fault of a reference; other benchmarks have none."""
    assert known_faults("toy", "", "tests") == {"T/9": "nothing is compared"}
    assert known_faults("toy", "", "reference").keys() == {f"T/{number}" for number in range(1, 6)}
    assert known_faults("other", "", "tests") == {}


def test_sets_that_number_their_problems_alike_have_their_own_faults(faults: None) -> None:
    """Beside what all sets have."""
    assert known_faults("toy", "second", "tests") == {"T/9": "nothing is compared", "T/1": "it tests itself"}
    assert known_faults("toy", "third", "tests") == {"T/9": "nothing is compared"}


def test_only_problems_of_a_run_are_noted(faults: None) -> None:
    """The sentence tells how many, why, and the first four."""
    assert list(fault_notes("toy", "", ["T/1", "T/9", "T/10"])) == [
        "1 of 3 problems have a wrong reference: its sum is off (T/1)",
        "1 of 3 problems have tests that a wrong answer passes: nothing is compared (T/9)",
    ]
    (note,) = fault_notes("toy", "", [f"T/{number}" for number in range(1, 6)])
    assert note.endswith("(T/1, T/2, T/3, T/4, ...)")
    assert list(fault_notes("toy", "", ["T/0"])) == []


def test_the_list_names_benchmarks_that_exist_and_each_task_once() -> None:
    """A name that no benchmark has would be a fault that nobody sees."""
    raw = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    assert {name.partition(":")[0] for name in raw} <= BENCHMARKS.keys()
    for name, entries in raw.items():
        counts = Counter((entry["fault"], task) for entry in entries for task in entry["tasks"])
        assert [key for key, count in counts.items() if count > 1] == [], name
