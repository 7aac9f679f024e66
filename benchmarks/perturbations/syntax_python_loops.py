"""Python loops over `range` and over collections written as `while`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from benchmarks.perturbations.subject import Edit
from benchmarks.perturbations.syntax_python_tree import PythonTree, Site

_COUNTERS = ("index", "position", "counter", "cursor", "place")
_LIMITS = ("limit", "bound", "upper", "finish")
_ITEMS = ("items", "elements", "entries", "members")
_INDEXED = ("List", "list", "str", "Tuple", "tuple", "Sequence", "typing.List")
_FINITE = frozenset({"sorted", "list", "reversed", "set", "str", "zip", "enumerate", "tuple"})
"""Functions whose results end, and can be listed at once."""
_FINITE_METHODS = frozenset({"split", "keys", "values", "items", "lower", "upper", "strip"})
_LAZY = frozenset({"iter", "map", "filter", "zip", "open", "enumerate", "reversed"})
"""Functions whose results can be read only once."""
_READERS = frozenset({"len", "sum", "max", "min", "sorted", "enumerate", "range", "abs", "str", "list", "set", "zip"})


@dataclass(frozen=True, slots=True)
class _Names:
    """Where new names come from."""

    counters: Iterator[str]
    limits: Iterator[str]
    items: Iterator[str]


def for_to_while(tree: PythonTree) -> Iterator[Site]:
    """A loop over `range` or a collection becomes `while`, with a counter of its own that grows at once.

    What bounds the loop is computed once before it, unless it is a number or a variable that the loop leaves alone; so
    `continue`, `else`, and uses of the loop variable within or after the loop keep their meaning.
    """
    names = _Names(tree.fresh(_COUNTERS), tree.fresh(_LIMITS), tree.fresh(_ITEMS))
    bound = tree.bound_in(0, len(tree.source))
    for node in tree.nodes:
        if not isinstance(node, cst.For) or node.asynchronous or not isinstance(node.body, cst.IndentedBlock):
            continue
        colon, function = tree.colon(node.iter), tree.function(node)
        if colon is None or function is None or "\n" in tree.source[tree.start(node) : colon]:
            continue
        head = None if "range" in bound else _range_head(tree, node, names)
        if head is None and not bound & {"len", "enumerate", "list"}:
            head = _item_head(tree, node, function, names) or _listed_head(tree, node, names)
        if head is not None:
            inner = tree.indent(tree.start(node.body.body[0]))
            joined = f"\n{tree.indent(tree.start(node))}".join(head[0]) + "".join(
                f"\n{inner}{line}" for line in head[1]
            )
            yield (Edit(tree.start(node), colon, joined),)


_Head = tuple[list[str], list[str]]
"""Lines up to the loop's head, and first lines of its body."""


def _range_head(tree: PythonTree, node: cst.For, names: _Names) -> _Head | None:
    call = node.iter
    if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Name) or call.func.value != "range":
        return None
    args = [arg.value for arg in call.args if not arg.star and not arg.keyword]
    step = tree.text(args[2]) if len(args) == 3 else "1"
    if not args or len(args) != len(call.args) or not step.removeprefix("-").isdigit() or not step.strip("-0"):
        return None
    if any(isinstance(arg, cst.NamedExpr | cst.GeneratorExp | cst.Yield) for arg in args):
        return None
    counter, start = next(names.counters), "0" if len(args) == 1 else tree.text(args[0])
    lines, stop = [f"{counter} = {start}"], args[0] if len(args) == 1 else args[1]
    limit = tree.text(stop)
    if not _is_fixed(stop, tree.bound_in(tree.start(node), tree.end(node)) | tree.shared):
        limit = next(names.limits)
        lines.append(f"{limit} = {tree.text(stop)}")
    down = step.startswith("-")
    lines.append(f"while {counter} {'>' if down else '<'} {limit}:")
    return lines, [f"{tree.text(node.target)} = {counter}", f"{counter} {'-=' if down else '+='} {step.strip('-')}"]


def _is_fixed(node: cst.BaseExpression, bound: frozenset[str]) -> bool:
    """Whether a bound is the same whenever it is computed: whole numbers and variables that the loop does not bind."""
    match node:
        case cst.Integer():
            return True
        case cst.UnaryOperation(operator=cst.Minus(), expression=inner):
            return _is_fixed(inner, bound)
        case cst.Name(value=name):
            return name not in bound
        case cst.BinaryOperation(left=left, right=right):
            return _is_fixed(left, bound) and _is_fixed(right, bound)
    return False


def _item_head(tree: PythonTree, node: cst.For, function: cst.FunctionDef, names: _Names) -> _Head | None:
    items, counts = node.iter, False
    if isinstance(items, cst.Call) and isinstance(items.func, cst.Name) and items.func.value == "enumerate":
        counts = True
        items = items.args[0].value if len(items.args) == 1 and not items.args[0].star else items
    if not isinstance(items, cst.Name) or not _is_indexed(tree, function, items.value):
        return None
    counter = next(names.counters)
    item = f"{items.value}[{counter}]"
    value = f"{counter}, {item}" if counts else item
    return [f"{counter} = 0", f"while {counter} < len({items.value}):"], [
        f"{tree.text(node.target)} = {value}",
        f"{counter} += 1",
    ]


def _is_indexed(tree: PythonTree, function: cst.FunctionDef, name: str) -> bool:
    """Whether a name is a parameter that is said to be a list or a string, and nothing else."""
    bindings = [at for at, bound in tree.bindings if bound == name and tree.start(function) <= at < tree.end(function)]
    for param in function.params.params:
        if param.name.value == name and param.annotation is not None and len(bindings) == 1:
            hint = tree.text(param.annotation.annotation)
            return hint.split("[")[0] in _INDEXED and name not in tree.shared
    return False


def _listed_head(tree: PythonTree, node: cst.For, names: _Names) -> _Head | None:
    """For a collection of any kind: it is listed before the loop, which must not change it."""
    over = node.iter
    if isinstance(over, cst.Call):
        func = over.func
        known = func.value in _FINITE if isinstance(func, cst.Name) else False
        known = known or (isinstance(func, cst.Attribute) and func.attr.value in _FINITE_METHODS)
    else:
        known = isinstance(over, cst.Name | cst.Subscript)
    if not known or not _is_left_alone(tree, node, frozenset(_names_in(tree, over))):
        return None
    items, counter = next(names.items), next(names.counters)
    lines = [f"{items} = list({tree.text(over)})", f"{counter} = 0", f"while {counter} < len({items}):"]
    return lines, [f"{tree.text(node.target)} = {items}[{counter}]", f"{counter} += 1"]


def _names_in(tree: PythonTree, node: cst.CSTNode) -> Iterator[str]:
    for each in tree.nodes:
        if isinstance(each, cst.Name) and tree.start(node) <= tree.start(each) < tree.end(node):
            yield each.value


def _is_left_alone(tree: PythonTree, loop: cst.For, over: frozenset[str]) -> bool:
    """Whether the loop's body does no more than read these names, and none of them can be read only once."""
    body = tree.start(loop.body), tree.end(loop)
    for node in tree.nodes:
        if isinstance(node, cst.Name) and node.value in over and body[0] <= tree.start(node) < body[1]:
            if not _is_read(tree, node):
                return False
        elif isinstance(node, cst.Assign) and any(isinstance(each.target, cst.Name) for each in node.targets):
            is_lazy = isinstance(node.value, cst.GeneratorExp)
            called = node.value.func if isinstance(node.value, cst.Call) else None
            is_lazy = is_lazy or (isinstance(called, cst.Name) and called.value in _LAZY)
            if is_lazy and any(each.target.value in over for each in node.targets if isinstance(each.target, cst.Name)):
                return False
    return not over & tree.shared


def _is_read(tree: PythonTree, node: cst.Name) -> bool:
    """Whether a name is read in a way that cannot change what it holds: indexed, compared, or given to a builtin."""
    up = tree.parent(node)
    if isinstance(up, cst.Subscript) and up.value is node:
        return not isinstance(tree.parent(up), cst.AssignTarget | cst.AugAssign | cst.Del | cst.Attribute)
    if isinstance(up, cst.Arg):
        call = tree.parent(up)
        return isinstance(call, cst.Call) and isinstance(call.func, cst.Name) and call.func.value in _READERS
    return isinstance(up, cst.Comparison | cst.ComparisonTarget | cst.FormattedStringExpression) or (
        isinstance(up, cst.Call) and up.func is node
    )
