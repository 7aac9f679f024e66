"""What a perturbation is: one function that changes a problem, and what must be known of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

from benchmarks.perturbations.subject import Subject
from benchmarks.problem import NOMINAL, Problem

VERSION = 1
"""Of the catalogue: a part of every seed, raised when a perturbation gives other variants than before."""
SEVERITIES = (1, 2, 3)
HALF = "half_solution"
"""The baseline of what changes given code: the problem with the first half of its solution given."""

Family = Literal["docstring", "chinese", "names", "syntax", "form", "prefix", "recode"]
Keeps = Literal["code", "examples", "numbers", "identifiers", "prose"]
PROSE_ONLY: frozenset[Keeps] = frozenset({"code", "examples", "numbers", "identifiers"})
"""What stays as it is where only the words of a description change."""
CODE_ONLY: frozenset[Keeps] = frozenset({"examples", "numbers", "identifiers", "prose"})
"""What stays as it is where only given code changes."""

Apply = Callable[[Subject, Random, int], Problem | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbation:
    """One entry of the catalogue."""

    name: str
    family: Family
    summary: str
    """One line for `codeassay list perturbations`."""
    apply: Apply
    """From problem, random source and severity to the changed problem; None where there is nothing to change.

    The function draws from its random source alone, changes prompt, instruction, reference, wrong solutions and tests
    alike, and leaves `variant` to its caller.
    """
    source: str
    """The paper it stems from, or `codeassay`."""
    keeps: frozenset[Keeps] = frozenset()
    """What of the prompt the gate finds unchanged, byte for byte."""
    languages: tuple[str, ...] = ()
    """Rows of `runners.languages`, or Python; empty for all."""
    text: Literal["en", "zh", ""] = ""
    """Language that the description must have; empty for any."""
    scale: tuple[str, str, str] | None = None
    """What severity 1, 2 and 3 mean; None where there is one severity alone, which is 1."""
    baseline: str = NOMINAL
    """What its variants are compared with: the nominal problem, or `half_solution`."""
    restructures: bool = False
    """Whether the syntax tree of the reference must differ; where it need not, only the text must."""
    misleads: bool = False
    """Whether it says something untrue: reported, but left out of worst cases."""
    needs_llm: bool = False
    """Whether its words come from a language model; without one it does not apply."""

    @property
    def severities(self) -> tuple[int, ...]:
        """Those that it has."""
        return SEVERITIES if self.scale else SEVERITIES[:1]

    def fits(self, subject: Subject) -> bool:
        """Whether language and text are ones that it can change."""
        return (not self.languages or subject.language in self.languages) and self.text in ("", subject.text)


def random_of(task_id: str, name: str, severity: int, seed: int) -> Random:
    """The random source of one variant: it depends on nothing else, whatever the order, the machine or other rows."""
    words = f"{VERSION}\0{task_id}\0{name}\0{severity}\0{seed}"
    return Random(hashlib.sha256(words.encode()).digest())  # noqa: S311 - repeatable draws are what it is for


def variant_name(perturbation: Perturbation, severity: int, seed: int) -> str:
    """Name of a variant: `keyboard_typos.2`, of further seeds `keyboard_typos.2.1`; without a scale no severity."""
    strength = [str(severity)] if perturbation.scale or seed else []
    return ".".join([perturbation.name, *strength, *([str(seed)] if seed else [])])
