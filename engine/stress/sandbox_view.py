"""How `stress sandbox` is shown: a table, a plot, and metrics for MLflow whose step is the number of workers' place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engine.stress.plots import OKABE_ITO

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN = 10


def render(results: Mapping[str, Any]) -> RenderableType:
    """The table, then every escape and every wrong verdict."""
    level = results["rounds"][0]["isolation"]
    table = Table(title=f"stress sandbox · isolation {level}", box=None, pad_edge=False)
    table.add_column("workers", justify="right")
    table.add_column("programs")
    for head in ("per second", "p50 ms", "p99 ms", "CPU ms", "over fork", "escapes"):
        table.add_column(head, justify="right")
    for row in results["summary"]:
        table.add_row(str(row["workers"]), "alone", *_cells(row, "clean"), f"+{_number(row['clean/overhead_cpu_ms'])}")
        escapes = Text(str(row["escapes"]), style="red" if row["escapes"] else "green")
        table.add_row("", "attacked", *_cells(row, "mixed"), "", "", escapes)
    return Group(table, *[Text(line) for line in _remarks(results)])


def _cells(row: Mapping[str, Any], phase: str) -> list[str]:
    names = ("executions_per_second", "honest_wall_ms_p50", "honest_wall_ms_p99", "cpu_ms")
    return [_number(row[f"{phase}/{name}"]) for name in names if f"{phase}/{name}" in row]


def _remarks(results: Mapping[str, Any]) -> list[str]:
    hostile = [row for each in results["rounds"] for row in each["hostile_statuses"]]
    skipped = {name: why for each in results["rounds"] for name, why in each["skipped"].items()}
    known = sorted({name for each in results["rounds"] for name in each["known_passes"]})
    floor = results["bare_fork_cpu_ms"]
    return [
        f"{len(set(hostile))} different attacks; p50, p99: honest programs; a bare fork: {floor:.1f} ms CPU",
        *[f"ESCAPE {text} ({count}x)" for text, count in Counter(results["escapes"]).most_common(_SHOWN)],
        *[f"WRONG VERDICT {text} ({count}x)" for text, count in Counter(results["wrong"]).most_common(_SHOWN)],
        *([f"forged a pass, as judge=inside allows in principle: {', '.join(known)}"] if known else []),
        *[f"not run: {name}: {why}" for name, why in skipped.items()],
    ]


def _number(spread: Mapping[str, float] | None) -> str:
    """The median, and half the range in percent of it where there was more than one round."""
    if spread is None:
        return "-"
    half = 50 * (spread["most"] - spread["least"]) / spread["median"] if spread["median"] else 0.0
    return f"{spread['median']:.1f}" + (f" ±{half:.0f}%" if half else "")


def draw(results: Mapping[str, Any], axes: Sequence[Axes]) -> None:
    """Throughput and tail against the number of workers, undisturbed and attacked; two panels."""
    workers = [row["workers"] for row in results["summary"]]
    panels = (("executions_per_second", "programs/s"), ("honest_wall_ms_p99", "p99 of honest programs (ms)"))
    for axis, (name, label) in zip(axes, panels, strict=True):
        curves = (("clean", "undisturbed", "o", "-"), ("mixed", "attacked", "s", "--"))
        for (phase, legend, marker, line), color in zip(curves, OKABE_ITO, strict=False):
            known = [(row["workers"], row[f"{phase}/{name}"]) for row in results["summary"] if row[f"{phase}/{name}"]]
            heights = [
                [each["median"] - each["least"] for _, each in known],
                [e["most"] - e["median"] for _, e in known],
            ]
            points = [number for number, _ in known], [each["median"] for _, each in known]
            axis.errorbar(*points, yerr=heights, marker=marker, linestyle=line, color=color, label=legend, capsize=3)
        axis.set_xlabel("workers")
        axis.set_ylabel(label)
        axis.set_xticks(workers)
        axis.set_ylim(0, 1.1 * axis.dataLim.y1)
        axis.legend()


def metrics(results: Mapping[str, Any]) -> tuple[list[dict[str, float]], dict[str, float]]:
    """For MLflow: medians of each number of workers in order, then totals."""
    series = []
    for row in results["summary"]:
        medians = {f"sandbox/{name}": value["median"] for name, value in row.items() if isinstance(value, dict)}
        series.append({"sandbox/workers": float(row["workers"]), **medians, "sandbox/escapes": float(row["escapes"])})
    totals = {
        "sandbox/bare_fork_cpu_ms": float(results["bare_fork_cpu_ms"]),
        "sandbox/escapes_total": float(len(results["escapes"])),
        "sandbox/wrong_total": float(len(results["wrong"])),
    }
    return series, totals
