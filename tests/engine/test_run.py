"""What becomes of a run, with its pipeline replaced: no Ray is started."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from actors.execute import Execute
from actors.generate import Generate
from actors.models import open_generator
from engine import run as runs
from engine.asked import read_problems
from engine.pipeline import Work
from engine.progress import Progress
from engine.run import Outcome, evaluate
from engine.store import read_run
from engine.suite import load_config
from tests.actors.fakes import FakeSandbox


class Pipeline:
    """Works through the requests here; stops after `until` of them, as Ctrl-C would."""

    def __init__(self, until: int | None = None) -> None:
        self.until = until
        self.asked: list[int] = []
        self.verdicts: Path | None = None

    def __call__(self, work: Work, progress: Progress) -> bool:
        """Do the work; False where it was stopped."""
        self.asked.append(work.requests.num_rows)
        generator = open_generator(work.spec, work.options, work.references, stored=work.stored)
        generate = Generate(str(work.run_dir), lambda: generator, work.sampling)
        self.verdicts = work.verdicts
        execute = Execute(str(work.run_dir), work.benchmarks, work.isolation, work.limits)
        execute(generate(work.requests.slice(0, self.until)))
        return self.until is None


def _evaluate(
    directory: Path, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, flags: dict[str, Any] | None = None
) -> Outcome:
    monkeypatch.setenv("CODEASSAY_CACHE", str(directory.parent / "cache"))
    monkeypatch.setattr(runs, "connect", lambda cpus: {"CPU": 1.0})
    monkeypatch.setattr(runs, "run_pipeline", pipeline)
    for module in ("engine.prepare", "actors.execute"):
        monkeypatch.setattr(f"{module}.open_sandbox", lambda isolation: FakeSandbox())
    settings = ["report.max_infra_errors=1", f"output={directory}"]
    return evaluate(load_config(["starter"], flags or {}, settings), Console(file=StringIO()))


@pytest.mark.parametrize(
    ("judges", "gold"),
    [({"inside"}, None), ({"inside", "split"}, {"references": 36, "passed": 36})],
    ids=["inside only", "split"],
)
def test_a_run_tells_what_it_asked_and_how_references_fare(
    judges: set[str], gold: dict[str, int] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prompts are kept; run.json counts the references that pass their own tests, where they were run."""
    monkeypatch.setattr(FakeSandbox, "judges", frozenset(judges))
    outcome = _evaluate(tmp_path / "run", Pipeline(), monkeypatch)
    assert (read_run(outcome.run_dir) or {})["benchmarks"]["starter"]["gold"] == gold
    assert read_problems(outcome.run_dir).num_rows == 36


def test_a_whole_run_is_complete_and_a_second_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status, metrics and files are there; the same command again starts no pipeline and keeps the run's key."""
    pipeline = Pipeline()
    first = _evaluate(tmp_path / "run", pipeline, monkeypatch)
    before = read_run(first.run_dir)
    second = _evaluate(tmp_path / "run", pipeline, monkeypatch)
    after = read_run(first.run_dir)
    assert pipeline.asked == [36]
    assert (first.status, second.status) == ("complete", "complete")
    assert first.metrics == second.metrics
    assert before is not None
    assert after is not None
    assert (before["run_key"], before["started_at"]) == (after["run_key"], after["started_at"])
    assert {path.name for path in first.run_dir.iterdir()} >= {"run.json", "config.yaml", "env.json", "metrics.json"}


def test_an_interrupted_run_is_incomplete_however_little_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C before the last sample: incomplete, even where the share that is missing would be tolerated."""
    stopped = _evaluate(tmp_path / "run", Pipeline(until=35), monkeypatch)
    assert stopped.metrics.overall.statuses == {"passed": 35, "missing": 1}
    assert stopped.status == "incomplete"
    resumed = Pipeline()
    assert _evaluate(tmp_path / "run", resumed, monkeypatch).status == "complete"
    assert resumed.asked == [1]


def test_executors_are_told_where_verdicts_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the cache, unless the configuration says that every program is to run."""
    kept, ran = Pipeline(), Pipeline()
    _evaluate(tmp_path / "kept", kept, monkeypatch)
    _evaluate(tmp_path / "ran", ran, monkeypatch, {"execution.cache": False})
    assert kept.verdicts == tmp_path / "cache" / "verdicts"
    assert ran.verdicts is None


def test_the_run_tells_how_much_more_time_each_node_gave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest factor that any executor of a node measured stands in run.json."""
    (tmp_path / "run" / "nodes").mkdir(parents=True)
    for name, factor in (("a-1", 1.5), ("a-2", 2.5), ("b-1", 1.0)):
        told = {"node": name[0], "time_limit_factor": factor}
        (tmp_path / "run" / "nodes" / f"{name}.json").write_text(json.dumps(told))
    run = read_run(_evaluate(tmp_path / "run", Pipeline(), monkeypatch).run_dir)
    assert run is not None
    assert run["time_limit_factors"].items() >= {"a": 2.5, "b": 1.0}.items()
