"""Several models in one command: one engine after another on the same GPUs, the next weights on their way meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from actors.model_digest import model_digest
from actors.models import ModelSpec, parse_model
from actors.parts import STOP_FILE
from actors.prefetch import Prefetch
from engine.config import RunConfig
from engine.pipeline_cluster import connect
from engine.pipeline_errors import PipelineError
from engine.places import cache_root
from engine.ray_words import ray_words
from engine.run import Outcome, evaluate
from engine.stability import repeats_of
from engine.store import RUN_FILE
from runners.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A model that could not be evaluated to its end."""

    model: str
    error: str
    is_users: bool
    """Whether the user can cure it; else a stage died or stalled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """What became of several models."""

    runs: Mapping[str, tuple[Outcome, ...]]
    """By `model.spec`, for each model with at least one run: its runs, as many as it is repeated."""
    failures: tuple[Failure, ...]
    interrupted: bool
    """Whether Ctrl-C ended it: models may be left."""

    @property
    def outcomes(self) -> list[Outcome]:
        """All runs, in order."""
        return [outcome for runs in self.runs.values() for outcome in runs]


def evaluate_many(
    configs: Sequence[RunConfig],
    console: Console,
    *,
    repeat: int = 1,
    on_open: Callable[[Path], None] = lambda _: None,
    on_done: Callable[[Outcome], None] = lambda _: None,
) -> Many:
    """Evaluate each configuration, in order, each in a run directory of its own.

    Args:
        configs: one per model.
        console: where progress is shown (standard error).
        repeat: runs of each, with generation seeds that follow one another.
        on_open: told each run directory once it is ours.
        on_done: told each run when it has ended.

    Raises:
        UserError: before anything runs, a model is not there or not whole. What fails later is a Failure, and the
            other models are evaluated all the same.
    """
    specs = check_models(configs)
    if len(specs) > 1:
        connect(configs[0].execution.cpus)  # prefetching asks which nodes there are
    finished: dict[str, tuple[Outcome, ...]] = {}
    failures: list[Failure] = []
    with closing(_each_with_next_fetched(specs)) as turns:
        for spec, config in zip(turns, configs, strict=True):
            runs: list[Outcome] = []
            try:
                _evaluate_repeats(config, console, repeat, runs, on_open, on_done)
            except (UserError, PipelineError) as error:
                failures.append(_failure(spec, error, console))
            finished |= {config.model.spec: tuple(runs)} if runs else {}
            if _interrupted(runs):
                return Many(runs=finished, failures=tuple(failures), interrupted=True)
    return Many(runs=finished, failures=tuple(failures), interrupted=False)


def _each_with_next_fetched(specs: Sequence[ModelSpec]) -> Generator[ModelSpec, None, None]:
    """Each model in its turn, while the weights of the next come nearer."""
    under_way: list[Prefetch] = []
    try:
        for index, spec in enumerate(specs):
            under_way += [Prefetch(ahead, cache_root()) for ahead in specs[index + 1 : index + 2]]
            yield spec
    finally:
        for fetching in under_way:
            fetching.stop()


def check_models(configs: Sequence[RunConfig]) -> list[ModelSpec]:
    """Make sure that every model is there and whole; cheap beside the first second of a GPU.

    Raises:
        UserError: one is not.
    """
    specs = [parse_model(config.model.spec) for config in configs]
    for spec, config in zip(specs, configs, strict=True):
        model_digest(spec, lora=config.model.lora, cache=cache_root())
    return specs


def in_folder(configs: Sequence[RunConfig], folder: Path) -> list[RunConfig]:
    """The configurations of several models with run directories `<folder>/<model's name>`.

    Raises:
        UserError: the folder is itself a run directory, or two models have one name.
    """
    if (folder / RUN_FILE).exists():
        raise UserError(
            f"--output {folder}: holds a run. With several models it is a folder with a run directory for each."
        )
    names = [parse_model(config.model.spec).name for config in configs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"--output {folder}: two models have the name {twice[0]}. Leave --output out.")
    return [config.model_copy(update={"output": folder / name}) for config, name in zip(configs, names, strict=True)]


def _evaluate_repeats(
    config: RunConfig,
    console: Console,
    repeat: int,
    runs: list[Outcome],
    on_open: Callable[[Path], None],
    on_done: Callable[[Outcome], None],
) -> None:
    """Evaluate one model so many times; what has ended is in `runs`, whatever comes after."""
    left = [config]
    while left:
        runs.append(evaluate(left.pop(0), console, on_open))
        on_done(runs[-1])
        if _interrupted(runs):
            return
        if len(runs) == 1:
            left = repeats_of(config, runs[0].run_dir, repeat)


def _interrupted(runs: Sequence[Outcome]) -> bool:
    """Whether Ctrl-C ended the last run: its mark stays until the run is resumed."""
    return bool(runs) and (runs[-1].run_dir / STOP_FILE).exists()


def _failure(spec: ModelSpec, error: UserError | PipelineError, console: Console) -> Failure:
    """Tell at once, and free what a dead pipeline may still hold: the next model needs its GPUs."""
    console.print(f"{spec}: {error}", style="red", soft_wrap=True, markup=False, highlight=False)
    if isinstance(error, PipelineError):
        leave_ray()
    return Failure(model=str(spec), error=str(error), is_users=isinstance(error, UserError))


def leave_ray() -> None:
    """Shut down what this process started, or leave the cluster that it joined; quiet where there is none."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        with ray_words(lambda _: None):  # what it held back to tell once, it tells now
            ray.shutdown()
