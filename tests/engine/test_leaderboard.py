"""The leaderboard: who stands in it, in what order, who is told apart, and how it is written."""

from __future__ import annotations

import csv
import io
import json
import random
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from engine.leaderboard import Leaderboard, leaderboard, letters
from engine.leaderboard_view import as_data, render, to_csv, to_markdown
from engine.publish import push_run
from engine.report import to_text
from runners.errors import UserError
from tests.engine.finished_runs import finished_run

TASKS = [f"t{number:02}" for number in range(40)]


def checkpoint(folder: Path, model: str, step: int, passed: int, **options: Any) -> Path:
    """A run of forty problems with four samples each, of which so many passed."""
    name = f"{model}--step-{step}"
    return finished_run(folder / name / "s-1", dict.fromkeys(TASKS, passed), 4, name=name, step=step, **options)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Model `a` got worse after its second checkpoint; `b` is as good as that one, `c` has one checkpoint."""
    folder = tmp_path / "runs"
    for model, step, passed in (("a", 1, 0), ("a", 2, 3), ("a", 3, 1), ("b", 5, 3), ("b", 4, 1), ("c", 9, 4)):
        checkpoint(folder, model, step, passed)
    return folder


def board(folder: Path, **options: Any) -> Leaderboard:
    """Of a directory of runs."""
    return leaderboard([str(folder)], resamples=2000, **options)


def test_best_and_latest_of_each_model_are_ranked(runs: Path) -> None:
    """One row where the best is the latest; how many checkpoints it was picked from is told."""
    found = [(p.rank, p.checkpoint, p.is_best, p.is_latest, p.num_checkpoints) for p in board(runs).places]
    assert found == [
        (1, "c--step-9", True, True, 1),
        (2, "a--step-2", True, False, 3),
        (3, "b--step-5", True, True, 2),
        (4, "a--step-3", False, True, 3),
    ]


def test_equal_places_share_a_letter_and_others_do_not(runs: Path) -> None:
    """Two of them solve the very same samples."""
    assert [place.group for place in board(runs).places] == ["a", "b", "b", "c"]


def test_problems_that_share_a_source_speak_once(runs: Path) -> None:
    """Forty problems of four sources cannot tell even the best from the worst: four signs are too few."""
    clusters = {task: f"source {number // 10}" for number, task in enumerate(TASKS)}
    for model, passed in (("x", 4), ("y", 0)):
        checkpoint(runs / "few", model, 1, passed, clusters=clusters)
    assert [place.group for place in board(runs / "few").places] == ["a", "a"]


@pytest.mark.parametrize("seed", range(30))
def test_letters_are_shared_exactly_by_those_that_are_not_told_apart(seed: int) -> None:
    """Whatever the pairs, and everyone has a letter."""
    chance = random.Random(seed)
    count = chance.randint(1, 9)
    told_apart = {pair for pair in combinations(range(count), 2) if chance.random() < 0.5}
    found = letters(count, told_apart)
    assert all(found)
    for pair in combinations(range(count), 2):
        assert bool(set(found[pair[0]]) & set(found[pair[1]])) is (pair not in told_apart)


def test_what_was_asked_otherwise_is_told_and_not_ranked(runs: Path) -> None:
    """The table is of those that most models have; another prompt is another table."""
    checkpoint(runs, "d", 1, 4, prompt="q")
    found = board(runs)
    assert "d" not in {place.model for place in found.places}
    assert "1 evaluations of suite s were asked otherwise" in found.notes[0]


def test_incomplete_runs_and_repeats_do_not_stand_in_it(runs: Path) -> None:
    """Nor do damaged ones."""
    checkpoint(runs, "e", 1, 4, status="incomplete")
    checkpoint(runs, "f", 1, 4).rename(runs / "f--step-1" / "s-1-repeat-2")
    (runs / "run.json").write_text("damaged")
    assert {place.model for place in board(runs).places} == {"a", "b", "c"}


def test_a_suite_can_be_chosen_and_an_unknown_one_is_a_fault(runs: Path) -> None:
    """The message names those that there are."""
    assert board(runs, suite="s").suite == "s"
    with pytest.raises(UserError, match=r"no complete evaluation of suite t. Suites there: s"):
        board(runs, suite="t")


def test_another_score_can_rank(runs: Path) -> None:
    """Whoever solves a problem at all has pass@4 of one, but runs keep the k that they were asked for."""
    run_dir = checkpoint(runs / "more", "g", 1, 2, extra={"style": 0.25})
    assert board(run_dir.parents[1], metric="style").places[0].benchmarks["humaneval"].value == 0.25


def test_the_table_fits_the_terminal(runs: Path) -> None:
    """At 80 columns, with many benchmarks in further tables."""
    many = tuple(f"benchmark-with-a-long-name-{number}" for number in range(9))
    checkpoint(runs / "many", "h", 1, 2, benchmarks=many)
    for found in (board(runs), board(runs / "many")):
        text = to_text(render(found), width=80)
        assert max(map(len, text.splitlines())) <= 80
        assert "score [interval]" in text


def test_markdown_cells_hold_what_they_are_given(runs: Path) -> None:
    """A name with bars, markup and line breaks is one cell."""
    finished_run(runs / "x" / "s-1", dict.fromkeys(TASKS, 4), 4, name="x|<b>\n`y`", step=1)
    lines = to_markdown(board(runs)).splitlines()
    (row,) = [line for line in lines if "x\\|" in line]
    assert "x\\|\\<b\\> \\`y\\`" in row
    assert row.replace("\\|", "").count("|") == lines[0].count("|")


def test_csv_has_a_column_per_number_and_no_formulas(runs: Path) -> None:
    """A name that a spreadsheet would compute is a text."""
    finished_run(runs / "x" / "s-1", dict.fromkeys(TASKS, 4), 4, name="=cmd()", step=1)
    rows = list(csv.DictReader(io.StringIO(to_csv(board(runs)))))
    assert {row["checkpoint"] for row in rows} >= {"'=cmd()", "c--step-9"}
    last = rows[-1]
    assert (float(last["score"]), float(last["humaneval"])) == (0.25, 0.25)
    assert float(last["score.ci_low"]) <= 0.25 <= float(last["score.ci_high"])


def test_all_of_it_is_plain_data(runs: Path) -> None:
    """What --json prints can be read back."""
    data = json.loads(json.dumps(as_data(board(runs))))
    assert data["places"][0]["checkpoint"] == "c--step-9"


@pytest.mark.slow
def test_an_experiment_gives_the_same_as_its_runs(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several experiments in one table; an unknown one shows those that there are."""
    monkeypatch.setenv("CODEASSAY_RUNS", str(runs))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for path in sorted(runs.glob("*/s-1")):
        push_run(path)
    found = leaderboard(["a", "b", "c"], resamples=2000)
    assert found.places == board(runs).places
    with pytest.raises(UserError, match=r"aa: no experiment .* Known there: a"):
        leaderboard(["aa"])
