"""What `codeassay stress serve` is to do, read from the command line and checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, cast, get_args

from engine.stress.arrivals import BURSTINESS, Shape
from engine.stress.goals import Goal, parse_goals
from runners.errors import UserError

Load = Literal["rate", "concurrency"]
DEFAULT_REQUESTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """The sweep: its levels, what each consists of, and what it is held to."""

    load: Load
    """`rate`: open loop, values are requests per second; `concurrency`: closed loop, values are requests in flight."""
    values: tuple[float, ...]
    """Ascending."""
    arrivals: Shape
    burstiness: float
    """Shape of the gamma distribution of gaps; infinite for constant ones."""
    requests: int | None
    """Measured requests per level; None where a duration is given."""
    duration_seconds: float | None
    warm_up: int
    """Requests per level that are sent first and left out."""
    goals: tuple[Goal, ...]
    knee: bool
    knee_tolerance: float
    knee_probes: int
    seed: int
    repeat: int
    """How often each level is run, with the same requests at the same times."""

    def num_requests(self, value: float) -> int | None:
        """Measured requests of one level; None where time alone ends it (closed loop with a duration)."""
        if self.requests is not None:
            return self.requests
        assert self.duration_seconds is not None
        return max(1, round(value * self.duration_seconds)) if self.load == "rate" else None


def read_settings(
    *,
    rate: str | None,
    concurrency: str | None,
    arrivals: str,
    burstiness: float | None,
    requests: int | None,
    duration: float | None,
    warmup: int,
    goal: str | None,
    knee: bool,
    knee_tolerance: float,
    knee_probes: int,
    seed: int,
    repeat: int,
) -> ServeSettings:
    """Check what was typed.

    Raises:
        UserError: a value that is not possible, or two that exclude each other; names the flag and what is possible.
    """
    load, values = _levels(rate, concurrency)
    goals = parse_goals(goal or "")
    if requests is not None and duration is not None:
        raise UserError("--requests and --duration exclude each other: give one of them.")
    if knee and (load != "rate" or not goals):
        raise UserError("--knee needs --rate and --goal: it is the highest rate that still meets the goals.")
    for flag, given, least in (
        ("--requests", requests, 1),
        ("--warmup", warmup, 0),
        ("--repeat", repeat, 1),
        ("--knee-probes", knee_probes, 0),
        ("--seed", seed, 0),
    ):
        if given is not None and given < least:
            raise UserError(f"{flag} {given}: give at least {least}.")
    for flag, amount in (("--duration", duration), ("--knee-tolerance", knee_tolerance)):
        if amount is not None and not (0 < amount < math.inf):
            raise UserError(f"{flag} {amount:g}: give a positive number.")
    shape = _shape(arrivals, load)
    return ServeSettings(
        load=load,
        values=values,
        arrivals=shape,
        burstiness=_burstiness(shape, burstiness),
        requests=requests if requests is not None or duration is not None else DEFAULT_REQUESTS,
        duration_seconds=duration,
        warm_up=warmup,
        goals=goals,
        knee=knee,
        knee_tolerance=knee_tolerance,
        knee_probes=knee_probes,
        seed=seed,
        repeat=repeat,
    )


def _levels(rate: str | None, concurrency: str | None) -> tuple[Load, tuple[float, ...]]:
    if (rate is None) == (concurrency is None):
        raise UserError("give --rate 1,2,4 (requests per second) or --concurrency 1,4,16 (requests in flight).")
    if rate is not None:
        return "rate", _numbers("--rate", rate, whole=False)
    return "concurrency", _numbers("--concurrency", concurrency or "", whole=True)


def _numbers(flag: str, text: str, *, whole: bool) -> tuple[float, ...]:
    kind = "whole numbers above 0" if whole else "numbers above 0"
    fault = UserError(f"{flag} {text}: give {kind} with commas between, e.g. {flag} 1,2,4.")
    try:
        values = sorted({float(part) for part in text.split(",")})
    except ValueError:
        raise fault from None
    if not all(0 < value < math.inf and (not whole or value.is_integer()) for value in values):
        raise fault
    return tuple(values)


def _shape(arrivals: str, load: Load) -> Shape:
    if arrivals not in get_args(Shape):
        raise UserError(f"--arrivals {arrivals}: it is one of {', '.join(get_args(Shape))}.")
    if load == "concurrency" and arrivals != "poisson":
        raise UserError(f"--arrivals {arrivals}: with --concurrency a request is sent when another ends. Use --rate.")
    return cast(Shape, arrivals)


def _burstiness(shape: Shape, asked: float | None) -> float:
    if asked is None:
        return BURSTINESS[shape]
    if shape != "burst":
        raise UserError(f"--burstiness {asked:g}: it belongs to --arrivals burst; {shape} has its own.")
    if not 0 < asked < math.inf:
        raise UserError(f"--burstiness {asked:g}: give a positive number; below 1 arrivals come in bursts.")
    return asked
