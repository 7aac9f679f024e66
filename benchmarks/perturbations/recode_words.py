"""ReCode's changes of a docstring's characters, with its own probabilities, in words that may change.

ReCode draws for every character of the docstring, examples and closing quotes among them, and leaves some problems
unchanged; here only prose words change, and where nothing was drawn one place is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

from benchmarks.perturbations.prose import Word
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.problem import Problem

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = ((0, -1), (0, 1), (-1, 0), (-1, 1), (1, -1), (1, 0))
NEIGHBOURS = {
    letter: "".join(
        _ROWS[row + down][column + right]
        for down, right in _BESIDE
        if 0 <= row + down < len(_ROWS) and 0 <= column + right < len(_ROWS[row + down])
    )
    for row, letters in enumerate(_ROWS)
    for column, letter in enumerate(letters)
}
"""Letters beside each letter on a QWERTY keyboard, whose rows are each set off by half a key."""
TYPO_SHARE = 0.06
"""ButterFingers: 0.05, but it draws from 0 to 99 and takes 5 too."""
CASE_SHARE = 0.35
SWAP_SHARE = 0.05
REMOVED_SHARE = 0.1
ADDED_SHARE = 0.05

_NAME = re.compile(r"[A-Za-z_]\w*")
CharEdit = tuple[int, int, str]
"""Replace characters `[start, end)` of a word."""


def butter_fingers(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Replace letters by a neighbour on the keyboard."""
    return _drawn(subject, random, lambda text: typos(text, random), TYPO_SHARE)


def change_char_case(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Turn small letters into capitals and capitals into small ones."""
    return _drawn(subject, random, flips, CASE_SHARE)


def swap_characters(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Exchange letters that stand side by side."""
    return _drawn(subject, random, swaps, SWAP_SHARE)


def typos(text: str, random: Random) -> list[CharEdit]:
    """For each letter a neighbour on the keyboard."""
    return [(at, at + 1, _typo(letter, random)) for at, letter in enumerate(text) if letter.lower() in NEIGHBOURS]


def flips(text: str) -> list[CharEdit]:
    """For each letter the same in the other case."""
    return [(at, at + 1, letter.swapcase()) for at, letter in enumerate(text) if letter.isalpha()]


def swaps(text: str) -> list[CharEdit]:
    """For each two letters side by side the same two in the other order."""
    pairs = enumerate(pairwise(text))
    return [(at, at + 2, b + a) for at, (a, b) in pairs if a.isalpha() and b.isalpha() and a.lower() != b.lower()]


def whitespace(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Remove blanks between words and put some into words."""
    prompt = subject.problem.prompt
    words = _changeable(subject)
    gaps = [Edit(left.end, right.start, "") for left, right in pairwise(words) if prompt[left.end : right.start] == " "]
    places = [(word, at) for word in words for at in range(word.start + 1, word.end)]
    breaks = [Edit(at, at, " ") for word, at in places if _splits(subject, word, at)]
    chosen = [edit for edit in gaps if random.random() < REMOVED_SHARE]
    chosen += [edit for edit in breaks if random.random() < ADDED_SHARE]
    if not chosen and gaps + breaks:
        chosen = [random.choice(gaps + breaks)]
    return with_prose(subject, chosen)


def with_prose(subject: Subject, edits: Sequence[Edit]) -> Problem | None:
    """The problem with its description edited; None if nothing changed, or if a line would no longer read as prose."""
    made = subject.with_prose(edits)
    is_lost = made is not None and len(Subject(made, subject.language).lines) != len(subject.lines)
    return None if is_lost else made


def keeps_names(subject: Subject, old: str, new: str) -> bool:
    """Whether a word tells of the same names after its change, and no new name appears."""
    before, after = _NAME.findall(old), _NAME.findall(new)
    told = [sorted(name for name in names if name in subject.told_names) for names in (before, after)]
    return told[0] == told[1] and not any(name in subject.names for name in after if name not in before)


def _splits(subject: Subject, word: Word, at: int) -> bool:
    """Whether a word may be broken here: no piece is a name."""
    return keeps_names(subject, word.text, f"{word.text[: at - word.start]} {word.text[at - word.start :]}")


def _typo(letter: str, random: Random) -> str:
    near = random.choice(NEIGHBOURS[letter.lower()])
    return near if letter.islower() else near.upper()


def _changeable(subject: Subject) -> list[Word]:
    return [word for word in subject.words if len(word.text) > 1 and word.text.isascii()]


def _drawn(subject: Subject, random: Random, edits_of: Callable[[str], list[CharEdit]], share: float) -> Problem | None:
    """The problem with each possible edit made with probability `share`, and at least one."""
    edits: list[Edit] = []
    words = _changeable(subject)
    for word in words:
        edits += _placed(subject, word, [edit for edit in edits_of(word.text) if random.random() < share])
    while not edits and words:
        word = words.pop(random.randrange(len(words)))
        possible = edits_of(word.text)
        edits = _placed(subject, word, [random.choice(possible)]) if possible else []
    return with_prose(subject, edits)


def _placed(subject: Subject, word: Word, changes: Sequence[CharEdit]) -> list[Edit]:
    """The edits of one word that do not overlap, in the prompt; none if the word would become a name."""
    kept: list[CharEdit] = []
    for change in changes:
        if not kept or kept[-1][1] <= change[0]:
            kept.append(change)
    text = word.text
    for start, end, new in reversed(kept):
        text = text[:start] + new + text[end:]
    if not keeps_names(subject, word.text, text):
        return []
    return [Edit(word.start + start, word.start + end, new) for start, end, new in kept]
