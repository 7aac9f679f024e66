from __future__ import annotations

import math
from typing import Any

import pytest

from engine.stress.settings import DEFAULT_REQUESTS
from runners.errors import UserError
from tests.engine.stress.test_sweep import settings


def test_levels_are_sorted_and_each_stands_once() -> None:
    """Typed in any order."""
    assert settings(rate="8,0.5,2,2").values == (0.5, 2.0, 8.0)
    asked = settings(rate=None, concurrency="16,1")
    assert (asked.load, asked.values) == ("concurrency", (1.0, 16.0))


def test_each_shape_of_arrivals_has_its_burstiness() -> None:
    """Poisson 1, constant without end, burst as asked."""
    assert settings().burstiness == 1.0
    assert math.isinf(settings(arrivals="constant").burstiness)
    assert settings(arrivals="burst").burstiness == 0.25
    assert settings(arrivals="burst", burstiness=0.1).burstiness == 0.1


def test_neither_requests_nor_duration_is_the_default_number() -> None:
    """200 requests."""
    assert settings(requests=None).num_requests(3.0) == DEFAULT_REQUESTS


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"rate": None}, "give --rate 1,2,4 (requests per second) or --concurrency"),
        ({"concurrency": "1"}, "give --rate 1,2,4 (requests per second) or --concurrency"),
        ({"rate": "1,x"}, "--rate 1,x: give numbers above 0"),
        ({"rate": "0"}, "--rate 0: give numbers above 0"),
        ({"rate": "inf"}, "--rate inf: give numbers above 0"),
        ({"rate": None, "concurrency": "1.5"}, "--concurrency 1.5: give whole numbers"),
        ({"arrivals": "uniform"}, "--arrivals uniform: it is one of poisson, constant, burst"),
        ({"rate": None, "concurrency": "2", "arrivals": "burst"}, "Use --rate"),
        ({"burstiness": 0.5}, "it belongs to --arrivals burst"),
        ({"arrivals": "burst", "burstiness": -1.0}, "--burstiness -1: give a positive number"),
        ({"requests": 0}, "--requests 0: give at least 1"),
        ({"duration": 5.0}, "--requests and --duration exclude each other"),
        ({"requests": None, "duration": -5.0}, "--duration -5: give a positive number"),
        ({"warmup": -1}, "--warmup -1: give at least 0"),
        ({"repeat": 0}, "--repeat 0: give at least 1"),
        ({"knee": True}, "--knee needs --rate and --goal"),
        ({"knee": True, "goal": "e2e_p99<1s", "rate": None, "concurrency": "2"}, "--knee needs --rate and --goal"),
        ({"goal": "ttft<1s"}, "--goal 'ttft<1s'"),
    ],
)
def test_a_value_that_is_not_possible_is_told(changes: dict[str, Any], expected: str) -> None:
    """The message names the flag, the value and what is possible."""
    with pytest.raises(UserError) as told:
        settings(**changes)
    assert expected in str(told.value)
