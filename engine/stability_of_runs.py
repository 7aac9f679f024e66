"""Runs of one model over the same problems: how far pass@1 moves with the seed, by repeating, with the temperature.

Arrays carry their shape in their names: P problems that all runs have, R runs, T settings of sampling.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from benchmarks.problem import NOMINAL
from engine.compare import Run, unlike
from engine.identity import differences
from engine.run_variance import (
    IntArray,
    RunSpread,
    SettingSpread,
    VarianceSplit,
    pass_hat_k,
    run_spread,
    setting_spread,
    variance_split,
)
from engine.scored_rows import METRIC_COLUMNS, PlannedBenchmark, ScoredRows, planned_of
from engine.store import read_samples
from runners.errors import UserError

SAMPLING = ("temperature", "top_p", "top_k")
"""Settings by which runs are told apart; seed and n are free to differ below each."""
_SHOWN = {"temperature": "T", "top_p": "top_p", "top_k": "top_k"}
_FREE = (*(f"generation.{key}" for key in SAMPLING), "perturbations")
MOST_K = 5

Counts = dict[str, tuple[int, int]]
"""By problem: samples that count, and how many of them passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtSetting:
    """Runs that sample alike, but for their seed."""

    setting: str
    """`T=0.8`, T the temperature, with further settings where runs differ in them."""
    seeds: tuple[int, ...]
    """Of its runs; the same one twice is a repeated run."""
    pass_at_1: float
    """Mean over problems, then runs."""
    over_runs: RunSpread | None
    """None for a single run."""
    by_chance: float | None
    """Standard deviation of one run's pass@1 that drawing its samples anew explains; None where it is not known."""
    variance: VarianceSplit | None
    all_pass: float | None
    """pass^k, the chance that k samples of a problem all pass, mean over problems; None for k = 1."""
    num_always: int
    """Problems whose samples all pass."""
    num_at_times: int
    num_never: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkStability:
    """One benchmark over all runs."""

    benchmark: str
    num_problems: int
    num_left_out: int
    """Problems that lack a sample that counts in some run."""
    k: int
    """Of pass^k: the fewest samples that a problem has at any setting, 5 at most."""
    settings: tuple[AtSetting, ...]
    between: SettingSpread | None
    """None for a single setting."""
    withheld: str = ""
    """Why there are no numbers; empty if there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsStability:
    """One model over several runs."""

    model: str
    run_dirs: tuple[str, ...]
    benchmarks: tuple[BenchmarkStability, ...]
    left_out: tuple[str, ...]
    """Benchmarks that some run lacks, or whose headline is no pass."""

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def stability_of(runs: Sequence[Run], *, confidence: float = 0.95) -> RunsStability:
    """How far the pass rates of one model move between runs.

    Nominal problems alone count; runs may differ in sampling, n, seed and perturbations.

    Args:
        runs: finished ones, at least two.
        confidence: of the interval of each standard deviation, in (0, 1).

    Raises:
        UserError: fewer than two runs, other models, prompts or problems, or no benchmark in common.
    """
    if len(runs) < 2:
        raise UserError(f"stability needs at least two runs; got {len(runs)}. `codeassay run --repeat 3` makes three.")
    for other in runs[1:]:
        _check_alike(runs[0], other)
    plans = [planned_of(run.run) for run in runs]
    labels = list(dict.fromkeys(name for each in plans for name, plan in each.items() if plan.variant == NOMINAL))
    told = [name for name in labels if all(_is_pass(each.get(name)) for each in plans)]
    if not told:
        raise UserError(
            f"{', '.join(labels)}: no benchmark in which programs pass or fail is in all runs. "
            "Name runs of the same suite."
        )
    rows = [read_samples(run.run_dir, METRIC_COLUMNS) for run in runs]
    settings = _settings(runs)
    found = [
        _benchmark(
            name,
            runs,
            [_counts(ScoredRows.of(name, own, plan[name])) for own, plan in zip(rows, plans, strict=True)],
            settings,
            confidence,
        )
        for name in told
    ]
    return RunsStability(
        model=runs[0].name,
        run_dirs=tuple(str(run.run_dir) for run in runs),
        benchmarks=tuple(found),
        left_out=tuple(name for name in labels if name not in told),
    )


def _check_alike(first: Run, other: Run) -> None:
    if found := differences(first.run["identity"].get("model", {}), other.run["identity"].get("model", {})):
        raise UserError(
            f"{first.run_dir} and {other.run_dir} are of different models: {found[0]}. "
            "Name runs of one model; `codeassay compare` is for two."
        )
    if found := unlike(first, other, _FREE):
        raise UserError(
            f"{first.run_dir} and {other.run_dir} were not asked alike: {'; '.join(found[:3])}. Name runs that differ "
            "in seed, n or sampling alone."
        )


def _is_pass(plan: PlannedBenchmark | None) -> bool:
    return plan is not None and plan.metrics[0].endswith("pass")


def _settings(runs: Sequence[Run]) -> dict[str, list[int]]:
    """Places of the runs by setting, coldest first; only settings that differ are told, and temperature."""
    values = [tuple(run.run["identity"]["generation"].get(key) for key in SAMPLING) for run in runs]
    shown = [
        index for index, key in enumerate(SAMPLING) if key == "temperature" or len({each[index] for each in values}) > 1
    ]
    order = sorted(range(len(runs)), key=lambda place: [float(value or 0) for value in values[place]])
    found: dict[str, list[int]] = {}
    for place in order:
        name = ", ".join(f"{_SHOWN[SAMPLING[index]]}={values[place][index]:g}" for index in shown)
        found.setdefault(name, []).append(place)
    return found


def _counts(scored: ScoredRows) -> Counts:
    samples = scored.samples(scored.plan.metrics[0])
    return {task: (len(own), sum(value == 1.0 for value in own.values())) for task, own in samples.items()}


def _benchmark(
    name: str, runs: Sequence[Run], counts: Sequence[Counts], settings: Mapping[str, list[int]], confidence: float
) -> BenchmarkStability:
    tasks = sorted(set.intersection(*map(set, counts)))
    bare = BenchmarkStability(
        benchmark=name,
        num_problems=len(tasks),
        num_left_out=len(set.union(*map(set, counts))) - len(tasks),
        k=1,
        settings=(),
        between=None,
    )
    withheld = {str(run.run_dir): run.metrics.benchmarks[name].withheld for run in runs}
    faults = [f"{run_dir}: {fault}" for run_dir, fault in withheld.items() if fault]
    if faults or not tasks:
        return replace(bare, withheld="; ".join(faults) or "no problem has a sample that counts in all runs")
    table_RP2 = np.array([[own[task] for task in tasks] for own in counts], dtype=np.int64)
    drawn = {setting: table_RP2[_first_of_seed(runs, places)].sum(axis=0) for setting, places in settings.items()}
    k = min(MOST_K, *(int(table_P2[:, 0].min()) for table_P2 in drawn.values()))
    rates = {
        setting: (table_RP2[places, :, 1] / table_RP2[places, :, 0]).mean(axis=0)
        for setting, places in settings.items()
    }
    return replace(
        bare,
        k=k,
        settings=tuple(
            _at(setting, [runs[place] for place in places], table_RP2[places], drawn[setting], k, confidence)
            for setting, places in settings.items()
        ),
        between=setting_spread(rates) if len(settings) > 1 else None,
    )


def _first_of_seed(runs: Sequence[Run], places: Sequence[int]) -> list[int]:
    """One run of each seed: another with the same one draws nothing new."""
    return list({_seed(runs[place]): place for place in reversed(places)}.values())


def _seed(run: Run) -> int:
    return int(run.run["identity"]["generation"]["seed"])


def _at(
    setting: str, runs: Sequence[Run], table_RP2: IntArray, drawn_P2: IntArray, k: int, confidence: float
) -> AtSetting:
    means_R = (table_RP2[..., 1] / table_RP2[..., 0]).mean(axis=1)
    n_P, c_P = table_RP2.sum(axis=0).T
    drawn_n_P, drawn_c_P = drawn_P2.T
    variance = variance_split(drawn_n_P, drawn_c_P)
    return AtSetting(
        setting=setting,
        seeds=tuple(map(_seed, runs)),
        pass_at_1=float(means_R.mean()),
        over_runs=run_spread(means_R.tolist(), confidence=confidence) if len(runs) > 1 else None,
        by_chance=_by_chance(runs, variance),
        variance=variance,
        all_pass=float(pass_hat_k(drawn_n_P, drawn_c_P, k).mean()) if k > 1 else None,
        num_always=int((c_P == n_P).sum()),
        num_at_times=int(((c_P > 0) & (c_P < n_P)).sum()),
        num_never=int((c_P == 0).sum()),
    )


def _by_chance(runs: Sequence[Run], variance: VarianceSplit | None) -> float | None:
    """What is known is that of the samples of all seeds together; a run has one part of them."""
    if runs[0].run["identity"]["generation"]["temperature"] == 0:
        return 0.0
    return variance.sd_of_mean * math.sqrt(len({_seed(run) for run in runs})) if variance else None
