"""Sentences added to an English description, put in another order or said in another tone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from random import Random

from benchmarks.perturbations.perturbation import PROSE_ONLY, Apply, Perturbation
from benchmarks.perturbations.prose import Span
from benchmarks.perturbations.recode_lexicon import VERBS
from benchmarks.perturbations.recode_words import keeps_names, with_prose
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.problem import Problem

GREETINGS = ("Could you please help me with this? ", "I would be grateful for your help. ", "Kindly do as follows. ")
THANKS = (" Thank you very much.", " Many thanks in advance.", " I appreciate your help.")
FILLERS = ("basically", "as you may know", "in essence", "to put it simply", "as it were", "in short", "of course")
REDUNDANT = (
    "It has to work for whatever is allowed as an argument.",
    "What is asked here is described in full by these words.",
    "The answer has to be right in each and every case.",
    "Nothing beyond this description is asked for.",
    "Please do exactly what is described.",
    "An answer that does not do this is of no use.",
)
"""True of every task."""
DISTRACTORS = (
    "The office closes early on Fridays.",
    "Water boils sooner on a high mountain.",
    "The library stands beside the old station.",
    "My neighbour grows tomatoes on her balcony.",
    "The meeting was moved to another room.",
    "Most birds sleep while it is dark.",
    "The bridge was painted green last summer.",
)
"""True or harmless, and about something else."""
_REFERS = re.compile(
    r"\b(?:it|its|they|them|their|this|that|these|those|such|above|below|following|former|latter|otherwise|then|also|"
    r"however|but|so|thus|therefore|hence|first|second|next|finally|if|else|example|examples|e\.g|i\.e|note|same|again|"
    r"instead|except|likewise|similarly|else|here|there|other|another)\b",
    re.IGNORECASE,
)
_END = re.compile(r"[.!?](?=\s|$)")
_OPENS = re.compile(r"[A-Z][a-z]+\b")


def politeness(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Ask politely: `please`, a greeting, thanks."""
    line = next(iter(subject.lines), None)
    if line is None:
        return None
    verb = _first_verb(subject, line)
    please = Edit(line.start, line.start + 1, f"Please {verb[:1].lower()}")
    asked = [please] if verb else [Edit(line.start, line.start, "Please do the following. ")]
    greeting = Edit(line.start, line.start, random.choice(GREETINGS))
    if severity == 1:
        return with_prose(subject, asked)
    if severity == 2 or not verb:
        return with_prose(subject, [greeting, *(_at_end(subject, random.choice(THANKS)) if severity == 3 else [])])
    return with_prose(subject, [greeting, *asked, *_at_end(subject, random.choice(THANKS))])


def filler(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Begin some sentences with a phrase that says nothing."""
    starts = list(_sentence_starts(subject))
    chosen = random.sample(starts, min(len(starts), severity))
    phrases = random.sample(FILLERS, len(chosen))
    prompt = subject.problem.prompt
    edits = [
        Edit(at, at + 1, f"{phrase.capitalize()}, {prompt[at].lower()}")
        for at, phrase in zip(chosen, phrases, strict=True)
    ]
    return with_prose(subject, edits)


def redundant_sentence(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Add sentences that are true of every task."""
    return _added(subject, random, severity, REDUNDANT)


def distractor_sentence(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Add sentences about something else."""
    return _added(subject, random, severity, DISTRACTORS)


def reordered_sentences(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Exchange two sentences that stand one after the other and do not refer to each other."""
    prompt = subject.problem.prompt
    pairs = [
        (first, second)
        for first, second in pairwise(_sentences(subject))
        if not prompt[first.end : second.start].strip() and _is_free(prompt, first) and _is_free(prompt, second)
    ]
    if not pairs:
        return None
    first, second = random.choice(pairs)
    texts = [prompt[span.start : span.end] for span in (second, first)]
    return with_prose(subject, [Edit(first.start, second.end, prompt[first.end : second.start].join(texts))])


def interrogative(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Ask with a question, such as `Can you return the sum?` where it said to return it."""
    prompt = subject.problem.prompt
    for span in _sentences(subject):
        word = _OPENS.match(prompt, span.start, span.end)
        if word and word[0].lower() in VERBS and prompt[span.end - 1] == ".":
            opening = random.choice(("Can you", "Could you", "Would you"))
            edits = [Edit(span.start, span.start + 1, f"{opening} {prompt[span.start].lower()}")]
            return with_prose(subject, [*edits, Edit(span.end - 1, span.end, "?")])
    return None


def _added(subject: Subject, random: Random, severity: int, sentences: Sequence[str]) -> Problem | None:
    """The description with so many of these sentences before sentences of its own; the first is always a place."""
    free = [text for text in sentences if keeps_names(subject, "", text)]
    starts = list(dict.fromkeys([*_line_starts(subject), *_sentence_starts(subject)]))
    if not free or not starts:
        return None
    chosen = random.sample(free, min(len(free), severity))
    placed: dict[int, str] = {}
    for text in chosen:
        at = random.choice(starts)
        placed[at] = placed.get(at, "") + f"{text} "
    return with_prose(subject, [Edit(at, at, text) for at, text in placed.items()])


def _line_starts(subject: Subject) -> Iterator[int]:
    """Where the description begins."""
    yield from (line.start for line in subject.lines[:1])


def _sentence_starts(subject: Subject) -> Iterator[int]:
    """Where a sentence begins with a capital that a word may lose: an ordinary word that is not protected."""
    words = {word.start: word.text for word in subject.words}
    firsts = [span.start for span in _sentences(subject)]
    firsts += [line.start for line in subject.lines[:1]]
    for at in dict.fromkeys(firsts):
        if at in words and len(words[at]) > 1 and words[at][0].isupper():
            yield at


def _sentences(subject: Subject) -> Iterator[Span]:
    """Whole sentences of the prose, from capital to full stop; one may go over several lines that follow each other."""
    prompt, start = subject.problem.prompt, None
    for line, following in zip(subject.lines, [*subject.lines[1:], None], strict=True):
        start = line.start if start is None else start
        for match in _END.finditer(prompt, line.start, line.end):
            if prompt[start].isupper():
                yield Span(start, match.end())
            start = match.end() + len(prompt[match.end() : line.end]) - len(prompt[match.end() : line.end].lstrip())
        if start >= line.end or following is None or prompt[line.end : following.start].count("\n") != 1:
            start = None


def _is_free(prompt: str, span: Span) -> bool:
    return not _REFERS.search(prompt, span.start, span.end) and ":" not in prompt[span.start : span.end]


def _first_verb(subject: Subject, line: Span) -> str:
    """The verb in the imperative that the description begins with; empty if it does not."""
    word = _OPENS.match(subject.problem.prompt, line.start, line.end)
    is_free = any(each.start == line.start for each in subject.words)
    return word[0] if word and is_free and word[0].lower() in VERBS else ""


def _at_end(subject: Subject, text: str) -> list[Edit]:
    """After the last full stop that ends a line of prose; nowhere if none does."""
    ends = [line.end for line in subject.lines if subject.problem.prompt[line.end - 1] in ".!?"]
    return [Edit(ends[-1], ends[-1], text)] if ends else []


def _entry(name: str, summary: str, apply: Apply, scale: tuple[str, str, str] | None, source: str) -> Perturbation:
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


_ONES = ("1 sentence", "2 sentences", "3 sentences")
TABLE: tuple[Perturbation, ...] = (
    _entry("politeness", "asked politely", politeness, ("please", "a greeting", "both, and thanks"), "codeassay"),
    _entry("filler", "sentences begin with empty phrases", filler, _ONES, "codeassay"),
    _entry(
        "redundant_sentence",
        "sentences are added that are true of every task",
        redundant_sentence,
        _ONES,
        "EvoEval (2403.19114), verbose",
    ),
    _entry(
        "distractor_sentence",
        "sentences are added that have nothing to do with the task",
        distractor_sentence,
        _ONES,
        "GSM-IC (2302.00093)",
    ),
    _entry(
        "reordered_sentences",
        "two independent sentences are in the other order",
        reordered_sentences,
        None,
        "NLPerturbator (2406.19783)",
    ),
    _entry("interrogative", "the request is a question", interrogative, None, "NLPerturbator (2406.19783)"),
)
