from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actors.generator import Sampling
from actors.retry import Clock
from engine.stress.knee import Knee
from engine.stress.levels import Level
from engine.stress.settings import ServeSettings, read_settings
from engine.stress.sweep import Sweep
from engine.stress.table import notes
from tests.engine.stress.virtual import QueueServer, in_virtual_time, prompts


def settings(**changes: Any) -> ServeSettings:
    """Two rates of 100 requests, five for warm-up, but for what is given."""
    given: dict[str, Any] = {
        "rate": "2,8",
        "concurrency": None,
        "arrivals": "poisson",
        "burstiness": None,
        "requests": 100,
        "duration": None,
        "warmup": 5,
        "goal": None,
        "knee": False,
        "knee_tolerance": 0.05,
        "knee_probes": 12,
        "seed": 0,
        "repeat": 1,
    }
    return read_settings(**{**given, **changes})


def sweep(server: QueueServer, asked: ServeSettings) -> tuple[list[Level], Knee | None]:
    """Run a sweep in virtual time."""
    levels: list[Level] = []

    async def work(clock: Clock) -> Knee | None:
        loads = Sweep(
            generator=server,
            prompts=prompts(20),
            sampling=Sampling(),
            settings=asked,
            clock=clock,
            on_level=levels.append,
        )
        return await loads.run()

    return levels, in_virtual_time(work)


def _e2e_p90(level: Level) -> float:
    value = level.latency("e2e", "p90")
    assert value is not None
    return value


def test_levels_are_run_in_order_each_with_its_requests() -> None:
    """Two levels of 100 measured requests after 5 of warm-up, all sent; more load has more latency."""
    server = QueueServer()
    levels, knee = sweep(server, settings())
    assert [level.value for level in levels] == [2.0, 8.0]
    assert [len(level.runs[0].requests) for level in levels] == [105, 105]
    assert [level.runs[0].figures.requests for level in levels] == [100, 100]
    assert len(server.asked) == 210
    assert _e2e_p90(levels[1]) > _e2e_p90(levels[0]) > server.service_seconds
    assert knee is None


def test_the_mean_wait_is_that_of_the_queue() -> None:
    """M/D/1 at half load: mean queue of 20,000 requests within 5 % of Pollaczek and Khinchine's formula."""
    server = QueueServer()
    levels, _ = sweep(server, settings(rate="5", requests=20_000))
    load = 5 * server.service_seconds
    wait = server.service_seconds * load / (2 * (1 - load))
    assert levels[0].latency("queue", "mean") == pytest.approx(wait, rel=0.05)


def test_warm_up_is_slow_and_out_of_the_figures() -> None:
    """A server whose first five requests fail has an error rate of 0 after a warm-up of five, and of 5 % without."""
    with_warm_up, _ = sweep(QueueServer(fails=lambda number: number < 5), settings(rate="2"))
    without, _ = sweep(QueueServer(fails=lambda number: number < 5), settings(rate="2", warmup=0))
    assert with_warm_up[0].runs[0].figures.error_rate == 0
    assert without[0].runs[0].figures.error_rate == pytest.approx(0.05)


def test_the_knee_lies_where_the_goals_are_lost() -> None:
    """Found by bisection: the last rate that meets and the first that does not, near enough; all rates are levels."""
    levels, knee = sweep(QueueServer(), settings(goal="e2e_p90<400ms", knee=True, requests=400))
    assert knee is not None
    assert knee.found
    assert knee.rate is not None
    assert knee.failing_rate is not None
    measured = {level.value: _e2e_p90(level) for level in levels}
    assert measured[knee.rate] <= 0.4 < measured[knee.failing_rate]
    assert knee.failing_rate / knee.rate <= 1.05
    assert 2 < knee.rate < 10
    assert sum(level.is_probe for level in levels) == knee.probes == len(levels) - 2


def test_a_duration_sets_the_number_of_requests_of_each_rate() -> None:
    """30 s at 2 and 8 per second are 60 and 240 requests."""
    levels, _ = sweep(QueueServer(), settings(requests=None, duration=30.0))
    assert [level.runs[0].figures.requests for level in levels] == [60, 240]


def test_concurrency_is_a_closed_loop() -> None:
    """Four slots: throughput rises to four at once and no further."""
    levels, _ = sweep(QueueServer(slots=4), settings(rate=None, concurrency="1,4,16"))
    rates = [level.median(lambda figures: figures.request_rate) for level in levels]
    assert rates == pytest.approx([10.0, 40.0, 40.0], rel=0.1)
    assert [level.runs[0].figures.in_flight_max for level in levels] == [1, 4, 16]


def test_repeats_are_the_same_load_and_tell_the_spread() -> None:
    """The same prompts at the same times; a server that is slower the second time shows in the spread alone."""

    class Ageing(QueueServer):
        async def generate(self, *arguments: Any) -> Any:
            self._prefill = 0.02 if len(self.asked) < 105 else 0.04
            return await super().generate(*arguments)

    server = Ageing()
    levels, _ = sweep(server, settings(rate="2", repeat=2))
    first, second = levels[0].runs
    assert server.asked[:105] == server.asked[105:]
    due = [[each.scheduled_seconds for each in run.requests] for run in (first, second)]
    assert due[0] == due[1]
    assert levels[0].spread("e2e", "p50") == pytest.approx(0.02 / 0.11)
    assert levels[0].latency("e2e", "p50") == pytest.approx(0.11)


def _failing(share: int) -> Callable[[int], bool]:
    return lambda number: number % 100 < share


def test_notes_tell_what_weakens_trust() -> None:
    """Failures with their text and number; nothing where all is well."""
    broken, _ = sweep(QueueServer(fails=_failing(30)), settings(rate="2", goal="e2e_p99<9s", warmup=0))
    told = list(notes(broken))
    assert any("more than 1% of the requests failed" in note for note in told)
    assert any(note.startswith("30 x HTTP 503: overloaded") for note in told)
    well, _ = sweep(QueueServer(), settings(rate="2", goal="e2e_p99<9s"))
    assert list(notes(well)) == []
