"""How far one model's pass rate moves between finished runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.cli_stability import render, run_stability
from engine.compare import open_run
from engine.report import to_text
from engine.stability_of_runs import RunsStability, stability_of
from runners.errors import UserError
from tests.engine.finished_runs import IDENTITY, finished_run
from tests.engine.rows import sample_row

GENERATION: Mapping[str, Any] = IDENTITY["generation"]
ALL, HALF, NONE = {"t0": 4, "t1": 4, "t2": 4}, {"t0": 4, "t1": 2, "t2": 0}, {"t0": 0, "t1": 0, "t2": 0}


def one(folder: Path, passed: Mapping[str, int], *, n: int = 4, others: Any = None, **generation: Any) -> Path:
    """A run of four samples per problem that differs from others in how it draws them."""
    return finished_run(folder, passed, n, generation={**GENERATION, "n": n, **generation}, **(others or {}))


def told(*run_dirs: Path) -> RunsStability:
    """Their stability."""
    return stability_of([open_run(run_dir) for run_dir in run_dirs])


def test_runs_are_grouped_by_temperature_from_cold_to_warm(tmp_path: Path) -> None:
    """Mean and spread over the runs of each, and the span between the means of both."""
    found = told(
        one(tmp_path / "a", HALF, seed=1, temperature=0.8),
        one(tmp_path / "b", ALL, seed=2, temperature=0.8),
        one(tmp_path / "c", NONE, seed=1, temperature=0.2),
    )
    (each,) = found.benchmarks
    cold, warm = each.settings
    assert (cold.setting, cold.seeds, cold.pass_at_1, cold.over_runs) == ("T=0.2", (1,), 0.0, None)
    assert (warm.setting, warm.seeds, warm.pass_at_1) == ("T=0.8", (1, 2), pytest.approx(0.75))
    assert warm.over_runs is not None
    assert warm.over_runs.sd == pytest.approx(np.std([0.5, 1.0], ddof=1))
    assert each.between is not None
    assert (each.between.best, each.between.worst, each.between.spread) == (
        "T=0.8",
        "T=0.2",
        pytest.approx(0.75),
    )


def test_problems_that_pass_always_at_times_and_never_are_counted_over_all_runs(tmp_path: Path) -> None:
    found = told(one(tmp_path / "a", HALF, seed=1), one(tmp_path / "b", HALF | {"t2": 1}, seed=2))
    (at,) = found.benchmarks[0].settings
    assert (at.num_always, at.num_at_times, at.num_never) == (1, 2, 0)


def test_what_sampling_explains_is_the_standard_deviation_of_one_run(tmp_path: Path) -> None:
    """Two runs of 400 problems at p = 1/2 and n = 4: sqrt(p (1 - p) / n / P) each, whatever their number."""
    draw = np.random.default_rng(0)
    runs = [{f"t{i:03}": int(c) for i, c in enumerate(draw.binomial(4, 0.5, 400))} for _ in range(3)]
    expected = math.sqrt(0.25 / 4 / 400)
    for count in (2, 3):
        folder = tmp_path / str(count)
        dirs = [one(folder / str(seed), passed, seed=seed) for seed, passed in enumerate(runs[:count])]
        (at,) = told(*dirs).benchmarks[0].settings
        assert at.by_chance == pytest.approx(expected, rel=0.1)


def test_a_seed_drawn_twice_adds_nothing_to_what_sampling_explains(tmp_path: Path) -> None:
    """A repeated run shows what the machine moves; its samples are no new ones."""
    once = told(one(tmp_path / "a", HALF, seed=1), one(tmp_path / "b", HALF, seed=2))
    again = told(*[one(tmp_path / name, HALF, seed=seed) for name, seed in (("c", 1), ("d", 2), ("e", 2))])
    first, second = (found.benchmarks[0].settings[0] for found in (once, again))
    assert second.seeds == (1, 2, 2)
    assert (second.by_chance, second.all_pass) == (first.by_chance, first.all_pass)


def test_greedy_runs_move_by_nothing_of_their_own(tmp_path: Path) -> None:
    """So whatever they move by is the back end's or the machine's."""
    found = told(one(tmp_path / "a", HALF, temperature=0.0), one(tmp_path / "b", ALL, temperature=0.0))
    (at,) = found.benchmarks[0].settings
    assert at.by_chance == 0.0
    assert at.over_runs is not None and at.over_runs.sd > 0.3


def test_pass_hat_k_takes_as_many_samples_as_every_setting_has(tmp_path: Path) -> None:
    """Eight samples at one temperature, two at the other: pass^2 at both."""
    found = told(
        one(tmp_path / "a", HALF, seed=1, temperature=0.2),
        one(tmp_path / "b", HALF, seed=2, temperature=0.2),
        one(tmp_path / "c", {"t0": 2, "t1": 1, "t2": 0}, n=2, temperature=0.8),
    )
    (each,) = found.benchmarks
    assert each.k == 2
    assert [at.all_pass for at in each.settings] == pytest.approx([(1 + 4 * 3 / (8 * 7)) / 3, 1 / 3])


def test_settings_besides_temperature_are_named_where_they_differ(tmp_path: Path) -> None:
    found = told(one(tmp_path / "a", HALF, top_p=0.95), one(tmp_path / "b", HALF, top_p=0.5))
    assert [at.setting for at in found.benchmarks[0].settings] == [
        "T=0.8, top_p=0.5",
        "T=0.8, top_p=0.95",
    ]


def test_problems_that_a_run_has_no_verdict_of_are_left_out(tmp_path: Path) -> None:
    """They are counted; with more of them than allowed there are no numbers, and it is said why."""
    lost = [sample_row("t0", "sandbox_error", sample_index=index) for index in range(4)]
    found = told(one(tmp_path / "a", HALF), one(tmp_path / "b", HALF, seed=2, others={"faults": lost}))
    (each,) = found.benchmarks
    assert (each.num_problems, each.num_left_out, each.settings) == (2, 1, ())
    assert str(tmp_path / "b") in each.withheld and "infrastructure" in each.withheld


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"model": {"digest": "other", "form": "base"}}, "different models: digest: d there, other here"),
        ({"prompt": "few"}, "not asked alike: benchmarks.humaneval.prompt"),
        ({"benchmarks": ("mbpp",)}, "none in common"),
    ],
)
def test_runs_that_say_nothing_of_stability_are_refused(tmp_path: Path, others: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        told(one(tmp_path / "a", HALF), one(tmp_path / "b", HALF, others=others))


def test_one_run_has_no_spread(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least two runs"):
        told(one(tmp_path / "a", HALF))


def test_a_folder_stands_for_the_runs_below_it_and_each_run_counts_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = one(tmp_path / "runs" / "a", HALF)
    one(tmp_path / "runs" / "b", ALL, seed=2)
    run_stability([str(tmp_path / "runs"), str(first)], as_json=False)
    said = capsys.readouterr().out
    assert "m--step-7  2 runs" in said
    assert "seeds 1, 2" in said


def test_the_table_fits_into_a_narrow_terminal(tmp_path: Path) -> None:
    found = told(one(tmp_path / "a", HALF), one(tmp_path / "b", ALL, seed=2), one(tmp_path / "c", NONE, temperature=1))
    text = to_text(render(found), width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "between T=0.8 and T=1" in text
