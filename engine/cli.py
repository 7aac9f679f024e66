"""The command line: verbs, flags and exit codes. Each flag is a configuration key; the work is done elsewhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from engine import cli_flags as flags
from engine.cli_flags import Form, JsonFlag, Listed, PerturbForm
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


@app.command()
def run(
    targets: flags.Targets,
    model: Annotated[
        list[str] | None,
        typer.Option(help="reference, replay:FILE, transformers:PATH, openai:URL#MODEL, PATH, 'DIR/*'; repeatable."),
    ] = None,
    data: flags.Data = None,
    limit: flags.Limit = None,
    n: flags.Count = None,
    k: flags.Ks = None,
    temperature: flags.Temperature = None,
    max_tokens: flags.MaxTokens = None,
    seed: flags.Seed = None,
    prompt: flags.PromptMode = None,
    system: flags.System = None,
    replicas: flags.Replicas = None,
    repeat: Annotated[int, typer.Option(min=1, help="Runs, with seeds that follow each other: their spread.")] = 1,
    step: Annotated[int | None, typer.Option(help="Training step, where the model's name does not tell it.")] = None,
    perturb: flags.Perturb = None,
    isolation: flags.Isolation = None,
    judge: flags.Judge = None,
    cache: flags.Cache = None,
    output: Annotated[Path | None, typer.Option(help="The run directory (of several models: of theirs).")] = None,
    settings: flags.Settings = None,
    as_json: JsonFlag = False,
) -> None:
    """Evaluate models on a suite or benchmarks; the same command again resumes."""
    from engine.cli_run import run_models
    from engine.model_list import expand_models
    from engine.suite import load_config

    models: list[str | None] = [*expand_models(model or (), Console(stderr=True).print)] or [None]
    values = flags.flag_values(
        k=k, output=output, limit=limit, n=n, temperature=temperature, max_tokens=max_tokens, seed=seed, prompt=prompt,
        system=system, replicas=replicas, step=step, perturb=perturb or None, isolation=isolation, judge=judge,
        cache=cache,
    )  # fmt: skip
    configs = [load_config(targets, values | {"model.spec": name}, settings or [], data) for name in models]
    raise typer.Exit(run_models(configs, repeat=repeat, output=output, as_json=as_json))


@app.command()
def sweep(
    targets: flags.Targets,
    models: Annotated[list[str], typer.Option(help="A pattern such as 'ckpts/step-*'; repeatable.")],
    watch: Annotated[bool, typer.Option(help="Go on with checkpoints as training writes them.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks, with --watch.")] = 30.0,
    until: Annotated[int | None, typer.Option(help="Stop after a checkpoint of this step or a later one.")] = None,
    patience: Annotated[float | None, typer.Option(help="Stop when so many minutes brought nothing new.")] = None,
    data: flags.Data = None,
    limit: flags.Limit = None,
    n: flags.Count = None,
    k: flags.Ks = None,
    temperature: flags.Temperature = None,
    max_tokens: flags.MaxTokens = None,
    seed: flags.Seed = None,
    prompt: flags.PromptMode = None,
    system: flags.System = None,
    replicas: flags.Replicas = None,
    perturb: flags.Perturb = None,
    isolation: flags.Isolation = None,
    judge: flags.Judge = None,
    cache: flags.Cache = None,
    output: Annotated[Path | None, typer.Option(help="Folder of the run directories.")] = None,
    settings: flags.Settings = None,
    as_json: JsonFlag = False,
) -> None:
    """Evaluate every checkpoint of a training in order of its steps; the same command again resumes."""
    from engine.cli_sweep import run_sweep
    from engine.suite import load_config
    from engine.sweep import Watch

    if not watch and (until is not None or patience is not None):
        raise UserError("--until and --patience end a --watch; add it.")
    values = flags.flag_values(
        k=k, output=None, limit=limit, n=n, temperature=temperature, max_tokens=max_tokens, seed=seed, prompt=prompt,
        system=system, replicas=replicas, perturb=perturb or None, isolation=isolation, judge=judge, cache=cache,
    )  # fmt: skip
    rules = Watch(every_seconds=every, until_step=until, patience_seconds=60 * patience if patience else None)
    code = run_sweep(
        models,
        lambda name: load_config(targets, values | {"model.spec": name}, settings or [], data),
        rules if watch else None,
        output=output,
        as_json=as_json,
    )
    raise typer.Exit(code)


@app.command()
def report(
    runs: Annotated[list[str], typer.Argument(help="Run directories, run ids of MLflow, or names of checkpoints.")],
    output: Annotated[Path | None, typer.Option(help="The HTML file; in the run directory if empty.")] = None,
    page: Annotated[bool, typer.Option("--page/--no-page", help="Write the HTML page besides.")] = True,
    as_json: JsonFlag = False,
) -> None:
    """Show runs: scores, outcomes, what speaks for and against trusting them; write all of it as one HTML page."""
    from engine.cli_report import run_report

    raise typer.Exit(run_report(runs, output, page=page, as_json=as_json))


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


@app.command("stability")
def show_stability(
    runs: Annotated[list[str], typer.Argument(help="Runs of one model, as compare takes them, or folders of runs.")],
    as_json: JsonFlag = False,
) -> None:
    """Say how far one model's pass rate moves with seed, repetition and temperature."""
    from engine.cli_stability import run_stability

    run_stability(runs, as_json=as_json)


@app.command()
def leaderboard(
    names: Annotated[list[str], typer.Argument(help="Experiments of MLflow, or directories with runs below.")],
    metric: Annotated[str, typer.Option(help="The score that ranks, e.g. pass_at_5.")] = "pass_at_1",
    suite: Annotated[str | None, typer.Option(help="Only evaluations of this suite.")] = None,
    form: Annotated[Form, typer.Option("--format", help="How it is written.")] = Form.TABLE,
    output: Annotated[Path | None, typer.Option(help="A file to write it to.")] = None,
    alpha: Annotated[float, typer.Option(min=1e-6, max=0.5, help="Chance of a false call, over all pairs.")] = 0.05,
    resamples: Annotated[int, typer.Option(min=100, help="Of the test of each pair.")] = 10_000,
    as_json: JsonFlag = False,
) -> None:
    """Rank the best and the latest checkpoint of each model, and say which can be told apart."""
    from engine.cli_leaderboard import run_leaderboard

    chosen = Form.JSON if as_json else form
    code = run_leaderboard(
        names, metric=metric, suite=suite, form=chosen.value, output=output, alpha=alpha, resamples=resamples
    )
    raise typer.Exit(code)


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
def list_benchmarks(
    what: Annotated[
        Listed, typer.Argument(help="benchmarks (with prompt modes and suites) or perturbations.")
    ] = Listed.BENCHMARKS,
    as_json: JsonFlag = False,
) -> None:
    """Name the benchmarks and their options, and the built-in suites; or the perturbations."""
    from engine.listing import listing, perturbation_listing, render_listing, render_perturbations

    is_perturbations = what is Listed.PERTURBATIONS
    if as_json:
        print(json.dumps(perturbation_listing() if is_perturbations else listing()))  # noqa: T201
    else:
        Console().print(render_perturbations() if is_perturbations else render_listing())


@app.command("perturb")
def perturb_benchmark(
    target: Annotated[str, typer.Argument(help="A benchmark such as humaneval or humaneval_x:cpp.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSON-lines file to write.")],
    perturb: flags.Perturb = None,
    severity: Annotated[list[int] | None, typer.Option(min=1, max=3, help="1, 2 or 3; repeatable; 2 if none.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Variants of each perturbation and severity.")] = 1,
    llm: Annotated[str | None, typer.Option(help="openai:URL#MODEL that rewords, for what needs one.")] = None,
    form: Annotated[PerturbForm, typer.Option(help="Form in which prompts must differ.")] = PerturbForm.BASE,
    data: flags.Data = None,
    limit: flags.Limit = None,
    as_json: JsonFlag = False,
) -> None:
    """Write the perturbed forms of a benchmark that are proven valid, with where they come from."""
    from engine.cli_perturb import perturb as perturb_one
    from engine.cli_perturb import perturbation_config

    config = perturbation_config(perturb or ["full"], severity or [2], seeds, llm)
    perturb_one(target, config, output, data=data, limit=limit, form=form.value, as_json=as_json)


@app.command()
def doctor(
    gold: Annotated[
        list[str] | None, typer.Option(help="Run this benchmark's reference and wrong solutions; repeatable.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The benchmark's original file on disk.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what this machine can do, and whether a benchmark's own solutions get the verdicts they should."""
    from engine.doctor import check_machine, render_machine
    from engine.gold import check_gold, render_gold

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
