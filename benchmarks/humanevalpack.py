"""HumanEvalPack (Muennighoff et al. 2023, OctoPack, arXiv:2308.07124): HumanEval in six languages, asked in four ways.

`synthesize` asks for a function by its description; `fix_tests` and `fix_docs` for the repair of a function with one
bug, shown with its tests or with its docstring; `explain` for a description of the function first, and then for the
function by that description alone. All are judged by the same tests. `humanevalpack_prompts` has the texts.

Programs are put together as for HumanEval-X, with the few headers and imports that OctoPack adds to those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from benchmarks.base import BaseBenchmark, CommonOptions
from benchmarks.code_answers import answer_text, defines
from benchmarks.data import Provenance, Records, in_folder, load_records
from benchmarks.fetch import Source
from benchmarks.humaneval_x import FLAGS, LANGUAGES, PROGRAMS, PYTHON_SETUP, STOPS, problem_of
from benchmarks.humanevalpack_prompts import (
    HumanEvalPackRecord,
    Task,
    declaration_of,
    described,
    first_texts,
    second_texts,
    start_of,
)
from benchmarks.problem import Completion, Problem, Prompt, PromptForm
from runners.errors import DataError

FILE = "humanevalpack.jsonl"
PREFIXES = {"python": "Python", "cpp": "CPP", "java": "Java", "js": "JavaScript", "go": "Go", "rust": "Rust"}
"""How task_ids begin."""
_CPP_HEADERS = ("cmath", "numeric", "set", "map", "queue", "stack", "list", "deque", "sstream", "fstream")
SETUPS = {
    "python": PYTHON_SETUP + "import statistics\n",
    "cpp": "".join(f"#include<{header}>\n" for header in _CPP_HEADERS) + "using namespace std;\n",
}
"""What OctoPack's evaluator puts before programs besides HumanEval-X' headers; boost's is left to who uses it."""

SHADOWED = {"cpp": frozenset({"strlen"})}
"""Functions whose tests would call the library's of the same name if headers were added (CPP/23: any answer passes)."""


class HumanEvalPackOptions(CommonOptions):
    """What to ask, and of which set."""

    task: Task = Field(
        default="synthesize",
        description="write a function; fix one by its tests or its docstring; explain one and write it from that",
    )
    language: Literal["python", "cpp", "java", "js", "go", "rust"] = Field(
        default="python", description="language of the functions"
    )


class HumanEvalPack(BaseBenchmark[HumanEvalPackOptions]):
    """164 functions in one of six languages, to be written, fixed or explained."""

    name = "humanevalpack"
    summary = "164 functions each in six languages, to be written, fixed or explained (OctoPack)"
    Options = HumanEvalPackOptions
    main_option = "task"

    @classmethod
    def load(cls, options: HumanEvalPackOptions, cache: Path) -> Self:
        """Read the language's humanevalpack.jsonl, plain or gzipped; `data` may be a folder with one per language."""
        task, key = options.task, options.language
        path = in_folder(options.data, f"{key}/{FILE}", f"data/{key}/data/{FILE}", FILE)
        records: Records[HumanEvalPackRecord] = load_records(
            source_of(key), HumanEvalPackRecord, path=path, cache=cache, revision=options.revision
        )
        _check_language(records, key)
        benchmark = cls([_problem(record, key, task) for record in records.rows], records.provenance)
        benchmark.records = {record.task_id: record for record in records.rows}
        benchmark.task, benchmark.set_name, benchmark.language = task, key, LANGUAGES[key]
        benchmark.flags, benchmark.stop = FLAGS.get(key, ()), STOPS[key]
        benchmark.turns = 2 if task == "explain" else 1
        benchmark.notes = _notes(records.rows, key) if task in ("fix_tests", "explain") else ()
        return benchmark

    def __init__(self, problems: list[Problem] | tuple[Problem, ...], provenance: Provenance) -> None:
        super().__init__(problems, provenance)
        self.task: Task = "synthesize"
        self.set_name = "python"
        self.records: Mapping[str, HumanEvalPackRecord] = {}

    def follow_up(self, problem: Problem, form: PromptForm, answers: tuple[Completion, ...]) -> Prompt | None:
        """Of `explain`, after the description: the request to write the function by it; else None."""
        if self.task != "explain" or len(answers) != 1:
            return None
        record = self.records[problem.task_id]
        text, instruction = second_texts(record, self.set_name, described(answers[0], record, self.stop))
        return self.ask(replace(problem, prompt=text, instruction=instruction), form)

    def earlier_answers(self, problem: Problem) -> tuple[str, ...]:
        """Of `explain`: the docstring describes the function."""
        return (self.records[problem.task_id].docstring,) if self.task == "explain" else ()

    def helpers(self, problem: Problem) -> str:
        """What the tests of Python may call besides the function: helpers before it in the row's prompt."""
        return problem.setup + self.records[problem.task_id].prompt

    def source(self, problem: Problem, completion: Completion) -> str:
        """The program without its tests."""
        key = self.set_name
        start = start_of(self.records[problem.task_id], key, self.task)
        if completion.form == "completion" and not completion.verbatim:
            start = start.rstrip()  # the question ends there, and the completion brings the line break
            completion = replace(
                completion, text=indented_part(completion.text) if key == "python" else completion.text
            )
        text = answer_text(self.language, completion, prompt=start, entry_point=problem.entry_point, stop=self.stop)
        if completion.form == "chat" and self.task == "fix_tests":
            text = without_tests(self.language, text, problem)
        if problem.entry_point in SHADOWED.get(key, ()):
            return text
        if key != "go":  # whose setup is a header, and its imports are merged with the program's
            text = problem.setup + text
        return PROGRAMS[key](replace(problem, prompt=start), text) if key in PROGRAMS else text


def source_of(language: str) -> Source:
    """The hub's file of a language."""
    return Source(
        name=f"humanevalpack_{language}",
        hub="bigcode/humanevalpack",
        files=(f"data/{language}/data/{FILE}",),
        revision="main",
        rows=164,
        licence="MIT",
        credit="BigCode, bigcode-project/octopack (Muennighoff et al. 2023, arXiv:2308.07124)",
    )


def indented_part(text: str) -> str:
    """A completion in Python up to the first line that is not indented, as OctoPack cuts it."""
    lines = text.split("\n")
    ends = (number for number, line in enumerate(lines) if line.strip() and line[0] not in " \t")
    return "\n".join(lines[: next(ends, len(lines))])


def without_tests(language: str, text: str, problem: Problem) -> str:
    """A program up to where the tests begin that its question showed: both copies together would not compile.

    In Python they may stand, and of C++ and Java the answer's own `main` is left out anyway.
    """
    first = next((line.strip() for line in problem.tests[0].split("\n") if line.strip()), "")
    lines = text.split("\n")
    places = [number for number, line in enumerate(lines) if line.strip() == first]
    heads = ("\n".join(lines[:number]) + "\n" for number in places)
    return next((head for head in heads if defines(language, head, problem.entry_point)), text)


def _problem(record: HumanEvalPackRecord, key: str, task: Task) -> Problem:
    """Put one record into the common form."""
    problem = problem_of(record, key, "en")
    prompt, instruction = first_texts(record, key, task)
    return replace(
        problem,
        prompt=prompt,
        instruction=instruction,
        setup=SETUPS.get(key, record.test_setup),
        wrong=(record.buggy_solution, *problem.wrong),
        tags=(*problem.tags, record.bug_type),
    )


def _check_language(records: Records[HumanEvalPackRecord], key: str) -> None:
    """The files of all languages have the same name and fields.

    Raises:
        DataError: the file is another language's.
    """
    first = records.rows[0].task_id
    others = {prefix: name for name, prefix in PREFIXES.items() if name != key}
    if other := others.get(first.partition("/")[0]):
        cure = f"Name the file of {key}, or say language={other}."
        raise DataError(
            records.provenance.paths[0], f"is {first!r}, and not of {key}.", line=1, field="task_id", cure=cure
        )


def _notes(rows: tuple[HumanEvalPackRecord, ...], key: str) -> tuple[str, ...]:
    """What was mended in the data."""
    mended = [record.task_id for record in rows if declaration_of(record, key) != record.declaration]
    if not mended:
        return ()
    return (f"{len(mended)} of {len(rows)} declarations were mended by the row's prompt ({', '.join(mended)})",)
