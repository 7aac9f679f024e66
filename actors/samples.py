"""The columns of what a run leaves on disk, and of the rows that travel between the stages."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from benchmarks.problem import Completion, Message, Prompt, TokenLogprob

IDENTITY = [
    pa.field("sample_id", pa.string(), nullable=False),  # content hash of all that the sample depends on
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
    pa.field("reasoning_tokens", pa.int32()),
    pa.field("generation_started_at", pa.float64()),  # seconds since the epoch
    pa.field("generation_seconds", pa.float64()),  # end to end
    pa.field("queue_seconds", pa.float64()),
    pa.field("ttft_seconds", pa.float64()),
    pa.field("logprobs", pa.string()),  # JSON, see logprobs_text; null unless the benchmark asks
    pa.field("earlier", pa.list_(pa.string())),  # answers of the turns before; null where there is one turn
    pa.field("generation_error", pa.string(), nullable=False),
    pa.field("replica", pa.string()),  # node and process that generated it; empty for stored samples
]

WATCHED = [pa.field("inter_token_seconds", pa.list_(pa.float32()))]
"""Beside GENERATED in generations/ alone: as many numbers as tokens would weigh on every later stage."""

JUDGED = [
    pa.field("program", pa.string(), nullable=False),
    pa.field("program_sha256", pa.string(), nullable=False),
    pa.field("status", pa.string(), nullable=False),
    pa.field("judge", pa.string(), nullable=False),  # see judge_text
    pa.field("isolation", pa.string(), nullable=False),
    pa.field("execution_started_at", pa.float64()),  # seconds since the epoch; null where nothing was judged
    pa.field("execution_queue_seconds", pa.float64()),  # from its generation's end, or its arrival, to its start
    pa.field("compile_seconds", pa.float64()),  # null for languages without a compiler
    pa.field("cpu_seconds", pa.float64(), nullable=False),
    pa.field("wall_seconds", pa.float64(), nullable=False),
    pa.field("peak_memory_bytes", pa.int64()),
    pa.field("tests_passed", pa.list_(pa.bool_())),
    pa.field("error", pa.string(), nullable=False),
    pa.field("stdout_tail", pa.string(), nullable=False),
    pa.field("stderr_tail", pa.string(), nullable=False),
    pa.field("score", pa.float64()),  # the headline of `scores`; null where we, not the program, failed
    pa.field("scores", pa.map_(pa.string(), pa.float64()), nullable=False),  # every named score of the benchmark
    pa.field("worker", pa.string()),  # node and process that judged it
    pa.field("finished_at", pa.float64(), nullable=False),  # seconds since the epoch; the latest row of an id wins
]

GENERATION_SCHEMA = pa.schema(IDENTITY + GENERATED + WATCHED)
SAMPLE_SCHEMA = pa.schema(IDENTITY + GENERATED + JUDGED)

REQUEST_SCHEMA = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("task_id", pa.string(), nullable=False),
        pa.field("variant", pa.string(), nullable=False),
        pa.field("prompt", pa.string(), nullable=False),  # a Prompt as JSON
        pa.field("generate", pa.list_(pa.int32()), nullable=False),  # sample indexes the model is asked for
        pa.field("stored", pa.list_(pa.int32()), nullable=False),  # generated earlier, to be executed only
        pa.field("parts", pa.list_(pa.string()), nullable=False),  # files that hold the stored ones
    ]
)
"""One row per prompt: what the plan asks of the Generate stage."""

COMPLETED_SCHEMA = pa.schema(
    [
        *[REQUEST_SCHEMA.field(name) for name in ("request_id", "benchmark", "task_id", "variant")],
        pa.field("completions", pa.list_(pa.struct([pa.field("sample_index", pa.int32()), *GENERATED]))),
    ]
)
"""One row per prompt with its completions: what Generate hands to Execute."""

DONE_SCHEMA = pa.schema([pa.field("benchmark", pa.string()), pa.field("status", pa.string())])
"""One row per sample: what Execute tells the driver; everything else stays on disk."""


CACHED, FLAKY = "cached", "flaky"
"""Words after the judge: the verdict is an earlier run's; a timeout that was none when it was run again alone."""


def judge_text(judge: str, *, cached: bool, flaky: bool) -> str:
    """The column `judge`: where tests ran (`split`, `inside`, `text`, `none`), then words such as in `split cached`."""
    return " ".join([judge, *([CACHED] if cached else []), *([FLAKY] if flaky else [])])


def storable(text: str) -> str:
    """The text with lone surrogates, which no UTF-8 file can hold, replaced."""
    return text.encode("utf-8", "replace").decode()


def place() -> str:
    """Node and process, for the columns `replica` and `worker`."""
    return f"{platform.node()}:{os.getpid()}"


def completion_row(completion: Completion, sample_index: int, replica: str = "") -> dict[str, Any]:
    """A completion as the columns of GENERATED and WATCHED, with its index."""
    return {
        "sample_index": sample_index,
        "completion": storable(completion.text),
        "completion_form": completion.form,
        "verbatim": completion.verbatim,
        "finish_reason": completion.finish_reason,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "reasoning_tokens": completion.reasoning_tokens,
        "generation_started_at": completion.started_at,
        "generation_seconds": completion.seconds,
        "queue_seconds": completion.queue_seconds,
        "ttft_seconds": completion.ttft_seconds,
        "logprobs": logprobs_text(completion),
        "earlier": [storable(text) for text in completion.earlier] or None,
        "generation_error": storable(completion.error),
        "replica": replica,
        "inter_token_seconds": completion.inter_token_seconds or None,
    }


def logprobs_text(completion: Completion) -> str | None:
    """Log probabilities of a completion and of its prompt as JSON; None where there are none."""
    told = {"completion": completion.logprobs, "prompt": completion.prompt_logprobs}
    if not any(told.values()):
        return None
    return json.dumps({name: [[t.token, t.logprob, t.top] for t in tokens] for name, tokens in told.items()})


def _logprobs_of(text: str | None) -> dict[str, tuple[TokenLogprob, ...]]:
    """The tokens behind logprobs_text, under `completion` and `prompt`."""
    told = json.loads(text) if text else {}
    return {
        name: tuple(
            TokenLogprob(token=token, logprob=value, top=tuple((str(word), float(each)) for word, each in top))
            for token, value, top in tokens
        )
        for name, tokens in told.items()
    }


def completion_of(row: dict[str, Any]) -> Completion:
    """The completion behind a row of GENERATED columns."""
    logprobs = _logprobs_of(row["logprobs"])
    return Completion(
        text=row["completion"],
        form=row["completion_form"],
        verbatim=row["verbatim"],
        finish_reason=row["finish_reason"],
        prompt_tokens=row["prompt_tokens"],
        completion_tokens=row["completion_tokens"],
        reasoning_tokens=row["reasoning_tokens"],
        started_at=row["generation_started_at"],
        seconds=row["generation_seconds"],
        queue_seconds=row["queue_seconds"],
        ttft_seconds=row["ttft_seconds"],
        logprobs=logprobs.get("completion", ()),
        prompt_logprobs=logprobs.get("prompt", ()),
        earlier=tuple(row["earlier"] or ()),
        error=row["generation_error"],
    )


def prompt_row(prompt: Prompt) -> dict[str, Any]:
    """A prompt as plain data."""
    return asdict(prompt)


def prompt_of(data: dict[str, Any]) -> Prompt:
    """The prompt behind plain data."""
    messages = tuple(Message(**message) for message in data["messages"])
    return Prompt(**{**data, "messages": messages, "stop": tuple(data["stop"])})
