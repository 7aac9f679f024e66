"""Decide what is to be done: one request per prompt, without what is already stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from actors.generator import Sampling
from actors.replay_generator import ReplayFile
from actors.samples import REQUEST_SCHEMA, prompt_row
from benchmarks.benchmark import Benchmark
from benchmarks.perturbations.catalogue import catalogue
from benchmarks.perturbations.check import Reason
from benchmarks.perturbations.gate import Gated, Variant
from benchmarks.problem import NOMINAL, Problem, PromptForm
from engine.identity import request_id
from engine.robustness import REPLICA
from engine.scored_rows import PlannedBenchmark
from engine.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run consists of, and what is left of it."""

    requests: pa.Table
    """REQUEST_SCHEMA: only prompts with something left to do."""
    planned: Mapping[str, PlannedBenchmark]
    """The whole run by metric name, for the statistics."""
    num_samples: int
    """Samples of the whole run."""
    num_generate: int
    """Completions still to be generated."""
    num_execute: int
    """Samples still to be judged, those to be generated included."""


def make_plan(
    benchmarks: Mapping[str, Benchmark],
    *,
    form: PromptForm,
    sampling: Sampling,
    n: int,
    model_digest: str,
    replay: ReplayFile | None,
    store: Store,
    gated: Mapping[str, Gated] | None = None,
) -> Plan:
    """Compare what the run consists of with what the store holds."""
    generated, finished = store.generated(), store.finished()
    rows: list[dict[str, Any]] = []
    planned: dict[str, PlannedBenchmark] = {}
    num_samples = 0
    for label, benchmark in benchmarks.items():
        problems = benchmark.problems()
        planned |= _planned(label, benchmark, n, (gated or {}).get(label))
        for problem in problems:
            available = _available(problem, n, replay)
            num_samples += available
            prompt = benchmark.ask(problem, form)
            identity = request_id(model_digest, label, problem, prompt, sampling)
            row = _request(identity, available, generated.get(identity, {}), finished.get(identity, set()))
            if row["generate"] or row["stored"]:
                names = {"benchmark": label, "task_id": problem.task_id, "variant": problem.variant}
                rows.append({"request_id": identity, **names, "prompt": json.dumps(prompt_row(prompt)), **row})
    num_generate = sum(len(row["generate"]) for row in rows)
    return Plan(
        requests=pa.Table.from_pylist(rows, schema=REQUEST_SCHEMA),
        planned=planned,
        num_samples=num_samples,
        num_generate=num_generate,
        num_execute=num_generate + sum(len(row["stored"]) for row in rows),
    )


def _planned(label: str, benchmark: Benchmark, n: int, gated: Gated | None) -> dict[str, PlannedBenchmark]:
    """What is to be sampled of one benchmark: the nominal problems under its label, each kind of variant below it."""
    groups: dict[str, list[Problem]] = {NOMINAL: []}
    for problem in benchmark.problems():
        groups.setdefault(problem.variant, []).append(problem)
    kinds = {variant.name: variant for variant in gated.variants} if gated else {}
    counts = gated.counts() if gated else {}
    found = {}
    for variant, problems in groups.items():
        plan = PlannedBenchmark(
            metrics=benchmark.metrics,
            num_problems=len(problems),
            num_samples=n,
            num_unavailable=sum(bool(problem.unavailable) for problem in problems),
            task_ids=tuple(problem.task_id for problem in problems),
            variant=variant,
        )
        name = label if variant == NOMINAL else f"{label}/{variant}"
        kind = kinds.get(variant)
        found[name] = replace(plan, **_kind(kind, counts[variant])) if kind else _replica(plan)
    return found


def _kind(variant: Variant, counts: Mapping[Reason, int]) -> dict[str, Any]:
    entries = catalogue()
    return {
        "perturbation": variant.perturbation,
        "family": variant.family,
        "severity": variant.severity,
        "seed": variant.seed,
        "baseline": variant.baseline,
        "misleads": variant.perturbation in entries and entries[variant.perturbation].misleads,
        "dropped": {reason: count for reason, count in counts.items() if reason != "kept"},
    }


def _replica(plan: PlannedBenchmark) -> PlannedBenchmark:
    """The nominal prompts, or these once more."""
    is_replica = plan.variant.startswith(f"{REPLICA}.")
    return replace(plan, perturbation=REPLICA, family=REPLICA) if is_replica else plan


def _available(problem: Problem, n: int, replay: ReplayFile | None) -> int:
    """Samples that there can be of a problem: n, fewer where stored ones are replayed, none of one not judged here."""
    if problem.unavailable:
        return 0
    return n if replay is None else min(n, replay.counts.get(problem.task_id, 0))


def _request(identity: str, available: int, generated: Mapping[int, str], finished: set[int]) -> dict[str, Any]:
    left = [index for index in range(available) if index not in finished]
    stored = [index for index in left if index in generated]
    return {
        "generate": [index for index in left if index not in generated],
        "stored": stored,
        "parts": sorted({generated[index] for index in stored}),
    }
