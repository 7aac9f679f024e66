"""Comparing finished runs: what is paired, what is refused, and what is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.compare import Comparison, Rules, compare, open_run
from engine.compare_view import as_data, render
from engine.report import to_text
from engine.run_names import find_run
from runners.errors import UserError
from tests.engine.finished_runs import IDENTITY, finished_run
from tests.engine.rows import sample_row

TASKS = [f"t{number:02}" for number in range(40)]
WEAK = dict.fromkeys(TASKS, 1)
STRONG = {task: 4 if number % 4 else 1 for number, task in enumerate(TASKS)}
RULES = Rules(resamples=2000)


def compared(folder: Path, rules: Rules = RULES, *, base: Any = None, candidate: Any = None) -> Comparison:
    """A weak base and a strong candidate, five samples each, with other settings where given."""
    runs = [
        finished_run(folder / name, **{"passed": passed, "num_samples": 5, "name": name, **(own or {})})
        for name, passed, own in (("base", WEAK, base), ("candidate", STRONG, candidate))
    ]
    there, here = map(open_run, runs)
    return compare(there, here, rules)


def test_a_better_candidate_is_called_better(tmp_path: Path) -> None:
    """Thirty of forty problems rise from 1 of 5 to 4 of 5: the difference, its interval and the problems won."""
    (found,) = compared(tmp_path).compared
    assert (found.base, found.candidate) == pytest.approx((0.2, 0.65))
    assert found.difference.mean == pytest.approx(0.45)
    assert found.difference.interval.low > 0.3
    assert found.verdict == "better"
    assert (len(found.won), found.lost) == (30, ())
    assert found.won[0] == "t01"


def test_the_other_way_round_it_is_worse(tmp_path: Path) -> None:
    """Sign, flips and verdict turn over."""
    (found,) = compared(tmp_path, base={"passed": STRONG}, candidate={"passed": WEAK}).compared
    assert found.difference.mean == pytest.approx(-0.45)
    assert (found.verdict, found.won, len(found.lost)) == ("worse", (), 30)


def test_few_problems_decide_nothing_and_tell_how_many_would(tmp_path: Path) -> None:
    """Six problems, one of which changed: the verdict is inconclusive, with the number that would decide."""
    passed = dict.fromkeys(TASKS[:6], 0)
    (found,) = compared(tmp_path, base={"passed": passed}, candidate={"passed": passed | {"t00": 5}}).compared
    assert found.verdict == "inconclusive"
    assert found.detectable > RULES.margin
    assert found.problems_to_decide > 6


def test_other_numbers_of_samples_can_be_compared(tmp_path: Path) -> None:
    """pass@1 does not depend on n; where one run has one sample only, values are still paired by problem."""
    (found,) = compared(tmp_path, candidate={"passed": dict.fromkeys(TASKS, 1), "num_samples": 1}).compared
    assert found.num_samples == (5, 1)
    assert (found.base, found.candidate) == pytest.approx((0.2, 1.0))


def test_another_metric_can_be_asked_for(tmp_path: Path) -> None:
    """pass@5 of problems that pass at least once is 1 on both sides."""
    (found,) = compared(tmp_path, Rules(metric="pass_at_5", resamples=2000)).compared
    assert (found.metric, found.base, found.candidate) == ("pass_at_5", 1.0, 1.0)
    with pytest.raises(UserError, match="no problem has pass_at_6 in both runs"):
        compared(tmp_path / "again", Rules(metric="pass_at_6"))


def test_p_values_are_adjusted_over_benchmarks(tmp_path: Path) -> None:
    """Two benchmarks with the same rows: each p-value is doubled."""
    both = {"benchmarks": ("humaneval", "mbpp")}
    first, second = compared(tmp_path, base=both, candidate=both).compared
    assert first.p_adjusted == second.p_adjusted == pytest.approx(2 * first.difference.p_value)


def test_benchmarks_of_one_run_only_are_named(tmp_path: Path) -> None:
    """What both have is compared; the rest is told, not dropped."""
    found = compared(tmp_path, candidate={"benchmarks": ("mbpp", "humaneval")})
    assert [each.benchmark for each in found.compared] == ["humaneval"]
    assert found.left_out == ("mbpp",)
    with pytest.raises(UserError, match="no benchmark in common"):
        compared(tmp_path / "again", candidate={"benchmarks": ("mbpp",)})


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"prompt": "q"}, r"benchmarks.humaneval.prompt: p there, q here"),
        ({"passed": dict.fromkeys(TASKS[:9], 1)}, r"benchmarks.humaneval.problems: 40 \(\w+\) there, 9 \(\w+\) here"),
        (
            {"generation": IDENTITY["generation"] | {"max_tokens": 64}},
            r"generation.max_tokens: 512 there, 64 here.*--allow generation.max_tokens",
        ),
        ({"model": {"digest": "d", "form": "chat"}}, r"model.form: base there, chat here"),
        ({"options": {"split": "all"}}, r"benchmarks.humaneval.split: None there, all here"),
    ],
    ids=["prompts", "problems", "limits", "form", "options"],
)
def test_what_was_not_asked_alike_is_refused(tmp_path: Path, other: dict[str, Any], words: str) -> None:
    """The message names what differs, both values, and the way to compare all the same."""
    with pytest.raises(UserError, match=words):
        compared(tmp_path, candidate=other)


def test_what_may_differ_can_be_named(tmp_path: Path) -> None:
    """A named setting, or all below it; other weights, seeds and sample counts need no naming."""
    assert compared(
        tmp_path / "dtype", candidate={"model": {"digest": "e", "form": "base", "dtype": "float16"}}
    ).compared
    other = {"generation": {"n": 7, "temperature": 0.2, "max_tokens": 64, "seed": 2}, "prompt": "q"}
    allowed = Rules(resamples=2000, allow=("generation", "benchmarks.humaneval.prompt"))
    assert compared(tmp_path, allowed, candidate=other).compared


def test_problems_that_share_a_source_are_drawn_together(tmp_path: Path) -> None:
    """Forty problems of four sources are four clusters: the interval is wider than that of forty problems."""
    (alone,) = compared(tmp_path / "alone").compared
    clusters = {task: f"source {number // 10}" for number, task in enumerate(TASKS)}
    passed = {task: 4 if number >= 10 else 1 for number, task in enumerate(TASKS)}
    (found,) = compared(tmp_path, base={"clusters": clusters}, candidate={"passed": passed}).compared
    assert (alone.difference.num_clusters, found.difference.num_clusters) == (40, 4)
    widths = [each.difference.interval.high - each.difference.interval.low for each in (alone, found)]
    assert widths[1] > 2 * widths[0]


def test_scores_outside_their_range_are_refused(tmp_path: Path) -> None:
    """The message names benchmark, score and problem."""
    with pytest.raises(UserError, match=r"humaneval: bleu of t00 is outside \[0, 1\]"):
        compared(tmp_path, Rules(metric="bleu"), base={"extra": {"bleu": 31.5}}, candidate={"extra": {"bleu": 0.5}})


def test_faults_of_ours_keep_the_verdict_from_being_given(tmp_path: Path) -> None:
    """Where too many samples of either run say nothing of its model there is no verdict, and why is told."""
    faults = [sample_row(task, "sandbox_error", sample_index=0) for task in TASKS]
    found = compared(tmp_path, candidate={"faults": faults})
    (each,) = found.compared
    assert (each.verdict, each.difference.mean > 0.3) == ("inconclusive", True)
    assert each.why.startswith("candidate: ")
    assert "no verdict" in to_text(render(found), width=120)


def test_a_run_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    """It names the command that completes it; a folder without a run is told as such."""
    run_dir = finished_run(tmp_path / "run", WEAK, 5, status="incomplete")
    with pytest.raises(UserError, match=r"run is incomplete; run its command again.*codeassay run s"):
        open_run(run_dir)
    with pytest.raises(UserError, match="no run"):
        open_run(tmp_path)


def test_runs_are_found_by_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By directory, by the checkpoint's name or by its path; an unknown name shows near ones."""
    monkeypatch.setenv("CODEASSAY_RUNS", str(tmp_path / "runs"))
    with pytest.raises(UserError, match="none yet"):
        find_run("m--step-7")
    run_dir = finished_run(tmp_path / "runs" / "a" / "s-1", WEAK, 5)
    (tmp_path / "runs" / "run.json").write_text("damaged")
    (tmp_path / "runs" / "samples").mkdir()
    assert find_run(str(run_dir)) == find_run("m--step-7") == find_run("/m/m--step-7") == run_dir
    with pytest.raises(UserError, match=r"m--step-8: neither.*m--step-7"):
        find_run("m--step-8")


@pytest.mark.slow
def test_runs_are_found_by_their_id_in_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the directory that it was pushed from; one that is unknown, or of which nothing is left, is told."""
    from mlflow import MlflowClient

    monkeypatch.setenv("CODEASSAY_RUNS", str(tmp_path / "runs"))
    run_dir = finished_run(tmp_path / "runs" / "a" / "s-1", WEAK, 5)
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    ids = [
        client.create_run("0", tags={"codeassay.run_dir": str(path)}).info.run_id for path in (run_dir, tmp_path / "b")
    ]
    assert find_run(ids[0]) == run_dir
    with pytest.raises(UserError, match="MLflow does not hold all of it"):
        find_run(ids[1])
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI"):
        find_run("0" * 32)


def test_the_table_tells_both_values_the_difference_and_the_verdict(tmp_path: Path) -> None:
    """One row per benchmark, the problems won by name, and what serving took in both."""
    text = to_text(render(compared(tmp_path)), width=120)
    assert "candidate against base" in text
    assert all(word in text for word in ("0.200", "0.650", "+.450", "30/0", "better", "won: t01, t02", "E2E p50"))
    assert max(map(len, to_text(render(compared(tmp_path / "again")), width=80).splitlines())) <= 80


def test_all_of_it_is_plain_data(tmp_path: Path) -> None:
    """What --json prints holds every flip."""
    data = json.loads(json.dumps(as_data(compared(tmp_path))))
    assert len(data["compared"][0]["won"]) == 30
    assert data["compared"][0]["difference"]["interval"]["low"] > 0
    assert data["costs"]["E2E p50"]["base"] == 2.0
