"""`codeassay sweep`: every checkpoint of a training, what it prints, and its exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from engine.cli_many import EXIT_FAILED, EXIT_INCOMPLETE, EXIT_OK
from engine.cli_run import publish, run_data
from engine.compare import Rules
from engine.config import RunConfig
from engine.many import Failure, Many, evaluate_many, in_folder, leave_ray
from engine.page.report import report_page
from engine.run import Outcome
from engine.store import read_run
from engine.sweep import Checkpoints, Watch
from engine.sweep_view import render_steps, steps_data, steps_of
from runners.errors import UserError


@dataclass(slots=True)
class Swept:
    """What became of the checkpoints so far."""

    outcomes: list[Outcome] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    interrupted: bool = False
    """Whether Ctrl-C ended a run; while waiting it ends the watch alone."""

    def add(self, many: Many) -> None:
        """Take what became of a batch."""
        self.outcomes += many.outcomes
        self.failures += many.failures
        self.interrupted |= many.interrupted

    @property
    def run_dirs(self) -> list[Path]:
        """By training step, those without one last."""
        return sorted((outcome.run_dir for outcome in self.outcomes), key=_step_of)


def run_sweep(
    patterns: Sequence[str],
    config_of: Callable[[str], RunConfig],
    watch: Watch | None,
    *,
    output: Path | None,
    as_json: bool,
) -> int:
    """Evaluate the checkpoints behind patterns in order of their steps and compare each with the one before it.

    Args:
        patterns: models as typed, e.g. `ckpts/step-*`.
        config_of: the configuration that a model is run with.
        watch: how to wait for further ones; None takes those that are there.
        output: folder of the run directories; None is where runs usually go.
        as_json: print one object per run, then one with the changes.

    Raises:
        UserError: what is asked cannot be run at all, or a pattern matches nothing.
    """
    err = Console(stderr=True)
    found = Checkpoints(patterns=patterns, watch=watch, tell=lambda text: _tell(err, text))
    swept = evaluate_checkpoints(found, config_of, err, output=output)
    show(swept, as_json=as_json)
    return _close(swept, found.left_out if watch is None else {}, err)


def evaluate_checkpoints(
    found: Checkpoints, config_of: Callable[[str], RunConfig], err: Console, *, output: Path | None = None
) -> Swept:
    """Evaluate checkpoints as they are found, write their pages and send them to MLflow; Ctrl-C ends it early.

    Raises:
        UserError: what is asked cannot be run at all, or a pattern matches nothing.
    """
    settings = config_of("reference")  # faults in suite or flags are told now, not after hours
    swept = Swept()
    try:
        for batch in found.batches():
            configs = [config_of(model) for model in batch]
            configs = in_folder(configs, output) if output else configs
            many = evaluate_many(configs, err, on_done=lambda run: publish(run, settings, err, quiet=True))
            swept.add(many)
            if many.interrupted:
                break
            _tell_numbers(many, err)
    except KeyboardInterrupt:
        swept.interrupted |= found.watch is None
        _tell(err, "\nstopped; what was committed is kept. Run again to go on.")
    finally:
        leave_ray()
    return swept


def _tell_numbers(many: Many, err: Console) -> None:
    """A line per checkpoint, for those who watch."""
    for outcome in many.outcomes:
        estimates = outcome.metrics.overall.estimates
        numbers = ", ".join(f"{name.replace('_at_', '@')} {each.value:.3f}" for name, each in estimates.items())
        _tell(err, f"{outcome.status}  {outcome.run_dir}  {numbers or 'withheld'}")


def show(swept: Swept, *, as_json: bool) -> None:
    """Print the scores and changes of all checkpoints, and write their page."""
    if not swept.outcomes:
        return
    steps = steps_of(swept.run_dirs, Rules())
    if as_json:
        for outcome in swept.outcomes:
            print(json.dumps(run_data(outcome.run_dir, outcome.metrics, outcome.status)))  # noqa: T201
        print(json.dumps({"steps": steps_data(steps)}))  # noqa: T201
        return
    out = Console()
    out.print(render_steps(steps))
    page = report_page(swept.run_dirs)
    out.print(f"\npage  {page.path}", soft_wrap=True, markup=False, highlight=False)


def _close(swept: Swept, left_out: dict[str, str], err: Console) -> int:
    """Say what is left to do; the exit code."""
    for failure in swept.failures:
        err.print(f"failed: {failure.model}: {failure.error}", style="red", soft_wrap=True, markup=False)
    if not swept.outcomes and not swept.failures and left_out:
        raise UserError(next(iter(left_out.values())))
    incomplete = [outcome for outcome in swept.outcomes if outcome.status != "complete"]
    if swept.interrupted or incomplete or left_out:
        words = {"interrupted": swept.interrupted, f"{len(incomplete)} runs incomplete": bool(incomplete)}
        words[f"{len(left_out)} checkpoints not whole"] = bool(left_out)
        told = ", ".join(text for text, holds in words.items() if holds)
        err.print(f"{told}: run the same command again to go on.", style="yellow", soft_wrap=True, markup=False)
    if swept.failures:
        return EXIT_FAILED
    return EXIT_INCOMPLETE if swept.interrupted or incomplete or left_out else EXIT_OK


def _step_of(run_dir: Path) -> tuple[bool, int, str]:
    step = (read_run(run_dir) or {}).get("model", {}).get("step")
    return step is None, step or 0, run_dir.name


def _tell(err: Console, text: str) -> None:
    err.print(text, soft_wrap=True, markup=False, highlight=False)
