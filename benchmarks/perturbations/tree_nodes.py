"""A subject in C++, Java, JavaScript, Go or Rust as a syntax tree: nodes with their places, and sites that edits take.

A site is the edits of one change. It begins in the given code, so that the prompt changes, and may end behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from weakref import WeakKeyDictionary

from benchmarks.code_grammars import KEYWORDS, parsed
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.problem import Problem

Site = tuple[Edit, ...]
"""Edits that belong together; their places are those of the subject's source."""
LANGUAGES = ("cpp", "java", "javascript", "go", "rust")
"""Whose programs are read here."""
NUM_SITES = {1: 1, 2: 2}
"""By severity; at 3 it is all sites."""
_BLOCKS = frozenset({"compound_statement", "block", "statement_block"})
_FIXED = frozenset({"case_statement", "attribute_item", "inner_attribute_item", "empty_statement"})
"""Kinds in a block before which no statement may be put."""
_OPAQUE = ("string", "template", "text_block", "char_literal", "character_literal", "rune_literal", "regex", "preproc")
_NAMES = frozenset({"identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern"})


@dataclass(slots=True, eq=False)
class Branch:
    """One node of a tree, with places in characters."""

    kind: str
    start: int
    end: int
    role: str | None
    """The grammar's name for its place in its parent."""
    named: bool
    """Whether it is more than punctuation or an operator."""
    parent: Branch | None
    children: list[Branch] = field(default_factory=list)

    def child(self, *roles: str) -> Branch | None:
        """The first child of one of these roles."""
        return next((child for child in self.children if child.role in roles), None)

    def inner(self) -> list[Branch]:
        """Its children that are neither punctuation nor comments."""
        return [child for child in self.children if child.named and not child.is_comment]

    def walk(self) -> Iterator[Branch]:
        """Itself and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def above(self) -> Iterator[Branch]:
        """All nodes around it, nearest first."""
        up = self.parent
        while up is not None:
            yield up
            up = up.parent

    @property
    def is_comment(self) -> bool:
        """Whether it is one."""
        return self.kind.endswith("comment")

    @property
    def is_opaque(self) -> bool:
        """Whether white space in it means something: literals, templates and lines of the preprocessor."""
        return self.named and any(word in self.kind for word in _OPAQUE)


class CodeTree:
    """The program of one subject. Nothing here changes after it is made."""

    def __init__(self, subject: Subject, nodes: Sequence[Branch]) -> None:
        """Hold a program.

        Args:
            subject: with half of its solution given.
            nodes: of its source, parents first.
        """
        self.source = subject.source
        self.split = subject.split
        self.language = subject.language
        self.nodes = tuple(nodes)
        self.words = frozenset(re.findall(r"[^\W\d]\w*", "\n".join([self.source, *subject.problem.tests])))
        """All that could be names, in program and tests."""
        self.sites: dict[Callable[[CodeTree], Iterable[Site]], tuple[Site, ...]] = {}
        self.statements: tuple[Branch, ...] = tuple(self._statements())
        """Given statements within blocks that begin their line."""

    def text(self, node: Branch) -> str:
        """What stands at a node."""
        return self.source[node.start : node.end]

    def line(self, at: int) -> int:
        """Where the line of a place begins."""
        return self.source.rfind("\n", 0, at) + 1

    def indent(self, at: int) -> str:
        """White space at the beginning of a place's line."""
        match = re.compile(r"[ \t]*").match(self.source, self.line(at))
        return match[0] if match else ""

    def begins_line(self, node: Branch) -> bool:
        """Whether only blanks stand before it in its line."""
        return not self.source[self.line(node.start) : node.start].strip(" \t")

    def of_kind(self, *kinds: str) -> Iterator[Branch]:
        """All nodes of these kinds, parents first."""
        return (node for node in self.nodes if node.kind in kinds)

    def names(self, within: Branch | None = None) -> Iterator[Branch]:
        """All identifiers, or those within a node."""
        return (node for node in (within.walk() if within else self.nodes) if node.kind in _NAMES)

    def fresh(self, wanted: Iterable[str]) -> Iterator[str]:
        """Names that neither program nor tests have, for ever: those wanted first, then with numbers."""
        wanted = tuple(wanted)
        taken = self.words | KEYWORDS[self.language]
        number = 1
        while True:
            for name in wanted:
                full = name if number == 1 else f"{name}{number}"
                if full not in taken:
                    yield full
            number += 1

    @property
    def unit(self) -> str:
        """One level of indentation."""
        if any(self.indent(each.start).startswith("\t") for each in self.statements):
            return "\t"
        return " " * indent_width(self.source)

    def _statements(self) -> Iterator[Branch]:
        for block in self.nodes:
            before = ""
            for node in block.inner() if is_block(block) else ():
                is_free = node.kind not in _FIXED and before != "attribute_item" and not _is_directive(node)
                if is_free and self.begins_line(node) and node.start < self.split:
                    yield node
                before = node.kind


def is_block(node: Branch) -> bool:
    """Whether its children are statements, and any statement may stand among them."""
    up = node.parent
    if node.kind == "statement_list":
        return up is not None and up.kind == "block"
    is_switch = up is not None and up.kind == "switch_statement"
    holds_list = any(child.kind == "statement_list" for child in node.children)
    return node.kind in _BLOCKS and not is_switch and not holds_list


def _is_directive(node: Branch) -> bool:
    """Whether a statement is only a string, as JavaScript's `'use strict'`, which has to come first."""
    return node.kind == "expression_statement" and bool(node.children) and node.children[0].kind == "string"


def indent_width(source: str) -> int:
    """How many spaces one level has: two where lines are often indented by an odd multiple of two, else four."""
    widths = [len(match[1]) for match in re.finditer(r"^( +)[^\s*]", source, re.MULTILINE)]
    return 2 if 3 * sum(width % 4 == 2 for width in widths) > len(widths) else 4


_TREES: WeakKeyDictionary[Subject, CodeTree | None] = WeakKeyDictionary()


def tree_of(subject: Subject) -> CodeTree | None:
    """The subject's program, parsed once; None where no code is given or the grammar does not understand all of it."""
    if subject not in _TREES:
        fits = subject.joined and subject.language in LANGUAGES
        nodes = _branches(subject.language, subject.source) if fits else []
        _TREES[subject] = CodeTree(subject, nodes) if nodes else None
    return _TREES[subject]


def _branches(language: str, source: str) -> list[Branch]:
    """All nodes, parents first; none if a part was not understood."""
    data = source.encode()
    tree = parsed(language, data)
    if tree.root_node.has_error:
        return []
    place = _places(source, data)
    cursor, above, nodes = tree.walk(), list[Branch](), list[Branch]()
    while True:
        raw = cursor.node
        assert raw is not None
        up = above[-1] if above else None
        node = Branch(raw.type, place(raw.start_byte), place(raw.end_byte), cursor.field_name, raw.is_named, up)
        nodes.append(node)
        if up is not None:
            up.children.append(node)
        if cursor.goto_first_child():
            above.append(node)
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return nodes
            above.pop()


def _places(source: str, data: bytes) -> Callable[[int], int]:
    """From places in bytes to places in characters."""
    if len(source) == len(data):
        return lambda at: at
    starts: list[int] = []
    for index, char in enumerate(source):
        starts += [index] * len(char.encode())
    starts.append(len(source))
    return starts.__getitem__


def is_given(site: Site, split: int) -> bool:
    """Whether a site changes the given code, and no edit of it lies across its end."""
    return any(edit.start < split for edit in site) and not any(edit.start < split < edit.end for edit in site)


def chosen(sites: Sequence[Site], random: Random, severity: int) -> list[Edit]:
    """Edits of one, two or all sites that do not overlap, as severity says; one or two are drawn at random."""
    wanted = NUM_SITES.get(severity)
    taken: list[Site] = []
    for site in sites if wanted is None else random.sample(sites, len(sites)):
        if len(taken) != wanted and not any(_overlap(site, other) for other in taken):
            taken.append(site)
    return [edit for site in sorted(taken, key=lambda each: each[0].start) for edit in site]


def _overlap(one: Site, other: Site) -> bool:
    return any(a.start < b.end and b.start < a.end for a in one for b in other)


def rewritten(
    subject: Subject, random: Random, severity: int, find: Callable[[CodeTree], Iterable[Site]]
) -> Problem | None:
    """The problem with one, two or all sites changed, as severity says.

    Args:
        subject: with half of its solution given.
        random: draws the sites.
        severity: how many.
        find: names all sites of a tree; those that do not change the given code are left out here.
    """
    tree = tree_of(subject)
    if tree is None:
        return None
    if find not in tree.sites:
        tree.sites[find] = tuple(site for site in find(tree) if is_given(site, tree.split))
    return subject.with_edits(chosen(tree.sites[find], random, severity))


def with_lines(
    subject: Subject,
    random: Random,
    wanted: int | None,
    make: Callable[[CodeTree, str], str],
    *,
    after: str | None = None,
) -> Problem | None:
    """The problem with lines put before given statements.

    Args:
        subject: with half of its solution given.
        random: draws the statements.
        wanted: how many, where there are so many; None for all.
        make: from tree and indentation to the lines, each with its end.
        after: only statements behind the head of this function, so that no comment stands where it is described.
    """
    tree = tree_of(subject)
    if tree is None:
        return None
    heads = [node.start for node in tree.names() if node.role in ("name", "declarator") and tree.text(node) == after]
    behind = [node for node in tree.statements if node.start > min(heads, default=0)]
    count = len(behind) if wanted is None else min(len(behind), wanted)
    edits = []
    for place in sorted(random.sample(range(len(behind)), count)):
        at = tree.line(behind[place].start)
        edits.append(Edit(at, at, make(tree, tree.indent(at))))
    return subject.with_edits(edits)
