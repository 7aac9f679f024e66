"""How fast programs are judged: our sandboxes beside their peers and a bare fork, in one run on one machine.

`python -m benchmarks_perf.execution` prints a table and files the result; README.md says what is measured and how.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks_perf.cpu import busy
from benchmarks_perf.goals import judge
from benchmarks_perf.machine import file_result, machine
from benchmarks_perf.report import show
from benchmarks_perf.run import Run, chosen, two_cores
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
    speed: Annotated[bool, typer.Option(help="measure cost per sample")] = True,
    slots: Annotated[bool, typer.Option(help="measure two slots on two cores")] = True,
    pipeline: Annotated[bool, typer.Option(help="run the model's samples through the whole pipeline")] = True,
    workers: Annotated[
        list[int] | None, typer.Option(min=1, help="of the pipeline; 1 and 2 if empty; may be repeated")
    ] = None,
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
        stored_here = pipeline and data.exists() and samples.exists()
        replayed = _workloads(("model",), data, samples, skipped, repeat, subset, False) if stored_here else []
    except UserError as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(2) from None
    inputs = {"repeat": repeat, "subset": subset, "busy_loops": beside, "timeouts": timeouts}
    with busy(beside):
        figures = {
            "workloads": run.measured() if speed else [],
            "slots": run.slots() if slots else {},
            "pipeline": _pipeline(run, data, replayed, workers) if pipeline else {},
        }
    result = _result(run, figures, (data, samples, evalplus_data), inputs, load_before)
    show(result, console)
    console.print(f"written to {file_result('execution', result, results)}", markup=False)
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


def _pipeline(run: Run, data: Path, workloads: Sequence[Workload], workers: Sequence[int] | None) -> dict[str, Any]:
    """Measure the pipeline with the workers asked for, or with as many as there are processors, at most two."""
    if not workloads:
        run.skipped["pipeline"] = "there are no stored samples: --data and --samples name them"
        return {}
    num_cores = len(two_cores())
    if num_cores < 2 and not workers:
        run.skipped["pipeline, 2 workers"] = "two processors are needed; --workers 2 tries it on one"
    return run.pipeline(data, workloads[0], workers or range(1, num_cores + 1))


def _result(
    run: Run,
    figures: dict[str, Any],
    files: Sequence[Path],
    inputs: dict[str, Any],
    load_before: tuple[float, ...],
) -> dict[str, Any]:
    """Put down all that is needed to understand and repeat a measurement."""
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
        **figures,
        "goals": judge(figures),
        "skipped": run.skipped,
        "failed": run.failed,
        "load_average": {"before": load_before, "after": os.getloadavg()},
    }


if __name__ == "__main__":
    typer.run(main)
