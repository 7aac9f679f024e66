"""What a run asked, kept beside its samples: prompts, tags and clusters, so that a run tells its own story."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from actors.parts import read_part
from actors.samples import prompt_of, prompt_row
from benchmarks.benchmark import Benchmark
from benchmarks.problem import PromptForm
from runners.errors import UserError

PROBLEMS_FILE = "problems.parquet"
PROBLEM_SCHEMA = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),  # the label under which metrics appear
        pa.field("task_id", pa.string(), nullable=False),
        pa.field("variant", pa.string(), nullable=False),
        pa.field("tags", pa.list_(pa.string()), nullable=False),
        pa.field("cluster", pa.string(), nullable=False),  # what problems share a source; empty where none does
        pa.field("prompt", pa.string(), nullable=False),  # a Prompt as JSON
    ]
)


def write_problems(run_dir: Path, benchmarks: Mapping[str, Benchmark], form: PromptForm) -> None:
    """Write what each problem asks, whole or not at all.

    Raises:
        UserError: the directory cannot be written, or the disk is full.
    """
    rows = [
        {
            "benchmark": label,
            "task_id": problem.task_id,
            "variant": problem.variant,
            "tags": list(problem.tags),
            "cluster": problem.cluster,
            "prompt": json.dumps(prompt_row(benchmark.ask(problem, form))),
        }
        for label, benchmark in benchmarks.items()
        for problem in benchmark.problems()
    ]
    path = run_dir / PROBLEMS_FILE
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        pq.write_table(pa.Table.from_pylist(rows, schema=PROBLEM_SCHEMA), temporary, compression="zstd")
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}). Make room, then run again.") from error


def read_problems(run_dir: Path) -> pa.Table:
    """PROBLEM_SCHEMA of what a run asked; no rows where it was not kept.

    Raises:
        DataError: the file is damaged.
    """
    path = run_dir / PROBLEMS_FILE
    return read_part(path, PROBLEM_SCHEMA, PROBLEM_SCHEMA.names) if path.exists() else PROBLEM_SCHEMA.empty_table()


def clusters_in(run_dir: Path) -> dict[tuple[str, str], str]:
    """What problems share, by benchmark and task; those that stand alone are not in it.

    Raises:
        DataError: the file is damaged.
    """
    problems = read_problems(run_dir).select(["benchmark", "task_id", "cluster"])
    labels, tasks, clusters = (column.to_pylist() for column in problems.columns)
    return {(label, task): cluster for label, task, cluster in zip(labels, tasks, clusters, strict=True) if cluster}


def readable_prompt(text: str) -> str:
    """A prompt of `problems.parquet` as one reads it: what is continued, the gap as `<gap>`, a chat turn by turn."""
    prompt = prompt_of(json.loads(text))
    if prompt.messages:
        return "\n\n".join(f"[{message.role}]\n{message.content}" for message in prompt.messages)
    return f"{prompt.text}<gap>{prompt.suffix}" if prompt.form == "fim" else prompt.text
