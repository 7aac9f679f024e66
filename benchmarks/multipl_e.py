"""MultiPL-E (Cassano et al. 2022): HumanEval and MBPP translated to many languages by rules.

A program is prompt + completion + line break + tests, as its evaluator joins them. Completions end before the record's
stop tokens, which often are the brace that closes the function; the tests then begin with it. An answer that closes the
function itself loses nothing: the tests' first brace is dropped for it, and in Java the class is left open for them.
There are no canonical solutions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from benchmarks.base import BaseBenchmark, CommonOptions
from benchmarks.code_answers import (
    BRACES,
    answer_text,
    braces,
    chosen_block,
    defined_names,
    defines,
    depth,
    without_definition,
)
from benchmarks.data import Record, Records, in_folder, load_records
from benchmarks.extraction import truncate, without_reasoning
from benchmarks.fetch import Source
from benchmarks.go_imports import with_imports
from benchmarks.problem import Completion, Problem, Prompt, PromptForm
from benchmarks.stand_ins import with_stand_ins
from runners import languages
from runners.program import Program

LANGUAGES = {
    **{"cpp": "cpp", "go": "go", "java": "java", "js": "javascript", "php": "php", "rs": "rust", "sh": "bash"},
    **{"ts": "typescript", "rb": "ruby", "pl": "perl", "lua": "lua"},
}
"""MultiPL-E's names, and rows of `runners.languages`."""
FLAGS = {"cpp": ("-std=c++17",)}
INSTRUCTION = (
    "Complete the following {title} function. Answer with the whole function in one markdown code block.\n\n"
    "```{tag}\n{prompt}\n```\n"
)
_WRONG = {
    "cpp": "    throw 1;",
    "go": '    panic("no")\n}\n',
    "java": "        throw new RuntimeException();",
    "js": "  return 'no such answer'\n}\n",
    "php": "    return 'no such answer';\n}\n",
    "rs": "    panic!();",
    "sh": "    echo 'no such answer'",
    "ts": "  throw 'no such answer'\n}\n",
    "rb": "    'no such answer'\nend\n",
    "pl": "    return 'no such answer';\n}\n",
    "lua": "    return 'no such answer'\nend\n",
}
_JAVA_CLASS = re.compile(r"^[^\n/*]*\bclass\s+Problem\b[^{]*\{", re.MULTILINE)


class MultiplERecord(Record):
    """One row; only copies of the data set name the problem `task_id` too."""

    task_id: str
    name: str
    prompt: str
    tests: str
    stop_tokens: list[str]

    @model_validator(mode="before")
    @classmethod
    def _named(cls, row: object) -> object:
        """A problem is told apart by its name."""
        return {**row, "task_id": row["name"]} if isinstance(row, Mapping) and "name" in row else row


class MultiplEOptions(CommonOptions):
    """Which set to ask."""

    language: Literal["cpp", "go", "java", "js", "php", "rs", "sh", "ts", "rb", "pl", "lua"] = Field(
        default="cpp", description="language of the functions"
    )
    dataset: Literal["humaneval", "mbpp"] = Field(default="humaneval", description="what was translated")


class MultiplE(BaseBenchmark[MultiplEOptions]):
    """HumanEval or MBPP in another language, by MultiPL-E's rules."""

    name = "multipl_e"
    summary = "HumanEval and MBPP translated to eleven languages by rules (Northeastern University)"
    Options = MultiplEOptions
    main_option = "language"
    stops: Mapping[str, tuple[str, ...]]
    """Per problem, where its completions end."""

    @classmethod
    def load(cls, options: MultiplEOptions, cache: Path) -> Self:
        """Read the hub's Parquet or a JSON-lines copy; `data` may be the folder that holds humaneval-LANGUAGE.jsonl."""
        config = f"{options.dataset}-{options.language}"
        path = in_folder(options.data, f"{config}.jsonl")
        records: Records[MultiplERecord] = load_records(
            source_of(config), MultiplERecord, path=path, cache=cache, revision=options.revision
        )
        key = options.language
        benchmark = cls([problem_of(record, key) for record in records.rows], records.provenance)
        benchmark.language, benchmark.flags = LANGUAGES[key], FLAGS.get(key, ())
        benchmark.stops = {record.name: tuple(record.stop_tokens) for record in records.rows}
        return benchmark

    def prompt(self, problem: Problem, form: PromptForm) -> Prompt:
        """The record's own prompt and stops, or the instruction."""
        asked = super().prompt(problem, form)
        return replace(asked, stop=self.stops[problem.task_id]) if form == "base" else asked

    def source(self, problem: Problem, completion: Completion) -> str:
        """The program without its tests, and without what these bring themselves."""
        if completion.form == "completion":
            text = completion.text if completion.verbatim else truncate(completion.text, self.stops[problem.task_id])
            return problem.prompt + text + "\n"
        text = answer_text(
            self.language, completion, prompt=problem.prompt, entry_point=problem.entry_point, closes=False
        )
        if self.language == "go":
            return with_imports(problem.prompt, text, problem.tests[0])
        return open_class(text) if self.language == "java" else text

    def programs(self, problem: Problem, completion: Completion) -> tuple[Program, ...]:
        """One program; where it closes the function itself, the tests do not close it once more."""
        (program,) = super().programs(problem, completion)
        (tests,) = program.tests
        closer, _, rest = tests.partition("}")
        if closer.strip() or not self._closes(problem, completion, program.source):
            return (program,)
        return (replace(program, tests=(rest,)),)

    def _closes(self, problem: Problem, completion: Completion, source: str) -> bool:
        """Whether the function that the prompt opened is closed at the program's end."""
        if completion.form == "completion":
            return False
        code = completion.text
        if completion.form == "chat":
            code = chosen_block(self.language, without_reasoning(code), problem.entry_point)
        if defines(self.language, code, problem.entry_point):
            return True
        if self.language not in BRACES:
            return code.rstrip().endswith("\n}")
        return depth(self.language, source) < depth(self.language, problem.prompt)


def source_of(config: str) -> Source:
    """The hub's files."""
    return Source(
        name=f"multipl_e_{config}",
        hub="nuprl/MultiPL-E",
        files=(f"{config}/test-00000-of-00001.parquet",),
        revision="main",
        licence="MIT on the hub; the repository has BSD-3-Clause with a clause on machine learning",
        credit="Northeastern University, nuprl/MultiPL-E (Cassano et al. 2022, arXiv:2208.08227)",
    )


def problem_of(record: MultiplERecord, key: str) -> Problem:
    """Put one record into the common form."""
    language = LANGUAGES[key]
    title = languages.LANGUAGES[language].title
    return Problem(
        task_id=record.name,
        prompt=record.prompt,
        instruction=INSTRUCTION.format(title=title, tag=language, prompt=record.prompt.strip("\n")),
        tests=(with_stand_ins(language, record.tests),),
        entry_point=entry_point_of(record, language),
        wrong=(_WRONG[key],),
        tags=(title,),
    )


def entry_point_of(record: MultiplERecord, language: str) -> str:
    """The function under test: the end of the record's name, which Java has in camel case; a few were renamed."""
    own = record.name.split("_", 2)[-1]
    first, *others = own.split("_")
    names = (own, first + "".join(part.capitalize() for part in others), *defined_names(language, record.prompt)[::-1])
    return next((name for name in names if name in record.tests and defines(language, record.prompt, name)), own)


def open_class(source: str) -> str:
    """A Java program whose class Problem ends the text, without its last brace and without a `main`: tests add both."""
    source = without_definition("java", source, "main")
    match = _JAVA_CLASS.search(source)
    level = 0
    for at, brace in braces("java", source[match.start() :]) if match else ():
        level += 1 if brace == "{" else -1
        if match and level == 0:
            end = match.start() + at
            return source[: match.start()] + source[end + 1 :].lstrip("\n") + source[match.start() : end]
    return source
