"""Python assignments written in another way: augmented, by conditional expressions, with and without type hints."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from benchmarks.perturbations.subject import Edit
from benchmarks.perturbations.syntax_python_more import is_literal, is_number
from benchmarks.perturbations.syntax_python_tree import PythonTree, Site

_CLOSED = (cst.Name, cst.BaseNumber, cst.SimpleString, cst.Call, cst.Subscript, cst.Attribute, cst.List)
"""Expressions that need no parentheses beside an operator."""
_LITERAL_TYPES: tuple[tuple[type[cst.BaseExpression], str], ...] = (
    (cst.Integer, "int"),
    (cst.Float, "float"),
    (cst.SimpleString, "str"),
    (cst.List, "list"),
    (cst.Dict, "dict"),
)


def augmented_assignment(tree: PythonTree) -> Iterator[Site]:
    """`x += 1` becomes `x = x + 1` and the other way round, where x is a number or a string."""
    for node in tree.nodes:
        if isinstance(node, cst.AugAssign):
            yield from _apart(tree, node)
        elif isinstance(node, cst.Assign) and len(node.targets) == 1 and isinstance(node.value, cst.BinaryOperation):
            yield from _together(tree, node, node.targets[0].target, node.value)


def _apart(tree: PythonTree, node: cst.AugAssign) -> Iterator[Site]:
    sign = tree.slice(node.operator).strip().removesuffix("=")
    if _is_simple(node.target) and _is_number_or_string(tree, node.target, sign, node.value):
        right, target = tree.text(node.value), tree.slice(node.target)
        right = right if isinstance(node.value, _CLOSED) or node.value.lpar else f"({right})"
        yield (Edit(tree.start(node), tree.end(node), f"{target} = {target} {sign} {right}"),)


def _together(
    tree: PythonTree, node: cst.Assign, target: cst.BaseExpression, value: cst.BinaryOperation
) -> Iterator[Site]:
    sign = tree.slice(value.operator).strip()
    is_same = _is_simple(target) and target.deep_equals(value.left) and not value.lpar
    new = f"{tree.slice(target)} {sign}= {tree.text(value.right)}"
    if is_same and "\n" not in new and _is_number_or_string(tree, target, sign, value.right):
        yield (Edit(tree.start(node), tree.end(node), new),)


def _is_simple(node: cst.BaseExpression) -> bool:
    """Whether a target is a name, or an entry of one under a plain key."""
    if isinstance(node, cst.Subscript) and isinstance(node.value, cst.Name) and len(node.slice) == 1:
        part = node.slice[0].slice
        return isinstance(part, cst.Index) and isinstance(part.value, cst.Name | cst.Integer | cst.SimpleString)
    return isinstance(node, cst.Name)


def _is_number_or_string(tree: PythonTree, target: cst.BaseExpression, sign: str, right: cst.BaseExpression) -> bool:
    """Whether a target cannot be changed in place: it meets a number, or began as a literal."""
    if is_number(right) and sign != "*":
        return True
    function = tree.function(target)
    if function is None or not isinstance(target, cst.Name) or target.value in tree.shared:
        return False
    span = tree.start(function), tree.end(function)
    bound = [at for at, name in tree.bindings if name == target.value and span[0] <= at < span[1]]
    plain = [at for at in bound if at in _literal_targets(tree)]
    augmented = [tree.start(node.target) for node in tree.nodes if isinstance(node, cst.AugAssign)]
    return bool(plain) and all(at in plain or at in augmented for at in bound if at != tree.start(target))


def _literal_targets(tree: PythonTree) -> frozenset[int]:
    """Where variables stand to which a number or string is assigned."""
    return frozenset(
        tree.start(each.target)
        for node in tree.nodes
        if isinstance(node, cst.Assign) and is_literal(node.value) and not isinstance(node.value, cst.Name)
        for each in node.targets
    )


def type_hints(tree: PythonTree) -> Iterator[Site]:
    """Hints of parameters and results are left out; variables that begin as a literal are given one."""
    for node in tree.nodes:
        if isinstance(node, cst.Param) and node.annotation is not None:
            yield (Edit(tree.end(node.name), tree.outer(node.annotation.annotation)[1], ""),)
        elif isinstance(node, cst.FunctionDef) and node.returns is not None:
            start, end = tree.outer(node.returns.annotation)
            arrow = tree.source.rindex("->", 0, start)
            yield (Edit(len(tree.source[:arrow].rstrip()), end, ""),)
        elif isinstance(node, cst.Assign) and len(node.targets) == 1 and tree.function(node) is not None:
            target, value = node.targets[0].target, node.value
            hint = next((name for kind, name in _LITERAL_TYPES if isinstance(value, kind)), None)
            is_free = isinstance(target, cst.Name) and not target.lpar and target.value not in tree.shared
            if hint and is_free:
                yield (Edit(tree.end(target), tree.end(target), f": {hint}"),)


def ternary(tree: PythonTree) -> Iterator[Site]:
    """`if c: x = a else: x = b` becomes `x = a if c else b`, and the other way round; `return` likewise."""
    for node in tree.nodes:
        if isinstance(node, cst.If):
            yield from _folded(tree, node)
        elif isinstance(node, cst.Assign | cst.Return | cst.AugAssign) and isinstance(node.value, cst.IfExp):
            yield from _unfolded(tree, node, node.value)


def _folded(tree: PythonTree, node: cst.If) -> Iterator[Site]:
    block = tree.parent(node)
    first, other = _single(node.body), node.orelse
    if not isinstance(block, cst.IndentedBlock) or first is None:
        return
    end: cst.CSTNode = node
    second = _single(other.body) if isinstance(other, cst.Else) else None
    if other is None and isinstance(first, cst.Return):
        place = block.body.index(node) + 1
        follower = block.body[place] if place < len(block.body) else None
        end = follower or node
        second = follower.body[0] if isinstance(follower, cst.SimpleStatementLine) and len(follower.body) == 1 else None
    before, after = _assigned(tree, first), _assigned(tree, second)
    start = tree.start(node)
    if before and after and before[0] == after[0] and "#" not in tree.source[start : tree.end(end)]:
        test = _closed(tree, node.test)
        new = f"{before[0]}{_closed(tree, before[1])} if {test} else {tree.text(after[1])}"
        if "\n" not in new:
            yield (Edit(start, tree.end(end), new),)


def _single(body: cst.BaseSuite) -> cst.BaseSmallStatement | None:
    """The only statement of a block, if it is a small one."""
    if isinstance(body, cst.SimpleStatementSuite):
        return body.body[0] if len(body.body) == 1 else None
    only = body.body[0] if len(body.body) == 1 else None
    return only.body[0] if isinstance(only, cst.SimpleStatementLine) and len(only.body) == 1 else None


def _assigned(tree: PythonTree, node: cst.BaseSmallStatement | None) -> tuple[str, cst.BaseExpression] | None:
    """What stands before a statement's value, and the value; None for other statements than `return` and `x =`."""
    if isinstance(node, cst.Return):
        found = ("return ", node.value) if node.value is not None else None
    elif isinstance(node, cst.Assign) and len(node.targets) == 1 and isinstance(node.targets[0].target, cst.Name):
        found = (f"{node.targets[0].target.value} = ", node.value)
    else:
        found = None
    loose = cst.Tuple | cst.Yield | cst.NamedExpr
    return None if found is None or (isinstance(found[1], loose) and not found[1].lpar) else found


def _closed(tree: PythonTree, node: cst.BaseExpression) -> str:
    """An expression as it may stand before `if` or between `if` and `else`."""
    text = tree.text(node)
    return f"({text})" if isinstance(node, cst.IfExp | cst.Lambda | cst.NamedExpr) and not node.lpar else text


def _unfolded(tree: PythonTree, node: cst.Assign | cst.Return | cst.AugAssign, value: cst.IfExp) -> Iterator[Site]:
    line = tree.parent(node)
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1 or tree.function(node) is None:
        return
    if isinstance(node, cst.AugAssign) and not isinstance(node.target, cst.Name):
        return
    start, end = tree.start(node), tree.end(node)
    head, indent = tree.source[start : tree.outer(value)[0]], tree.indent(start)
    head = head if head.endswith(" ") else f"{head} "
    parts = [tree.text(each) for each in (value.test, value.body, value.orelse)]
    if "\n" not in "".join([head, *parts]):
        inner = f"\n{indent}{tree.unit}{head}"
        yield (Edit(start, end, f"if {parts[0]}:{inner}{parts[1]}\n{indent}else:{inner}{parts[2]}"),)
