from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from actors.models import ModelSpec
from actors.parts import STOP_FILE
from engine import many
from engine.config import RunConfig
from engine.many import check_models, evaluate_many, in_folder
from engine.pipeline_errors import PipelineError
from engine.run import Outcome
from runners.errors import UserError
from tests.engine.test_stability import config, metrics_with


class Runs:
    """Stands for `evaluate`: makes a run directory per model; what it is to do otherwise is set per model."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seen: list[RunConfig] = []
        self.faults: dict[str, Exception] = {}
        self.interrupt_at = ""

    def __call__(self, config: RunConfig, console: Console, on_open: Callable[[Path], None]) -> Outcome:
        """Evaluate."""
        self.seen.append(config)
        name = Path(config.model.spec).stem
        if name in self.faults:
            raise self.faults[name]
        run_dir = config.output or self.root / name
        run_dir.mkdir(parents=True)
        on_open(run_dir)
        if name == self.interrupt_at:
            (run_dir / STOP_FILE).touch()
        return Outcome(run_dir=run_dir, status="complete", metrics=metrics_with(4))

    @property
    def names(self) -> list[str]:
        """Models in the order of their runs."""
        return [Path(config.model.spec).stem for config in self.seen]


class Fetched:
    """Stands for Prefetch: remembers what was asked for, and at which run."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self.asked: list[tuple[str, int]] = []
        self.num_stopped = 0

    def __call__(self, spec: ModelSpec, cache: Path) -> Fetched:
        """Start."""
        self.asked.append((Path(spec.target).stem, len(self.runs.seen)))
        return self

    def stop(self) -> None:
        """End."""
        self.num_stopped += 1


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Runs without pipeline, and without Ray."""
    made = Runs(tmp_path / "runs")
    monkeypatch.setattr(many, "evaluate", made)
    monkeypatch.setattr(many, "connect", lambda cpus: {})
    return made


@pytest.fixture
def fetched(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> Fetched:
    """What was prefetched."""
    asked = Fetched(runs)
    monkeypatch.setattr(many, "Prefetch", asked)
    return asked


@pytest.fixture
def configs(tmp_path: Path) -> list[RunConfig]:
    """Three models: samples files a, b and c."""
    paths = [tmp_path / f"{name}.jsonl" for name in "abc"]
    for path in paths:
        path.write_text(path.name)
    return [config(model={"spec": f"replay:{path}"}) for path in paths]


def quiet() -> Console:
    return Console(file=StringIO())


def test_a_typo_in_the_last_model_fails_before_the_first(configs: list[RunConfig], runs: Runs, tmp_path: Path) -> None:
    """All models are looked at before anything runs."""
    absent = config(model={"spec": f"transformers:{tmp_path}/step-9"})
    with pytest.raises(UserError, match="step-9': no such directory"):
        evaluate_many([*configs, absent], quiet())
    assert runs.seen == []


def test_a_checkpoint_that_is_being_written_is_not_passed_over(tmp_path: Path) -> None:
    """A folder that a pattern matched and that has no weights yet is an error that names it."""
    (tmp_path / "step-3").mkdir()
    with pytest.raises(UserError, match=r"step-3: no config\.json"):
        check_models([config(model={"spec": str(tmp_path / "step-3")})])


def test_models_run_in_order_and_the_next_is_fetched_meanwhile(
    configs: list[RunConfig], runs: Runs, fetched: Fetched
) -> None:
    """Each run has its directory; fetching of b starts before the run of a, and all fetching is stopped at the end."""
    found = evaluate_many(configs, quiet())
    assert runs.names == ["a", "b", "c"]
    assert [outcome.run_dir.name for outcome in found.outcomes] == ["a", "b", "c"]
    assert fetched.asked == [("b", 0), ("c", 1)]
    assert fetched.num_stopped == 2
    assert not found.interrupted


@pytest.mark.parametrize("fault", [UserError("out of memory"), PipelineError("stage Generate died")])
def test_a_model_that_fails_does_not_lose_the_others(
    configs: list[RunConfig], runs: Runs, fetched: Fetched, fault: Exception
) -> None:
    """It is told, and the next one runs."""
    runs.faults["b"] = fault
    console = quiet()
    found = evaluate_many(configs, console)
    assert [outcome.run_dir.name for outcome in found.outcomes] == ["a", "c"]
    (failure,) = found.failures
    assert failure.model == configs[1].model.spec
    assert failure.error == str(fault)
    assert str(fault) in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_defect_of_ours_is_not_taken_for_a_model_that_failed(
    configs: list[RunConfig], runs: Runs, fetched: Fetched
) -> None:
    """It is raised, after fetching has been stopped."""
    runs.faults["a"] = KeyError("x")
    with pytest.raises(KeyError):
        evaluate_many(configs, quiet())
    assert fetched.num_stopped == 1


def test_an_interrupted_run_ends_all(configs: list[RunConfig], runs: Runs, fetched: Fetched) -> None:
    """After Ctrl-C the models that are left do not start."""
    runs.interrupt_at = "b"
    found = evaluate_many(configs, quiet(), repeat=2)
    assert runs.names == ["a", "a", "b"]
    assert found.interrupted


def test_repeats_of_a_model_follow_one_another(configs: list[RunConfig], runs: Runs, fetched: Fetched) -> None:
    """So that its engine is not started in between for another; each with its seed, beside the first."""
    opened: list[Path] = []
    done: list[Outcome] = []
    found = evaluate_many(configs[:2], quiet(), repeat=2, on_open=opened.append, on_done=done.append)
    assert runs.names == ["a", "a", "b", "b"]
    assert [run.generation.seed for run in runs.seen] == [1234, 1235] * 2
    assert [path.name for path in opened] == ["a", "a-repeat-2", "b", "b-repeat-2"]
    assert done == found.outcomes
    assert [len(group) for group in found.runs.values()] == [2, 2]


def test_an_output_folder_holds_a_directory_per_model(configs: list[RunConfig], tmp_path: Path) -> None:
    """By the models' names."""
    placed = in_folder(configs[:2], tmp_path / "out")
    assert [run.output for run in placed] == [tmp_path / "out" / str(name) for name in _names(configs[:2])]


def test_an_output_that_cannot_hold_several_is_refused(configs: list[RunConfig], tmp_path: Path) -> None:
    """A run directory is none, and two models of one name would meet in one."""
    with pytest.raises(UserError, match="two models have the name"):
        in_folder([configs[0], configs[0]], tmp_path)
    (tmp_path / "run.json").touch()
    with pytest.raises(UserError, match="holds a run"):
        in_folder(configs, tmp_path)


def _names(configs: list[RunConfig]) -> list[str]:
    return [spec.name for spec in check_models(configs)]
