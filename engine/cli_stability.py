"""`codeassay stability`: what it prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.text import Text

from engine.compare import open_run
from engine.compare_view import plain_table
from engine.run_names import find_run, run_dirs_below
from engine.stability_of_runs import AtSetting, BenchmarkStability, RunsStability, stability_of

_SEEDS = 4
"""So many seeds are named; --json has all."""
LEGEND = (
    "sd: of pass@1 between runs; chance: what drawing samples anew explains of it; "
    "all/some/none: problems of which so many samples pass"
)


def run_stability(names: Sequence[str], *, as_json: bool) -> None:
    """Show how far one model's pass rates move between runs.

    Args:
        names: runs as `find_run` takes them, or folders with runs below.
        as_json: print one object instead.

    Raises:
        UserError: a run is not there or not finished, or runs are not of one model that was asked alike.
    """
    found = stability_of([open_run(run_dir) for run_dir in _run_dirs(names)])
    if as_json:
        print(json.dumps(found.as_json()))  # noqa: T201
    else:
        Console().print(render(found))


def render(found: RunsStability) -> RenderableType:
    """A table per benchmark, and what to know of it."""
    runs = f"{len(found.run_dirs)} runs"
    parts: list[RenderableType] = [Text.assemble((found.model, "bold"), f"  {runs}")]
    for each in found.benchmarks:
        parts += [Text(), *_benchmark(each)]
    parts += [Text(), Text(LEGEND, "dim")]
    if found.left_out:
        parts += [
            Text(),
            Text(f"not told, since not all runs have a pass rate of it: {', '.join(found.left_out)}", "dim"),
        ]
    return Group(*parts)


def _run_dirs(names: Sequence[str]) -> list[Path]:
    """Each run once, in order."""
    found: list[Path] = []
    for name in names:
        below = run_dirs_below(Path(name)) if Path(name).is_dir() else []
        found += below or [find_run(name)]
    return list({run_dir.resolve(): run_dir for run_dir in found}.values())


def _benchmark(each: BenchmarkStability) -> list[RenderableType]:
    lacking = f", {each.num_left_out:,} left out" if each.num_left_out else ""
    title = Text(f"{each.benchmark}: {each.num_problems:,} problems{lacking}")
    if each.withheld:
        return [title, Text(f"no numbers: {each.withheld}", "yellow")]
    columns = ["runs", "pass@1", "sd [95%]", "chance", *([f"pass^{each.k}"] if each.k > 1 else [])]
    table = plain_table("", *columns, "all/some/none")
    for at in each.settings:
        table.add_row(*_row(at, with_all=each.k > 1))
    parts: list[RenderableType] = [title, table, Text(_seeds(each), "dim")]
    if each.between:
        text = f"{each.between.spread:.3f} between {each.between.best} and {each.between.worst}"
        parts.append(Text(text, "dim"))
    return parts


def _row(at: AtSetting, *, with_all: bool) -> list[str]:
    spread = "-"
    if at.over_runs:
        low, high = at.over_runs.interval.low, at.over_runs.interval.high
        spread = f"{_short(at.over_runs.sd)} [{_short(low)}, {_short(high)}]"
    row = [at.setting, str(len(at.seeds)), f"{at.pass_at_1:.3f}", spread]
    row.append("-" if at.by_chance is None else _short(at.by_chance))
    row += ["-" if at.all_pass is None else f"{at.all_pass:.3f}"] if with_all else []
    return [*row, f"{at.num_always:,}/{at.num_at_times:,}/{at.num_never:,}"]


def _short(value: float) -> str:
    """Three digits: `.045`."""
    return f"{value:.3f}".removeprefix("0")


def _seeds(each: BenchmarkStability) -> str:
    told = []
    for at in each.settings:
        more = ", ..." if len(at.seeds) > _SEEDS else ""
        told.append(", ".join(map(str, at.seeds[:_SEEDS])) + more)
    same = len(set(told)) == 1
    return f"seeds {told[0]}" + (" each" if len(told) > 1 else "") if same else f"seeds {'; '.join(told)}"
