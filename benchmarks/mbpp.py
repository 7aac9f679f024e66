"""MBPP (Austin et al. 2021): short Python tasks given as a sentence and three assertions.

Two editions (`full`, 974 tasks; `sanitized`, 427 that people checked) and the paper's splits by task id. Zero shots
ask as the BigCode harness does, three shots as the paper does with tasks 2, 3 and 4; those come from the loaded file
and are never scored. Each assertion is one test. Nothing of a prompt enters the program.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from benchmarks.base import BaseBenchmark, CommonOptions
from benchmarks.data import Provenance, Record, load_records
from benchmarks.extraction import parse, program_text
from benchmarks.fetch import Source
from benchmarks.problem import Completion, Problem
from benchmarks.prompt_template import Example
from benchmarks.prompting import Shot, fenced
from runners.errors import DataError, UserError

SPLITS = ("prompt", "test", "validation", "train")
"""In the order of their task ids."""
SPLIT_IDS = {
    "prompt": range(1, 11),
    "test": range(11, 511),
    "validation": range(511, 601),
    "train": range(601, 975),
    "all": range(1, 975),
}
SHOT_IDS = (2, 3, 4)
"""The paper's examples, all in split `prompt`."""

ZERO_SHOT_STOP = ("\nclass", "\nassert", '\n"""', "\nprint", "\nif", "\n<|/", "\n```")
FEW_SHOT_STOP = ("[DONE]",)

INSTRUCTION = (
    "You are an expert Python programmer, and here is your task: {text} "
    "Your code should pass these tests:\n\n{tests}\n\nAnswer with one markdown code block of Python.\n"
)
SHOT = (
    "You are an expert Python programmer, and here is your task: {text} "
    "Your code should pass these tests:\n\n{tests}\n[BEGIN]\n"
)


def _source(subset: str, rows: int) -> Source:
    return Source(
        name=f"mbpp_{subset}",
        hub="google-research-datasets/mbpp",
        files=tuple(f"{subset}/{split}-00000-of-00001.parquet" for split in SPLITS),
        revision="4bb6404fdc6cacfda99d4ac4205087b89d32030c",
        rows=rows,
        licence="CC-BY-4.0",
        credit="Google Research, MBPP (Austin et al. 2021, arXiv:2108.07732)",
    )


SOURCES = {"full": _source("full", 974), "sanitized": _source("sanitized", 427)}


class MbppOptions(CommonOptions):
    """Which tasks to ask, and how."""

    subset: Literal["full", "sanitized"] = Field(default="full", description="edition: 974 tasks, or 427 checked ones")
    split: Literal["train", "test", "validation", "prompt", "all"] = Field(
        default="test", description="the paper's task ids: test 11-510, validation 511-600, train 601-974, prompt 1-10"
    )
    shots: Literal[0, 3] = Field(default=0, description="examples before the task of a base model")


class FullRecord(Record):
    """One line of mbpp.jsonl."""

    task_id: int
    text: str
    code: str
    test_setup_code: str
    test_list: list[str] = Field(min_length=1)


class SanitizedRecord(Record):
    """One element of sanitized-mbpp.json."""

    task_id: int
    prompt: str
    code: str
    test_imports: list[str]
    test_list: list[str] = Field(min_length=1)

    @property
    def text(self) -> str:
        """The task's sentence, under the name it has in the full edition."""
        return self.prompt


MbppRecord = FullRecord | SanitizedRecord


class Mbpp(BaseBenchmark[MbppOptions]):
    """Short Python tasks; the assertions are part of the question."""

    name = "mbpp"
    summary = "974 short Python tasks with three assertions each, or the 427 sanitized ones (Google)"
    Options = MbppOptions
    main_option = "subset"
    stop: tuple[str, ...] = ZERO_SHOT_STOP
    module_name = "builtins"  # as the evaluators that execute in a bare dict

    @classmethod
    def load(cls, options: MbppOptions, cache: Path) -> Self:
        """Read mbpp.jsonl, sanitized-mbpp.json or the hub's Parquet form of either.

        Raises:
            UserError: no task is left to score, or three shots are wanted and the file lacks an example.
        """
        records, provenance = _read(options, cache)
        rows = {record.task_id: record for record in records}
        examples = _examples(rows, provenance.origin) if options.shots else ""
        wanted = [rows[task_id] for task_id in rows if task_id in _scored_ids(options)]
        if not wanted:
            raise UserError(
                f"mbpp: no task of split '{options.split}' is left to score in {provenance.origin}. "
                "Choose another split (split=test), or shots=0: the examples are taken from split 'prompt'."
            )
        benchmark = cls([_problem(record, examples) for record in wanted], provenance)
        if options.shots:
            benchmark.stop = FEW_SHOT_STOP
        return benchmark

    def shot(self, example: Example) -> Shot:
        """A docstring, answered with the whole function.

        Raises:
            UserError: the paper's examples stand there already.
        """
        if self.stop == FEW_SHOT_STOP:
            raise UserError("mbpp: shots=3 brings the paper's examples; leave it out, or take prompt mode zero_shot.")
        tests = "\n".join(example.tests)
        return Shot(
            example=example,
            prompt=docstring_prompt(example.text, example.tests[0]),
            answer=example.code,
            instruction=INSTRUCTION.format(text=example.text, tests=tests),
            reply=fenced(example.code),
        )

    def source(self, problem: Problem, completion: Completion) -> str:
        """The program: imports that the tests need, then the code alone."""
        return problem.setup + program_text(completion, prompt="", entry_point=problem.entry_point, stop=self.stop)


def _read(options: MbppOptions, cache: Path) -> tuple[Sequence[MbppRecord], Provenance]:
    source = SOURCES[options.subset]
    if options.subset == "full":
        full = load_records(source, FullRecord, path=options.data, cache=cache, revision=options.revision)
        return full.rows, full.provenance
    checked = load_records(source, SanitizedRecord, path=options.data, cache=cache, revision=options.revision)
    return checked.rows, checked.provenance


def _scored_ids(options: MbppOptions) -> set[int]:
    ids = set(SPLIT_IDS[options.split])
    return ids - set(SPLIT_IDS["prompt"]) if options.shots else ids


def _examples(rows: Mapping[int, MbppRecord], origin: str) -> str:
    """The paper's three examples, solved, each followed by an empty line."""
    missing = [task_id for task_id in SHOT_IDS if task_id not in rows]
    if missing:
        cure = "Use the whole file, or shots=0."
        raise DataError(origin, f"shots=3 takes its examples from tasks 2, 3, 4; {missing} are not there.", cure=cure)
    return "".join(_shot(rows[task_id]) + rows[task_id].code + "\n[DONE]\n\n" for task_id in SHOT_IDS)


def _shot(record: MbppRecord) -> str:
    return SHOT.format(text=record.text, tests="\n".join(record.test_list))


def _problem(record: MbppRecord, examples: str) -> Problem:
    """Put one record into the common form.

    `test_setup_code` builds objects of the classes that the answer defines (tasks 367 and 927), so it runs after the
    program, at the head of the first test; `test_imports` stand before it.
    """
    tests = list(record.test_list)
    setup = ""
    if isinstance(record, SanitizedRecord):
        setup = "".join(line + "\n" for line in record.test_imports)
    elif record.test_setup_code:
        tests[0] = f"{record.test_setup_code}\n{tests[0]}"
    entry_point = entry_point_of(record.code, record.test_list[0])
    return Problem(
        task_id=f"Mbpp/{record.task_id}",
        prompt=examples + _shot(record) if examples else docstring_prompt(record.text, record.test_list[0]),
        instruction=INSTRUCTION.format(text=record.text, tests="\n".join(record.test_list)),
        tests=tuple(tests),
        entry_point=entry_point,
        setup=setup,
        reference=record.code,
        wrong=wrong_codes(entry_point),
    )


def docstring_prompt(text: str, test: str) -> str:
    """The BigCode form: sentence and first assertion in a docstring."""
    return f'"""\n{text}\n{test}\n"""\n'


def wrong_codes(entry_point: str | None) -> tuple[str, ...]:
    """Functions of the right name that solve nothing."""
    if entry_point is None:
        return ("pass\n",)
    bodies = ("pass", "return 'no such answer'", "raise NotImplementedError")
    return tuple(f"def {entry_point}(*args, **kwargs):\n    {body}\n" for body in bodies)


def entry_point_of(code: str, test: str) -> str | None:
    """The function or class of `code` that `test` calls, outermost first; None if it calls none."""
    tree, check = parse(code), parse(test)
    if tree is None or check is None:
        return None
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    defined = {node.name for node in tree.body if isinstance(node, definitions)}
    calls = [node.func for node in ast.walk(check) if isinstance(node, ast.Call)]
    return next((call.id for call in calls if isinstance(call, ast.Name) and call.id in defined), None)
