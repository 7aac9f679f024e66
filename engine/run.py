"""Evaluate one model on one suite: prepare, plan, pipeline, metrics; running it again goes on where it stopped."""

from __future__ import annotations

import json
import shlex
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from actors.execute import NODES
from benchmarks.known_faults import fault_notes
from benchmarks.problem import NOMINAL
from engine.asked import clusters_in, write_problems
from engine.config import RunConfig
from engine.environment import describe_environment
from engine.metrics import Metrics, compute_metrics
from engine.perturbing import variant_records, write_variants
from engine.pipeline import Work, run_pipeline
from engine.pipeline_cluster import connect
from engine.places import VARIANTS_FILE, cache_root, runs_root
from engine.plan import Plan, make_plan
from engine.prepare import Prepared, prepare
from engine.progress import Progress
from engine.scored_rows import METRIC_COLUMNS, PlannedBenchmark
from engine.store import METRICS_FILE, RUN_FILE, Store, read_run, read_samples, write_text
from engine.timing import read_timing
from runners.errors import UserError
from runners.program import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a run."""

    run_dir: Path
    status: str
    """`complete`; or `incomplete`: samples are missing or infrastructure failed, run again to go on."""
    metrics: Metrics


def evaluate(config: RunConfig, console: Console, on_open: Callable[[Path], None] = lambda _: None) -> Outcome:
    """Run a suite to its end, or to where it was stopped.

    Args:
        config: what to run.
        console: where progress is shown (standard error).
        on_open: told the run directory once it is ours.

    Raises:
        UserError: a fault the user can cure.
        PipelineError: a stage died or stalled; what was committed stays.
    """
    prepared = prepare(config, lambda text: console.print(text, style="dim", markup=False))
    run_dir = config.output.expanduser() if config.output else _default_directory(prepared)
    with Store(run_dir) as store:
        store.claim(prepared.identity)
        on_open(run_dir)
        plan = make_plan(
            prepared.benchmarks,
            form=prepared.form,
            sampling=prepared.sampling,
            n=prepared.n,
            model_digest=prepared.model_digest,
            replay=prepared.replay,
            store=store,
            gated=prepared.gated,
        )
        _open(store, prepared, plan)
        drained = _execute(prepared, plan, store, console) if plan.num_execute else True
        return _close(store, prepared, plan, drained=drained)


def _default_directory(prepared: Prepared) -> Path:
    from engine.identity import run_id

    suite = "".join(c if c.isalnum() or c in "._-+" else "-" for c in prepared.config.suite)
    return runs_root() / prepared.spec.name / f"{suite[:100]}-{run_id(prepared.identity)}"


def _open(store: Store, prepared: Prepared, plan: Plan) -> None:
    """Write what the run is before anything runs."""
    before = read_run(store.directory) or {}
    spec, config = prepared.spec, prepared.config
    run = {
        "status": "running",
        "run_key": before.get("run_key", uuid.uuid4().hex),
        "suite": config.suite,
        "identity": prepared.identity,
        "model": {
            "spec": str(spec),
            "path": str(Path(spec.target).resolve()) if Path(spec.target).exists() else str(spec),
            "name": spec.name,
            "family": spec.family,
            "step": prepared.step,
            "digest": prepared.model_digest,
        },
        "n": prepared.n,
        "k": list(prepared.ks),
        "form": prepared.form,
        "isolation": prepared.isolation,
        "benchmarks": _benchmarks(prepared, plan),
        "num_samples": plan.num_samples,
        "started_at": before.get("started_at", time.time()),
        "finished_at": None,
        "sessions": before.get("sessions", []),
        "command": _command(),
    }
    write_problems(store.directory, prepared.benchmarks, prepared.form)
    if config.perturbations:
        records = [
            record
            for label, gated in prepared.gated.items()
            for record in variant_records(label, prepared.benchmarks[label], gated, prepared.isolation)
        ]
        write_variants(store.directory / VARIANTS_FILE, records)
    store.write_json(RUN_FILE, run)
    store.write_yaml("config.yaml", json.loads(config.model_dump_json()))


def _benchmarks(prepared: Prepared, plan: Plan) -> dict[str, dict[str, Any]]:
    """What is told of each benchmark, by name; of its perturbed forms, `label/variant`, only what differs."""
    told: dict[str, dict[str, Any]] = {}
    for name, planned in plan.planned.items():
        label = name.partition("/")[0]
        benchmark = prepared.benchmarks[label]
        told[name] = {"planned": _plain(planned), "data": _plain(benchmark.provenance)}
        told[name]["prompt"] = benchmark.template.record()
        if name == label:
            faults = fault_notes(benchmark.name, benchmark.edition, planned.task_ids)
            told[name] |= {"gold": _gold(prepared, label), "notes": [*benchmark.notes, *faults]}
    return told


def _gold(prepared: Prepared, label: str) -> dict[str, int] | None:
    """How many reference solutions there are and pass their own tests in split; None where none was run."""
    if label not in prepared.calibration.checked:
        return None
    problems = [problem for problem in prepared.benchmarks[label].problems() if problem.variant == NOMINAL]
    return {
        "references": sum(problem.reference is not None for problem in problems),
        "passed": sum(key[0] == label and key[2] == NOMINAL for key in prepared.calibration.splittable),
    }


def _plain(record: object) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}  # type: ignore[attr-defined]


def _command() -> str:
    """What was typed, as it can be typed again."""
    return shlex.join(["codeassay", *sys.argv[1:]])


def _execute(prepared: Prepared, plan: Plan, store: Store, console: Console) -> bool:
    """Run the pipeline over what is left; False where it was interrupted."""
    run_dir = store.directory
    cluster = connect(prepared.config.execution.cpus)
    write_text(run_dir / "env.json", json.dumps(describe_environment(cluster), indent=2) + "\n")
    config = prepared.config
    work = Work(
        run_dir=run_dir,
        requests=plan.requests,
        sampling=prepared.sampling,
        spec=prepared.spec,
        options=config.model,
        references=prepared.references,
        stored=prepared.replay,
        benchmarks=prepared.benchmarks,
        isolation=config.execution.isolation if config.execution.isolation != "auto" else prepared.isolation,
        judge=config.execution.judge,
        calibration=prepared.calibration,
        limits=config.execution.limits(),
        cache=cache_root().absolute(),
        verdicts=(cache_root() / "verdicts").absolute() if config.execution.cache else None,
        workers=config.execution.workers,
        replicas=config.model.replicas,
        stall_seconds=config.execution.stall_seconds,
    )
    title = f"codeassay  {prepared.spec.name} · {config.suite} · {run_dir.name} · isolation {prepared.isolation}"
    progress = Progress(
        run_dir, num_generate=plan.num_generate, num_execute=plan.num_execute, console=console, title=title
    )
    with _session(store):
        return run_pipeline(work, progress)


def _close(store: Store, prepared: Prepared, plan: Plan, *, drained: bool) -> Outcome:
    run = read_run(store.directory) or {}
    metrics = metrics_of(store.directory, plan.planned, prepared.ks, prepared.config)
    write_text(store.directory / METRICS_FILE, metrics.to_json())
    is_cut_short = not drained and Status.MISSING in metrics.overall.statuses
    status = "complete" if _is_complete(metrics) and not is_cut_short else "incomplete"
    nodes = _time_limit_factors(store.directory)
    # A run that had nothing left to do ended when it last did something.
    ended = run["sessions"][-1]["finished_at"] if run.get("sessions") else None
    finished = {"status": status, "finished_at": ended or time.time(), "time_limit_factors": nodes}
    store.write_json(RUN_FILE, {**run, **finished})
    return Outcome(run_dir=store.directory, status=status, metrics=metrics)


@contextmanager
def _session(store: Store) -> Iterator[None]:
    """Record from when to when the pipeline ran; a session that was killed stays without an end."""
    run = read_run(store.directory) or {}
    before, began = run["sessions"], time.time()
    store.write_json(RUN_FILE, {**run, "sessions": [*before, {"started_at": began, "finished_at": None}]})
    try:
        yield
    finally:
        ended = {"started_at": began, "finished_at": time.time()}
        store.write_json(RUN_FILE, {**run, "sessions": [*before, ended]})


def _time_limit_factors(run_dir: Path) -> dict[str, float]:
    """By what each node's time limits were multiplied: the largest that any of its executors measured."""
    factors: dict[str, float] = {}
    for path in sorted((run_dir / NODES).glob("*.json")):
        told = json.loads(path.read_text())
        factors[told["node"]] = max(told["time_limit_factor"], factors.get(told["node"], 1.0))
    return factors


def metrics_of(
    run_dir: Path, planned: Mapping[str, PlannedBenchmark], ks: tuple[int, ...], config: RunConfig
) -> Metrics:
    """Compute the metrics of what a run directory holds."""
    report = config.report
    rows = read_samples(run_dir, METRIC_COLUMNS)
    return compute_metrics(
        rows,
        planned,
        ks,
        confidence=report.confidence,
        resamples=report.resamples,
        seed=report.seed,
        max_infra_errors=1.0 if config.model.allow_missing else report.max_infra_errors,
        timing=read_timing(run_dir, planned, rows, has_copies=config.generation.temperature == 0),
        clusters=clusters_in(run_dir),
    )


def _is_complete(metrics: Metrics) -> bool:
    """Whether no benchmark's headline was withheld: nothing is missing beyond what the configuration allows."""
    return not any(benchmark.withheld for benchmark in metrics.benchmarks.values())


def load_outcome(run_dir: Path) -> tuple[dict[str, Any], Metrics]:
    """What a run directory says of itself.

    Raises:
        UserError: it is no run directory, or has no metrics yet.
    """
    run = read_run(run_dir)
    if run is None:
        raise UserError(f"{run_dir}: no run here (no {RUN_FILE}). Give the directory that `codeassay run` printed.")
    try:
        return run, Metrics.from_json((run_dir / METRICS_FILE).read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{run_dir}: no metrics yet ({error}). Finish the run: {run['command']}") from error
