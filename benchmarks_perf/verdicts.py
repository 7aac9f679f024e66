"""Whether verdicts move with the machine's load: the same samples judged on an idle and on a busy machine.

`python -m benchmarks_perf.verdicts` prints what it found and files it; README.md says what is judged and how.
"""

from __future__ import annotations

import datetime
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks_perf.judging import Judging, differences, failures, flips, judge_all
from benchmarks_perf.machine import file_result, machine
from benchmarks_perf.workload import Workload, canonical, stored
from runners.errors import SandboxUnavailable, UserError

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared" / "data"
_SHOWN = 20
console = Console(width=max(Console().width, 118), highlight=False)


def main(
    data: Annotated[Path, typer.Option(help="HumanEval.jsonl(.gz)")] = SHARED / "humaneval/HumanEval.jsonl.gz",
    samples: Annotated[Path, typer.Option(help="a model's samples of HumanEval, verdicts beside them")] = (
        SHARED / "samples/humaneval_codegen_16b_mono_n10.jsonl.gz"
    ),
    repeat: Annotated[int, typer.Option(min=1, help="how often each canonical solution is judged")] = 10,
    judgings: Annotated[int, typer.Option(min=1, help="how often the model's samples are judged")] = 3,
    beside: Annotated[int, typer.Option("--busy", min=0, help="busy loops beside it")] = 8,
    subset: Annotated[int | None, typer.Option(min=1, help="only the first so many problems")] = None,
    isolation: Annotated[str, typer.Option(help="level of the sandbox")] = "full",
    timeout: Annotated[float, typer.Option(help="CPU limit in seconds")] = 3.0,
    results: Annotated[Path, typer.Option(help="folder for the result file")] = HERE / "results",
) -> None:
    """Judge the same samples idle and under load; exit status 1 if a verdict is not what it must be."""
    options = {"isolation": isolation, "timeout_seconds": timeout}
    try:
        right, real = canonical(data, repeat=repeat, subset=subset), stored(samples, data, subset=subset, timeouts=True)
        found = {
            "canonical": _canonical(right, beside, options),
            "model": _model(real, judgings, beside, options),
        }
    except (UserError, SandboxUnavailable) as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(2) from None
    problems = wrongs(found)
    result = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": shlex.join(["python", "-m", "benchmarks_perf.verdicts", *sys.argv[1:]]),
        "machine": machine(),
        "config": {**options, "repeat": repeat, "subset": subset, "busy_loops": beside, "policy": "auto"},
        **found,
        "wrong": problems,
    }
    for line in problems:
        console.print(line, style="red", markup=False)
    console.print(f"written to {file_result('verdicts', result, results)}", markup=False)
    raise typer.Exit(1 if problems else 0)


def _canonical(workload: Workload, beside: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """The canonical solutions, idle and then with busy loops: all pass."""
    found: dict[str, Any] = {"description": workload.description, "judgings": [], "failures": []}
    for loops in (0, beside):
        judging = _judged(workload, loops, options)
        found["judgings"].append(judging.as_json())
        found["failures"].append(failures(workload.samples, judging))
    return found


def _model(workload: Workload, count: int, beside: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """A model's samples, several times with busy loops: the same verdicts each time, and the known ones."""
    taken = [_judged(workload, beside, options) for _ in range(count)]
    found: dict[str, Any] = {
        "description": workload.description,
        "judgings": [judging.as_json() for judging in taken],
        "flips": flips(workload.samples, taken),
        "differences": differences(workload.samples, workload.known, taken),
    }
    for name in ("flips", "differences"):
        console.print(f"{len(found[name])} {name}")
        for row in found[name][:_SHOWN]:
            console.print(f"  {row['task_id']}, sample {row['index']}: {_told(row)}", markup=False)
    return found


def _judged(workload: Workload, loops: int, options: Mapping[str, Any]) -> Judging:
    console.print(f"{workload.name}: {len(workload.samples)} samples, {loops} busy loops beside", style="dim")
    judging = judge_all(workload.samples, busy_loops=loops, **options)
    shown = ", ".join(f"{count} {status}" for status, count in judging.as_json()["statuses"].items())
    passed = 100 * judging.as_json()["num_passed"] / len(workload.samples)
    load = judging.load_average
    console.print(
        f"  {passed:.2f} % passed ({shown}) in {judging.wall_seconds:.0f} s; load {load[0]:.1f} -> {load[1]:.1f}"
    )
    return judging


def _told(row: Mapping[str, Any]) -> str:
    known = f"known as {row['known']}, here " if "known" in row else ""
    return known + ", ".join(row["statuses"])


def wrongs(found: Mapping[str, Any]) -> list[str]:
    """What is not as it must be, in one line each: canonical solutions that failed, flips, passes unlike the known."""
    said = []
    for judging, failed in zip(found["canonical"]["judgings"], found["canonical"]["failures"], strict=True):
        if failed:
            said.append(f"{len(failed)} canonical samples failed with {judging['busy_loops']} busy loops beside")
    model = found["model"]
    if model["flips"]:
        said.append(f"{len(model['flips'])} samples changed their status between judgings")
    if unlike := sum(row["passes_differ"] for row in model["differences"]):
        said.append(f"{unlike} samples pass where they are known to fail, or the other way round")
    return said


if __name__ == "__main__":
    typer.run(main)
