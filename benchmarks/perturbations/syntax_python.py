"""Python statements written in another way: loops, branches, assignments, and code without effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import libcst as cst

from benchmarks.perturbations.perturbation import Apply
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.perturbations.syntax_python_assignments import augmented_assignment, ternary, type_hints
from benchmarks.perturbations.syntax_python_loops import for_to_while
from benchmarks.perturbations.syntax_python_more import de_morgan, negated, operand_swap
from benchmarks.perturbations.syntax_python_tree import PythonTree, Site, rewritten, tree_of
from benchmarks.problem import Problem

_DEAD = (
    "if False:\n>{a} = {n}\n",
    "while False:\n>{a} = []\n",
    "for {a} in ():\n>pass\n",
    "if {n} < 0:\n>{a} = {n}\n>{b} = {a} * 2\n",
    "if not True:\n>{a} = 'none'\n",
    "while {n} == 0:\n>{a} = {n}\n>break\n",
    "if None:\n>{a} = {n}\nelif False:\n>{a} = 0\n",
    "for {a} in []:\n>{b} = {a}\n>if {b} == {n}:\n>>break\n",
)
"""Blocks that never run; `>` is one level of indentation."""
_UNUSED = (
    "{a} = {n}\n",
    "{a} = []\n",
    "{a} = ''\n",
    "{a} = None\n",
    "{a} = ({n}, {m})\n",
    "{a} = {{}}\n",
    "{a} = -{n}\n",
)
_SPARE_NAMES = (
    "spare",
    "extra",
    "helper",
    "aux",
    "dummy",
    "scratch",
    "backup",
    "marker",
    "pending",
    "filler",
    "offset",
)
_NUM_BLOCKS = {1: 1, 2: 2, 3: 4}


def _inserted(templates: tuple[str, ...]) -> Apply:
    """A perturbation that puts blocks of these forms before given statements."""

    def apply(subject: Subject, random: Random, severity: int) -> Problem | None:
        tree = tree_of(subject)
        places = [] if tree is None else [tree.line(tree.start(node)) for node in tree.statements()]
        if tree is None or not places:
            return None
        names = tree.fresh(random.sample(_SPARE_NAMES, len(_SPARE_NAMES)))
        blocks = random.sample(templates, _NUM_BLOCKS[severity])
        edits = []
        for template, place in zip(blocks, _spread(places, len(blocks), random), strict=True):
            text = template.format(a=next(names), b=next(names), n=random.randint(1, 99), m=random.randint(1, 99))
            edits.append(Edit(place, place, _indented(tree, place, text)))
        return subject.with_edits(edits)

    return apply


def _spread(places: list[int], count: int, random: Random) -> list[int]:
    """So many places, each once as long as there are enough."""
    return random.sample(places * -(-count // len(places)), count)


def _indented(tree: PythonTree, place: int, text: str) -> str:
    """A block at the indentation of the line that begins at a place."""
    line = tree.source[place:]
    indent = line[: len(line) - len(line.lstrip(" \t"))]
    return "".join(indent + each.replace(">", tree.unit) for each in text.splitlines(keepends=True))


def if_else_inversion(tree: PythonTree) -> Iterator[Site]:
    """`if c: A else: B` becomes `if not c: B else: A`; only where no such site is, `else` is made for an `if` alone."""
    whole = [site for node in tree.nodes if isinstance(node, cst.If) for site in _exchanged(tree, node)]
    given = [site for site in whole if site[-1].end <= tree.split]
    yield from given or (site for node in tree.nodes if isinstance(node, cst.If) for site in _with_else(tree, node))


def _exchanged(tree: PythonTree, node: cst.If) -> Iterator[Site]:
    colon, other = tree.colon(node.test), node.orelse
    if colon is None or not isinstance(other, cst.Else):
        return
    if not isinstance(node.body, cst.IndentedBlock) or not isinstance(other.body, cst.IndentedBlock):
        return
    source = tree.source
    first, between = source.find("\n", colon) + 1, tree.line(tree.start(other))
    second, end = source.find("\n", between) + 1, source.find("\n", tree.end(other)) + 1
    if end and "\n" not in source[tree.start(node) : colon]:
        swapped = source[second:end] + source[between:second] + source[first:between]
        test = tree.outer(node.test)
        new = _after_keyword(tree, test[0], negated(tree, node.test))
        yield Edit(*test, new), Edit(first, end, swapped)


def _after_keyword(tree: PythonTree, at: int, new: str) -> str:
    """`if(a)` needs a blank where the parenthesis goes."""
    return new if tree.source[at - 1].isspace() else f" {new}"


def _with_else(tree: PythonTree, node: cst.If) -> Iterator[Site]:
    colon = tree.colon(node.test)
    if colon is None or node.orelse is not None or not isinstance(node.body, cst.IndentedBlock):
        return
    start = tree.outer(node.test)[0]
    inner, indent = tree.indent(tree.start(node.body.body[0])), tree.indent(tree.start(node))
    new = _after_keyword(tree, start, negated(tree, node.test))
    if "\n" not in tree.source[tree.start(node) : colon]:
        yield (Edit(start, colon, f"{new}:\n{inner}pass\n{indent}else:"),)


def _sited(find: Callable[[PythonTree], Iterator[Site]]) -> Apply:
    """A perturbation that changes one, two or all of the sites that `find` names."""
    return lambda subject, random, severity: rewritten(subject, random, severity, find)


PYTHON_SYNTAX: dict[str, Apply] = {
    "dead_code": _inserted(_DEAD),
    "unused_variable": _inserted(_UNUSED),
    "for_to_while": _sited(for_to_while),
    "if_else_inversion": _sited(if_else_inversion),
    "ternary": _sited(ternary),
    "operand_swap": _sited(operand_swap),
    "de_morgan": _sited(de_morgan),
    "augmented_assignment": _sited(augmented_assignment),
    "type_hints": _sited(type_hints),
}
"""By name of the perturbation."""
