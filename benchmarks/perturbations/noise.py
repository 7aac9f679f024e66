"""Noise in the words of an English description: what a hurried person types, or a careless tool leaves."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

from benchmarks.perturbations.perturbation import PROSE_ONLY, Apply, Perturbation
from benchmarks.perturbations.prose import Word
from benchmarks.perturbations.recode_words import NEIGHBOURS, keeps_names, with_prose
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.problem import Problem

WORD_SHARES = {1: 0.02, 2: 0.05, 3: 0.10}
"""Share of the words that are changed, by severity; at least one is, two at severity 2, three at severity 3."""
LETTER_SHARES = {1: 0.05, 2: 0.15, 3: 0.35}
GAP_SHARES = {1: 0.04, 2: 0.10, 3: 0.20}
SMALL_WORDS = frozenset({"a", "an", "the", "of", "in", "to", "for", "on", "at", "by", "with"})
"""Determiners and prepositions without which one still knows what is meant."""
_MARK = re.compile(r"(?<=[a-z])[,.;!](?=\s|$)")
_SHORTEST = 4
"""Letters of a word from which one may be changed: in shorter ones a typo makes another word."""


def keyboard_typos(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Replace one inner letter of some words by a neighbour on the keyboard."""

    def typo(text: str) -> str:
        at = random.randrange(1, len(text))
        near = random.choice(NEIGHBOURS[text[at].lower()])
        return text[:at] + (near if text[at].islower() else near.upper()) + text[at + 1 :]

    return _in_words(subject, random, severity, typo)


def swapped_letters(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Exchange two letters of some words that stand side by side."""

    def swap(text: str) -> str:
        places = [at for at, (a, b) in enumerate(pairwise(text)) if at and a != b]
        if not places:
            return text
        at = random.choice(places)
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]

    return _in_words(subject, random, severity, swap)


def dropped_letters(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Leave out one inner letter of some words."""

    def drop(text: str) -> str:
        at = random.randrange(1, len(text) - 1)
        return text[:at] + text[at + 1 :]

    return _in_words(subject, random, severity, drop)


def repeated_letters(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Write one letter of some words twice."""

    def repeat(text: str) -> str:
        at = random.randrange(1, len(text))
        return text[:at] + text[at] + text[at:]

    return _in_words(subject, random, severity, repeat)


def letter_case(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Write some letters in the other case."""
    places = [at for word in _plain(subject) if len(word.text) > 1 for at in range(word.start, word.end)]
    letters = [at for at in places if subject.problem.prompt[at].isalpha()]
    if not letters:
        return None
    count = min(len(letters), max(severity, round(LETTER_SHARES[severity] * len(letters))))
    chosen = random.sample(letters, count)
    return with_prose(subject, [Edit(at, at + 1, subject.problem.prompt[at].swapcase()) for at in chosen])


def whitespace_noise(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Write two blanks between some words, and none between others."""
    prompt = subject.problem.prompt
    pairs = [(a, b) for a, b in pairwise(subject.words) if prompt[a.end : b.start] == " "]
    if not pairs:
        return None
    edits = []
    for before, after in random.sample(pairs, _count(GAP_SHARES[severity], severity, len(pairs))):
        joins = random.random() < 0.5 and keeps_names(subject, f"{before.text} {after.text}", before.text + after.text)
        edits.append(Edit(before.end, after.start, "" if joins else "  "))
    return with_prose(subject, edits)


def repeated_words(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Write some words twice."""
    words = _sample(_plain(subject), random, severity)
    return with_prose(subject, [Edit(word.end, word.end, f" {word.text.lower()}") for word in words])


def dropped_small_words(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Leave out some determiners and prepositions."""
    prompt = subject.problem.prompt
    small = [word for word in _plain(subject) if word.text in SMALL_WORDS and prompt[word.end : word.end + 1] == " "]
    if not small:
        return None
    chosen = random.sample(small, min(len(small), (1, 2, 4)[severity - 1]))
    return with_prose(subject, [Edit(word.start, word.end + 1, "") for word in chosen])


def dropped_punctuation(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Leave out some commas and full stops."""
    prompt = subject.problem.prompt
    marks = [
        line.start + match.start() for line in subject.lines for match in _MARK.finditer(prompt[line.start : line.end])
    ]
    if not marks:
        return None
    chosen = random.sample(marks, min(len(marks), (1, 2, 4)[severity - 1]))
    return with_prose(subject, [Edit(at, at + 1, "") for at in chosen])


def _plain(subject: Subject) -> list[Word]:
    """Words that are no names elsewhere in the description."""
    names = {name.lower() for name in subject.told_names}
    return [word for word in subject.words if word.text.lower() not in names]


def _in_words(subject: Subject, random: Random, severity: int, changed: Callable[[str], str]) -> Problem | None:
    """The problem with some longer words changed; none of them becomes or loses a name."""
    words = [
        word for word in subject.words if len(word.text) >= _SHORTEST and word.text.isascii() and word.text.isalpha()
    ]
    edits = []
    for word in _sample(words, random, severity, of=len(subject.words)):
        new = changed(word.text)
        if keeps_names(subject, word.text, new):
            edits.append(Edit(word.start, word.end, new))
    return with_prose(subject, edits)


def _sample(words: Sequence[Word], random: Random, severity: int, of: int | None = None) -> list[Word]:
    if not words:
        return []
    return random.sample(words, min(len(words), _count(WORD_SHARES[severity], severity, of or len(words))))


def _count(share: float, severity: int, size: int) -> int:
    """A share of so many, at least one, and more at a higher severity."""
    return min(size, max(severity, round(share * size)))


def _entry(name: str, summary: str, apply: Apply, scale: tuple[str, str, str], source: str) -> Perturbation:
    return Perturbation(
        name=name,
        family="docstring",
        summary=summary,
        apply=apply,
        source=source,
        keeps=PROSE_ONLY,
        text="en",
        scale=scale,
    )


_WORDS = ("2 % of words, at least 1", "5 %, at least 2", "10 %, at least 3")
_RECODE = "ReCode (2212.10264)"
_NLP = "NLPerturbator (2406.19783)"
TABLE: tuple[Perturbation, ...] = (
    _entry("keyboard_typos", "one letter of some words is the key beside it", keyboard_typos, _WORDS, _RECODE),
    _entry("swapped_letters", "two neighbouring letters of some words are swapped", swapped_letters, _WORDS, _RECODE),
    _entry("dropped_letters", "one letter of some words is missing", dropped_letters, _WORDS, _NLP),
    _entry("repeated_letters", "one letter of some words is there twice", repeated_letters, _WORDS, _NLP),
    _entry(
        "letter_case",
        "some letters are in the other case",
        letter_case,
        ("5 % of letters", "15 %", "35 %"),
        f"{_RECODE} ChangeCharCase; {_NLP}",
    ),
    _entry(
        "whitespace_noise",
        "blanks between words are doubled or missing",
        whitespace_noise,
        ("4 % of gaps", "10 %", "20 %"),
        f"{_RECODE} Whitespace; {_NLP}",
    ),
    _entry("repeated_words", "some words are there twice", repeated_words, _WORDS, _NLP),
    _entry(
        "dropped_small_words",
        "articles and prepositions are missing",
        dropped_small_words,
        ("1 word", "2 words", "4 words"),
        _NLP,
    ),
    _entry(
        "dropped_punctuation",
        "commas and full stops are missing",
        dropped_punctuation,
        ("1 mark", "2 marks", "4 marks"),
        "codeassay",
    ),
)
