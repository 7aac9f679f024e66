"""Given code of C++, Java, JavaScript, Go and Rust in another layout: white space, comments, quotes.

Literals, templates and lines of the preprocessor stay as they are. Each function has the signature of
`Perturbation.apply`; where a layout is one choice for the whole text, severity is without effect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from random import Random

from benchmarks.perturbations.perturbation import Apply
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.perturbations.tree_nodes import (
    NUM_SITES,
    Branch,
    CodeTree,
    Site,
    indent_width,
    rewritten,
    tree_of,
    with_lines,
)
from benchmarks.problem import Problem

_REMARKS = (
    "next part of the function",
    "continue with the next step",
    "the code below was reviewed",
    "see the description above",
    "this part is covered by tests",
    "formatting follows the project",
)
"""Say nothing about what the code does, so nothing untrue."""
_BROKEN_AFTER = frozenset({",", "&&", "||", "and", "or"})
_LISTS = frozenset(
    {
        "argument_list",
        "arguments",
        "parameter_list",
        "parameters",
        "formal_parameters",
        "initializer_list",
        "array",
        "array_initializer",
        "literal_value",
        "array_expression",
        "parenthesized_expression",
        "condition_clause",
        "tuple_expression",
    }
)
"""Kinds of nodes within brackets, in which a line may end after a comma or an operator."""
_WIDE = 4
_NUM_REMARKS = {1: 1, 2: 3, 3: 6}
_SHARES = {1: 0.25, 2: 0.5, 3: 1.0}
"""Of given lines that get blanks."""


def comment_noise(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put comments that tell nothing on lines of their own before statements."""
    name = subject.problem.entry_point

    def remark(tree: CodeTree, indent: str) -> str:
        return f"{indent}// {random.choice(_REMARKS)}\n"

    return with_lines(subject, random, _NUM_REMARKS[severity], remark, after=name)


def blank_lines(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put empty lines before statements."""
    return with_lines(subject, random, NUM_SITES.get(severity), lambda tree, indent: "\n")


def docstring_to_comments(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Write the description as line comments if it is a block comment, and the reverse; its words stay."""
    tree = tree_of(subject)
    if tree is None or len(subject.descriptions) != 1:
        return None
    inside = subject.descriptions[0]
    told = [node for node in tree.nodes if node.is_comment and node.start < inside.end and inside.start < node.end]
    if not told or told[-1].end > tree.split or tree.source[tree.line(told[0].start) : told[0].start].strip():
        return None
    is_block = len(told) == 1 and tree.text(told[0]).startswith("/*")
    edit = _as_lines(tree, told[0]) if is_block else _as_block(tree, told)
    return None if edit is None else subject.with_edits([edit])


def _as_lines(tree: CodeTree, told: Branch) -> Edit | None:
    """The edit from a block comment to line comments."""
    text = tree.text(told).removesuffix("*/")
    lines = re.sub(r"\A/\*[*!]?", "", text).split("\n")
    starred = [line for line in lines[1:] if line.strip()]
    if starred and all(line.lstrip().startswith("*") for line in starred):
        lines = [lines[0], *(re.sub(r"^\s*\*", "", line) for line in lines[1:])]
    while lines and not lines[0].strip():
        lines = lines[1:]
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    if not lines or any(line.rstrip().endswith("\\") for line in lines) or _has_marks(lines):
        return None
    indent = tree.indent(told.start)
    rest = tree.source[told.end :].split("\n", 1)[0]
    marked = [f"// {line.removeprefix(' ')}" if line.strip() else "//" for line in lines]
    return Edit(told.start, told.end, f"\n{indent}".join(marked) + (f"\n{indent}" if rest.strip() else ""))


def _as_block(tree: CodeTree, told: list[Branch]) -> Edit | None:
    """The edit from line comments to a block comment."""
    start, end = told[0].start, told[-1].end
    if tree.source[end - 1] == "\n":
        end -= 1
    lines = [line.strip() for line in tree.source[start:end].split("\n")]
    whole = "\n".join(lines)
    if not all(line.startswith("//") for line in lines) or "*/" in whole or "/*" in whole:
        return None
    indent = tree.indent(start)
    bare = [re.sub(r"^//+!?", "", line) for line in lines]
    if _has_marks(bare):
        return None
    return Edit(start, end, "\n".join(["/*", *(f"{indent}{line}".rstrip() for line in bare), f"{indent}*/"]))


def _has_marks(lines: list[str]) -> bool:
    """Whether a line begins with what looks like the margin of another comment; a reader would take it for one."""
    return any(line.lstrip().startswith(("*", "//", "#")) for line in lines)


def line_splits(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Break lines after commas and logical operators within brackets."""
    return rewritten(subject, random, severity, _breaks)


def _breaks(tree: CodeTree) -> Iterator[Site]:
    for node in tree.nodes:
        if node.named or node.kind not in _BROKEN_AFTER or not _is_bracketed(node):
            continue
        end = node.end + len(tree.source[node.end :]) - len(tree.source[node.end :].lstrip(" \t"))
        if tree.source[end : end + 1] not in ("\n", "\r", "") and not tree.source.startswith(("//", "/*"), end):
            yield (Edit(node.end, end, f"\n{tree.indent(node.start)}{tree.unit}{tree.unit}"),)


def _is_bracketed(node: Branch) -> bool:
    up = node.parent
    within = up is not None and (up.kind in _LISTS if node.kind == "," else _is_operand(up))
    return within and not any(each.is_opaque or each.kind == "token_tree" for each in node.above())


def _is_operand(node: Branch) -> bool:
    """Whether an expression stands within brackets, perhaps as a part of others."""
    for up in (node, *node.above()):
        if up.kind in _LISTS:
            return True
        if up.kind != "binary_expression":
            return False
    return False


def trailing_spaces(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put blanks at the ends of lines of code."""
    tree = tree_of(subject)
    if tree is None:
        return None
    sites = list(_ends(tree))
    wanted = max(1, round(_SHARES[severity] * len(sites)))
    return subject.with_edits(random.sample(sites, min(len(sites), wanted)))


def _ends(tree: CodeTree) -> Iterator[Edit]:
    """Blanks at the end of each given line, one to four of them by its length."""
    spans = _protected(tree, whole_comments=True)
    for match in re.finditer(r"(?<=\S)\n", tree.source[: tree.split]):
        at = match.start()
        if tree.source[at - 1] not in "\\\r" and not any(start <= at <= end for start, end in spans):
            yield Edit(at, at, " " * (1 + (at - tree.line(at)) % 4))


def tabs(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Indent by tabs."""
    return _indented(subject, lambda level, rest: "\t" * level + " " * rest)


def indent_two(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Indent by two spaces."""
    return _indented(subject, lambda level, rest: "  " * level + " " * rest)


def _indented(subject: Subject, blanks: Callable[[int, int], str]) -> Problem | None:
    """Every line of code, given or not, with other blanks for its levels and what is left over."""
    tree = tree_of(subject)
    if tree is None:
        return None
    spans = _protected(tree)
    width = indent_width(tree.source)
    edits = []
    for match in re.finditer(r"^[ \t]+(?=\S)", tree.source, re.MULTILINE):
        old = match[0].expandtabs(width if " " not in match[0] else _WIDE)
        new = blanks(*divmod(len(old), width))
        if new != match[0] and not any(start < match.start() < end for start, end in spans):
            edits.append(Edit(match.start(), match.end(), new))
    return subject.with_edits(edits) if any(edit.start < tree.split for edit in edits) else None


def _protected(tree: CodeTree, *, whole_comments: bool = False) -> list[tuple[int, int]]:
    """Literals and comments of several lines, and lines of the preprocessor; if asked, comments of one line too."""
    return [
        (node.start, node.end)
        for node in tree.nodes
        if (node.is_comment or node.is_opaque)
        and ("\n" in tree.text(node) or "preproc" in node.kind or (whole_comments and node.is_comment))
    ]


def quotes(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Exchange single and double quotes of strings that hold neither quotes nor escapes."""
    return rewritten(subject, random, severity, _quoted) if subject.language == "javascript" else None


def _quoted(tree: CodeTree) -> Iterator[Site]:
    for node in tree.of_kind("string"):
        text = tree.text(node)
        if len(text) > 1 and not set(text[1:-1]) & set("'\"\\`"):
            mark = '"' if text[0] == "'" else "'"
            yield Edit(node.start, node.start + 1, mark), Edit(node.end - 1, node.end, mark)


TREE_LAYOUT: dict[str, Apply] = {
    "comment_noise": comment_noise,
    "docstring_to_comments": docstring_to_comments,
    "line_splits": line_splits,
    "tabs": tabs,
    "indent_two": indent_two,
    "blank_lines": blank_lines,
    "trailing_spaces": trailing_spaces,
    "quotes": quotes,
}
"""By name of the perturbation."""
