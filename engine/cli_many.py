"""`codeassay run` with several models or `--repeat`: what it prints, and its exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from engine.config import RunConfig
from engine.many import Many, evaluate_many, in_folder, leave_ray
from engine.publish import summary
from engine.report import RunSummary, render_comparison
from engine.run import Outcome
from engine.stability import Stability, render_stability, stability
from engine.store import read_run
from runners.errors import UserError

EXIT_OK, EXIT_FAILED, EXIT_INCOMPLETE = 0, 1, 4


def run_many(
    configs: Sequence[RunConfig],
    *,
    repeat: int,
    output: Path | None,
    describe: Callable[[Outcome], dict[str, Any]],
    push: Callable[[Outcome], None],
    as_json: bool,
) -> int:
    """Evaluate several models, or one several times, show them side by side; the exit code.

    Args:
        configs: one per model.
        repeat: runs of each.
        output: folder of the run directories; with one model it is the directory of its first run.
        describe: a run as the object that --json prints.
        push: sends a run to MLflow, once it has ended.
        as_json: print one object per line: each run, each failed model, each model's spread.

    Raises:
        UserError: a model is not there, which is found before anything runs; or all fail for one reason.
    """
    err = Console(stderr=True)
    if len(configs) > 1 and configs[0].model.step is not None:
        raise UserError("--step: belongs to one model; with several it is read from their names.")
    configs = in_folder(configs, output) if output and len(configs) > 1 else configs
    opened: list[Path] = []
    try:
        many = evaluate_many(configs, err, repeat=repeat, on_open=opened.append, on_done=push)
    except KeyboardInterrupt:
        kept = f"{len(opened)} run directories keep what was committed. Run again to resume."
        err.print(f"\nstopped; {kept if opened else 'nothing ran yet.'}", soft_wrap=True, markup=False)
        return EXIT_INCOMPLETE
    finally:
        leave_ray()
    _raise_common_fault(many)
    spreads = _spreads(many, configs) if repeat > 1 else []
    if as_json:
        _print_json(many, spreads, describe)
    else:
        _print_tables(many, spreads)
    return _close(many, err)


def _raise_common_fault(many: Many) -> None:
    """A fault that is every model's is no model's: it is told once."""
    reasons = {failure.error for failure in many.failures}
    if not many.runs and len(reasons) == 1 and all(failure.is_users for failure in many.failures):
        raise UserError(reasons.pop())


def _spreads(many: Many, configs: Sequence[RunConfig]) -> list[Stability]:
    """Of each model with at least two runs."""
    by_spec = {config.model.spec: config for config in configs}
    spreads = []
    for model, runs in many.runs.items():
        generation = (read_run(runs[0].run_dir) or {})["identity"]["generation"]
        metrics = [outcome.metrics for outcome in runs]
        if len(runs) > 1:
            name = summary(runs[0].run_dir).model
            spreads.append(stability(name, by_spec[model], metrics, temperature=generation["temperature"]))
    return spreads


def _print_json(many: Many, spreads: Sequence[Stability], describe: Callable[[Outcome], dict[str, Any]]) -> None:
    lines = [describe(outcome) for outcome in many.outcomes]
    lines += [{"model": failure.model, "status": "failed", "error": failure.error} for failure in many.failures]
    lines += [{"stability": found.as_json()} for found in spreads]
    for line in lines:
        print(json.dumps(line))  # noqa: T201


def _print_tables(many: Many, spreads: Sequence[Stability]) -> None:
    out = Console()
    if many.runs:
        out.print(render_comparison([shown for runs in many.runs.values() for shown in _numbered(runs)]))
    for found in spreads:
        out.print()
        out.print(render_stability(found))
    out.print()
    for outcome in many.outcomes:
        out.print(f"{outcome.status}  {outcome.run_dir}", soft_wrap=True, markup=False, highlight=False)


def _numbered(runs: Sequence[Outcome]) -> list[RunSummary]:
    """Runs of one model as they are shown: with their number where it is repeated."""
    shown = [summary(outcome.run_dir) for outcome in runs]
    return shown if len(shown) == 1 else [replace(run, model=f"{run.model} #{i}") for i, run in enumerate(shown, 1)]


def _close(many: Many, err: Console) -> int:
    """Say what is left to do; the exit code."""
    for failure in many.failures:
        err.print(f"failed: {failure.model}: {failure.error}", style="red", soft_wrap=True, markup=False)
    incomplete = [outcome for outcome in many.outcomes if outcome.status != "complete"]
    if many.interrupted or incomplete:
        text = "stopped" if many.interrupted else f"{len(incomplete)} runs are incomplete"
        err.print(f"{text}: run the same command again to resume.", style="yellow", soft_wrap=True, markup=False)
    if many.interrupted:
        return EXIT_INCOMPLETE
    return EXIT_FAILED if many.failures else EXIT_INCOMPLETE if incomplete else EXIT_OK
