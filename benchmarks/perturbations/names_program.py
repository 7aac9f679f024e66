"""What is known of the names of one problem's program, and where its texts tell of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from weakref import WeakKeyDictionary

from benchmarks.perturbations import name_words as words
from benchmarks.perturbations import names_python, names_trees
from benchmarks.perturbations.name_places import Names, Place, renamed_at
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.problem import Problem

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_DEFINES = re.compile(r"\b(?:def|function|func|fn|const|class)\s+$")
_QUOTED = re.compile(r"\"[^\"\n]*\"|(?<![A-Za-z])'[^'\n]*'(?![A-Za-z])")


class Program:
    """What is known of one subject's names: found once, used by all perturbations."""

    def __init__(self, subject: Subject) -> None:
        problem = subject.problem
        self.language, self.entry_point = subject.language, problem.entry_point or ""
        is_python = subject.language == "python"
        source = subject.source
        if not self.entry_point or problem.reference is None or problem.suffix:
            self.names = Names()
        elif is_python:
            self.names = names_python.names_of(source, self.entry_point, problem.tests)
        else:
            self.names = names_trees.names_of(subject.language, source, self.entry_point)
        texts = (source, problem.prompt, problem.setup, problem.instruction, *problem.tests, *problem.wrong)
        self.taken = words.taken_names(subject.language, texts)
        self.classes: frozenset[str] = frozenset()
        if subject.language == "java" and self.entry_point:
            tree = names_trees.Tree("java", source)
            self.classes = names_trees.classes_around(tree, self.entry_point)
        self._mentions: dict[tuple[str, str], tuple[Place, ...] | None] = {}

    def mentions(self, text: str, name: str) -> tuple[Place, ...] | None:
        """Where a name stands as such in another text of the problem; None if that cannot be told."""
        key = (text, name)
        if key not in self._mentions:
            self._mentions[key] = self._find(text, name) if name in text else ()
        return self._mentions[key]

    def _find(self, text: str, name: str) -> tuple[Place, ...] | None:
        if self.language == "python":
            found = names_python.mentions(text, (name,))
            return None if found is None else found[name]
        return names_trees.mentions(self.language, text, (name,), self.classes).get(name, ())

    def renamed(self, text: str, old: str, new: str) -> str | None:
        """Another text of the problem with another name; None if its mentions cannot be told."""
        places = self.mentions(text, old)
        return None if places is None else renamed_at(text, {old: places}, {old: new})


_PROGRAMS: WeakKeyDictionary[Subject, Program] = WeakKeyDictionary()


def program_of(subject: Subject) -> Program:
    """What is known of a subject's names."""
    found = _PROGRAMS.get(subject)
    if found is None:
        found = _PROGRAMS[subject] = Program(subject)
    return found


def is_telling(name: str) -> bool:
    """Whether a name is no word: it has an underscore, a digit or an inner capital."""
    return "_" in name or re.search(r"\d|[a-z][A-Z]", name) is not None


def mentioned(
    text: str, start: int, end: int, names: Mapping[str, str], is_bare: bool, prose: frozenset[int]
) -> Iterator[Edit]:
    """Edits at mentions of names in a text that tells of them, but not in strings that are data.

    Args:
        text: the whole.
        start: of the part that tells.
        end: of the same.
        names: old to new.
        is_bare: whether a name alone is a mention; else only where it is called, defined or in backquotes.
        prose: beginnings of the lines that are prose, where quotes too say that a name is one.
    """
    pattern = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    quoted = [match.span() for match in _QUOTED.finditer(text, start, end)]
    for match in re.finditer(rf"(?<![\w$.])(?:{pattern})(?![\w$])", text[:end]):
        at, stop = match.span()
        if at < start:
            continue
        around = next(((low, high) for low, high in quoted if low < at < high), None)
        whole = around is not None and around == (at - 1, stop + 1) and text.rfind("\n", 0, at) + 1 in prose
        ticked = text[at - 1 : at] == "`" == text[stop : stop + 1]
        called = text[stop : stop + 1] == "(" or _DEFINES.search(text[max(0, at - 12) : at])
        if whole or (around is None and (is_bare or ticked or called)):
            yield Edit(at, stop, names[match[0]])


def told_in_descriptions(
    subject: Subject, names: Mapping[str, str], taken: Sequence[Edit], is_bare: bool
) -> list[Edit]:
    """Edits in the descriptions, none at a place that has one."""
    prompt = subject.problem.prompt
    prose = frozenset(prompt.rfind("\n", 0, line.start) + 1 for line in subject.lines)
    spans = [(span.start, span.end) for span in subject.descriptions]
    found = [edit for low, high in spans for edit in mentioned(prompt, low, high, names, is_bare, prose)]
    starts = {edit.start for edit in taken}
    return [edit for edit in found if edit.start not in starts]


def keeps_numbers(subject: Subject, made: Problem) -> bool:
    """Whether the prose of a variant has the numbers that it had: another name may make a line of prose one of code."""
    return _numbers(subject) == _numbers(Subject(made, subject.language))


def _numbers(subject: Subject) -> list[str]:
    prompt = subject.problem.prompt
    return sorted(number for line in subject.lines for number in _NUMBER.findall(prompt, line.start, line.end))
