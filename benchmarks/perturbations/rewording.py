"""Descriptions in the words of a language model: paraphrases, longer and shorter ones, translations.

What the model says is held to the same rules as all else: numbers, names and examples stay, or the gate drops it.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import pairwise
from random import Random

from benchmarks.perturbations.perturbation import PROSE_ONLY, Perturbation
from benchmarks.perturbations.recode_words import with_prose
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.problem import Problem

_RULES = (
    "Keep every number, every name of a variable or function and everything in quotes as it is. Do not solve the task, "
    "add no example, and leave nothing out. Answer with the new text alone, on one line."
)
REQUESTS = {
    "paraphrase": "Say the following description of a programming task in other words.",
    "verbose": "Say the following description of a programming task at greater length, in about twice as many words.",
    "concise": "Say the following description of a programming task in as few words as it can be said.",
    "to_chinese": "Translate the following description of a programming task into Chinese.",
    "to_english": "Translate the following description of a programming task into English.",
    "into_chinese": "Translate the following text into Chinese.",
    "into_english": "Translate the following text into English.",
}
_MARGIN = re.compile(r"[\s*/#]*")
_FORBIDDEN = re.compile(r"\"\"\"|'''|\\|\*/|```")


def reworded(subject: Subject, random: Random, severity: int, *, requests: tuple[str, ...]) -> Problem | None:
    """Let the model change the whole prose, by one request after another; None without a model or without prose."""
    if subject.rewrite is None or not subject.lines:
        return None
    text = old = " ".join(subject.problem.prompt[line.start : line.end] for line in subject.lines)
    for request in requests:
        text = _bare(subject.rewrite(f"{REQUESTS[request]} {_RULES}", text))
    return None if not text or text == old or _FORBIDDEN.search(text) else _in_place(subject, text)


def _bare(answer: str) -> str:
    """The answer on one line, without quotes around it."""
    text = " ".join(answer.split())
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" and text[0] not in text[1:-1]
    return text[1:-1] if is_quoted else text


def _in_place(subject: Subject, text: str) -> Problem | None:
    """The prose as one line where its first was; None where something else stands between its lines."""
    prompt, lines = subject.problem.prompt, subject.lines
    edits = [Edit(lines[0].start, lines[0].end, text)]
    for before, line in pairwise(lines):
        if not _MARGIN.fullmatch(prompt, before.end, line.start):
            return None
        edits.append(Edit(before.end, line.end, ""))
    return subject.with_prose(edits) if len(lines) > 1 else with_prose(subject, edits)


def _entry(name: str, summary: str, requests: tuple[str, ...], text: str, source: str) -> Perturbation:
    return Perturbation(
        name=name,
        family="docstring",
        summary=summary,
        apply=partial(reworded, requests=requests),
        source=source,
        keeps=PROSE_ONLY,
        text="zh" if text == "zh" else "en",
        needs_llm=True,
    )


TABLE: tuple[Perturbation, ...] = (
    _entry("paraphrase", "in other words", ("paraphrase",), "en", "NLPerturbator (2406.19783), rephrase"),
    _entry("verbose", "in more words", ("verbose",), "en", "EvoEval (2403.19114), verbose"),
    _entry("concise", "in fewer words", ("concise",), "en", "EvoEval (2403.19114), concise"),
    _entry(
        "back_translation",
        "translated into Chinese and back",
        ("into_chinese", "into_english"),
        "en",
        "ReCode (2212.10264) BackTranslation",
    ),
    _entry("to_chinese", "translated into Chinese", ("to_chinese",), "en", "codeassay"),
    _entry("to_english", "translated into English", ("to_english",), "zh", "codeassay"),
)
