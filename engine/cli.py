"""The command line: verbs, flags and exit codes. Each flag is a configuration key; the work is done elsewhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from engine.cli_stress_more import stress_app
from runners.errors import UserError

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INCONCLUSIVE, EXIT_INCOMPLETE = 0, 1, 2, 3, 4

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Measure code LLMs: generate, execute in jails, score with error bars, compare in MLflow.",
    epilog="Exit codes: 0 ok, 1 failed, 2 usage, 3 inconclusive, 4 incomplete (run again to resume).",
)

app.add_typer(stress_app, name="stress")

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")]


@app.command()
def run(
    targets: Annotated[list[str], typer.Argument(help="A suite file or name, or benchmarks such as mbpp:sanitized.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="reference, replay:FILE, transformers:PATH, openai:URL#MODEL, PATH, 'DIR/*'; repeatable."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The benchmark's original file on disk.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many problems of each benchmark.")] = None,
    n: Annotated[int | None, typer.Option("--n", "-n", help="Completions per problem.")] = None,
    k: Annotated[str | None, typer.Option("--k", help="The k of pass@k, e.g. 1,10.")] = None,
    temperature: Annotated[float | None, typer.Option(help="0 is greedy.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Token limit per completion.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of generation.")] = None,
    prompt: Annotated[
        str | None, typer.Option(help="zero_shot, few_shot, zero_shot_cot, few_shot_cot, or a YAML file.")
    ] = None,
    system: Annotated[str | None, typer.Option(help="System message of chat prompts.")] = None,
    replicas: Annotated[int | None, typer.Option(help="Model replicas; all GPUs if empty, else one.")] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Runs, with seeds that follow each other: their spread.")] = 1,
    step: Annotated[int | None, typer.Option(help="Training step, where the model's name does not tell it.")] = None,
    isolation: Annotated[str | None, typer.Option(help="auto, full, rootless, restricted or none.")] = None,
    judge: Annotated[str | None, typer.Option(help="auto, inside or split: where tests run.")] = None,
    cache: Annotated[
        bool | None, typer.Option("--cache/--no-cache", help="Serve programs that were judged before from disk.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The run directory (of several models: of theirs).")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="Any key: --set generation.top_p=0.9")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Evaluate models on a suite or benchmarks; the same command again resumes."""
    from engine.model_list import expand_models
    from engine.suite import load_config

    models: list[str | None] = [*expand_models(model or (), Console(stderr=True).print)] or [None]
    flags: dict[str, Any] = {
        "model.step": step,
        "limit": limit,
        "generation.n": n,
        "generation.temperature": temperature,
        "generation.max_tokens": max_tokens,
        "generation.seed": seed,
        "prompt": prompt,
        "system": system,
        "model.replicas": replicas,
        "report.k": _ks(k),
        "execution.isolation": isolation,
        "execution.judge": judge,
        "execution.cache": cache,
        "output": str(output) if output else None,
    }
    configs = [load_config(targets, flags | {"model.spec": name}, settings or [], data) for name in models]
    if len(configs) > 1 or repeat > 1:
        raise typer.Exit(_run_many(configs, repeat=repeat, output=output, as_json=as_json))
    raise typer.Exit(_run(configs[0], as_json=as_json))


def _ks(text: str | None) -> list[int] | None:
    try:
        return [int(part) for part in text.split(",")] if text else None
    except ValueError as error:
        raise UserError(f"--k {text}: give whole numbers with commas between, e.g. --k 1,10.") from error


def _run(config: Any, *, as_json: bool) -> int:  # noqa: ANN401 - RunConfig, imported late
    """Evaluate, show, send to MLflow; the exit code."""
    from engine.many import leave_ray
    from engine.publish import summary
    from engine.report import render_run
    from engine.run import evaluate

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
    if config.tracking.enabled:
        _push_or_tell(outcome.run_dir, err, quiet=as_json)
    if as_json:
        print(json.dumps(_as_json(outcome.run_dir, outcome.metrics, outcome.status)))  # noqa: T201
    else:
        Console().print(render_run(summary(outcome.run_dir)))
    if outcome.status != "complete":
        text = f"incomplete: run the same command again to resume {outcome.run_dir}"
        err.print(text, style="yellow", soft_wrap=True, markup=False)
        return EXIT_INCOMPLETE
    return EXIT_OK


def _run_many(configs: list[Any], *, repeat: int, output: Path | None, as_json: bool) -> int:
    """As _run, for several models or repeats."""
    from engine.cli_many import run_many

    def push(outcome: Any) -> None:  # noqa: ANN401 - Outcome, imported late
        if configs[0].tracking.enabled:
            _push_or_tell(outcome.run_dir, Console(stderr=True), quiet=as_json)

    def describe(outcome: Any) -> dict[str, Any]:  # noqa: ANN401 - Outcome, imported late
        return _as_json(outcome.run_dir, outcome.metrics, outcome.status)

    return run_many(configs, repeat=repeat, output=output, describe=describe, push=push, as_json=as_json)


def _as_json(run_dir: Path, metrics: Any, status: str) -> dict[str, Any]:  # noqa: ANN401 - Metrics, imported late
    return {
        "run_dir": str(run_dir),
        "status": status,
        "metrics": metrics.flat(),
        "statuses": metrics.overall.statuses,
    }


def _push_or_tell(run_dir: Path, err: Console, *, quiet: bool) -> bool:
    """Send a run to MLflow; if that fails say how to do it later. Whether it was sent."""
    from engine.publish import push_run
    from engine.tracking import TrackingUnavailable, ui_command

    try:
        result = push_run(run_dir)
    except TrackingUnavailable as error:
        err.print(f"MLflow: {error}", style="yellow", soft_wrap=True, markup=False)
        err.print(f"The run is whole on disk; send it later: codeassay push {run_dir}", soft_wrap=True, markup=False)
        return False
    if not quiet:
        err.print(f"MLflow: run {result.run_id}; look: {ui_command(result.tracking_uri)}", soft_wrap=True, markup=False)
    return True


@app.command()
def report(
    run_dir: Annotated[Path, typer.Argument(help="A run directory.")],
    as_json: JsonFlag = False,
) -> None:
    """Show a run: scores with intervals, outcomes, and what speaks for and against trusting it."""
    from engine.publish import summary
    from engine.report import render_run

    shown = summary(run_dir)
    if as_json:
        print(json.dumps(_as_json(run_dir, shown.metrics, shown.status)))  # noqa: T201
    else:
        Console().print(render_run(shown))


@app.command()
def compare(
    base: Annotated[str, typer.Argument(help="A run directory, a run id of MLflow, or a checkpoint's name.")],
    candidates: Annotated[list[str], typer.Argument(help="What may be better; each is compared with the base.")],
    metric: Annotated[str, typer.Option(help="Any score of the runs, e.g. pass_at_5.")] = "pass_at_1",
    margin: Annotated[float, typer.Option(min=1e-6, help="The smallest difference that matters.")] = 0.05,
    alpha: Annotated[
        float, typer.Option(min=1e-6, max=0.5, help="Chance of a false call, over all benchmarks.")
    ] = 0.05,
    resamples: Annotated[int, typer.Option(min=100, help="Of the bootstrap and of the sign-flip test.")] = 10_000,
    allow: Annotated[list[str] | None, typer.Option(help="A setting that may differ; repeatable.")] = None,
    gate: Annotated[Path | None, typer.Option(help="YAML of bounds: exit code 1 if broken, 3 if unsure.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say which checkpoint is better, problem by problem, and how sure that is."""
    from engine.cli_compare import run_compare
    from engine.compare import Rules

    rules = Rules(metric=metric, margin=margin, alpha=alpha, resamples=resamples, allow=tuple(allow or ()))
    raise typer.Exit(run_compare(base, candidates, rules, gate, as_json=as_json))


@app.command()
def push(run_dir: Annotated[Path, typer.Argument(help="A run directory.")], as_json: JsonFlag = False) -> None:
    """Send a run to MLflow, now or again; a second time changes nothing."""
    from dataclasses import asdict

    from engine.publish import push_run
    from engine.tracking import TrackingUnavailable

    try:
        result = push_run(run_dir)
    except TrackingUnavailable as error:
        Console(stderr=True).print(f"MLflow: {error}", soft_wrap=True, markup=False)
        raise typer.Exit(EXIT_FAILED) from error
    if as_json:
        print(json.dumps(asdict(result)))  # noqa: T201
    else:
        Console().print(f"run {result.run_id} in {result.tracking_uri}", soft_wrap=True, markup=False)


@app.command("list")
def list_benchmarks(as_json: JsonFlag = False) -> None:
    """Name the benchmarks and their options, and the built-in suites."""
    from engine.listing import listing, render_listing

    if as_json:
        print(json.dumps(listing()))  # noqa: T201
    else:
        Console().print(render_listing())


@app.command()
def doctor(
    gold: Annotated[
        list[str] | None, typer.Option(help="Run this benchmark's reference and wrong solutions; repeatable.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The benchmark's original file on disk.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what this machine can do, and whether a benchmark's own solutions get the verdicts they should."""
    from engine.doctor import check_gold, check_machine, render_gold, render_machine

    out = Console()
    if data is not None and len(gold or ()) != 1:
        raise UserError(f"--data {data}: it belongs to one benchmark; name it: --gold NAME.")
    if gold:
        checks = [check_gold(spec, data, Console(stderr=True)) for spec in gold]
        if as_json:
            print(json.dumps([check.as_json() for check in checks]))  # noqa: T201
        else:
            for check in checks:
                out.print(render_gold(check))
        raise typer.Exit(EXIT_OK if all(check.ok for check in checks) else EXIT_FAILED)
    findings = check_machine()
    if as_json:
        print(json.dumps([finding.as_json() for finding in findings]))  # noqa: T201
    else:
        out.print(render_machine(findings))
    raise typer.Exit(EXIT_OK if all(finding.ok for finding in findings if finding.needed) else EXIT_FAILED)


@app.command()
def demo(
    directory: Annotated[Path | None, typer.Option(help="Where checkpoints go; <runs>/demo if empty.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Train a micro model on this machine and evaluate its checkpoints through the whole pipeline."""
    from engine.demo import run_demo

    raise typer.Exit(run_demo(directory, as_json=as_json))


def main() -> None:
    """Run the command line; a fault of the user's is one message and exit code 2."""
    from engine.pipeline_errors import PipelineError

    try:
        app(standalone_mode=True)
    except UserError as error:
        Console(stderr=True).print(f"codeassay: {error}", style="red", soft_wrap=True, markup=False, highlight=False)
        sys.exit(EXIT_USAGE)
    except PipelineError as error:
        Console(stderr=True).print(f"codeassay: {error}", style="red", soft_wrap=True, markup=False, highlight=False)
        sys.exit(EXIT_FAILED)
