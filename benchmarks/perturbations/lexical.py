"""Other words for the same thing in an English description: synonyms, contractions, tense, spelling, numerals."""

from __future__ import annotations

import re
from itertools import pairwise
from random import Random

from benchmarks.perturbations.perturbation import PROSE_ONLY, Perturbation
from benchmarks.perturbations.prose import Word
from benchmarks.perturbations.recode_lexicon import SYNONYMS, forms_of, tense_future, tense_past
from benchmarks.perturbations.recode_words import keeps_names, with_prose
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.problem import Problem

COUNTS = {1: 1, 2: 2, 3: 4}
"""Words that are changed, by severity."""
SHARES = {1: 0.1, 2: 0.25, 3: 0.5}
CONTRACTIONS = {
    "do not": "don't",
    "does not": "doesn't",
    "did not": "didn't",
    "is not": "isn't",
    "are not": "aren't",
    "was not": "wasn't",
    "were not": "weren't",
    "has not": "hasn't",
    "have not": "haven't",
    "should not": "shouldn't",
    "would not": "wouldn't",
    "could not": "couldn't",
    "will not": "won't",
    "can not": "can't",
    "you are": "you're",
    "you have": "you've",
    "you will": "you'll",
    "they are": "they're",
    "it is": "it's",
    "there is": "there's",
    "that is": "that's",
    "we are": "we're",
    "let us": "let's",
}
_EXPANSIONS = {short: long for long, short in CONTRACTIONS.items()} | {"cannot": "can't"}
_PAIRS = """
color colour, colors colours, colored coloured, center centre, centered centred, behavior behaviour, favor favour,
favorite favourite, gray grey, honor honour, neighbor neighbour, neighbors neighbours, neighboring neighbouring,
initialize initialise, initialized initialised, normalize normalise, normalized normalised, capitalize capitalise,
capitalized capitalised, optimize optimise, organize organise, organized organised, recognize recognise,
minimize minimise, minimum minimum, maximize maximise, analyze analyse, summarize summarise, emphasize emphasise,
tokenize tokenise, canceled cancelled, labeled labelled, labeling labelling, modeling modelling, traveled travelled,
meter metre, meters metres, liter litre, fiber fibre, theater theatre, dialog dialogue, catalog catalogue,
program programme, judgment judgement, skillful skilful, fulfill fulfil, defense defence, license licence, math maths
"""
SPELLINGS = {a: b for a, b in (pair.split() for pair in _PAIRS.replace("\n", " ").split(",")) if a != b}
"""American and British; the other way round too."""
_BOTH_WAYS = SPELLINGS | {british: american for american, british in SPELLINGS.items()}
_NUMERALS = "zero one two three four five six seven eight nine ten eleven twelve"
NUMERALS = dict(enumerate(_NUMERALS.split()))
_DIGITS = re.compile(r"(?<![\w.,\-'\"(\[{/+*^=<>])(?:1[0-2]|[0-9])(?![\w%\-'\")\]}/+*^=<>]|[.,]\d)")


def synonyms(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put a synonym in the place of some words."""
    known = [word for word in subject.words if word.text.lower() in SYNONYMS]
    chosen = random.sample(known, min(len(known), COUNTS[severity]))
    edits = [_replaced(subject, word, random.choice(SYNONYMS[word.text.lower()])) for word in chosen]
    return with_prose(subject, [edit for edit in edits if edit])


def inflection(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Give some nouns, verbs and adjectives another of their forms."""
    known = [word for word in subject.words if forms_of(word.text.lower())]
    chosen = random.sample(known, min(len(known), max(severity, round(SHARES[severity] * len(known)))))
    edits = [_replaced(subject, word, random.choice(forms_of(word.text.lower()))) for word in chosen]
    return with_prose(subject, [edit for edit in edits if edit])


def tense(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put the verbs into the past or the future."""
    first, second = random.sample((tense_past, tense_future), 2)
    return first(subject, random, severity) or second(subject, random, severity)


def contractions(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Write contracted forms in full, and full ones contracted."""
    prompt = subject.problem.prompt
    edits = [_replaced(subject, word, _EXPANSIONS.get(_plain(word.text), "")) for word in subject.words]
    for before, after in pairwise(subject.words):
        short = CONTRACTIONS.get(f"{before.text} {after.text}".lower())
        if short and prompt[before.end : after.start] == " ":
            edits.append(_replaced(subject, Word(before.start, after.end, f"{before.text} {after.text}"), short))
    apart: list[Edit] = []  # of `it is not` only one pair
    for edit in sorted((edit for edit in edits if edit), key=lambda edit: edit.start):
        if not apart or apart[-1].end <= edit.start:
            apart.append(edit)
    return with_prose(subject, apart)


def spelling_us_uk(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Spell American words in the British way, and British ones in the American."""
    edits = [_replaced(subject, word, _BOTH_WAYS.get(word.text.lower(), "")) for word in subject.words]
    return with_prose(subject, [edit for edit in edits if edit])


def number_words(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Write small numbers of the prose as words, and words as numbers."""
    values = {word: str(value) for value, word in NUMERALS.items() if value > 1}
    edits: list[Edit | None] = [
        Edit(word.start, word.end, values[word.text.lower()]) for word in subject.words if word.text.lower() in values
    ]
    for line in subject.lines:
        text = subject.problem.prompt[line.start : line.end]
        for match in _DIGITS.finditer(text):
            edits.append(Edit(line.start + match.start(), line.start + match.end(), NUMERALS[int(match[0])]))
    return with_prose(subject, [edit for edit in edits if edit])


def _plain(text: str) -> str:
    return text.lower().replace("’", "'")


def _replaced(subject: Subject, word: Word, new: str) -> Edit | None:
    """The edit of one word in its own case; None where nothing changes or a name would appear."""
    new = new[:1].upper() + new[1:] if word.text[:1].isupper() else new
    if not new or new == word.text or not keeps_names(subject, word.text, new):
        return None
    return Edit(word.start, word.end, new)


_RECODE = "ReCode (2212.10264)"
_COUNTED = ("1 word", "2 words", "4 words")
TABLE: tuple[Perturbation, ...] = (
    Perturbation(
        name="synonyms",
        family="docstring",
        summary="synonyms stand for some words",
        apply=synonyms,
        source=f"{_RECODE} SynonymSubstitution; NLPerturbator (2406.19783)",
        keeps=PROSE_ONLY,
        text="en",
        scale=_COUNTED,
    ),
    Perturbation(
        name="inflection",
        family="docstring",
        summary="some words have another form: plural, participle, comparative",
        apply=inflection,
        source=f"{_RECODE} EnglishInflectionalVariation",
        keeps=PROSE_ONLY,
        text="en",
        scale=("10 % of the words that have forms", "25 %", "50 %"),
    ),
    Perturbation(
        name="tense",
        family="docstring",
        summary="verbs are in the past or the future",
        apply=tense,
        source=f"{_RECODE} TensePast, TenseFuture",
        keeps=PROSE_ONLY,
        text="en",
    ),
    Perturbation(
        name="contractions",
        family="docstring",
        summary="`do not` for `don't` and the other way round",
        apply=contractions,
        source="codeassay",
        keeps=PROSE_ONLY,
        text="en",
    ),
    Perturbation(
        name="spelling_us_uk",
        family="docstring",
        summary="British spelling for American and the other way round",
        apply=spelling_us_uk,
        source="codeassay",
        keeps=PROSE_ONLY,
        text="en",
    ),
    Perturbation(
        name="number_words",
        family="docstring",
        summary="`two` for `2` and the other way round, in prose alone",
        apply=number_words,
        source="codeassay",
        keeps=frozenset({"code", "examples", "identifiers"}),
        text="en",
    ),
)
