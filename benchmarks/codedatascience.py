"""CodeFuseEval's codedatascience: DS-1000 in its first layout, 1000 problems to complete and 1000 to fill in.

A row's `code_context` is a script with the solution at `[insert]`: it reads `input/inputI.pkl` and writes
`result/result_I.pkl`, once per test case; `test(result, ans)` compares that with `ans/ansI.pkl`. The pickles lie beside
CodeFuse's rows and are no part of them: without `files`, rows that need any are `missing`.

Each test case is a program of its own. Where CodeFuse lays the answers beside the program, they arrive here with the
test, after the program has ended; so do a plot's oracle and the assertions on it. `stringTest`, the surface-form test
that CodeFuse leaves out, is run as DS-1000 does, with `surface_form` in the place of the module `parser`.
"""

from __future__ import annotations

import base64
import hashlib
import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from benchmarks import surface_form
from benchmarks.base import BaseBenchmark, CommonOptions
from benchmarks.compared import Compared
from benchmarks.data import Provenance, Records, load_records
from benchmarks.data_science_files import CURE, PLOTS, CaseFiles, CodeDataScienceRecord, case_files
from benchmarks.ds1000 import (
    ENVIRONMENT,
    INSERT,
    INSTRUCTION,
    LIBRARIES,
    STOP,
    LibraryOption,
    environment_notes,
    environment_of,
    prepare,
    roomy_limits,
    solution_of,
    wrong_solutions,
)
from benchmarks.fetch import Source
from benchmarks.problem import Completion, Problem, Prompt, PromptForm
from runners.errors import DataError, UserError
from runners.program import Limits, Program

ROWS = {
    **{"Numpy": 220, "Pandas": 291, "Scipy": 106, "Sklearn": 115},
    **{"Matplotlib": 155, "Pytorch": 68, "Tensorflow": 45},
}
SURFACE = "surface-form"
CASE = "[case]"
"""Stands in a problem's setup for the number of the test case."""
IMAGE_TEST = "#Image Testing"
"""Where the context of a plot stops drawing and begins to judge."""
PARSER = f"""\
def _stand_in(source):
    import sys, types
    module = types.ModuleType("parser")
    exec(source, module.__dict__)
    sys.modules["parser"] = module

_stand_in({inspect.getsource(surface_form)!r})
"""
COMPARE = """
def _unpickled(case):
    import pickle
    with open(f"result/result_{case}.pkl", "rb") as file:
        return pickle.load(file)

"""
PLOT = """\
def _oracle(text):
    import base64, os
    os.makedirs("ans", exist_ok=True)
    with open("ans/oracle_plot.png", "wb") as file:
        file.write(base64.b64decode(text))

"""


class CodeDataScienceOptions(CommonOptions):
    """Which problems to ask, and where their pickles are."""

    form: Literal["completion", "insertion"] = Field(default="completion", description="to complete, or to fill in")
    library: LibraryOption = Field(
        default="all", description="library of the problems; Pytorch and Tensorflow need environments of their own"
    )
    files: Path | None = Field(
        default=None, strict=False, description="CodeFuse's folder codedatascience, which holds inputs and answers"
    )


class CodeDataScience(Compared, BaseBenchmark[CodeDataScienceOptions]):
    """DS-1000's problems in CodeFuse's edition, judged case by case."""

    name = "codedatascience"
    summary = "CodeFuseEval's DS-1000: 1000 data science problems to complete, 1000 to fill in (Ant Group)"
    Options = CodeDataScienceOptions
    main_option = "library"
    stop = STOP
    splits = False
    environment = ENVIRONMENT
    cpu_seconds = 120.0

    @classmethod
    def load(cls, options: CodeDataScienceOptions, cache: Path) -> Self:
        """Read LIBRARY.jsonl, or of a folder CodeCompletion/LIBRARY/LIBRARY.jsonl or CodeCompletion_LIBRARY.jsonl(.gz).

        Raises:
            UserError: no problem of the library and form is in the data.
        """
        records = _read(options, cache)
        kind = options.form.capitalize()
        wanted = [row for row in records.rows if row.type == kind and options.library in ("all", row.language)]
        if not wanted:
            where = records.provenance.origin
            raise UserError(f"{cls.name}: {where} holds no problem of library={options.library}, form={options.form}.")
        files = options.files or _files_beside(options.data)
        problems = [problem_of(row, case_files(row, files)) for row in wanted]
        benchmark = cls(problems, records.provenance)
        benchmark.forms = ("fim", "chat") if options.form == "insertion" else ("base", "chat")
        benchmark.notes = (*_missing_note(problems), *environment_notes(problems))
        return benchmark

    def prompt(self, problem: Problem, form: PromptForm) -> Prompt:
        """The problem's prompt; of form `fim` what stands before and after the gap."""
        if form != "fim":
            return BaseBenchmark.prompt(self, problem, form)
        return Prompt(
            task_id=problem.task_id, variant=problem.variant, form=form, text=problem.prompt, suffix=problem.suffix
        )

    def source(self, problem: Problem, completion: Completion) -> str:
        """The context with the solution in it; the number of the test case is still open."""
        return self._filled(problem, solution_of(completion, prompt=problem.prompt, context=problem.setup))

    def limits(self, problem: Problem) -> Limits:
        """DS-1000's seconds; libraries that map much memory get more."""
        return roomy_limits(problem, self.cpu_seconds)

    def programs(self, problem: Problem, completion: Completion) -> tuple[Program, ...]:
        """One program per test case; the first also has the surface-form test, which judges the solution's text."""
        code = solution_of(completion, prompt=problem.prompt, context=problem.setup)
        source = self._filled(problem, code)
        comparisons, surface = list(problem.tests), list[str]()
        if SURFACE in problem.tags:
            surface = [f"_solution = {code!r}\n{comparisons.pop()}"]
        return tuple(
            Program(
                source=source.replace(CASE, str(case), 1),
                tests=(comparison, *(surface if case == 1 else ())),
                environment=environment_of(problem),
                limits=self.limits(problem),
            )
            for case, comparison in enumerate(comparisons, 1)
        )

    def compared(self, problem: Problem, completion: Completion) -> str:
        """The solution alone."""
        return solution_of(completion, prompt=problem.prompt, context=problem.setup)

    def _filled(self, problem: Problem, code: str) -> str:
        return problem.setup.replace(INSERT, code, 1)


def problem_of(record: CodeDataScienceRecord, files: CaseFiles) -> Problem:
    """Put one record into the common form; `setup` is its context with its inputs, one test per case."""
    before, gap, after = record.prompt.rpartition(INSERT) if record.type == "Insertion" else (record.prompt, "", "")
    context, plot_test = record.code_context, ""
    if record.language == PLOTS:
        context, mark, rest = context.partition(IMAGE_TEST)
        plot_test = mark + rest
    tests = [
        _plot_test(plot_test, answer) if plot_test else _comparison(record.test, case, answer)
        for case, answer in enumerate(files.answers, 1)
    ]
    has_surface = "def stringTest(" in record.test
    if has_surface:
        tests.append(_isolated(f"{PARSER}{record.test}\nassert stringTest(solution), 'surface form'\n", "_solution"))
    return Problem(
        task_id=record.task_id,
        prompt=before if gap else record.prompt,
        suffix=after if gap else "",
        instruction=INSTRUCTION.format(prompt=record.prompt.strip("\n")),
        tests=tuple(tests),
        setup=prepare(files.inputs, CASE) + context,
        reference=record.canonical_solution,
        wrong=wrong_solutions(context),
        tags=(record.language, record.perturbation_type, *((SURFACE,) if has_surface else ())),
        cluster=f"{record.language}/origin-{record.perturbation_origin_id}",
        unavailable=files.missing,
    )


def _comparison(test: str, case: int, answer: bytes | None) -> str:
    """CodeFuse's comparison: `1 == test(result, ans)`."""
    parser = PARSER if "import parser" in test else ""
    ans = "None" if answer is None else f"_decoded({base64.b64encode(answer).decode()!r})"
    decode = "def _decoded(text):\n    import base64, pickle\n    return pickle.loads(base64.b64decode(text))\n\n"
    call = f"assert 1 == test(_unpickled({case}), {ans}), 'the result is not the answer'\n"
    return _isolated(f"{parser}{test}\n{COMPARE}{decode}{call}", "None")


def _isolated(text: str, solution: str) -> str:
    """A test in a namespace of its own: rows name their variables `min`, `max`, `list`."""
    namespace = f'{{"__name__": "test_code", "solution": {solution}}}'
    return f'import builtins\nbuiltins.exec(builtins.compile({text!r}, "<test>", "exec"), {namespace})\n'


def _plot_test(text: str, answer: bytes | None) -> str:
    """A plot passes if its picture is the oracle's or if the assertions on it hold, as in DS-1000."""
    picture = base64.b64encode(answer or b"").decode()
    run = f'    __import__("builtins").exec({text!r})\n'
    passed = '__import__("os").path.exists("result/result_1.pkl")'
    return f"{PLOT}_oracle({picture!r})\ntry:\n{run}except Exception:\n    if not {passed}:\n        raise\n"


def _missing_note(problems: list[Problem]) -> Iterable[str]:
    missing = sum(bool(problem.unavailable) for problem in problems)
    if missing:
        yield f"{missing} of {len(problems)} problems are missing: their inputs and answers are not here; {CURE}"


def _source(form: str, libraries: tuple[str, ...]) -> Source:
    folder = f"codefuseEval/data/codedatascience/Code{form.capitalize()}"
    return Source(
        name=f"codefuse_datascience_{form}_{'_'.join(libraries).lower() if len(libraries) == 1 else 'all'}",
        url="https://raw.githubusercontent.com/codefuse-ai/codefuse-evaluation/{revision}/{file}",
        files=tuple(f"{folder}/{library}/{library}.jsonl" for library in libraries),
        revision="09a4f2af5bdc55052052c9bd0cb74d47e40198fc",
        rows=sum(ROWS[library] for library in libraries),
        licence="CC-BY-SA-4.0 (DS-1000); Apache-2.0 (CodeFuse's edition)",
        credit="Ant Group, codefuse-ai/codefuse-evaluation; xlang-ai/DS-1000 (Lai et al. 2023, arXiv:2211.11501)",
    )


def _read(options: CodeDataScienceOptions, cache: Path) -> Records[CodeDataScienceRecord]:
    libraries = LIBRARIES if options.library == "all" else (options.library,)
    data, source = options.data, _source(options.form, libraries)
    if data is None or not data.is_dir():
        return load_records(source, CodeDataScienceRecord, path=data, cache=cache, revision=options.revision)
    found = {library: path for library in libraries if (path := _in_folder(data, options.form, library))}
    if not found:
        raise DataError(data, f"holds no rows of {', '.join(libraries)}.", cure="Name the file itself, or its folder.")
    parts = [
        load_records(_source(options.form, (library,)), CodeDataScienceRecord, path=path, cache=cache)
        for library, path in found.items()
    ]
    return _joined(data, parts)


def _files_beside(data: Path | None) -> Path | None:
    """CodeFuse's own folder, where the rows are read from it."""
    return data if data is not None and (data / "CodeCompletion").is_dir() else None


def _in_folder(folder: Path, form: str, library: str) -> Path | None:
    kind = f"Code{form.capitalize()}"
    places = [folder / kind / library / f"{library}.jsonl", folder / f"{kind}_{library}.jsonl"]
    found = [path for place in places for path in (place, place.with_name(f"{place.name}.gz")) if path.is_file()]
    return found[0] if found else None


def _joined(folder: Path, parts: list[Records[CodeDataScienceRecord]]) -> Records[CodeDataScienceRecord]:
    """Several files as one source, hashed as `load_records` does."""
    digests = [part.provenance.sha256 for part in parts]
    provenance = Provenance(
        origin=str(folder),
        paths=tuple(path for part in parts for path in part.provenance.paths),
        sha256=digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest(),
        rows=sum(part.provenance.rows for part in parts),
    )
    return Records(rows=tuple(row for part in parts for row in part.rows), provenance=provenance)
