"""Find the checkpoints of a training in order of their steps, those that are there and those still to come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from actors.completeness import fingerprint, unfinished
from actors.models import parse_model
from engine.model_list import expand_models
from runners.errors import UserError

OLD_SECONDS = 60.0
"""A checkpoint that nobody has touched for so long is at rest at the first look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How to wait for further checkpoints."""

    every_seconds: float = 30.0
    """Between two looks."""
    until_step: int | None = None
    """The watch ends once a checkpoint of this step, or a later one, was given; None: it goes on."""
    patience_seconds: float | None = None
    """It ends when so long nothing new came; None: it goes on."""


@dataclass(slots=True, kw_only=True)
class Checkpoints:
    """The checkpoints behind patterns: each is given once, as soon as it is wholly written."""

    patterns: Sequence[str]
    """Models as typed, e.g. `ckpts/step-*`."""
    watch: Watch | None = None
    """None gives what is there now."""
    tell: Callable[[str], None] = lambda _: None
    """Told what is waited for and what is left out."""
    wait: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time
    """Seconds since the epoch."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Of the last look: models that were not whole, and why."""
    _given: list[str] = field(default_factory=list)
    _seen: dict[str, tuple[Mapping[str, tuple[int, int]], float]] = field(default_factory=dict)
    """Fingerprint of each model, and since when it is that."""
    _told: str = ""

    def batches(self) -> Iterator[list[str]]:
        """Model specs by training step: first all that are there, then, with a watch, what comes.

        Raises:
            UserError: without a watch, a pattern matches nothing.
        """
        since = self.clock()
        while True:
            if ready := self._look():
                self._given += ready
                yield ready
                since = self.clock()
            if self.watch is None or self._is_over(since):
                break
            if not ready:
                self._tell_waiting()
                self.wait(self.watch.every_seconds)
        for why in self.left_out.values():
            self.tell(f"left out: {why}")

    def _look(self) -> list[str]:
        """What is ready and was not given yet."""
        self.left_out = {}
        ready = []
        for model in self._matches():
            if model in self._given:
                continue
            if reason := unfinished(parse_model(model)) or self._moving(model):
                self.left_out[model] = reason
            else:
                ready.append(model)
        return ready

    def _matches(self) -> list[str]:
        try:
            return expand_models(self.patterns, self.tell if not self._given else lambda _: None)
        except UserError:
            if self.watch is None:
                raise
            return []  # training has not written its first one

    def _moving(self, model: str) -> str:
        """Why a checkpoint is not at rest; empty if nothing changed between two looks, or if it is old."""
        if self.watch is None:
            return ""
        now = fingerprint(parse_model(model))
        before, since = self._seen.get(model, ({}, 0.0))
        if now != before:
            self._seen[model] = now, self.clock()
        newest = max((changed for _, changed in now.values()), default=0) / 1e9
        is_old = newest > 0 and self.clock() - newest > OLD_SECONDS
        rests = now == before and self.clock() - since >= self.watch.every_seconds
        return "" if is_old or rests else f"{model}: its files may still change."

    def _is_over(self, since: float) -> bool:
        assert self.watch is not None
        steps = [parse_model(model).step or 0 for model in self._given]
        if self.watch.until_step is not None and max(steps, default=-1) >= self.watch.until_step:
            return True
        patience = self.watch.patience_seconds
        return patience is not None and self.clock() - since >= patience

    def _tell_waiting(self) -> None:
        """Once per state: what is waited for."""
        waiting = next(iter(self.left_out.values()), f"nothing new behind {', '.join(self.patterns)}")
        text = f"waiting: {waiting}"
        if text != self._told:
            self._told = text
            self.tell(text)
