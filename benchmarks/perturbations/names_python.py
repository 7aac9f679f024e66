"""Where the names of a Python program stand, by libcst's analysis of scopes, and its other texts, token by token."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator

import libcst as cst
from libcst.metadata import (
    Assignment,
    ByteSpanPositionProvider,
    ComprehensionScope,
    FunctionScope,
    MetadataWrapper,
    Scope,
    ScopeProvider,
)

from benchmarks.extraction import parse
from benchmarks.perturbations.name_places import Names, Place, Variable

_SEES_NAMES = re.compile(r"\b(?:locals|globals|vars|eval|exec|inspect|getattr|__code__|__annotations__)\b")
_Defined = cst.FunctionDef | cst.ClassDef


def names_of(source: str, entry_point: str, tests: Iterable[str]) -> Names:
    """The names of a program; none where it does not parse or does not define the entry point at its top."""
    try:
        module = cst.parse_module(source)
    except cst.ParserSyntaxError:
        return Names()
    if module.encoding.lower().replace("-", "") != "utf8":
        return Names()
    return _Program(source, module, entry_point, tuple(tests)).names()


class _Program:
    def __init__(self, source: str, module: cst.Module, entry_point: str, tests: tuple[str, ...]) -> None:
        self.source, self.entry_point, self.tests = source, entry_point, tests
        self.module = module
        wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
        self.spans = wrapper.resolve(ByteSpanPositionProvider)
        self.scopes = wrapper.resolve(ScopeProvider)
        self.data = None if source.isascii() else source.encode()

    def names(self) -> Names:
        heads = [
            node for node in self.module.body if isinstance(node, _Defined) and node.name.value == self.entry_point
        ]
        scope = self.scopes.get(self.module)
        if not heads or scope is None:
            return Names()
        function = self._variable(self.entry_point, [scope], self.module)
        places = function.places if function else ()
        head = heads[-1]
        hidden = _SEES_NAMES.search(self.source) or (function is None)
        if hidden or not isinstance(head, cst.FunctionDef) or len(heads) > 1:
            return Names(places)
        own = self.scopes.get(head.body)
        if not isinstance(own, FunctionScope):
            return Names(places)
        parameters = tuple(self._parameters(head, own))
        return Names(places, parameters, tuple(self._locals(head, own)))

    def _parameters(self, head: cst.FunctionDef, scope: Scope) -> Iterator[Variable]:
        calls = [node.keyword for node in self.spans if isinstance(node, cst.Arg)]
        tested = _keywords(self.tests)
        if tested is None or any(_SEES_NAMES.search(test) for test in self.tests):
            return
        keywords = {keyword.value for keyword in calls if keyword} | tested
        unclear = self._unclear(head)
        for name in _parameter_names(head):
            variable = self._variable(name, [scope], head)
            if variable is not None and name not in keywords and name not in {"self", "cls", "_", *unclear}:
                yield variable

    def _locals(self, head: cst.FunctionDef, scope: FunctionScope) -> Iterator[Variable]:
        """Of the function, of its comprehensions, and none that two of these have, each as one."""
        scopes: list[Scope] = [scope, *self._comprehensions(scope)]
        given = set(_parameter_names(head))
        found = [self._variable(name, [each], head) for each in scopes for name in sorted(_own_names(each))]
        variables = [each for each in found if each and each.name not in given and not each.name.startswith("_")]
        merged: dict[str, set[Place]] = {}
        for variable in variables:
            merged.setdefault(variable.name, set()).update(variable.places)
        unclear = self._unclear(head)
        whole = [
            Variable(name, tuple(sorted(places)))
            for name, places in merged.items()
            if name not in unclear or len(places) == unclear[name]
        ]
        yield from sorted(whole, key=lambda each: each.places[0].start)

    def _unclear(self, head: cst.CSTNode) -> dict[str, int]:
        """Names that comprehensions with two loops bind, and how often each stands: libcst mistakes some for others."""
        loops = [node for node in _below(head) if isinstance(node, cst.CompFor) and node.inner_for_in]
        bound = {name.value for loop in loops for name in _below(loop) if isinstance(name, cst.Name)}
        said = [node.value for node in _below(head) if isinstance(node, cst.Name)] if bound else []
        return {name: said.count(name) for name in bound}

    def _comprehensions(self, scope: Scope) -> Iterator[Scope]:
        seen: dict[int, Scope] = {}
        for each in self.scopes.values():
            if isinstance(each, ComprehensionScope):
                seen[id(each)] = each
        for each in seen.values():
            above: Scope = each
            while isinstance(above, ComprehensionScope):
                above = above.parent
            if above is scope:
                yield each

    def _variable(self, name: str, scopes: Iterable[Scope], within: cst.CSTNode) -> Variable | None:
        """A name that these scopes bind; None where something binds it that cannot be renamed, as an import does."""
        nodes: list[cst.CSTNode] = []
        for scope in scopes:
            for assignment in _own(scope, name):
                if type(assignment) is not Assignment:
                    return None
                nodes.append(assignment.node)
                nodes += [access.node for access in assignment.references]
        shared = list(_shared(within, name))
        bound = [node.name if isinstance(node, _Defined | cst.Param) else node for node in nodes] + shared
        if not nodes or not all(isinstance(node, cst.Name) and node.value == name for node in bound):
            return None
        # A name that is said to be global or nonlocal may be one of another scope of that name.
        if shared and len({id(each) for each in self.scopes.values() if each and _own(each, name)}) > 1:
            return None
        return Variable(name, tuple(sorted({self._place(node) for node in bound})))

    def _place(self, node: cst.CSTNode) -> Place:
        span = self.spans[node]
        start, end = span.start, span.start + span.length
        if self.data is None:
            return Place(start, end)
        first = len(self.data[:start].decode())
        return Place(first, first + len(self.data[start:end].decode()))


def _own(scope: Scope, name: str) -> list[object]:
    return [each for each in scope.assignments if each.name == name and each.scope is scope]


def _own_names(scope: Scope) -> set[str]:
    return {each.name for each in scope.assignments if each.scope is scope and "." not in each.name}


def _shared(node: cst.CSTNode, name: str) -> Iterator[cst.Name]:
    """Mentions of a name in statements `global` and `nonlocal`."""
    for child in node.children:
        if isinstance(child, cst.Global | cst.Nonlocal):
            yield from (item.name for item in child.names if item.name.value == name)
        elif not isinstance(child, cst.BaseExpression):
            yield from _shared(child, name)


def _below(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _below(child)


def _parameter_names(head: cst.FunctionDef) -> list[str]:
    given = head.params
    every = [*given.posonly_params, *given.params, given.star_arg, *given.kwonly_params, given.star_kwarg]
    return [each.name.value for each in every if isinstance(each, cst.Param)]


def _keywords(tests: Iterable[str]) -> set[str] | None:
    """Names that calls in the tests give as keywords; None where that cannot be told."""
    trees = [parse(test) for test in tests]
    if any(tree is None for tree in trees):
        return None
    given = {node.arg for tree in trees if tree for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    return None if None in given else {name for name in given if name}


def mentions(text: str, names: Iterable[str]) -> dict[str, tuple[Place, ...]] | None:
    """Where these names stand as variables in tests or fragments; None if the text cannot be read.

    Attributes of that name, keywords of calls and strings are none; a formatted string with the name cannot be read.
    """
    wanted = frozenset(names)
    starts = [0, *(match.end() for match in re.finditer(r"\r\n?|\n", text))]
    found: dict[str, list[Place]] = {name: [] for name in wanted}
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text, newline="").readline))
    except (tokenize.TokenError, SyntaxError):
        return None
    depth = 0
    for before, token, after in zip([tokens[0], *tokens], tokens, [*tokens[1:], tokens[-1]], strict=False):
        depth += (token.string in ("(", "[", "{")) - (token.string in (")", "]", "}"))
        if token.type == tokenize.STRING and _formats(token.string, wanted):
            return None
        if token.type != tokenize.NAME or token.string not in wanted or before.string == ".":
            continue
        if not (depth and after.string == "="):
            start = starts[token.start[0] - 1] + token.start[1]
            found[token.string].append(Place(start, start + len(token.string)))
    return {name: tuple(places) for name, places in found.items()}


def _formats(literal: str, names: frozenset[str]) -> bool:
    quote = min(at for at in (literal.find("'"), literal.find('"')) if at >= 0)
    return "f" in literal[:quote].lower() and any(re.search(rf"\b{name}\b", literal) for name in names)
