"""DS-1000, simplified layout: programs as the authors put them together, and solutions taken out of answers."""

from __future__ import annotations

import ast
import dataclasses
import gzip
import json
from pathlib import Path

import pytest

from benchmarks.benchmark import reference_completion, wrong_completions
from benchmarks.ds1000 import DS1000, INSERT, DS1000Options, environment_of, margin, solution_of
from benchmarks.problem import Completion
from runners.errors import DataError, UserError
from runners.program import Program, Status
from runners.sandbox import Sandbox

PROMPT = "Problem:\nDouble a.\nA:\n<code>\nimport numpy as np\na = np.array([1])\n</code>\nBEGIN SOLUTION\n<code>\n"
CONTEXT = (
    'exec_context = r"""\nimport numpy as np\na = test_input\n[insert]\n"""\ndef test_execution(solution):\n    pass\n'
)
BODY_PROMPT = "A:\n<code>\na = 1\ndef f(a):\n    # return it\n    ### BEGIN SOLUTION"
BODY_CONTEXT = "def f(a):\n[insert]\n"


def row(**changes: object) -> dict[str, object]:
    """A row of the layout that loads."""
    about = {"library": "Numpy", "library_problem_id": 7, "perturbation_type": "Origin", "perturbation_origin_id": 3}
    plain = {"prompt": PROMPT, "reference_code": "a = 2 * a\n", "code_context": CONTEXT, "metadata": about}
    return {**plain, **changes}


def load(folder: Path, *rows: dict[str, object], **options: object) -> DS1000:
    """A benchmark of these rows."""
    path = folder / "ds1000.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return DS1000.load(DS1000Options.model_validate({"data": path, **options}), folder)


@pytest.fixture
def layout(shared_data: Path) -> Path:
    """Two runnable rows; the second has a surface-form test."""
    path = shared_data / "fixtures" / "ds1000" / "ds1000_layout.jsonl.gz"
    if not path.is_file():
        pytest.skip("no rows of the layout here")
    return path


def test_program_is_the_authors_text(layout: Path, tmp_path: Path) -> None:
    """What follows our preparation is context, solution and calls, as the authors join them."""
    benchmark = DS1000.load(DS1000Options(data=layout), tmp_path)
    with gzip.open(layout, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    for problem, each in zip(benchmark.problems(), rows, strict=True):
        (program,) = benchmark.programs(problem, Completion(text="result = 'a\\n'\n", verbatim=True))
        strings = "test_string(code)\n" if "test_string(" in each["code_context"] else ""
        theirs = each["code_context"] + "\ncode = \"result = 'a\\\\n'\\n\"\n" + "test_execution(code)\n" + strings
        assert (program.source + "".join(program.tests)).endswith(theirs)
        assert (program.environment, program.module_name, program.judge) == ("datascience", "builtins", "inside")


def without_environment(program: Program) -> Program:
    """The same program with the packages that every jail offers; the rows here need numpy alone."""
    return dataclasses.replace(program, environment="")


def test_reference_passes_and_wrong_ones_fail(layout: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    """The reference passes its tests, a loop fails the surface form, and no wrong solution passes."""
    pytest.importorskip("numpy")
    benchmark = DS1000.load(DS1000Options(data=layout), tmp_path)
    for problem in benchmark.problems():
        reference = reference_completion(problem)
        assert reference is not None
        (program,) = benchmark.programs(problem, reference)
        assert sandbox.run(without_environment(program)).status is Status.PASSED
        for wrong in wrong_completions(problem):
            (program,) = benchmark.programs(problem, wrong)
            assert not sandbox.run(without_environment(program)).passed
    loop = Completion(text="for _ in a:\n    result = np.sort(a)[::-1]\n", verbatim=True)
    found = [sandbox.run(without_environment(benchmark.programs(each, loop)[0])) for each in benchmark.problems()]
    assert [verdict.passed for verdict in found] == [True, False]
    assert found[1].tests_passed == (True, False)


def test_ids_tags_and_clusters_come_from_the_metadata(tmp_path: Path) -> None:
    """Perturbed forms of one problem share a cluster."""
    (problem,) = load(tmp_path, row()).problems()
    assert (problem.task_id, problem.tags, problem.cluster) == ("Numpy/7", ("Numpy", "Origin"), "Numpy/origin-3")


def test_library_is_an_option(tmp_path: Path) -> None:
    """Only problems of the library are asked; none of it is a fault that names the option."""
    assert len(load(tmp_path, row(), library="Numpy").problems()) == 1
    with pytest.raises(UserError, match="library=all"):
        load(tmp_path, row(), library="Scipy")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metadata": {"library": "Numpy"}}, "metadata.library_problem_id"),
        ({"metadata": None}, "metadata"),
        ({"code_context": "x = 1"}, "code_context"),
    ],
)
def test_faulty_rows_are_told_by_field(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    """A row without what the layout promises names file, line and field."""
    with pytest.raises(DataError, match=rf"ds1000\.jsonl:1: field '{message}'"):
        load(tmp_path, row(**changes))


@pytest.mark.parametrize(
    ("library", "context", "environment"),
    [
        ("Numpy", CONTEXT, "datascience"),
        ("Pytorch", CONTEXT + "import torch\n", "torch"),
        ("Sklearn", CONTEXT + "    from torch import nn\n", "torch"),
        ("Tensorflow", "import tensorflow as tf\n" + CONTEXT, "tensorflow"),
        ("Pandas", CONTEXT + "# import torchvision\n", "datascience"),
    ],
)
def test_imports_decide_the_environment(tmp_path: Path, library: str, context: str, environment: str) -> None:
    """Large packages have environments of their own, whatever the problem's library."""
    about = {**row()["metadata"], "library": library}  # type: ignore[dict-item]
    (problem,) = load(tmp_path, row(metadata=about, code_context=context)).problems()
    assert environment_of(problem) == environment


def test_seaborns_data_sets_are_files_or_the_row_is_missing(tmp_path: Path) -> None:
    """A plot of a data set that would be fetched is no fault of a model."""
    drawing = row(code_context=CONTEXT + 'x = sns.load_dataset("tips")\n')
    assert "tips.csv" in load(tmp_path, drawing).problems()[0].unavailable
    (tmp_path / "tips.csv").write_text("a,b\n1,2\n")
    problem = load(tmp_path, drawing, files=tmp_path).problems()[0]
    assert not problem.unavailable
    assert "'tips.csv': 'YSxiCjEsMgo='" in problem.setup


COMPLETIONS = {
    "closing tag": ("a = 2 * a\n</code>\nEND SOLUTION", "a = 2 * a\n"),
    "end of the solution": ("a = 2 * a\n# SOLUTION END\nplt.show()", "a = 2 * a\n"),
    "a fence of its own": ("```python\na = 2 * a\n```\nThat is it.", "\na = 2 * a\n"),
    "an opening tag": ("<code>\na = 2 * a\n", "\na = 2 * a\n"),
}


@pytest.mark.parametrize(("text", "solution"), COMPLETIONS.values(), ids=COMPLETIONS)
def test_completions_end_where_the_authors_end_them(text: str, solution: str) -> None:
    """The authors' rules, in their order."""
    assert solution_of(Completion(text=text), prompt=PROMPT, context=CONTEXT) == solution


ANSWERS = {
    "fenced": ("Use this:\n```python\na = 2 * a\n```\nDone.", "a = 2 * a\n"),
    "tagged": ("<code>\na = 2 * a\n</code>", "\na = 2 * a\n"),
    "bare": ("a = 2 * a", "a = 2 * a"),
    "after reasoning": ("<think>a = 3</think>```\na = 2 * a\n```", "a = 2 * a\n"),
    "repeats what is given": (
        "```python\nimport numpy as np\na = np.array([1])\na = 2 * a\n```",
        "import numpy as np\na = 2 * a\n",
    ),
    "changes what is given": ("```python\na = np.array([2])\n```", "a = np.array([2])\n"),
}


@pytest.mark.parametrize(("text", "solution"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_reduced_to_what_solves(text: str, solution: str) -> None:
    """The problem's own statements would put its example in place of the test's input."""
    found = solution_of(Completion(text=text, form="chat"), prompt=PROMPT, context=CONTEXT)
    assert found.strip("\n") == solution.strip("\n")


BODIES = {
    "statements": ("```python\nb = a\nreturn b\n```", "    b = a\n    return b\n"),
    "indented already": ("```python\n    return a\n```", "    return a\n"),
    "the whole function": ("```python\nimport math\ndef f(a):\n    return math.sin(a)\nprint(f(1))\n```",
                           "    import math\n    return math.sin(a)\n"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "solution"), BODIES.values(), ids=BODIES)
def test_a_functions_body_is_indented_as_it_stands(text: str, solution: str) -> None:
    """Where the context puts the solution below a `def`, a body comes out of the answer."""
    found = solution_of(Completion(text=text, form="chat"), prompt=BODY_PROMPT, context=BODY_CONTEXT)
    assert found == solution
    ast.parse(BODY_CONTEXT.replace(INSERT, found))


@pytest.mark.parametrize(
    ("context", "indent"),
    [(CONTEXT, ""), (BODY_CONTEXT, "    "), ("class A:\n    def f(self):\n    # here\n[insert]", "        ")],
)
def test_margin_follows_the_line_before(context: str, indent: str) -> None:
    """A colon opens a block; comments between it and the solution do not count."""
    assert margin(context) == indent


def test_verbatim_solutions_stay_as_they_are() -> None:
    """Stored samples and references are not cut."""
    text = "a = '</code>'\n"
    assert solution_of(Completion(text=text, verbatim=True), prompt=PROMPT, context=CONTEXT) == text
