"""Plots of scores: pass@k against k, and headline scores against the training step."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.metrics import Estimate
from engine.page.figure import Figure
from engine.page.inputs import PageRun
from engine.page.plot_data import Known, is_given, is_nominal
from engine.page.plot_style import LEGEND_CHARS, Tips, drawing, last, log_axis, series, shared_legend, short, to_svg
from engine.statistics import FloatArray, interval_of_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PANELS = 6
MOST_SERIES = 7
"""Of one plot: so many are told apart."""
LINEAR_K = 20
"""Up to so many samples every k is drawn; above, k is logarithmic."""
RESAMPLES = 1000
ROOM_FOR_STEP = 0.09
"""Part of the axis that the number of a step needs."""
Curve = list[tuple[int, float, float, float, int]]
"""k, pass@k, both ends of its interval, and how many problems it is over."""


def pass_at_k(runs: Sequence[PageRun], known: Known) -> Figure | None:
    """pass@k for every k that n allows, with intervals over problems."""
    latest, note = last(runs, MOST_SERIES, "runs")
    curves = {name: _curves(latest, names, known) for name, names in _panels(latest).items()}
    curves = {name: found for name, found in curves.items() if found}
    if not curves:
        return None
    columns = min(len(curves), 2)
    lines = math.ceil(len(curves) / columns)
    figure, axes = drawing(lines, columns, height=3.3 + 2.4 * (lines - 1), sharey=True)
    tips, rows = Tips(), []
    for axis, (name, found) in zip(axes, curves.items(), strict=False):
        for number, curve in found.items():
            _draw_curve(axis, short(latest[number].name, LEGEND_CHARS), number, curve, tips)
            rows += [
                (name, latest[number].name, str(k), f"{mean:.3f}", f"{low:.3f} to {high:.3f}", f"{num:,}")
                for k, mean, low, high, num in curve
            ]
        _k_axis(axis, max(curve[-1][0] for curve in found.values()))
        axis.set(title=short(name, 40), ylim=(0, 1.02))
    for axis in axes[len(curves) :]:
        axis.set_visible(False)
    for axis in axes[::columns]:
        axis.set_ylabel("pass@k")
    if len(latest) > 1:
        shared_legend(figure, axes)
    return Figure(
        key="pass-at-k",
        title="pass@k against k",
        caption="The chance that at least one of k samples passes: the unbiased estimator of Chen et al. 2021, "
        "averaged over the problems with at least k samples that count. Bands are 95% intervals over problems: the "
        "bootstrap's, and Wilson's at k = n, where each problem is 0 or 1." + note,
        svg=to_svg(figure, "pass-at-k", "pass@k against k", tips),
        columns=("benchmark", "checkpoint", "k", "pass@k", "interval", "problems"),
        rows=tuple(rows),
    )


def _panels(runs: Sequence[PageRun]) -> dict[str, list[str]]:
    """The benchmarks of each panel, by its title.

    Where they are too many for small panels, one holds all of them, or those of the last run where no run has all.
    """
    names = dict.fromkeys(name for run in runs for name in run.planned if _has_passes(run, name))
    several = [name for name in names if any(run.planned[name].num_samples > 1 for run in runs if name in run.planned)]
    if len(several) <= MOST_PANELS:
        return {name: [name] for name in several}
    if not any(all(_has_passes(run, name) for name in several) for run in runs):
        several = [name for name in several if _has_passes(runs[-1], name)]
    return {f"{len(several)} benchmarks together": several} if several else {}


def _has_passes(run: PageRun, name: str) -> bool:
    return is_given(run, name) and is_nominal(run, name) and "pass" in run.planned[name].metrics


def _curves(runs: Sequence[PageRun], names: Sequence[str], known: Known) -> dict[int, Curve]:
    """The curve of each run that has all of the benchmarks, by the run's number."""
    found = {}
    for number, run in enumerate(runs):
        if all(_has_passes(run, name) for name in names) and (curve := _curve(run, names, known)):
            found[number] = curve
    return found


def _curve(run: PageRun, names: Sequence[str], known: Known) -> Curve:
    """Over the problems of all the benchmarks, as far as the smallest n goes."""
    n = min(run.planned[name].num_samples for name in names)
    ks = range(1, n + 1) if n <= LINEAR_K else sorted({int(k) for k in np.geomspace(1, n, 16).round()})
    values = [known.scored(run, name).values(tuple(ks)) for name in names]
    together: dict[int, FloatArray] = {k: np.concatenate([each[f"pass_at_{k}"] for each in values]) for k in ks}
    curve = []
    for k, value_P in together.items():
        if value_P.size:
            ends = interval_of_mean(value_P, resamples=RESAMPLES)
            curve.append((k, float(value_P.mean()), ends.low, ends.high, value_P.size))
    return curve


def _draw_curve(axis: Axes, label: str, number: int, curve: Curve, tips: Tips) -> None:
    k, mean, low, high, _ = (list(column) for column in zip(*curve, strict=True))
    own = series(number)
    axis.fill_between(k, low, high, color=own["color"], alpha=0.15, linewidth=0)
    (line,) = axis.plot(k, mean, label=label, markersize=4, linewidth=1.5, **own)
    tips.add(line, *(f"{label}: pass@{a} {b:.3f} ({c:.3f} to {d:.3f})" for a, b, c, d, _ in curve))


def _k_axis(axis: Axes, largest: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_xlabel("k")
    if largest > LINEAR_K:
        log_axis(axis, 1, largest)
    else:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def score_by_step(runs: Sequence[PageRun]) -> Figure | None:
    """Headline scores of checkpoints against their training step; one line per benchmark of each training."""
    lines = {name: points for name, points in _by_training(runs).items() if len({run.step for run, *_ in points}) > 1}
    if not lines:
        return None
    shown = dict(list(lines.items())[:MOST_SERIES])
    several = len({family for family, _ in lines}) > 1
    figure, (axis,) = drawing()
    tips, rows = Tips(), []
    for number, ((family, name), points) in enumerate(shown.items()):
        label = f"{short(family, 10)} · {short(name, 10)}" if several else short(name, LEGEND_CHARS)
        _draw_steps(axis, label, number, points, tips)
        rows += [
            (
                name,
                run.name,
                str(run.step),
                key.replace("_at_", "@"),
                f"{found.value:.3f}",
                f"{found.ci_low:.3f} to {found.ci_high:.3f}",
            )
            for run, key, found in points
        ]
    _step_axis(axis)
    shared_legend(figure, [axis])
    note = f" Of {len(lines)} lines the first {MOST_SERIES} are drawn." if len(lines) > MOST_SERIES else ""
    return Figure(
        key="score-by-step",
        title="Score against training step",
        caption="The headline score of each benchmark; bands are the intervals of each checkpoint by itself. Whether "
        "two checkpoints differ is told by the paired comparison." + note,
        svg=to_svg(figure, "score-by-step", "score against training step", tips),
        columns=("benchmark", "checkpoint", "step", "score", "value", "interval"),
        rows=tuple(rows),
    )


Point = tuple[PageRun, str, Estimate]


def _by_training(runs: Sequence[PageRun]) -> dict[tuple[str, str], list[Point]]:
    """Headline scores in order of steps, by what was trained and the benchmark; runs without a step are left out."""
    stepped = sorted((run for run in runs if run.step is not None), key=lambda run: run.step or 0)
    found: dict[tuple[str, str], list[Point]] = {}
    for run in stepped:
        for name in run.planned:
            if is_nominal(run, name) and (score := headline(run, name)):
                found.setdefault((str(run.run["model"].get("family") or ""), name), []).append((run, *score))
    return found


def _draw_steps(axis: Axes, label: str, number: int, points: Sequence[Point], tips: Tips) -> None:
    steps, own = [run.step or 0 for run, *_ in points], series(number)
    low, high = ([getattr(found, end) for *_, found in points] for end in ("ci_low", "ci_high"))
    axis.fill_between(steps, low, high, color=own["color"], alpha=0.15, linewidth=0)
    (line,) = axis.plot(steps, [found.value for *_, found in points], label=label, markersize=5, linewidth=1.6, **own)
    tips.add(
        line,
        *(
            f"{short(run.name, 40)}: {found.value:.3f} ({found.ci_low:.3f} to {found.ci_high:.3f})"
            for run, _, found in points
        ),
    )


def _step_axis(axis: Axes) -> None:
    """Scores from zero, and to one unless some are larger; ticks at the checkpoints where there is room."""
    from matplotlib.ticker import MaxNLocator

    axis.set(xlabel="training step", ylabel="score", ylim=(0, max(1.02, axis.dataLim.y1 * 1.02)))
    steps = sorted({float(step) for line in axis.lines for step in np.asarray(line.get_xdata())})
    room = (steps[-1] - steps[0]) * ROOM_FOR_STEP
    if all(after - before >= room for before, after in itertools.pairwise(steps)):
        axis.set_xticks(steps)
    else:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axis.xaxis.set_major_formatter("{x:,.0f}")


def headline(run: PageRun, name: str) -> tuple[str, Estimate] | None:
    """The first score of a benchmark, pass@1 where it has one; None where it has none or it is withheld."""
    estimates = run.metrics.benchmarks[name].estimates if is_given(run, name) else {}
    key = "pass_at_1" if "pass_at_1" in estimates else next(iter(estimates), "")
    return (key, estimates[key]) if key else None
