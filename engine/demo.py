"""The embedded default: train a micro model here, evaluate its checkpoints by the pipeline that users run, compare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.registry import load_benchmark
from engine.compare import Rules, compare, open_run
from engine.compare_view import render
from engine.pipeline import connect
from engine.places import cache_root, program, runs_root
from engine.publish import push_run, summary
from engine.report import render_comparison
from engine.run import Outcome, evaluate
from engine.suite import load_config
from engine.tracking import ui_command

SUITE = "starter"
_FLAGS = {"generation.n": 5, "generation.max_tokens": 160, "report.k": [1, 5]}


def run_demo(directory: Path | None, *, as_json: bool) -> int:
    """Train, evaluate each checkpoint, print the comparison and where to look; the exit code.

    Args:
        directory: where checkpoints go; those that are there already are evaluated, not trained again.
        as_json: print one JSON object per checkpoint instead of the table.

    Raises:
        UserError: no isolation on this machine, or the directory cannot be written.
    """
    err = Console(stderr=True)
    checkpoints = directory or runs_root() / "demo"
    found = sorted(checkpoints.glob("step-*")) or _train(checkpoints, err)
    connect()
    outcomes = [evaluate(load_config([SUITE], {"model.spec": str(path), **_FLAGS}, []), err) for path in found]
    results = [push_run(outcome.run_dir) for outcome in outcomes]
    if as_json:
        for outcome in outcomes:
            line = {"run_dir": str(outcome.run_dir), "metrics": outcome.metrics.flat()}
            print(json.dumps(line | {"statuses": outcome.metrics.overall.statuses}))  # noqa: T201
        return 0
    out = Console()
    out.print()
    out.print(render_comparison([summary(outcome.run_dir) for outcome in outcomes]))
    _compare_last(outcomes, out)
    out.print("The same numbers in MLflow:")
    out.print(f"  {ui_command(results[0].tracking_uri)}", soft_wrap=True, markup=False, highlight=False)
    out.print("One run in full:")
    out.print(f"  {program('codeassay')} report {outcomes[-1].run_dir}", soft_wrap=True, markup=False, highlight=False)
    return 0


def _compare_last(outcomes: Sequence[Outcome], out: Console) -> None:
    """The last checkpoint against the one before it, as `codeassay compare` shows it."""
    out.print()
    if len(outcomes) < 2:
        return
    before, last = (open_run(outcome.run_dir) for outcome in outcomes[-2:])
    command = f"{program('codeassay')} compare {before.name} {last.name}"
    out.print(f"Is the last one better?  {command}", soft_wrap=True, markup=False, highlight=False)
    out.print(render(compare(before, last, Rules())))


def _train(directory: Path, console: Console) -> list[Path]:
    """Train the micro model on `starter` and save its checkpoints."""
    with console.status("loading torch"):
        from actors.micro_model import DEMO, train
    problems = load_benchmark(SUITE, {}, cache_root() / "data").problems()
    examples = [(problem.prompt, problem.reference or "") for problem in problems]
    last = DEMO.steps[-1]
    console.print(f"training a micro model on {len(examples)} problems, {last} steps, on this machine's CPUs")
    every = max(last // 8, 1)

    def tell(step: int, loss: float) -> None:
        if step % every == 0:
            console.print(f"  step {step:4d}  loss {loss:.3f}", highlight=False)

    return train(directory, examples=examples, on_step=tell)
