"""Show runs in a terminal: one with what speaks for and against trusting it, or several side by side.

Colour only says how to take a number: red is withheld or failed, yellow weakens trust. Without a terminal the same
tables are plain text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from engine.metrics import OVERALL, BenchmarkMetrics, Estimate, Metrics
from engine.report_serving import generation_time_text, latency_table, throughput_text
from engine.robust_view import robust_tables
from engine.trust import trust_facts
from engine.usage import total_counts
from runners.program import Status

WIDE = 110
"""Columns from which every pass@k has its interval; below it only the first has."""
COMPARED_COLUMN = 24
"""Terminal columns that one benchmark of a comparison takes."""
LABEL_COLUMNS = 16
"""Columns of the labels at the left; longer names of benchmarks get up to twice as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One run as it is shown to people."""

    model: str
    """Name of the checkpoint."""
    suite: str
    run_dir: Path
    step: int | None = None
    """Training step of the checkpoint; None if it is not known."""
    metrics: Metrics
    isolation: str
    """Isolation level that the run asked for and got."""
    status: str
    """`complete`, or what else became of the run."""
    command: str
    """What to type to do, or to go on with, this run again."""
    gold: Mapping[str, Any] = field(default_factory=dict)
    """Per benchmark how many reference solutions there are and pass their own tests; None where none was run."""
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Per benchmark what is to be known of its data."""


def render_run(run: RunSummary) -> RenderableType:
    """One run: its numbers, its outcomes, what speaks for and against trusting it, and how to repeat it."""
    return _RunReport(run)


def render_comparison(runs: Sequence[RunSummary]) -> RenderableType:
    """Several runs: one row each, pass@1 (or the headline score) of each benchmark with its interval.

    The intervals are those of each run by itself: where two overlap, the runs may still differ problem by problem.
    """
    return _Comparison(tuple(runs))


def to_text(renderable: RenderableType, width: int = 80) -> str:
    """Plain text of at most `width` columns, without colour or trailing blanks."""
    console = Console(file=StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def format_estimate(estimate: Estimate) -> str:
    """A value with its interval: `0.713 [.648, .771]`."""
    return f"{estimate.value:.3f} [{_short(estimate.ci_low)}, {_short(estimate.ci_high)}]"


@dataclass(frozen=True, slots=True)
class _RunReport:
    run: RunSummary

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        run = self.run
        yield Text.assemble((run.model, "bold"), f"  {run.suite}", _step(run), "  ", _status(run.status))
        yield _scores_table(run.metrics, wide=options.max_width >= WIDE)
        yield _block(_others(run.metrics))
        yield _block(robust_tables(run.metrics.robustness))
        yield _block(_outcomes(run.metrics))
        yield _block(_trust(run))
        yield _block(_serving(run.metrics))
        yield _block([_line("run", str(run.run_dir)), _line("again", run.command)])


@dataclass(frozen=True, slots=True)
class _Comparison:
    runs: tuple[RunSummary, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = (name for run in self.runs for name, _ in _shown(run.metrics) if name != OVERALL)
        names = list(dict.fromkeys(shown))
        if len(names) > 1:
            names.append(OVERALL)
        widest = max((len(run.model) for run in self.runs), default=0)
        per_table = max(1, (options.max_width - widest - 4) // COMPARED_COLUMN)
        for start in range(0, len(names), per_table):
            yield Padding(self._table(names[start : start + per_table]), (1 if start else 0, 0, 0, 0))
        if withheld := sum(bool(run.metrics.overall.withheld) for run in self.runs):
            yield Text(f"{withheld} of {len(self.runs)} runs have numbers withheld; show one alone for why.", "red")

    def _table(self, names: list[str]) -> Table:
        table = _table("checkpoint")
        for name in names:
            # A benchmark without programs has another headline than pass@1.
            headlines = {_headline(_benchmark(run.metrics, name)).replace("_at_", "@") for run in self.runs} - {""}
            table.add_column(Text(f"{name}\n{' / '.join(sorted(headlines)) or 'pass@1'}"), justify="right")
        for run in self.runs:
            table.add_row(Text(run.model, "bold"), *(_compared(_benchmark(run.metrics, name)) for name in names))
        return table


def _scores_table(metrics: Metrics, *, wide: bool) -> Table:
    table = _table("benchmark")
    table.add_column("problems", justify="right")
    table.add_column("n", justify="right")
    for position, k in enumerate(metrics.ks):
        interval = f" {metrics.confidence:.0%} CI" if position == 0 or wide else ""
        table.add_column(f"pass@{k}{interval}", justify="right")
    for name, benchmark in _shown(metrics):
        sizes = (str(benchmark.num_problems), str(benchmark.num_samples or "mixed"))
        for position, family in enumerate(_families(benchmark)):
            label = Text(name, "bold") if family == "pass" else Text(f"  {family.removesuffix('_pass')}", "dim")
            cells = _cells(benchmark, family, metrics.ks, wide=wide)
            table.add_row(label, *(sizes if position == 0 else ("", "")), *cells)
    return table


def _cells(benchmark: BenchmarkMetrics, family: str, ks: tuple[int, ...], *, wide: bool) -> Iterator[Text]:
    if benchmark.withheld:
        yield from [Text("withheld", "red")] * len(ks)
        return
    for position, k in enumerate(ks):
        estimate = benchmark.estimates.get(f"{family}_at_{k}")
        if estimate is None:
            yield Text("-", "dim")
        else:
            yield _estimate(estimate) if position == 0 or wide else Text(f"{estimate.value:.3f}")


def _others(metrics: Metrics) -> list[RenderableType]:
    """Scores that are not pass@k, a column each, and reasons for what is withheld."""
    found = {name: _other_scores(benchmark) for name, benchmark in metrics.benchmarks.items()}
    columns = list(dict.fromkeys(key for scores in found.values() for key in scores))
    lines: list[RenderableType] = []
    if columns:
        lines.append(_others_table({name: scores for name, scores in found.items() if scores}, columns))
    withheld = [(name, each.withheld) for name, each in metrics.benchmarks.items() if each.withheld]
    return lines + [_line(name, Text(f"withheld: {why}", "red")) for name, why in withheld]


def _other_scores(benchmark: BenchmarkMetrics) -> dict[str, Estimate]:
    return {key: value for key, value in benchmark.estimates.items() if "pass_at_" not in key}


def _others_table(found: Mapping[str, Mapping[str, Estimate]], columns: list[str]) -> Table:
    """One row per benchmark; with one column there is room for its interval."""
    table = _table("benchmark")
    for column in columns:
        table.add_column(column, justify="right")
    for name, scores in found.items():
        values = [scores.get(column) for column in columns]
        cells = [_other(value, alone=len(columns) == 1) for value in values]
        table.add_row(Text(name, "bold"), *cells)
    return table


def _other(estimate: Estimate | None, *, alone: bool) -> Text:
    if estimate is None:
        return Text("-", "dim")
    return _estimate(estimate) if alone else Text(f"{estimate.value:.3f}")


def _outcomes(metrics: Metrics) -> list[Table]:
    width = _label_width(metrics)
    counts: dict[str, dict[str, int]] = {}
    for name, each in metrics.benchmarks.items():
        line = f"{name.partition('/')[0]} perturbed" if _is_perturbed(name, metrics) else name
        counts[line] = total_counts([counts.get(line, {}), each.statuses])
    return [_line(name, _counts(statuses), width) for name, statuses in counts.items()]


def _label_width(metrics: Metrics) -> int:
    """Columns that the names of the benchmarks need, within reason."""
    return max(LABEL_COLUMNS, min(2 * LABEL_COLUMNS, max(map(len, metrics.benchmarks), default=0)))


def _trust(run: RunSummary) -> list[Table]:
    styles = {"": "", "weak": "yellow", "bad": "red"}
    facts = trust_facts(run.metrics, run.isolation, run.gold, run.notes)
    return [_line(fact.label, Text(fact.text, styles[fact.level])) for fact in facts]


def _serving(metrics: Metrics) -> list[Table]:
    """How the run was served; nothing where nothing was measured."""
    if metrics.serving is None:
        return []
    table, throughput = latency_table(metrics.serving.latency), throughput_text(metrics.serving)
    spent = generation_time_text(metrics.serving)
    return [
        *([table] if table else []),
        *([_line("generation", spent)] if spent else []),
        *([_line("throughput", throughput)] if throughput else []),
    ]


def _table(first: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, show_edge=False)
    table.add_column(first, overflow="fold")
    return table


def _shown(metrics: Metrics) -> Iterator[tuple[str, BenchmarkMetrics]]:
    """Benchmarks, and all together where they are several; perturbed forms have a table of their own."""
    shown = {name: each for name, each in metrics.benchmarks.items() if not _is_perturbed(name, metrics)}
    yield from shown.items()
    if len(shown) > 1:
        yield OVERALL, metrics.overall


def _is_perturbed(name: str, metrics: Metrics) -> bool:
    label, _, variant = name.partition("/")
    return bool(variant) and label in metrics.robustness


def _families(benchmark: BenchmarkMetrics) -> list[str]:
    """Names of the pass scores, `pass` first; it has a row even where nothing is known."""
    families = [key.partition("_at_")[0] for key in benchmark.estimates if "pass_at_" in key]
    return list(dict.fromkeys(["pass", *families]))


def _benchmark(metrics: Metrics, name: str) -> BenchmarkMetrics | None:
    return metrics.overall if name == OVERALL else metrics.benchmarks.get(name)


def _headline(benchmark: BenchmarkMetrics | None) -> str:
    estimates = benchmark.estimates if benchmark else {}
    return "pass_at_1" if "pass_at_1" in estimates else next(iter(estimates), "")


def _compared(benchmark: BenchmarkMetrics | None) -> Text:
    if benchmark is None:
        return Text("not run", "dim")
    if benchmark.withheld:
        return Text("withheld", "red")
    headline = _headline(benchmark)
    return _estimate(benchmark.estimates[headline]) if headline else Text("-", "dim")


def _estimate(estimate: Estimate) -> Text:
    value, _, interval = format_estimate(estimate).partition(" ")
    return Text.assemble((value, "bold"), (f" {interval}", "dim"))


def _short(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"


def _counts(statuses: dict[str, int]) -> Text:
    styled = [
        (f"{status} {statuses[status]:,}", "" if status.counts else "yellow") for status in Status if status in statuses
    ]
    return Text(", ").join(Text(text, style) for text, style in styled)


def _step(run: RunSummary) -> str:
    known = run.step is None or str(run.step) in run.model
    return "" if known else f"  step {run.step}"


def _status(status: str) -> Text:
    return Text(status, "" if status == "complete" else "red" if status == "failed" else "yellow")


def _line(label: str, value: str | Text, width: int = LABEL_COLUMNS) -> Table:
    """A label and a value that wraps under itself."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=width, style="dim", overflow="fold")
    grid.add_column(overflow="fold")
    grid.add_row(Text(label), value if isinstance(value, Text) else Text(value))
    return grid


def _block(lines: Sequence[RenderableType]) -> RenderableType:
    return Padding(Group(*lines), (1, 0, 0, 0)) if lines else Group()
