"""ReCode's changes of a docstring's words: other inflections, synonyms before or instead of words, other tenses.

ReCode asks a tagger for parts of speech and WordNet for synonyms; here verbs are those that docstrings begin with, and
synonyms are the catalogue's own, which mean the same in descriptions of programs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from random import Random

from benchmarks.perturbations.prose import Word
from benchmarks.perturbations.recode_words import keeps_names, with_prose
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.problem import Problem

SYNONYM_SHARE = 0.5
LONGEST_TRANSLATED = 360
"""Characters of a description from which on it is not translated, as in ReCode."""
TRANSLATE = (
    "Translate the text into German, and your translation back into English. Leave names, numbers and quoted words as "
    "they are. Answer with the English text alone."
)
SYNONYMS: dict[str, tuple[str, ...]] = {
    "return": ("give back", "hand back"),
    "returns": ("gives back", "hands back"),
    "write": ("implement", "create"),
    "create": ("make", "build"),
    "find": ("determine", "locate"),
    "check": ("verify", "find out"),
    "checks": ("verifies", "finds out"),
    "compute": ("calculate", "work out"),
    "calculate": ("compute", "work out"),
    "determine": ("find out", "establish"),
    "given": ("provided", "specified"),
    "contains": ("holds", "includes"),
    "contain": ("hold", "include"),
    "containing": ("holding", "including"),
    "consisting": ("made up", "composed"),
    "remove": ("delete", "drop"),
    "replace": ("substitute", "exchange"),
    "use": ("employ", "apply"),
    "using": ("employing", "applying"),
    "takes": ("accepts", "receives"),
    "take": ("accept", "receive"),
    "convert": ("transform", "turn"),
    "largest": ("biggest", "greatest"),
    "smallest": ("least", "lowest"),
    "biggest": ("largest", "greatest"),
    "whole": ("entire", "complete"),
    "entire": ("whole", "complete"),
    "same": ("identical", "equal"),
    "all": ("all the",),
    "only": ("just", "solely"),
    "task": ("job", "assignment"),
    "result": ("outcome", "answer"),
    "following": ("subsequent", "next"),
    "also": ("too", "likewise"),
    "however": ("but", "though"),
    "should": ("ought to", "must"),
    "occurs": ("appears", "comes up"),
    "appears": ("occurs", "shows up"),
    "possible": ("feasible", "conceivable"),
    "otherwise": ("else", "if not"),
    "assume": ("suppose", "presume"),
    "each": ("every",),
    "every": ("each",),
    "total": ("overall", "complete"),
    "equal": ("identical", "equivalent"),
}
"""Near synonyms: WordNet's first sense is often another one."""
_VERB_LIST = """
accept add apply assume build calculate check choose compare compute concatenate consider consist consists contain
contains convert copy count create decide define delete determine divide encode decode evaluate expect extract fill
filter find flatten follow generate get give implement insert iterate join keep make merge move multiply note obtain
parse perform print produce read receive remove replace represent return reverse rotate round satisfy search select
shift simplify sort split subtract sum swap take test transform truncate use validate verify write
"""
VERBS = frozenset(_VERB_LIST.split())
"""Base forms that are verbs where they begin a sentence or follow its subject."""
_SUBJECTS = frozenset({"you", "we", "they", "it", "i", "that", "which", "who", "and", "then", "function"})
_BE = {"is": "was", "are": "were", "has": "had", "have": "had"}
_CLOSED_LIST = """
a an the and or not no nor but if then else of in on at to by for from with as than that this these those there it
its they their you your we our he she his her who which whose what where when how why all any each every some both
either neither one two is are was were be been being am do does did has have had can could will would shall should
may might must so such same other only also very just into onto over under up down out off per via
"""
_CLOSED = frozenset(_CLOSED_LIST.split())
"""Words of which no inflection is drawn: they carry the sentence's grammar."""
_CLASSES = ("NOUN", "VERB", "ADJ")


def inflection(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Give every noun, verb and adjective some other of its forms."""
    edits = []
    for word in subject.words:
        forms = forms_of(word.text.lower())
        if forms:
            edits += _replaced(subject, word, _cased(random.choice(forms), word.text))
    return with_prose(subject, edits)


def synonym_insertion(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put a synonym after some of the words."""
    return _synonyms(subject, random, lambda word, other: f"{word} {other.lower()}")


def synonym_substitution(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put a synonym in the place of some of the words."""
    return _synonyms(subject, random, lambda word, other: other)


def tense_past(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put the verbs of the description into the past."""
    edits = []
    for word in _verbs(subject):
        past = _BE.get(word.text.lower()) or _tense(word.text.lower(), "VBD")
        edits += _replaced(subject, word, _cased(past, word.text))
    return with_prose(subject, edits)


def tense_future(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put the verbs of the description into the future."""
    edits = []
    for word in _verbs(subject):
        base = {"is": "be", "are": "be", "has": "have"}.get(word.text.lower()) or _base(word.text.lower())
        edits += _replaced(subject, word, _cased(f"will {base}", word.text))
    return with_prose(subject, edits)


def back_translation(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Have a language model translate each sentence line into German and back."""
    rewrite, prompt = subject.rewrite, subject.problem.prompt
    if rewrite is None or sum(line.end - line.start for line in subject.lines) >= LONGEST_TRANSLATED:
        return None
    edits = []
    for line in subject.lines:
        old = prompt[line.start : line.end]
        new = " ".join(rewrite(TRANSLATE, old).split())
        if new and new != old and not re.search(r"\"\"\"|\\|\*/", new):
            edits.append(Edit(line.start, line.end, new))
    return with_prose(subject, edits)


def _synonyms(subject: Subject, random: Random, joined: Callable[[str, str], str]) -> Problem | None:
    """The problem with about half of the words that have synonyms changed, at least one."""
    known = [word for word in subject.words if word.text.lower() in SYNONYMS]
    if not known:
        return None
    chosen = [word for word in known if random.random() < SYNONYM_SHARE] or [random.choice(known)]
    edits = []
    for word in chosen:
        other = _cased(random.choice(SYNONYMS[word.text.lower()]), word.text)
        edits += _replaced(subject, word, joined(word.text, other))
    return with_prose(subject, edits)


def _replaced(subject: Subject, word: Word, new: str) -> list[Edit]:
    """The edit of one word; none where nothing changes or a name would appear."""
    is_kept = new == word.text or not keeps_names(subject, word.text, new)
    return [] if is_kept else [Edit(word.start, word.end, new)]


def _cased(new: str, old: str) -> str:
    return new[:1].upper() + new[1:] if old[:1].isupper() else new


@cache
def forms_of(word: str) -> tuple[str, ...]:
    """Other forms of a noun, verb or adjective, in a fixed order; empty for other words."""
    if word in _CLOSED or not word.isalpha() or len(word) < 3:
        return ()
    import lemminflect

    found: list[str] = []
    for kind, lemmas in lemminflect.getAllLemmas(word).items():
        for lemma in lemmas[:1] if kind in _CLASSES else ():
            for forms in lemminflect.getAllInflections(lemma, kind).values():
                found += forms[:1]
    return tuple(sorted({form for form in found if form.isascii() and form.isalpha()} - {word}))


@cache
def _base(word: str) -> str:
    import lemminflect

    lemmas: Sequence[str] = lemminflect.getLemma(word, "VERB")
    return lemmas[0]


@cache
def _tense(word: str, tag: str) -> str:
    import lemminflect

    forms: Sequence[str] = lemminflect.getInflection(_base(word), tag)
    return forms[0]


def _verbs(subject: Subject) -> list[Word]:
    """Verbs in the present: common forms of be and have, and known verbs that begin a sentence or follow a subject."""
    prompt, found = subject.problem.prompt, []
    starts = {line.start for line in subject.lines}
    for word in subject.words:
        low = word.text.lower()
        before = prompt[: word.start].rstrip()
        is_first = word.text[0].isupper() and (word.start in starts or before[-1:] in {".", ":", '"', "!", "?"})
        last = before.rpartition(" ")[2].strip(",\n").lower()
        is_verb = low in VERBS or (low.endswith("s") and _base(low) in VERBS)
        if (low in _BE and last != "to") or (is_verb and (is_first or last in _SUBJECTS or before.endswith(","))):
            found.append(word)
    return found
