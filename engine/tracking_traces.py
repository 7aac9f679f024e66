"""Exemplar traces: a few samples as MLflow shows calls, from prompt over completion to verdict."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.asked import read_problems, readable_prompt
from engine.store import read_samples
from engine.tracking_files import redact
from engine.tracking_records import PushedRun
from engine.tracking_runs import set_tags
from runners.program import OURS

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

MOST_TRACES = 40
"""Far below what makes a list of traces slow; their ids fit in one tag."""
TRACES = "codeassay.traces"
MOST_CHARS = 20_000
_OURS = frozenset(status.value for status in OURS)
_SLIM = [
    "sample_id",
    "benchmark",
    "task_id",
    "variant",
    "sample_index",
    "status",
    "finished_at",
]
_FULL = [
    *_SLIM,
    "completion",
    "finish_reason",
    "prompt_tokens",
    "completion_tokens",
    "generation_error",
    "generation_started_at",
    "generation_seconds",
    "ttft_seconds",
    "program",
    "judge",
    "isolation",
    "execution_started_at",
    "cpu_seconds",
    "wall_seconds",
    "error",
    "stdout_tail",
    "stderr_tail",
]


def log_traces(client: MlflowClient, tracking_uri: str, target: Run, run: PushedRun, model_id: str) -> int:
    """Make the traces that are not there yet, drop those that are no longer true, link them; gives how many are new.

    Raises:
        DataError: a file of the run is damaged.
    """
    experiment_id = target.info.experiment_id
    chosen = {trace_id(target.info.run_id, row): row for row in choose_samples(run.run_dir)}
    known = [name for name in target.data.tags.get(TRACES, "").split(",") if name]
    stale = [f"tr-{name}" for name in known if name not in chosen]
    if stale:
        client.delete_traces(experiment_id, trace_ids=stale)
    new = {name: row for name, row in chosen.items() if name not in known}
    if new:
        _write(tracking_uri, target, new, run, model_id)
    set_tags(client, target, {TRACES: ",".join(chosen)} if chosen or known else {})
    return len(new)


def choose_samples(run_dir: Path) -> list[dict[str, Any]]:
    """At most MOST_TRACES samples: benchmarks and statuses in turn, of each the first sample of each problem first."""
    rows = read_samples(run_dir, _SLIM).to_pylist()
    rows.sort(key=lambda row: (row["sample_index"], row["benchmark"], row["variant"], row["task_id"]))
    turns: dict[tuple[str, ...], int] = {}
    ranked = []
    for row in rows:
        kind = (row["status"], row["benchmark"], row["variant"])
        turns[kind] = turns.get(kind, 0) + 1
        ranked.append((turns[kind], kind, row["sample_id"], row))
    return [row for *_, row in sorted(ranked, key=lambda each: each[:3])[:MOST_TRACES]]


def trace_id(run_id: str, row: Mapping[str, Any]) -> str:
    """32 hexadecimal digits that stand for this outcome of this sample in this run."""
    told = f"{run_id} {row['sample_id']} {row['status']} {row['finished_at']}"
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _write(
    tracking_uri: str, target: Run, chosen: Mapping[str, Mapping[str, Any]], run: PushedRun, model_id: str
) -> None:
    from mlflow.tracing.client import TracingClient

    ids = {row["sample_id"] for row in chosen.values()}
    full = {row["sample_id"]: row for row in redact(read_samples(run.run_dir, _FULL, ids).to_pylist())}
    prompts = _prompts(run.run_dir, full.values())
    # Finished spans go straight to the store: no exporter, whose threads would outlive the push.
    tracing = TracingClient(tracking_uri)
    spans: list[Any] = []
    for name, row in chosen.items():
        sample = full[row["sample_id"]]
        prompt = prompts.get(_problem(sample), "")
        tracing.start_trace(_info(name, target, sample, prompt, model_id))
        spans += _spans(name, sample, prompt, run.model_name)
    tracing.log_spans(target.info.experiment_id, spans)


def _prompts(run_dir: Path, rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], str]:
    """Prompts of these samples as one reads them; none where the run did not keep them."""
    wanted = {_problem(row) for row in rows}
    table = read_problems(run_dir)
    keys = [table[name].to_pylist() for name in ("benchmark", "task_id", "variant")]
    return {
        (label, task, variant): redact(readable_prompt(table["prompt"][index].as_py()))
        for index, (label, task, variant) in enumerate(zip(*keys, strict=True))
        if (label, task, variant) in wanted
    }


def _problem(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return (row["benchmark"], row["task_id"], row["variant"])


def _usage(row: Mapping[str, Any]) -> dict[str, int]:
    """Tokens of a sample as MLflow counts them; nothing where a count is not known."""
    asked, answered = row["prompt_tokens"], row["completion_tokens"]
    if asked is None or answered is None:
        return {}
    return {"input_tokens": asked, "output_tokens": answered, "total_tokens": asked + answered}


def _assessments(name: str, row: Mapping[str, Any], run_id: str) -> list[Any]:
    """Whether the program passed, as MLflow shows it beside the trace; nothing where we failed."""
    from mlflow.entities import AssessmentSource, Feedback

    if row["status"] in _OURS:
        return []
    at = int(row["finished_at"] * 1000)
    told = Feedback(
        name="passed",
        value=row["status"] == "passed",
        rationale=row["status"],
        source=AssessmentSource(source_type="CODE", source_id="codeassay"),
        trace_id=f"tr-{name}",
        metadata={"mlflow.assessment.sourceRunId": run_id},
        create_time_ms=at,
        last_update_time_ms=at,
    )
    told.assessment_id = f"a-{name}"  # so that a push that was broken off does not tell it twice
    return [told]


def _info(name: str, target: Run, row: Mapping[str, Any], prompt: str, model_id: str) -> Any:  # noqa: ANN401 - TraceInfo
    from mlflow.entities import TraceInfo, TraceLocation, TraceState

    start, end = _times(row)
    usage = _usage(row)
    metadata = {"mlflow.sourceRun": target.info.run_id, "mlflow.modelId": model_id, "mlflow.trace_schema.version": "3"}
    return TraceInfo(
        trace_id=f"tr-{name}",
        trace_location=TraceLocation.from_experiment_id(target.info.experiment_id),
        request_time=start // 1_000_000,
        execution_duration=(end - start) // 1_000_000,
        # A wrong answer is no error of ours: the status is a tag, by which one filters.
        state=TraceState.ERROR if row["status"] in _OURS else TraceState.OK,
        request_preview=prompt[:1000],
        response_preview=f"{row['status']}: {row['completion']}"[:1000],
        tags={
            "mlflow.traceName": f"{row['benchmark']} {row['task_id']} #{row['sample_index']}",
            "codeassay.status": row["status"],
            "codeassay.task_id": row["task_id"],
            "codeassay.benchmark": row["benchmark"],
        },
        trace_metadata=metadata | ({"mlflow.trace.tokenUsage": json.dumps(usage)} if usage else {}),
        assessments=_assessments(name, row, target.info.run_id),
    )


def _times(row: Mapping[str, Any]) -> tuple[int, int]:
    """Start of the request and end of the judging, in nanoseconds since the epoch."""
    start = row["generation_started_at"] or row["execution_started_at"] or row["finished_at"]
    return int(start * 1e9), int(max(row["finished_at"], start) * 1e9)


def _spans(name: str, row: Mapping[str, Any], prompt: str, model_name: str) -> Iterator[Any]:
    """The sample, and in it its generation and its execution."""
    start, end = _times(row)
    generated = start + int((row["generation_seconds"] or 0.0) * 1e9)
    told = {key: row[key] for key in ("finish_reason", "prompt_tokens", "completion_tokens", "ttft_seconds")}
    outcome = {
        key: row[key] for key in ("status", "error", "generation_error", "stdout_tail", "stderr_tail") if row[key]
    }
    yield _span(
        name, 1, "sample", "CHAIN", (start, end), _cut(prompt), {"completion": _cut(row["completion"]), **outcome}
    )
    yield _span(
        name,
        2,
        "generate",
        "LLM",
        (start, generated),
        _cut(prompt),
        _cut(row["completion"]),
        {"model": model_name, **told},
        {"mlflow.llm.model": model_name, **({"mlflow.chat.tokenUsage": _usage(row)} if _usage(row) else {})},
    )
    if row["program"]:
        begun = int((row["execution_started_at"] or generated / 1e9) * 1e9)
        costs = {key: row[key] for key in ("judge", "isolation", "cpu_seconds", "wall_seconds")}
        yield _span(name, 3, "execute", "TOOL", (begun, end), _cut(row["program"]), outcome, costs)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARS else f"{text[:MOST_CHARS]}\n[{len(text) - MOST_CHARS:,} characters more]"


def _span(
    name: str,
    number: int,
    title: str,
    kind: str,
    times: tuple[int, int],
    inputs: object,
    outputs: object,
    attributes: Mapping[str, Any] | None = None,
    known: Mapping[str, Any] | None = None,
) -> Any:  # noqa: ANN401 - Span
    from mlflow.entities import Span

    told = {
        "mlflow.traceRequestId": f"tr-{name}",
        "mlflow.spanType": kind,
        "mlflow.spanInputs": inputs,
        "mlflow.spanOutputs": outputs,
        **{f"codeassay.{key}": value for key, value in (attributes or {}).items() if value is not None},
        **(known or {}),
    }
    return Span.from_dict(
        {
            "name": title,
            "trace_id": f"tr-{name}",
            "span_id": f"{number:016x}",
            "parent_span_id": None if number == 1 else f"{1:016x}",
            "start_time_unix_nano": times[0],
            "end_time_unix_nano": max(times),
            "status": {"code": "OK", "message": ""},
            "attributes": {key: json.dumps(value, ensure_ascii=False) for key, value in told.items()},
            "events": [],
        }
    )
