"""The pipeline: plan -> Generate (model actors) -> Execute (sandbox actors) -> parts on disk, streamed by Ray Data.

    requests ──> Generate ──completions──> Execute ──statuses──> driver (progress)
                    │ commits                 │ commits
                    └─> generations/          └─> samples/

One row is one prompt with its n completions. The plan enters as Arrow blocks in memory, so no read task asks for a CPU;
Generate takes no CPU (its model may take GPUs) and Execute one each, so that one CPU is enough for both. A Generate
actor has many batches in flight, in threads, so its back end never waits for the end of one. Rows carry their faults as
columns, so a failed task is a defect or a dead node: Ray runs it again, and commits are idempotent.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy

from actors.attempts import Attempts, TooManyAttempts
from actors.generator import Sampling
from actors.judging import Calibration, Policy
from actors.models import ModelSpec
from actors.options import GeneratorOptions
from actors.pace import Pace, pace_of
from actors.parts import STOP_FILE
from actors.placement import cluster_nodes, place_replicas
from actors.reference_generator import References
from actors.replay_generator import ReplayFile
from actors.stages import ExecuteStage, GenerateStage, ModelKit
from benchmarks.benchmark import Benchmark
from engine.pipeline_errors import PipelineError
from engine.progress import Progress
from engine.ray_words import ray_words
from runners.errors import UserError

_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the pipeline is to do, and with what."""

    run_dir: Path
    requests: pa.Table
    sampling: Sampling
    spec: ModelSpec
    options: GeneratorOptions
    references: References
    stored: ReplayFile | None
    benchmarks: Mapping[str, Benchmark]
    isolation: str
    judge: Policy
    calibration: Calibration
    limits: Mapping[str, float]
    cache: Path
    """Where checkpoints that lie elsewhere are kept on each node."""
    verdicts: Path | None
    """Directory of the verdict cache; None runs every program."""
    workers: int | str
    replicas: int | str
    stall_seconds: float


def run_pipeline(work: Work, progress: Progress) -> bool:
    """Do the work; whether it was done to the end (False: interrupted, drained, to be resumed).

    Raises:
        UserError: an actor found a fault that the user can cure (no isolation on a node, no such model).
        PipelineError: a stage died or stalled.
    """
    with progress, ray_words(progress.tell), _stop_on_signal(work.run_dir, progress) as stopped:
        for statuses in _watched(_stream(work), work, progress):
            progress.add(statuses)
    return not stopped.is_set()


def _stream(work: Work) -> Iterator[list[str]]:
    """Statuses of finished samples, batch by batch."""
    num_workers = _num_workers(work.workers)
    placement = place_replicas(work.spec, work.options, work.replicas, *cluster_nodes())
    pace = _pace(work, num_workers)
    options = placement.applied_to(work.options)
    shared_model = ray.put(_model_kit(work, options))
    shared_benchmarks = ray.put((dict(work.benchmarks), work.calibration))
    run_dir = str(work.run_dir.resolve())
    Attempts(work.run_dir).clear()
    done = (
        ray.data.from_arrow(_blocks(work.requests, pace.block_prompts))
        .map_batches(
            GenerateStage,
            fn_constructor_args=(run_dir, shared_model, work.sampling, placement.replicas),
            compute=_many_calls(placement.replicas, pace.calls),
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=0,
            num_gpus=placement.actor_gpus,
            ray_remote_args_fn=placement.actor_arguments(),
        )
        .map_batches(
            ExecuteStage,
            fn_constructor_args=(
                run_dir,
                shared_benchmarks,
                work.isolation,
                dict(work.limits),
                work.judge,
                str(work.verdicts) if work.verdicts else None,
            ),
            compute=ActorPoolStrategy(size=num_workers),
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=1,
        )
    )
    for batch in done.iter_batches(batch_size=None, batch_format="pyarrow"):
        yield batch["status"].to_pylist()


def _model_kit(work: Work, options: GeneratorOptions) -> ModelKit:
    """What Generate actors share; stored samples are the last answers already."""
    several = {label: benchmark for label, benchmark in work.benchmarks.items() if benchmark.turns > 1}
    return ModelKit(
        spec=work.spec,
        options=options,
        references=work.references,
        stored=work.stored,
        cache=work.cache,
        conversations={} if work.stored else several,
    )


def _many_calls(replicas: int, calls: int) -> ActorPoolStrategy:
    """Actors that take so many batches at once, each in a thread of its own; one more waits in line."""
    return ActorPoolStrategy(
        size=replicas,
        max_concurrent_calls_per_actor=calls,
        max_tasks_in_flight_per_actor=calls + 1,
        enable_true_multi_threading=True,
    )


def _pace(work: Work, num_workers: int) -> Pace:
    samples = [len(generate) for generate in work.requests["generate"].to_pylist()]
    n, num_prompts = max(samples, default=1), work.requests.num_rows
    return pace_of(work.spec, work.options, n=n, num_prompts=num_prompts, num_workers=num_workers)


def _blocks(requests: pa.Table, size: int) -> list[pa.Table]:
    return [requests.slice(start, size) for start in range(0, requests.num_rows, size)]


def _num_workers(workers: int | str) -> int:
    return int(workers) if workers != "auto" else max(1, int(ray.cluster_resources().get("CPU", 1)))


def _watched(stream: Iterator[list[str]], work: Work, progress: Progress) -> Iterator[list[str]]:
    """The stream, consumed by a thread, so that progress, signals and stalls are seen while it is silent."""
    items: queue.Queue[list[str] | BaseException | None] = queue.Queue()

    def consume() -> None:
        try:
            for item in stream:
                items.put(item)
            items.put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, which raises it
            items.put(error)

    threading.Thread(target=consume, daemon=True, name="pipeline").start()
    while True:
        progress.update()
        try:
            item = items.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            if progress.stalled_seconds > work.stall_seconds:
                stage = progress.slow_stage
                raise PipelineError(
                    f"stage {stage} has done nothing for {work.stall_seconds:g} s; run again to resume."
                ) from None
            continue
        if item is None:
            progress.update()
            return
        if isinstance(item, BaseException):
            raise _explained(item) from item
        yield item


def _explained(error: BaseException) -> Exception:
    """The user's fault behind a failed actor if there is one, else an error that names the stage."""
    seen: BaseException | None = error
    last = error
    while seen is not None:
        if isinstance(seen, UserError | TooManyAttempts):
            return seen if isinstance(seen, UserError) else PipelineError(f"Generate failed: {seen}")
        last = seen
        cause = getattr(seen, "cause", None)
        seen = cause if isinstance(cause, BaseException) else seen.__cause__
    text = str(error)
    stage = "Generate" if "GenerateStage" in text else "Execute" if "ExecuteStage" in text else "the pipeline"
    lines = str(last).strip().splitlines()
    return PipelineError(f"{stage} failed: {type(last).__name__}: {lines[-1] if lines else ''}")


@contextmanager
def _stop_on_signal(run_dir: Path, progress: Progress) -> Iterator[threading.Event]:
    """First Ctrl-C or SIGTERM: finish and commit what is in flight, let the rest pass. Second: leave at once."""
    stopped = threading.Event()

    def stop(number: int, _frame: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()
        (run_dir / STOP_FILE).touch()
        progress.note = f"{signal.Signals(number).name}: finishing what is in flight; once more to leave at once"

    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
