"""Given code: the first half of the solution, and remarks that stand in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from random import Random
from weakref import WeakKeyDictionary

import tree_sitter

from benchmarks.code_grammars import parsed
from benchmarks.perturbations.perturbation import CODE_ONLY, HALF, Perturbation
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.problem import Problem

_BODIES = frozenset(
    {"block", "compound_statement", "statement_block", "statement_list", "switch_block", "function_body"}
)
_NO_STATEMENTS = frozenset({"switch_rule", "switch_block_statement_group", "case_statement", "labeled_statement"})
"""Children of bodies before which no statement of one's own can stand."""
_LANGUAGES = ("python", "cpp", "java", "javascript", "go", "rust")
MOST_REMARKS = 3
_MARKS = {"python": "#"}
_KINDS = {
    "return": "result",
    "if": "branch",
    "match": "branch",
    "switch": "branch",
    "for": "loop",
    "while": "loop",
    "loop": "loop",
    "do": "loop",
}
"""What a statement is by its first word; any other is a `step`."""
_DOUBTS = {
    "result": ("only reached when there is no input", "never reached in practice"),
    "branch": ("never true for valid input", "always true, kept only for safety"),
    "loop": ("runs at most once", "the order of the elements is reversed here"),
    "step": ("not used any further below", "stays the same from here to the end"),
}
"""Remarks on a detail that are untrue of the statement after them."""
_ORDERS = {
    "result": ("the negated value is what callers expect", "must be one less than what was computed"),
    "branch": ("both cases have to give the same result", "the condition is the wrong way round"),
    "loop": ("the first and the last element must be left out", "has to stop after the first match, always"),
    "step": ("what follows must ignore everything before this line", "the code below has to start again from one"),
}
"""Remarks that ask for a wrong continuation."""
_PLANS = (
    "TODO: tidy this up later",
    "TODO: add a unit test for this part",
    "TODO: think of a shorter name",
    "TODO: move this to a helper some day",
    "NOTE: reviewed, nothing to change here",
)
"""Remarks that say nothing of what the code does."""


def half_solution(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Give the first half of the reference's lines, up to where a statement begins (ReCode's partial prompts)."""
    if not subject.joined:
        return None
    at = half_of(subject)
    return None if at is None else subject.with_source(subject.source, at)


def half_of(subject: Subject) -> int | None:
    """Where in `source` the second half of the solution begins; None if the solution has only one statement.

    The solution ends where the function does: helpers that stand behind it are no part of it.
    """
    source, split = subject.source, subject.split
    bodies = {at: end for at, end in _statement_lines(source, subject.language) if at >= split}
    if not bodies:
        return None
    first = min(bodies)
    inside = sorted(at for at in bodies if first < at < bodies[first])
    if not inside:
        return None
    lines = source.count("\n", split, bodies[first])
    return min(inside, key=lambda at: abs(2 * source.count("\n", split, at) - lines))


def statement_lines(source: str, language: str) -> Iterator[int]:
    """Beginnings of the lines that begin with a statement within a body, in characters."""
    return (at for at, _ in _statement_lines(source, language))


def _statement_lines(source: str, language: str) -> Iterator[tuple[int, int]]:
    """Where each such line begins, and where the body ends that its statement is of; in characters."""
    data = source.encode()
    for statement, body in _statements(parsed(language, data).root_node):
        begin = data.rfind(b"\n", 0, statement.start_byte) + 1
        if not data[begin : statement.start_byte].strip():
            yield len(data[:begin].decode()), len(data[: body.end_byte].decode())


def _statements(node: tree_sitter.Node) -> Iterator[tuple[tree_sitter.Node, tree_sitter.Node]]:
    """Statements with the bodies whose children they are."""
    for child in node.children:
        is_statement = child.is_named and "comment" not in child.type and child.type not in _NO_STATEMENTS
        if node.type in _BODIES and is_statement:
            yield child, node
        yield from _statements(child)


def misleading_comment(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put remarks that are untrue before given statements."""
    places = given_statements(subject)
    if not places:
        return None
    chosen = sorted(random.sample(places, min(MOST_REMARKS if severity > 2 else 1, len(places))))
    tables = (_DOUBTS,) if severity == 1 else (_ORDERS,) if severity == 2 else (_DOUBTS, _ORDERS)
    remarks = []
    for at in chosen:
        kind = _kind(subject.source, at)
        remarks.append([random.choice(table[kind]) for table in tables])
    return _remarked(subject, chosen, remarks)


def todo_comment(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put a remark that tells nothing before a given statement."""
    places = given_statements(subject)
    return _remarked(subject, [random.choice(places)], [[random.choice(_PLANS)]]) if places else None


_GIVEN: WeakKeyDictionary[Subject, tuple[int, ...]] = WeakKeyDictionary()


def given_statements(subject: Subject) -> tuple[int, ...]:
    """Where in `source` the lines begin of the entry point's statements that stand in the prompt, docstring aside."""
    if subject not in _GIVEN:
        _GIVEN[subject] = tuple(_given_statements(subject))
    return _GIVEN[subject]


def _given_statements(subject: Subject) -> list[int]:
    name = subject.problem.entry_point
    if not subject.joined or name is None:
        return []
    head = re.search(rf"\b{re.escape(name)}\b\s*(?:<[^>]*>)?\s*(?:\(|=)", _blank(subject))
    if head is None:
        return []
    after = max([head.end(), *(span.end for span in subject.descriptions)])
    return sorted({at for at in statement_lines(subject.source, subject.language) if after < at < subject.split})


def _blank(subject: Subject) -> str:
    """The prompt with blanks in place of the description, whose examples call the function too."""
    prompt = subject.problem.prompt
    for span in subject.descriptions:
        prompt = prompt[: span.start] + " " * (span.end - span.start) + prompt[span.end :]
    return prompt


def _kind(source: str, at: int) -> str:
    word = re.match(r"\s*(\w*)", source[at:])
    return _KINDS.get(word[1] if word else "", "step")


def _remarked(subject: Subject, places: Sequence[int], remarks: Sequence[Sequence[str]]) -> Problem | None:
    """The problem with comment lines before these lines, indented as they are."""
    mark = _MARKS.get(subject.language, "//")
    edits = []
    for at, texts in zip(places, remarks, strict=True):
        indent = re.match(r"[ \t]*", subject.source[at:])
        lines = [f"{indent[0] if indent else ''}{mark} {text}\n" for text in texts]
        edits.append(Edit(at, at, "".join(lines)))
    return subject.with_edits(edits)


TABLE: tuple[Perturbation, ...] = (
    Perturbation(
        name=HALF,
        family="prefix",
        summary="the first half of the solution is given",
        apply=half_solution,
        source="ReCode (2212.10264), partial code",
        languages=_LANGUAGES,
        keeps=frozenset({"prose", "examples", "numbers"}),
    ),
    Perturbation(
        name="misleading_comment",
        family="prefix",
        summary="remarks in the given half say what is not so",
        apply=misleading_comment,
        source="CodeCrash (2504.14119), misleading comments",
        languages=_LANGUAGES,
        keeps=CODE_ONLY,
        scale=("one doubtful detail", "one wrong instruction", "both, before up to three statements"),
        baseline=HALF,
        misleads=True,
    ),
    Perturbation(
        name="todo_comment",
        family="prefix",
        summary="a remark in the given half that says nothing of the code",
        apply=todo_comment,
        source="codeassay",
        languages=_LANGUAGES,
        keeps=CODE_ONLY,
        baseline=HALF,
    ),
)
