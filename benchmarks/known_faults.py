"""Faults of published data that were looked at: which rows, and what is wrong with them.

`known_faults.yaml` is the list. Nothing is left out of a benchmark for it; `doctor --gold` and the conformance tests
expect exactly these exceptions, and every run that has such problems says so.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

LIST = Path(__file__).with_name("known_faults.yaml")
_SHOWN = 4
_WORDS = {
    "reference": "have a wrong reference",
    "tests": "have tests that a wrong answer passes",
    "chance": "have a reference that passes by chance",
}


class Fault(BaseModel):
    """What is wrong with some rows."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    fault: Literal["reference", "tests", "chance"]
    """`reference`: the canonical solution does not pass; `tests`: a known-wrong solution passes; `chance`: whether the
    canonical solution passes differs from run to run."""
    why: str
    tasks: list[str] = Field(min_length=1)


def known_faults(name: str, edition: str, kind: Literal["reference", "tests", "chance"]) -> dict[str, str]:
    """Why, by task_id, for all faults of a kind in a benchmark.

    Args:
        name: the benchmark's registry name.
        edition: which of its sets, where they use a task_id for different problems; empty where none does.
        kind: what is wrong.
    """
    return {task: fault.why for fault in _faults(name, edition) if fault.fault == kind for task in fault.tasks}


def fault_notes(name: str, edition: str, task_ids: Collection[str]) -> Iterator[str]:
    """One sentence per fault that these problems of a benchmark have."""
    present = frozenset(task_ids)
    for fault in _faults(name, edition):
        if found := [task for task in fault.tasks if task in present]:
            shown = ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
            what = _WORDS[fault.fault]
            yield f"{len(found)} of {len(present)} problems {what}: {fault.why} ({shown})"


def _faults(name: str, edition: str) -> tuple[Fault, ...]:
    """What the list has under `name`, and under `name:edition`."""
    return _read().get(name, ()) + (_read().get(f"{name}:{edition}", ()) if edition else ())


@functools.cache
def _read() -> Mapping[str, tuple[Fault, ...]]:
    raw = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    return {name: tuple(Fault.model_validate(fault) for fault in faults) for name, faults in raw.items()}
