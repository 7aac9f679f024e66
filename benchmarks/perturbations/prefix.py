"""Given code: the first half of the solution, and what can stand in it."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import tree_sitter

from benchmarks.code_grammars import parsed
from benchmarks.perturbations.perturbation import HALF, Perturbation
from benchmarks.perturbations.subject import Subject
from benchmarks.problem import Problem

_BODIES = frozenset({"block", "compound_statement", "statement_block", "statement_list", "switch_block", "function_body"})
_LANGUAGES = ("python", "cpp", "java", "javascript", "go", "rust")


def half_solution(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Give the first half of the reference's lines, up to where a statement begins (ReCode's partial prompts)."""
    if not subject.joined:
        return None
    at = half_of(subject)
    return None if at is None else subject.with_source(subject.source, at)


def half_of(subject: Subject) -> int | None:
    """Where in `source` the second half of the solution begins; None if the solution has only one statement."""
    starts = sorted(set(statement_lines(subject.source, subject.language)))
    inside = [at for at in starts if at >= subject.split][1:]
    if not inside:
        return None
    lines = subject.source.count("\n", subject.split)
    return min(inside, key=lambda at: abs(2 * subject.source.count("\n", subject.split, at) - lines))


def statement_lines(source: str, language: str) -> Iterator[int]:
    """Beginnings of the lines that begin with a statement within a body, in characters."""
    data = source.encode()
    for node in _statements(parsed(language, data).root_node):
        begin = data.rfind(b"\n", 0, node.start_byte) + 1
        if not data[begin : node.start_byte].strip():
            yield len(data[:begin].decode())


def _statements(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    for child in node.children:
        if node.type in _BODIES and child.is_named and "comment" not in child.type:
            yield child
        yield from _statements(child)


TABLE: tuple[Perturbation, ...] = (
    Perturbation(
        name=HALF,
        family="prefix",
        summary="the first half of the solution is given",
        apply=half_solution,
        source="ReCode (2212.10264), partial code",
        languages=_LANGUAGES,
        keeps=frozenset({"prose", "examples", "numbers"}),
    ),
)
