"""The plots of the page: their numbers, and what their SVG holds."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import Any

import pyarrow.parquet as pq

from benchmarks.problem import NOMINAL
from engine.asked import PROBLEM_SCHEMA, read_problems
from engine.compare import Comparison, Rules, compare, open_run
from engine.page.figure import Figure
from engine.page.inputs import PageRun, open_page_run
from engine.page.plots import draw
from tests.engine.finished_runs import finished_run
from tests.engine.rows import sample_row

PASSED = {"a": 0, "b": 1, "c": 3, "d": 4}
RULES = Rules(resamples=500)


def opened(
    folder: Path, name: str = "m--step-1", passed: dict[str, int] | None = None, n: int = 4, **options: Any
) -> PageRun:
    """A run of four problems."""
    return open_page_run(finished_run(folder / name, passed or PASSED, n, name=name, **options))


def figures(runs: list[PageRun], comparisons: list[Comparison] | None = None) -> dict[str, Figure]:
    """By key."""
    return {figure.key: figure for figure in draw(runs, comparisons or [])}


def pair(folder: Path) -> tuple[list[PageRun], list[Comparison]]:
    """Two checkpoints of which the second won `b` and lost `c`."""
    runs = [opened(folder, "m--step-1", step=1), opened(folder, "m--step-2", {**PASSED, "b": 4, "c": 0}, step=2)]
    return runs, [compare(open_run(runs[0].run_dir), open_run(runs[1].run_dir), RULES)]


def test_pass_at_k_is_the_share_of_draws_with_a_pass(tmp_path: Path) -> None:
    """Each k of 1 to n, against counting every way to draw k of the samples."""
    rows = figures([opened(tmp_path)])["pass-at-k"].rows
    for k in range(1, 5):
        draws = [
            any(each < passed for each in drawn) for passed in PASSED.values() for drawn in combinations(range(4), k)
        ]
        assert rows[k - 1][2:4] == (str(k), f"{mean(draws):.3f}")


def test_scores_stand_at_their_training_steps(tmp_path: Path) -> None:
    """One row per checkpoint, in order."""
    runs, comparisons = pair(tmp_path)
    rows = figures(runs, comparisons)["score-by-step"].rows
    assert [(row[0], row[1], row[3]) for row in rows] == [("humaneval", "1", "0.500"), ("humaneval", "2", "0.500")]


def test_differences_and_flips_are_those_of_the_comparison(tmp_path: Path) -> None:
    """One won, one lost, one solved by both, one by neither."""
    runs, comparisons = pair(tmp_path)
    drawn = figures(runs, comparisons)
    (row,) = drawn["forest"].rows
    assert (row[0], row[1], row[3]) == ("m--step-2", "m--step-1", "+0.000")
    assert drawn["flips"].rows == (("m--step-2", "m--step-1", "humaneval", "1", "1", "1", "1"),)


def test_every_planned_sample_has_its_status_drawn(tmp_path: Path) -> None:
    """Faults of ours too."""
    figure = figures([opened(tmp_path, faults=[sample_row("a", "sandbox_error", sample_index=0)])])["statuses"]
    assert dict(zip(figure.columns, figure.rows[0], strict=True)) == {
        "checkpoint": "m--step-1",
        "benchmark": "humaneval",
        "passed": "8",
        "wrong_answer": "7",
        "sandbox_error": "1",
    }


def test_tags_have_the_mean_of_their_problems(tmp_path: Path) -> None:
    """A problem counts for each of its tags."""
    run_dir = finished_run(tmp_path / "m", PASSED, 4, name="m")
    rows = read_problems(run_dir).to_pylist()
    for row in rows:
        row["tags"] = ["all", "hard"] if row["task_id"] in "ab" else ["all"]
    pq.write_table(read_problems(run_dir).from_pylist(rows, schema=PROBLEM_SCHEMA), run_dir / "problems.parquet")
    assert figures([open_page_run(run_dir)])["tags"].rows == (("all", "4", "0.500"), ("hard", "2", "0.125"))


def test_robustness_is_the_paired_difference_to_the_nominal_form(tmp_path: Path) -> None:
    """Of a perturbed benchmark in which half of what passed fails."""
    run_dir = finished_run(tmp_path / "m", {"a": 4, "b": 4}, 4, name="m")
    rows = [
        sample_row(task, "passed" if index < 2 else "wrong_answer", sample_index=index, variant="rename")
        for task in "ab"
        for index in range(4)
    ]
    from actors.parts import commit
    from actors.samples import SAMPLE_SCHEMA

    commit(run_dir / "samples", rows, SAMPLE_SCHEMA)
    told = json.loads((run_dir / "run.json").read_text())
    entry = told["benchmarks"]["humaneval"]
    told["benchmarks"]["humaneval/rename"] = {**entry, "planned": {**entry["planned"], "variant": "rename"}}
    (run_dir / "run.json").write_text(json.dumps(told))
    assert entry["planned"]["variant"] == NOMINAL
    assert figures([open_page_run(run_dir)])["robustness"].rows[0][:3] == ("m", "humaneval/rename", "-0.500")


def test_latency_has_the_percentiles_of_all_completions(tmp_path: Path) -> None:
    """Sixteen completions of 2 s, of which the first token came after half a second."""
    rows = figures([opened(tmp_path)])["latency"].rows
    assert rows == (
        ("time to first token", "m--step-1", "16", "0.5", "0.5", "0.5"),
        ("end to end", "m--step-1", "16", "2", "2", "2"),
    )


def test_the_timeline_holds_all_tokens_and_cuts_pauses_out(tmp_path: Path) -> None:
    """Two requests of 20 tokens in 2 s, a day apart, are 40 tokens in 4 s of a busy replica."""
    late = {"generation_started_at": 1_700_086_390.0, "execution_started_at": None, "finished_at": 1_700_086_400.0}
    early = late | {"generation_started_at": 1_699_999_990.0}
    faults = [
        sample_row("a", "wrong_answer", sample_index=0, **early),
        sample_row("b", "wrong_answer", sample_index=0, **late),
    ]
    figure = figures([opened(tmp_path, passed={"a": 0, "b": 0}, n=1, faults=faults)])["timeline"]
    assert figure.rows[-1][2] == "4.0"
    assert {row[3] for row in figure.rows} == {"10"}
    assert {row[5] for row in figure.rows} == {"1.00"}


def test_what_has_nothing_to_draw_is_left_out(tmp_path: Path) -> None:
    """One sample per problem, one run, no tags: no curve over k, no steps, no differences, no heat map."""
    drawn = figures([opened(tmp_path, passed=dict.fromkeys("abcd", 1), n=1)])
    assert not {"pass-at-k", "score-by-step", "forest", "flips", "tags", "robustness"} & drawn.keys()
    assert "statuses" in drawn


def test_a_withheld_benchmark_draws_no_score(tmp_path: Path) -> None:
    """Its statuses are all that is shown of it."""
    faults = [sample_row(task, "sandbox_error", sample_index=0) for task in PASSED]
    drawn = figures([opened(tmp_path, faults=faults)])
    assert "pass-at-k" not in drawn
    assert "statuses" in drawn


def test_the_svg_follows_the_page_and_holds_nothing_else(tmp_path: Path) -> None:
    """Colours are variables; no style, script, event, fixed size or reference outside; ids differ between figures."""
    runs, comparisons = pair(tmp_path)
    drawn = figures(runs, comparisons)
    svgs = {key: figure.svg for key, figure in drawn.items()}
    text = "".join(svgs.values())
    assert "var(--s0)" in text
    assert "var(--muted)" in text
    assert not re.search(r'<style|<script|style="|\son\w+="|<svg[^>]* width=|#0[0-9a-f]{5}\b', text)
    assert set(re.findall(r'https?://[^"\s]+', text)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    ids = [each for svg in svgs.values() for each in set(re.findall(r'\bid="([^"]+)"', svg))]
    assert len(ids) == len(set(ids))
    for svg in svgs.values():
        own = set(re.findall(r'\bid="([^"]+)"', svg))
        assert set(re.findall(r'(?:href="|url\()#([^")]+)', svg)) <= own


def test_names_are_escaped_and_shortened(tmp_path: Path) -> None:
    """Markup, formulas and very long names are texts."""
    drawn = figures([opened(tmp_path, "<script>$x$&" + "y" * 90), opened(tmp_path, "b")])
    assert "<script>" not in drawn["statuses"].svg
    assert "&lt;script&gt;$x$" in drawn["statuses"].svg
    assert "y" * 60 not in drawn["statuses"].svg


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    """Nothing of a plot is left to chance or to the clock."""
    runs, comparisons = pair(tmp_path)
    assert figures(runs, comparisons) == figures(runs, comparisons)
