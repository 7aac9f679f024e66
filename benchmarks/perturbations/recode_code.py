"""ReCode's changes of the layout of given Python code: a split line, and empty lines."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from random import Random

from benchmarks.extraction import parse
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.problem import Problem

BLANK_LINE_SHARE = 0.5
_SKIPPED = frozenset({tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER})
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def split_lines(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Break the longest given line of code in two with a backslash, between two of its words."""
    longest = max(_code_lines(subject), key=lambda words: words[-1].end[1] - words[0].start[1], default=[])
    if len(longest) < 2:
        return None
    begin, end = longest[0].start[1], longest[-1].end[1]
    second = min(longest[1:], key=lambda word: abs(2 * word.start[1] - begin - end))
    at = _offset(subject.source, second.start[0], second.start[1])
    return subject.with_edits([Edit(at, at, "\\\n" if subject.source[at - 1].isspace() else " \\\n")])


def new_lines(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put an empty line after some of the given lines of code, and perhaps after the docstring."""
    ends = list(_line_ends(subject))
    after = _after_docstring(subject)
    ends += [after] if after is not None and ends else []
    chosen = [at for at in ends if random.random() < BLANK_LINE_SHARE] or [random.choice(ends)] if ends else []
    return subject.with_edits(Edit(at, at, "\n") for at in chosen)


def new_line_after_code(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put an empty line after the given code."""
    at = subject.split - 1
    return subject.with_edits([Edit(at, at, "\n")]) if at > 0 and subject.source[at] == "\n" else None


def new_line_after_doc(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put an empty line after the docstring."""
    at = _after_docstring(subject)
    return None if at is None else subject.with_edits([Edit(at, at, "\n")])


def _after_docstring(subject: Subject) -> int | None:
    """Where the line of the docstring's end ends; None where there is none, or something follows it."""
    literal = _docstring(subject)
    end = None if literal is None else _end(subject.source, literal)
    return end if end is not None and end < subject.split and subject.source[end] == "\n" else None


def _function(subject: Subject) -> _Function | None:
    """The function under test, in prompt and reference together."""
    tree = parse(subject.source) if subject.joined else None
    name = subject.problem.entry_point
    found = [node for node in (tree.body if tree else []) if isinstance(node, _Function) and node.name == name]
    return found[-1] if found else None


def _docstring(subject: Subject) -> ast.Constant | None:
    function = _function(subject)
    first = function.body[0] if function else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return first.value
    return None


def _body_line(subject: Subject) -> int | None:
    """The line, from 1, where the statements of the function begin, after its docstring; None if there are none."""
    function = _function(subject)
    if function is None:
        return None
    statements = function.body[1:] if _docstring(subject) is not None else function.body
    return statements[0].lineno if statements else None


def _code_lines(subject: Subject) -> Iterator[list[tokenize.TokenInfo]]:
    """Words of each given line of code that holds no comment and no part of a text of several lines."""
    first = _body_line(subject)
    if first is None:
        return
    last = subject.source.count("\n", 0, subject.split)
    lines: dict[int, list[tokenize.TokenInfo]] = {}
    crossed = set()
    for word in _words(subject.source):
        lines.setdefault(word.start[0], []).append(word)
        if word.type == tokenize.COMMENT or word.start[0] != word.end[0]:
            crossed |= set(range(word.start[0], word.end[0] + 1))
    for number, words in lines.items():
        if first <= number <= last and number not in crossed:
            yield words


def _line_ends(subject: Subject) -> Iterator[int]:
    """Where given lines of code end, before their line break; lines that go on in the next are left out."""
    first = _body_line(subject)
    if first is None:
        return
    inside = set(_lines_inside_strings(subject.source))
    at = 0
    for number, line in enumerate(io.StringIO(subject.source[: subject.split]).readlines(), 1):
        at += len(line)
        goes_on = line.rstrip("\n").endswith("\\") or number + 1 in inside
        if number >= first and line.endswith("\n") and not goes_on:
            yield at - 1


def _lines_inside_strings(source: str) -> Iterator[int]:
    """Lines, from 1, whose beginning lies in a text of several lines."""
    for word in _words(source):
        if word.type == tokenize.STRING:
            yield from range(word.start[0] + 1, word.end[0] + 1)


def _words(source: str) -> list[tokenize.TokenInfo]:
    return [word for word in tokenize.generate_tokens(io.StringIO(source).readline) if word.type not in _SKIPPED]


def _end(source: str, node: ast.expr) -> int:
    """Where a node ends, in characters."""
    assert node.end_lineno is not None and node.end_col_offset is not None
    line = io.StringIO(source).readlines()[node.end_lineno - 1]
    return _offset(source, node.end_lineno, len(line.encode()[: node.end_col_offset].decode()))


def _offset(source: str, line: int, column: int) -> int:
    return sum(map(len, io.StringIO(source).readlines()[: line - 1])) + column
