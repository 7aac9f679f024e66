"""`codeassay stress sandbox` and `codeassay stress engine`; importing this adds them to `stress_app`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType

from engine.cli_flags import JsonFlag
from engine.cli_stress import EXIT_FAILED, EXIT_OK, NoTracking, push_or_tell, stress_app
from runners.errors import UserError

__all__ = ["stress_app"]

Output = Annotated[Path | None, typer.Option(help="Where files go; <runs>/stress/<target>-<time> if empty.")]
Isolation = Annotated[str, typer.Option(help="auto, full, rootless or restricted.")]
Judge = Annotated[str, typer.Option(help="auto, inside or split: where tests run.")]


@stress_app.command()
def sandbox(
    workers: Annotated[str, typer.Option(help="Worker processes of each measurement, e.g. 1,2,4.")] = "1,2",
    programs: Annotated[int, typer.Option(help="Programs per measurement.")] = 200,
    hostile_share: Annotated[float, typer.Option(help="Share of them that attack, in the second half.")] = 0.2,
    isolation: Isolation = "auto",
    judge: Judge = "auto",
    repeat: Annotated[int, typer.Option(help="Rounds, for the spread.")] = 1,
    output: Output = None,
    no_tracking: NoTracking = False,
    as_json: JsonFlag = False,
) -> None:
    """Judge packaged programs as fast as this machine can, then with attacks among them; none may get out."""
    from engine.stress import sandbox as target
    from engine.stress import sandbox_view as view
    from engine.stress.stress_file import open_directory

    config = target.SandboxStress(
        workers=_numbers("--workers", workers),
        programs=programs,
        hostile_share=hostile_share,
        isolation=isolation,
        judge=_judge(judge),
        repeat=repeat,
    )
    target.check(config)
    directory = open_directory("sandbox", output)
    measure = partial(target.run_sandbox_stress, config)
    ok = _measured(directory, target, view, target.configuration(config), measure, as_json, no_tracking, num_panels=2)
    raise typer.Exit(EXIT_OK if ok else EXIT_FAILED)


@stress_app.command()
def engine(
    scale: Annotated[str, typer.Option(help="Rows of each run, e.g. 100,1000.")] = "100,1000,10000",
    faults: Annotated[
        str, typer.Option(help="Faults at the largest scale, each in a run of its own; '' is none.")
    ] = "kill-actor,kill-worker,fill-disk",
    n: Annotated[int, typer.Option("--n", "-n", help="Samples per problem.")] = 4,
    latency: Annotated[float, typer.Option(help="Seconds that the synthetic model takes for a prompt.")] = 0.05,
    errors: Annotated[float, typer.Option(help="Share of samples whose generation fails.")] = 0.0,
    workers: Annotated[int | None, typer.Option(help="Executors; one per CPU if empty.")] = None,
    isolation: Isolation = "auto",
    judge: Judge = "auto",
    output: Output = None,
    no_tracking: NoTracking = False,
    as_json: JsonFlag = False,
) -> None:
    """Send synthetic rows through the whole pipeline at rising scale, then break it in mid-run; no row may be lost."""
    from engine.stress import engine as target
    from engine.stress import engine_view as view
    from engine.stress.stress_file import open_directory

    config = target.EngineStress(
        scale=_numbers("--scale", scale),
        faults=target.fault_names(faults),
        n=n,
        latency=latency,
        errors=errors,
        workers=workers,
        isolation=isolation,
        judge=_judge(judge),
    )
    target.check(config)
    directory = open_directory("engine", output)
    measure = partial(target.run_engine_stress, config, directory)
    ok = _measured(directory, target, view, target.configuration(config), measure, as_json, no_tracking, num_panels=3)
    raise typer.Exit(EXIT_OK if ok else EXIT_FAILED)


def _measured(
    directory: Path,
    target: Any,  # noqa: ANN401 - a module, imported late
    view: Any,  # noqa: ANN401 - a module, imported late
    configuration: Mapping[str, Any],
    measure: Callable[[Console], dict[str, Any]],
    as_json: bool,
    no_tracking: bool,
    *,
    num_panels: int,
) -> bool:
    """Measure, write, send, show; whether what the test demands was held."""
    from engine.stress.stress_file import Measured, write_measured

    err, started_at = Console(stderr=True), time.time()
    results = measure(err)
    series, totals = view.metrics(results)
    measured = Measured(
        target=target.__name__.rpartition(".")[2],
        configuration=configuration,
        results=results,
        ok=target.is_ok(results),
        started_at=started_at,
        series=series,
        totals=totals,
        draw=partial(view.draw, results),
        num_panels=num_panels,
    )
    summary = write_measured(directory, measured)
    if not no_tracking:
        push_or_tell(directory, None, err, quiet=as_json)
    _show(view.render(results), summary, directory, as_json=as_json)
    return measured.ok


def _show(table: RenderableType, summary: Mapping[str, Any], directory: Path, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**summary, "directory": str(directory)}))  # noqa: T201
        return
    Console().print(table)
    Console().print(f"written to {directory}", soft_wrap=True, markup=False, highlight=False)


def _numbers(option: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UserError(f"{option} {text}: give whole numbers with commas between, e.g. {option} 1,2.") from error


def _judge(text: str) -> Any:  # noqa: ANN401 - one of the policies
    if text not in ("auto", "inside", "split"):
        raise UserError(f"--judge {text}: choose auto, inside or split.")
    return text
