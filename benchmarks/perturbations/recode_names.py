"""ReCode's renamings in Python: of the function under test, and of the variable that given code mentions most.

ReCode replaces the old name as a text, wherever its letters stand, in the prompt alone. Here the syntax tree says where
the name is meant, and prompt, solution and tests change alike; what cannot be renamed safely is left alone.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from random import Random

from benchmarks.extraction import parse
from benchmarks.perturbations.recode_lexicon import SYNONYM_SHARE, SYNONYMS, forms_of
from benchmarks.perturbations.recode_words import CASE_SHARE, SWAP_SHARE, TYPO_SHARE, CharEdit, flips, swaps, typos
from benchmarks.perturbations.subject import Edit, Subject, edited, renamed_words
from benchmarks.problem import Problem

NAME_SYNONYMS: dict[str, tuple[str, ...]] = {
    "add": ("append", "plus"),
    "array": ("list", "sequence"),
    "average": ("mean",),
    "change": ("alter", "modify"),
    "char": ("letter", "character"),
    "close": ("near", "nearby"),
    "common": ("shared", "joint"),
    "compare": ("match", "contrast"),
    "count": ("tally", "number"),
    "digits": ("figures", "numerals"),
    "difference": ("distance", "gap"),
    "distinct": ("unique", "different"),
    "elements": ("items", "members"),
    "element": ("item", "member"),
    "even": ("pair",),
    "filter": ("select", "sieve"),
    "first": ("leading", "initial"),
    "fix": ("repair", "mend"),
    "get": ("fetch", "obtain"),
    "is": ("be",),
    "last": ("final", "ending"),
    "length": ("size", "extent"),
    "list": ("array", "sequence"),
    "longest": ("lengthiest",),
    "make": ("build", "create"),
    "max": ("maximum", "highest"),
    "maximum": ("max", "highest"),
    "mean": ("average",),
    "median": ("middle",),
    "min": ("minimum", "lowest"),
    "minimum": ("min", "lowest"),
    "monotonic": ("steady",),
    "multiply": ("times", "product"),
    "number": ("value", "figure"),
    "numbers": ("values", "figures"),
    "nums": ("values", "figures"),
    "odd": ("uneven",),
    "order": ("sequence", "rank"),
    "pair": ("couple", "duo"),
    "pairs": ("couples", "duos"),
    "rounded": ("approximate",),
    "search": ("seek", "look"),
    "select": ("pick", "choose"),
    "separate": ("split", "divide"),
    "simplify": ("reduce",),
    "smallest": ("least", "tiniest"),
    "sort": ("order", "arrange"),
    "sorted": ("ordered", "arranged"),
    "special": ("particular",),
    "split": ("separate", "divide"),
    "string": ("text", "chars"),
    "strings": ("texts",),
    "sum": ("total",),
    "triangle": ("trigon",),
    "tuple": ("record",),
    "unique": ("distinct",),
    "valid": ("legal", "proper"),
    "word": ("term",),
    "words": ("terms",),
}
"""For names of functions, where a near word does no harm that a description would suffer from."""
_TRIES = 8
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_TAKEN = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins)})
_BINDING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)
_READS_NAMES = re.compile(r"\b(?:locals|globals|vars|eval|exec|getattr|__name__)\b")


def func_camel_case(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Write a name of several words in camel case, or with underscores if it was in camel case."""
    return _function(subject, _other_case)


def func_butter_finger(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put a neighbour on the keyboard in the place of some letters of the name."""
    return _function(subject, lambda name: _drawn(name, random, lambda text: typos(text, random), TYPO_SHARE))


def func_swap_char(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Exchange some letters of the name that stand side by side."""
    return _function(subject, lambda name: _drawn(name, random, swaps, SWAP_SHARE))


def func_change_char(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Turn some letters of the name into capitals, or capitals into small letters."""
    return _function(subject, lambda name: _drawn(name, random, flips, CASE_SHARE))


def func_inflection(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Give each word of the name some other of its forms."""

    def inflected(word: str) -> str:
        forms = forms_of(word)
        return random.choice(forms) if forms else word

    return _function(subject, lambda name: _by_words(name, inflected))


def func_synonym(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put a synonym in the place of half of the name's words."""

    def synonym(word: str) -> str:
        others = NAME_SYNONYMS.get(word) or SYNONYMS.get(word, ())
        return random.choice(others) if others and random.random() < SYNONYM_SHARE else word

    return _function(subject, lambda name: _by_words(name, synonym))


def var_renamer_naive(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Call the variable that given code mentions most VAR_0."""
    return _variable(subject, "VAR_0")


def var_renamer_rn(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Call the variable that given code mentions most by letters and digits at random."""
    letters = [random.choice(string.ascii_letters), *random.choices(string.ascii_letters + string.digits, k=9)]
    return _variable(subject, "".join(letters))


def _function(subject: Subject, rename: Callable[[str], str]) -> Problem | None:
    """The problem with the function under test called otherwise; None if no draw gives another usable name."""
    old = subject.problem.entry_point
    if old is None:
        return None
    taken = _identifiers(subject)
    drawn = (rename(old) for _ in range(_TRIES))
    new = next((name for name in drawn if name != old and name.isidentifier() and name not in taken | _TAKEN), None)
    return None if new is None else _renamed_function(subject, old, new)


def _renamed_function(subject: Subject, old: str, new: str) -> Problem | None:
    problem = subject.problem
    places = _places(subject.source, old, is_function=True)
    tests = [_places(test, old) for test in problem.tests]
    if not places or any(found is None for found in tests) or re.search(rf"\b{re.escape(old)}\b", problem.setup):
        return None
    changes: dict[str, object] = {
        "entry_point": new,
        "tests": tuple(_put(test, found or [], old, new) for test, found in zip(problem.tests, tests, strict=True)),
        "wrong": tuple(renamed_words(wrong, {old: new}) for wrong in problem.wrong),
    }
    if not subject.joined:
        told = (_put(text, _told(text, old), old, new) for text in (problem.prompt, problem.instruction))
        changes["prompt"], changes["instruction"] = told
    else:
        for span in subject.descriptions:
            places += [span.start + at for at in _told(problem.prompt[span.start : span.end], old)]
    return subject.with_edits([Edit(at, at + len(old), new) for at in places], **changes)


def _variable(subject: Subject, new: str) -> Problem | None:
    """The problem with one local variable of given code called otherwise."""
    tree = parse(subject.source) if subject.joined else None
    name = subject.problem.entry_point
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name] if tree else []
    if not found or new in _identifiers(subject) or _READS_NAMES.search(subject.source):
        return None
    stored = {node.id for node in ast.walk(found[-1]) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    last = subject.source.count("\n", 0, subject.split)
    nodes = [node for node in ast.walk(found[-1]) if isinstance(node, ast.Name) and node.id in stored]
    counts = Counter(node.id for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)))
    given = {node.id for node in nodes if node.lineno <= last}
    for old, _ in counts.most_common():
        places = _places(subject.source, old) if old in given else None
        if places:
            return subject.with_edits(Edit(at, at + len(old), new) for at in places)
    return None


def _places(code: str, name: str, *, is_function: bool = False) -> list[int] | None:
    """Where code means a name, in characters; None where it is bound in a way that is not followed here.

    Args:
        code: a module.
        name: of a variable, or of a function.
        is_function: whether the module defines it as a function, which nothing else may be called.
    """
    tree = parse(code)
    if tree is None:
        return None
    lines = code.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name:
            if is_function and not isinstance(node.ctx, ast.Load):
                return None
            column = len(lines[node.lineno - 1].encode()[: node.col_offset].decode())
            found.append(starts[node.lineno - 1] + column)
        elif is_function and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            match = re.compile(rf"def\s+({re.escape(name)})\b").search(code, starts[node.lineno - 1])
            if match is None or node not in tree.body:
                return None
            found.append(match.start(1))
        elif name in _bound(node):
            return None
    is_sure = all(code.startswith(name, at) for at in found) and not _in_formatted(tree, name)
    return sorted(found) if is_sure else None


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that a node binds otherwise than by assignment."""
    if isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.alias):
        yield (node.asname or node.name).partition(".")[0]
    elif isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names
    elif isinstance(node, ast.MatchMapping):
        yield node.rest or ""
    elif isinstance(node, _BINDING):
        yield node.name or ""


def _in_formatted(tree: ast.Module, name: str) -> bool:
    """Whether a formatted string mentions the name: the tree does not say where in it."""
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    return any(isinstance(node, ast.Name) and node.id == name for text in strings for node in ast.walk(text))


def _told(text: str, name: str) -> list[int]:
    """Where a text that is no code means the function: where it is called, or where no common word looks like it."""
    is_word = name.isalpha() and name.islower()
    call = r"(?=\s?\()" if is_word else r"(?!\w)"
    return [match.start() for match in re.finditer(rf"(?<![\w.]){re.escape(name)}{call}", text)]


def _put(text: str, places: Sequence[int], old: str, new: str) -> str:
    return edited(text, [Edit(at, at + len(old), new) for at in places])


def _identifiers(subject: Subject) -> frozenset[str]:
    """All that prompt, solution and tests call something."""
    problem = subject.problem
    texts = (problem.prompt, subject.source, *problem.tests, problem.setup)
    return frozenset(re.findall(r"[A-Za-z_]\w*", "\n".join(texts)))


def _drawn(name: str, random: Random, edits_of: Callable[[str], list[CharEdit]], share: float) -> str:
    """The name with each possible edit made with probability `share`, and at least one."""
    possible = edits_of(name)
    if not possible:
        return name
    chosen = [edit for edit in possible if random.random() < share] or [random.choice(possible)]
    last = len(name)
    for start, end, new in reversed(chosen):
        if end <= last:
            name, last = name[:start] + new + name[end:], start
    return name


def _other_case(name: str) -> str:
    words: list[str] = _WORD.findall(name)
    if "_" in name.strip("_"):
        return words[0].lower() + "".join(word.capitalize() for word in words[1:])
    return "_".join(word.lower() for word in words) if len(words) > 1 else name


def _by_words(name: str, change: Callable[[str], str]) -> str:
    """The name with each of its words changed, in its own case."""
    parts = re.split(r"([A-Z]+(?![a-z])|[A-Z]?[a-z]+)", name)
    is_camel = "_" not in name and name != name.lower()
    return "".join(_named(part, change, is_camel=is_camel) for part in parts)


def _named(part: str, change: Callable[[str], str], *, is_camel: bool) -> str:
    if not part.isalpha():
        return part
    words = change(part.lower()).split()
    if not is_camel:
        return "_".join(words)
    first = words[0] if part[0].islower() else words[0].capitalize()
    return first + "".join(word.capitalize() for word in words[1:])
