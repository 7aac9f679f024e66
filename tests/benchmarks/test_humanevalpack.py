"""HumanEvalPack: what each task shows and hides, the two turns of `explain`, and how programs are put together."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import get_args

import pytest

from benchmarks.benchmark import reference_answers, reference_completion, wrong_completions
from benchmarks.humanevalpack import HumanEvalPack, indented_part, without_tests
from benchmarks.humanevalpack_prompts import ANSWER, ANSWER_ALONE, LONGEST_KEPT, Task
from benchmarks.problem import Completion, Problem, PromptForm
from benchmarks.prompt_template import PromptTemplate
from benchmarks.registry import load_benchmark, parse_spec
from runners.errors import DataError, UserError
from runners.program import Status
from runners.sandbox import Sandbox
from tests.benchmarks.toolchains import skip_without

SHARED = ("python", "cpp", "java", "js")
TASKS: tuple[Task, ...] = get_args(Task)
FORMS: tuple[PromptForm, ...] = ("base", "chat")
ROW = {
    "task_id": "JavaScript/0",
    "prompt": "/* Twice the number, and no other one.\n*/\nconst twice = (number) => {\n",
    "declaration": "\nconst twice = (number) => {\n",
    "canonical_solution": "  const doubled = number + number;\n  return doubled;\n}\n\n",
    "buggy_solution": "  const doubled = number * number;\n  return doubled;\n}\n\n",
    "bug_type": "operator misuse",
    "failure_symptoms": "incorrect output",
    "entry_point": "twice",
    "signature": "const twice = (number)",
    "docstring": "Twice the number, and no other one.",
    "instruction": "Write a JavaScript function `const twice = (number)` to solve the following problem:\nTwice it.",
    "test": "const testTwice = () => {\n  console.assert(twice(3) === 6)\n}\n\ntestTwice()\n",
    "example_test": "",
}
LEAKY = "It doubles.\nconst doubled = number + number;\nreturn doubled;"


def load(folder: Path, task: Task, **changes: object) -> HumanEvalPack:
    """The benchmark with one row of JavaScript."""
    path = folder / "humanevalpack.jsonl"
    path.write_text(json.dumps(ROW | changes) + "\n", encoding="utf-8")
    return loaded(path, "js", task, folder)


def loaded(data: Path, language: str, task: Task, cache: Path) -> HumanEvalPack:
    """The benchmark from a file or folder."""
    benchmark = load_benchmark("humanevalpack", {"task": task, "language": language, "data": data}, cache)
    assert isinstance(benchmark, HumanEvalPack)
    return benchmark


def only(benchmark: HumanEvalPack) -> Problem:
    """Its one problem."""
    (problem,) = benchmark.problems()
    return problem


def asked(benchmark: HumanEvalPack, problem: Problem, form: PromptForm) -> str:
    """All text of the first question."""
    prompt = benchmark.ask(problem, form)
    assert len(prompt.messages) == (form == "chat")
    return prompt.text if form == "base" else prompt.messages[0].content


def program(benchmark: HumanEvalPack, completion: Completion) -> str:
    """Source of the one program for the one problem."""
    (each,) = benchmark.programs(only(benchmark), completion)
    return each.source


@pytest.mark.parametrize("language", SHARED)
@pytest.mark.parametrize("task", TASKS)
def test_each_set_loads_whole(task: Task, language: str, shared_data: Path, tmp_path: Path) -> None:
    """164 problems; the tests call the function; the bug is a wrong answer, and the reference in its program."""
    benchmark = loaded(shared_data / "humanevalpack", language, task, tmp_path)
    assert len(benchmark.problems()) == 164
    for problem in benchmark.problems():
        record = benchmark.records[problem.task_id]
        assert problem.entry_point
        assert problem.entry_point in problem.tests[0]
        assert problem.wrong[0] == record.buggy_solution
        assert len(problem.wrong) == 3
        assert problem.tags[1] == record.bug_type
        reference = reference_completion(problem)
        assert reference is not None
        (each,) = benchmark.programs(problem, reference)
        assert each.language == benchmark.language
        assert record.canonical_solution in each.source


@pytest.mark.parametrize("language", SHARED)
@pytest.mark.parametrize("form", FORMS)
def test_tasks_show_what_they_must_and_no_more(
    form: PromptForm, language: str, shared_data: Path, tmp_path: Path
) -> None:
    """Tests only where a bug is to be found by them, docstrings only where they are the task, solutions never."""
    for task in TASKS:
        benchmark = loaded(shared_data / "humanevalpack", language, task, tmp_path)
        for problem in benchmark.problems():
            record, text = benchmark.records[problem.task_id], asked(benchmark, problem, form)
            assert (record.test.strip() in text) is (task == "fix_tests")
            assert task == "explain" or (record.buggy_solution.strip() in text) is task.startswith("fix")
            assert (f"{record.canonical_solution}\n" in text) is (task == "explain")
            assert (record.prompt.strip() in text) is (task in ("synthesize", "fix_docs"))
            assert (record.instruction.strip() in text) is (task == "synthesize")
            assert task in ("synthesize", "fix_docs") or record.docstring.split("\n")[0] not in text


@pytest.mark.parametrize("language", SHARED)
def test_tasks_are_judged_alike(language: str, shared_data: Path, tmp_path: Path) -> None:
    """Programs differ in the docstring alone: with it of synthesize and fix_docs, without of the other two."""
    sets = {task: loaded(shared_data / "humanevalpack", language, task, tmp_path) for task in TASKS}
    for one, other in ((sets["synthesize"], sets["fix_docs"]), (sets["fix_tests"], sets["explain"])):
        for a, b in zip(one.problems(), other.problems(), strict=True):
            for text in (a.reference, *a.wrong):
                answer = Completion(text=str(text), verbatim=True)
                assert one.programs(a, answer) == other.programs(b, answer)


@pytest.mark.parametrize("language", SHARED)
@pytest.mark.parametrize("form", FORMS)
def test_the_second_turn_holds_the_description_and_the_start_alone(
    form: PromptForm, language: str, shared_data: Path, tmp_path: Path
) -> None:
    """An answer that repeats the code gives none of its longer lines away, and is as long as the docstring at most."""
    benchmark = loaded(shared_data / "humanevalpack", language, "explain", tmp_path)
    for problem in benchmark.problems():
        record = benchmark.records[problem.task_id]
        answer = Completion(text=record.canonical_solution, form="chat" if form == "chat" else "completion")
        prompt = benchmark.follow_up(problem, form, (answer,))
        assert prompt is not None
        text = prompt.text if form == "base" else prompt.messages[0].content
        description, line, _ = text.partition("Write functional code in ")
        assert line
        assert len(description) <= len(record.docstring) + 1
        for code in map(str.strip, record.canonical_solution.split("\n")):
            assert len(code) <= LONGEST_KEPT or code not in description
        assert record.docstring not in text
        assert record.test.strip() not in text
        assert record.declaration.strip() in text or benchmark.notes


def test_synthesize_asks_with_the_rows_instruction(tmp_path: Path) -> None:
    """A base model goes on with the function; a chat model is told its start and the form of the answer."""
    benchmark = load(tmp_path, "synthesize")
    problem = only(benchmark)
    start = ROW["prompt"].strip()
    assert asked(benchmark, problem, "base") == f"{ROW['instruction']}\n\n{start}"
    assert asked(benchmark, problem, "chat") == f"{ROW['instruction']}\n\nStart your code with:\n{start}\n\n{ANSWER}"
    assert benchmark.ask(problem, "base").stop == benchmark.stop
    assert benchmark.turns == 1


def test_fix_tests_shows_bug_and_tests(tmp_path: Path) -> None:
    """In OctoPack's order; the function begins anew at the end for a base model."""
    benchmark = load(tmp_path, "fix_tests")
    problem = only(benchmark)
    shown = f"{ROW['declaration']}{ROW['buggy_solution']}\n{ROW['test']}\nFix bugs in twice.\n\n".lstrip()
    assert asked(benchmark, problem, "base") == f"{shown}{ROW['declaration']}".strip()
    assert asked(benchmark, problem, "chat") == f"{shown}{ANSWER_ALONE}"


def test_fix_docs_shows_bug_and_docstring(tmp_path: Path) -> None:
    """And no tests."""
    benchmark = load(tmp_path, "fix_docs")
    problem = only(benchmark)
    shown = f"{ROW['prompt']}{ROW['buggy_solution']}\nFix bugs in twice.\n\n"
    assert asked(benchmark, problem, "base") == f"{shown}{ROW['prompt']}".strip()
    assert asked(benchmark, problem, "chat") == f"{shown}{ANSWER}"


@pytest.mark.parametrize("form", FORMS)
def test_explain_asks_for_a_description_first(form: PromptForm, tmp_path: Path) -> None:
    """As long as the docstring at most; neither form begins a function."""
    benchmark = load(tmp_path, "explain")
    assert asked(benchmark, only(benchmark), form) == (
        f"{ROW['declaration']}{ROW['canonical_solution']}\n".lstrip()
        + "Provide a concise natural language description of the code using at most 35 characters."
    )


def test_explain_then_asks_for_the_function(tmp_path: Path) -> None:
    """The description leads, cut and without the solution's lines; after its answer there is nothing more to ask."""
    benchmark = load(tmp_path, "explain", docstring="x" * 60)
    problem = only(benchmark)
    question = "It doubles.\n\nreturn doubled;\nWrite functional code in JavaScript according to the description."
    start = ROW["declaration"].strip()
    base = benchmark.follow_up(problem, "base", (Completion(text=f"\n{LEAKY}\n"),))
    assert base is not None
    assert base.text == f"{question}\n\n\n{start}"
    assert base.stop == benchmark.stop
    chat = benchmark.follow_up(problem, "chat", (Completion(text=f"<think>So.</think>{LEAKY}", form="chat"),))
    assert chat is not None
    assert [message.role for message in chat.messages] == ["user"]
    assert chat.messages[0].content == f"{question}\n\nStart your code with:\n{start}\n\n{ANSWER}"
    assert benchmark.follow_up(problem, "base", (Completion(text=LEAKY), Completion(text=""))) is None
    assert benchmark.turns == 2


def test_a_base_models_description_ends_where_it_goes_on_with_code(tmp_path: Path) -> None:
    """A chat model's message may have such lines in it."""
    benchmark = load(tmp_path, "explain", docstring="x" * 60)
    problem, text = only(benchmark), "It doubles.\nconsole.log(1)"
    base = benchmark.follow_up(problem, "base", (Completion(text=text),))
    chat = benchmark.follow_up(problem, "chat", (Completion(text=text, form="chat"),))
    assert base is not None
    assert base.text.startswith("It doubles.\nWrite")
    assert chat is not None
    assert chat.messages[0].content.startswith(f"{text}\nWrite")


@pytest.mark.parametrize("task", [task for task in TASKS if task != "explain"])
def test_other_tasks_have_one_turn(task: Task, tmp_path: Path) -> None:
    """Nothing follows, and the solution is all of a right answer."""
    benchmark = load(tmp_path, task)
    problem = only(benchmark)
    assert benchmark.follow_up(problem, "base", (Completion(text="x"),)) is None
    assert [answer.text for answer in reference_answers(benchmark, problem)] == [ROW["canonical_solution"]]


def test_right_answers_to_explain_are_docstring_and_solution(tmp_path: Path) -> None:
    """One for each turn, and they make a second question."""
    benchmark = load(tmp_path, "explain")
    problem = only(benchmark)
    first, second = reference_answers(benchmark, problem)
    assert (first.text, second.text) == (ROW["docstring"], ROW["canonical_solution"])
    prompt = benchmark.follow_up(problem, "base", (first,))
    assert prompt is not None
    assert prompt.text.startswith(f"{ROW['docstring']}\nWrite functional code")


def test_a_system_message_is_there_in_both_turns(tmp_path: Path) -> None:
    """What the prompt mode adds holds for the follow-up too."""
    benchmark = load(tmp_path, "explain").asked_with(PromptTemplate(name="own", system="Be brief."))
    prompt = benchmark.follow_up(only(benchmark), "chat", (Completion(text="It doubles.", form="chat"),))
    assert prompt is not None
    assert [message.role for message in prompt.messages] == ["system", "user"]


def test_a_completion_goes_on_where_the_question_ended(tmp_path: Path) -> None:
    """Which is before the line break; what follows the function is left out."""
    benchmark = load(tmp_path, "fix_tests")
    text = "\n  return 2 * number;\n}\nconsole.log(twice(1))\n"
    assert program(benchmark, Completion(text=text)) == "\nconst twice = (number) => {\n  return 2 * number;\n}\n"


def test_tests_that_a_chat_answer_repeats_are_left_out(tmp_path: Path) -> None:
    """Two copies of them in one program would not compile."""
    code = "const twice = (number) => {\n  return 2 * number;\n}\n"
    answer = Completion(text=f"Mended:\n```javascript\n{code}\n{ROW['test']}```\n", form="chat")
    assert "testTwice" not in program(load(tmp_path, "fix_tests"), answer)
    assert "testTwice" in program(load(tmp_path, "fix_docs"), answer)
    problem = only(load(tmp_path, "fix_tests"))
    assert without_tests("javascript", ROW["test"] + code, problem) == ROW["test"] + code


def test_python_ends_at_the_first_line_that_is_not_indented() -> None:
    """Empty lines do not count."""
    assert indented_part("\n    x = 1\n\n    return x\nThis doubles.\n    y\n") == "\n    x = 1\n\n    return x"
    assert indented_part("\n\treturn 1\n") == "\n\treturn 1\n"


def test_a_declaration_that_goes_into_the_solution_is_cut(shared_data: Path, tmp_path: Path) -> None:
    """One row's; the run says so where the declaration is what is shown."""
    folder = shared_data / "humanevalpack"
    benchmark = loaded(folder, "cpp", "fix_tests", tmp_path)
    problem = next(each for each in benchmark.problems() if each.task_id == "CPP/38")
    assert problem.prompt.endswith("\nstring decode_cyclic(string s){")
    assert benchmark.notes[0].startswith("1 of 164 declarations were mended")
    assert "CPP/38" in benchmark.notes[0]
    assert loaded(folder, "cpp", "fix_docs", tmp_path).notes == ()


def test_cpp_gets_octopacks_headers(shared_data: Path, tmp_path: Path) -> None:
    """Beyond those of HumanEval-X, and the namespace."""
    benchmark = loaded(shared_data / "humanevalpack", "cpp", "synthesize", tmp_path)
    (each,) = benchmark.programs(benchmark.problems()[0], Completion(text="", verbatim=True))
    head = each.source.partition("using namespace std;")[0]
    assert all(f"#include<{header}>\n" in head for header in ("map", "deque", "algorithm", "sstream"))
    assert each.flags == ("-std=c++11",)


def test_a_function_named_as_one_of_the_library_gets_no_headers(shared_data: Path, tmp_path: Path) -> None:
    """With <cstring> the tests of CPP/23 would call the library's strlen, whatever the answer is."""
    for task in TASKS:
        benchmark = loaded(shared_data / "humanevalpack", "cpp", task, tmp_path)
        problem = next(each for each in benchmark.problems() if each.entry_point == "strlen")
        (each,) = benchmark.programs(problem, Completion(text="    return 0;\n}", verbatim=True))
        assert "string" in each.source
        assert "cstring" not in each.source


def test_rust_starts_with_a_main(tmp_path: Path) -> None:
    """OctoPack puts it before declarations; its prompts have it already."""
    path = tmp_path / "humanevalpack.jsonl"
    start = "use std::cmp::max;\n\nfn twice(number:i32) -> i32{\n"
    row = ROW | {"task_id": "Rust/0", "prompt": f"fn main(){{}}\n/* Twice. */\n{start}", "declaration": start}
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    for task in TASKS:
        benchmark = loaded(path, "rust", task, tmp_path)
        assert only(benchmark).prompt.count("fn main(){}\n") == (2 if task.startswith("fix") else 1)
        assert program(benchmark, Completion(text="}", verbatim=True)).startswith("fn main(){}\n")


def test_go_imports_what_the_program_uses(tmp_path: Path) -> None:
    """Its declarations have no imports."""
    path = tmp_path / "humanevalpack.jsonl"
    changes = {
        "task_id": "Go/0",
        "prompt": 'import (\n    "math"\n)\n\n// Twice.\nfunc Twice(x float64) float64 {\n',
        "declaration": "\nfunc Twice(x float64) float64 {\n",
        "canonical_solution": "    return math.Abs(x)\n}\n",
        "test": "func TestTwice(t *testing.T) {\n    assert := assert.New(t)\n    assert.Equal(1.0, Twice(1.0))\n}\n",
        "test_setup": 'package main\n\nimport (\n    "testing"\n    "github.com/stretchr/testify/assert"\n)\n',
        "import": 'import (\n    "math"\n)\n',
    }
    path.write_text(json.dumps(ROW | changes) + "\n", encoding="utf-8")
    for task in TASKS:
        source = program(
            loaded(path, "go", task, tmp_path), Completion(text=changes["canonical_solution"], verbatim=True)
        )
        assert source.startswith("package main\n")
        assert source.count('"math"') == source.count('"testing"') == source.count("package main") == 1


def test_a_go_declaration_gets_its_helper_back(tmp_path: Path) -> None:
    """Without the function's own comment."""
    path = tmp_path / "humanevalpack.jsonl"
    helper = "// Of all.\nfunc Sum(x int) int {\n    return x + x\n}\n"
    start = "func Twice(x int) int {\n"
    changes = {
        "task_id": "Go/0",
        "prompt": f"{helper}// Twice.\n// >>> Twice(2)\n// 4\n{start}",
        "declaration": f"\n{start}",
        "test_setup": "package main\n",
    }
    path.write_text(json.dumps(ROW | changes) + "\n", encoding="utf-8")
    benchmark = loaded(path, "go", "explain", tmp_path)
    assert only(benchmark).prompt.startswith(f"{helper}\n{start}")
    assert program(benchmark, Completion(text="}", verbatim=True)) == f"package main\n\n{helper}\n{start}}}\n"
    assert benchmark.notes == ("1 of 1 declarations were mended by the row's prompt (Go/0)",)


def test_a_benchmark_travels(tmp_path: Path) -> None:
    """Pickled and limited ones still know their records."""
    benchmark = pickle.loads(pickle.dumps(load(tmp_path, "explain").limited(1)))
    assert benchmark.follow_up(only(benchmark), "base", (Completion(text="It doubles."),)) is not None


def test_the_task_is_the_main_option_and_a_wrong_one_is_explained(tmp_path: Path) -> None:
    """A folder without the file is explained too."""
    assert parse_spec("humanevalpack:fix_tests,language=java")[1] == {"task": "fix_tests", "language": "java"}
    with pytest.raises(UserError, match="fix_tests"):
        load_benchmark("humanevalpack", {"task": "fix_test"}, tmp_path)
    with pytest.raises(DataError, match=r"holds no go/humanevalpack\.jsonl"):
        loaded(tmp_path, "go", "synthesize", tmp_path)


@pytest.mark.parametrize("field", ["buggy_solution", "docstring", "instruction", "test"])
def test_a_row_that_lacks_a_field_is_named(field: str, tmp_path: Path) -> None:
    """File, line and field are told."""
    with pytest.raises(DataError, match=rf"humanevalpack\.jsonl:1: field '{field}'"):
        load(tmp_path, "fix_docs", **{field: None})


def test_another_languages_file_is_refused(tmp_path: Path) -> None:
    """They all have the same name; file, line and field are told, and the cure."""
    with pytest.raises(DataError, match=r"humanevalpack\.jsonl:1: field 'task_id'.*language=python"):
        load(tmp_path, "synthesize", task_id="Python/0")


@pytest.mark.parametrize("task", TASKS)
def test_answers_are_judged_in_the_sandbox(task: Task, tmp_path: Path, sandbox: Sandbox) -> None:
    """Reference, completion and a chat answer pass; the buggy one and those that only look right do not."""
    skip_without("javascript")
    benchmark = load(tmp_path, task)
    problem = only(benchmark)
    repeated = ROW["test"] if task == "fix_tests" else ""
    chat = f"```js\nconst twice = (number) => {{\n  return 2 * number;\n}}\n{repeated}```\n"
    right = (
        reference_completion(problem),
        Completion(text="\n  return 2 * number;\n}\n\n// Next"),
        Completion(text=chat, form="chat"),
    )
    for completion in filter(None, right):
        verdict = sandbox.run(benchmark.programs(problem, completion)[0])
        assert verdict.status is Status.PASSED, verdict.error
    for wrong in wrong_completions(problem):
        assert not sandbox.run(benchmark.programs(problem, wrong)[0]).passed
