"""The columns of what a run leaves on disk: generations (what a model returned) and samples (what became of it)."""

from __future__ import annotations

import pyarrow as pa

IDENTITY = [
    pa.field("sample_id", pa.string(), nullable=False),  # content hash; see engine/identity.py
    pa.field("benchmark", pa.string(), nullable=False),  # the label under which metrics appear
    pa.field("task_id", pa.string(), nullable=False),
    pa.field("variant", pa.string(), nullable=False),
    pa.field("sample_index", pa.int32(), nullable=False),
]

GENERATED = [
    pa.field("completion", pa.string(), nullable=False),
    pa.field("completion_form", pa.string(), nullable=False),
    pa.field("verbatim", pa.bool_(), nullable=False),
    pa.field("finish_reason", pa.string(), nullable=False),
    pa.field("prompt_tokens", pa.int32()),
    pa.field("completion_tokens", pa.int32()),
    pa.field("generation_seconds", pa.float64()),
    pa.field("generation_error", pa.string(), nullable=False),
]

JUDGED = [
    pa.field("program", pa.string(), nullable=False),
    pa.field("program_sha256", pa.string(), nullable=False),
    pa.field("status", pa.string(), nullable=False),
    pa.field("judge", pa.string(), nullable=False),
    pa.field("isolation", pa.string(), nullable=False),
    pa.field("cpu_seconds", pa.float64(), nullable=False),
    pa.field("wall_seconds", pa.float64(), nullable=False),
    pa.field("peak_memory_bytes", pa.int64()),
    pa.field("tests_passed", pa.list_(pa.bool_())),
    pa.field("error", pa.string(), nullable=False),
    pa.field("stdout_tail", pa.string(), nullable=False),
    pa.field("stderr_tail", pa.string(), nullable=False),
    pa.field("score", pa.float64()),  # the headline of `scores`; null where we, not the program, failed
    pa.field("scores", pa.map_(pa.string(), pa.float64()), nullable=False),  # every named score of the benchmark
    pa.field("finished_at", pa.float64(), nullable=False),  # seconds since the epoch; the latest row of an id wins
]

GENERATION_SCHEMA = pa.schema(IDENTITY + GENERATED)
SAMPLE_SCHEMA = pa.schema(IDENTITY + GENERATED + JUDGED)
