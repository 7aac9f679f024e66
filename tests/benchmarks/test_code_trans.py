"""code_trans: questions, repaired sources, and how translations are put together and judged."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from benchmarks.benchmark import reference_completion, wrong_completions
from benchmarks.code_answers import depth
from benchmarks.code_trans import FROM_MBXP, REPAIRED, RETITLED, ROWS, owner_of, titled_name
from benchmarks.known_faults import known_faults
from benchmarks.problem import Completion, Problem
from benchmarks.registry import AnyBenchmark, load_benchmark, parse_spec
from benchmarks.translation_repair import repaired
from runners.errors import DataError, UserError
from runners.program import Status
from runners.sandbox import Sandbox
from tests.benchmarks.toolchains import skip_without

SHARED = ("cpp_to_python", "java_to_python", "python_to_cpp", "python_to_java")
BROKEN = "int twice(int x) {\n{\n\tint y = x;\n\treturn y + x;\n}\n"
SOUND = "int twice(int x) {\n\tint y = x;\n\treturn y + x;\n}\n"
JAVA_TEST = (
    "class Main {\n    public static void main(String[] args) throws Exception {\n"
    '        if (Twice.twice(4) != 8) { throw new Exception("Exception -- test case 0 did not pass."); }\n    }\n}\n'
)
CPP_TEST = 'int main() { if (twice(4) != 8) { throw runtime_error("Exception -- test case 0 did not pass."); } }\n'
ROWS_BY_TARGET = {
    "python": {
        "task_id": "Python/1",
        "prompt": BROKEN,
        "canonical_solution": "def twice(x):\n    return 2 * x\n",
        "test": "assert twice(4) == 8\n",
        "func_title": "def twice(x): \r",
    },
    "java": {
        "task_id": "Java/1",
        "prompt": "def twice(x):\n    return 2 * x\n",
        "canonical_solution": "class Twice {\n    public static int twice(int x) {\n        return 2 * x;\n    }\n}\n",
        "test": JAVA_TEST,
        "func_title": "twice",
    },
    "cpp": {
        "task_id": "CPP/1",
        "prompt": "def twice(x):\n    return 2 * x\n",
        "canonical_solution": SOUND,
        "test": CPP_TEST,
        "func_title": "twice",
    },
}
ANSWERS = {
    "python": "def twice(x):\n    return x + x\n",
    "java": "public class Twice {\n    public static int twice(int x) {\n        return x + x;\n    }\n"
    '    public static void main(String[] args) { System.out.println("tried"); }\n}\n',
    "cpp": "#include <iostream>\nint twice(int x) {\n    return x + x;\n}\nint main() { std::cout << twice(1); }\n",
}


def load(folder: Path, direction: str, **changes: object) -> AnyBenchmark:
    """The benchmark with one row of its target language."""
    options = {name: changes.pop(name) for name in ("text",) if name in changes}
    row = ROWS_BY_TARGET[direction.rpartition("_")[2]] | {"Difficulty": "mbpp"} | changes
    path = folder / f"codeTrans_{direction}.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    return load_benchmark("code_trans", {"direction": direction, "data": path, **options}, folder)


def only(benchmark: AnyBenchmark) -> Problem:
    """Its one problem."""
    (problem,) = benchmark.problems()
    return problem


@pytest.fixture
def folder(shared_data: Path) -> Path:
    """The real files."""
    return shared_data / "codefuse" / "code_trans"


def rows(folder: Path, direction: str) -> list[dict[str, str]]:
    """The real rows of a direction."""
    with gzip.open(folder / f"codeTrans_{direction}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_a_doubled_opening_brace_is_taken_out() -> None:
    """The line that holds only the brace goes, and nothing else."""
    assert repaired(BROKEN, "cpp") == (SOUND, True)


@pytest.mark.parametrize(
    ("source", "language"),
    [
        (SOUND, "cpp"),
        ("void f() {\n{\n    int x = 0;\n}\n}\n", "cpp"),
        ("int f(int x) {\n    return x;\n", "cpp"),
        ('d = {"a": "{\\n{"}\nprint("{")\n', "python"),
        ("", "java"),
    ],
    ids=["sound", "a block of its own", "not closed for another reason", "python", "empty"],
)
def test_other_sources_stay(source: str, language: str) -> None:
    """Only sources that the rule is for are changed."""
    assert repaired(source, language) == (source, False)


def test_every_unbalanced_source_is_mended_and_no_other_one_is_changed(folder: Path) -> None:
    """All real rows from C++ and Java: braces balance afterwards, and sound rows are the same text."""
    counts: dict[str, int] = {}
    for direction in ("cpp_to_python", "java_to_python"):
        language = direction.partition("_")[0]
        for row in rows(folder, direction):
            text, was_broken = repaired(row["prompt"], language)
            assert was_broken is (depth(language, row["prompt"]) != 0)
            assert was_broken or text == row["prompt"]
            assert depth(language, text) == 0
            assert was_broken is (row["Difficulty"] == "mbpp")
            counts[direction] = counts.get(direction, 0) + was_broken
    assert counts == {"cpp_to_python": 437, "java_to_python": 498}


@pytest.mark.parametrize("direction", SHARED)
def test_each_direction_loads_whole(direction: str, folder: Path, tmp_path: Path) -> None:
    """Every problem names its function, which its tests call, and asks with the sound source."""
    benchmark = load_benchmark("code_trans", {"direction": direction, "data": folder}, tmp_path)
    assert len(benchmark.problems()) == ROWS[direction]
    for problem in benchmark.problems():
        assert problem.entry_point
        assert problem.entry_point in problem.tests[0]
        assert problem.entry_point in problem.instruction.rpartition("```\n\n")[2]
        (program,) = benchmark.programs(problem, Completion(text="X", verbatim=True))
        assert program.language == direction.rpartition("_")[2]
        assert program.source == problem.setup + "X\n"


def test_the_run_says_how_many_sources_were_repaired(folder: Path, tmp_path: Path) -> None:
    """The note counts the problems that carry the tag."""
    benchmark = load_benchmark("code_trans", {"direction": "cpp_to_python", "data": folder}, tmp_path)
    assert benchmark.notes[0] == "437 of 601 sources were repaired (doubled opening brace)"
    assert sum(REPAIRED in problem.tags for problem in benchmark.problems()) == 437


def test_sound_sources_need_no_note(tmp_path: Path) -> None:
    """A file without a broken row says nothing, and nothing is tagged."""
    benchmark = load(tmp_path, "java_to_python", prompt="class A {\n}\n")
    assert benchmark.notes == ()
    assert REPAIRED not in only(benchmark).tags


def test_both_languages_are_named_rightly(tmp_path: Path) -> None:
    """CodeFuse's script names the target twice."""
    problem = only(load(tmp_path, "java_to_python"))
    assert problem.instruction.startswith("Translate the following Java program to Python.\n")
    assert problem.prompt.startswith("# Translate the following Java program to Python.\n# Java:\n")
    assert problem.prompt.endswith("\n\n# Python:\n# It must define `def twice(x)`.\n")


def test_the_question_can_be_chinese(tmp_path: Path) -> None:
    """The program is the same, the words are not."""
    problem = only(load(tmp_path, "python_to_cpp", text="zh"))
    assert "请把下面的 Python 程序翻译成 C++。" in problem.instruction
    assert problem.prompt.endswith("\n\n// C++:\n// 其中必须定义 `twice`。\n")


def test_java_is_told_the_class_that_its_tests_name(tmp_path: Path) -> None:
    """Nobody can guess it from the function's name."""
    problem = only(load(tmp_path, "python_to_java"))
    assert "It must define `twice` in the class `Twice`." in problem.instruction
    assert owner_of("Solution s = new Solution(); s.twice(4);", "twice") == "Solution"


def test_a_title_that_is_a_helpers_is_not_asked_for(tmp_path: Path) -> None:
    """The function that the tests call is, and the run says so."""
    solution = "def half(x):\n    return x / 2\n\ndef twice(x):\n    return 4 * half(x)\n"
    benchmark = load(tmp_path, "java_to_python", canonical_solution=solution, func_title="def half(x):")
    problem = only(benchmark)
    assert problem.entry_point == "twice"
    assert "It must define `twice`." in problem.instruction
    assert RETITLED in problem.tags
    assert benchmark.notes[-1].startswith("1 of 1 titles are a helper's")


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("def f_1(x): \r", "f_1"),
        ("public int g(int x) {", "g"),
        ("plainName", "plainName"),
        ("vector<int> h(int)", "h"),
    ],
)
def test_the_function_is_found_in_each_kind_of_title(title: str, name: str) -> None:
    """HumanEval-X gives headers, MBXP gives names."""
    assert titled_name(title) == name


def test_solutions_that_leave_before_the_tests_are_listed(folder: Path, tmp_path: Path) -> None:
    """Three canonical solutions exit instead of returning; an exit code takes them for right ones."""
    benchmark = load_benchmark("code_trans", {"direction": "python_to_java", "data": folder}, tmp_path)
    leaving = {problem.task_id for problem in benchmark.problems() if "System.exit(" in (problem.reference or "")}
    assert leaving == {"Java/94", "Java/307", "Java/410"}
    assert leaving <= known_faults("code_trans", "python_to_java", "reference").keys()


def test_cpp_gets_the_headers_of_its_set(tmp_path: Path) -> None:
    """MBXP's programs rely on all of the library; the standard is the evaluator's."""
    for difficulty, header in (("humaneval", "<vector>"), ("mbpp", "<bits/stdc++.h>")):
        benchmark = load(tmp_path, "python_to_cpp", Difficulty=difficulty)
        problem = only(benchmark)
        (program,) = benchmark.programs(problem, Completion(text="", verbatim=True))
        assert program.flags == ("-std=c++11",)
        assert f"#include{header}\n" in program.source
        assert (FROM_MBXP in problem.tags) is (difficulty == "mbpp")


def test_a_base_model_is_cut_where_it_goes_on_with_something_else(tmp_path: Path) -> None:
    """Its own tests and the next question are no part of the translation."""
    benchmark = load(tmp_path, "java_to_python")
    text = "def twice(x):\n    return 2 * x\n\n# Java:\nclass B {}\n"
    (program,) = benchmark.programs(only(benchmark), Completion(text=text))
    assert program.source.endswith("def twice(x):\n    return 2 * x\n\n")


def test_the_direction_is_the_main_option_and_a_wrong_one_is_explained(tmp_path: Path) -> None:
    """A folder without the file is explained too."""
    assert parse_spec("code_trans:cpp_to_java") == ("code_trans", {"direction": "cpp_to_java"})
    with pytest.raises(UserError, match="python_to_java"):
        load_benchmark("code_trans", {"direction": "python_to_jav"}, tmp_path)
    with pytest.raises(DataError, match=r"holds no codeTrans_cpp_to_java\.jsonl"):
        load_benchmark("code_trans", {"direction": "cpp_to_java", "data": tmp_path}, tmp_path)


def test_a_row_without_its_title_is_named(tmp_path: Path) -> None:
    """File, line and field are told."""
    with pytest.raises(DataError, match=r"codeTrans_cpp_to_python\.jsonl.*func_title"):
        load(tmp_path, "cpp_to_python", func_title=None)


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["java_to_python", "python_to_java", "python_to_cpp"])
def test_translations_are_judged_in_the_sandbox(direction: str, tmp_path: Path, sandbox: Sandbox) -> None:
    """The reference and a chat answer with a main of its own pass; wrong ones do not."""
    target = direction.rpartition("_")[2]
    skip_without(target)
    benchmark = load(tmp_path, direction)
    problem = only(benchmark)
    reference = reference_completion(problem)
    assert reference is not None
    chat = Completion(text=f"Here it is.\n\n```{target}\n{ANSWERS[target]}```\n", form="chat")
    for completion in (reference, chat):
        verdict = sandbox.run(benchmark.programs(problem, completion)[0])
        assert verdict.status is Status.PASSED, verdict.error
    for wrong in wrong_completions(problem):
        assert not sandbox.run(benchmark.programs(problem, wrong)[0]).passed


def test_java_that_leaves_early_does_not_pass(tmp_path: Path, sandbox: Sandbox) -> None:
    """The exit code of such a program is 0."""
    skip_without("java")
    text = "class Twice {\n    public static int twice(int x) {\n        System.exit(0);\n        return 0;\n    }\n}\n"
    benchmark = load(tmp_path, "python_to_java", canonical_solution=text)
    problem = only(benchmark)
    leaving = Completion(text=text, verbatim=True)
    assert not sandbox.run(benchmark.programs(problem, leaving)[0]).passed
