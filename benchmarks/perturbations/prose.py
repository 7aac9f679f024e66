"""Find what of a prompt is prose: the description's lines without examples, and the words that may change.

Pure functions over text. What is protected follows from the words alone, so it is the same for every perturbation.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.extraction import parse


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `[start, end)` of a text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Word:
    """One word at its place."""

    start: int
    end: int
    text: str


_TYPES = """
    int integer integers float floats double string strings str char character characters bool boolean booleans list
    lists array arrays vector vectors tuple tuples dict dictionary dictionaries map maps set sets none null nil true
    false object function method class struct slice hash key keys index indices"""
TYPE_WORDS = frozenset(_TYPES.split())
"""Names of types and values: a synonym or typo in them changes what is asked."""
_EXAMPLE_WORDS = re.compile(
    r"(?:for\s+)?(?:e\.?g\.?|examples?|inputs?|outputs?|sample|constraints?|tests?)\b[^.]{0,24}:|"
    r"(?:returns?|raises|args|arguments|parameters|param|note|hint)\s*:|assert\b|\W*@\w+|:param",
    re.IGNORECASE,
)
_ZH_EXAMPLE = re.compile(r"(?:例如|示例|例子|样例|输入|输出|注意|约束)[^。]{0,12}[:：]")
_CODE = re.compile(
    r">>>|=>|==>|->|➞|==|!=|<=|>=|[\[{]\s*[!-~]*\s*[,\]}]|\(\s*\)|\(\s*[-\d\"'\[{][^)]*[,)]|[A-Za-z0-9_]\(|;\s*$|"
    r"\breturn\b.*[\[(]|=\s*[\[\"'\d]"
)
_ENDS = (": ", ". ", "; ", "。", "；", "：")
"""Where prose before an example ends on the same line."""
_LETTERS = re.compile(r"[A-Za-z\u4e00-\u9fff]")
_MARGIN = re.compile(r"[ \t]*(?:/?\*+(?!/)|//+|#+)?[ \t]*")
_QUOTED = re.compile(
    r"`[^`\n]*`|\"[^\"\n]*\"|(?<![A-Za-z])'[^'\n]*'(?![A-Za-z])|https?://\S+|\S*[\[\](){}<>=+*/\\|^%$@#&_~]\S*"
)
_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)?")
_BLOCK = re.compile(r"/\*\*?(?P<inside>.*?)\*/", re.DOTALL)
_LINES = re.compile(r"(?:^[ \t]*//[^\n]*(?:\n|\Z))+", re.MULTILINE)


def description_spans(prompt: str, language: str, entry_point: str | None) -> tuple[Span, ...]:
    """Inside of the docstring (Python) or of the last comment (other languages); empty where there is none."""
    if language == "python":
        span = _python_docstring(prompt, entry_point)
    else:
        found = [Span(*match.span("inside")) for match in _BLOCK.finditer(prompt)]
        found += [Span(*match.span()) for match in _LINES.finditer(prompt)]
        head = _head(prompt, entry_point)
        before = [span for span in found if span.start < head]
        span = max(before, key=lambda each: each.start, default=None)
    return () if span is None else (span,)


def _head(code: str, entry_point: str | None) -> int:
    """Where the function's head stands: comments after it are within its body. The end where that is not known."""
    if entry_point is None:
        return len(code)
    bare = _LINES.sub(lambda match: " " * len(match[0]), _BLOCK.sub(lambda match: " " * len(match[0]), code))
    match = re.search(rf"\b{re.escape(entry_point)}\b\s*(?:<[^>]*>)?\s*(?:\(|=)", bare)
    return match.start() if match else len(code)


def _python_docstring(prompt: str, entry_point: str | None) -> Span | None:
    """Of the entry point, else of the last function that has one, else of the module."""
    tree = parse(prompt)
    if tree is None:
        return None
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    functions.sort(key=lambda node: (node.name == entry_point, node.lineno))
    for owner in [*reversed(functions), tree]:
        first = owner.body[0] if owner.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            return _inside(prompt, first.value)
    return None


def _inside(prompt: str, node: ast.Constant) -> Span | None:
    """Where the text between the quotes of a literal stands; None if it is made of several literals."""
    lines = prompt.splitlines(keepends=True)

    def offset(line: int, column: int) -> int:
        return sum(map(len, lines[: line - 1])) + len(lines[line - 1].encode()[:column].decode())

    assert node.end_lineno is not None and node.end_col_offset is not None
    start, end = offset(node.lineno, node.col_offset), offset(node.end_lineno, node.end_col_offset)
    match = re.fullmatch(r"(?s)[rRuU]?(\"\"\"|'''|\"|')(.*)\1", prompt[start:end])
    return None if match is None or match[1] in match[2] else Span(start + match.start(2), start + match.end(2))


def prose_lines(prompt: str, span: Span, entry_point: str | None) -> Iterator[Span]:
    """Lines of a description that are prose, without margins and blanks around them."""
    in_example = False
    start = span.start
    for line in prompt[span.start : span.end].splitlines(keepends=True):
        margin = _MARGIN.match(line)
        text = line[margin.end() if margin else 0 :].rstrip()
        if not text:
            in_example = False
        elif ">>>" in text:
            in_example = True
        elif not in_example and (prose := _prose_of(text, entry_point)):
            first = start + line.index(text, margin.end() if margin else 0)
            yield Span(first, first + len(prose))
        start += len(line)


def _prose_of(text: str, entry_point: str | None) -> str:
    """What a line says in words: all of it, or what stands before an example at its end; empty where it is code."""
    if _EXAMPLE_WORDS.match(text) or _ZH_EXAMPLE.match(text):
        return ""
    shown = [match.start() for match in (_CODE.search(text), _call(text, entry_point)) if match]
    if not shown:
        return text if _is_wordy(text, 2) else ""
    before = text[: min(shown)]
    cut = max(before.rfind(mark) for mark in _ENDS)
    return before[:cut] if cut > 0 and _is_wordy(before[:cut], 4) else ""


def _call(text: str, entry_point: str | None) -> re.Match[str] | None:
    return re.search(rf"\b{re.escape(entry_point)}\s*\(", text) if entry_point else None


def _is_wordy(text: str, least: int) -> bool:
    words = [word for word in _WORD.findall(text) if len(word) > 1]
    chinese = re.findall(r"[\u4e00-\u9fff]", text)
    is_mostly_letters = 2 * len(_LETTERS.findall(text)) > len(text.replace(" ", ""))
    return is_mostly_letters and max(len(words), len(chinese)) >= least


def words_of(prompt: str, lines: Sequence[Span], names: frozenset[str]) -> tuple[Word, ...]:
    """English words in these lines that are not protected."""
    found = []
    for line in lines:
        text = prompt[line.start : line.end]
        taken = [match.span() for match in _QUOTED.finditer(text)]
        for match in _WORD.finditer(text):
            at, end = match.span()
            inside = any(low < end and at < high for low, high in taken)
            if not inside and not _is_protected(text, at, end, names):
                found.append(Word(line.start + at, line.start + end, match[0]))
    return tuple(found)


def _is_protected(text: str, start: int, end: int, names: frozenset[str]) -> bool:
    word = text[start:end]
    before, after = text[start - 1 : start], text[end : end + 1]
    if word in names or word.lower() in TYPE_WORDS or any(char.isupper() for char in word[1:]):
        return True
    if before.isdigit() or after.isdigit() or before in {".", "'", '"', "-", "’"} or after in {"'", '"', "’"}:
        return True
    return len(word) == 1 and word not in {"a", "A", "I"}
