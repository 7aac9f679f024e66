"""Worked examples of a description, left out or in another order; its sentences stay."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from benchmarks.perturbations.prose import Span
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.problem import Problem

_MARGIN = re.compile(r"[ \t]*(?:/?\*+(?!/)|//+|#+)?[ \t]*")
_HEADING = re.compile(
    r"(?:some\s+|for\s+)?(?:examples?|e\.?g\.?|sample(?:\s+(?:calls?|runs?))?)(?:\s*\d+)?\s*[:.]?"
    r"|(?:例如|示例|例子|样例)\s*\d*\s*[:：]?",
    re.IGNORECASE,
)
_RESULT = re.compile(r"=>|==|->|➞|→|\breturns?\b|\bshould\b|(?<![<>!])=")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_ASSERTS = re.compile(r"(?:^assert\b[^\n]*\n){2,}", re.MULTILINE)
MOST_WORDS = 2
"""Outside of quotes in a line that is a result: a line with more of them is a sentence."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a description: its text without margin and blanks at its end, and all of it with its line end."""

    text: str
    inner: Span
    whole: Span
    begins: bool
    """Whether nothing but a margin stands before it, and not the mark that opens the description."""
    ends: bool
    """Whether it ends with a line end, and not with the mark that closes the description."""


@dataclass(frozen=True, slots=True)
class _Example:
    """A call and its result: lines `[first, last]` of the description."""

    first: int
    last: int


def missing_examples(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Leave out the worked examples of a description that says something besides."""
    # Without a signature in the prompt, only an example tells how the function is called.
    if not subject.joined or not subject.lines:
        return None
    edits = []
    for lines in _descriptions(subject):
        found = {at for each in _examples(subject, lines) for at in range(each.first, each.last + 1)}
        found |= {at for at in range(len(lines)) if _is_heading_of(subject, lines, at, found)}
        for at, line in enumerate(lines):
            if not line.text and at - 1 in found and line.ends:
                found.add(at)
        edits += [_without(lines[at]) for at in sorted(found)]
    made = subject.with_prose(edits)
    return made if made is not None and _says_the_same(subject, made) else None


def example_order(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Show the worked examples, or the tests that a request quotes, in another order."""
    prompt = subject.problem.prompt
    edits: list[Edit] = []
    for lines in _descriptions(subject):
        for run in _runs(lines, _examples(subject, lines)):
            spans = [Span(lines[each.first].inner.start, lines[each.last].inner.end) for each in run]
            texts = [prompt[span.start : span.end] for span in spans]
            edits += [
                Edit(span.start, span.end, new) for span, new in zip(spans, _shuffled(texts, random), strict=True)
            ]
    if edits:
        made = subject.with_prose(edits)
        return made if made is not None and _says_the_same(subject, made) else None
    return _reordered_tests(subject, random) if subject.form == "chat" else None


def _reordered_tests(subject: Subject, random: Random) -> Problem | None:
    instruction = subject.problem.instruction
    match = _ASSERTS.search(instruction)
    if match is None or not all(line in "\n".join(subject.problem.tests) for line in match[0].splitlines()):
        return None
    new = _shuffled(match[0].splitlines(keepends=True), random)
    made = replace(
        subject.problem, instruction=instruction[: match.start()] + "".join(new) + instruction[match.end() :]
    )
    return made if made != subject.problem else None


def _says_the_same(subject: Subject, made: Problem) -> bool:
    """Whether the prose is what it was: what stands behind an example may read as prose without it."""
    after = Subject(made, subject.language)
    return _prose(after) == _prose(subject)


def _prose(subject: Subject) -> list[str]:
    return [subject.problem.prompt[line.start : line.end] for line in subject.lines]


def _descriptions(subject: Subject) -> Iterator[list[_Line]]:
    for span in subject.descriptions:
        lines: list[_Line] = []
        start = span.start
        for line in subject.problem.prompt[span.start : span.end].splitlines(keepends=True):
            margin = _MARGIN.match(line)
            text = line[margin.end() if margin else 0 :].rstrip()
            at = start + (margin.end() if margin else 0)
            whole = Span(start, start + len(line))
            lines.append(_Line(text, Span(at, at + len(text)), whole, bool(lines), line.endswith("\n")))
            start += len(line)
        yield lines


def _examples(subject: Subject, lines: Sequence[_Line]) -> list[_Example]:
    """Calls of the function that stand at the beginning of a line, with their results."""
    name = subject.problem.entry_point
    if name is None:
        return []
    call = re.compile(rf"(?:>>>\s*)?(?:assert\s+)?{re.escape(name)}\s*\(")
    found = []
    for at, line in enumerate(lines):
        if _is_prose(subject, line) or not call.match(line.text):
            continue
        if not line.text.startswith(">>>"):
            found += [_Example(at, at)] if _RESULT.search(line.text) and _is_balanced(line.text) else []
        elif _is_balanced(line.text):
            result = lines[at + 1].text if at + 1 < len(lines) else ""
            if not result or result.startswith(">>>"):  # it gives nothing that is shown
                found.append(_Example(at, at))
            elif _is_result(result):
                found.append(_Example(at, at + 1))
    return found


def _runs(lines: Sequence[_Line], examples: Sequence[_Example]) -> list[list[_Example]]:
    """Two or more examples with nothing but empty lines between them."""
    runs: list[list[_Example]] = []
    for example in examples:
        before = runs[-1][-1].last if runs else -1
        if runs and not any(line.text for line in lines[before + 1 : example.first]):
            runs[-1].append(example)
        else:
            runs.append([example])
    return [run for run in runs if len(run) > 1]


def _is_prose(subject: Subject, line: _Line) -> bool:
    return any(prose.start < line.inner.end and line.inner.start < prose.end for prose in subject.lines)


def _is_result(text: str) -> bool:
    """Whether a line can be what a call gives, all of it."""
    words = re.findall(r"[A-Za-z]{2,}", _QUOTED.sub("", text))
    return len(words) <= MOST_WORDS and _is_balanced(text)


def _is_balanced(text: str) -> bool:
    bare = _QUOTED.sub("", text)
    return all(bare.count(left) == bare.count(right) for left, right in ("()", "[]", "{}"))


def _is_heading_of(subject: Subject, lines: Sequence[_Line], at: int, found: set[int]) -> bool:
    """Whether a line is the heading of an example that is left out."""
    if not _HEADING.fullmatch(lines[at].text) or _is_prose(subject, lines[at]):
        return False
    following = next((place for place in range(at + 1, len(lines)) if lines[place].text), None)
    return following in found


def _without(line: _Line) -> Edit:
    """The whole line gone, but for what is before and behind it where it is the first or last of its description."""
    span = line.whole if line.begins and line.ends else line.inner
    return Edit(span.start, span.end, "")


def _shuffled(texts: Sequence[str], random: Random) -> list[str]:
    """The texts in an order that is not theirs; theirs where all are alike."""
    order = list(texts)
    while order == list(texts) and len(set(texts)) > 1:
        random.shuffle(order)
    return order
