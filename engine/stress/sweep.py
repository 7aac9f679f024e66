"""Run the levels of a sweep one after another, then search for the knee between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from actors.generator import Generator, Sampling
from actors.retry import Clock
from benchmarks.problem import Prompt
from engine.stress.arrivals import arrival_times
from engine.stress.figures import compute_figures
from engine.stress.knee import Knee, find_knee
from engine.stress.levels import Level, LevelRun
from engine.stress.load import closed_loop, open_loop
from engine.stress.prompts import asks
from engine.stress.settings import ServeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Loads one generator at several levels."""

    generator: Generator
    prompts: Sequence[Prompt]
    sampling: Sampling
    settings: ServeSettings
    clock: Clock
    on_start: Callable[[float, int], None] = lambda value, repeat: None
    """Told the rate or concurrency, and which run of it, before it begins."""
    on_level: Callable[[Level], None] = lambda level: None
    """Told each level when it is done, so that one that is stopped keeps what it has."""

    async def run(self) -> Knee | None:
        """All levels, then the knee if it is asked for; levels go to `on_level`."""
        met = {value: (await self.level(value)).meets for value in self.settings.values}
        if not self.settings.knee:
            return None

        async def probe(rate: float) -> bool:
            return (await self.level(rate, is_probe=True)).meets

        return await find_knee(met, probe, tolerance=self.settings.knee_tolerance, max_probes=self.settings.knee_probes)

    async def level(self, value: float, *, is_probe: bool = False) -> Level:
        """Run one level as often as is asked for."""
        runs = []
        for repeat in range(self.settings.repeat):
            self.on_start(value, repeat)
            runs.append(await self._once(value))
        level = Level(
            load=self.settings.load, value=value, is_probe=is_probe, runs=tuple(runs), goals=self.settings.goals
        )
        self.on_level(level)
        return level

    async def _once(self, value: float) -> LevelRun:
        return await (self._open(value) if self.settings.load == "rate" else self._closed(int(value)))

    async def _open(self, rate: float) -> LevelRun:
        """Warm-up and measured requests in one stream, so that the latter meet a server in its stride."""
        settings = self.settings
        count = settings.num_requests(rate)
        assert count is not None
        began = settings.warm_up / rate
        warm_up_W = arrival_times(settings.warm_up, rate, settings.burstiness, (settings.seed, 1))
        measured_R = began + arrival_times(count, rate, settings.burstiness, (settings.seed, 0))
        requests = await open_loop(
            self.generator,
            self.sampling,
            list(asks(self.prompts, settings.warm_up, count, settings.seed)),
            np.concatenate([warm_up_W, measured_R]),
            self.clock,
        )
        return LevelRun(requests=tuple(requests), figures=compute_figures(requests, settings.goals, began))

    async def _closed(self, concurrency: int) -> LevelRun:
        settings = self.settings
        requests = await closed_loop(
            self.generator,
            self.sampling,
            asks(self.prompts, settings.warm_up, settings.num_requests(concurrency), settings.seed),
            concurrency,
            self.clock,
            settings.duration_seconds,
        )
        began = min(request.sent_seconds for request in requests if not request.is_warm_up)
        return LevelRun(requests=tuple(requests), figures=compute_figures(requests, settings.goals, began))
