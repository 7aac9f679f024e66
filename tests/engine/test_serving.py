from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from engine.measured import Measured
from engine.serving import Throughput, serving_of
from engine.timing import Session, Timing
from engine.usage import codes_of
from tests.engine.rows import sample_row, sample_table


def request(start: float, end: float, replica: str = "n:1", **columns: Any) -> dict[str, Any]:
    """A completion of its own problem, of 20 tokens after 100, that nothing was judged of."""
    times = {"generation_started_at": start, "generation_seconds": end - start, "execution_started_at": None}
    return sample_row(f"{replica}/{start}/{end}", **({"replica": replica, "program_sha256": ""} | times | columns))


def execution(start: float, end: float, worker: str = "n:9") -> dict[str, Any]:
    """A program that was judged, of a stored sample."""
    stored = {"generation_started_at": None, "generation_seconds": None}
    return sample_row(f"{worker}/{start}/{end}", execution_started_at=start, finished_at=end, worker=worker, **stored)


def throughput(rows: Sequence[dict[str, Any]], sessions: Sequence[Session] = ()) -> Throughput:
    table = sample_table(list(rows))
    serving = serving_of(
        {"humaneval": Measured.of(table, codes_of(table["task_id"])[0])}, Timing(sessions=tuple(sessions))
    )
    assert serving is not None
    return serving.throughput


def test_rates_are_over_the_time_with_a_request_in_flight() -> None:
    """Of each replica over its own time, of all over theirs together; pauses do not count."""
    found = throughput([request(0, 4), request(2, 6), request(100, 104), request(2, 4, "n:2")])
    assert found.generation is not None
    assert (found.generation.busy_seconds, found.generation.num_requests) == (10.0, 4)
    assert found.generation.requests_per_second == 0.4
    assert found.generation.output_tokens_per_second == 80 / 10
    assert found.generation.total_tokens_per_second == 480 / 10
    one, two = found.replicas["n:1"], found.replicas["n:2"]
    assert (one.busy_seconds, one.output_tokens, one.output_tokens_per_second) == (10.0, 60, 6.0)
    assert (two.busy_seconds, two.output_tokens, two.output_tokens_per_second) == (2.0, 20, 10.0)


def test_unknown_tokens_give_no_token_rate() -> None:
    """Requests per second are known; no rate is made up from tokens that nobody told."""
    one = throughput([request(0, 4, completion_tokens=None)]).generation
    two = throughput([request(0, 4, prompt_tokens=None)]).generation
    assert one is not None
    assert two is not None
    assert (one.requests_per_second, one.output_tokens_per_second, one.total_tokens_per_second) == (0.25, None, None)
    assert (two.output_tokens_per_second, two.total_tokens_per_second) == (5.0, None)


def test_overlap_and_idle_shares_worked_out_by_hand() -> None:
    """Two replicas busy 10 and 5 of 15 seconds; programs judged from 5 to 15, so half beside requests.

    The minute before the first request, in which models are loaded, is nobody's idle time.
    """
    rows = [request(0, 10), request(0, 5, "n:2"), execution(5, 10), execution(10, 15)]
    found = throughput(rows, [(-60.0, 20.0)])
    assert (found.num_replicas, found.num_workers) == (2, 1)
    assert found.overlap_share == pytest.approx(5 / 10)
    assert found.generation_idle_share == pytest.approx(1 - 15 / 30)
    assert found.execution_idle_share == pytest.approx(1 - 10 / 15)
    assert (found.num_executions, found.executions_per_second) == (2, 2 / 10)


def test_a_pause_between_sessions_is_not_idle_time() -> None:
    """The first session was killed and ends with its last work; the second has other processes."""
    rows = [request(10, 20), request(1000, 1005, "n:7"), execution(12, 20), execution(1001, 1010, "n:8")]
    found = throughput(rows, [(10.0, None), (1000.0, 1010.0)])
    assert found.generation_idle_share == pytest.approx(1 - 15 / 20)
    assert found.execution_idle_share == pytest.approx(1 - 17 / 20)
    assert (found.num_replicas, found.num_workers) == (1, 1)


def test_without_sessions_the_span_is_that_of_all_work() -> None:
    """From the first start to the last end of either stage."""
    found = throughput([request(0, 10), execution(10, 40)])
    assert found.generation_idle_share == pytest.approx(0.75)
    assert found.execution_idle_share == pytest.approx(0.25)
    assert found.overlap_share == 0.0


def test_work_outside_sessions_counts_in_rates_alone() -> None:
    """Nothing is lost from the sums; idle shares speak of the sessions."""
    found = throughput([request(0, 10), request(50, 60), execution(60, 70)], [(50.0, 70.0)])
    assert found.generation is not None
    assert (found.generation.output_tokens, found.generation.busy_seconds) == (40, 20.0)
    assert found.generation_idle_share == pytest.approx(0.5)


def test_stored_samples_have_executions_only() -> None:
    """Without a request there is no rate, no overlap and no idle share of the generation pool."""
    found = throughput([execution(0, 2)], [(0.0, 4.0)])
    assert (found.generation, found.replicas, found.num_replicas) == (None, {}, 0)
    assert (found.overlap_share, found.generation_idle_share) == (None, None)
    assert found.execution_idle_share == pytest.approx(0.0)


def test_flat_names_say_what_they_are() -> None:
    """Latencies, rates and executions under three prefixes that hold nothing else; what is not known is not there."""
    table = sample_table([request(0, 4), execution(2, 6)])
    serving = serving_of({"humaneval": Measured.of(table, codes_of(table["task_id"])[0])}, Timing())
    assert serving is not None
    flat = serving.flat()
    assert flat["latency/e2e_seconds.p99"] == 4.0
    assert flat["throughput/output_tokens_per_second"] == 5.0
    assert flat["throughput/overlap_share"] == 0.5
    assert flat["execution/run_seconds.mean"] == 1.0
    assert {name.partition("/")[0] for name in flat} == {"latency", "throughput", "execution"}
    assert not any("itl" in name for name in flat)


def test_a_run_without_rows_is_served_in_no_way() -> None:
    """Neither without benchmarks nor without rows is anything claimed."""
    empty = sample_table([])
    assert serving_of({}, Timing()) is None
    assert serving_of({"humaneval": Measured.of(empty, codes_of(empty["task_id"])[0])}, Timing()) is None
