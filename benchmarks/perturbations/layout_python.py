"""Python code laid out in another way: comments, indentation, line ends, quotes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from random import Random

import libcst as cst

from benchmarks.perturbations.perturbation import Apply
from benchmarks.perturbations.prose import Span
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.perturbations.syntax_python_more import in_f_string
from benchmarks.perturbations.syntax_python_tree import PythonTree, Site, is_docstring, rewritten, tree_of
from benchmarks.problem import Problem

_REMARKS = (
    "next step",
    "see above",
    "as described",
    "continue here",
    "note the order",
    "work through it",
    "part of the solution",
    "this follows from the task",
    "keep going",
    "nothing special here",
    "one more step",
    "straightforward",
)
"""Comments that say nothing about the code."""
_NUM_COMMENTS = {1: 1, 2: 3, 3: 6}
_LINE_SHARES = {1: 0.25, 2: 0.5, 3: 1.0}
_STRINGS = (cst.SimpleString, cst.FormattedString)


def comment_noise(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put comments that say nothing on lines of their own before given statements."""
    tree = tree_of(subject)
    places = [] if tree is None else [tree.line(tree.start(node)) for node in tree.statements()]
    if tree is None or not places:
        return None
    count = min(_NUM_COMMENTS[severity], len(places))
    edits = []
    for place, remark in zip(random.sample(places, count), random.sample(_REMARKS, count), strict=True):
        line = tree.source[place:]
        indent = line[: len(line) - len(line.lstrip(" \t"))]
        edits.append(Edit(place, place, f"{indent}# {remark}\n"))
    return subject.with_edits(edits)


def docstring_to_comments(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Turn the docstring of the entry point into comments at the same place."""
    tree = tree_of(subject)
    for node in tree.nodes if tree is not None and len(subject.descriptions) == 1 else ():
        assert tree is not None
        span, block = subject.descriptions[0], tree.parent(node)
        if not isinstance(node, cst.SimpleStatementLine) or not isinstance(block, cst.IndentedBlock):
            continue
        start, end = tree.start(node), tree.end(node)
        alone = tree.source[end : tree.source.find("\n", end)].strip() == "" and len(block.body) > 1
        if is_docstring(node, block, tree.parent(block)) and start < span.start <= span.end < end and alone:
            new = _commented(tree.source[span.start : span.end], tree.indent(start))
            return subject.with_edits([Edit(start, end, new)])
    return None


def _commented(text: str, indent: str) -> str:
    """The lines of a docstring as comments, in the same relation to each other, without blank ones at the ends."""
    first, _, rest = text.partition("\n")
    lines = [first.strip(), *textwrap.dedent(rest.expandtabs()).splitlines()]
    while lines and not lines[-1].strip():
        lines.pop()
    while lines and not lines[0].strip():
        lines.pop(0)
    return f"\n{indent}".join(f"# {line.rstrip()}".rstrip() for line in lines) or "#"


def line_splits(tree: PythonTree) -> Iterator[Site]:
    """Break lines after a comma within brackets, or put a long value in parentheses on a line of its own."""
    for node in tree.nodes:
        if isinstance(node, cst.Arg | cst.Element) and isinstance(node.comma, cst.Comma):
            up = tree.parent(node)
            is_open = isinstance(up, cst.Tuple) and not up.lpar
            if not is_open and not _in_one_line(tree, node):
                end = tree.outer(node.value)[1]
                match = re.compile(r",[ \t]+(?=[^\s#])").match(tree.source, end)
                if match:
                    yield (Edit(end, match.end(), f",\n{tree.indent(tree.start(node))}{2 * tree.unit}"),)
        elif isinstance(node, cst.BinaryOperation | cst.BooleanOperation | cst.Comparison | cst.IfExp) and _is_value(
            tree, node
        ):
            yield from _wrapped(tree, node)


def _in_one_line(tree: PythonTree, node: cst.CSTNode) -> bool:
    """Whether a line end has no place there: within f-strings, and in a row of indices."""
    return in_f_string(tree, node) or isinstance(tree.parent(node), cst.Subscript)


def _is_value(tree: PythonTree, node: cst.BaseExpression) -> bool:
    """Whether it is all that is assigned, returned or tested, without parentheses of its own."""
    up = tree.parent(node)
    if isinstance(up, cst.If | cst.While):
        return up.test is node and not node.lpar
    return isinstance(up, cst.Assign | cst.Return | cst.AugAssign) and up.value is node and not node.lpar


def _wrapped(tree: PythonTree, node: cst.BaseExpression) -> Iterator[Site]:
    start, end = tree.start(node), tree.end(node)
    indent = tree.indent(start)
    if "\n" not in tree.source[start:end] and tree.source[start - 1] == " ":
        yield Edit(start, start, f"(\n{indent}{2 * tree.unit}"), Edit(end, end, f"\n{indent})")


def redundant_parentheses(tree: PythonTree) -> Iterator[Site]:
    """Put parentheses around values that are returned, assigned or tested, and around operands."""
    for node in tree.nodes:
        if not isinstance(node, cst.BaseExpression) or node.lpar or in_f_string(tree, node):
            continue
        up = tree.parent(node)
        is_value = isinstance(up, cst.Assign | cst.Return | cst.AugAssign) and up.value is node
        is_value = is_value or (isinstance(up, cst.If | cst.While) and up.test is node)
        is_operand = isinstance(up, cst.BooleanOperation) and isinstance(node, cst.Comparison | cst.UnaryOperation)
        is_operand = is_operand or (isinstance(up, cst.BinaryOperation) and isinstance(node, cst.BinaryOperation))
        start, end = tree.start(node), tree.end(node)
        is_plain = not isinstance(node, cst.Tuple | cst.Yield) and tree.source[start - 1] == " "
        if (is_value or is_operand) and is_plain:
            yield Edit(start, start, "("), Edit(end, end, ")")


def quotes(tree: PythonTree) -> Iterator[Site]:
    """Plain strings in single quotes get double quotes, and the other way round."""
    for node in tree.nodes:
        if not isinstance(node, cst.SimpleString) or in_f_string(tree, node):
            continue
        text, line = tree.slice(node), tree.parent(tree.parent(node) or node)
        block = tree.parent(line) if line is not None else None
        if isinstance(block, cst.IndentedBlock) and line and is_docstring(line, block, tree.parent(block)):
            continue
        match = re.fullmatch(r"(['\"])([^'\"\\\n]*)\1", text)
        if match:
            other = "'" if match[1] == '"' else '"'
            start, end = tree.start(node), tree.end(node)
            yield Edit(start, start + 1, other), Edit(end - 1, end, other)


def blank_lines(tree: PythonTree) -> Iterator[Site]:
    """Put empty lines before given statements."""
    for node in tree.statements():
        place = tree.line(tree.start(node))
        yield (Edit(place, place, "\n"),)


def trailing_spaces(subject: Subject, random: Random, severity: int) -> Problem | None:
    """End some given lines of code in blanks."""
    tree = tree_of(subject)
    if tree is None:
        return None
    inside, ends = _inside_strings(tree), []
    for match in re.finditer(r"[^\s\\](?=\n)", tree.source[: tree.split]):
        if not any(span.start <= match.end() < span.end for span in inside):
            ends.append(match.end())
    if not ends:
        return None
    places = random.sample(ends, max(1, round(_LINE_SHARES[severity] * len(ends))))
    return subject.with_edits([Edit(place, place, " " * random.randint(1, 4)) for place in places])


def _inside_strings(tree: PythonTree) -> list[Span]:
    """Where text within quotes stands that goes over several lines."""
    spans = [Span(tree.start(node), tree.end(node)) for node in tree.nodes if isinstance(node, _STRINGS)]
    return [span for span in spans if "\n" in tree.source[span.start : span.end]]


def _indented(level: str) -> Apply:
    """A perturbation that indents the whole program by other white space."""

    def apply(subject: Subject, random: Random, severity: int) -> Problem | None:
        tree = tree_of(subject)
        return None if tree is None else subject.with_edits(_reindented(tree, level))

    return apply


def _reindented(tree: PythonTree, level: str) -> Iterator[Edit]:
    """New white space before each line: by depth where a statement begins, else by the width it had."""
    depths = dict(_depths(tree))
    inside = _inside_strings(tree)
    width = len(min((tree.indent(at) for at, depth in depths.items() if depth == 1), key=len, default="    "))
    for match in re.finditer(r"(?m)^([ \t]*)(?=[^\s])", tree.source):
        at, end = match.span()
        if any(span.start < at < span.end for span in inside):
            continue
        if end in depths:
            new = level * depths[end]
        else:
            levels, rest = divmod(len(match[1].expandtabs(width)), width)
            new = level * levels + " " * rest
        if new != match[1]:
            yield Edit(at, end, new)


def _depths(tree: PythonTree) -> Iterator[tuple[int, int]]:
    """Where lines of statements, branches and decorators begin, and in how many blocks they stand."""
    handlers = cst.ExceptHandler | cst.ExceptStarHandler | cst.Finally
    for node in tree.nodes:
        if isinstance(node, cst.BaseStatement | cst.Else | handlers | cst.Decorator | cst.MatchCase):
            blocks = sum(isinstance(up, cst.IndentedBlock | cst.Match) for up in tree.above(node))
            yield tree.start(node), blocks


def crlf(subject: Subject, random: Random, severity: int) -> Problem | None:
    """End all lines in carriage return and line feed."""
    if tree_of(subject) is None or "\r" in subject.source:
        return None
    return subject.with_edits(Edit(match.start(), match.start(), "\r") for match in re.finditer("\n", subject.source))


def _sited(find: Callable[[PythonTree], Iterator[Site]]) -> Apply:
    """A perturbation that changes one, two or all of the sites that `find` names."""
    return lambda subject, random, severity: rewritten(subject, random, severity, find)


PYTHON_LAYOUT: dict[str, Apply] = {
    "comment_noise": comment_noise,
    "docstring_to_comments": docstring_to_comments,
    "line_splits": _sited(line_splits),
    "redundant_parentheses": _sited(redundant_parentheses),
    "tabs": _indented("\t"),
    "indent_two": _indented("  "),
    "blank_lines": _sited(blank_lines),
    "trailing_spaces": trailing_spaces,
    "quotes": _sited(quotes),
    "crlf": crlf,
}
"""By name of the perturbation."""
