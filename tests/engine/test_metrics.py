from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.latency import Gaps
from engine.metrics import METRIC_COLUMNS, Metrics, PlannedBenchmark, Timing, compute_metrics
from engine.statistics import bootstrap_interval
from tests.engine.rows import grid, sample_row, sample_table

PASSED = {"t0": 4, "t1": 1, "t2": 0}


def plan(num_problems: int = 3, num_samples: int = 4, **fields: Any) -> PlannedBenchmark:
    return PlannedBenchmark(
        num_problems=num_problems, num_samples=num_samples, metrics=fields.pop("metrics", ("pass",)), **fields
    )


def test_pass_at_k_is_the_mean_over_problems_with_its_interval() -> None:
    """pass@1 and pass@2 of three problems, worked out by hand, each with a bootstrap interval over problems."""
    metrics = compute_metrics(sample_table(grid(PASSED, 4)), {"humaneval": plan()}, [1, 2])
    one, two = (metrics.benchmarks["humaneval"].estimates[name] for name in ("pass_at_1", "pass_at_2"))
    assert one.value == pytest.approx((1 + 0.25 + 0) / 3)
    assert two.value == pytest.approx((1 + 0.5 + 0) / 3)
    assert one.num_problems == 3
    interval = bootstrap_interval([1.0, 0.25, 0.0])
    assert (one.ci_low, one.ci_high) == (interval.low, interval.high)


def test_order_of_rows_and_chunks_changes_nothing() -> None:
    """Shuffled rows in several chunks give byte-equal metrics, because the bootstrap sees problems in a fixed order."""
    rows = grid({f"t{i}": i % 5 for i in range(20)}, 4)
    for row in rows:
        started_at = row["generation_started_at"] + random.Random(row["sample_id"]).random() * 9
        times = {"generation_seconds": started_at % 1.3, "execution_started_at": started_at + started_at % 1.7}
        row |= {**times, "generation_started_at": started_at, "replica": f"node:{int(started_at) % 3}"}
    straight = compute_metrics(sample_table(rows), {"humaneval": plan(20)}, [1])
    random.Random(3).shuffle(rows)
    chunked = pa.concat_tables([sample_table(rows[:33]), sample_table(rows[33:])])
    assert compute_metrics(chunked, {"humaneval": plan(20)}, [1]).to_json() == straight.to_json()


def test_only_slim_columns_are_needed() -> None:
    """Rows without any text give the same metrics: a run's samples need not fit in memory."""
    table = sample_table(grid(PASSED, 4))
    assert compute_metrics(table.select(METRIC_COLUMNS), {"humaneval": plan()}, [1]) == compute_metrics(
        table, {"humaneval": plan()}, [1]
    )


@pytest.mark.parametrize("fault", ["sandbox_error", "generation_error", None])
def test_faults_of_ours_leave_the_problems_n(fault: str | None) -> None:
    """A sample that we failed on (or that is missing) is not a wrong answer: its problem has one sample less."""
    rows = grid(PASSED, 4)
    rows[7] = sample_row("t1", fault, sample_index=3) if fault else {}
    metrics = compute_metrics(
        sample_table([row for row in rows if row]), {"humaneval": plan()}, [1, 4], max_infra_errors=0.2
    ).benchmarks["humaneval"]
    assert metrics.estimates["pass_at_1"].value == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert metrics.statuses[fault or "missing"] == 1
    assert sum(metrics.statuses.values()) == 12
    assert metrics.num_problems_short == 1
    assert metrics.estimates["pass_at_4"].num_problems == 2
    assert metrics.estimates["pass_at_4"].value == pytest.approx(0.5)


def test_too_many_faults_of_ours_withhold_the_headline() -> None:
    """Above the threshold a benchmark and the overall figure have no estimate, and say why; others keep theirs."""
    rows = grid(PASSED, 4) + grid(PASSED, 4, benchmark="mbpp")
    rows[0] = sample_row("t0", "sandbox_error")
    metrics = compute_metrics(sample_table(rows), {"humaneval": plan(), "mbpp": plan()}, [1])
    assert metrics.benchmarks["humaneval"].estimates == {}
    assert "8.3% (sandbox_error 1) are above 0.5%" in metrics.benchmarks["humaneval"].withheld
    assert metrics.benchmarks["mbpp"].withheld == ""
    assert metrics.overall.withheld == "withheld for humaneval"
    assert not any("pass_at" in name for name in metrics.flat() if not name.startswith("mbpp/"))


def test_faults_at_the_threshold_are_reported_and_not_withheld() -> None:
    """One fault in 200 samples is 0.5 %: not above it."""
    rows = grid({f"t{i}": 1 for i in range(200)}, 1)
    rows[0] = sample_row("t0", "sandbox_error")
    metrics = compute_metrics(sample_table(rows), {"humaneval": plan(200, 1)}, [1]).benchmarks["humaneval"]
    assert metrics.withheld == ""
    assert metrics.infra_error_share == 0.005
    assert metrics.num_problems_short == 1


def test_problems_that_could_not_be_judged_are_missing_and_no_fault() -> None:
    """What was known before the run to lack its data withholds nothing; it is counted apart."""
    planned = PlannedBenchmark(metrics=("pass",), num_problems=5, num_samples=4, num_unavailable=2)
    metrics = compute_metrics(sample_table(grid(PASSED, 4)), {"humaneval": planned}, [1]).benchmarks["humaneval"]
    assert metrics.withheld == ""
    assert metrics.estimates["pass_at_1"].num_problems == 3
    assert metrics.statuses["missing"] == 8
    assert (metrics.num_unavailable, metrics.num_infra_errors, metrics.num_problems_short) == (8, 0, 0)


def test_a_run_without_any_row_is_all_missing() -> None:
    """No rows at all: everything is missing, nothing is claimed, nothing fails."""
    metrics = compute_metrics(sample_table([]), {"humaneval": plan()}, [1])
    assert metrics.overall.statuses == {"missing": 12}
    assert metrics.overall.estimates == {}
    assert metrics.overall.num_problems_short == 3
    unlimited = compute_metrics(sample_table([]), {"humaneval": plan()}, [1], max_infra_errors=1.0)
    assert unlimited.overall.estimates == {}


def test_overall_is_the_macro_mean_over_all_problems() -> None:
    """Three problems of one benchmark and one of another weigh a quarter each, whatever their n."""
    rows = grid(PASSED, 4) + grid({"m0": 1}, 2, benchmark="mbpp")
    metrics = compute_metrics(sample_table(rows), {"humaneval": plan(), "mbpp": plan(1, 2)}, [1])
    assert metrics.overall.estimates["pass_at_1"].value == pytest.approx((1 + 0.25 + 0 + 0.5) / 4)
    assert metrics.overall.num_samples is None
    assert metrics.overall.num_problems == 4


def test_variants_have_their_own_name_and_stay_out_of_overall() -> None:
    """A perturbed benchmark is counted under `label/variant`; the overall figure is of unperturbed problems."""
    rows = grid(PASSED, 4) + grid({"t0": 2, "t1": 0, "t2": 0}, 4, variant="rename")
    planned = {"humaneval": plan(), "humaneval/rename": plan(variant="rename")}
    metrics = compute_metrics(sample_table(rows), planned, [1])
    assert metrics.flat()["humaneval/rename/pass_at_1"] == pytest.approx(0.5 / 3)
    assert metrics.flat()["overall/pass_at_1"] == pytest.approx(1.25 / 3)
    assert metrics.overall.num_problems == 3


def test_every_named_score_has_its_metric() -> None:
    """`base_pass` becomes base_pass_at_k; any other score is averaged per problem, then over problems."""
    rows = [
        sample_row("a", "wrong_answer", sample_index=0, scores=[("pass", 0.0), ("base_pass", 1.0), ("bleu", 0.2)]),
        sample_row("a", "passed", sample_index=1, scores=[("bleu", 0.4), ("pass", 1.0), ("base_pass", 1.0)]),
        sample_row("b", "passed", sample_index=0, scores=[("pass", 1.0), ("base_pass", 1.0), ("bleu", 0.9)]),
        sample_row("b", "sandbox_error", sample_index=1),
    ]
    planned = {"humaneval": plan(2, 2, metrics=("pass", "base_pass", "bleu"))}
    flat = compute_metrics(sample_table(rows), planned, [1], max_infra_errors=0.5).flat()
    assert flat["humaneval/pass_at_1"] == pytest.approx(0.75)
    assert flat["humaneval/base_pass_at_1"] == 1.0
    assert flat["humaneval/bleu"] == pytest.approx((0.3 + 0.9) / 2)
    assert flat["humaneval/bleu.ci_low"] == pytest.approx(0.3)


def test_rows_outside_the_plan_are_left_out() -> None:
    """More samples, other problems and other benchmarks in the run directory do not enter the numbers."""
    rows = grid(PASSED | {"t3": 4}, 8) + grid(PASSED, 4, benchmark="mbpp")
    metrics = compute_metrics(sample_table(rows), {"humaneval": plan(task_ids=("t0", "t1", "t2"))}, [1])
    assert metrics.overall.statuses == {"wrong_answer": 7, "passed": 5}


def test_what_cannot_be_counted_is_refused() -> None:
    """A k above n, more rows than planned and a sample without its score are errors that name themselves."""
    table = sample_table(grid(PASSED, 4))
    with pytest.raises(ValueError, match=r"humaneval: pass@5 needs 5 samples per problem, 4 are planned"):
        compute_metrics(table, {"humaneval": plan()}, [1, 5])
    with pytest.raises(ValueError, match="12 rows, but 2 problems x 4 samples"):
        compute_metrics(table, {"humaneval": plan(2)}, [1])
    with pytest.raises(ValueError, match="12 samples lack the score 'bleu', the first is of t0"):
        compute_metrics(table, {"humaneval": plan(metrics=("pass", "bleu"))}, [1])


def test_usage_counts_what_was_paid_for() -> None:
    """Prompts count once per problem, identical programs once per problem, peaks as a maximum, shares over rows."""
    rows = grid({"a": 2, "b": 0}, 2)
    rows[1] |= {"program_sha256": rows[0]["program_sha256"], "finish_reason": "length", "generation_seconds": 3.0}
    rows[2] |= {"program_sha256": rows[0]["program_sha256"], "peak_memory_bytes": 7 << 20, "judge": "inside"}
    rows[3] = sample_row(
        "b", "generation_error", sample_index=1, finish_reason="error", completion_tokens=None, judge=""
    )
    usage = compute_metrics(sample_table(rows), {"humaneval": plan(2, 2)}, [1], max_infra_errors=1).overall.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.generation_seconds) == (200, 60, 5.0)
    assert (usage.cpu_seconds, usage.wall_seconds, usage.peak_memory_bytes) == (1.0, 2.0, 7 << 20)
    assert (usage.num_generated, usage.num_truncated, usage.truncated_share) == (3, 1, 1 / 3)
    assert (usage.num_programs, usage.num_duplicates, usage.duplicate_share) == (3, 1, 1 / 3)
    assert usage.judges == {"split": 2, "inside": 1}
    assert usage.isolations == {"full": 4}


def test_what_came_from_the_cache_was_not_paid_for() -> None:
    """A program that did not run costs nothing and is counted apart; one that ran once in the run is no cache hit."""
    rows = grid({"a": 2, "b": 2}, 2, judge="split cached")
    rows[1] |= {"program_sha256": rows[0]["program_sha256"], "judge": "split", "cpu_seconds": 0.7}
    usage = compute_metrics(sample_table(rows), {"humaneval": plan(2, 2)}, [1]).overall.usage
    assert (usage.num_programs, usage.num_duplicates, usage.num_cached) == (4, 1, 2)
    assert usage.cpu_seconds == pytest.approx(0.7)
    assert usage.judges == {"split": 4}


def test_passes_that_a_program_could_forge_are_counted_apart() -> None:
    """Failures inside are not among them, and neither are passes of text; flaky timeouts are counted by program."""
    rows = grid({"a": 2, "b": 2}, 4, judge="inside")
    rows[0] |= {"judge": "split flaky"}
    rows[4] |= {"judge": "inside flaky"}
    rows[5] |= {"judge": "inside flaky", "program_sha256": rows[4]["program_sha256"]}
    rows.append(sample_row("c", judge="text", program_sha256=""))
    metrics = compute_metrics(sample_table(rows), {"humaneval": plan(3, 4)}, [1], max_infra_errors=1)
    usage = metrics.overall.usage
    assert (usage.num_passed_split, usage.num_passed_inside, usage.num_flaky) == (1, 3, 2)
    assert usage.judges == {"inside": 7, "split": 1, "text": 1}
    assert metrics.flat()["overall/num_passed_inside"] == 3


def test_metrics_of_before_these_counts_can_be_read() -> None:
    """A metrics.json without counts of cache, flaky timeouts and forgeable passes has zero of each, and no latency."""
    metrics = compute_metrics(sample_table(grid(PASSED, 4)), {"humaneval": plan()}, [1])
    old = json.loads(metrics.to_json())
    del old["serving"]
    for part in (old["overall"], *old["benchmarks"].values()):
        del part["latency"]
        for name in ("num_cached", "num_flaky", "num_passed_split", "num_passed_inside"):
            del part["usage"][name]
    again = Metrics.from_json(json.dumps(old))
    assert again.overall.usage.num_cached == 0
    assert (again.serving, again.benchmarks["humaneval"].latency) == (None, None)


def test_unknown_tokens_stay_unknown() -> None:
    """Stored samples tell no tokens: the totals are None and no number is made up for them."""
    unknown = {"prompt_tokens": None, "completion_tokens": None, "generation_seconds": None, "peak_memory_bytes": None}
    metrics = compute_metrics(sample_table(grid(PASSED, 4, **unknown)), {"humaneval": plan()}, [1])
    assert metrics.overall.usage.completion_tokens is None
    assert not [name for name in metrics.flat() if "tokens" in name or "memory" in name]


def test_metrics_survive_json() -> None:
    """from_json gives back what to_json wrote, in the same order; what is not metrics is refused."""
    rows = grid(PASSED, 4) + grid({"m0": 1}, 4, benchmark="a_later_name")
    gaps = Gaps(values=np.array([0.1, 0.2], np.float32), count=2, maximum=0.2)
    planned, timing = {"humaneval": plan(), "a_later_name": plan(1)}, Timing(gaps={"humaneval": gaps})
    metrics = compute_metrics(sample_table(rows), planned, [1, 4], timing=timing)
    assert metrics.serving is not None
    assert "itl_seconds" in metrics.serving.latency.generation
    again = Metrics.from_json(metrics.to_json())
    assert again == metrics
    assert list(again.benchmarks) == ["humaneval", "a_later_name"]
    for text in ("[]", "{}", '{"benchmarks": {}, "overall": {}}', "not json"):
        with pytest.raises(ValueError):
            Metrics.from_json(text)


def test_flat_metrics_of_one_benchmark_are_few_and_legal() -> None:
    """With base tests and everything measured there are at most 60 names, finite, all legal in MLflow; 3 more per k."""
    rows = [row | {"scores": [*row["scores"], ("base_pass", 1.0)]} for row in grid(PASSED, 10)]
    gaps = Gaps(values=np.array([0.1, 0.2], np.float32), count=2, maximum=0.2)
    planned, timing = {"humaneval": plan(3, 10, metrics=("pass", "base_pass"))}, Timing(gaps={"humaneval": gaps})
    one, three = (compute_metrics(sample_table(rows), planned, ks, timing=timing).flat() for ks in ([1], [1, 5, 10]))
    assert {"humaneval/pass_at_10.ci_high", "humaneval/base_pass_at_1", "overall/pass_at_1", "statuses/passed"} <= set(
        three
    )
    assert len(one) <= 60
    assert len(three) == len(one) + 2 * 9
    assert all(np.isfinite(value) and "@" not in name for name, value in three.items())


def test_each_benchmark_has_its_latency_and_the_run_all_of_them() -> None:
    """A slow benchmark and a fast one: distributions apart, and pooled for the run, variants included."""
    rows = grid(PASSED, 4, generation_seconds=1.0) + grid({"m0": 1}, 4, benchmark="mbpp", generation_seconds=3.0)
    rows += grid({"t0": 1}, 4, variant="rename", generation_seconds=5.0)
    planned = {"humaneval": plan(), "mbpp": plan(1), "humaneval/rename": plan(1, variant="rename")}
    metrics = compute_metrics(sample_table(rows), planned, [1])
    assert metrics.serving is not None
    e2e = {
        name: benchmark.latency.generation["e2e_seconds"]
        for name, benchmark in metrics.benchmarks.items()
        if benchmark.latency
    }
    assert {name: (found.count, found.mean) for name, found in e2e.items()} == {
        "humaneval": (12, 1.0),
        "mbpp": (4, 3.0),
        "humaneval/rename": (4, 5.0),
    }
    pooled = metrics.serving.latency.generation["e2e_seconds"]
    assert (pooled.count, pooled.mean, pooled.max) == (20, 2.2, 5.0)


def test_a_label_may_hold_a_slash() -> None:
    """Only the plan says what is a variant: a label such as a file's path is one name."""
    rows = grid(PASSED, 4, benchmark="file:own/problems.jsonl")
    metrics = compute_metrics(sample_table(rows), {"file:own/problems.jsonl": plan()}, [1])
    assert metrics.overall.estimates["pass_at_1"].num_problems == 3
