"""The block of a run's report that says how it was served: a small table of latencies and a line of throughput."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from engine.latency import Distribution, Latency
from engine.serving import Serving, Throughput

GENERATION_ROWS = {
    "queue": "queue_seconds",
    "ttft": "ttft_seconds",
    "itl": "itl_seconds",
    "tpot": "tpot_seconds",
    "e2e": "e2e_seconds",
}
EXECUTION_ROWS = {
    "exec queue": "queue_seconds",
    "exec compile": "compile_seconds",
    "exec run": "run_seconds",
    "exec cpu": "cpu_seconds",
}
STATISTICS = ("mean", "p50", "p90", "p99", "max")
UNITS = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6))
LABEL_WIDTH = 16
VALUE_WIDTH = 9


def latency_table(latency: Latency) -> Table | None:
    """One row per thing that was measured, in the unit that suits its median; None where none was."""
    parts = ((GENERATION_ROWS, latency.generation), (EXECUTION_ROWS, latency.execution))
    rows = [(label, found[name]) for labels, found in parts for label, name in labels.items() if name in found]
    if not rows:
        return None
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=LABEL_WIDTH, style="dim")
    table.add_column(width=2, style="dim")
    for _ in STATISTICS:
        table.add_column(width=VALUE_WIDTH, justify="right")
    table.add_row("serving", "", *(Text(name, "dim") for name in STATISTICS))
    for label, distribution in rows:
        table.add_row(label, *_cells(distribution))
    return table


def throughput_text(serving: Serving) -> str:
    """Rates, overlap and idle shares in one line; empty where none is known."""
    return " · ".join(_throughput(serving.throughput))


def generation_time_text(serving: Serving) -> str:
    """What generating took in all and on average, by the clock of each completion; empty where that is not known."""
    spent = serving.latency.generation.get("e2e_seconds")
    if spent is None:
        return ""
    return f"{spent.mean * spent.count:,.1f} s in all, {spent.mean:.3g} s on average of {spent.count:,} completions"


def _throughput(throughput: Throughput) -> Iterator[str]:
    generation = throughput.generation
    if generation and generation.output_tokens_per_second is not None:
        replicas = _number_of(throughput.num_replicas, "replica")
        yield f"{_rate(generation.output_tokens_per_second)} tokens/s ({replicas})"
    elif generation:
        yield f"{_rate(generation.requests_per_second)} requests/s ({_number_of(throughput.num_replicas, 'replica')})"
    if throughput.executions_per_second is not None:
        workers = _number_of(throughput.num_workers, "worker")
        yield f"{_rate(throughput.executions_per_second)} executions/s ({workers})"
    if throughput.overlap_share is not None:
        yield f"overlap {throughput.overlap_share:.0%}"
    shares = {"generate": throughput.generation_idle_share, "execute": throughput.execution_idle_share}
    if idle := ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share is not None):
        yield f"idle: {idle}"


def _cells(distribution: Distribution) -> Iterator[str]:
    values = [getattr(distribution, name) for name in STATISTICS]
    unit, factor = next(
        (unit for unit in UNITS if (distribution.p50 or distribution.mean or 1.0) >= unit[1]), UNITS[-1]
    )
    yield unit
    yield from (_short(value / factor) for value in values)


def _short(value: float) -> str:
    """Three digits that say something: `0`, `0.84`, `8.40`, `84.0`, `840`, `8,400`."""
    return f"{value:,.0f}" if value >= 100 or not value else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _number_of(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
