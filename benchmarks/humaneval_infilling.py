"""Single-line infilling (Bavarian et al. 2022): one line is taken out of a HumanEval solution and to be filled in.

The tasks are made from HumanEval's own file: each line of a canonical solution that is not blank is the gap of one
task, 1033 of 164 problems, `SingleLineInfilling/HumanEval/0/L0` and so on. Prefix, line, suffix and task_id are the
bytes of openai/human-eval-infilling (MIT), compared at its commit 88062ff9; its file can be read too. A completion is
joined as it is, without a stop: as in the authors' harness, a model has to end the gap itself, line break included.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Self

from benchmarks.base import BaseBenchmark, CommonOptions
from benchmarks.data import load_records
from benchmarks.extraction import preamble_of
from benchmarks.humaneval import SOURCE, HumanEvalRecord
from benchmarks.problem import Completion, Problem, Prompt, PromptForm
from runners.errors import UserError

INSTRUCTION = "Fill in the missing line between these two parts of a Python file.\n\n{prefix}\n\n{suffix}\n"
WRONG = (")\n",)
"""A line that no solution can hold; a plausible one may stand where no test comes by."""


class InfillingRecord(HumanEvalRecord):
    """One line of HumanEval.jsonl, or of HumanEval-SingleLineInfilling.jsonl, which has a suffix."""

    suffix: str | None = None


class HumanEvalInfilling(BaseBenchmark[CommonOptions]):
    """1033 lines to fill in, judged by HumanEval's tests."""

    name = "humaneval_infilling"
    summary = "1033 lines to fill into HumanEval's solutions, for models trained to fill in the middle"
    Options = CommonOptions
    forms = ("fim",)
    module_name = "builtins"  # as in humaneval

    @classmethod
    def load(cls, options: CommonOptions, cache: Path) -> Self:
        """Read HumanEval.jsonl(.gz), the hub's Parquet form of it, or HumanEval-SingleLineInfilling.jsonl(.gz)."""
        records = load_records(SOURCE, InfillingRecord, path=options.data, cache=cache, revision=options.revision)
        return cls([problem for record in records.rows for problem in problems_of(record)], records.provenance)

    def prompt(self, problem: Problem, form: PromptForm) -> Prompt:
        """What stands before and after the gap.

        Raises:
            UserError: the form is not `fim`.
        """
        if form != "fim":
            raise UserError(f"{self.name}: form `{form}` has no place for a suffix; take `--set model.form=fim`.")
        return Prompt(
            task_id=problem.task_id, variant=problem.variant, form=form, text=problem.prompt, suffix=problem.suffix
        )

    def source(self, problem: Problem, completion: Completion) -> str:
        """Prefix, completion and suffix, ending in a newline; a whole program stays as it is."""
        if completion.form == "solution":
            return completion.text + "\n"
        return problem.prompt + completion.text + problem.suffix + "\n"

    def helpers(self, problem: Problem) -> str:
        """What stands before the function under test: three tests call it."""
        return preamble_of(problem.prompt, problem.entry_point)


def problems_of(record: InfillingRecord) -> Iterator[Problem]:
    """The tasks of a HumanEval problem, in the order of its lines; a record with a suffix is one task."""
    if record.suffix is not None:
        yield _problem(record, record.task_id, record.prompt, record.canonical_solution, record.suffix)
        return
    lines = record.canonical_solution.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.strip():
            # The authors join the lines before the gap and end them with a newline, so that line 0 has one of its own.
            before = "".join(lines[:number]) or "\n"
            task_id = f"SingleLineInfilling/{record.task_id}/L{number}"
            yield _problem(record, task_id, record.prompt + before, line, "".join(lines[number + 1 :]))


def _problem(record: InfillingRecord, task_id: str, prefix: str, line: str, suffix: str) -> Problem:
    """Test and call are joined as human-eval joins them."""
    return Problem(
        task_id=task_id,
        prompt=prefix,
        suffix=suffix,
        instruction=INSTRUCTION.format(prefix=prefix, suffix=suffix),
        tests=(f"{record.test}\ncheck({record.entry_point})",),
        entry_point=record.entry_point,
        reference=line,
        wrong=WRONG,
        cluster=record.task_id.removeprefix("SingleLineInfilling/").rpartition("/L")[0] or record.task_id,
    )
