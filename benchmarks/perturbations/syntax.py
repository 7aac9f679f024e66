"""Given code written in another way, with another syntax tree and the same meaning."""

from __future__ import annotations

from functools import partial
from random import Random

from benchmarks.perturbations.perturbation import CODE_ONLY, HALF, Perturbation
from benchmarks.perturbations.subject import Subject
from benchmarks.perturbations.syntax_python import PYTHON_SYNTAX
from benchmarks.perturbations.syntax_trees import TREE_LANGUAGES, TREE_SYNTAX
from benchmarks.problem import Problem

_SITES = ("one place", "two places", "all places")
_BLOCKS = ("one", "two", "four")
_RECODE = "ReCode (2212.10264)"


def _apply(name: str, subject: Subject, random: Random, severity: int) -> Problem | None:
    """Change a subject as its language needs it."""
    table = PYTHON_SYNTAX if subject.language == "python" else TREE_SYNTAX
    return table[name](subject, random, severity)


def _row(name: str, summary: str, source: str, scale: tuple[str, str, str] = _SITES) -> Perturbation:
    python = ("python",) if name in PYTHON_SYNTAX else ()
    return Perturbation(
        name=name,
        family="syntax",
        summary=summary,
        apply=partial(_apply, name),
        source=source,
        keeps=CODE_ONLY,
        languages=(*python, *TREE_LANGUAGES.get(name, ())),
        scale=scale,
        baseline=HALF,
        restructures=True,
    )


TABLE: tuple[Perturbation, ...] = (
    _row("dead_code", "blocks that never run stand before given statements", _RECODE, _BLOCKS),
    _row("unused_variable", "variables that nothing reads are assigned between given statements", "codeassay", _BLOCKS),
    _row("for_to_while", "given `for` loops are written as `while`", _RECODE),
    _row("operand_swap", "given `a < b` is written `b > a`, `a == b` is written `b == a`", _RECODE),
    _row("de_morgan", "given `and` and `or` are exchanged by De Morgan's laws", "codeassay"),
    _row("if_else_inversion", "given `if c: A else: B` is written `if not c: B else: A`", "codeassay"),
    _row("augmented_assignment", "given `x += 1` is written `x = x + 1`, or the other way round", "codeassay"),
    _row("ternary", "given branches become conditional expressions, or the other way round", "codeassay"),
    _row("type_hints", "given type hints are left out, or added to variables", "codeassay"),
)
