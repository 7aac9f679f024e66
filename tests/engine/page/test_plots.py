"""The plots of the page: their numbers, and what their SVG holds."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import Any
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest

from actors.parts import commit
from actors.samples import SAMPLE_SCHEMA
from benchmarks.problem import NOMINAL
from engine.asked import PROBLEM_SCHEMA, read_problems
from engine.compare import Comparison, Rules, compare, open_run
from engine.metrics import PlannedBenchmark, Timing, compute_metrics
from engine.page.figure import Figure
from engine.page.inputs import PageRun, open_page_run
from engine.page.plots import draw
from tests.engine.finished_runs import finished_run
from tests.engine.rows import sample_row, sample_table

pytestmark = pytest.mark.slow  # each draws plots, which takes a second

PASSED = {"a": 0, "b": 1, "c": 3, "d": 4}
RULES = Rules(resamples=500)
SVG = "{http://www.w3.org/2000/svg}"


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


def perturbed(folder: Path, rows: list[dict[str, Any]], metric: str = "pass") -> PageRun:
    """A run of two problems, four samples each, in a nominal form and one with renamed variables, of the given rows."""
    run_dir = finished_run(folder / "m", {"a": 4, "b": 4}, 4, name="m")
    for part in (run_dir / "samples").iterdir():
        part.unlink()
    commit(run_dir / "samples", rows, SAMPLE_SCHEMA)
    told = json.loads((run_dir / "run.json").read_text())
    entry = told["benchmarks"]["humaneval"]
    assert entry["planned"]["variant"] == NOMINAL
    plan = {**entry["planned"], "metrics": [metric]}
    told["benchmarks"] = {
        "humaneval": {**entry, "planned": plan},
        "humaneval/rename": {**entry, "planned": {**plan, "variant": "rename"}},
    }
    (run_dir / "run.json").write_text(json.dumps(told))
    planned = {
        name: PlannedBenchmark(
            metrics=(metric,), num_problems=2, num_samples=4, task_ids=("a", "b"), variant=each["planned"]["variant"]
        )
        for name, each in told["benchmarks"].items()
    }
    (run_dir / "metrics.json").write_text(compute_metrics(sample_table(rows), planned, [1]).to_json())
    return open_page_run(run_dir)


def both_forms(passed: int, **columns: Any) -> list[dict[str, Any]]:
    """Rows of which all pass in the nominal form, and so many of four in the other."""
    return [
        sample_row(
            task,
            "passed" if variant == NOMINAL or index < passed else "wrong_answer",
            sample_index=index,
            variant=variant,
            **columns,
        )
        for variant in (NOMINAL, "rename")
        for task in "ab"
        for index in range(4)
    ]


def tagged(folder: Path, tags: dict[str, list[str]], **options: Any) -> PageRun:
    """A run whose problems have the given tags in each benchmark."""
    run_dir = finished_run(folder, PASSED, 4, name=folder.name, **options)
    rows = [row | {"tags": tags[row["task_id"]]} for row in read_problems(run_dir).to_pylist()]
    pq.write_table(read_problems(run_dir).from_pylist(rows, schema=PROBLEM_SCHEMA), run_dir / "problems.parquet")
    return open_page_run(run_dir)


def texts(figure: Figure) -> list[str]:
    """What is written in a plot, without what appears under the pointer."""
    return ["".join(each.itertext()) for each in ElementTree.fromstring(figure.svg).iter(f"{SVG}text")]


def test_pass_at_k_is_the_share_of_draws_with_a_pass(tmp_path: Path) -> None:
    """Each k of 1 to n, against counting every way to draw k of the samples."""
    rows = figures([opened(tmp_path)])["pass-at-k"].rows
    for k in range(1, 5):
        draws = [
            any(each < passed for each in drawn) for passed in PASSED.values() for drawn in combinations(range(4), k)
        ]
        assert (*rows[k - 1][2:4], rows[k - 1][5]) == (str(k), f"{mean(draws):.3f}", "4")


def test_a_problem_short_of_samples_leaves_the_curve(tmp_path: Path) -> None:
    """At k = 4 only the three problems with four samples that count are averaged, and the table says so."""
    faults = [sample_row("a", "sandbox_error", sample_index=0)]
    run = opened(tmp_path, faults=faults)
    given = {name: replace(each, withheld="") for name, each in run.metrics.benchmarks.items()}
    rows = figures([replace(run, metrics=replace(run.metrics, benchmarks=given))])["pass-at-k"].rows
    assert [(row[3], row[5]) for row in rows[2:]] == [("0.688", "4"), ("1.000", "3")]


def test_a_run_that_is_not_in_the_first_panel_is_in_the_legend(tmp_path: Path) -> None:
    """The first benchmark of the second run is another."""
    runs = [opened(tmp_path, "first", benchmarks=("one",)), opened(tmp_path, "second", benchmarks=("two",))]
    shown = texts(figures(runs)["pass-at-k"])
    assert [text for text in shown if text in ("first", "second")] == ["first", "second"]


def test_more_benchmarks_than_panels_are_averaged_together(tmp_path: Path) -> None:
    """Seven benchmarks of the same four problems each are one curve over 28 problems."""
    names = tuple(f"bench{number}" for number in range(7))
    rows = figures([opened(tmp_path, benchmarks=names)])["pass-at-k"].rows
    assert {row[0] for row in rows} == {"7 benchmarks together"}
    assert (rows[0][3], rows[0][5]) == ("0.500", "28")


def test_of_many_benchmarks_those_of_the_last_run_are_averaged(tmp_path: Path) -> None:
    """No run has all seven; only the last has the three that it asked."""
    names = tuple(f"bench{number}" for number in range(7))
    runs = [opened(tmp_path, "one", benchmarks=names[:6]), opened(tmp_path, "two", benchmarks=names[4:])]
    rows = figures(runs)["pass-at-k"].rows
    assert {row[:2] for row in rows} == {("3 benchmarks together", "two")}


def test_scores_stand_at_their_training_steps(tmp_path: Path) -> None:
    """One row per checkpoint, in order."""
    runs, comparisons = pair(tmp_path)
    rows = figures(runs, comparisons)["score-by-step"].rows
    assert [(row[0], row[2], row[4]) for row in rows] == [("humaneval", "1", "0.500"), ("humaneval", "2", "0.500")]


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


def test_a_comparison_with_a_run_that_is_not_shown_has_no_flips(tmp_path: Path) -> None:
    """Its difference is told all the same."""
    runs, comparisons = pair(tmp_path)
    drawn = figures(runs[1:], comparisons)
    assert "forest" in drawn
    assert "flips" not in drawn


def test_tags_have_the_mean_of_their_problems(tmp_path: Path) -> None:
    """A problem counts for each of its tags."""
    run = tagged(tmp_path / "m", {"a": ["all", "hard"], "b": ["all", "hard"], "c": ["all"], "d": ["all"]})
    assert figures([run])["tags"].rows == (("humaneval", "all", "4", "0.500"), ("humaneval", "hard", "2", "0.125"))


def test_the_same_tag_of_two_benchmarks_is_two_lines(tmp_path: Path) -> None:
    """Problems of different benchmarks are not mixed."""
    run = tagged(tmp_path / "m", {task: ["easy"] for task in PASSED}, benchmarks=("one", "two"))
    assert [row[:3] for row in figures([run])["tags"].rows] == [("one", "easy", "4"), ("two", "easy", "4")]


def test_robustness_is_the_paired_difference_to_the_nominal_form(tmp_path: Path) -> None:
    """Of a perturbed benchmark in which half of what passed fails."""
    rows = figures([perturbed(tmp_path, both_forms(passed=2))])["robustness"].rows
    assert (rows[0][:3], rows[0][4]) == (("m", "humaneval/rename", "-0.500"), "2")


def test_robustness_takes_scores_of_parts_of_the_tests(tmp_path: Path) -> None:
    """A benchmark judged by `base_pass` alone has no `pass`."""
    rows = [row | {"scores": [("base_pass", row["score"])]} for row in both_forms(passed=1)]
    (row,) = figures([perturbed(tmp_path, rows, "base_pass")])["robustness"].rows
    assert row[2] == "-0.750"


def test_robustness_of_a_withheld_benchmark_is_not_drawn(tmp_path: Path) -> None:
    """Where the nominal form says nothing, neither does a difference to it."""
    rows = both_forms(passed=2)
    rows[0] = sample_row("a", "sandbox_error", sample_index=0)
    run = perturbed(tmp_path, rows)
    assert run.metrics.benchmarks["humaneval"].withheld
    assert "robustness" not in figures([run])


def test_latency_has_the_percentiles_of_all_completions(tmp_path: Path) -> None:
    """Sixteen completions of 2 s, of which the first token came after half a second."""
    rows = figures([opened(tmp_path)])["latency"].rows
    assert rows == (
        ("time to first token", "m--step-1", "16", "0.5", "0.5", "0.5"),
        ("end to end", "m--step-1", "16", "2", "2", "2"),
    )


def test_close_latencies_have_plain_numbers_on_their_axis(tmp_path: Path) -> None:
    """No formula stands where a tick is labelled."""
    faults = [
        sample_row("a", "wrong_answer", sample_index=index, generation_seconds=2.0 + 0.1 * index) for index in range(4)
    ]
    shown = texts(figures([opened(tmp_path, passed={"a": 0}, faults=faults)])["latency"])
    assert not [text for text in shown if "$" in text or "math" in text]


def test_completions_that_took_no_time_have_no_latency_plot(tmp_path: Path) -> None:
    """Nothing positive can stand on a logarithmic axis."""
    start = 1_699_999_990.0
    times = {"generation_seconds": 0.0, "ttft_seconds": 0.0, "execution_started_at": start, "finished_at": start}
    faults = [sample_row("a", "wrong_answer", sample_index=0, **times)]
    assert figures([opened(tmp_path, passed={"a": 0}, n=1, faults=faults)]).keys() == {"statuses"}


def test_percentiles_are_of_all_completions_however_few_are_drawn(tmp_path: Path) -> None:
    """The percentiles of 1 to 1,000 seconds."""
    faults = [
        sample_row("a", "wrong_answer", sample_index=index, generation_seconds=1.0 + index) for index in range(1000)
    ]
    figure = figures([opened(tmp_path, passed={"a": 0}, n=1000, faults=faults)])["latency"]
    assert figure.rows[1][2:] == ("1,000", "500", "900", "990")


def test_busy_shares_are_what_the_idle_shares_of_the_run_leave(tmp_path: Path) -> None:
    """Two sessions a day apart, a wait of minutes within the first: it is idle time, the pause is not."""
    begin = (0.0, 200.0, 86_400.0, 86_420.0)
    rows = [
        sample_row(
            "a",
            "wrong_answer",
            sample_index=index,
            generation_started_at=1.7e9 + start,
            generation_seconds=20.0,
            execution_started_at=1.7e9 + start + 20.0,
            finished_at=1.7e9 + start + 30.0,
            replica=f"node:{index % 2}",
        )
        for index, start in enumerate(begin)
    ]
    run = opened(tmp_path, passed={"a": 0}, faults=rows)
    sessions = ((1.7e9 - 5, 1.7e9 + 300), (1.7e9 + 86_390, None))
    noted = [{"started_at": start, "finished_at": end} for start, end in sessions]
    run = replace(run, run={**run.run, "sessions": noted})
    serving = compute_metrics(run.rows, run.planned, [1], timing=Timing(sessions=sessions)).serving
    assert serving is not None
    drawn = figures([run])["timeline"].rows
    assert drawn[-1][2] == "280.0"
    idle = (serving.throughput.generation_idle_share, serving.throughput.execution_idle_share)
    for column, share in zip((5, 6), idle, strict=True):
        assert share is not None
        assert mean(float(row[column]) for row in drawn) == pytest.approx(1 - share, abs=0.005)


def test_the_timeline_has_room_for_the_fastest_run(tmp_path: Path) -> None:
    """Runs share their scale: 20 tokens in 2 s of the first, 20,000 in 2 s of the second."""
    fast = [sample_row("a", "wrong_answer", sample_index=0, completion_tokens=20_000)]
    runs = [opened(tmp_path, "slow", {"a": 0}, 1), opened(tmp_path, "fast", {"a": 0}, 1, faults=fast)]
    ticks = [float(text) for text in texts(figures(runs)["timeline"]) if re.fullmatch(r"\d+", text)]
    assert max(ticks) == 10_000


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


def test_parts_tell_their_numbers_under_the_pointer(tmp_path: Path) -> None:
    """A bar tells its share, each marker of a curve its value, and a point of the forest its interval."""
    runs, comparisons = pair(tmp_path)
    drawn = figures(runs, comparisons)
    told = {
        key: [title.text or "" for title in ElementTree.fromstring(figure.svg).iter(f"{SVG}title")]
        for key, figure in drawn.items()
    }
    assert "m--step-1 · humaneval: 8 of 16 passed (50.0%)" in told["statuses"]
    assert sum(text.startswith("m--step-2: pass@") for text in told["pass-at-k"]) == 4
    assert [text.partition(": ")[2][:6] for text in told["forest"]] == ["+0.000"]


def test_series_without_room_are_told(tmp_path: Path) -> None:
    """Of nine runs the last seven are told apart, and the last three have a timeline."""
    drawn = figures([opened(tmp_path, f"run{number}", step=number) for number in range(9)])
    assert "Of 9 runs the last 7 are drawn." in drawn["pass-at-k"].caption
    assert "Of 9 runs the last 7 are drawn." in drawn["latency"].caption
    assert "Of 9 runs the last 3" in drawn["timeline"].caption
    assert {row[1] for row in drawn["pass-at-k"].rows} == {f"run{number}" for number in range(2, 9)}


def test_characters_that_xml_has_not_leave_the_plot_whole(tmp_path: Path) -> None:
    """Control characters and lone surrogates in names."""
    run = replace(opened(tmp_path, step=1), name="x\x00\x01\ud800y\u2028z")
    drawn = figures([run])
    assert {ElementTree.fromstring(figure.svg.encode()).tag for figure in drawn.values()} == {f"{SVG}svg"}


def test_benchmarks_that_have_no_metrics_are_left_out(tmp_path: Path) -> None:
    """As of a run that ended before they were computed."""
    run = opened(tmp_path)
    assert figures([replace(run, metrics=replace(run.metrics, benchmarks={}))]).keys() == {"latency", "timeline"}


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
