from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.latency import Gaps
from engine.measured import Measured
from engine.usage import codes_of
from tests.engine.rows import sample_row, sample_table


def measured(*rows: dict[str, Any], has_copies: bool = False) -> Measured:
    table = sample_table(list(rows))
    return Measured.of(table, codes_of(table["task_id"])[0], has_copies=has_copies)


def test_time_per_output_token_is_over_all_tokens_but_the_first() -> None:
    """(E2E - TTFT) / (tokens - 1), only of completions with two tokens or more whose first token was seen."""
    found = measured(
        sample_row("a", generation_seconds=2.5, ttft_seconds=0.5, completion_tokens=5),
        sample_row("b", generation_seconds=9.0, ttft_seconds=9.0, completion_tokens=1),
        sample_row("c", ttft_seconds=None),
        sample_row("d", completion_tokens=None),
        sample_row("e", generation_seconds=None),
    ).generation
    assert found["tpot_seconds"].tolist() == [0.5]
    assert found["ttft_seconds"].tolist() == [0.5, 9.0, 0.5, 0.5]
    assert len(found["e2e_seconds"]) == 4


def test_failed_completions_are_in_flight_and_in_no_figure() -> None:
    """A request that failed kept its replica busy, but what it took is no latency of the model."""
    failed = sample_row("b", "generation_error", finish_reason="error", generation_seconds=60.0, replica="node:7")
    found = measured(sample_row("a"), failed)
    assert found.generation["e2e_seconds"].tolist() == [2.0]
    assert found.generation["prompt_tokens"].tolist() == [100]
    assert found.requests["member"].to_pylist() == ["node:1", "node:7"]
    assert found.requests["end"].to_pylist()[1] - found.requests["start"].to_pylist()[1] == 60.0
    assert found.requests["requests"].to_pylist() == [1, None]
    assert found.requests["output_tokens"].to_pylist() == [20, None]


def test_a_prompt_counts_once_per_request_and_a_completion_each() -> None:
    """Two completions of one request, and a third that a later session asked for: two requests."""
    later = sample_row("a", sample_index=2, generation_started_at=1_700_000_500.0)
    found = measured(sample_row("a"), sample_row("a", sample_index=1, completion_tokens=30), later)
    assert found.generation["prompt_tokens"].tolist() == [100, 100]
    assert sorted(found.generation["completion_tokens"].tolist()) == [20, 20, 30]
    assert found.requests["requests"].to_pylist() == [1, None, 1]


def test_copies_of_a_greedy_completion_count_once() -> None:
    """Same request, times and tokens: one completion under greedy decoding, several where they were drawn."""
    rows = [sample_row("a", sample_index=index) for index in range(3)]
    rows += [sample_row("a", sample_index=3, generation_seconds=2.5), sample_row("b")]
    assert len(measured(*rows, has_copies=True).generation["e2e_seconds"]) == 3
    assert sum(filter(None, measured(*rows, has_copies=True).requests["output_tokens"].to_pylist())) == 60
    assert len(measured(*rows).generation["e2e_seconds"]) == 5


def test_identical_programs_of_a_problem_run_once() -> None:
    """The row that was begun first speaks for them; the same program of another problem runs again."""
    shared = {"program_sha256": "same"}
    late = sample_row("a", execution_started_at=1_700_000_000.0, execution_queue_seconds=9.0, **shared)
    found = measured(late, sample_row("a", sample_index=1, **shared), sample_row("b", **shared))
    assert found.execution["queue_seconds"].tolist() == [0.125, 0.125]
    assert found.executions["executions"].to_pylist() == [None, 1, 1]


def test_what_did_not_run_has_no_latency() -> None:
    """A verdict of an earlier run, a sample without a program, and a sandbox that failed."""
    found = measured(
        sample_row("a", judge="split cached"),
        sample_row("b", program_sha256="", judge="text"),
        sample_row("c", "sandbox_error", program_sha256="c"),
        sample_row("d", wall_seconds=0.75),
    )
    assert found.execution["run_seconds"].tolist() == [0.75]
    assert found.executions["executions"].to_pylist() == [None, 1]


def test_null_columns_give_no_distribution() -> None:
    """Stored samples have no times and no tokens: what is left is what their programs took."""
    names = ("generation_started_at", "generation_seconds", "queue_seconds", "ttft_seconds", "prompt_tokens")
    stored = dict.fromkeys([*names, "completion_tokens", "peak_memory_bytes"])
    found = measured(sample_row("a", **stored), sample_row("b", execution_started_at=None, **stored))
    latency = found.latency()
    assert latency is not None
    assert latency.generation == {}
    assert set(latency.execution) == {"queue_seconds", "run_seconds", "cpu_seconds"}
    assert (found.requests.num_rows, found.executions.num_rows) == (0, 1)


def test_no_rows_have_no_latency() -> None:
    """A run that has nothing yet says nothing."""
    assert measured().latency() is None


def test_gaps_of_several_benchmarks_are_pooled() -> None:
    """Value by value, with counts and the largest of all."""
    some = Gaps(values=np.array([1, 3], np.float32), count=2, maximum=3.0)
    more = Gaps(values=np.array([5], np.float32), count=40, maximum=8.0)
    together = Measured.together([measured(sample_row("a")), measured(sample_row("b"))])
    latency = together.latency([some, more])
    assert latency is not None
    itl = latency.generation["itl_seconds"]
    assert (itl.count, itl.mean, itl.p50, itl.max) == (42, 3.0, 3.0, 8.0)
    assert latency.generation["e2e_seconds"].count == 2
    assert latency.generation["tpot_seconds"].mean == pytest.approx(1.5 / 19)
