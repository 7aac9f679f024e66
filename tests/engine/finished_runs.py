"""Finished run directories of made-up rows, for tests of what reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from actors.parts import commit
from actors.samples import SAMPLE_SCHEMA, prompt_row
from benchmarks.problem import Prompt
from engine.asked import PROBLEM_SCHEMA, PROBLEMS_FILE
from engine.metrics import PlannedBenchmark, compute_metrics
from tests.engine.rows import grid, sample_table

IDENTITY: dict[str, Any] = {
    "format": 2,
    "suite": "s",
    "benchmarks": {"humaneval": {"name": "humaneval"}},
    "limit": None,
    "model": {"digest": "d", "form": "base"},
    "generation": {"n": 5, "temperature": 0.8, "max_tokens": 512, "seed": 1},
    "execution": {"isolation": "auto", "judge": "auto"},
}


def finished_run(
    folder: Path,
    passed: Mapping[str, int],
    num_samples: int,
    *,
    name: str = "m--step-7",
    benchmarks: tuple[str, ...] = ("humaneval",),
    prompt: str = "p",
    status: str = "complete",
    faults: list[dict[str, Any]] | None = None,
    options: Mapping[str, Any] | None = None,
    clusters: Mapping[str, str] | None = None,
    extra: Mapping[str, float] | None = None,
    step: int | None = None,
    **identity: Any,
) -> Path:
    """Write a run in which so many of each problem's samples passed, the same in each benchmark.

    Args:
        folder: of the run.
        passed: by task id.
        num_samples: n.
        name: of the checkpoint.
        benchmarks: their labels.
        prompt: digest of the prompt mode.
        status: of the run.
        faults: rows that take the place of others.
        options: of each benchmark.
        clusters: of problems, by task id.
        extra: further scores that every sample has.
        step: training step of the checkpoint.
        **identity: sections of the run's identity that are not the usual ones.
    """
    rows = [row for label in benchmarks for row in grid(dict(passed), num_samples, benchmark=label)]
    replaced = {row["sample_id"]: row for row in faults or []}
    rows = [replaced.get(row["sample_id"], row) for row in rows]
    rows = [row | {"scores": [*row["scores"], *(extra or {}).items()]} for row in rows]
    metrics = ("pass", *(extra or {}))
    planned = {
        label: PlannedBenchmark(
            metrics=metrics, num_problems=len(passed), num_samples=num_samples, task_ids=tuple(passed)
        )
        for label in benchmarks
    }
    (folder / "samples").mkdir(parents=True)
    commit(folder / "samples", rows, SAMPLE_SCHEMA)
    (folder / "metrics.json").write_text(compute_metrics(sample_table(rows), planned, [1]).to_json())
    entry = {
        "planned": {
            "metrics": list(metrics),
            "num_problems": len(passed),
            "num_samples": num_samples,
            "task_ids": list(passed),
            "variant": "nominal",
        },
        "data": {"sha256": "e", "origin": "/data/humaneval.jsonl"},
        "prompt": {"sha256": prompt},
    }
    asked_problems = [
        {
            "benchmark": label,
            "task_id": task,
            "variant": "nominal",
            "tags": [],
            "cluster": (clusters or {}).get(task, ""),
        }
        for label in benchmarks
        for task in passed
    ]
    prompts = [
        {**asked, "prompt": json.dumps(prompt_row(Prompt(task_id=asked["task_id"], form="base", text="def f():\n")))}
        for asked in asked_problems
    ]
    pq.write_table(pa.Table.from_pylist(prompts, schema=PROBLEM_SCHEMA), folder / PROBLEMS_FILE)
    asked = {label: {"name": label, **(options or {})} for label in benchmarks}
    run = {
        "status": status,
        "run_key": f"key of {folder}",
        "suite": "s",
        "identity": IDENTITY | {"benchmarks": asked} | identity,
        "model": {
            "spec": f"/m/{name}",
            "path": f"/m/{name}",
            "name": name,
            "family": name.partition("--")[0],
            "step": step,
            "digest": f"digest of {name}",
        },
        "isolation": "full",
        "benchmarks": dict.fromkeys(benchmarks, entry),
        "started_at": 1_700_000_000.0 + (step or 0),
        "finished_at": 1_700_000_100.0 + (step or 0),
        "command": f"codeassay run s --model {name}",
    }
    settings = {"generation": {"n": num_samples}, "tracking": {"uri": None, "experiment": None}}
    (folder / "config.yaml").write_text(json.dumps(settings))
    (folder / "run.json").write_text(json.dumps(run))
    return folder
