"""The embedded default: train a micro model here, evaluate its checkpoints by the pipeline that users run, compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.registry import load_benchmark
from engine.cli_many import EXIT_FAILED, EXIT_OK
from engine.cli_sweep import evaluate_checkpoints, show
from engine.compare import Rules, compare, open_run
from engine.compare_view import render
from engine.config import RunConfig
from engine.places import cache_root, program, runs_root
from engine.suite import load_config
from engine.sweep import Checkpoints
from engine.tracking import default_tracking_uri, ui_command

SUITE = "starter"
_FLAGS = {"generation.n": 5, "generation.max_tokens": 160, "report.k": [1, 5]}
_TYPED = "-n 5 --max-tokens 160 --k 1,5"
"""_FLAGS as one types them."""


def run_demo(directory: Path | None, *, as_json: bool) -> int:
    """Train, evaluate each checkpoint, print the comparison and where to look; the exit code.

    Args:
        directory: where checkpoints go; those that are there already are evaluated, not trained again.
        as_json: print one JSON object per checkpoint instead of the table.

    Raises:
        UserError: no isolation on this machine, or the directory cannot be written.
    """
    err, out = Console(stderr=True), Console()
    checkpoints = directory or runs_root() / "demo"
    if not sorted(checkpoints.glob("step-*")):
        _train(checkpoints, err)
    pattern = f"{checkpoints}/step-*"
    swept = evaluate_checkpoints(Checkpoints(patterns=[pattern], tell=err.print), _config, err)
    if not as_json:
        _say(
            out,
            "\nEvery checkpoint of the training:",
            f"{program('codeassay')} sweep {SUITE} --models '{pattern}' {_TYPED}",
        )
    show(swept, as_json=as_json)
    if not as_json:
        _compare_last(swept.run_dirs, out)
        uri = default_tracking_uri(runs_root())
        _say(out, "The same numbers in MLflow (the run `demo starter by step` has the curve):", ui_command(uri))
    return EXIT_FAILED if swept.failures or not swept.outcomes else EXIT_OK


def _config(model: str) -> RunConfig:
    return load_config([SUITE], {"model.spec": model, **_FLAGS}, [])


def _compare_last(run_dirs: Sequence[Path], out: Console) -> None:
    """The last checkpoint against the one before it, as `codeassay compare` shows it."""
    if len(run_dirs) < 2:
        return
    before, last = (open_run(run_dir) for run_dir in run_dirs[-2:])
    _say(out, "\nIs the last one better?", f"{program('codeassay')} compare {before.name} {last.name}")
    out.print(render(compare(before, last, Rules())))


def _say(out: Console, text: str, command: str) -> None:
    out.print(text, soft_wrap=True, markup=False, highlight=False)
    out.print(f"  {command}", soft_wrap=True, markup=False, highlight=False)


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
