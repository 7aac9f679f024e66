"""`codeassay stress serve`: prompts -> warm-up and levels -> knee -> files -> table and MLflow.

Runs in this process; only replicas of our own need Ray. What was measured is written also when it is interrupted.
"""

from __future__ import annotations

import asyncio
import json
import math
import shlex
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from actors.generator import Sampling
from actors.model_digest import model_digest
from actors.models import ModelSpec, parse_model
from actors.retry import Clock
from benchmarks.problem import Prompt, PromptForm
from engine.config import RunConfig
from engine.environment import describe_environment
from engine.places import runs_root
from engine.stress import files
from engine.stress.figures import ARRIVAL_TO_END, Figures
from engine.stress.goals import METRICS, STATISTICS
from engine.stress.knee import Knee
from engine.stress.levels import Level, by_value
from engine.stress.plots import draw_plots
from engine.stress.prompts import benchmark_prompts
from engine.stress.settings import ServeSettings
from engine.stress.sweep import Sweep
from engine.stress.table import Shown
from engine.stress.target import HOLDS_WEIGHTS, check_target, open_target, stress_options
from engine.tracking_stress import StressRun, save_stress


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a stress run."""

    directory: Path
    summary: dict[str, Any]
    """As in `stress.json`."""
    shown: Shown

    @property
    def is_complete(self) -> bool:
        """False if it was interrupted."""
        return bool(self.summary["status"] == "complete")

    @property
    def any_answered(self) -> bool:
        """Whether at least one request was answered."""
        return any(run.figures.requests > run.figures.failed for level in self.shown.levels for run in level.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What was typed, checked."""

    config: RunConfig
    settings: ServeSettings
    replicas: int | None
    spec: ModelSpec
    digest: str
    form: PromptForm
    prompts: Sequence[Prompt]
    sampling: Sampling
    directory: Path
    cluster: Mapping[str, Any]


def stress_serve(config: RunConfig, settings: ServeSettings, replicas: int | None, console: Console) -> Outcome:
    """Load a model at every level, write what was measured, and give it.

    Args:
        config: model, benchmarks that give the prompts, sampling, tracking, output.
        settings: the sweep.
        replicas: of our own; None is one per GPU, else one.
        console: where progress is shown (standard error).

    Raises:
        UserError: a fault the user can cure; an endpoint that refuses is one.
        KeyboardInterrupt: stopped before the first level was done.
    """
    work = _prepare(config, settings, replicas)
    levels: list[Level] = []
    started_at, knee, status = time.time(), None, "complete"
    try:
        knee = asyncio.run(_measure(work, levels, console))
    except KeyboardInterrupt:
        if not levels:
            files.give_back(work.directory)
            raise
        status = "interrupted"
    finally:
        if work.cluster:
            _disconnect()
    return _write(work, levels, knee, status, started_at)


def _prepare(config: RunConfig, settings: ServeSettings, replicas: int | None) -> _Work:
    """Check all that can be checked before the first request, cheapest first."""
    spec = parse_model(config.model.spec)
    check_target(spec, replicas)
    form, prompts = benchmark_prompts(config, spec)
    generation = config.generation
    sampling = Sampling(
        temperature=generation.temperature or 0.0,
        top_p=generation.top_p,
        top_k=generation.top_k,
        max_tokens=generation.max_tokens,
        seed=generation.seed,
    )
    directory = config.output.expanduser() if config.output else _default_directory(spec, config)
    digest = model_digest(spec)
    files.check_free(directory)
    return _Work(
        config=config,
        settings=settings,
        replicas=replicas,
        spec=spec,
        digest=digest,
        form=form,
        prompts=prompts,
        sampling=sampling,
        directory=directory,
        cluster=_connect() if spec.kind in HOLDS_WEIGHTS else {},
    )


def _default_directory(spec: ModelSpec, config: RunConfig) -> Path:
    suite = "".join(c if c.isalnum() or c in "._-+" else "-" for c in config.suite)
    return runs_root() / spec.name / f"stress-serve-{suite[:60]}-{time.strftime('%Y%m%d-%H%M%S')}"


def _connect() -> Mapping[str, Any]:
    from engine.pipeline_cluster import connect

    return connect()


def _disconnect() -> None:
    from actors.serving import disconnect

    disconnect()


async def _measure(work: _Work, levels: list[Level], console: Console) -> Knee | None:
    """Open the model, run the sweep; levels are appended as they are done."""

    def tell(value: float, repeat: int) -> None:
        unit = "requests/s" if work.settings.load == "rate" else "at once"
        again = f", run {repeat + 1} of {work.settings.repeat}" if work.settings.repeat > 1 else ""
        console.print(f"stress serve  {value:.4g} {unit}{again}", soft_wrap=True, markup=False, highlight=False)

    options = stress_options(work.config.model)
    asked: int | str = work.replicas or "auto"
    async with open_target(work.spec, options, asked, work.form) as generator:
        files.claim(work.directory)
        sweep = Sweep(
            generator=generator,
            prompts=work.prompts,
            sampling=work.sampling,
            settings=work.settings,
            clock=Clock(),
            on_start=tell,
            on_level=levels.append,
        )
        return await sweep.run()


def _write(work: _Work, levels: list[Level], knee: Knee | None, status: str, started_at: float) -> Outcome:
    ordered, finished_at = by_value(levels), time.time()
    files.write_requests(work.directory, ordered)
    summary = {
        "target": "serve",
        "status": status,
        "run_key": uuid.uuid4().hex,
        "command": shlex.join(["codeassay", *sys.argv[1:]]),
        "started_at": started_at,
        "finished_at": finished_at,
        "model": _model(work),
        "configuration": _configuration(work),
        "environment": describe_environment(dict(work.cluster)),
        "goals": [str(goal) for goal in work.settings.goals],
        "levels": [files.level_json(level) for level in ordered],
        "knee": asdict(knee) | {"found": knee.found, "text": str(knee)} if knee else None,
    }
    written = files.write_summary(work.directory, summary)
    save_stress(_tracked(work, ordered, knee, summary), work.directory)
    draw_plots(ordered, knee, f"{work.spec.name} · {work.config.suite}", work.directory / files.PLOTS)
    return Outcome(directory=work.directory, summary=written, shown=_shown(work, ordered, knee))


def _model(work: _Work) -> dict[str, Any]:
    spec = work.spec
    return {"spec": str(spec), "name": spec.name, "family": spec.family, "digest": work.digest, "form": work.form}


def _configuration(work: _Work) -> dict[str, Any]:
    """What decides the load, as plain JSON: no infinity."""
    settings = asdict(work.settings) | {"goals": [str(goal) for goal in work.settings.goals]}
    if math.isinf(work.settings.burstiness):
        settings["burstiness"] = None
    return {
        "from": work.config.suite,
        "num_prompts": len(work.prompts),
        "replicas": work.replicas,
        "settings": settings,
        "sampling": asdict(work.sampling),
        "model": json.loads(stress_options(work.config.model).model_dump_json()),
    }


def _tracked(work: _Work, levels: Sequence[Level], knee: Knee | None, summary: Mapping[str, Any]) -> StressRun:
    """What MLflow is told: medians over the runs of each level, whose number is the step."""
    tracking = work.config.tracking
    git = str(summary["environment"]["git"] or "")
    return StressRun(
        run_key=str(summary["run_key"]),
        name=f"{work.spec.name} stress serve {work.config.suite}",
        tracking_uri=tracking.uri,
        experiment=tracking.experiment or f"{work.spec.family}/stress",
        params=_configuration(work) | {"model_spec": str(work.spec)},
        tags={"codeassay.stress": "serve", "codeassay.checkpoint": work.spec.name, "mlflow.source.git.commit": git},
        series=[_metrics(level) for level in levels],
        totals={"serve/knee_rate": knee.rate} if knee is not None and knee.rate is not None else {},
        started_at=float(summary["started_at"]),
        finished_at=float(summary["finished_at"]),
    )


def _metrics(level: Level) -> dict[str, float]:
    scalars = {
        "request_rate": level.median(lambda figures: figures.request_rate),
        "output_token_rate": level.median(lambda figures: figures.output_token_rate),
        "total_token_rate": level.median(lambda figures: figures.total_token_rate),
        "error_rate": level.median(lambda figures: figures.error_rate),
        "goodput": level.median(_goodput),
        "late_share": level.median(lambda figures: figures.late_share),
        "in_flight_max": level.median(lambda figures: figures.in_flight_max),
    }
    latency = {
        f"{series}_{statistic}_seconds": level.latency(series, statistic)
        for series in (*METRICS, ARRIVAL_TO_END)
        for statistic in STATISTICS
    }
    known = {f"serve/{name}": value for name, value in (scalars | latency).items() if value is not None}
    return {f"serve/{level.load}": level.value, **known}


def _goodput(figures: Figures) -> float | None:
    return figures.goodput


def _shown(work: _Work, levels: Sequence[Level], knee: Knee | None) -> Shown:
    settings, sampling = work.settings, work.sampling
    loop = f"{settings.arrivals} arrivals" if settings.load == "rate" else "closed loop"
    return Shown(
        model=str(work.spec),
        asked=f"{work.config.suite}: {len(work.prompts)} prompts ({work.form})",
        arrivals=f"{loop}, {settings.warm_up} requests for warm-up, at most {sampling.max_tokens} tokens",
        levels=levels,
        knee=knee,
        directory=work.directory,
    )
