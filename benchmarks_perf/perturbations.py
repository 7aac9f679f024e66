"""How many variants of the catalogue are valid, over whole benchmarks, and what making and gating them costs.

`python -m benchmarks_perf.perturbations --data FOLDER` prints tables and files them; README.md says what is measured.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.perturbations.catalogue import catalogue
from benchmarks_perf.cpu import open_account
from benchmarks_perf.machine import file_result, machine

HERE = Path(__file__).resolve().parent
SPECS = {
    "humaneval": "humaneval/HumanEval.jsonl.gz",
    "mbpp:split=all": "mbpp/mbpp.jsonl.gz",
    **{f"humaneval_x:{name}": "humaneval_x" for name in ("python", "cpp", "java", "js", "go", "rust")},
    "code_completion:python_cn": "codefuse/code_completion",
}
"""Benchmarks and where their data is in the folder."""
COMPILED = tuple(f"humaneval_x:{name}" for name in ("cpp", "java", "go", "rust"))
COMPILED_SEVERITIES = "2"
"""Each distinct program is compiled: all severities of these four would take hours of CPU time."""
CHINESE = "_cn"
SPEEDS = {"docstring": 500, "chinese": 500, "names": 100, "syntax": 100}
"""Variants per CPU second that generation alone must reach."""
MOST_INVALID = 0.005
"""Of syntax and name perturbations, before the gate."""
GATE_MINUTES = 10
"""CPU minutes for all variants of HumanEval, made and gated."""
console = Console(width=max(Console().width, 120), highlight=False)


def main(
    data: Annotated[Path, typer.Option(exists=True, help="folder with humaneval, mbpp, humaneval_x and codefuse")],
    severities: Annotated[str, typer.Option(help="of languages that are not compiled, e.g. 1,2,3")] = "1,2,3",
    only: Annotated[list[str] | None, typer.Option(help="benchmarks; all if none")] = None,
    results: Annotated[Path, typer.Option(help="folder for the result file")] = HERE / "results",
) -> None:
    """Measure every benchmark; exit status 1 if a goal is missed."""
    found = {}
    for spec in only or SPECS:
        levels = COMPILED_SEVERITIES if spec in COMPILED else severities
        found[spec] = measured(spec, data / SPECS[spec], levels) | {"severities": levels}
        _show(spec, found[spec])
    missed = [f"{spec}: {line}" for spec, entry in found.items() for line in goals_missed(spec, entry)]
    result = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": shlex.join(["python", "-m", "benchmarks_perf.perturbations", *sys.argv[1:]]),
        "machine": machine(),
        "benchmarks": found,
        "missed": missed,
    }
    console.print(f"written to {file_result('perturbations', result, results)}", markup=False)
    for line in missed:
        console.print(f"MISSED {line}", markup=False)
    raise typer.Exit(1 if missed else 0)


def measured(spec: str, data: Path, severities: str) -> dict[str, Any]:
    """Variants by reason and CPU seconds of one benchmark, in a process tree of its own, with nothing judged before."""
    account = open_account("perturbations", unified=False)
    with tempfile.TemporaryDirectory() as verdicts:
        argv = [sys.executable, "-m", "benchmarks_perf.drivers.perturbations", spec, str(data), verdicts, severities]
        process = subprocess.Popen(account.command(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin is not None and process.stdout is not None

        def next_line() -> Any:  # noqa: ANN401 - whatever the driver tells
            assert process.stdout is not None
            return json.loads(process.stdout.readline())

        def go_on() -> None:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()

        try:
            next_line()
            go_on()
            generation = next_line()
            used = account.cpu_seconds(process.pid)
            go_on()
            told = next_line()
            cpu = account.cpu_seconds(process.pid) - used
            go_on()
            process.wait(timeout=60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
            account.close()
    return {**told, "generation": generation, "gate_cpu_seconds": cpu}


def goals_missed(spec: str, entry: dict[str, Any]) -> list[str]:
    """What falls short, in words."""
    missed = []
    for name, counts in entry["entries"].items():
        made = sum(count for reason, count in counts.items() if reason != "not_applicable")
        if catalogue()[name].family in ("names", "syntax") and counts.get("invalid", 0) > MOST_INVALID * made:
            missed.append(f"{name}: {counts['invalid']} of {made} variants invalid")
    for family, speed in SPEEDS.items():
        told = entry["generation"].get(family, {"variants": 0})
        if family == "docstring" and spec.endswith(CHINESE):
            continue  # few of its prompts have English words at all
        if told["variants"] and told["variants"] / told["cpu_seconds"] < speed:
            missed.append(
                f"{family}: {told['variants'] / told['cpu_seconds']:.0f} variants per CPU second, not {speed}"
            )
    if spec == "humaneval" and entry["gate_cpu_seconds"] > 60 * GATE_MINUTES:
        missed.append(f"the gate took {entry['gate_cpu_seconds']:.0f} CPU seconds")
    return missed


def _show(spec: str, entry: dict[str, Any]) -> None:
    table = Table(
        box=None, title=f"{spec}: {entry['problems']} problems, {entry['unverified']} unverified", title_justify="left"
    )
    columns = ("perturbation", "family", "problems kept", "kept", "invalid", "vacuous", "duplicate", "not applicable")
    for heading in columns:
        table.add_column(heading, justify="left" if heading in columns[:2] else "right")
    for name, counts in entry["entries"].items():
        cells = [str(counts.get(reason, 0)) for reason in ("kept", "invalid", "vacuous", "duplicate", "not_applicable")]
        table.add_row(name, catalogue()[name].family, str(entry["kept_problems"].get(name, 0)), *cells)
    console.print(table)
    for family, told in entry["generation"].items():
        speed = told["variants"] / told["cpu_seconds"] if told["cpu_seconds"] else 0.0
        kept = entry["problems_with_kept"].get(family, 0)
        made = entry["problems_with_made"].get(family, 0)
        console.print(
            f"  {family}: {kept} of {made} problems kept, {told['variants']} variants at {speed:.0f} per CPU s"
        )
    console.print(
        f"  {entry['kept']} of {entry['variants']} kept; gate {entry['gate_cpu_seconds']:.0f} CPU s, "
        f"{entry['programs_run']} programs run"
    )


if __name__ == "__main__":
    typer.run(main)
