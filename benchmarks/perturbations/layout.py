"""Given code laid out in another way, with the same syntax tree."""

from __future__ import annotations

from functools import partial
from random import Random

from benchmarks.perturbations.layout_python import PYTHON_LAYOUT
from benchmarks.perturbations.perturbation import CODE_ONLY, HALF, Keeps, Perturbation
from benchmarks.perturbations.subject import Subject
from benchmarks.perturbations.syntax_trees import TREE_LANGUAGES, TREE_LAYOUT, TREE_SYNTAX
from benchmarks.problem import Problem

# Parentheses change the trees of those languages, but not Python's.
_TREES = {**TREE_SYNTAX, **TREE_LAYOUT}
_SITES = ("one place", "two places", "all places")
_RECODE = "ReCode (2212.10264)"


def _apply(name: str, subject: Subject, random: Random, severity: int) -> Problem | None:
    """Change a subject as its language needs it."""
    table = PYTHON_LAYOUT if subject.language == "python" else _TREES
    return table[name](subject, random, severity)


def _row(
    name: str,
    summary: str,
    source: str,
    scale: tuple[str, str, str] | None = None,
    keeps: frozenset[Keeps] = CODE_ONLY,
) -> Perturbation:
    python = ("python",) if name in PYTHON_LAYOUT else ()
    return Perturbation(
        name=name,
        family="syntax",
        summary=summary,
        apply=partial(_apply, name),
        source=source,
        keeps=keeps,
        languages=(*python, *TREE_LANGUAGES.get(name, ())),
        scale=scale,
        baseline=HALF,
    )


TABLE: tuple[Perturbation, ...] = (
    _row(
        "comment_noise", "comments that say nothing stand before given statements", "codeassay", ("one", "three", "six")
    ),
    _row("docstring_to_comments", "the docstring becomes comments", _RECODE, keeps=frozenset()),
    _row("line_splits", "given expressions are broken over lines within brackets", _RECODE, _SITES),
    _row("redundant_parentheses", "given values get parentheses that they need not", "codeassay", _SITES),
    _row("tabs", "code is indented by tabs", _RECODE),
    _row("indent_two", "code is indented by two blanks", "codeassay"),
    _row("blank_lines", "empty lines stand before given statements", _RECODE, _SITES),
    _row(
        "trailing_spaces",
        "given lines end in blanks",
        "codeassay",
        ("a quarter of lines", "half of lines", "all lines"),
    ),
    _row("quotes", "given strings get the other kind of quotes", "codeassay", _SITES),
    _row("crlf", "lines end in carriage return and line feed", "codeassay"),
)
