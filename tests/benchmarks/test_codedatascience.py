"""CodeFuse's DS-1000: real rows load, pickles make programs, answers come after the program has ended."""

from __future__ import annotations

import base64
import dataclasses
import json
import pickle
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import surface_form
from benchmarks.benchmark import reference_completion, wrong_completions
from benchmarks.codedatascience import ROWS, SURFACE, CodeDataScience, CodeDataScienceOptions
from benchmarks.ds1000 import INSERT
from benchmarks.problem import Completion, Problem
from runners.errors import DataError, UserError
from runners.program import Program, Verdict
from runners.sandbox import Sandbox

CONTEXT = """\
import argparse
import pickle
parser = argparse.ArgumentParser()
parser.add_argument("--test_case", type=int, default=1)
args = parser.parse_args()
max, values = pickle.load(open(f"input/input{args.test_case}.pkl", "rb"))
[insert]
with open('result/result_{}.pkl'.format(args.test_case), 'wb') as file:
    pickle.dump(result, file)
"""
TEST = "def test(result, ans=None):\n    return int(max(result) == max(ans))\n"
SURFACE_TEST = """\
import parser
def leaves(t):
    return sum((leaves(e) for e in t), []) if type(t) == list else [t]
def stringTest(code):
    return "for" not in leaves(parser.st2list(parser.suite(code)))
"""
PLOT = """\
import pickle
# SOLUTION START
[insert]
# SOLUTION END
open('result/plot.png', 'w').write(drawn)

#Image Testing
if open('result/plot.png').read() == open('ans/oracle_plot.png').read():
    with open('result/result_1.pkl', 'wb') as file:
        pickle.dump(True, file)

# Testing
assert drawn == "dashes"
with open('result/result_1.pkl', 'wb') as file:
    pickle.dump(True, file)
"""
CASES = ((9, [1, 2]), (9, [3, 5, 4]))
REFERENCE = "result = sorted(values)"


def row(**changes: object) -> dict[str, object]:
    """A row of the layout whose programs need nothing but Python."""
    plain = {"task_id": "ds1000_completion_Numpy/4", "prompt": "Sort.\nBEGIN SOLUTION\n<code>\n", "test": TEST}
    code = {"code_context": CONTEXT, "canonical_solution": REFERENCE, "type": "Completion", "language": "Numpy"}
    about = {"perturbation_type": "Origin", "perturbation_origin_id": "4", "test_case_cnt": "2"}
    return {**plain, **code, **about, **changes}


def write_pickles(folder: Path, kind: str = "CodeCompletion") -> None:
    """Inputs and answers of the row, where CodeFuse has them."""
    for case, (most, values) in enumerate(CASES, 1):
        for name, value in (("input", (most, values)), ("ans", sorted(values))):
            path = folder / kind / "Numpy" / f"{name}_4" / f"{name}{case}.pkl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pickle.dumps(value))


def load(folder: Path, each: dict[str, object], **options: object) -> CodeDataScience:
    """A benchmark of one row."""
    path = folder / "Numpy.jsonl"
    path.write_text(json.dumps(each) + "\n")
    return CodeDataScience.load(CodeDataScienceOptions.model_validate({"data": path, **options}), folder)


def run(sandbox: Sandbox, benchmark: CodeDataScience, completion: Completion) -> tuple[Verdict, ...]:
    """Judge a completion of the one problem; its programs need none of the environment's packages."""
    programs = benchmark.programs(benchmark.problems()[0], completion)
    return tuple(sandbox.run(dataclasses.replace(program, environment="")) for program in programs)


def solution(text: str) -> Completion:
    """A completion to be run as it is."""
    return Completion(text=text, verbatim=True)


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> CodeDataScience:
    """The completion rows of four libraries, without pickles."""
    folder = shared_data / "codefuse" / "codedatascience"
    if not folder.is_dir():
        pytest.skip("no rows of CodeFuse's here")
    return CodeDataScience.load(CodeDataScienceOptions(data=folder), tmp_path_factory.mktemp("cache"))


def test_real_rows_load_with_their_counts(real: CodeDataScience) -> None:
    """Every row of the four files is a problem, in file order of the libraries; 134 have a surface-form test."""
    counted = Counter(problem.tags[0] for problem in real.problems())
    assert counted == {library: ROWS[library] for library in ("Numpy", "Pandas", "Sklearn", "Pytorch")}
    assert sum(SURFACE in problem.tags for problem in real.problems()) == 134
    assert real.provenance.rows == 694


def test_rows_without_their_pickles_are_missing(real: CodeDataScience) -> None:
    """All that read an input or compare with an answer; the few that judge their result alone are not."""
    runnable = [problem.task_id for problem in real.problems() if not problem.unavailable]
    assert {"ds1000_completion_Sklearn/6", "ds1000_completion_Sklearn/21"} <= set(runnable)
    assert len(runnable) < 10
    assert all("files=FOLDER" in problem.unavailable for problem in real.problems() if problem.unavailable)
    assert real.notes[0].startswith(f"{694 - len(runnable)} of 694 problems are missing")


def test_real_references_fill_their_contexts(real: CodeDataScience) -> None:
    """Nothing is left open in a program, and its reference stands in it as it is."""
    for problem in real.problems():
        reference = reference_completion(problem)
        assert reference is not None
        programs = real.programs(problem, reference)
        assert programs
        for case, program in enumerate(programs, 1):
            assert reference.text in program.source
            assert INSERT not in program.source
            assert f"_prepare({{}}, {case})\n" in program.source


def test_each_case_is_a_program_and_the_reference_passes_all(tmp_path: Path, sandbox: Sandbox) -> None:
    """Cases differ in their number alone; a variable named `max` does not reach the test."""
    write_pickles(tmp_path)
    benchmark = load(tmp_path, row(), files=tmp_path)
    reference = reference_completion(benchmark.problems()[0])
    assert reference is not None
    verdicts = run(sandbox, benchmark, reference)
    assert [verdict.error for verdict in verdicts] == ["", ""]
    assert benchmark.score(benchmark.problems()[0], reference, verdicts).values["pass"] == 1.0
    assert {program.environment for program in benchmark.programs(benchmark.problems()[0], reference)} == {
        "datascience"
    }


def test_one_wrong_case_is_a_wrong_answer(tmp_path: Path, sandbox: Sandbox) -> None:
    """The first case passes, the second does not."""
    write_pickles(tmp_path)
    benchmark = load(tmp_path, row(), files=tmp_path)
    verdicts = run(sandbox, benchmark, solution("result = [1, 2]"))
    assert [verdict.passed for verdict in verdicts] == [True, False]
    for wrong in wrong_completions(benchmark.problems()[0]):
        assert not any(verdict.passed for verdict in run(sandbox, benchmark, wrong))


def test_answers_are_not_where_the_program_can_see_them(tmp_path: Path, sandbox: Sandbox) -> None:
    """The program's text and folder hold inputs alone; answers are in the tests, which arrive when it has ended."""
    write_pickles(tmp_path)
    benchmark = load(tmp_path, row(), files=tmp_path)
    answer = base64.b64encode((tmp_path / "CodeCompletion/Numpy/ans_4/ans2.pkl").read_bytes()).decode()
    second: Program = benchmark.programs(benchmark.problems()[0], solution(REFERENCE))[1]
    assert answer not in second.source
    assert answer in second.tests[0]
    copies = "import os\nresult = pickle.load(open(f'ans/ans{args.test_case}.pkl', 'rb'))"
    assert all("No such file" in verdict.error for verdict in run(sandbox, benchmark, solution(copies)))


def test_an_absent_pickle_is_named(tmp_path: Path) -> None:
    """A row is missing where one of its files is, and says which."""
    write_pickles(tmp_path)
    (tmp_path / "CodeCompletion/Numpy/ans_4/ans2.pkl").unlink()
    assert "ans_4/ans2.pkl is absent" in load(tmp_path, row(), files=tmp_path).problems()[0].unavailable


def test_surface_form_is_judged_beside_the_result(tmp_path: Path, sandbox: Sandbox) -> None:
    """A loop gives the right result and fails `stringTest`; a comment or a string with the word does not."""
    write_pickles(tmp_path)
    benchmark = load(tmp_path, row(test=SURFACE_TEST + TEST), files=tmp_path)
    looping = run(sandbox, benchmark, solution("result = []\nfor value in values:\n    result.append(value)"))
    assert [verdict.tests_passed for verdict in looping] == [(True, False), (True,)]
    harmless = run(sandbox, benchmark, solution(f"{REFERENCE}  # for\nx = 'for'"))
    assert all(verdict.passed for verdict in harmless)


PLOTS = {
    "the oracle's picture": ("drawn = 'oracle'", True),
    "another picture that the assertions accept": ("drawn = 'dashes'", True),
    "neither": ("drawn = 'dots'", False),
    "copies the oracle": ("drawn = open('ans/oracle_plot.png').read()", False),
}


@pytest.mark.parametrize(("text", "passes"), PLOTS.values(), ids=PLOTS)
def test_a_plot_passes_by_its_picture_or_by_its_assertions(
    tmp_path: Path, sandbox: Sandbox, text: str, passes: bool
) -> None:
    """As in DS-1000; the oracle arrives when the program has ended."""
    for name, data in (("ans", b"oracle"), ("input", b"")):
        path = tmp_path / "CodeCompletion" / "Matplotlib" / f"{name}_4" / "oracle_plot.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    each = row(language="Matplotlib", code_context=PLOT, test="def test(result, ans=None):\n    return 1\n")
    benchmark = load(tmp_path, {**each, "test_case_cnt": "1"}, files=tmp_path)
    (verdict,) = run(sandbox, benchmark, solution(text))
    assert verdict.passed is passes


def test_insertion_has_a_prefix_and_a_suffix(tmp_path: Path) -> None:
    """A gap is asked of models that fill in; others are asked in a message."""
    prompt = "A:\n<code>\n[insert]\n</code>\nEND SOLUTION\n"
    each = row(type="Insertion", task_id="ds1000_insertion_Numpy/4", prompt=prompt)
    write_pickles(tmp_path, "CodeInsertion")
    benchmark = load(tmp_path, each, form="insertion", files=tmp_path)
    problem: Problem = benchmark.problems()[0]
    asked = benchmark.prompt(problem, "fim")
    assert (asked.text, asked.suffix) == ("A:\n<code>\n", "\n</code>\nEND SOLUTION\n")
    assert benchmark.forms == ("fim", "chat")
    assert INSERT in benchmark.prompt(problem, "chat").messages[0].content
    assert not problem.unavailable
    with pytest.raises(UserError, match="form=completion"):
        load(tmp_path, each)


def test_a_folder_of_files_is_read_in_either_layout(tmp_path: Path) -> None:
    """CodeFuse's folders, or files named after them; one without rows is told."""
    (tmp_path / "CodeCompletion" / "Numpy").mkdir(parents=True)
    (tmp_path / "CodeCompletion" / "Numpy" / "Numpy.jsonl").write_text(json.dumps(row()) + "\n")
    other = {**row(), "task_id": "ds1000_completion_Scipy/1", "language": "Scipy"}
    (tmp_path / "CodeCompletion_Scipy.jsonl").write_text(json.dumps(other) + "\n")
    benchmark = CodeDataScience.load(CodeDataScienceOptions(data=tmp_path), tmp_path)
    assert [problem.tags[0] for problem in benchmark.problems()] == ["Numpy", "Scipy"]
    with pytest.raises(DataError, match="holds no rows of Pandas"):
        CodeDataScience.load(CodeDataScienceOptions(data=tmp_path, library="Pandas"), tmp_path)


def test_faulty_rows_are_told_by_field(tmp_path: Path) -> None:
    """A context without a place for the solution cannot be run."""
    with pytest.raises(DataError, match=r"Numpy\.jsonl:1: field 'code_context'"):
        load(tmp_path, row(code_context="x = 1"))


@pytest.mark.parametrize(
    ("source", "inside", "outside"),
    [
        ("for x in y:\n    pass\n", "for", "while"),
        ("a = 'for'  # while\n", "'for'", "for"),
        ("df.tz_localize(None)\n", "tz_localize", "None)"),
        ("def f():\n    return np.array\n", "np", "array\n"),
    ],
)
def test_leaves_are_token_texts(source: str, inside: str, outside: str) -> None:
    """A word is found where it is a token, not where it is a part of one or stands in a comment."""
    tree = surface_form.st2list(surface_form.suite(source))
    leaves = [leaf for branch in tree[1:] for leaf in (branch if isinstance(branch, list) else [branch])]
    assert inside in leaves
    assert outside not in leaves


def test_what_stands_in_an_f_string_is_no_leaf() -> None:
    """Newer Pythons have tokens inside f-strings, where `parser` saw one string."""
    texts = [leaf[1] for leaf in surface_form.suite("a = f'{[x for x in y]}!'\n")]
    assert "for" not in texts
    assert len([text for text in texts if str(text).strip()]) == 3


def test_no_python_has_no_leaves() -> None:
    """`parser.suite` raised too, so that such a solution fails its surface-form test."""
    with pytest.raises(SyntaxError):
        surface_form.suite("for")
