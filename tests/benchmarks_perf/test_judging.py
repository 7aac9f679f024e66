"""Comparing several judgings of the same samples."""

from __future__ import annotations

from benchmarks_perf.drivers.protocol import Sample
from benchmarks_perf.judging import Judging, differences, failures, flips
from benchmarks_perf.verdicts import wrongs
from runners.program import Status, Verdict

SAMPLES = [
    Sample(task_id=name, prompt="", completion="", test="", entry_point="", expected=None) for name in ("A", "B", "C")
]


def judging(*statuses: str) -> Judging:
    verdicts = tuple(Verdict(status=Status(status), error=f"why {status}") for status in statuses)
    return Judging(verdicts=verdicts, busy_loops=8, wall_seconds=1.0, load_average=(0.0, 8.0))


def test_sample_that_did_not_pass_is_a_failure() -> None:
    """With its place, its status and the reason."""
    (row,) = failures(SAMPLES, judging("passed", "timeout", "passed"))
    assert row == {"index": 1, "task_id": "B", "status": "timeout", "error": "why timeout"}


def test_flip_is_any_change_of_status() -> None:
    """Between two failures too, which is told apart from a change of passing."""
    rows = flips(SAMPLES, [judging("passed", "timeout", "passed"), judging("passed", "wrong_answer", "timeout")])
    assert [(row["task_id"], row["passes_differ"]) for row in rows] == [("B", False), ("C", True)]


def test_no_flip_where_all_judgings_agree() -> None:
    """Three times the same is no flip."""
    assert flips(SAMPLES, [judging("passed", "timeout", "wrong_answer")] * 3) == []


def test_known_verdicts_are_compared_in_their_words() -> None:
    """Every failure of ours is `failed` there, but a timeout; the unknown differs from nothing."""
    ours = [judging("runtime_error", "wrong_answer", "passed")]
    assert differences(SAMPLES, ["failed", "timeout", None], ours) == [
        {"index": 1, "task_id": "B", "known": "timeout", "statuses": ["wrong_answer"], "passes_differ": False}
    ]
    assert differences(SAMPLES, ["passed", "failed", "failed"], ours)[0]["passes_differ"]


def test_wrong_is_what_must_not_be() -> None:
    """A canonical failure, a flip and a pass unlike the known one are wrong; a timeout that fails otherwise is not."""
    fine = {
        "canonical": {"judgings": [{"busy_loops": 0}], "failures": [[]]},
        "model": {"flips": [], "differences": [{"passes_differ": False}]},
    }
    assert wrongs(fine) == []
    bad = {
        "canonical": {"judgings": [{"busy_loops": 0}, {"busy_loops": 8}], "failures": [[], [{}]]},
        "model": {"flips": [{}], "differences": [{"passes_differ": True}]},
    }
    assert len(wrongs(bad)) == 3
