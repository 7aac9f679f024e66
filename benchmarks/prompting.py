"""Join a problem's own prompt with what a template adds: system message, solved examples, a cue to reason.

The rules are the same for every benchmark; what an example looks like in a benchmark's own format is the benchmark's
`shot`. A base model's completion still continues the problem's own prompt: what is added stands before it, or is whole
comment lines after it, so program = prompt + completion stays valid.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from benchmarks.extraction import INDENT
from benchmarks.problem import Message, Problem, Prompt
from benchmarks.prompt_template import Example, PromptTemplate
from runners.errors import DataError, UserError

SEPARATOR = "\n\n"
"""Between an example and what follows it in form `base`: two empty lines, since each ends with its own line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """An example in one benchmark's format."""

    example: Example
    prompt: str
    """What a base model would continue."""
    answer: str
    """How it should; ends with a line end."""
    instruction: str
    """What a chat model would be asked."""
    reply: str
    """What it should answer, reasoning aside."""


def function_shot(example: Example, instruction: str) -> Shot:
    """The example where a base model continues signature and docstring."""
    reply = fenced(example.code)
    return Shot(example=example, prompt=example.prompt, answer=example.body, instruction=instruction, reply=reply)


def fenced(code: str) -> str:
    """A markdown block of Python."""
    return f"```python\n{code.rstrip()}\n```"


def compose(template: PromptTemplate, prompt: Prompt, shots: Sequence[Shot]) -> Prompt:
    """The prompt as the template asks it; a plain template changes nothing.

    Args:
        template: what is added.
        prompt: the benchmark's own prompt.
        shots: the template's examples in the benchmark's format.

    Raises:
        UserError: the template holds what the prompt's form has no place for.
    """
    if template.is_plain:
        return prompt
    if prompt.form == "fim":
        raise UserError(f"prompt {template.name}: form `fim` has no place for examples or cues; take zero_shot.")
    return _chat(template, prompt, shots) if prompt.form == "chat" else _base(template, prompt, shots)


def _base(template: PromptTemplate, prompt: Prompt, shots: Sequence[Shot]) -> Prompt:
    if template.system:
        raise UserError(
            f"prompt {template.name}: form `base` has no system message. Leave `system` out, or set model.form=chat."
        )
    cue = template.base_cue
    if cue and not prompt.text.endswith("\n"):
        raise UserError(
            f"prompt {template.name}: {prompt.task_id} breaks off within a line, where no comment can follow. "
            "Take zero_shot or few_shot, or set model.form=chat."
        )
    solved = [_continued(shot.prompt, cue, shot.example.reasoning) + shot.answer + SEPARATOR for shot in shots]
    return replace(prompt, text="".join(solved) + _continued(prompt.text, cue))


def _continued(prompt: str, cue: str, reasoning: str = "") -> str:
    """The prompt, then cue and reasoning as comment lines; without a cue the prompt alone."""
    if not cue:
        return prompt
    indent = _indent_after(prompt)
    lines = f"{cue.strip()}\n{reasoning.strip()}".strip().split("\n")
    return prompt + "".join(f"{indent}# {line}".rstrip() + "\n" for line in lines)


def _indent_after(prompt: str) -> str:
    """The indent of the line after `prompt`: that of its last line, one deeper after a colon."""
    last = next((line for line in reversed(prompt.split("\n")) if line.strip()), "")
    indent = last[: len(last) - len(last.lstrip())]
    return indent + INDENT if last.rstrip().endswith(":") else indent


def _chat(template: PromptTemplate, prompt: Prompt, shots: Sequence[Shot]) -> Prompt:
    cue = template.chat_cue
    *before, last = prompt.messages
    if template.system:
        others = [message for message in before if message.role != "system"]
        before = [Message(role="system", content=template.system), *others]
    asked = replace(last, content=_with_cue(last.content, cue))
    turns = [turn for shot in shots for turn in _turns(shot, cue)]
    return replace(prompt, messages=(*before, *turns, asked))


def _turns(shot: Shot, cue: str) -> tuple[Message, Message]:
    reasoning = shot.example.reasoning.strip() + "\n\n" if cue else ""
    question = Message(role="user", content=_with_cue(shot.instruction, cue))
    return question, Message(role="assistant", content=reasoning + shot.reply)


def _with_cue(request: str, cue: str) -> str:
    return f"{request.rstrip()}\n\n{cue.strip()}\n" if cue else request


def check_shots(template: PromptTemplate, name: str, problems: Iterable[Problem], shots: Sequence[Shot]) -> None:
    """Hold every example against every problem: what is shown must not be scored.

    Raises:
        DataError: an example has the name, the text or the prompt of a problem; names both.
    """
    told = [(shot, _phrases(shot)) for shot in shots]
    for problem in problems:
        asked = (_words(problem.prompt), _words(problem.instruction))
        for shot, phrases in told:
            same_name = shot.example.entry_point == problem.entry_point
            if same_name or any(phrase in text for phrase in phrases for text in asked):
                raise DataError(
                    f"prompt {template.name}",
                    f"example '{shot.example.entry_point}' is problem {problem.task_id} of {name} "
                    f"({'the same entry point' if same_name else 'the same text'}).",
                    cure="Examples must not be scored: write another one in a template file of your own.",
                )


_FEWEST_WORDS = 5
"""Shorter phrases may stand in any problem."""


def _phrases(shot: Shot) -> list[str]:
    """What gives an example away inside a problem of another name: its sentence, its docstring, the whole prompt."""
    told = re.split(r"\n\s*\n|>>>", shot.example.docstring.strip())[0]
    texts = [_words(text) for text in (shot.example.text, told, shot.prompt)]
    return [text for text in texts if text.count(" ") >= _FEWEST_WORDS - 1]


def _words(text: str) -> str:
    """The words alone, in lower case: layout and punctuation make no other problem."""
    return " ".join(re.findall(r"\w+", text.lower()))
