"""What of an answer is compared with the canonical solution."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.benchmark import reference_completion
from benchmarks.compared import SIMILARITIES, function_body
from benchmarks.problem import Completion
from benchmarks.registry import AnyBenchmark, load_benchmark
from runners.program import Status, Verdict

FAILED = (Verdict(status=Status.WRONG_ANSWER),)
CPP = {
    "task_id": "CPP/0",
    "prompt": "/*\nAdds.\n>>> f({1})\n2\n*/\n#include<vector>\nint f(int x){\n",
    "declaration": "#include<vector>\nint f(int x){\n",
    "canonical_solution": "    return x + 1;\n}\n",
    "test": "int main(){ }\n",
}


@pytest.fixture
def cpp(tmp_path: Path) -> AnyBenchmark:
    """One function of C++."""
    path = tmp_path / "humaneval_cpp.jsonl"
    path.write_text(json.dumps(CPP) + "\n")
    return load_benchmark("code_completion", {"language": "cpp", "data": path}, tmp_path)


def test_a_wrong_answer_is_told_how_alike_it_is(cpp: AnyBenchmark) -> None:
    """The headline is what its tests say; the text decides the other scores."""
    (problem,) = cpp.problems()
    near = cpp.score(problem, Completion(text="    return x + 2;\n}\n"), FAILED).values
    assert tuple(near) == ("pass", *SIMILARITIES) == cpp.metrics
    assert (near["pass"], near["em"]) == (0.0, 0.0)
    assert 0.5 < near["es"] < 1.0
    far = cpp.score(problem, Completion(text="    while (1) {}\n}\n"), FAILED).values
    assert far["es"] < near["es"]


@pytest.mark.parametrize("form", ["completion", "chat"])
def test_a_base_and_a_chat_model_are_measured_alike(cpp: AnyBenchmark, form: str) -> None:
    """The signature that a chat model repeats is not counted."""
    (problem,) = cpp.problems()
    text = CPP["canonical_solution"]
    if form == "chat":
        text = f"Sure:\n```cpp\n#include<vector>\nint f(int x){{\n{text}```\n"
    values = cpp.score(problem, Completion(text=text, form=form), FAILED).values  # type: ignore[arg-type]
    assert {name: values[name] for name in SIMILARITIES} == dict.fromkeys(SIMILARITIES, 1.0)


@pytest.mark.parametrize(
    ("name", "options", "file"),
    [
        ("code_completion", {"language": "go"}, "code_completion"),
        ("code_completion", {"language": "python_cn"}, "code_completion"),
        ("code_trans", {"direction": "java_to_python"}, "code_trans"),
        ("nl2code", {}, "nl2code"),
        ("codedatascience", {"library": "Numpy"}, "codedatascience"),
    ],
)
def test_canonical_solutions_are_like_themselves(
    name: str, options: dict[str, object], file: str, shared_data: Path, tmp_path: Path
) -> None:
    """Every similarity of every tenth problem is 1, and no text is empty."""
    benchmark = load_benchmark(name, {**options, "data": shared_data / "codefuse" / file}, tmp_path)
    for problem in benchmark.problems()[::10]:
        reference = reference_completion(problem)
        assert reference is not None
        assert benchmark.compared(problem, reference).strip()  # type: ignore[attr-defined]
        values = benchmark.score(problem, reference, FAILED).values
        assert {key: values[key] for key in SIMILARITIES} == dict.fromkeys(SIMILARITIES, pytest.approx(1.0))


BODIES = {
    "docstring": ("python", 'def f(x):\n    """Doc."""\n    return 1\n\n\ndef g():\n    pass\n', "    return 1\n"),
    "only a docstring": ("python", 'def f(x):\n    """Doc."""\n', '    """Doc."""\n'),
    "no such function": ("python", "x = 1\n", "x = 1\n"),
    "no program": ("python", "def f(:\n", "def f(:\n"),
    "braces in a string": ("java", 'class A { int f(int x) { return "}".length(); } }\n', ' return "}".length(); '),
    "example in a comment": ("cpp", "/* >>> f({1}) */\nint f(int x){\n  return 1;\n}\n", "  return 1;"),
    "never closed": ("cpp", "int f() {\n  return 1;\n", "  return 1;"),
    "an arrow": ("javascript", "const f = (x) => {\n  return x\n}\n", "  return x"),
    "another before it": ("go", "func g() int {\n\treturn 2\n}\nfunc f() int {\n\treturn 1\n}\n", "\treturn 1"),
    "calls itself": (
        "rust",
        "fn f(x: i32) -> i32 {\n if f(1) > 0 { 2 } else { 3 }\n}\n",
        " if f(1) > 0 { 2 } else { 3 }",
    ),
}


@pytest.mark.parametrize(("language", "text", "body"), BODIES.values(), ids=BODIES)
def test_a_functions_body_is_found(language: str, text: str, body: str) -> None:
    """Without signature and docstring; where there is none, the whole text."""
    assert function_body(language, text, "f") == body


def test_without_a_name_the_whole_text_counts() -> None:
    """A benchmark whose problems name no function."""
    assert function_body("python", "x = 1\n", None) == "x = 1\n"
