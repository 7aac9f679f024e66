"""What of a variant can be checked without running it: it differs, it is new, it parses, and what it keeps is kept."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from benchmarks.code_grammars import syntax_tree
from benchmarks.extraction import parse
from benchmarks.perturbations.perturbation import Keeps, Perturbation
from benchmarks.perturbations.subject import Subject
from benchmarks.problem import Problem

Reason = Literal["kept", "not_applicable", "vacuous", "duplicate", "invalid"]
REASONS: tuple[Reason, ...] = ("kept", "not_applicable", "vacuous", "duplicate", "invalid")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether a variant counts, and why not."""

    reason: Reason
    detail: str = ""


KEPT = Finding("kept")


def check(perturbation: Perturbation, before: Subject, variant: Problem) -> Finding:
    """Hold a variant against what it was made from: does it parse, is everything kept that must be, did code change.

    Whether its prompt differs from the baseline's and from its siblings' is for the caller, who knows the form.
    """
    after = Subject(variant, before.language)
    broken = unparsable(after)
    if broken:
        return Finding("invalid", broken)
    for kept in sorted(perturbation.keeps):
        if list(_KEPT[kept](before)) != list(_kept_after(kept, before, after)):
            return Finding("invalid", f"its {kept} changed")
    if perturbation.restructures and same_structure(before, after):
        return Finding("vacuous", "the syntax tree is the same")
    return KEPT


def unparsable(subject: Subject) -> str:
    """Why the reference program or, in Python, a test does not parse; empty if all do.

    Other languages than Python are parsed by tree-sitter, which accepts more than a compiler; their tests are run.
    """
    problem = subject.problem
    if problem.reference is None:
        return ""
    if subject.language == "python":
        for what, text in (("reference", subject.source), *(("test", test) for test in problem.tests)):
            if parse(text) is None:
                return f"its {what} does not parse"
    return ""


def same_structure(before: Subject, after: Subject) -> bool:
    """Whether two reference programs have one syntax tree, comments and docstrings aside."""
    return structure(before.source, before.language) == structure(after.source, after.language)


def structure(source: str, language: str) -> str:
    """The syntax tree of a program in words, without comments, docstrings and layout; the text where none parses it."""
    if language == "python":
        tree = parse(source)
        return source if tree is None else ast.dump(_without_docstrings(tree))
    nodes = syntax_tree(language, source)
    return source if nodes is None else repr([(node.kind, node.variable) for node in nodes]) + _tokens(source)


def _tokens(source: str) -> str:
    """What is left of C-like code without comments and white space."""
    bare = re.sub(r"/\*.*?\*/|//[^\n]*", "", source, flags=re.DOTALL)
    return re.sub(r"\s+", " ", bare)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    owners = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in ast.walk(tree):
        if isinstance(node, owners) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def _code(subject: Subject) -> Iterator[str]:
    """The prompt outside its descriptions."""
    prompt, at = subject.problem.prompt, 0
    for span in subject.descriptions:
        yield prompt[at : span.start]
        at = span.end
    yield prompt[at:]


def _examples(subject: Subject) -> Iterator[str]:
    """What of the descriptions' lines is no prose, without the blanks around it."""
    prompt = subject.problem.prompt
    ends = {prompt.rfind("\n", 0, line.start) + 1: line.end for line in subject.lines}
    for span in subject.descriptions:
        at = span.start
        for line in prompt[span.start : span.end].splitlines(keepends=True):
            end = ends.get(prompt.rfind("\n", 0, at) + 1)
            shown = line if end is None else prompt[end : at + len(line)]
            if shown.strip():
                yield shown.strip()
            at += len(line)


def _prose(subject: Subject) -> Iterator[str]:
    for line in subject.lines:
        yield subject.problem.prompt[line.start : line.end]


def _numbers(subject: Subject) -> Iterator[str]:
    yield from sorted(_NUMBER.findall(" ".join(_prose(subject))))


def _identifiers(subject: Subject) -> Iterator[str]:
    """Which identifiers the description tells of, each as often as it does."""
    words = Counter(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", " ".join(_prose(subject))))
    yield from sorted(name for name, count in words.items() for _ in range(count) if name in subject.told_names)


_KEPT: dict[Keeps, Callable[[Subject], Iterator[str]]] = {
    "code": _code,
    "examples": _examples,
    "numbers": _numbers,
    "identifiers": _identifiers,
    "prose": _prose,
}


def _kept_after(kept: Keeps, before: Subject, after: Subject) -> Iterator[str]:
    """The same of the variant; identifiers are looked for under the names that the nominal problem has."""
    if kept != "identifiers":
        return _KEPT[kept](after)
    words = Counter(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", " ".join(_prose(after))))
    found = [name for name, count in words.items() for _ in range(count) if name in before.told_names]
    return iter(sorted(found))
