"""CodeBLEU of a program against a reference (Ren et al. 2020, arXiv:2009.10297), and the BLEU that is its first part.

Where the authors' evaluator and the paper's formulas differ, the evaluator is followed, since published numbers are
its; each function names the difference. All values are shares in [0, 1].
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import cache
from typing import TYPE_CHECKING

from benchmarks.code_grammars import (
    DEFINITIONS,
    FUNCTIONS,
    KEYWORDS,
    LISTS,
    READ_FIRST,
    Node,
    Selector,
    Tree,
    code_tokens,
    syntax_tree,
)

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

MAX_ORDER = 4
"""Longest n-grams that are compared."""
SMOOTHING = 0.1
"""Matches that an order without any match is credited with (sacrebleu's `floor`; method 1 of Chen and Cherry 2014)."""
KEYWORD_WEIGHT, OTHER_WEIGHT = 1.0, 0.2
"""What a unigram counts in the keyword-weighted match."""
MAX_SOURCE_NODES = 256
"""Nodes of a value that are searched for variables, so that nested assignments do not take quadratic time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeBleuParts:
    """The four parts in the paper's order, each in [0, 1]."""

    ngram: float
    weighted_ngram: float
    syntax: float | None
    """None where the language has no grammar here."""
    data_flow: float | None
    """None where the language has no grammar here, or the reference no data flow."""

    @property
    def codebleu(self) -> float:
        """Mean of the parts that exist: a quarter each if all do, as in the paper; a part that is None has no weight.

        A reference without data flow scores 0 for it in the authors' evaluator, so that the reference itself gets 0.75.
        The package codebleu 0.7.0 takes 1 instead, and takes it also where there is data flow and none of it matches.
        """
        parts = [part for part in astuple(self) if part is not None]
        return math.fsum(parts) / len(parts)


def codebleu_parts(language: str, candidate: str, reference: str) -> CodeBleuParts:
    """Compare two texts of a language of `KEYWORDS`; neither needs to be a whole or correct program.

    A candidate without tokens has 0 in each part that exists, unless the reference has none either: then all are 1.

    Raises:
        KeyError: the language is not known.
    """
    words, wanted = code_tokens(candidate), code_tokens(reference)
    trees = syntax_tree(language, candidate), syntax_tree(language, reference)
    syntax = data_flow = None
    if trees[0] is not None and trees[1] is not None:
        syntax = syntax_match(trees[0], trees[1]) if words or not wanted else 0.0
        data_flow = data_flow_match(language, trees[0], trees[1])
    return CodeBleuParts(
        ngram=_bleu(words, wanted),
        weighted_ngram=weighted_ngram_match(words, wanted, KEYWORDS[language]),
        syntax=syntax,
        data_flow=data_flow,
    )


def bleu(candidate: str, reference: str) -> float:
    """Sentence BLEU-4 of code (Papineni et al. 2002, by sacrebleu), in [0, 1]; sacrebleu's own unit is percent.

    Tokens are those of `code_tokens`; case counts. An order without matches is smoothed by `floor` 0.1; orders that the
    candidate is too short for are left out (sacrebleu's `effective_order`). 0 without a common token; 1 if neither
    text has tokens. Equal to NLTK's `sentence_bleu` with method 1 for candidates of at least four tokens.
    """
    return _bleu(code_tokens(candidate), code_tokens(reference))


def _bleu(candidate: list[str], reference: list[str]) -> float:
    if not candidate or not reference:
        return float(candidate == reference)
    score = _sacrebleu().sentence_score(" ".join(candidate), [" ".join(reference)]).score
    return min(1.0, score / 100.0)


@cache
def _sacrebleu() -> BLEU:
    """Imported on demand, which takes as long as comparing a hundred functions."""
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(
        tokenize="none",
        smooth_method="floor",
        smooth_value=SMOOTHING,
        max_ngram_order=MAX_ORDER,
        effective_order=True,
    )


def weighted_ngram_match(candidate: list[str], reference: list[str], keywords: frozenset[str]) -> float:
    """Keyword-weighted BLEU of two lists of tokens (section 3.1), in [0, 1].

    As in the authors' evaluator the shares are of the reference's n-grams (recall; the paper has precision, of the
    candidate's), only unigrams are weighted, by 1 for keywords and 0.2 for others, and smoothing is that of BLEU. There
    is no brevity penalty: a recall needs none, and the evaluator's takes every reference to be two tokens long. Unlike
    there, orders that the reference is too short for are left out, and unigrams that weigh less than 1 together are not
    divided by 1: an identical text scores 1 however short it is.
    """
    if not candidate or not reference:
        return float(candidate == reference)
    logs = []
    for order in range(1, min(MAX_ORDER, len(reference)) + 1):
        wanted, found = _ngrams(reference, order), _ngrams(candidate, order)
        weights = dict.fromkeys(wanted, 1.0)
        if order == 1:
            weights = {gram: KEYWORD_WEIGHT if gram[0] in keywords else OTHER_WEIGHT for gram in wanted}
        matched = math.fsum(weights[gram] * min(count, found[gram]) for gram, count in wanted.items())
        if order == 1 and not matched:
            return 0.0
        logs.append(math.log((matched or SMOOTHING) / math.fsum(weights[gram] * wanted[gram] for gram in wanted)))
    return min(1.0, math.exp(math.fsum(logs) / len(logs)))


def _ngrams(tokens: list[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(tokens[start:] for start in range(order)), strict=False))


def syntax_match(candidate: Tree, reference: Tree) -> float:
    """Share of the reference's subtrees that the candidate has too (section 3.2), in [0, 1].

    A subtree is a node that is no leaf (or is the root) with all below it. Two are equal if their S-expressions are:
    kinds of named nodes and their roles, without names, literals, operators and comments. As in the authors' evaluator
    one subtree of the candidate may match many of the reference; the paper's eq. 4 clips the counts.
    """
    known: dict[object, int] = {}
    found, wanted = frozenset(_subtrees(candidate, known)), _subtrees(reference, known)
    return sum(subtree in found for subtree in wanted) / len(wanted)


def _subtrees(tree: Tree, known: dict[object, int]) -> list[int]:
    """Number of each subtree; `known` gives equal ones the same number, which takes no text of a whole subtree."""
    numbers = [0] * len(tree)
    for node in reversed(tree):
        shape = (node.kind, *((child.role, numbers[child.index]) for child in node.children if child.shown))
        numbers[node.index] = known.setdefault(shape, len(known))
    return [numbers[node.index] for node in tree if node.children or node.index == 0]


def data_flow_match(language: str, candidate: Tree, reference: Tree) -> float | None:
    """Share of the reference's data-flow edges that the candidate has too (section 3.3), in [0, 1], counts clipped.

    None if the reference has no edges; `CodeBleuParts.codebleu` says what then holds.
    """
    wanted = data_flow(language, reference)
    if not wanted:
        return None
    return (wanted & data_flow(language, candidate)).total() / wanted.total()


Edge = tuple[int, str, tuple[int, ...]]
"""Variable, relation, and the variables that its value comes from; variables are numbered as they appear in edges."""
_Step = tuple[Node, tuple[bytes, ...] | None]
"""A subtree that is read (None) or assigned from these variables."""


def data_flow(language: str, tree: Tree) -> Counter[Edge]:
    """Edges between variables, where names count only by the order in which they appear in edges.

    - `computedFrom`: a variable is assigned a value, or bound by a loop or a default, from these variables. `x += y`
      and `x++` read their target too and have the edges of `x = x + y`. Assignment to an element or attribute assigns
      the variable that it begins with.
    - `comesFrom`: a variable that the text has mentioned before is read; its value comes from itself.

    These are the relations of GraphCodeBERT (Guo et al. 2021), which the authors' evaluator extracts. Unlike there,
    literals, attributes, types and names of called functions are no variables; C, C++ (which forks read as C#),
    TypeScript and Bash have tables of their own; and no value depends on the hash seed of the process.
    """
    found = sorted(_occurrences(language, tree), key=lambda each: each[0])
    numbers: dict[bytes, int] = {}
    for _, name, _, parents in found:
        for each in (*parents, name):
            numbers.setdefault(each, len(numbers))
    return Counter(
        (numbers[name], relation, tuple(sorted(numbers[parent] for parent in parents)))
        for _, name, relation, parents in found
    )


def _occurrences(language: str, tree: Tree) -> Iterator[tuple[int, bytes, str, tuple[bytes, ...]]]:
    """Place, name, relation and parents of each variable that has parents, in the order of evaluation."""
    mentioned: set[bytes] = set()
    todo: list[_Step] = [(tree[0], None)]
    while todo:
        node, sources = todo.pop()
        if not node.has_variable:
            continue
        if node.variable is None:
            steps = _steps(language, tree, node) if sources is None else _target_steps(node, sources)
            todo.extend(reversed(steps))
            continue
        if sources is None and node.variable in mentioned:
            yield node.index, node.variable, "comesFrom", (node.variable,)
        elif sources:
            yield node.index, node.variable, "computedFrom", sources
        mentioned.add(node.variable)


def _target_steps(node: Node, sources: tuple[bytes, ...]) -> list[_Step]:
    """Of a list of targets each is assigned; of `a.b[c]` only `a` is, and the rest is read."""
    parts = [child for child in node.children if child.has_variable]
    each = node.kind in LISTS
    return [(part, sources if each or place == 0 else None) for place, part in enumerate(parts)]


def _steps(language: str, tree: Tree, node: Node) -> list[_Step]:
    """What is read and assigned in a node: values before the targets that they are assigned to, then the rest."""
    row = DEFINITIONS[language].get(node.kind)
    targets, values = (_selected(node, row[0]), _selected(node, row[1])) if row else ([], [])
    if not targets or not values:
        return [(child, None) for child in sorted(node.children, key=lambda child: child.kind not in READ_FIRST)]
    reads: list[_Step] = [(value, None) for value in values]
    writes: list[_Step] = []
    for target, sources in _paired(targets, values):
        if _is_compound(node):
            reads.insert(0, (target, None))
            sources = [target, *sources]
        writes.append((target, _names(tree, sources)))
    taken = {each.index for each in (*targets, *values)}
    return [*reads, *writes, *((child, None) for child in node.children if child.index not in taken)]


def _selected(node: Node, selector: Selector) -> list[Node]:
    if isinstance(selector, int):
        return [child for child in node.children if child.shown][selector : selector + 1]
    return [child for child in node.children if child.role == selector]


def _is_compound(node: Node) -> bool:
    operator = next((child.kind for child in node.children if child.role == "operator"), "=")
    return operator.endswith("=") and operator not in ("=", ":=")


def _paired(targets: list[Node], values: list[Node]) -> list[tuple[Node, list[Node]]]:
    """Targets with their values: one by one where two lists of equal length are assigned, else each with all."""
    if len(targets) == len(values) == 1 and targets[0].kind in LISTS and values[0].kind in LISTS:
        left, right = ([child for child in side.children if child.shown] for side in (targets[0], values[0]))
        if len(left) == len(right):
            return [(target, [value]) for target, value in zip(left, right, strict=True)]
    return [(target, values) for target in targets]


def _names(tree: Tree, sources: list[Node]) -> tuple[bytes, ...]:
    """Variables in these subtrees in textual order, each once; not those of nested functions, which run later."""
    found: dict[bytes, None] = {}
    for source in sources:
        place, end = source.index, source.stop
        for _ in range(MAX_SOURCE_NODES):
            if place >= end:
                break
            node = tree[place]
            if node.variable is not None:
                found[node.variable] = None
            place = node.stop if node.kind in FUNCTIONS or not node.has_variable else place + 1
    return tuple(found)
