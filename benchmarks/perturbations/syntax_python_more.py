"""Python expressions written in another way: swapped operands and De Morgan's laws."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from benchmarks.perturbations.subject import Edit
from benchmarks.perturbations.syntax_python_tree import PythonTree, Site

_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
_OPPOSITE = {"==": "!=", "!=": "==", "in": "not in", "not in": "in", "is": "is not", "is not": "is"}
_ORDER = {"<": ">=", ">": "<=", "<=": ">", ">=": "<"}
_SIMPLE_CALLS = frozenset({"len", "abs", "ord", "chr", "int", "str", "float"})
_CLOSED = (
    cst.Name,
    cst.Attribute,
    cst.Subscript,
    cst.Call,
    cst.List,
    cst.Dict,
    cst.Set,
    cst.BaseNumber,
    cst.SimpleString,
)
"""Expressions that no operator beside them takes apart."""


def operand_swap(tree: PythonTree) -> Iterator[Site]:
    """`a < b` becomes `b > a`, `a == b` becomes `b == a`, `x + 1` becomes `1 + x`; only where order has no effect."""
    for node in tree.nodes:
        if isinstance(node, cst.Comparison) and len(node.comparisons) == 1:
            target = node.comparisons[0]
            sign = _MIRRORED.get(tree.slice(target.operator).strip())
            if sign and _interchangeable(node.left, target.comparator):
                new = f"{tree.text(target.comparator)} {sign} {tree.text(node.left)}"
                yield from _site(tree, node, new)
        elif isinstance(node, cst.BinaryOperation) and _adds_integer(node):
            left = tree.text(node.left)
            left = left if isinstance(node.left, _CLOSED) or node.left.lpar else f"({left})"
            yield from _site(tree, node, f"{tree.text(node.right)} {tree.slice(node.operator).strip()} {left}")


def _adds_integer(node: cst.BinaryOperation) -> bool:
    """Whether it adds or multiplies by a whole number at its right, which can as well stand at its left."""
    if not isinstance(node.operator, cst.Add | cst.Multiply) or not isinstance(node.right, cst.Integer):
        return False
    return _is_pure(node.left) and not isinstance(node.left, cst.Integer)


def _site(tree: PythonTree, node: cst.BaseExpression, new: str) -> Iterator[Site]:
    """Replace an expression but not the parentheses around it; nothing within f-strings or over several lines."""
    old = tree.slice(node)
    if new != old and "\n" not in old + new and not in_f_string(tree, node):
        start, end = tree.start(node), tree.end(node)
        before, after = tree.source[start - 1], tree.source[end : end + 1]
        # `not(a)` and `(a)if b` need a blank where the parenthesis goes.
        new = (" " if _is_letter(before) else "") + new + (" " if _is_letter(after) else "")
        yield (Edit(start, end, new),)


def _is_letter(char: str) -> bool:
    return char.isalnum() or char == "_"


def in_f_string(tree: PythonTree, node: cst.CSTNode) -> bool:
    """Whether an expression stands within a formatted string, where quotes and line ends are not free."""
    return any(isinstance(up, cst.FormattedString) for up in tree.above(node))


def _interchangeable(left: cst.BaseExpression, right: cst.BaseExpression) -> bool:
    """Whether the order in which two operands are computed is without effect, and they do not look alike."""
    if left.deep_equals(right):
        return False
    return is_literal(left) or is_literal(right) or (_is_pure(left) and _is_pure(right))


def is_literal(node: cst.BaseExpression) -> bool:
    """Whether it is a number, perhaps with a sign, a plain string, or None, True or False."""
    if isinstance(node, cst.Name):
        return node.value in {"None", "True", "False"}
    return is_number(node) or isinstance(node, cst.SimpleString)


def is_number(node: cst.BaseExpression) -> bool:
    """Whether it is a number, perhaps with a sign."""
    if isinstance(node, cst.UnaryOperation):
        return isinstance(node.operator, cst.Minus) and is_number(node.expression)
    return isinstance(node, cst.Integer | cst.Float)


def _is_pure(node: cst.BaseExpression) -> bool:
    """Whether computing it has no effect, as far as its form tells."""
    match node:
        case cst.Name() | cst.Integer() | cst.Float() | cst.SimpleString():
            return True
        case cst.Attribute(value=value):
            return _is_pure(value)
        case cst.Subscript(value=value, slice=parts):
            indices = [part.slice.value if isinstance(part.slice, cst.Index) else None for part in parts]
            return _is_pure(value) and all(index is not None and _is_pure(index) for index in indices)
        case cst.Call(func=cst.Name(value=name), args=args):
            return name in _SIMPLE_CALLS and all(
                not arg.star and not arg.keyword and _is_pure(arg.value) for arg in args
            )
        case cst.BinaryOperation(left=left, right=right):
            return _is_pure(left) and _is_pure(right)
        case cst.UnaryOperation(expression=inner, operator=cst.Minus()):
            return _is_pure(inner)
    return False


def negated(tree: PythonTree, node: cst.BaseExpression) -> str:
    """The opposite of a condition, of which only the truth counts; nothing looser than `not` stands outermost."""
    text = tree.text(node)
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not):
        inner = node.expression
        return tree.text(inner) if not _is_loose(inner) else f"({tree.text(inner)})"
    if isinstance(node, cst.Comparison) and len(node.comparisons) == 1:
        target = node.comparisons[0]
        sign = " ".join(tree.slice(target.operator).split())
        is_ordered = is_number(target.comparator) and isinstance(target.comparator, cst.Integer)
        opposite = _OPPOSITE.get(sign) or (_ORDER.get(sign) if is_ordered and _is_length(node.left) else None)
        if opposite:
            new = f"{tree.text(node.left)} {opposite} {tree.text(target.comparator)}"
            return f"({new})" if node.lpar else new
    return f"not ({text})" if _is_loose(node) else f"not {text}"


def _is_length(node: cst.BaseExpression) -> bool:
    """Whether it is a whole number for sure, for which the opposite of < is >=."""
    return isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value in {"len", "ord"}


def _is_loose(node: cst.BaseExpression) -> bool:
    """Whether it needs parentheses after `not`."""
    loose = cst.BooleanOperation | cst.IfExp | cst.Lambda | cst.NamedExpr | cst.Yield | cst.Tuple
    return isinstance(node, loose) and not node.lpar


def is_test(tree: PythonTree, node: cst.CSTNode) -> bool:
    """Whether of an expression only the truth counts."""
    up = tree.parent(node)
    if isinstance(up, cst.If | cst.While | cst.IfExp | cst.Assert | cst.CompIf):
        return up.test is node
    if isinstance(up, cst.UnaryOperation):
        return isinstance(up.operator, cst.Not)
    return isinstance(up, cst.BooleanOperation) and is_test(tree, up)


def de_morgan(tree: PythonTree) -> Iterator[Site]:
    """`not (a and b)` becomes `not a or not b`; in conditions `a and b` becomes `not (not a or not b)`."""
    for node in tree.nodes:
        if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not):
            inner = node.expression
            if isinstance(inner, cst.BooleanOperation):
                operands = _operands(inner)
                if is_test(tree, node) or not any(_is_negation(operand) for operand in operands):
                    new = _joined(tree, inner, operands)
                    bare = node.lpar or isinstance(tree.parent(node), cst.If | cst.While | cst.Return)
                    yield from _site(tree, node, new if bare else f"({new})")
        elif isinstance(node, cst.BooleanOperation) and _is_whole(tree, node) and is_test(tree, node):
            yield from _site(tree, node, f"not ({_joined(tree, node, _operands(node))})")


def _is_negation(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not)


def _is_whole(tree: PythonTree, node: cst.BooleanOperation) -> bool:
    """Whether it is neither a part of a longer row of the same operator nor what a `not` turns round."""
    up = tree.parent(node)
    if isinstance(up, cst.BooleanOperation):
        return bool(node.lpar) or type(up.operator) is not type(node.operator)
    return not isinstance(up, cst.UnaryOperation)


def _operands(node: cst.BooleanOperation) -> list[cst.BaseExpression]:
    """Of a row of the same operator, in order."""
    found: list[cst.BaseExpression] = [node.right]
    left: cst.BaseExpression = node.left
    while isinstance(left, cst.BooleanOperation) and not left.lpar and type(left.operator) is type(node.operator):
        found.append(left.right)
        left = left.left
    return [left, *reversed(found)]


def _joined(tree: PythonTree, node: cst.BooleanOperation, operands: list[cst.BaseExpression]) -> str:
    return (" or " if isinstance(node.operator, cst.And) else " and ").join(negated(tree, each) for each in operands)
