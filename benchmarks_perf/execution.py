"""How fast programs are judged: our sandboxes beside their peers and a bare fork, in one run on one machine.

`python -m benchmarks_perf.execution` prints a table and files the result; README.md says what is measured and how.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks_perf.cpu import busy
from benchmarks_perf.machine import machine, slug
from benchmarks_perf.report import show
from benchmarks_perf.run import Run, chosen
from benchmarks_perf.subjects import Settings
from benchmarks_perf.workload import Workload, canonical, stored
from runners.errors import UserError

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared" / "data"
WORKLOADS = ("canonical", "model")
console = Console(width=max(Console().width, 118))  # the tables need it, also where output is no terminal


def main(
    data: Annotated[Path, typer.Option(help="HumanEval.jsonl(.gz)")] = SHARED / "humaneval/HumanEval.jsonl.gz",
    samples: Annotated[Path, typer.Option(help="a model's samples of HumanEval (task_id, completion)")] = (
        SHARED / "samples/humaneval_codegen_16b_mono_n10.jsonl.gz"
    ),
    evalplus_data: Annotated[Path, typer.Option(help="HumanEvalPlus.jsonl(.gz)")] = (
        SHARED / "evalplus/HumanEvalPlus.jsonl.gz"
    ),
    repeat: Annotated[int, typer.Option(min=1, help="how often each canonical solution is run")] = 10,
    subset: Annotated[int | None, typer.Option(min=1, help="only the first so many problems")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="how often everything is measured")] = 3,
    only: Annotated[list[str] | None, typer.Option(help="measure this executor only; may be repeated")] = None,
    workload: Annotated[list[str] | None, typer.Option(help="canonical or model; may be repeated")] = None,
    isolation: Annotated[str, typer.Option(help="level of our own sandboxes")] = "full",
    timeout: Annotated[float, typer.Option(help="seconds: CPU time for ours, wall time for the others")] = 3.0,
    timeouts: Annotated[bool, typer.Option(help="also run model samples that are known to time out")] = False,
    core: Annotated[int | None, typer.Option(help="processor to run on; by default the last one allowed")] = None,
    slots: Annotated[bool, typer.Option(help="also measure two slots on two cores")] = True,
    beside: Annotated[int, typer.Option("--busy", min=0, help="busy loops beside it: for verdicts, not for speed")] = 0,
    results: Annotated[Path, typer.Option(help="folder for the result file")] = HERE / "results",
) -> None:
    """Measure what it costs to judge a program, and what it costs others."""
    load_before, skipped = os.getloadavg(), dict[str, str]()
    settings = Settings(isolation=isolation, timeout_seconds=timeout, evalplus_data=evalplus_data)
    try:
        run = Run(
            settings=settings,
            subjects=chosen(only or (), settings, skipped),
            workloads=_workloads(workload or WORKLOADS, data, samples, skipped, repeat, subset, timeouts),
            rounds=rounds,
            core=max(os.sched_getaffinity(0)) if core is None else core,
            say=lambda text: console.print(text, style="dim", highlight=False),
            skipped=skipped,
        )
    except UserError as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(2) from None
    inputs = {"repeat": repeat, "subset": subset, "busy_loops": beside, "timeouts": timeouts}
    with busy(beside):
        result = _result(run, slots, (data, samples, evalplus_data), inputs, load_before)
    show(result, console)
    console.print(f"written to {_write(result, results)}", markup=False)
    raise typer.Exit(1 if run.failed else 0)


def _workloads(
    names: Sequence[str],
    data: Path,
    samples: Path,
    skipped: dict[str, str],
    repeat: int,
    subset: int | None,
    timeouts: bool,
) -> list[Workload]:
    """The workloads whose files are here.

    Raises:
        UserError: there is no such workload, a file is broken, or nothing is left to run.
    """
    if unknown := sorted(set(names) - set(WORKLOADS)):
        raise UserError(f"--workload '{unknown[0]}' is unknown; choose from: {', '.join(WORKLOADS)}.")
    found = []
    for name, path in (("canonical", data), ("model", samples)):
        missing = [file for file in (data, path) if not file.exists()]
        if name in names and missing:
            skipped[f"workload {name}"] = f"there is no {missing[0]}"
        elif name == "canonical" and name in names:
            found.append(canonical(data, repeat=repeat, subset=subset))
        elif name in names:
            found.append(stored(samples, data, subset=subset, timeouts=timeouts))
    if not found:
        raise UserError(f"nothing to run: {'; '.join(skipped.values())}. --data and --samples name the files.")
    return found


def _result(
    run: Run, slots: bool, files: Sequence[Path], inputs: dict[str, Any], load_before: tuple[float, ...]
) -> dict[str, Any]:
    """Measure, and put down all that is needed to understand and repeat it."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": shlex.join(["python", "-m", "benchmarks_perf.execution", *sys.argv[1:]]),
        "machine": machine(),
        "config": {
            "rounds": run.rounds,
            **inputs,
            "core": run.core,
            "isolation": run.settings.isolation,
            "timeout_seconds": run.settings.timeout_seconds,
            "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.exists()},
        },
        "workloads": run.measured(),
        "slots": run.slots() if slots else None,
        "skipped": run.skipped,
        "failed": run.failed,
        "load_average": {"before": load_before, "after": os.getloadavg()},
    }


def _write(result: dict[str, Any], folder: Path) -> Path:
    """File the result under the processor's name and the day."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"execution-{slug(result['machine']['cpu'])}-{result['date'][:10]}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    typer.run(main)
