"""DS-1000 (Lai et al. 2023) in its simplified layout: 1000 data science problems over seven Python libraries.

Judged as xlang-ai/DS-1000 does: the program is `code_context`, then `code = <the solution's repr>`, then
`test_execution(code)` and, where the context defines it, `test_string(code)`. The context executes the solution between
lines of its own and compares with answers that it computes, so all is one process (judge=inside). The limit is CPU
time here and 120 s of wall time there. Versions of the libraries decide: see `runners.environments.difference_note`.

This layout has prompts for completion alone; `codedatascience` reads the older one, which has insertion too.
"""

from __future__ import annotations

import ast
import base64
import re
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from benchmarks.base import BaseBenchmark, CommonOptions
from benchmarks.data import Record, in_folder, load_records
from benchmarks.extraction import chat_program, parse, truncate, without_reasoning
from benchmarks.fetch import Source
from benchmarks.problem import Completion, Problem
from runners.environments import difference_note, find_environment
from runners.errors import UserError
from runners.program import MEBIBYTE, Limits, Program

SOURCE = Source(
    name="ds1000",
    hub="xlangai/DS-1000",
    files=("test.jsonl",),
    revision="main",
    rows=1000,
    licence="CC-BY-SA-4.0",
    credit="HKU NLP and others, xlang-ai/DS-1000 (Lai et al. 2023, arXiv:2211.11501); from Stack Overflow",
)

LIBRARIES = ("Numpy", "Pandas", "Scipy", "Sklearn", "Matplotlib", "Pytorch", "Tensorflow")
LibraryOption = Literal["all", "Numpy", "Pandas", "Scipy", "Sklearn", "Matplotlib", "Pytorch", "Tensorflow"]
ENVIRONMENT = "datascience"
LARGE = ("torch", "tensorflow")
"""Packages with environments of their own, by the same names."""
STOP = ("</code>", "# SOLUTION END", "\nEND SOLUTION")
INSERT = "[insert]"
INSTRUCTION = (
    "Solve the following problem. The code that it gives is run before yours, so leave it out, and keep the names of "
    "its variables. Answer with only the code that is missing, in one markdown code block.\n\n{prompt}\n"
)
WRONG = ("raise ValueError('no such answer')\n", "import os\nos._exit(0)\n")
"""Solutions that no test accepts; they are indented where the solution is a function's body."""
PREPARE = """\
def _prepare(files, case):
    import base64, os, sys, tempfile
    folder = tempfile.mkdtemp()
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    os.environ.update(threads, MPLBACKEND="Agg", MPLCONFIGDIR=folder, SEABORN_DATA=folder, TF_CPP_MIN_LOG_LEVEL="3")
    os.chdir(folder)
    for path, text in {"result/.keep": "", **files}.items():
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(text))
    sys.argv = ["program.py", "--test_case", str(case)]

"""
"""Gives a program a folder of its own with its files, one thread per library, and plots without a screen."""
_BLOCK = re.compile(r"<code>\n(.*?)</code>", re.DOTALL)
_DATASET = re.compile(r"load_dataset\(\s*[\"'](\w+)[\"']")
_FUNCTION = re.compile(r"^[ \t]*def (\w+)", re.MULTILINE)
_BODY = "    "


class Metadata(BaseModel):
    """What a row tells of itself."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    library: Literal["Numpy", "Pandas", "Scipy", "Sklearn", "Matplotlib", "Pytorch", "Tensorflow"]
    library_problem_id: int | str
    perturbation_type: str
    perturbation_origin_id: int | str


class DS1000Record(Record):
    """One line of ds1000.jsonl; its task_id is made of library and number there."""

    task_id: str
    prompt: str
    reference_code: str
    code_context: str = Field(pattern=r"def test_execution\(")
    metadata: Metadata

    @model_validator(mode="before")
    @classmethod
    def _named(cls, row: object) -> object:
        """Give the row its task_id; faults of the metadata are told by its own fields."""
        if not isinstance(row, dict) or "task_id" in row:
            return row
        about = row.get("metadata")
        about = about if isinstance(about, dict) else {}
        return {**row, "task_id": f"{about.get('library')}/{about.get('library_problem_id')}"}


class DS1000Options(CommonOptions):
    """Which problems to ask."""

    library: LibraryOption = Field(
        default="all", description="library of the problems; Pytorch and Tensorflow need environments of their own"
    )
    files: Path | None = Field(
        default=None,
        strict=False,
        description="folder of seaborn's data sets, which some plots draw (tips.csv, ...)",
    )


class DS1000(BaseBenchmark[DS1000Options]):
    """1000 data science problems, judged by the authors' tests."""

    name = "ds1000"
    summary = "1000 data science problems: numpy, pandas, scipy, sklearn, matplotlib, torch, tensorflow"
    Options = DS1000Options
    main_option = "library"
    stop = STOP
    splits = False
    environment = ENVIRONMENT
    module_name = "builtins"  # theirs executes in a bare dict, where __name__ is that of the builtins
    cpu_seconds = 120.0

    @classmethod
    def load(cls, options: DS1000Options, cache: Path) -> Self:
        """Read ds1000.jsonl(.gz), the hub's test.jsonl, or the folder that holds one of them.

        Raises:
            UserError: no problem of the library is in the data.
        """
        path = in_folder(options.data, "ds1000.jsonl", "test.jsonl")
        records = load_records(SOURCE, DS1000Record, path=path, cache=cache, revision=options.revision)
        wanted = [row for row in records.rows if options.library in ("all", row.metadata.library)]
        if not wanted:
            raise UserError(f"ds1000: {records.provenance.origin} holds no problem of {options.library}; library=all.")
        benchmark = cls([problem_of(record, options.files) for record in wanted], records.provenance)
        benchmark.notes = environment_notes(benchmark.problems())
        return benchmark

    def source(self, problem: Problem, completion: Completion) -> str:
        """Context and solution, up to where the tests begin."""
        code = solution_of(completion, prompt=problem.prompt, context=problem.setup)
        return f"{problem.setup}\ncode = {code!r}\n"

    def limits(self, problem: Problem) -> Limits:
        """The authors' seconds; libraries that map much memory get more."""
        return roomy_limits(problem, self.cpu_seconds)

    def programs(self, problem: Problem, completion: Completion) -> tuple[Program, ...]:
        """One program in the library's environment."""
        program = Program(
            source=self.source(problem, completion),
            tests=problem.tests,
            environment=environment_of(problem),
            module_name=self.module_name,
            limits=self.limits(problem),
        )
        return (program,)


def problem_of(record: DS1000Record, files: Path | None = None) -> Problem:
    """Put one record into the common form; `setup` is what is run before the solution is named."""
    about = record.metadata
    tests: tuple[str, ...] = ("test_execution(code)\n",)
    if "test_string(" in record.code_context:
        tests += ("test_string(code)\n",)
    drawn, unavailable = seaborn_files(record.code_context, files)
    return Problem(
        task_id=record.task_id,
        prompt=record.prompt,
        instruction=INSTRUCTION.format(prompt=record.prompt.strip("\n")),
        tests=tests,
        setup=prepare(drawn, "1") + record.code_context,
        unavailable=unavailable,
        reference=record.reference_code,
        wrong=wrong_solutions(record.code_context),
        tags=(about.library, about.perturbation_type, *(("surface-form",) if len(tests) > 1 else ())),
        cluster=f"{about.library}/origin-{about.perturbation_origin_id}",
    )


def prepare(files: Mapping[str, bytes], case: str) -> str:
    """Source that gives a program its files, by their paths in its folder, and the number of its test case."""
    encoded = {path: base64.b64encode(data).decode() for path, data in files.items()}
    return f"{PREPARE}_prepare({encoded!r}, {case})\n"


def seaborn_files(context: str, folder: Path | None) -> tuple[dict[str, bytes], str]:
    """The data sets that `seaborn.load_dataset` is asked for, which it would fetch; and why one is not there, if so."""
    names = [f"{name}.csv" for name in dict.fromkeys(_DATASET.findall(context))]
    absent = [name for name in names if folder is None or not (folder / name).is_file()]
    if folder is None or absent:
        why = f"{', '.join(absent)} of seaborn is fetched from the network, which no jail has"
        return {}, f"{why}; name the folder that holds it: files=FOLDER" if absent else ""
    return {name: (folder / name).read_bytes() for name in names}, ""


def environment_of(problem: Problem) -> str:
    """Where a problem's programs run: also some problems of other libraries, or their tests, import torch."""
    text = "\n".join((problem.setup, *problem.tests))
    return next((name for name in LARGE if re.search(rf"(?:^|\\n|[\n\t ])(?:import|from) {name}\b", text)), ENVIRONMENT)


def environment_notes(problems: Iterable[Problem]) -> tuple[str, ...]:
    """How the environments of these problems, as far as they are built, differ from the authors'."""
    names = dict.fromkeys(environment_of(problem) for problem in problems)
    return tuple(note for name in names if find_environment(name).built and (note := difference_note(name)))


def roomy_limits(problem: Problem, cpu_seconds: float) -> Limits:
    """Limits of one program of a problem; the large packages map much memory."""
    memory = 4096 if environment_of(problem) in LARGE else 2048
    return Limits(cpu_seconds=cpu_seconds, wall_seconds=3 * cpu_seconds, memory_bytes=memory * MEBIBYTE)


def wrong_solutions(context: str) -> tuple[str, ...]:
    """WRONG, indented as the context needs it."""
    return tuple(textwrap.indent(text, margin(context)) for text in WRONG)


def solution_of(completion: Completion, *, prompt: str, context: str) -> str:
    """What stands in the place of `[insert]`: the completion by the authors' rules, or what of a message solves."""
    if completion.form == "solution" or completion.verbatim:
        return completion.text
    if completion.form == "chat":
        return chat_solution(completion.text, prompt=prompt, context=context)
    return trimmed(truncate(completion.text, STOP))


def trimmed(text: str) -> str:
    """End a completion as the authors do: at the closing tag or fence; opening ones are dropped."""
    text = text.partition("</code>")[0].replace("```python", "").partition("```")[0]
    return text.partition("\nEND SOLUTION")[0].replace("<code>", "")


def chat_solution(message: str, *, prompt: str, context: str) -> str:
    """The code of a message without what the problem gives; the body alone where a function's body is asked for."""
    answer = without_reasoning(message.replace("\r\n", "\n"))
    if "```" not in answer and "<code>" in answer:
        code = trimmed(answer.partition("<code>")[2])
    else:
        code = chat_program(message, prompt="", entry_point=None).partition("</code>")[0]
    indent = margin(context)
    return function_body(code, prompt, indent) if indent else without_given(code, prompt)


def margin(context: str) -> str:
    """How the solution is indented: deeper than a line that ends in a colon before its place, else not at all."""
    before = [line for line in context.partition(INSERT)[0].splitlines() if line.strip()]
    code = [line for line in before if not line.lstrip().startswith("#")]
    if not code or not code[-1].rstrip().endswith(":"):
        return ""
    return code[-1][: len(code[-1]) - len(code[-1].lstrip())] + _BODY


def function_body(code: str, prompt: str, indent: str) -> str:
    """`code` as a function's body; of a whole function that the prompt names, its body with what else it needs."""
    tree = parse(code)
    if tree is None:
        return code
    names = _FUNCTION.findall(prompt)
    kinds = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef
    own = [node for node in tree.body if isinstance(node, ast.FunctionDef) and names and node.name == names[-1]]
    if not own:
        return textwrap.indent(code, indent)
    needed = [node for node in tree.body if isinstance(node, kinds) and node not in own]
    body = "\n".join(ast.unparse(node) for node in (*needed, *own[-1].body))
    return textwrap.indent(body + "\n", indent)


def without_given(code: str, prompt: str) -> str:
    """`code` without the statements that the problem gives: they would put its example in place of the test's input."""
    tree, given = parse(code), _given(prompt)
    if tree is None or not given:
        return code
    repeated = [node for node in tree.body if ast.dump(node) in given]
    dropped = {line for node in repeated for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    kept = [node for node in tree.body if node not in repeated]
    dropped -= {line for node in kept for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    lines = code.splitlines(keepends=True)
    return "".join(line for number, line in enumerate(lines, 1) if number not in dropped)


def _given(prompt: str) -> set[str]:
    """Statements of the problem's code, imports excepted; the prompts of Matplotlib are code as a whole."""
    trees = [parse(text) for text in _BLOCK.findall(prompt) or [prompt]]
    imports = ast.Import | ast.ImportFrom
    return {ast.dump(node) for tree in trees if tree for node in tree.body if not isinstance(node, imports)}
