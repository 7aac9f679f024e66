"""What the page tells in words and tables: scores, comparisons, trust, and how to repeat it all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.compare import Compared, Comparison
from engine.compare_costs import Cost
from engine.compare_view import signed
from engine.metrics import OVERALL, BenchmarkMetrics, Estimate
from engine.page.inputs import PageRun
from engine.tracking_files import redact
from engine.trust import Fact, trust_facts

BAR = 100.0
"""Units of the width of a small bar in its SVG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """An interval to be drawn as a small bar; positions are in [0, BAR]."""

    start: float
    width: float
    dot: float
    zero: float | None = None
    """Where zero is; None for scores, which begin there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One score of one run."""

    run: str
    step: str
    benchmark: str
    score: str
    value: str
    interval: str
    bar: Bar | None
    others: str
    """The other k of the same score."""
    size: str
    withheld: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One benchmark in one comparison."""

    benchmark: str
    metric: str
    base: str
    candidate: str
    difference: str
    interval: str
    bar: Bar
    p_value: str
    detectable: str
    flips: str
    verdict: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """One figure of latency or cost in one comparison."""

    name: str
    base: str
    candidate: str
    change: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One comparison."""

    base: str
    candidate: str
    rows: tuple[ChangeRow, ...]
    costs: tuple[CostRow, ...]
    rules: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What speaks for and against one run."""

    run: str
    status: str
    facts: tuple[Fact, ...]
    statuses: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """How one run was made."""

    run: str
    command: str
    run_dir: str
    made_with: tuple[tuple[str, str], ...]


def score_rows(runs: Sequence[PageRun]) -> list[ScoreRow]:
    """Every score of every run, headlines first: benchmark by benchmark, so that checkpoints stand below each other."""
    names = list(dict.fromkeys(name for run in runs for name in run.metrics.benchmarks if "/" not in name))
    names += [OVERALL] if len(names) > 1 else []
    told = [list(_rows_of(run, name)) for name in names for run in runs]
    return [row for rows in told for row in rows[:1]] + [row for rows in told for row in rows[1:]]


def _rows_of(run: PageRun, name: str) -> Iterator[ScoreRow]:
    metrics = run.metrics.overall if name == OVERALL else run.metrics.benchmarks.get(name)
    if metrics is None:
        return
    families = dict.fromkeys(key.partition("_at_")[0] for key in metrics.estimates)
    if not families:
        yield _row(run, name, metrics, "", {})
    for family in families:
        own = {key: each for key, each in metrics.estimates.items() if key.partition("_at_")[0] == family}
        yield _row(run, name, metrics, family, own)


def _row(run: PageRun, name: str, metrics: BenchmarkMetrics, family: str, estimates: dict[str, Estimate]) -> ScoreRow:
    key, headline = next(iter(estimates.items()), ("", None))
    others = list(estimates.items())[1:]
    return ScoreRow(
        run=run.name,
        step="" if run.step is None else str(run.step),
        benchmark=name,
        score=score_name(key or family),
        value=f"{headline.value:.3f}" if headline else "",
        interval=f"{headline.ci_low:.3f} to {headline.ci_high:.3f}" if headline else "",
        bar=_bar(headline.ci_low, headline.ci_high, headline.value) if headline else None,
        others=", ".join(f"{score_name(key)} {each.value:.3f}" for key, each in others),
        size=f"{metrics.num_problems:,} x {metrics.num_samples or 'mixed'}",
        withheld=metrics.withheld,
    )


def score_name(key: str) -> str:
    """A metric as people write it: `pass@1`, `base pass@10`."""
    return key.replace("_at_", "@").replace("_", " ")


def _bar(low: float, high: float, value: float) -> Bar:
    start, end, dot = (round(BAR * min(1.0, max(0.0, each)), 2) for each in (low, high, value))
    return Bar(start=start, width=round(max(end - start, 0.5), 2), dot=dot)


def changes(comparisons: Sequence[Comparison]) -> list[Change]:
    """Every comparison, with bars on one scale."""
    ends = [
        abs(end)
        for one in comparisons
        for each in one.compared
        for end in (each.difference.interval.low, each.difference.interval.high)
    ]
    scale = max([*ends, 0.05])
    return [_change(one, scale) for one in comparisons]


def _change(one: Comparison, scale: float) -> Change:
    count = len(one.compared)
    holm = f", p-values by Holm over {count} benchmarks" if count > 1 else ""
    return Change(
        base=one.base.name,
        candidate=one.candidate.name,
        rows=tuple(_change_row(each, scale) for each in one.compared),
        costs=tuple(_cost_row(name, cost) for name, cost in one.costs.items()),
        rules=f"Paired by problem, {one.rules.resamples:,} resamples{holm}, {1 - one.rules.alpha:.0%} intervals.",
    )


def _change_row(each: Compared, scale: float) -> ChangeRow:
    interval, mean = each.difference.interval, each.difference.mean
    low, high, dot = (round(BAR / 2 * (1 + end / scale), 2) for end in (interval.low, interval.high, mean))
    return ChangeRow(
        benchmark=each.benchmark,
        metric=score_name(each.metric),
        base=f"{each.base:.3f}",
        candidate=f"{each.candidate:.3f}",
        difference=signed(mean),
        interval=f"{signed(interval.low)} to {signed(interval.high)}",
        bar=Bar(start=low, width=round(max(high - low, 0.5), 2), dot=dot, zero=BAR / 2),
        p_value=f"{each.p_adjusted:.3f}" if each.p_adjusted >= 0.0005 else "<.001",
        detectable=f"{each.detectable:.3f}",
        flips=f"{len(each.won)} / {len(each.lost)}",
        verdict=each.verdict,
        note=_note(each),
    )


def _note(each: Compared) -> str:
    if each.why:
        return f"no verdict: {each.why}"
    if each.verdict != "inconclusive":
        return ""
    return f"{each.difference.num_problems:,} problems are too few; {each.problems_to_decide:,} would decide"


def _cost_row(name: str, cost: Cost) -> CostRow:
    interval = f" ({cost.interval.low:+.0%} to {cost.interval.high:+.0%})" if cost.interval else ""
    values = [
        f"{value:,.3g} {cost.unit}".rstrip() if value < 1000 else f"{value:,.0f}"
        for value in (cost.base, cost.candidate)
    ]
    change = "" if cost.change is None else f"{cost.change:+.0%}{interval}"
    return CostRow(name=name, base=values[0], candidate=values[1], change=change)


def trust_boxes(runs: Sequence[PageRun]) -> list[Trust]:
    """One per run."""
    return [
        Trust(
            run=run.name,
            status=run.status,
            facts=tuple(
                trust_facts(
                    run.metrics,
                    run.run["isolation"],
                    {name: entry.get("gold") for name, entry in run.run["benchmarks"].items()},
                    {name: entry.get("notes", ()) for name, entry in run.run["benchmarks"].items()},
                )
            ),
            statuses=", ".join(f"{status} {count:,}" for status, count in run.metrics.overall.statuses.items()),
        )
        for run in runs
    ]


def repeats(runs: Sequence[PageRun]) -> list[Repeat]:
    """How each run was made: command, directory, versions and hardware, without secrets."""
    return [
        Repeat(
            run=run.name,
            command=redact(run.run["command"]),
            run_dir=str(run.run_dir),
            made_with=tuple(_environment(run)),
        )
        for run in runs
    ]


def _environment(run: PageRun) -> Iterator[tuple[str, str]]:
    yield "model digest", run.run["identity"]["model"]["digest"]
    generation = run.run["identity"]["generation"]
    yield "sampling", ", ".join(f"{key} {value}" for key, value in generation.items())
    path = run.run_dir / "env.json"
    try:
        told = redact(json.loads(path.read_text())) if path.exists() else {}
    except (OSError, ValueError):
        told = {}  # the page does without; `push` names a damaged file
    for key, value in told.items() if isinstance(told, dict) else ():
        yield key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
