"""A Python subject taken apart by libcst: nodes with their places in the source, and sites that edits may take.

A site is the edits of one change. Sites lie wholly in the given code, so that the rest of the solution stays as it is.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Callable, Iterable, Iterator
from random import Random
from weakref import WeakKeyDictionary

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from benchmarks.extraction import parse
from benchmarks.perturbations.prose import Span
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.problem import Problem

Site = tuple[Edit, ...]
"""Edits that belong together, in order."""
_LINE = re.compile(r"\r\n?|\n")
_NUM_SITES = {1: 1, 2: 2}
"""By severity; at 3 it is all sites."""


class PythonTree:
    """The program of one subject. Nothing here changes after it is made; offsets are those of its source."""

    def __init__(self, source: str, split: int, module: cst.Module, bare: ast.Module) -> None:
        """Hold a program.

        Args:
            source: prompt and reference.
            split: where the prompt ends.
            module: the source parsed by libcst.
            bare: the same by `ast`.
        """
        self.source = source
        self.split = split
        self._lines = [0, *(match.end() for match in _LINE.finditer(source))]
        wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
        self._ranges: dict[cst.CSTNode, CodeRange] = dict(wrapper.resolve(PositionProvider))
        self._parents: dict[cst.CSTNode, cst.CSTNode] = {}
        self.nodes: tuple[cst.CSTNode, ...] = tuple(self._walk(module))
        """All but white space, parents first."""
        self.bindings: tuple[tuple[int, str], ...] = tuple(self._bindings(bare))
        """Where a name is given a value, and which name."""
        self.shared: frozenset[str] = frozenset(
            name for node in ast.walk(bare) if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names
        )
        """Names that functions share by `global` or `nonlocal`."""
        self.words: frozenset[str] = frozenset(re.findall(r"[^\W\d]\w*", source))
        self.sites: dict[Callable[[PythonTree], Iterable[Site]], tuple[Site, ...]] = {}

    def _walk(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        for child in node.children:
            if not isinstance(child, cst.BaseParenthesizableWhitespace | cst.TrailingWhitespace | cst.EmptyLine):
                self._parents[child] = node
                yield child
                yield from self._walk(child)

    def _bindings(self, bare: ast.Module) -> Iterator[tuple[int, str]]:
        for node in ast.walk(bare):
            for name in _bound(node):
                yield self._place(getattr(node, "lineno", 1), getattr(node, "col_offset", 0)), name

    def _place(self, line: int, column: int) -> int:
        """From line and column as `ast` counts, in bytes."""
        begin = self._lines[line - 1]
        return begin + len(self.source[begin : begin + column].encode()[:column].decode(errors="ignore"))

    def start(self, node: cst.CSTNode) -> int:
        """Where a node begins, without parentheses around it."""
        at = self._ranges[node].start
        return self._lines[at.line - 1] + at.column

    def end(self, node: cst.CSTNode) -> int:
        """Where a node ends, without parentheses around it."""
        at = self._ranges[node].end
        return self._lines[at.line - 1] + at.column

    def outer(self, node: cst.BaseExpression) -> tuple[int, int]:
        """Where an expression begins and ends with its parentheses."""
        start, end = self.start(node), self.end(node)
        for _ in node.lpar:
            start = self.source.rindex("(", 0, start)
        for _ in node.rpar:
            end = self.source.index(")", end) + 1
        return start, end

    def text(self, node: cst.BaseExpression) -> str:
        """An expression with its parentheses."""
        start, end = self.outer(node)
        return self.source[start:end]

    def slice(self, node: cst.CSTNode) -> str:
        """A node without parentheses around it."""
        return self.source[self.start(node) : self.end(node)]

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """The node around it; None for the module's own statements."""
        return self._parents.get(node)

    def above(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """All nodes around it, nearest first."""
        while (up := self._parents.get(node)) is not None:
            yield up
            node = up

    def line(self, at: int) -> int:
        """Where the line of a place begins."""
        return max(self.source.rfind("\n", 0, at), self.source.rfind("\r", 0, at)) + 1

    def indent(self, at: int) -> str:
        """White space at the beginning of a place's line."""
        begin = self.line(at)
        return self.source[begin : begin + len(self.source[begin:at]) - len(self.source[begin:at].lstrip())]

    @property
    def unit(self) -> str:
        """One level of indentation."""
        return "\t" if "\n\t" in self.source else "    "

    def colon(self, test: cst.BaseExpression) -> int | None:
        """Where the colon after a header's last expression ends; None if more than blanks stand between."""
        match = re.compile(r"[ \t]*:").match(self.source, self.outer(test)[1])
        return match.end() if match else None

    def function(self, node: cst.CSTNode) -> cst.FunctionDef | None:
        """The function whose own code a node is; None in classes and modules."""
        owner = next((up for up in self.above(node) if isinstance(up, cst.FunctionDef | cst.ClassDef)), None)
        return owner if isinstance(owner, cst.FunctionDef) else None

    def statements(self) -> Iterator[cst.CSTNode]:
        """Given statements in bodies of functions that begin their line, without docstrings."""
        for node in self.nodes:
            block = self.parent(node)
            if not isinstance(block, cst.IndentedBlock) or not isinstance(node, cst.BaseStatement):
                continue
            is_given = self.start(node) < self.split and self.function(node) is not None
            if is_given and not is_docstring(node, block, self.parent(block)):
                yield node

    def bound_in(self, start: int, end: int) -> frozenset[str]:
        """Names that are given a value between two places."""
        return frozenset(name for at, name in self.bindings if start <= at < end)

    def fresh(self, wanted: Iterable[str]) -> Iterator[str]:
        """Names that the program has not, for ever: those wanted first, then with numbers."""
        wanted = tuple(wanted)
        number = 1
        while True:
            for name in wanted:
                full = name if number == 1 else f"{name}_{number}"
                if full not in self.words and not keyword.iskeyword(full) and not hasattr(builtins, full):
                    yield full
            number += 1


def _bound(node: ast.AST) -> tuple[str, ...]:
    """Names to which one node gives a value, its children aside."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            return (name,)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return (name,)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return (name,)
        case ast.MatchMapping(rest=str(name)):
            return (name,)
        case ast.alias(name=name, asname=alias):
            return ((alias or name).split(".")[0],)
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return tuple(names)
    return ()


_TREES: WeakKeyDictionary[Subject, PythonTree | None] = WeakKeyDictionary()


def tree_of(subject: Subject) -> PythonTree | None:
    """The subject's program, parsed once; None where it is no Python, does not parse, or no code is given."""
    if subject not in _TREES:
        _TREES[subject] = _parsed(subject)
    return _TREES[subject]


def _parsed(subject: Subject) -> PythonTree | None:
    bare = parse(subject.source) if subject.joined and subject.language == "python" else None
    if bare is None:
        return None
    try:
        module = cst.parse_module(subject.source)
    except (cst.ParserSyntaxError, RecursionError):
        return None
    return PythonTree(subject.source, subject.split, module, bare) if module.code == subject.source else None


def is_docstring(node: cst.CSTNode, block: cst.IndentedBlock, owner: cst.CSTNode | None) -> bool:
    """Whether a statement is the docstring of the function or class around it."""
    if not isinstance(owner, cst.FunctionDef | cst.ClassDef) or node is not block.body[0]:
        return False
    return isinstance(node, cst.SimpleStatementLine) and isinstance(only_expression(node), cst.BaseString)


def only_expression(node: cst.SimpleStatementLine) -> cst.BaseExpression | None:
    """The expression that a line consists of; None if it is something else."""
    first = node.body[0] if len(node.body) == 1 else None
    return first.value if isinstance(first, cst.Expr) else None


def site_span(site: Site) -> Span:
    """From its first edit to its last."""
    return Span(min(edit.start for edit in site), max(edit.end for edit in site))


def chosen(sites: Iterable[Site], random: Random, num_sites: int | None) -> list[Edit]:
    """Edits of sites that do not overlap: so many drawn at random, or all, in order, if None."""
    every = list(sites)
    taken: list[tuple[Span, Site]] = []
    for site in every if num_sites is None else random.sample(every, len(every)):
        span = site_span(site)
        if len(taken) != num_sites and all(span.end <= other.start or other.end <= span.start for other, _ in taken):
            taken.append((span, site))
    return [edit for _, site in sorted(taken, key=lambda each: each[0].start) for edit in site]


def rewritten(
    subject: Subject, random: Random, severity: int, find: Callable[[PythonTree], Iterable[Site]]
) -> Problem | None:
    """The problem with one, two or all sites changed, as severity says.

    Args:
        subject: with half of its solution given.
        random: draws the sites.
        severity: how many.
        find: names all sites of a tree; those that reach beyond the given code are left out here.
    """
    tree = tree_of(subject)
    if tree is None:
        return None
    if find not in tree.sites:
        spans = [(site_span(site), site) for site in find(tree)]
        given = [each for each in spans if each[0].end <= tree.split and each[0].start < tree.split]
        tree.sites[find] = tuple(site for _, site in sorted(given, key=lambda each: (each[0].start, -each[0].end)))
    return subject.with_edits(chosen(tree.sites[find], random, _NUM_SITES.get(severity)))
