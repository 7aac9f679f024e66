"""What comparing, reporting and tracking cost: CPU seconds and memory, each in a fresh process with its imports.

`python -m benchmarks_perf.comparing` prints a table and files it; README.md says what is measured.
"""

from __future__ import annotations

import datetime
import json
import os
import random
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks_perf.machine import file_result, machine
from tests.engine.finished_runs import finished_run
from tests.engine.rows import sample_row

HERE = Path(__file__).resolve().parent
GOALS = {"compare 1,000 x 200": 5.0, "report 164 x 10": 5.0, "push 164 x 10 into SQLite": 10.0}
"""CPU seconds, imports included."""
CHECKPOINTS = 50
console = Console(width=max(Console().width, 100), highlight=False)


def main(
    rounds: Annotated[int, typer.Option(min=1, help="fresh processes per part")] = 3,
    results: Annotated[Path, typer.Option(help="folder for the result file")] = HERE / "results",
) -> None:
    """Measure every part; exit status 1 if a goal is missed."""
    with tempfile.TemporaryDirectory() as name:
        inputs = Path(name)
        make_inputs(inputs)
        _round("push it again", inputs)
        found = {part: [_round(part, inputs) for _ in range(rounds)] for part in PARTS}
    result = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": shlex.join(["python", "-m", "benchmarks_perf.comparing", *sys.argv[1:]]),
        "machine": machine(),
        "config": {"rounds": rounds, "checkpoints": CHECKPOINTS},
        "parts": {part: _summary(part, taken) for part, taken in found.items()},
    }
    _show(result)
    console.print(f"written to {file_result('comparing', result, results)}", markup=False)
    missed = [part for part, goal in GOALS.items() if result["parts"][part]["cpu_seconds"]["median"] >= goal]
    raise typer.Exit(1 if missed else 0)


def make_inputs(folder: Path) -> None:
    """Made-up runs: two of 1,000 x 200, two of 164 x 10 with programs of 2 kB, and many small checkpoints."""
    chance = random.Random(0)
    for name, rate in (("a", 0.40), ("b", 0.42)):
        shares = [min(1.0, chance.random() * 2 * rate) for _ in range(1000)]
        passed = {f"t{task:04}": sum(chance.random() < share for _ in range(200)) for task, share in enumerate(shares)}
        finished_run(folder / "large" / name, passed, 200, name=f"large--{name}")
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz_", k=chance.randint(2, 9))) for _ in range(3000)]
    for step in (1, 2):
        tasks = {f"HumanEval/{task}": 0 for task in range(164)}
        rows = [_row(task, index, step, chance, words) for task in tasks for index in range(10)]
        finished_run(folder / "report" / f"step-{step}", tasks, 10, name=f"m--step-{step}", step=step, faults=rows)
    for step in range(CHECKPOINTS):
        passed = {f"HumanEval/{task}": chance.randint(0, 10) for task in range(164)}
        name = f"family{step % 5}--step-{step}"
        finished_run(folder / "many" / name, passed, 10, name=name, step=step)


def _row(task: str, index: int, step: int, chance: random.Random, words: Sequence[str]) -> dict[str, Any]:
    status = "passed" if chance.random() < 0.3 + 0.1 * step else "wrong_answer"
    text = "\n".join(f"    {' '.join(chance.choices(words, k=7))}" for _ in range(40))
    begun = 1.7e9 + 20 * chance.random()
    return sample_row(
        task,
        status,
        sample_index=index,
        completion=text,
        program=f"def f():\n{text}",
        program_sha256=f"{step} {task} {index}",
        stderr_tail="" if status == "passed" else f"AssertionError: {text[:200]}",
        ttft_seconds=chance.random(),
        generation_started_at=begun,
        execution_started_at=begun + 3,
        finished_at=begun + 4,
    )


def _compare(inputs: Path) -> object:
    from engine.compare import Rules, compare, open_run
    from engine.compare_view import as_data

    return as_data(compare(open_run(inputs / "large" / "a"), open_run(inputs / "large" / "b"), Rules()))


def _report(inputs: Path) -> object:
    from engine.page.report import report_page

    return report_page([inputs / "report" / "step-1"], inputs / "one.html").num_bytes


def _report_two(inputs: Path) -> object:
    from engine.page.report import report_page

    return report_page([inputs / "report" / f"step-{step}" for step in (1, 2)], inputs / "two.html").num_bytes


def _push(inputs: Path) -> object:
    from engine.publish import push_run

    with tempfile.TemporaryDirectory() as store:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{store}/mlflow.db"
        return push_run(inputs / "report" / "step-1").num_metrics


def _push_again(inputs: Path) -> object:
    from engine.publish import push_run

    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{inputs}/again/mlflow.db"
    return push_run(inputs / "report" / "step-1").num_metrics


def _leaderboard(inputs: Path) -> object:
    from engine.leaderboard import leaderboard

    return len(leaderboard([str(inputs / "many")]).places)


PARTS: Mapping[str, Callable[[Path], object]] = {
    "compare 1,000 x 200": _compare,
    "report 164 x 10": _report,
    "report of two of 164 x 10": _report_two,
    "push 164 x 10 into SQLite": _push,
    "push it again": _push_again,
    f"leaderboard of {CHECKPOINTS} x 164 x 10": _leaderboard,
}


def _round(part: str, inputs: Path) -> dict[str, float]:
    """One part in a process of its own."""
    command = [sys.executable, "-m", "benchmarks_perf.comparing_part", part, str(inputs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def run_part(part: str, inputs: Path) -> dict[str, float]:
    """Do a part here; CPU seconds of this process since its start, wall seconds of the part, peak memory in bytes."""
    began = time.perf_counter()
    PARTS[part](inputs)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "wall_seconds": time.perf_counter() - began,
        # ru_maxrss would be that of the process that started this one, where that was larger.
        "peak_memory_bytes": int(status["VmHWM"].split()[0]) * 1024,
    }


def _summary(part: str, taken: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    figures = {
        name: {"median": median(each[name] for each in taken), "rounds": [each[name] for each in taken]}
        for name in taken[0]
    }
    return {**figures, "goal_cpu_seconds": GOALS.get(part)}


def _show(result: Mapping[str, Any]) -> None:
    table = Table("part", "CPU s", "wall s", "peak MiB", "goal CPU s")
    for part, found in result["parts"].items():
        cpu, wall, memory = (found[name]["median"] for name in ("cpu_seconds", "wall_seconds", "peak_memory_bytes"))
        goal = found["goal_cpu_seconds"]
        table.add_row(part, f"{cpu:.2f}", f"{wall:.2f}", f"{memory / (1 << 20):.0f}", f"< {goal:g}" if goal else "")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
