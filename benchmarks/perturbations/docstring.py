"""Noise in the words of an English description: what a hurried person types."""

from __future__ import annotations

from random import Random

from benchmarks.perturbations.perturbation import PROSE_ONLY, Perturbation
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.problem import Problem

WORD_SHARES = {1: 0.02, 2: 0.05, 3: 0.10}
"""Share of the words that are changed, by severity; at least one is."""
_NEIGHBOURS = {
    "q": "wa",
    "w": "qes",
    "e": "wrd",
    "r": "etf",
    "t": "ryg",
    "y": "tuh",
    "u": "yij",
    "i": "uok",
    "o": "ipl",
    "p": "ol",
    "a": "qsz",
    "s": "awdx",
    "d": "sefc",
    "f": "drgv",
    "g": "fthb",
    "h": "gyjn",
    "j": "hukm",
    "k": "jil",
    "l": "kop",
    "z": "asx",
    "x": "zsdc",
    "c": "xdfv",
    "v": "cfgb",
    "b": "vghn",
    "n": "bhjm",
    "m": "njk",
}
"""Letters beside each letter on a QWERTY keyboard."""


def keyboard_typos(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Replace one inner letter of some words by a neighbour on the keyboard."""
    words = [word for word in subject.words if len(word.text) > 3 and word.text.isascii() and word.text.isalpha()]
    if not words:
        return None
    edits = []
    for word in random.sample(words, max(1, round(WORD_SHARES[severity] * len(subject.words)))):
        at = random.randrange(1, len(word.text))
        letter = word.text[at]
        typo = random.choice(_NEIGHBOURS[letter.lower()])
        edits.append(Edit(word.start + at, word.start + at + 1, typo if letter.islower() else typo.upper()))
    return subject.with_prose(edits)


TABLE: tuple[Perturbation, ...] = (
    Perturbation(
        name="keyboard_typos",
        family="docstring",
        summary="one letter of some words is the key beside it",
        apply=keyboard_typos,
        source="ReCode (2212.10264) ButterFingers; NLPerturbator (2406.19783)",
        keeps=PROSE_ONLY,
        text="en",
        scale=("2 % of words", "5 % of words", "10 % of words"),
    ),
)
