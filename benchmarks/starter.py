"""Starter: 36 short Python problems that come with the package, so that a first run needs no network.

They were written for this project and stand in no other benchmark. They reach from one line to small algorithms, with
parsing, recursion, nested data, floats and expected exceptions; prompts are short enough for the micro model of the
demo to learn. They tell whether a whole installation works, not how good a model is: a model of some size passes all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from benchmarks.base import BaseBenchmark, CommonOptions
from benchmarks.data import Record, load_records
from benchmarks.fetch import Source
from benchmarks.problem import Problem
from benchmarks.prompt_template import Example
from benchmarks.prompting import Shot, function_shot
from runners.errors import UserError

PACKAGED = Path(__file__).with_name("starter_problems.jsonl")
STOP = ("\ndef ", "\nclass ", "\n#", "\nif ", "\nprint")
SOURCE = Source(name="starter", files=(PACKAGED.name,), revision="1", rows=36, licence="Apache-2.0")
INSTRUCTION = "Complete this function. Answer with the whole function in one code block.\n\n```python\n{prompt}```\n"

Difficulty = Literal["trivial", "easy", "middling"]


class StarterRecord(Record):
    """One line of starter_problems.jsonl."""

    task_id: str
    prompt: str = Field(min_length=1)
    entry_point: str = Field(min_length=1)
    tests: list[str] = Field(min_length=4)
    canonical_solution: str = Field(min_length=1)
    wrong_solutions: list[str] = Field(min_length=1)
    difficulty: Difficulty

    @model_validator(mode="after")
    def _prompt_defines_entry_point(self) -> Self:
        if f"def {self.entry_point}(" not in self.prompt:
            raise ValueError(f"prompt does not define the entry point {self.entry_point!r}")
        return self

    def problem(self) -> Problem:
        """The record as a Problem; its difficulty becomes a tag."""
        return Problem(
            task_id=self.task_id,
            prompt=self.prompt,
            instruction=INSTRUCTION.format(prompt=self.prompt),
            tests=tuple(self.tests),
            entry_point=self.entry_point,
            reference=self.canonical_solution,
            wrong=tuple(self.wrong_solutions),
            tags=(self.difficulty,),
        )


class StarterOptions(CommonOptions):
    """What the user may set for `starter`: a file of the same form, and which problems to take."""

    difficulty: Difficulty | None = Field(default=None, description="only problems of this difficulty")


class Starter(BaseBenchmark[StarterOptions]):
    """The 36 problems of the package, each judged by at least four assert statements."""

    name = "starter"
    summary = "36 short Python problems that come with the package; for demos and first runs"
    Options = StarterOptions
    main_option = "difficulty"
    stop = STOP

    def shot(self, example: Example) -> Shot:
        """A function to complete, as the problems are."""
        return function_shot(example, INSTRUCTION.format(prompt=example.prompt))

    @classmethod
    def load(cls, options: StarterOptions, cache: Path) -> Self:
        """Read the packaged problems, or those of `options.data`.

        Raises:
            DataError: a line of the file does not hold what StarterRecord asks for.
            UserError: a revision is asked for (the problems change with the package only), or no problem is left.
        """
        if options.revision is not None:
            raise UserError(f"starter: revision {options.revision!r}: it comes with the package; leave `revision` out.")
        records = load_records(SOURCE, StarterRecord, path=options.data or PACKAGED, cache=cache)
        rows = [row for row in records.rows if options.difficulty in (None, row.difficulty)]
        if not rows:
            raise UserError(f"starter: no problem has difficulty {options.difficulty!r}; leave `difficulty` out.")
        return cls([row.problem() for row in rows], records.provenance)
