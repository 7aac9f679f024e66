"""How a run was served: latency, throughput, and how well generation and execution kept their machines busy.

Rates are those of `vllm bench serve` (vllm/benchmarks/serve.py, calculate_metrics) but for their divisor: the time in
which at least one request was in flight, where that program takes the wall time of its load. So neither the loading of
a model nor a pause between two attempts at a run makes a model slow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.latency import Distribution, Latency
from engine.measured import Measured
from engine.statistics import FloatArray
from engine.timeline import EMPTY, idle_share, length, overlap_share, pool_sizes, union, unions_by
from engine.timing import Session, Timing
from engine.usage import codes_of, floats

FLAT_GENERATION = {
    "queue_seconds": ("p50", "p99"),
    "ttft_seconds": ("mean", "p50", "p99"),
    "itl_seconds": ("p50", "p99"),
    "tpot_seconds": ("mean", "p50", "p99"),
    "e2e_seconds": ("mean", "p50", "p99"),
}
FLAT_EXECUTION = {"queue_seconds": ("p50", "p99"), "run_seconds": ("mean", "p50", "p99")}
FLAT_RATES = ("output_tokens_per_second", "total_tokens_per_second", "requests_per_second")
FLAT_THROUGHPUT = ("executions_per_second", "overlap_share", "generation_idle_share", "execution_idle_share")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What was generated, by one replica or by all, in the time in which any of its requests was in flight."""

    busy_seconds: float
    num_requests: int
    """One prompt, sent at one time, with all its completions; only those that were answered."""
    output_tokens: int | None
    """Of all completions; None if no row tells."""
    prompt_tokens: int | None
    """Of each request once; None if no row tells."""
    requests_per_second: float
    output_tokens_per_second: float | None
    total_tokens_per_second: float | None
    """Tokens of prompts and completions; None unless both are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """How much a run did per second, and how much of its time each pool had something to do.

    The span of a session is from its first to its last work: the start of actors and the loading of a model are not in
    it, the waits of a stage for the other are.
    """

    generation: Rates | None = None
    """All replicas together; None where no request's time is known (stored samples)."""
    replicas: dict[str, Rates] = field(default_factory=dict)
    """By node and process; one that was started anew has another name."""
    num_replicas: int = 0
    """Most at once in any session; 0 where no request's time is known."""
    num_workers: int = 0
    """Most at once in any session that ran a program; 0 where no execution's time is known."""
    num_executions: int = 0
    """Programs that were run, identical ones of a problem once."""
    execution_busy_seconds: float = 0.0
    """Time in which at least one program was being judged."""
    executions_per_second: float | None = None
    """num_executions / execution_busy_seconds."""
    overlap_share: float | None = None
    """|G and E| / min(|G|, |E|), G the time with a request in flight, E that with a program being judged."""
    generation_idle_share: float | None = None
    """1 - sum over replicas of the time with a request in flight / (replicas x span of the sessions)."""
    execution_idle_share: float | None = None
    """The same for workers and the programs they judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """All of a run's benchmarks and variants together: they share the machines."""

    latency: Latency
    throughput: Throughput

    def flat(self) -> dict[str, float]:
        """The most telling numbers, such as `latency/ttft_seconds.p50`; all of them are in metrics.json."""
        numbers = _flat("latency", self.latency.generation, FLAT_GENERATION)
        numbers |= _flat("execution", self.latency.execution, FLAT_EXECUTION)
        rates = {name: getattr(self.throughput.generation, name, None) for name in FLAT_RATES}
        rates |= {name: getattr(self.throughput, name) for name in FLAT_THROUGHPUT}
        return numbers | {f"throughput/{name}": value for name, value in rates.items() if value is not None}


def serving_of(measured: Mapping[str, Measured], timing: Timing) -> Serving | None:
    """What a run's benchmarks measured, as one; None where nothing was.

    Args:
        measured: by the name of the planned benchmark.
        timing: of the same run.
    """
    if not measured:
        return None
    everything = Measured.together(list(measured.values()))
    latency = everything.latency(timing.gaps_of(*measured))
    if latency is None:
        return None
    return Serving(latency=latency, throughput=_throughput(everything, timing.sessions))


def serving_from(raw: Mapping[str, Any]) -> Serving:
    """The record behind plain data."""
    throughput = dict(raw["throughput"])
    generation = throughput.pop("generation")
    return Serving(
        latency=latency_from(raw["latency"]),
        throughput=Throughput(
            generation=None if generation is None else Rates(**generation),
            replicas={name: Rates(**value) for name, value in throughput.pop("replicas").items()},
            **throughput,
        ),
    )


def latency_from(raw: Mapping[str, Any]) -> Latency:
    """The record behind plain data."""
    return Latency(
        **{part: {name: Distribution(**value) for name, value in found.items()} for part, found in raw.items()}
    )


def _flat(
    prefix: str, distributions: Mapping[str, Distribution], shown: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    return {
        f"{prefix}/{name}.{statistic}": getattr(distributions[name], statistic)
        for name, statistics in shown.items()
        if name in distributions
        for statistic in statistics
    }


def _throughput(everything: Measured, sessions: Sequence[Session]) -> Throughput:
    requests, executions = everything.requests, everything.executions
    generating, judging = _merged_by_member(requests), _merged_by_member(executions)
    generated, judged = (union(np.concatenate([EMPTY, *members.values()])) for members in (generating, judging))
    spans = _spans(sessions, np.concatenate([generated, judged]))
    replicas, workers = list(generating.values()), list(judging.values())
    num_executions = int(pc.count(executions["executions"]).as_py())
    return Throughput(
        generation=_rates(requests, generated),
        replicas=_rates_by_member(requests, generating),
        num_replicas=int(pool_sizes(replicas, spans).max(initial=0)),
        num_workers=int(pool_sizes(workers, spans).max(initial=0)),
        num_executions=num_executions,
        execution_busy_seconds=length(judged),
        executions_per_second=num_executions / length(judged) if len(judged) else None,
        overlap_share=overlap_share(generated, judged),
        generation_idle_share=idle_share(replicas, spans),
        execution_idle_share=idle_share(workers, spans),
    )


def _merged_by_member(work: pa.Table) -> dict[str, FloatArray]:
    """When each member of a pool had something to do, by its name, in the order of names."""
    code_N, names = codes_of(work["member"])
    intervals_N2 = np.column_stack([floats(work["start"]), floats(work["end"])])
    members = dict(zip(names, unions_by(code_N, intervals_N2, len(names)), strict=True))
    return {name: members[name] for name in sorted(names)}


def _rates_by_member(requests: pa.Table, members: Mapping[str, FloatArray]) -> dict[str, Rates]:
    counts = ("requests", "output_tokens", "prompt_tokens")
    sums = requests.group_by("member", use_threads=False).aggregate([(name, "sum") for name in counts])
    rates = {row["member"]: _rates_of(row, members[row["member"]]) for row in sums.to_pylist()}
    return {name: rate for name in members if (rate := rates[name]) is not None}


def _rates(requests: pa.Table, busy: FloatArray) -> Rates | None:
    counts = ("requests", "output_tokens", "prompt_tokens")
    return _rates_of({f"{name}_sum": pc.sum(requests[name]).as_py() for name in counts}, busy)


def _rates_of(sums: Mapping[str, Any], busy: FloatArray) -> Rates | None:
    """Rates over merged intervals; None where they are empty."""
    seconds, output, prompt = length(busy), sums["output_tokens_sum"], sums["prompt_tokens_sum"]
    if seconds <= 0:
        return None
    num_requests = int(sums["requests_sum"] or 0)
    return Rates(
        busy_seconds=seconds,
        num_requests=num_requests,
        output_tokens=output,
        prompt_tokens=prompt,
        requests_per_second=num_requests / seconds,
        output_tokens_per_second=None if output is None else output / seconds,
        total_tokens_per_second=None if output is None or prompt is None else (output + prompt) / seconds,
    )


def _spans(sessions: Sequence[Session], work_N2: FloatArray) -> FloatArray:
    """From the first to the last work of each session, shape (S, 2); sessions without work have none.

    Work that began in a session and outlasted it is clipped; without sessions all work is one.
    """
    if not len(work_N2):
        return EMPTY
    if not sessions:
        return np.array([[work_N2[:, 0].min(), work_N2[:, 1].max()]])
    starts = [start for start, _ in sessions]
    spans = []
    for (start, end), following in zip(sessions, [*starts[1:], np.inf], strict=True):
        own_N2 = work_N2[(work_N2[:, 0] >= start) & (work_N2[:, 0] < following)]
        if len(own_N2):
            last = min(float(own_N2[:, 1].max()), following if end is None else end)
            spans.append((float(own_N2[:, 0].min()), last))
    return np.array(spans) if spans else EMPTY
