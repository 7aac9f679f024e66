"""`codeassay stress ...`: load tests. `serve` is here; other targets add their commands to `stress_app`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from engine.cli_flags import JsonFlag, Settings

EXIT_OK, EXIT_FAILED, EXIT_INCOMPLETE = 0, 1, 4

stress_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Load a model server, the sandbox or the whole pipeline, and find where it gives way.",
)

Output = Annotated[Path | None, typer.Option(help="Where files go; a directory below <runs>/<model> if empty.")]
NoTracking = Annotated[bool, typer.Option("--no-tracking", help="Do not send the run to MLflow.")]


@stress_app.command()
def serve(
    model: Annotated[str, typer.Option(help="openai:URL#MODEL, or a checkpoint: PATH, vllm:PATH, transformers:PATH.")],
    source: Annotated[list[str], typer.Option("--from", help="Benchmark or suite that gives the prompts; repeatable.")],
    data: Annotated[Path | None, typer.Option(help="The benchmark's original file on disk.")] = None,
    rate: Annotated[str | None, typer.Option(help="Requests per second of each level, e.g. 1,2,4 (open loop).")] = None,
    concurrency: Annotated[str | None, typer.Option(help="Or requests in flight, e.g. 1,4,16 (closed loop).")] = None,
    arrivals: Annotated[str, typer.Option(help="poisson, constant or burst.")] = "poisson",
    burstiness: Annotated[float | None, typer.Option(help="Of burst: gamma shape; 0.25 if empty.")] = None,
    requests: Annotated[int | None, typer.Option(help="Measured requests per level; 200 if empty.")] = None,
    duration: Annotated[float | None, typer.Option(help="Or seconds per level.")] = None,
    warmup: Annotated[int, typer.Option(help="Requests before those that count, at the same load.")] = 10,
    max_tokens: Annotated[int, typer.Option(help="Token limit per completion.")] = 128,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.0,
    goal: Annotated[str | None, typer.Option(help="What is to be kept: 'ttft_p99<500ms,tpot_p99<40ms'.")] = None,
    knee: Annotated[bool, typer.Option("--knee", help="Find the highest rate that meets the goals.")] = False,
    knee_tolerance: Annotated[float, typer.Option(help="How near, as a share of the rate.")] = 0.05,
    knee_probes: Annotated[int, typer.Option(help="Further levels at most.")] = 10,
    replicas: Annotated[int | None, typer.Option(help="Of a checkpoint; one per GPU, else one, if empty.")] = None,
    seed: Annotated[int, typer.Option(help="Of arrivals, of the order of prompts, of sampling.")] = 0,
    repeat: Annotated[int, typer.Option(help="Runs of each level, for the spread from run to run.")] = 1,
    output: Output = None,
    no_tracking: NoTracking = False,
    settings: Settings = None,
    as_json: JsonFlag = False,
) -> None:
    """Send real prompts at given rates to an endpoint or to replicas of our own; measure latency and goodput."""
    from engine.stress.settings import read_settings
    from engine.suite import load_config

    sweep = read_settings(
        rate=rate,
        concurrency=concurrency,
        arrivals=arrivals,
        burstiness=burstiness,
        requests=requests,
        duration=duration,
        warmup=warmup,
        goal=goal,
        knee=knee,
        knee_tolerance=knee_tolerance,
        knee_probes=knee_probes,
        seed=seed,
        repeat=repeat,
    )
    flags: dict[str, Any] = {
        "model.spec": model,
        "generation.max_tokens": max_tokens,
        "generation.temperature": temperature,
        "generation.seed": seed,
        "tracking.enabled": False if no_tracking else None,
        "output": str(output) if output else None,
    }
    config = load_config(source, flags, settings or [], data)
    raise typer.Exit(_serve(config, sweep, replicas, as_json=as_json))


def _serve(config: Any, sweep: Any, replicas: int | None, *, as_json: bool) -> int:  # noqa: ANN401 - imported late
    """Measure, send to MLflow, show; the exit code."""
    from engine.stress.serve import stress_serve
    from engine.stress.table import render

    err = Console(stderr=True)
    try:
        outcome = stress_serve(config, sweep, replicas, err)
    except KeyboardInterrupt:
        err.print("\nstopped before the first level was done; nothing is kept.", markup=False)
        return EXIT_INCOMPLETE
    if config.tracking.enabled:
        push_or_tell(outcome.directory, config.tracking.uri, err, quiet=as_json)
    if as_json:
        print(json.dumps(outcome.summary | {"directory": str(outcome.directory)}))  # noqa: T201
    else:
        Console().print(render(outcome.shown))
    if not outcome.is_complete:
        err.print(f"stopped; {outcome.directory} keeps the levels that were done.", soft_wrap=True, markup=False)
        return EXIT_INCOMPLETE
    return EXIT_OK if outcome.any_answered else EXIT_FAILED


def push_or_tell(directory: Path, tracking_uri: str | None, err: Console, *, quiet: bool) -> None:
    """Send a stress run to MLflow; if that fails say how to do it later."""
    from engine.tracking import TrackingUnavailable, ui_command
    from engine.tracking_stress import push_stress

    try:
        pushed = push_stress(directory, tracking_uri)
    except TrackingUnavailable as error:
        err.print(f"MLflow: {error}", style="yellow", soft_wrap=True, markup=False)
        return
    if not quiet:
        err.print(f"MLflow: run {pushed.run_id}; look: {ui_command(pushed.tracking_uri)}", soft_wrap=True, markup=False)


@stress_app.command()
def push(
    directory: Annotated[Path, typer.Argument(help="A stress run's directory.")], as_json: JsonFlag = False
) -> None:
    """Send a stress run to MLflow, now or again."""
    from engine.tracking import TrackingUnavailable
    from engine.tracking_stress import push_stress

    try:
        pushed = push_stress(directory)
    except TrackingUnavailable as error:
        Console(stderr=True).print(f"MLflow: {error}", soft_wrap=True, markup=False)
        raise typer.Exit(EXIT_FAILED) from error
    if as_json:
        print(json.dumps(asdict(pushed)))  # noqa: T201
    else:
        Console().print(f"run {pushed.run_id} in {pushed.tracking_uri}", soft_wrap=True, markup=False)
