"""Finished run directories of made-up rows, for tests of what reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actors.parts import commit
from actors.samples import SAMPLE_SCHEMA
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
        **identity: sections of the run's identity that are not the usual ones.
    """
    rows = [row for label in benchmarks for row in grid(dict(passed), num_samples, benchmark=label)]
    replaced = {row["sample_id"]: row for row in faults or []}
    rows = [replaced.get(row["sample_id"], row) for row in rows]
    planned = {
        label: PlannedBenchmark(
            metrics=("pass",), num_problems=len(passed), num_samples=num_samples, task_ids=tuple(passed)
        )
        for label in benchmarks
    }
    (folder / "samples").mkdir(parents=True)
    commit(folder / "samples", rows, SAMPLE_SCHEMA)
    (folder / "metrics.json").write_text(compute_metrics(sample_table(rows), planned, [1]).to_json())
    entry = {
        "planned": {
            "metrics": ["pass"],
            "num_problems": len(passed),
            "num_samples": num_samples,
            "task_ids": list(passed),
            "variant": "nominal",
        },
        "data": {"sha256": "e"},
        "prompt": {"sha256": prompt},
    }
    asked = {label: {"name": label, **(options or {})} for label in benchmarks}
    run = {
        "status": status,
        "run_key": "k",
        "suite": "s",
        "identity": IDENTITY | {"benchmarks": asked} | identity,
        "model": {"spec": f"/m/{name}", "name": name},
        "isolation": "full",
        "benchmarks": dict.fromkeys(benchmarks, entry),
        "started_at": 1.0,
        "command": f"codeassay run s --model {name}",
    }
    (folder / "run.json").write_text(json.dumps(run))
    return folder
