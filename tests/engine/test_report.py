from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from engine.metrics import Estimate, Metrics, PlannedBenchmark, compute_metrics
from engine.report import RunSummary, format_estimate, render_comparison, render_run, to_text
from tests.engine.rows import grid, sample_row, sample_table

LABELS = ("humaneval_plus", "mbpp_plus", "livecodebench", "crux_execution")


def metrics_of(labels: tuple[str, ...] = ("humaneval",), faults: int = 0, **columns: Any) -> Metrics:
    """Metrics of 40 problems x 4 samples per label, the first `faults` samples of the first label being ours."""
    rows = [row for label in labels for row in grid({f"t{i}": i % 5 for i in range(40)}, 4, benchmark=label, **columns)]
    for index in range(faults):
        rows[index] = sample_row(rows[index]["task_id"], "sandbox_error", benchmark=labels[0], sample_index=index)
    planned = {label: PlannedBenchmark(metrics=("pass",), num_problems=40, num_samples=4) for label in labels}
    return compute_metrics(sample_table(rows), planned, [1, 4])


def summary(metrics: Metrics, **fields: Any) -> RunSummary:
    defaults: dict[str, Any] = {
        "model": "step-12000",
        "suite": "standard",
        "run_dir": Path("runs/m/standard-7f3c21"),
        "isolation": "full",
        "status": "complete",
        "command": "codeassay run standard --model m",
    }
    return RunSummary(metrics=metrics, **(defaults | fields))


def test_an_estimate_is_a_value_with_its_interval() -> None:
    """The interval drops leading zeros, and only those."""
    assert format_estimate(Estimate(value=0.713, ci_low=0.648, ci_high=0.771, num_problems=9)) == "0.713 [.648, .771]"
    assert format_estimate(Estimate(value=1.0, ci_low=0.0, ci_high=1.0, num_problems=9)) == "1.000 [.000, 1.000]"


def test_a_run_shows_its_numbers_its_outcomes_and_what_to_type() -> None:
    """pass@1 with interval, pass@4, statuses, isolation, judge and the command to repeat the run are all there."""
    metrics = metrics_of()
    text = to_text(render_run(summary(metrics)))
    estimates = metrics.benchmarks["humaneval"].estimates
    assert format_estimate(estimates["pass_at_1"]) in text
    assert f"{estimates['pass_at_4'].value:.3f}" in text
    for fragment in ("passed 80, wrong_answer 80", "isolation         full", "judge             split", "0 of 160"):
        assert fragment in text
    assert "codeassay run standard --model m" in text
    assert "overall" not in text


def test_a_withheld_benchmark_shows_why_and_no_number() -> None:
    """Where too many samples are lost, the cell says withheld, the reason stands below, and overall is withheld too."""
    text = to_text(render_run(summary(metrics_of(LABELS[:2], faults=3))), width=200)
    row = next(line for line in text.splitlines() if line.startswith("humaneval_plus "))
    assert "withheld" in row
    assert "[" not in row
    assert "infrastructure errors 1.9% (sandbox_error 3) are above 0.5%" in text
    assert "withheld" in next(line for line in text.splitlines() if line.startswith("overall"))


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """At 80 and at 120 columns, four benchmarks and three checkpoints stay inside, no cell is cut."""
    runs = [summary(metrics_of(LABELS), model=f"step-{step}", step=step) for step in (10_000, 11_000, 12_000)]
    for renderable in (render_run(runs[0]), render_comparison(runs)):
        text = to_text(renderable, width)
        assert max(len(line) for line in text.splitlines()) <= width
        assert "…" not in text
        assert all(label in text for label in LABELS)


def test_a_wide_terminal_shows_every_interval() -> None:
    """At 80 columns only pass@1 has its interval, at 120 pass@4 has one too."""
    run = render_run(summary(metrics_of()))
    assert to_text(run, 80).count("[.") == 1
    assert to_text(run, 120).count("[.") == 2


def test_a_comparison_has_a_row_per_checkpoint() -> None:
    """Each run is one row with its own numbers; a benchmark that a run lacks says so, a withheld one too."""
    whole, part = metrics_of(LABELS[:2]), metrics_of(LABELS[1:2], faults=3)
    text = to_text(render_comparison([summary(whole, model="a"), summary(part, model="b")]), 120)
    row_a, row_b = (next(line for line in text.splitlines() if line.startswith(name + " ")) for name in "ab")
    assert row_a.count(format_estimate(whole.benchmarks["mbpp_plus"].estimates["pass_at_1"])) == 2
    assert format_estimate(whole.overall.estimates["pass_at_1"]) in row_a
    assert "not run" in row_b
    assert "withheld" in row_b
    assert "1 of 2 runs have numbers withheld" in text


def test_passes_that_could_be_forged_are_told() -> None:
    """Confirmed ones in plain words; others with their number, and where there are several benchmarks with its name."""
    assert "all 80 confirmed in split" in to_text(render_run(summary(metrics_of())))
    assert "all 80 judged inside only" in to_text(render_run(summary(metrics_of(judge="inside"))), 120)
    rows = grid({"t": 4}, 4, benchmark="a") + grid({"t": 2}, 4, benchmark="b", judge="inside")
    planned = {label: PlannedBenchmark(metrics=("pass",), num_problems=1, num_samples=4) for label in "ab"}
    text = to_text(render_run(summary(compute_metrics(sample_table(rows), planned, [1]))), 160)
    assert "2 of 6 (33.3%) judged inside only, where a program could forge them (b 2)" in text


def test_cache_and_flaky_timeouts_have_a_line_where_there_are_any() -> None:
    """Programs that did not run and timeouts that were none are told; a run without them is silent about them."""
    silent = to_text(render_run(summary(metrics_of())))
    assert "cache" not in silent
    assert "flaky" not in silent
    assert "160 of 160 (100.0%) programs were judged before" in to_text(
        render_run(summary(metrics_of(judge="split cached"))), 120
    )
    assert "160 ran out of time beside other programs" in to_text(
        render_run(summary(metrics_of(judge="split flaky"))), 120
    )


def test_how_the_run_was_served_stands_below_what_speaks_for_it() -> None:
    """Latencies and throughput where they were measured; a run of before they were has no such block."""
    metrics = metrics_of()
    text = to_text(render_run(summary(metrics)))
    assert text.index("duplicates") < text.index("\nserving ") < text.index("\nthroughput ") < text.index("\nrun  ")
    assert "tokens/s (1 replica)" in text
    before = to_text(render_run(summary(replace(metrics, serving=None))))
    assert "serving" not in before
    assert "throughput" not in before


def test_colour_only_where_it_means_something() -> None:
    """A trusted run has no yellow and no red; a weak sandbox is yellow; without a terminal there are no codes."""

    def coloured(run: RunSummary) -> str:
        console = Console(file=StringIO(), width=100, force_terminal=True, color_system="standard", no_color=False)
        with console.capture() as capture:
            console.print(render_run(run))
        return capture.get()

    trusted = coloured(summary(metrics_of()))
    assert "\x1b[33m" not in trusted
    assert "\x1b[31m" not in trusted
    assert "\x1b[33mnone" in coloured(summary(metrics_of(isolation="none"), isolation="none"))
    assert "\x1b" not in to_text(render_run(summary(metrics_of(faults=3))))


def test_square_brackets_in_names_are_shown_as_they_are() -> None:
    """Names are data, not markup."""
    text = to_text(render_run(summary(metrics_of(("multipl_e[lua]",)), run_dir=Path("runs/[red]/x"))))
    assert "multipl_e[lua]" in text
    assert "runs/[red]/x" in text
