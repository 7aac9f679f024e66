"""`codeassay run` with one model: what it prints, and its exit code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from engine.cli_many import EXIT_INCOMPLETE, EXIT_OK, run_many
from engine.config import RunConfig
from engine.many import leave_ray
from engine.metrics import Metrics
from engine.page.report import report_page
from engine.publish import push_run, summary
from engine.report import render_run
from engine.run import Outcome, evaluate
from engine.tracking import TrackingUnavailable, ui_command
from runners.errors import UserError


def run_models(configs: Sequence[RunConfig], *, repeat: int, output: Path | None, as_json: bool) -> int:
    """Evaluate one model or several, show them, send them to MLflow; the exit code.

    Raises:
        UserError: whatever the user can cure.
    """
    if len(configs) == 1 and repeat == 1:
        return _run_one(configs[0], as_json=as_json)

    def push(outcome: Outcome) -> None:
        publish(outcome, configs[0], Console(stderr=True), quiet=as_json)

    def describe(outcome: Outcome) -> dict[str, Any]:
        return run_data(outcome.run_dir, outcome.metrics, outcome.status)

    return run_many(configs, repeat=repeat, output=output, describe=describe, push=push, as_json=as_json)


def _run_one(config: RunConfig, *, as_json: bool) -> int:
    err = Console(stderr=True)
    opened: list[Path] = []
    try:
        outcome = evaluate(config, err, opened.append)
    except KeyboardInterrupt:
        kept = f"{opened[0]} keeps what was committed. Run again to resume." if opened else "nothing ran yet."
        err.print(f"\nstopped; {kept}", soft_wrap=True, markup=False)
        return EXIT_INCOMPLETE
    finally:
        leave_ray()
    publish(outcome, config, err, quiet=as_json)
    if as_json:
        print(json.dumps(run_data(outcome.run_dir, outcome.metrics, outcome.status)))  # noqa: T201
    else:
        Console().print(render_run(summary(outcome.run_dir)))
    if outcome.status != "complete":
        text = f"incomplete: run the same command again to resume {outcome.run_dir}"
        err.print(text, style="yellow", soft_wrap=True, markup=False)
        return EXIT_INCOMPLETE
    return EXIT_OK


def publish(outcome: Outcome, config: RunConfig, err: Console, *, quiet: bool) -> None:
    """Write the page of a run that has ended and send the run to MLflow, as far as both are wanted."""
    if config.report.page:
        _page_or_tell(outcome.run_dir, err, quiet=quiet)
    if config.tracking.enabled:
        push_or_tell(outcome.run_dir, err, quiet=quiet)


def _page_or_tell(run_dir: Path, err: Console, *, quiet: bool) -> None:
    """Write the page; where that cannot be, the run is whole all the same, and how to do it later is told."""
    try:
        page = report_page([run_dir])
    except UserError as error:
        err.print(f"page: {error}", style="yellow", soft_wrap=True, markup=False)
        err.print(f"Write it later: codeassay report {run_dir}", soft_wrap=True, markup=False)
        return
    if not quiet:
        err.print(f"page: {page.path}", soft_wrap=True, markup=False, highlight=False)


def run_data(run_dir: Path, metrics: Metrics, status: str) -> dict[str, Any]:
    """A run as the object that --json prints."""
    return {
        "run_dir": str(run_dir),
        "status": status,
        "metrics": metrics.flat(),
        "statuses": metrics.overall.statuses,
    }


def push_or_tell(run_dir: Path, err: Console, *, quiet: bool) -> bool:
    """Send a run to MLflow; if that fails say how to do it later. Whether it was sent."""
    try:
        result = push_run(run_dir)
    except TrackingUnavailable as error:
        err.print(f"MLflow: {error}", style="yellow", soft_wrap=True, markup=False)
        err.print(f"The run is whole on disk; send it later: codeassay push {run_dir}", soft_wrap=True, markup=False)
        return False
    if not quiet:
        err.print(f"MLflow: run {result.run_id}; look: {ui_command(result.tracking_uri)}", soft_wrap=True, markup=False)
    return True
