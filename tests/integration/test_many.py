"""Several models and repeats in one command, as users type it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.registry import load_benchmark
from tests.integration.command import Done, codeassay, start

pytestmark = pytest.mark.slow

FIXED = ("--limit", "4", "--set", "tracking.enabled=false", "--set", "execution.cpus=2", "--json")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with samples of step 10, which are wrong, and of step 9, which are right."""
    folder = tmp_path_factory.mktemp("ckpts")
    problems = load_benchmark("starter", {}, folder).problems()
    for name, is_right in (("step-10.jsonl", False), ("step-9.jsonl", True)):
        completions = {p.task_id: p.reference if is_right else "    return None\n" for p in problems}
        lines = [json.dumps({"task_id": task, "completion": text}) for task, text in completions.items()]
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def _lines(done: Done) -> list[dict[str, Any]]:
    assert done.out, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def test_a_pattern_of_two_models_gives_a_run_each_in_the_order_of_their_steps(
    cluster: dict[str, str], samples: Path, tmp_path: Path
) -> None:
    """One Ray session, two run directories, one object per line; again, nothing is done anew."""
    arguments = ("run", "starter", "--model", f"replay:{samples}/step-*", "--set", "model.allow_unknown=true", *FIXED)
    done = codeassay(*arguments, places=tmp_path, environment=cluster)
    assert done.code == 0, done.err
    first, second = _lines(done)
    assert "step-9" in first["run_dir"]
    assert first["statuses"] == {"passed": 4}
    assert second["statuses"] == {"wrong_answer": 4}
    again = codeassay(*arguments, places=tmp_path, environment=cluster)
    assert _lines(again) == [first, second]
    assert len(json.loads((Path(first["run_dir"]) / "run.json").read_text())["sessions"]) == 1


def test_a_model_that_fails_leaves_the_other_and_code_1(cluster: dict[str, str], samples: Path, tmp_path: Path) -> None:
    """A samples file without the tasks of the benchmark is told beside the run of the other."""
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"task_id": "x/1", "completion": "pass"}) + "\n")
    models = ("--model", f"replay:{other}", "--model", "reference")
    done = codeassay("run", "starter", *models, *FIXED, places=tmp_path, environment=cluster)
    assert done.code == 1
    run, failed = _lines(done)
    assert run["statuses"] == {"passed": 4}
    assert (failed["status"], failed["model"]) == ("failed", f"replay:{other}")
    assert str(other) in done.err


def test_repeats_are_runs_beside_each_other_with_their_spread(cluster: dict[str, str], tmp_path: Path) -> None:
    """Judging references twice gives pass@1 of 1 with no deviation, over two runs."""
    done = codeassay(
        "run", "starter", "--model", "reference", "--repeat", "2", *FIXED, places=tmp_path, environment=cluster
    )
    assert done.code == 0, done.err
    first, second, spread = _lines(done)
    assert second["run_dir"] == f"{first['run_dir']}-repeat-2"
    found = spread["stability"]["spreads"]["starter/pass_at_1"]
    assert (found["mean"], found["sd"], found["num_runs"]) == (1.0, 0.0, 2)


SWEPT = ("--set", "model.allow_unknown=true", *FIXED)


def test_a_sweep_compares_each_checkpoint_with_the_one_before(
    cluster: dict[str, str], samples: Path, tmp_path: Path
) -> None:
    """Both runs in order of their steps, then the change: four problems lost."""
    done = codeassay(
        "sweep", "starter", "--models", f"replay:{samples}/step-*", *SWEPT, places=tmp_path, environment=cluster
    )
    assert done.code == 0, done.err
    first, second, told = _lines(done)
    assert ("step-9" in first["run_dir"], "step-10" in second["run_dir"]) == (True, True)
    (step,) = told["steps"]
    assert (step["name"], step["against"], len(step["compared"][0]["lost"])) == ("ckpts0--step-10", "ckpts0--step-9", 4)
    assert "step-10" in done.err


def test_a_watch_evaluates_what_training_writes(cluster: dict[str, str], samples: Path, tmp_path: Path) -> None:
    """The first checkpoint is there; the second is saved while the sweep waits, and ends it."""
    folder = tmp_path / "ckpts"
    folder.mkdir()
    shutil.copy(samples / "step-9.jsonl", folder)
    flags = ("--watch", "--until", "10", "--every", "0.2")
    with start(
        ["sweep", "starter", "--models", f"replay:{folder}/step-*", *flags, *SWEPT], tmp_path, cluster
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert any("waiting: nothing new" in line for line in process.stderr)
        shutil.copy(samples / "step-10.jsonl", tmp_path / "new")
        (tmp_path / "new").rename(folder / "step-10.jsonl")
        errors = process.stderr.read()
        out = process.stdout.read()
    assert process.returncode == 0, errors
    lines = _lines(Done(code=0, out=out, err=errors))
    assert [line.get("statuses") for line in lines] == [{"passed": 4}, {"wrong_answer": 4}, None]
