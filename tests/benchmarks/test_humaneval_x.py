"""HumanEval-X and CodeFuseEval's edition: prompts, texts in Chinese, and how programs are put together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.benchmark import reference_completion
from benchmarks.code_answers import depth
from benchmarks.humaneval_x import LANGUAGES as NAMES
from benchmarks.registry import load_benchmark
from runners.errors import DataError, UserError

LANGUAGES = ("python", "cpp", "java", "js", "go", "rust")
ROW = {
    "task_id": "CPP/0",
    "prompt": "/*\nAdds.\n>>> f(1)\n2\n*/\n#include<vector>\nint f(int x){\n",
    "declaration": "#include<vector>\nint f(int x){\n",
    "canonical_solution": "    return x + 1;\n}\n",
    "test": "#undef NDEBUG\n#include<assert.h>\nint main(){ assert(f(1) == 2); }\n",
    "prompt_text_chinese": "加一。",
}


def write(folder: Path, name: str = "humaneval_cpp.jsonl", **changes: object) -> Path:
    """One row as a data file."""
    path = folder / name
    path.write_text(json.dumps(ROW | changes) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_set_loads_whole(language: str, shared_data: Path, tmp_path: Path) -> None:
    """164 problems, each with an entry point that its tests name, and one program in the set's language."""
    benchmark = load_benchmark("humaneval_x", {"language": language, "data": shared_data / "humaneval_x"}, tmp_path)
    problems = benchmark.problems()
    assert len(problems) == 164
    for problem in problems:
        assert problem.entry_point
        completion = reference_completion(problem)
        assert completion is not None
        (program,) = benchmark.programs(problem, completion)
        assert program.language == benchmark.language
        assert problem.reference is not None
        assert problem.reference in program.source


def test_cpp_gets_the_usual_headers_that_it_lacks(tmp_path: Path) -> None:
    """They stand before the prompt, each once, and the standard is the evaluator's."""
    benchmark = load_benchmark("humaneval_x", {"language": "cpp", "data": write(tmp_path)}, tmp_path)
    (problem,) = benchmark.problems()
    completion = reference_completion(problem)
    assert completion is not None
    (program,) = benchmark.programs(problem, completion)
    assert program.source.count("#include<vector>") == 1
    assert program.source.startswith("#include<stdlib.h>\n")
    assert program.flags == ("-std=c++11",)


def test_a_text_in_chinese_takes_the_place_of_the_english_one(tmp_path: Path) -> None:
    """The examples stay; the code does too."""
    options = {"language": "cpp", "text": "zh", "data": tmp_path}
    write(tmp_path)
    (problem,) = load_benchmark("code_completion", options, tmp_path).problems()
    assert problem.prompt == "/*\n加一。\n>>> f(1)\n2\n*/\n#include<vector>\nint f(int x){\n"
    assert "请补全" in problem.instruction


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_chinese_prompt_holds_its_text_and_still_its_function(
    language: str, shared_data: Path, tmp_path: Path
) -> None:
    """For all rows: as many braces are open at the prompt's end as in the English one."""
    folder = shared_data / "codefuse" / "code_completion"
    both = [
        load_benchmark("code_completion", {"language": language, "text": text, "data": folder}, tmp_path).problems()
        for text in ("en", "zh")
    ]
    name = NAMES[language]
    for english, chinese in zip(*both, strict=True):
        assert english.prompt != chinese.prompt
        assert depth(name, english.prompt) == depth(name, chinese.prompt)
        assert english.entry_point in chinese.prompt


def test_chinese_without_a_chinese_text_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    """The message names the file and the field."""
    data = write(tmp_path, prompt_text_chinese="")
    with pytest.raises(UserError, match="prompt_text_chinese"):
        load_benchmark("code_completion", {"language": "cpp", "text": "zh", "data": data}, tmp_path)


def test_a_folder_without_the_file_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    """The message names folder and file."""
    with pytest.raises(DataError, match=r"holds no humaneval_go\.jsonl"):
        load_benchmark("humaneval_x", {"language": "go", "data": tmp_path}, tmp_path)


def test_python_cn_prompts_end_in_a_line_break(shared_data: Path, tmp_path: Path) -> None:
    """CodeFuse's file lacks it in nearly all rows, which makes syntax errors of right bodies."""
    folder = shared_data / "codefuse" / "code_completion"
    benchmark = load_benchmark("code_completion", {"language": "python_cn", "data": folder}, tmp_path)
    assert all(problem.prompt.endswith("\n") for problem in benchmark.problems())


def test_a_lone_quote_before_a_docstring_is_repaired_and_told(shared_data: Path, tmp_path: Path) -> None:
    """One row of python_cn could not be parsed whatever follows it."""
    data = shared_data / "codefuse" / "code_completion"
    benchmark = load_benchmark("code_completion", {"language": "python_cn", "data": data}, tmp_path)
    assert benchmark.notes == ("1 of 164 prompts were repaired (a lone quote before the docstring)",)
    for problem in benchmark.problems():
        compile(f"{problem.prompt}    pass\n", problem.task_id, "exec")
