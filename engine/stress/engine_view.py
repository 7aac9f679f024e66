"""How `stress engine` is shown: two tables, a plot, and metrics for MLflow whose step is the number of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engine.stress.plots import OKABE_ITO

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MEBIBYTE = 1 << 20


def render(results: Mapping[str, Any]) -> RenderableType:
    """Scales, faults, then what went wrong."""
    parts: list[RenderableType] = [_scales(results), *([_faults(results)] if results["faults"] else [])]
    cpu, driver = results["marginal_cpu_ms_per_row"], results["driver_bytes_per_row"]
    if cpu is not None and driver is not None:
        parts.append(Text(f"one more row costs {cpu:.1f} ms of CPU time and {driver:,.0f} bytes of the driver"))
    return Group(*parts, *[Text(line, style="red") for line in _failures(results)])


def _scales(results: Mapping[str, Any]) -> Table:
    table = Table(title="stress engine", box=None, pad_edge=False)
    for head in ("rows", "rows/s", "start s", "wall s", "CPU ms/row", "driver MiB", "lost", "doubled", "wrong"):
        table.add_column(head, justify="right")
    for row in results["scales"]:
        table.add_row(f"{row['rows']:,}", *_costs(row), *_counts(row))
    return table


def _faults(results: Mapping[str, Any]) -> Table:
    table = Table(title="faults in mid-run", box=None, pad_edge=False)
    heads = ("rows left", "next row after s", "replaced after s", "lost", "doubled", "wrong", "done twice")
    table.add_column("fault")
    for head in heads:
        table.add_column(head, justify="right")
    for row in results["faults"]:
        if "skipped" in row:
            table.add_row(row["fault"], f"skipped: {row['skipped']}")
            continue
        times = [_seconds(row.get(name)) for name in ("next_row_seconds", "recovery_seconds")]
        table.add_row(row["fault"], str(row.get("left_rows", "-")), *times, *_counts(row), str(_twice(row)))
    return table


def _costs(row: Mapping[str, Any]) -> list[str]:
    rate, start = row["rows_per_second"], _seconds(row["startup_seconds"])
    costs = [f"{row['cpu_ms_per_row']:.1f}", f"{row['driver_peak_bytes'] / _MEBIBYTE:.0f}"]
    return ["-" if rate is None else f"{rate:.1f}", start, _seconds(row["wall_seconds"]), *costs]


def _counts(row: Mapping[str, Any]) -> list[Text]:
    counts = [row["accounting"][name] for name in ("lost", "duplicated", "wrong")]
    return [Text(str(count), style="red" if count else "green") for count in counts]


def _twice(row: Mapping[str, Any]) -> int:
    """Rows and completions that were made again; readers drop them."""
    return int(row["accounting"]["repeated"] + row["accounting"]["generated_twice"])


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _failures(results: Mapping[str, Any]) -> list[str]:
    lines = []
    for row in (*results["scales"], *results["faults"]):
        if row["ok"]:
            continue
        name = row.get("fault", f"scale {row['rows']}")
        missing = [text for text, held in row.get("complaint", {}).items() if held is False]
        reasons = [*filter(None, [row.get("why")]), *row["accounting"]["examples"], *[f"not so: {m}" for m in missing]]
        if row["exit_code"]:
            reasons.append(f"exit code {row['exit_code']}: {_last_line(row.get('said', ''))}")
        lines.append(f"{name}: {'; '.join(reasons)}")
    return lines


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else ""


def draw(results: Mapping[str, Any], axes: Sequence[Axes]) -> None:
    """Rate and driver memory against the scale, and rows over time in the runs that a fault met; three panels."""
    scales = sorted(results["scales"], key=lambda row: int(row["rows"]))
    rows = [row["rows"] for row in scales]
    axes[0].plot(rows, [row["rows_per_second"] or 0.0 for row in scales], marker="o", color=OKABE_ITO[0])
    axes[1].plot(rows, [row["driver_peak_bytes"] / _MEBIBYTE for row in scales], marker="o", color=OKABE_ITO[0])
    for axis, label in zip(axes, ("rows/s", "driver's peak memory (MiB)"), strict=False):
        axis.set_xlabel("rows")
        axis.set_ylabel(label)
        axis.set_xscale("log")
        axis.set_ylim(0, 1.1 * axis.dataLim.y1)
    largest = [{**scales[-1], "fault": "no fault"}] if scales else []
    for row, color in zip([*largest, *results["faults"]], OKABE_ITO, strict=False):
        if row.get("committed"):
            axes[2].plot(*zip(*row["committed"], strict=True), color=color, label=row["fault"])
        if "struck_seconds" in row:
            axes[2].axvline(row["struck_seconds"], color=color, linestyle=":", linewidth=1.2)
    axes[2].set_xlabel("seconds since the start (dotted: the fault)")
    axes[2].set_ylabel("rows judged")
    if axes[2].lines:
        axes[2].legend()


def metrics(results: Mapping[str, Any]) -> tuple[list[dict[str, float]], dict[str, float]]:
    """For MLflow: each scale in order, then totals with the times of the faults."""
    names = ("rows_per_second", "startup_seconds", "wall_seconds", "cpu_ms_per_row", "driver_peak_bytes")
    series = [
        {"engine/rows": float(row["rows"])}
        | {f"engine/{name}": float(row[name]) for name in names if row[name] is not None}
        | {f"engine/{name}": float(row["accounting"][name]) for name in ("lost", "duplicated", "wrong")}
        for row in results["scales"]
    ]
    totals = {name: results[name] for name in ("marginal_cpu_ms_per_row", "driver_bytes_per_row")}
    for row in results["faults"]:
        for name in ("next_row_seconds", "recovery_seconds"):
            totals[f"{row['fault']}/{name}"] = row.get(name)
    return series, {f"engine/{name}": float(value) for name, value in totals.items() if value is not None}
