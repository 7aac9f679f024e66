"""Chinese descriptions as people also write them: other widths, characters, punctuation, and English terms among them.

Characters, terms and identifiers that decide what is asked stay: numerals, negations, names of the code, quoted text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from random import Random
from typing import Any

from benchmarks.perturbations.chinese_tables import (
    COMMON,
    DECISIVE,
    GREETINGS,
    MARKS,
    PLEAS,
    TERMS,
    VERBS,
)
from benchmarks.perturbations.perturbation import PROSE_ONLY, Apply, Keeps, Perturbation
from benchmarks.perturbations.prose import TYPE_WORDS
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.problem import Problem

CHARACTER_SHARES = {1: 0.02, 2: 0.05, 3: 0.10}
"""Share of the Chinese characters that are changed, by severity; at least one is."""
TRADITIONAL_SHARES = {1: 1 / 3, 2: 2 / 3, 3: 1.0}
WIDTH_KEEPS: frozenset[Keeps] = PROSE_ONLY - {"numbers"}
_HAN = r"[\u4e00-\u9fff]"
_CHINESE = re.compile(_HAN)
_QUOTED = re.compile(r"`[^`]*`|\"[^\"]*\"|'[^']*'|“[^”]*”|‘[^’]*’|「[^」]*」|https?://[!-~]+")
_CODE_LIKE = re.compile(r"[!-~]*[_\[\]{}<>=+*/\\|^%$@#&~`\"'-][!-~]*")
_MARK = re.compile(rf"(?<={_HAN})[,;:!?()](?![!-~])|(?<![!-~])[,;:!?()](?={_HAN})")
_WIDE_MARK = re.compile(r"[，；：！？]")
_DIGITS = re.compile(r"(?<![0-9A-Za-z_.,:])[0-9]+(?![.,:]?[0-9A-Za-z_])")
_LETTERS = re.compile(r"(?<![0-9A-Za-z_.])[A-Za-z]{2,}(?![0-9A-Za-z_.(])")
_WIDER = 0xFEE0
"""From an ASCII character to its form of full width."""
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def full_width(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Write ASCII marks, numbers and words in the width of Chinese characters, and Chinese marks in ASCII."""
    pieces = _outside(subject)
    found = [edit for pattern in (_MARK, _DIGITS, _LETTERS) for edit in _widened(subject, pieces, pattern)]
    found += [Edit(at, at + 1, unicodedata.normalize("NFKC", mark)) for at, mark in _found(subject, _WIDE_MARK)]
    counts = (min(1, len(found)), (len(found) + 1) // 2, len(found))
    return _with_prose(subject, random.sample(found, _count(counts, severity)))


def traditional_characters(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Write a part of the characters in their traditional form."""
    edits = []
    for at, text in _plain(subject):
        edits += [
            Edit(at + place, at + place + 1, new)
            for place, (old, new) in enumerate(zip(text, _traditional(text), strict=True))
            if new != old
        ]
    count = max(1, round(TRADITIONAL_SHARES[severity] * len(edits)))
    return _with_prose(subject, random.sample(edits, count)) if edits else None


def homophones(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Replace some characters by others that sound alike, as an input method offers them."""
    sounds = _homophones()
    found = [(at, char) for at, char in _characters(subject) if char in sounds]
    edits = [Edit(at, at + 1, random.choice(sounds[char])) for at, char in _share(subject, found, random, severity)]
    return _with_prose(subject, edits)


def swapped_characters(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Exchange two characters that stand side by side."""
    prompt = subject.problem.prompt
    at_char = dict(_characters(subject))
    pairs = [(at, char) for at, char in at_char.items() if at_char.get(at + 1, char) != char]
    edits: list[Edit] = []
    for at, _ in _share(subject, pairs, random, severity):
        if all(abs(edit.start - at) > 1 for edit in edits):
            edits.append(Edit(at, at + 2, prompt[at + 1] + prompt[at]))
    return _with_prose(subject, edits)


def chinese_punctuation(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Leave out, double or exchange marks within sentences; their ends stay."""
    edits = []
    prompt = subject.problem.prompt
    found = [(at, mark) for at, mark in _found(subject, re.compile(f"[{''.join(MARKS)}]")) if _is_between(prompt, at)]
    for at, mark in random.sample(found, _count(_at_most(len(found)), severity)):
        edits.append(Edit(at, at + 1, random.choice(MARKS[mark])))
    return _with_prose(subject, edits)


def mixed_language(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Say technical terms in English."""
    prompt = subject.problem.prompt
    found = [(at, term) for at, term in _found(subject, _terms()) if TERMS[term] not in subject.names]
    terms = list(dict.fromkeys(term for _, term in found))
    chosen = set(random.sample(terms, _count(_at_most(len(terms)), severity)))
    starts = {at for at, term in found if term in chosen}
    edits = []
    for at, term in found:
        if term in chosen:
            end = at + len(term)
            ahead = " " if at and _is_ascii_word(prompt[at - 1]) else ""
            behind = " " if end in starts or _is_ascii_word(prompt[end : end + 1]) else ""
            edits.append(Edit(at, end, ahead + TERMS[term] + behind))
    return _with_prose(subject, edits)


def chinese_politeness(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Ask politely: a word, a sentence, or a greeting before the description."""
    if not subject.lines:
        return None
    line = subject.lines[0]
    is_request = subject.problem.prompt.startswith(VERBS, line.start)
    words = PLEAS if severity == 1 and is_request else GREETINGS[severity]
    return _with_prose(subject, [Edit(line.start, line.start, random.choice(words))])


def _count(counts: tuple[int, int, int], severity: int) -> int:
    """How many of these belong to a severity; 0 where 1 or 3 would be what 2, the usual one, is."""
    count = counts[severity - 1]
    return count if severity == 2 or count != counts[1] else 0


def _at_most(number: int) -> tuple[int, int, int]:
    """So many terms or marks, by severity, of a number of them."""
    return (min(1, number), min(2, number), min(4, number))


def _with_prose(subject: Subject, edits: Iterable[Edit]) -> Problem | None:
    """The problem with its description edited; None where a line would be no prose, or an identifier another one."""
    made = subject.with_prose(edits)
    if made is None:
        return None
    after = Subject(made, subject.language)
    if len(after.lines) != len(subject.lines) or _told(after, subject) != _told(subject, subject):
        return None
    return made


def _told(subject: Subject, nominal: Subject) -> list[str]:
    """Identifiers that the prose tells of, Chinese characters beside them counted as theirs."""
    prose = " ".join(subject.problem.prompt[line.start : line.end] for line in subject.lines)
    return sorted(word for word in re.findall(r"[A-Za-z_]\w*", prose) if word in nominal.told_names)


def _outside(subject: Subject) -> list[tuple[int, str]]:
    """Pieces of prose outside of quoted text and what looks like code, with their places."""
    found = []
    for at, text in _plain(subject):
        last = 0
        for match in [*_CODE_LIKE.finditer(text), None]:
            found.append((at + last, text[last : match.start() if match else len(text)]))
            last = match.end() if match else last
    return found


def _plain(subject: Subject) -> list[tuple[int, str]]:
    """Pieces of Chinese prose outside of quoted text, with their places."""
    found = []
    for line in subject.lines:
        text, last = subject.problem.prompt[line.start : line.end], 0
        if not _CHINESE.search(text):
            continue
        for match in [*_QUOTED.finditer(text), None]:
            found.append((line.start + last, text[last : match.start() if match else len(text)]))
            last = match.end() if match else last
    return found


def _found(subject: Subject, pattern: re.Pattern[str]) -> list[tuple[int, str]]:
    return [(at + match.start(), match[0]) for at, text in _plain(subject) for match in pattern.finditer(text)]


def _widened(subject: Subject, pieces: Iterable[tuple[int, str]], pattern: re.Pattern[str]) -> Iterator[Edit]:
    kept = TYPE_WORDS | subject.names | _test_words(subject) if pattern is _LETTERS else frozenset()
    for at, text in pieces:
        for match in pattern.finditer(text):
            if match[0] not in kept and match[0].lower() not in kept:
                wide = "".join(chr(ord(char) + _WIDER) for char in match[0])
                yield Edit(at + match.start(), at + match.end(), wide)


def _characters(subject: Subject) -> list[tuple[int, str]]:
    """Chinese characters that decide nothing, with their places."""
    return [(at, char) for at, char in _found(subject, _CHINESE) if char not in DECISIVE]


def _share(subject: Subject, found: Sequence[tuple[int, str]], random: Random, severity: int) -> list[tuple[int, str]]:
    """Some of the places: a share of all Chinese characters, at least one."""
    total = len(_found(subject, _CHINESE))
    return random.sample(found, min(len(found), max(1, round(CHARACTER_SHARES[severity] * total))))


def _is_between(prompt: str, at: int) -> bool:
    """Whether Chinese characters stand on both sides of a mark."""
    return bool(re.fullmatch(f"{_HAN}.{_HAN}", prompt[at - 1 : at + 2]))


def _is_ascii_word(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char == "_")


def _test_words(subject: Subject) -> frozenset[str]:
    """Words of tests and reference: where prose has them, their letters may be values that are asked for."""
    problem = subject.problem
    return frozenset(_WORD.findall(" ".join([*problem.tests, problem.reference or "", problem.setup])))


@lru_cache(maxsize=4096)
def _traditional(text: str) -> str:
    """The text in traditional characters, one for each; where that is not so, the text itself."""
    new = str(_converter().convert(text))
    return new if len(new) == len(text) else text


@cache
def _converter() -> Any:  # noqa: ANN401 - opencc has no types
    import opencc

    return opencc.OpenCC("s2t")


@cache
def _terms() -> re.Pattern[str]:
    longest_first = "|".join(sorted(TERMS, key=len, reverse=True))
    return re.compile(rf"(?:{longest_first})(?![化位名部根点表])")  # as in the words for serialising, or file name


@cache
def _homophones() -> dict[str, str]:
    """For common characters of one reading alone: the others of the same sound and tone."""
    import pypinyin

    by_sound: dict[str, list[str]] = {}
    for char in dict.fromkeys(COMMON):
        sounds = pypinyin.pinyin(char, style=pypinyin.Style.TONE3, heteronym=True)[0]
        if len(sounds) == 1 and char not in DECISIVE:
            by_sound.setdefault(sounds[0], []).append(char)
    return {
        char: "".join(other for other in alike if other != char)
        for alike in by_sound.values()
        if len(alike) > 1
        for char in alike
    }


def _entry(
    name: str,
    summary: str,
    apply: Apply,
    scale: tuple[str, str, str],
    source: str,
    keeps: frozenset[Keeps] = PROSE_ONLY,
) -> Perturbation:
    return Perturbation(
        name=name, family="chinese", summary=summary, apply=apply, source=source, keeps=keeps, text="zh", scale=scale
    )


_CHARACTERS = ("2 % of characters", "5 % of characters", "10 % of characters")
TABLE: tuple[Perturbation, ...] = (
    _entry(
        "full_width",
        "marks, numbers and words in the other of both widths",
        full_width,
        ("one place", "half of the places", "all places"),
        "codeassay",
        WIDTH_KEEPS,
    ),
    _entry(
        "traditional_characters",
        "characters in their traditional form",
        traditional_characters,
        ("a third of those that differ", "two thirds", "all"),
        "codeassay; OpenCC",
    ),
    _entry(
        "homophones",
        "some characters become others that sound alike",
        homophones,
        _CHARACTERS,
        "codeassay; pypinyin",
    ),
    _entry(
        "chinese_punctuation",
        "marks within sentences are missing, doubled or others",
        chinese_punctuation,
        ("one mark", "two marks", "four marks"),
        "codeassay",
    ),
    _entry(
        "mixed_language",
        "technical terms are said in English",
        mixed_language,
        ("one term", "two terms", "four terms"),
        "codeassay",
    ),
    _entry(
        "swapped_characters",
        "neighbouring characters are exchanged",
        swapped_characters,
        _CHARACTERS,
        "NLPerturbator (2406.19783), for Chinese",
    ),
    _entry(
        "chinese_politeness",
        "the description begins politely",
        chinese_politeness,
        ("a word or short sentence", "a request with thanks", "a long greeting"),
        "codeassay",
    ),
)
