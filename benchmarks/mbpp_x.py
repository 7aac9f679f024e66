"""CodeFuseEval's nl2code: MBPP's test split with texts in English and Chinese, and challenge tests apart.

Scored on `test` as published MBPP (`pass`), and on the challenge tests besides (`challenge_pass`); CodeFuse's script
tells the latter alone, which is not MBPP's number. The question shows the three tests, as MBPP's does, unless told
otherwise; it then names the function that they call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from benchmarks.base import BaseBenchmark, CommonOptions
from benchmarks.compared import SIMILARITIES, Compared
from benchmarks.data import Record, Records, in_folder, load_records
from benchmarks.extraction import program_text
from benchmarks.fetch import Source
from benchmarks.mbpp import ZERO_SHOT_STOP, entry_point_of, wrong_codes
from benchmarks.problem import Completion, Problem, Score
from runners.errors import UserError
from runners.program import Program, Verdict

SOURCE = Source(
    name="codefuse_mbpp_x",
    url="https://raw.githubusercontent.com/codefuse-ai/codefuse-evaluation/{revision}/{file}",
    files=("codefuseEval/data/nl2code/mbpp_x.jsonl",),
    revision="09a4f2af5bdc55052052c9bd0cb74d47e40198fc",
    rows=500,
    licence="CC-BY-4.0",
    credit="Google Research, MBPP; Ant Group, codefuse-ai/codefuse-evaluation",
)
TESTS = {"en": "Your code should satisfy these tests:", "zh": "你的代码应该满足这些测试用例："}
NAMED = {"en": "Your code should define `{name}`.", "zh": "你的代码应该定义 `{name}`。"}
ANSWER = {"en": "Answer with one markdown code block of Python.", "zh": "用一个 Python 的 markdown 代码块回答。"}


class MbppXRecord(Record):
    """One line of mbpp_x.jsonl."""

    task_id: str
    prompt: str
    canonical_solution: str
    test_setup: str = ""
    test: list[str] = Field(min_length=1)
    challenge_test_list: list[str] = Field(default_factory=list)
    prompt_text_chinese: str = ""


class MbppXOptions(CommonOptions):
    """How to ask."""

    text: Literal["en", "zh"] = Field(default="en", description="language of the question")
    show_tests: bool = Field(default=True, description="whether the question shows the tests")


class MbppX(Compared, BaseBenchmark[MbppXOptions]):
    """500 short Python tasks; the assertions are part of the question."""

    name = "nl2code"
    summary = "CodeFuseEval's MBPP: 500 Python tasks in English or Chinese, challenge tests apart (Ant Group)"
    Options = MbppXOptions
    metrics = ("pass", "challenge_pass", *SIMILARITIES)
    stop = ZERO_SHOT_STOP
    module_name = "builtins"  # as mbpp
    num_published: Mapping[str, int]
    """Per problem, how many of its tests are the published ones; the challenge tests follow them."""

    @classmethod
    def load(cls, options: MbppXOptions, cache: Path) -> Self:
        """Read mbpp_x.jsonl, plain or gzipped; `data` may be the folder that holds it.

        Raises:
            UserError: text=zh, and a row has no Chinese text.
        """
        path = in_folder(options.data, "mbpp_x.jsonl")
        records: Records[MbppXRecord] = load_records(
            SOURCE, MbppXRecord, path=path, cache=cache, revision=options.revision
        )
        if options.text == "zh" and not all(record.prompt_text_chinese for record in records.rows):
            raise UserError(f"{cls.name}: text=zh, but {records.provenance.origin} has rows without it.")
        benchmark = cls([problem_of(record, options) for record in records.rows], records.provenance)
        benchmark.num_published = {record.task_id: len(record.test) for record in records.rows}
        return benchmark

    def source(self, problem: Problem, completion: Completion) -> str:
        """The code alone."""
        return program_text(completion, prompt="", entry_point=problem.entry_point, stop=self.stop)

    def programs(self, problem: Problem, completion: Completion) -> tuple[Program, ...]:
        """The published tests; the challenge tests, where there are any, as a program of their own.

        Were they in one, an answer that hangs in a challenge test would lose the tests before it too.
        """
        (program,) = super().programs(problem, completion)
        count = self.num_published[problem.task_id]
        parts = (program.tests[:count], program.tests[count:])
        return tuple(replace(program, tests=tests) for tests in parts if tests)

    def score(self, problem: Problem, completion: Completion, verdicts: tuple[Verdict, ...]) -> Score:
        """`pass` on the published tests, which are the first program's; `challenge_pass` on all tests; text alike."""
        passed = [verdict.passed for verdict in verdicts]
        alike = Compared.score(self, problem, completion, verdicts).values
        own = {"pass": float(any(passed[:1])), "challenge_pass": float(any(passed) and all(passed))}
        return Score(values={**alike, **own})


def problem_of(record: MbppXRecord, options: MbppXOptions) -> Problem:
    """Put one record into the common form; `test_setup` uses what the answer defines, so it follows the program."""
    entry_point = entry_point_of(record.canonical_solution, record.test[0])
    shown = _question(record, options, entry_point)
    return Problem(
        task_id=record.task_id,
        prompt=f'"""\n{shown}\n"""\n',
        instruction=f"{shown}\n\n{ANSWER[options.text]}\n",
        tests=(*_with_setup(record, record.test), *_with_setup(record, record.challenge_test_list)),
        entry_point=entry_point,
        reference=record.canonical_solution,
        wrong=wrong_codes(entry_point),
    )


def _question(record: MbppXRecord, options: MbppXOptions, entry_point: str | None) -> str:
    text = record.prompt_text_chinese if options.text == "zh" else record.prompt
    if options.show_tests:
        return "\n".join((text, TESTS[options.text], *record.test))
    return text if entry_point is None else f"{text}\n{NAMED[options.text].format(name=entry_point)}"


def _with_setup(record: MbppXRecord, tests: list[str]) -> list[str]:
    """The tests of one program, the setup at the head of the first."""
    if not tests or not record.test_setup.strip():
        return tests
    return [f"{record.test_setup}\n{tests[0]}", *tests[1:]]
