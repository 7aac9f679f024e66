"""When a failed request is made again, and how long to wait before: plain functions, no network.

Clock and sleep are a record, so that tests tell the time instead of waiting for it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

RETRIED = frozenset({408, 409, 425, 429})
"""Statuses besides 5xx that say `not now`; the others say `not like this`."""

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
"""Longest wait of our own choosing."""
LONGEST_ASKED_SECONDS = 600.0
"""Longest wait that a server may ask for; beyond it the request is given up, and a later run makes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Where time comes from."""

    now: Callable[[], float] = time.time
    """Seconds since the epoch, to read dates by."""
    monotonic: Callable[[], float] = time.perf_counter
    """Seconds, to measure durations by."""
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep


def is_retried(status: int) -> bool:
    """Whether an HTTP status may be another one later."""
    return status in RETRIED or 500 <= status <= 599


def is_busy(status: int) -> bool:
    """Whether an HTTP status says that the server works and has no time or place now (529 is overloaded)."""
    return status in RETRIED or status in (502, 503, 504, 529)


def backoff_seconds(attempt: int, seed: int) -> float:
    """Wait after a failed attempt (0 is the first): 1, 2, 4, ... 60 seconds, of which the seed takes up to half.

    Equal seeds wait alike; requests with different seeds do not come back all at once.
    """
    full = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(attempt, 16))
    jitter = random.Random(f"{seed}/{attempt}").random()  # noqa: S311 - spreads load, guards nothing
    return full * (1.0 - 0.5 * jitter)


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Read a Retry-After header: seconds or an HTTP date (RFC 9110, 10.2.3).

    Args:
        value: the header; None where there is none.
        now: seconds since the epoch.

    Returns:
        Seconds to wait, at least 0; None where the header is absent or neither form.
    """
    if value is None:
        return None
    text = value.strip()
    try:
        seconds = float(text) if text.replace(".", "", 1).isdecimal() else parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, seconds)
