"""How the same problem is asked: words of the request, its frame, and the worked and solved examples it shows."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

from benchmarks.perturbations.examples import example_order, missing_examples
from benchmarks.perturbations.form_tables import (
    COMMENTS,
    HEADINGS,
    REQUESTS,
    STATED,
    SYSTEMS,
    TAGS,
    TITLES,
    TRAILERS,
    Text,
)
from benchmarks.perturbations.perturbation import CODE_ONLY, PROSE_ONLY, Apply, Keeps, Perturbation
from benchmarks.perturbations.subject import Subject
from benchmarks.problem import Manner, Problem

ALL: frozenset[Keeps] = CODE_ONLY | PROSE_ONLY
"""What stays where the prompt itself is left alone."""
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_FENCED = re.compile(r"^```[^\n]*\n.*?^```[ \t]*$", re.DOTALL | re.MULTILINE)
_WRITES_CODE = re.compile(r"\bcode\b|\bfunction\b|\bprogram\b|\bscript\b|代码|函数|程序", re.IGNORECASE)
_MARKS = {"python": "#", "ruby": "#", "bash": "#", "perl": "#", "lua": "--"}
"""What a comment line begins with, where that is not `//`."""


def instruction_wording(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put the request in other words; before a prompt that is continued, put it in a comment line."""
    if subject.form != "chat":
        return _with_comment(subject, random.choice(COMMENTS[_text(subject)][subject.joined]))
    instruction = subject.problem.instruction
    for asked, wordings in REQUESTS:
        if match := re.search(asked, _outside_code(instruction)):
            named = {name: value or "" for name, value in match.groupdict().items()}
            new = random.choice(wordings).format(**named)
            return _asked(subject, instruction[: match.start()] + new + instruction[match.end() :])
    return None


def stated_language(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Say once more which programming language is meant."""
    if subject.language not in TITLES:
        return None
    text = _text(subject)
    titles = TITLES[subject.language]
    said = random.choice(STATED[text]).format(title=random.choice(titles[:1] if text == "zh" else titles))
    return _asked_further(subject, said) if subject.form == "chat" else _with_comment(subject, said)


def trailing_request(subject: Subject, random: Random, severity: int) -> Problem | None:
    """End the request with the wish for code alone."""
    if subject.form != "chat" or not _WRITES_CODE.search(_outside_code(subject.problem.instruction)):
        return None
    return _asked_further(subject, random.choice(TRAILERS[_text(subject)]))


def markdown_heading(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put headings before what is asked and before the code."""
    headings = random.choice(HEADINGS[_text(subject)])
    return _framed(subject, [(f"{heading}\n\n", "") for heading in headings])


def xml_tags(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put tags around what is asked and around the code."""
    return _framed(subject, [(f"<{tag}>\n", f"\n</{tag}>") for tag in random.choice(TAGS)])


def system_prompt(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Ask with a system message."""
    if subject.form != "chat":
        return None
    return _in_manner(subject, system=random.choice(SYSTEMS[_text(subject)]))


def plain_completion(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Have a chat model continue the prompt as a base model does."""
    # A cue to reason is whole comment lines: a prompt that breaks off within a line has no place for it.
    problem = subject.problem
    if subject.form != "chat" or problem.suffix or not problem.prompt.endswith("\n"):
        return None
    return _in_manner(subject, form="base", system="")


def few_shot_order(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Show the solved examples in another order."""
    usual = list(range(subject.num_shots))
    if len(usual) < 2 or subject.form == "fim":
        return None
    while (order := random.sample(usual, len(usual))) == usual:
        pass
    return _in_manner(subject, shots=tuple(order))


def example_count(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Show one solved example fewer, half of them, or none."""
    number = subject.num_shots
    counts = (number - 1, number // 2, 0)
    count = counts[severity - 1]
    if number < 1 or subject.form == "fim" or (severity != 2 and count == counts[1]):
        return None
    return _in_manner(subject, shots=tuple(sorted(random.sample(range(number), count))))


def _text(subject: Subject) -> Text:
    """The language of the request or, where there is none, of the description."""
    told = _outside_code(subject.problem.instruction) if subject.form == "chat" else ""
    is_chinese = bool(_CHINESE.search(told)) if told.strip() else subject.text == "zh"
    return "zh" if is_chinese else "en"


def _outside_code(instruction: str) -> str:
    """The instruction with blanks in place of fenced code, so that places stay the same."""
    return _FENCED.sub(lambda match: " " * len(match[0]), instruction)


def _asked(subject: Subject, instruction: str) -> Problem:
    return replace(subject.problem, instruction=instruction)


def _asked_further(subject: Subject, said: str) -> Problem:
    return _asked(subject, f"{subject.problem.instruction.rstrip()}\n\n{said}\n")


def _in_manner(subject: Subject, **changes: object) -> Problem:
    manner = subject.problem.manner or Manner()
    return replace(subject.problem, manner=replace(manner, **changes))  # type: ignore[arg-type]


def _with_comment(subject: Subject, said: str) -> Problem | None:
    """The problem whose prompt begins with a comment line, an empty line apart from what may be a comment too."""
    prompt = subject.problem.prompt
    if subject.form != "base" or subject.problem.suffix or not prompt.strip() or prompt.startswith(("#!", "<?", "#![")):
        return None
    gap = "" if prompt.startswith("\n") else "\n"
    return replace(subject.problem, prompt=f"{_MARKS.get(subject.language, '//')} {said}\n{gap}{prompt}")


def _framed(subject: Subject, frames: list[tuple[str, str]]) -> Problem | None:
    """The instruction with something before and behind the request, the code, and what follows that."""
    instruction = subject.problem.instruction
    if subject.form != "chat" or not instruction.strip():
        return None
    code = _FENCED.search(instruction)
    parts = [instruction] if code is None else [instruction[: code.start()], code[0], instruction[code.end() :]]
    named = zip(parts, frames if code else frames[:1], strict=True)
    shown = [before + part.strip("\n") + behind for part, (before, behind) in named if part.strip()]
    return _asked(subject, "\n\n".join(shown) + "\n")


def _entry(name: str, summary: str, apply: Apply, keeps: frozenset[Keeps], source: str = "codeassay") -> Perturbation:
    return Perturbation(name=name, family="form", summary=summary, apply=apply, source=source, keeps=keeps)


TABLE: tuple[Perturbation, ...] = (
    _entry("instruction_wording", "the request is made in other words", instruction_wording, CODE_ONLY),
    _entry("stated_language", "the programming language is named once more", stated_language, CODE_ONLY),
    _entry("trailing_request", "the request ends with the wish for code alone", trailing_request, ALL),
    _entry("markdown_heading", "request and code have headings", markdown_heading, ALL),
    _entry("xml_tags", "request and code are in tags", xml_tags, ALL),
    _entry("system_prompt", "a system message comes first", system_prompt, ALL),
    _entry("plain_completion", "a chat model is asked to continue the plain prompt", plain_completion, ALL),
    _entry("few_shot_order", "the solved examples stand in another order", few_shot_order, ALL),
    Perturbation(
        name="example_count",
        family="form",
        summary="fewer solved examples are shown",
        apply=example_count,
        source="codeassay",
        keeps=ALL,
        scale=("one fewer", "half of them", "none"),
    ),
    _entry(
        "missing_examples",
        "the worked examples of the description are left out",
        missing_examples,
        ALL - {"examples"},
    ),
    _entry(
        "example_order",
        "the worked examples of the description stand in another order",
        example_order,
        ALL - {"examples"},
    ),
)
