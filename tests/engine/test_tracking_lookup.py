"""Finding runs in MLflow, and bringing them here from other machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.compare import Rules, compare, open_run
from engine.publish import push_run
from engine.run_names import find_run
from engine.tracking_records import PushResult
from runners.errors import UserError
from tests.engine.finished_runs import finished_run

pytestmark = pytest.mark.slow

TASKS = [f"t{number:02}" for number in range(10)]


@pytest.fixture
def pushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, PushResult]:
    """A run that MLflow has."""
    monkeypatch.setenv("CODEASSAY_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("CODEASSAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run_dir = finished_run(tmp_path / "runs" / "m" / "s-1", dict.fromkeys(TASKS, 2), 4, step=7)
    return run_dir, push_run(run_dir)


def test_a_run_that_is_here_is_its_own_directory(pushed: tuple[Path, PushResult]) -> None:
    """Named by its id, or by that of the nested run of one of its benchmarks."""
    run_dir, result = pushed
    assert find_run(result.run_id) == find_run(result.child_ids[0]) == run_dir


def test_the_curve_of_a_training_is_no_run(pushed: tuple[Path, PushResult]) -> None:
    """What to name in its place is told."""
    with pytest.raises(UserError, match="Name the run of one of its checkpoints"):
        find_run(pushed[1].trajectory_id)


def test_a_run_of_another_machine_is_brought_here(pushed: tuple[Path, PushResult], tmp_path: Path) -> None:
    """Its copy is compared as the run itself would be, and is fetched once."""
    run_dir, result = pushed
    run_dir.rename(tmp_path / "elsewhere")
    copy = find_run(result.run_id)
    assert copy.is_relative_to(tmp_path / "cache")
    (found,) = compare(open_run(tmp_path / "elsewhere"), open_run(copy), Rules(resamples=200)).compared
    assert (found.difference.mean, found.difference.num_problems) == (0.0, 10)
    (copy / "mark").touch()
    assert (find_run(result.run_id) / "mark").exists()


def test_another_run_in_the_same_place_is_not_taken_for_it(pushed: tuple[Path, PushResult]) -> None:
    """The directory was deleted and used again."""
    run_dir, result = pushed
    told = json.loads((run_dir / "run.json").read_text())
    (run_dir / "run.json").write_text(json.dumps(told | {"run_key": "of another"}))
    copy = find_run(result.run_id)
    assert copy != run_dir
    assert json.loads((copy / "run.json").read_text())["run_key"] == told["run_key"]


def test_of_a_checkpoints_runs_the_one_that_fits_is_taken(pushed: tuple[Path, PushResult], tmp_path: Path) -> None:
    """A later run that was asked otherwise, and one that is not complete, are passed over beside a base that fits."""
    run_dir, _ = pushed
    other = finished_run(tmp_path / "runs" / "m" / "t-1", dict.fromkeys(TASKS, 2), 4, step=8, prompt="q")
    finished_run(tmp_path / "runs" / "m" / "u-1", dict.fromkeys(TASKS, 2), 4, step=9, status="incomplete")
    base = finished_run(tmp_path / "base", dict.fromkeys(TASKS, 1), 4, name="base")
    assert find_run("m--step-7", like=base) == run_dir
    assert find_run("m--step-7") == other
