"""Run-to-run spread: the same configuration run several times with seeds that follow one another.

Intervals of a single run say how far its numbers would move with other problems; this says how far they move with the
same problems, by sampling, by the back end and by the machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actors.models import parse_model
from engine.config import RunConfig
from engine.metrics import OVERALL, Metrics

PASS_AT_1 = re.compile(r".*/pass_at_1")
LATENCY = re.compile(r"(?:.*/)?(?:e2e|ttft)\w*[./_](?:p50|p99)")
"""Names in Metrics.flat() of end-to-end latency and time to first token."""

GREEDY = (
    "Greedy decoding: the seed changes nothing, so spread shows that the back end (by the order of its sums) "
    "or the judging of programs is not deterministic."
)
STORED = "The completions are stored, so spread shows that the judging of programs is not deterministic."
CACHED = (
    "Programs that were judged before are served from the cache of verdicts; with --no-cache their spread shows too."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One number over several runs."""

    mean: float
    sd: float
    """Sample standard deviation (n - 1)."""
    minimum: float
    maximum: float
    num_runs: int
    """Runs that have the number: it may be withheld in some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """The spread of one model's numbers."""

    model: str
    seeds: tuple[int, ...]
    spreads: Mapping[str, Spread]
    """By name, as in Metrics.flat(): pass@1 of each benchmark, then p50 and p99 of latencies where they are known."""
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def repeats_of(config: RunConfig, first: Path, repeat: int) -> list[RunConfig]:
    """The second and further runs of a configuration, beside the directory of the first: `<first>-repeat-2`, ..."""
    generation = config.generation
    return [
        config.model_copy(
            update={
                "generation": generation.model_copy(update={"seed": generation.seed + index}),
                "output": first.with_name(f"{first.name}-repeat-{index + 1}"),
            }
        )
        for index in range(1, repeat)
    ]


def stability(model: str, config: RunConfig, metrics: Sequence[Metrics], *, temperature: float) -> Stability:
    """Spread over the runs of one model.

    Args:
        model: name to show.
        config: of its first run.
        metrics: of its runs, at least one, in order.
        temperature: of its sampling.
    """
    flat = [found.flat() for found in metrics]
    has_total = len(metrics[0].benchmarks) > 1
    names = dict.fromkeys(n for numbers in flat for n in numbers if has_total or n != f"{OVERALL}/pass_at_1")
    shown = [name for pattern in (PASS_AT_1, LATENCY) for name in names if pattern.fullmatch(name)]
    is_stored = parse_model(config.model.spec).kind in ("reference", "replay")
    notes = [STORED] if is_stored else [GREEDY] if temperature == 0 else []
    notes += [CACHED] if config.execution.cache else []
    return Stability(
        model=model,
        seeds=tuple(config.generation.seed + index for index in range(len(metrics))),
        spreads={name: spread([numbers[name] for numbers in flat if name in numbers]) for name in shown},
        notes=tuple(notes),
    )


def spread(values: Sequence[float]) -> Spread:
    """Mean, sample standard deviation (0 for one value), least and greatest."""
    return Spread(
        mean=mean(values),
        sd=stdev(values) if len(values) > 1 else 0.0,
        minimum=min(values),
        maximum=max(values),
        num_runs=len(values),
    )


def render_stability(stability: Stability) -> RenderableType:
    """One model's spread as a table, and what to know of it."""
    table = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, show_edge=False)
    table.add_column(Text(f"{stability.model}: {len(stability.seeds)} runs"), overflow="fold")
    for column in ("mean", "sd", "min", "max", "runs"):
        table.add_column(column, justify="right")
    for name, found in stability.spreads.items():
        numbers = (found.mean, found.sd, found.minimum, found.maximum)
        table.add_row(
            Text(name.replace("pass_at_", "pass@")), *(f"{number:.4g}" for number in numbers), str(found.num_runs)
        )
    return Group(table, *(Text(note, "dim") for note in stability.notes))
