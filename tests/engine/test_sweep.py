"""Which checkpoints a sweep is given, and when; training is played by a function that is called while it waits."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from engine.cli_sweep import evaluate_checkpoints
from engine.suite import load_config
from engine.sweep import OLD_SECONDS, Checkpoints, Watch
from runners.errors import UserError
from tests.actors.test_completeness import checkpoint

START = 1_800_000_000.0


@dataclass
class Training:
    """A clock that goes on with each wait, and what happens at each."""

    steps: list[Callable[[], object]] = field(default_factory=list)
    now: float = START
    told: list[str] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        """Let time pass; where nothing is left to happen, Ctrl-C comes."""
        self.now += seconds
        if not self.steps:
            raise KeyboardInterrupt
        self.steps.pop(0)()

    def checkpoints(self, folder: Path, watch: Watch | None) -> Checkpoints:
        """What a sweep over the folder is given."""
        return Checkpoints(
            patterns=[f"{folder}/step-*"], watch=watch, tell=self.told.append, wait=self.wait, clock=lambda: self.now
        )

    def save(self, folder: Path, *, age: float = 0.0) -> None:
        """Write a checkpoint, or write to it again, so many seconds ago."""
        if not folder.exists():
            checkpoint(folder)
        for path in folder.iterdir():
            os.utime(path, (self.now - age, self.now - age))


def names(batch: list[str]) -> list[str]:
    """Of the folders."""
    return [Path(model).name for model in batch]


def test_all_that_are_there_come_in_order_of_their_steps(tmp_path: Path) -> None:
    """Ten after nine, once each, in one batch; that they were written just now does not matter without a watch."""
    training = Training()
    for step in (10, 9, 100):
        training.save(tmp_path / f"step-{step}")
    assert [names(batch) for batch in training.checkpoints(tmp_path, None).batches()] == [
        ["step-9", "step-10", "step-100"]
    ]


def test_one_that_is_not_whole_is_left_out_and_told(tmp_path: Path) -> None:
    """The others are evaluated; why it was left out is told at the end."""
    training = Training()
    training.save(tmp_path / "step-1")
    training.save(tmp_path / "step-2")
    (tmp_path / "step-2" / "config.json").unlink()
    found = training.checkpoints(tmp_path, None)
    assert [names(batch) for batch in found.batches()] == [["step-1"]]
    assert [Path(model).name for model in found.left_out] == ["step-2"]
    assert "left out" in training.told[0] and "no config.json" in training.told[0]


def test_a_pattern_that_matches_nothing_is_a_fault_unless_one_waits(tmp_path: Path) -> None:
    """Without a watch it is told as for a run; with one, training may not have begun."""
    with pytest.raises(UserError, match="matches nothing"):
        list(Training().checkpoints(tmp_path, None).batches())
    training = Training()
    with pytest.raises(KeyboardInterrupt):
        list(training.checkpoints(tmp_path, Watch()).batches())
    assert training.told == [f"waiting: nothing new behind {tmp_path}/step-*"]


def test_old_checkpoints_are_taken_at_once_and_new_ones_when_they_rest(tmp_path: Path) -> None:
    """One that is being written to at each look is given only after two looks between which nothing changed."""
    training = Training()
    training.save(tmp_path / "step-1", age=OLD_SECONDS + 1)
    training.save(tmp_path / "step-2")
    training.steps = [lambda: training.save(tmp_path / "step-2"), lambda: None]
    batches = training.checkpoints(tmp_path, Watch(every_seconds=5, until_step=2)).batches()
    assert names(next(batches)) == ["step-1"]
    assert training.now == START
    assert names(next(batches)) == ["step-2"]
    assert training.now == START + 10
    assert list(batches) == []


def test_checkpoints_that_come_later_are_given_once(tmp_path: Path) -> None:
    """Each in a batch of its own as training saves it, none twice, until the asked step."""
    training = Training()
    steps = (100, 200, 300)
    saves: list[list[Callable[[], object]]] = [
        [lambda step=step: training.save(tmp_path / f"step-{step}"), lambda: None] for step in steps
    ]
    training.steps = [action for actions in saves for action in actions]
    found = training.checkpoints(tmp_path, Watch(every_seconds=1, until_step=300))
    assert [names(batch) for batch in found.batches()] == [["step-100"], ["step-200"], ["step-300"]]


def test_patience_ends_a_watch(tmp_path: Path) -> None:
    """So many seconds after the last checkpoint, whatever had come before."""
    training = Training(steps=[lambda: None] * 100)
    training.save(tmp_path / "step-1", age=OLD_SECONDS + 1)
    watch = Watch(every_seconds=10, patience_seconds=35)
    assert len(list(training.checkpoints(tmp_path, watch).batches())) == 1
    assert training.now == START + 40


def test_what_is_waited_for_is_told_once(tmp_path: Path) -> None:
    """A checkpoint that is not whole for many looks is one line."""
    training = Training(steps=[lambda: None] * 5)
    training.save(tmp_path / "step-1")
    (tmp_path / "step-1" / "config.json").unlink()
    with pytest.raises(KeyboardInterrupt):
        list(training.checkpoints(tmp_path, Watch()).batches())
    assert len(training.told) == 1
    assert "no config.json" in training.told[0]


def test_ctrl_c_while_waiting_ends_the_watch_alone(tmp_path: Path) -> None:
    """No run was broken off, so nothing is left to resume; without a watch there is something left."""
    told = StringIO()
    found = Training().checkpoints(tmp_path, Watch())
    swept = evaluate_checkpoints(
        found, lambda model: load_config(["starter"], {"model.spec": model}, []), Console(file=told)
    )
    assert (swept.outcomes, swept.interrupted) == ([], False)
    assert "stopped; what was committed is kept" in told.getvalue()
