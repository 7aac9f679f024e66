"""Other names for the function under test."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from benchmarks.extraction import parse
from benchmarks.perturbations import name_words as words
from benchmarks.perturbations.names_program import (
    is_telling,
    keeps_numbers,
    mentioned,
    program_of,
    told_in_descriptions,
)
from benchmarks.perturbations.subject import Subject, edited, in_instruction
from benchmarks.problem import Problem

MakeName = Callable[[str, str, Random, int], str | None]
"""From a function's name, language, random source and severity to another name."""


def renamed_function(subject: Subject, random: Random, severity: int, *, make: MakeName) -> Problem | None:
    """Give the entry point another name, wherever it is meant."""
    program, problem = program_of(subject), subject.problem
    old = program.entry_point
    if not program.names.function or _is_a_variable_too(subject, old):
        return None
    new = words.first_free(lambda: make(old, subject.language, random, severity), program.taken)
    if new is None:
        return None
    new = _with_digits(subject, old, new)
    others = [program.renamed(text, old, new) for text in (problem.setup, *problem.tests, *problem.wrong)]
    whole = [text for text in others if text is not None]
    if len(whole) < len(others) or new in program.taken:
        return None
    num = len(problem.tests) + 1
    changes: dict[str, object] = {
        "entry_point": new,
        "setup": whole[0],
        "tests": tuple(whole[1:num]),
        "wrong": tuple(whole[num:]),
    }
    edits = [place.renamed(new) for place in program.names.function]
    if not subject.joined:
        prompt, instruction = (_told(text, old, new) for text in (problem.prompt, problem.instruction))
        changed = prompt != problem.prompt
        return subject.with_edits(edits, prompt=prompt, instruction=instruction, **changes) if changed else None
    told = told_in_descriptions(subject, {old: new}, edits, is_telling(old))
    made = subject.with_edits([*edits, *told], **changes)
    if made is None or (told and not keeps_numbers(subject, made)):
        return None
    if in_instruction(problem, made.prompt) is not None:
        return made
    return replace(made, instruction=_told(problem.instruction, old, new))


def _is_a_variable_too(subject: Subject, name: str) -> bool:
    """Whether a Python function gives its own name to something within, so that mentions of it are ambiguous."""
    tree = parse(subject.source) if subject.language == "python" else None
    return tree is not None and any(
        (isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load))
        or (isinstance(node, ast.arg) and node.arg == name)
        for node in ast.walk(tree)
    )


def _with_digits(subject: Subject, old: str, new: str) -> str:
    """The new name with the digits of the old one, where the prose tells it: its numbers stay so."""
    digits = re.findall(r"\d+", old)
    told = any(old in subject.problem.prompt[line.start : line.end] for line in subject.lines)
    return new if not told or digits == re.findall(r"\d+", new) else new + "_".join(digits)


def _told(text: str, old: str, new: str) -> str:
    """A text that asks, with the function's other name."""
    return edited(text, mentioned(text, 0, len(text), {old: new}, is_telling(old), frozenset()))


def misleading(name: str, language: str, random: Random, severity: int) -> str | None:
    """A name that says something else."""
    other = [each for each in words.MISLEADING if not set(each) & set(words.parts_of(name))]
    return words.like(random.choice(other), name, language)


def neutral(name: str, language: str, random: Random, severity: int) -> str | None:
    """A name that says nothing."""
    return words.like([random.choice(words.NEUTRAL)], name, language)


def meaningless(name: str, language: str, random: Random, severity: int) -> str | None:
    """A name that means nothing."""
    return words.like([random.choice((words.nonsense, words.gibberish))(random)], name, language)


def _of_parts(
    change: Callable[[Sequence[str], Random], list[str] | None], name: str, language: str, random: Random
) -> str | None:
    parts = change(words.parts_of(name), random)
    return None if parts is None else words.like(parts, name, language)


def synonym(name: str, language: str, random: Random, severity: int) -> str | None:
    """The name with a synonym for one of its words."""
    return _of_parts(words.synonym_of, name, language, random)


def inflection(name: str, language: str, random: Random, severity: int) -> str | None:
    """The name with one of its words in another form."""
    return _of_parts(words.inflection_of, name, language, random)


def camel(name: str, language: str, random: Random, severity: int) -> str | None:
    """The name in camel case if it is in snake case, and the other way round."""
    return words.other_style(name)


def typo(name: str, language: str, random: Random, severity: int) -> str | None:
    """The name with as many letters mistyped as the severity says."""
    return words.with_typos(name, random, severity)


def swapped(name: str, language: str, random: Random, severity: int) -> str | None:
    """The name with as many pairs of letters swapped as the severity says."""
    return words.with_swaps(name, random, severity)
