"""Rows of CodeFuseEval's codedatascience and the files that lie beside them: inputs, answers, pictures.

They are read as bytes and put into programs; nothing here unpickles them.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field

from benchmarks.data import Record
from benchmarks.ds1000 import seaborn_files
from benchmarks.extraction import parse

PLOTS = "Matplotlib"
CURE = "name CodeFuse's folder codedatascience, with CodeCompletion/ and CodeInsertion/ in it: files=FOLDER"
MODEL = "my_model.pt"
"""What one problem of PyTorch loads."""


class CodeDataScienceRecord(Record):
    """One line of CodeCompletion/LIBRARY/LIBRARY.jsonl or CodeInsertion/LIBRARY/LIBRARY.jsonl."""

    task_id: str = Field(pattern=r"^\w+/\d+$")
    prompt: str
    code_context: str = Field(pattern=r"\[insert\]")
    canonical_solution: str
    test: str
    type: Literal["Completion", "Insertion"]
    language: Literal["Numpy", "Pandas", "Scipy", "Sklearn", "Matplotlib", "Pytorch", "Tensorflow"]
    perturbation_type: str
    perturbation_origin_id: int | str
    test_case_cnt: str = Field(pattern=r"^\d+$")

    @property
    def place(self) -> tuple[str, str, str]:
        """Kind, library and number: where its pickles lie."""
        return f"Code{self.type}", self.language, self.task_id.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFiles:
    """What a row needs besides itself."""

    inputs: Mapping[str, bytes] = field(default_factory=dict)
    """By path in the program's folder; of all test cases."""
    answers: tuple[bytes | None, ...] = ()
    """Pickled, one per test case; None where the test looks at the result alone. Of a plot, its picture."""
    missing: str = ""
    """Why the row cannot be judged; empty if it can."""


def case_files(record: CodeDataScienceRecord, folder: Path | None) -> CaseFiles:
    """Inputs and answers of a row, read as bytes; nothing here unpickles them."""
    reads, compares = _reads_input(record), _needs_answer(record)
    cases = max(1, int(record.test_case_cnt))
    drawn, unfetched = seaborn_files(record.code_context, folder / "data" if folder else None)
    if folder is None:
        missing = unfetched or ("" if not reads and not compares else f"its inputs and answers are not here; {CURE}")
        return CaseFiles(answers=(None,) * cases, missing=missing)
    kind, library, number = record.place
    base = folder / kind / library
    wanted = {f"input/input{case}.pkl": base / f"input_{number}" / f"input{case}.pkl" for case in _cases(cases, reads)}
    if MODEL in record.code_context:
        wanted[MODEL] = folder / MODEL
    name = "oracle_plot.png" if library == PLOTS else "ans{case}.pkl"
    answers = [base / f"ans_{number}" / name.format(case=case) for case in _cases(cases, compares)]
    absent = [path for path in (*wanted.values(), *answers) if not path.is_file()]
    if absent or unfetched:
        why = f"{absent[0]} is absent; {CURE}" if absent else unfetched
        return CaseFiles(answers=(None,) * cases, missing=why)
    return CaseFiles(
        inputs=drawn | {path: place.read_bytes() for path, place in wanted.items()},
        answers=tuple(path.read_bytes() for path in answers) or (None,) * cases,
    )


def _cases(count: int, needed: bool) -> range:
    return range(1, count + 1 if needed else 1)


def _reads_input(record: CodeDataScienceRecord) -> bool:
    """Whether the context reads a pickle, comments aside."""
    lines = record.code_context.splitlines()
    return any("input/input" in line for line in lines if not line.lstrip().startswith("#"))


def _needs_answer(record: CodeDataScienceRecord) -> bool:
    """Whether there is an answer to compare with: a plot's oracle, or the second parameter of a `test` that uses it."""
    if record.language == PLOTS:
        return True
    tree = parse(record.test)
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "test"] if tree else []
    if not tests or len(tests[-1].args.args) < 2:
        return True
    name = tests[-1].args.args[1].arg
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(tests[-1]))
