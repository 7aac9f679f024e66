"""A gate: how far a candidate's scores may fall below the base's before it is held back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from engine.compare import Compared, Rules, Run, compare
from engine.config import Section
from engine.yaml_text import read_mapping
from runners.errors import DataError

_EXAMPLE = "Write e.g. critical: {humaneval/pass_at_1: {max_drop: 0.02}}."
Decision = Literal["pass", "regression", "inconclusive"]
Level = Literal["critical", "advisory"]


class Bound(Section):
    """What one score may lose."""

    max_drop: Annotated[float, Field(ge=0.0, le=1.0)]
    """Of the mean over problems, so 0.02 is two points of a hundred."""


class GateFile(Section):
    """A gate file: bounds by `benchmark/metric`."""

    critical: dict[str, Bound] = Field(default_factory=dict)
    advisory: dict[str, Bound] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One score held against its bound."""

    score: str
    level: Level
    max_drop: float
    compared: Compared
    decision: Decision


def read_gate(path: Path) -> GateFile:
    """Read a gate file.

    Raises:
        DataError: it cannot be read, or a key or value is wrong; names it.
    """
    raw = read_mapping(path, "gate", "critical and advisory", cure="Name a gate file with --gate.")
    try:
        gate = GateFile.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        value = "" if first["type"] in ("missing", "extra_forbidden") else f" (got {first['input']!r:.60})"
        raise DataError(path, f"{first['msg']}{value}.", field=field, cure=_EXAMPLE) from error
    for score in (*gate.critical, *gate.advisory):
        if "/" not in score:
            raise DataError(path, "names no metric.", field=score, cure=f"Write {score}/pass_at_1, for instance.")
    if not gate.critical and not gate.advisory:
        raise DataError(path, "bounds nothing.", cure=_EXAMPLE)
    return gate


def check_gate(path: Path, gate: GateFile, base: Run, candidate: Run, rules: Rules) -> list[Checked]:
    """Hold a candidate's scores against their bounds, in the order of the file.

    Raises:
        DataError: a score is not in both runs.
        UserError: the runs cannot be compared.
    """
    bounds: list[tuple[str, Level, float]] = [
        *((score, "critical", bound.max_drop) for score, bound in gate.critical.items()),
        *((score, "advisory", bound.max_drop) for score, bound in gate.advisory.items()),
    ]
    found: dict[str, Compared] = {}
    for metric in dict.fromkeys(score.rpartition("/")[2] for score, *_ in bounds):
        for each in compare(base, candidate, replace(rules, metric=metric)).compared:
            found[f"{each.benchmark}/{each.metric}"] = each
    for score, *_ in bounds:
        if score not in found:
            raise DataError(path, "is not in both runs.", field=score, cure=f"They share {', '.join(found)}.")
    return [
        Checked(score=score, level=level, max_drop=drop, compared=found[score], decision=_decide(found[score], drop))
        for score, level, drop in bounds
    ]


def _decide(compared: Compared, max_drop: float) -> Decision:
    """A pass needs an interval above the bound, a regression one below zero with a mean below the bound."""
    interval, mean = compared.difference.interval, compared.difference.mean
    if compared.why:
        return "inconclusive"
    if interval.low >= -max_drop:
        return "pass"
    return "regression" if mean < -max_drop and interval.high < 0.0 else "inconclusive"


def outcome(checked: Sequence[Checked]) -> Decision:
    """Of all critical scores together; advisory ones are told only."""
    decisions = {each.decision for each in checked if each.level == "critical"}
    if "regression" in decisions:
        return "regression"
    return "inconclusive" if "inconclusive" in decisions else "pass"
