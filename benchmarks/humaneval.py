"""HumanEval (Chen et al. 2021): 164 Python functions to complete from signature and docstring.

Judged as openai/human-eval does: the program is prompt + completion, the test is the record's `check` function, all in
one namespace whose `__name__` is not `__main__`. Programs of verbatim completions are the same bytes as there; the
limit is CPU time here and 3 s of wall time there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from benchmarks.base import BaseBenchmark, CommonOptions
from benchmarks.data import Record, load_records
from benchmarks.extraction import preamble_of
from benchmarks.fetch import Source
from benchmarks.problem import Problem
from benchmarks.prompt_template import Example
from benchmarks.prompting import Shot, function_shot

SOURCE = Source(
    name="humaneval",
    hub="openai/openai_humaneval",
    files=("openai_humaneval/test-00000-of-00001.parquet",),
    revision="7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
    rows=164,
    licence="MIT",
    credit="OpenAI, openai/human-eval (Chen et al. 2021, arXiv:2107.03374)",
)

STOP = ("\nclass", "\ndef", "\n#", "\n@", "\nprint", "\nif", "\n```")

INSTRUCTION = (
    "Please provide a self-contained Python script that solves the following problem in a markdown code block:\n"
    "```python\n{prompt}\n```\n"
)

WRONG = ("    pass\n", "    return 'no such answer'\n")
"""Bodies that no test of HumanEval accepts."""


class HumanEvalRecord(Record):
    """One line of HumanEval.jsonl."""

    task_id: str
    prompt: str
    canonical_solution: str
    test: str
    entry_point: str


class HumanEval(BaseBenchmark[CommonOptions]):
    """164 Python functions, judged by the authors' tests."""

    name = "humaneval"
    summary = "164 Python functions to complete from their docstrings (OpenAI)"
    Options = CommonOptions
    stop = STOP
    module_name = "builtins"  # human-eval executes in a bare dict, where __name__ is that of the builtins

    def helpers(self, problem: Problem) -> str:
        """What stands in the prompt before the function under test: three tests call helpers there."""
        return preamble_of(problem.prompt, problem.entry_point)

    def shot(self, example: Example) -> Shot:
        """A function to complete, as the problems are."""
        return function_shot(example, INSTRUCTION.format(prompt=example.prompt.strip()))

    @classmethod
    def load(cls, options: CommonOptions, cache: Path) -> Self:
        """Read HumanEval.jsonl(.gz) or the hub's Parquet form of it."""
        records = load_records(SOURCE, HumanEvalRecord, path=options.data, cache=cache, revision=options.revision)
        return cls([problem_of(record) for record in records.rows], records.provenance)


def problem_of(record: HumanEvalRecord) -> Problem:
    """Put one record into the common form; test and call are joined as human-eval joins them."""
    return Problem(
        task_id=record.task_id,
        prompt=record.prompt,
        instruction=INSTRUCTION.format(prompt=record.prompt.strip()),
        tests=(f"{record.test}\ncheck({record.entry_point})",),
        entry_point=record.entry_point,
        reference=record.canonical_solution,
        wrong=WRONG,
    )
