"""Made-up sample rows for tests of what is computed from them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from actors.samples import GENERATION_SCHEMA, SAMPLE_SCHEMA

DEFAULTS: dict[str, Any] = {
    "benchmark": "humaneval",
    "variant": "nominal",
    "sample_index": 0,
    "completion": "    return 1\n",
    "completion_form": "completion",
    "verbatim": False,
    "finish_reason": "stop",
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "reasoning_tokens": None,
    "generation_started_at": 1_699_999_990.0,
    "generation_seconds": 2.0,
    "queue_seconds": 0.25,
    "ttft_seconds": 0.5,
    "logprobs": None,
    "inter_token_seconds": None,
    "earlier": None,
    "generation_error": "",
    "replica": "node:1",
    "program": "def f():\n    return 1\n",
    "judge": "split",
    "isolation": "full",
    "execution_started_at": 1_699_999_999.0,
    "execution_queue_seconds": 0.125,
    "compile_seconds": None,
    "worker": "node:2",
    "cpu_seconds": 0.5,
    "wall_seconds": 1.0,
    "peak_memory_bytes": 1 << 20,
    "tests_passed": [True],
    "error": "",
    "stdout_tail": "",
    "stderr_tail": "",
    "finished_at": 1_700_000_000.0,
}

INFRA = ("sandbox_error", "generation_error")


def sample_row(task_id: str, status: str = "passed", **columns: Any) -> dict[str, Any]:
    """One row of SAMPLE_SCHEMA; the score `pass` follows the status unless `scores` is given."""
    passed = None if status in INFRA else float(status == "passed")
    row = DEFAULTS | {"task_id": task_id, "status": status, "scores": [] if passed is None else [("pass", passed)]}
    row |= columns
    row.setdefault("sample_id", f"{row['benchmark']}/{task_id}/{row['variant']}/{row['sample_index']}")
    row.setdefault("program_sha256", "" if status in INFRA else row["sample_id"])
    row.setdefault("score", passed)
    return row


def sample_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as a table of SAMPLE_SCHEMA."""
    return pa.Table.from_pylist(rows, schema=SAMPLE_SCHEMA)


def generation_table(rows: list[dict[str, Any]]) -> pa.Table:
    """The same rows as a table of GENERATION_SCHEMA, as the Generate stage leaves them."""
    return pa.Table.from_pylist(rows, schema=GENERATION_SCHEMA)


def grid(passed_of_task: dict[str, int], num_samples: int, **columns: Any) -> list[dict[str, Any]]:
    """num_samples rows per task, the first `passed` of which passed, the others wrong answers."""
    return [
        sample_row(task, "passed" if index < passed else "wrong_answer", sample_index=index, **columns)
        for task, passed in passed_of_task.items()
        for index in range(num_samples)
    ]
