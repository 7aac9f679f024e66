"""What judging costs per language: HumanEval-X references, jailed, against the plain commands; CPU of process trees.

`python -m benchmarks_perf.languages --data FOLDER` prints a table and files it; README.md says what is measured.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.benchmark import reference_completion
from benchmarks.known_faults import known_faults
from benchmarks.registry import load_benchmark
from benchmarks_perf.cpu import open_account, pss_bytes, tree
from benchmarks_perf.machine import file_result, machine
from runners import tools
from runners.languages import LANGUAGES

HERE = Path(__file__).resolve().parent
SETS = ("python", "cpp", "java", "js", "go", "rust")
AFRESH_GOAL = 1.15
"""At most this share of the plain commands, for compiled languages, with nothing made before."""
WARM_GOALS = {"cpp": 0.40, "java": 0.25}
COMPILED = ("cpp", "java", "go", "rust")
console = Console(width=max(Console().width, 110), highlight=False)


def main(
    data: Annotated[Path, typer.Option(exists=True, help="folder with humaneval_LANGUAGE.jsonl.gz")],
    subset: Annotated[int, typer.Option(min=1, help="problems per language, evenly spread")] = 20,
    n: Annotated[int, typer.Option(min=1, help="distinct programs per problem")] = 5,
    rounds: Annotated[int, typer.Option(min=1, help="fresh processes per figure")] = 2,
    only: Annotated[list[str] | None, typer.Option(help="languages; all if none")] = None,
    results: Annotated[Path, typer.Option(help="folder for the result file")] = HERE / "results",
) -> None:
    """Measure every language in three ways; exit status 1 if a goal is missed."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        for language in only or SETS:
            rows = rows_of(language, data, subset, n)
            file = Path(name) / f"{language}.json"
            file.write_text(json.dumps(rows))
            ways = ("plain", "warm") if language not in COMPILED else ("plain", "afresh", "warm")
            taken = {way: [measured(file, way) for _ in range(rounds)] for way in ways}
            found[language] = summary(language, taken, len(rows))
            _say(language, found[language])
    result = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": shlex.join(["python", "-m", "benchmarks_perf.languages", *sys.argv[1:]]),
        "machine": machine(),
        "config": {"subset": subset, "n": n, "rounds": rounds},
        "versions": {language.name: tools.version(language) for language in LANGUAGES.values()},
        "languages": found,
    }
    _show(found)
    console.print(f"written to {file_result('languages', result, results)}", markup=False)
    raise typer.Exit(0 if all(entry["ok"] for entry in found.values()) else 1)


def rows_of(language: str, data: Path, subset: int, n: int) -> list[dict[str, Any]]:
    """`n` texts of each chosen reference, wrong ones left out, that differ in a comment at their end."""
    benchmark = load_benchmark("humaneval_x", {"language": language, "data": data}, Path(tempfile.gettempdir()))
    wrong = known_faults("humaneval_x", "", "reference")
    problems = [problem for problem in benchmark.problems() if problem.task_id not in wrong]
    chosen = problems[:: max(1, len(problems) // subset)][:subset]
    rows = []
    for problem in chosen:
        completion = reference_completion(problem)
        assert completion is not None
        (program,) = benchmark.programs(problem, completion)
        mark = "#" if language == "python" else "//"
        for number in range(n):
            source = f"{program.source.rstrip()}\n{mark} {number}\n"
            test = "\n".join(program.tests)
            rows.append({"source": source, "test": test, "language": program.language, "flags": list(program.flags)})
    return rows


def measured(file: Path, way: str) -> dict[str, float]:
    """CPU and wall seconds of one pass over a file, memory beside the jails, and how many programs passed."""
    account = open_account(way, unified=False)
    argv = [sys.executable, "-m", "benchmarks_perf.drivers.languages", str(file), way]
    process = subprocess.Popen(account.command(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdout.readline()
        began, used = time.monotonic(), account.cpu_seconds(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        statuses = json.loads(process.stdout.readline())
        cpu, wall = account.cpu_seconds(process.pid) - used, time.monotonic() - began
        memory = pss_bytes([process.pid]) or 0
        jails = (pss_bytes(tree(process.pid)) or 0) - memory
        process.stdin.write("\n")
        process.stdin.flush()
        process.wait(timeout=30)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        account.close()
    passed = sum(status == "passed" for status in statuses)
    return {"cpu": cpu, "wall": wall, "actor_mib": memory / 2**20, "jails_mib": jails / 2**20, "passed": passed}


def summary(language: str, taken: dict[str, list[dict[str, float]]], num_programs: int) -> dict[str, Any]:
    """Milliseconds of CPU per program, ratios to the plain commands of the same round, and whether goals hold."""
    ms = {way: [1000 * each["cpu"] / num_programs for each in rounds] for way, rounds in taken.items()}
    ratios = {
        way: [mine / theirs for mine, theirs in zip(ms[way], ms["plain"], strict=True)] for way in ms if way != "plain"
    }
    ratio = {way: median(values) for way, values in ratios.items()}
    goals = {"afresh": AFRESH_GOAL} if language in COMPILED else {}
    goals |= {"warm": WARM_GOALS[language]} if language in WARM_GOALS else {}
    passed = min(each["passed"] for rounds in taken.values() for each in rounds)
    return {
        "programs": num_programs,
        "passed": passed,
        "cpu_ms": ms,
        "ratios": ratios,
        "ratio": ratio,
        "goals": goals,
        "actor_mib": max(each["actor_mib"] for each in taken["warm"]),
        "jails_mib": max(each["jails_mib"] for each in taken["warm"]),
        "ok": passed == num_programs and all(ratio[way] <= goal for way, goal in goals.items()),
    }


def _say(language: str, entry: dict[str, Any]) -> None:
    console.print(f"{language}: {entry['ratio']} {'ok' if entry['ok'] else 'MISSED'}", markup=False, style="dim")


def _show(found: dict[str, Any]) -> None:
    table = Table(box=None)
    for heading in ("language", "programs", "plain ms", "afresh ms", "warm ms", "afresh", "warm", "goals", "actor MiB"):
        table.add_column(heading, justify="left" if heading in ("language", "goals") else "right")
    for language, entry in found.items():
        ms = {way: f"{median(values):.0f}" for way, values in entry["cpu_ms"].items()}
        ratio = {way: f"{value:.2f}" for way, value in entry["ratio"].items()}
        goals = ", ".join(f"{way} {goal}" for way, goal in entry["goals"].items())
        table.add_row(
            language,
            f"{entry['passed']}/{entry['programs']}",
            *(ms.get(way, "") for way in ("plain", "afresh", "warm")),
            *(ratio.get(way, "") for way in ("afresh", "warm")),
            goals + ("" if entry["ok"] else " MISSED"),
            f"{entry['actor_mib']:.0f}",
        )
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
