"""What HumanEvalPack asks, in OctoPack's words: pure functions of one record.

The texts and their order are those of bigcode-evaluation-harness, tasks/humanevalpack.py with its prompt `instruct`:
what is asked about, a line with the instruction, an empty line, and the start of the function that the model goes on
with, the whole stripped at both ends (so a completion begins with the line break after that start).

A chat model gets the same question. Where the function's start is not in it already, it follows as in OctoPack's script
for chat models (tasks/humanevalpack_openai.py); the last sentence, which asks for one code block, is ours.
"""

from __future__ import annotations

import re
from typing import Literal

from benchmarks.code_answers import defined_names, defines, depth, preamble
from benchmarks.extraction import truncate, without_reasoning
from benchmarks.humaneval_x import LANGUAGES, TITLES, HumanEvalXRecord, entry_point_of
from benchmarks.problem import Completion

Task = Literal["synthesize", "fix_tests", "fix_docs", "explain"]
FIX = "Fix bugs in {entry_point}."
DESCRIBE = "Provide a concise natural language description of the code using at most {limit} characters."
WRITE = "Write functional code in {title} according to the description."
START = "Start your code with:\n{start}"
ANSWER = "Answer with the whole function in one markdown code block."
ANSWER_ALONE = "Answer with the whole function, without the tests, in one markdown code block."
RUST_MAIN = "fn main(){}\n"
"""What OctoPack puts before declarations of Rust; the rows' prompts have it."""
LONGEST_KEPT = 20
"""Lines of the solution up to this long may stand in a description."""
_LAST_COMMENT = re.compile(r"(?:^//[^\n]*\n)+\Z", re.MULTILINE)


class HumanEvalPackRecord(HumanEvalXRecord):
    """One line of LANGUAGE/humanevalpack.jsonl."""

    buggy_solution: str
    bug_type: str
    entry_point: str
    """The function's name, of which some rows have another spelling than the code."""
    docstring: str
    instruction: str


def declaration_of(record: HumanEvalPackRecord, key: str) -> str:
    """The function's start without docstring; a few that no answer compiles after are mended by the row's prompt.

    CPP/38's goes on with the first lines of the solution, which are cut off. Four of Go lack the helper that solution
    or tests call; what the prompt has before the function's comment is given back.
    """
    language, name = LANGUAGES[key], entry_point_of(record, key)
    if key == "python":
        return record.declaration
    if key == "go" and set(defined_names(key, record.prompt)) - set(defined_names(key, record.declaration)):
        return _LAST_COMMENT.sub("", preamble(key, record.prompt, str(name))) + record.declaration
    if depth(language, record.declaration) <= depth(language, record.prompt):
        return record.declaration
    lines = record.declaration.splitlines(keepends=True)
    last = max((number for number, line in enumerate(lines) if defines(language, line, name)), default=len(lines))
    return "".join(lines[: last + 1])


def start_of(record: HumanEvalPackRecord, key: str, task: Task) -> str:
    """What an answer of form `completion` goes on with: with the docstring where the task shows it."""
    if task in ("synthesize", "fix_docs"):
        return record.prompt
    return (RUST_MAIN if key == "rust" else "") + declaration_of(record, key)


def question(record: HumanEvalPackRecord, key: str, task: Task) -> str:
    """What is asked first."""
    start = start_of(record, key, task)
    if task == "synthesize":
        return record.instruction.strip()
    if task == "explain":
        return f"{start}{record.canonical_solution}\n{DESCRIBE.format(limit=len(record.docstring))}"
    tests = f"\n{record.test}" if task == "fix_tests" else ""
    return f"{start}{record.buggy_solution}{tests}\n{FIX.format(entry_point=record.entry_point)}"


def first_texts(record: HumanEvalPackRecord, key: str, task: Task) -> tuple[str, str]:
    """The first question for a base model and for a chat model."""
    asked, start = question(record, key, task), start_of(record, key, task)
    if task == "explain":
        return asked.strip(), asked.strip()
    if task == "synthesize":
        return continued(asked, start), started(asked, start)
    return continued(asked, start), f"{asked.strip()}\n\n{ANSWER_ALONE if task == 'fix_tests' else ANSWER}"


def second_texts(record: HumanEvalPackRecord, key: str, description: str) -> tuple[str, str]:
    """The second question of `explain` for a base model and for a chat model."""
    asked, start = f"{description}\n{WRITE.format(title=TITLES[key])}", start_of(record, key, "explain")
    return continued(asked, start), started(asked, start)


def continued(asked: str, start: str) -> str:
    """A question whose answer begins with `start`, for a base model."""
    return f"{asked}\n\n{start}".strip()


def started(asked: str, start: str) -> str:
    """A question whose answer begins with `start`, for a chat model."""
    return f"{asked.strip()}\n\n{START.format(start=start.strip())}\n\n{ANSWER}"


def described(answer: Completion, record: HumanEvalPackRecord, stop: tuple[str, ...]) -> str:
    """The description in an answer: as long as the docstring at most, and without the solution's lines.

    As OctoPack does: cut to the limit, then at a stop, then longer lines of the solution are taken out. The stops are
    for base models, whose text would go on after the description.
    """
    text = without_reasoning(answer.text) if answer.form == "chat" else answer.text
    text = text.strip()[: len(record.docstring)]
    text = (text if answer.form == "chat" else truncate(text, stop)).rstrip()
    for line in map(str.strip, record.canonical_solution.split("\n")):
        if len(line) > LONGEST_KEPT:
            text = text.replace(line, "")
    return text
