"""The layout of given C++, Java, JavaScript, Go and Rust changes, but nothing within literals does."""

from __future__ import annotations

from random import Random

import pytest

from benchmarks.perturbations.layout_trees import TREE_LAYOUT
from benchmarks.perturbations.subject import Subject
from benchmarks.problem import Problem


def changed(name: str, language: str, prompt: str, rest: str = "    return a;\n}\n", severity: int = 3) -> str | None:
    """The prompt after a change at all sites; None if there is none."""
    problem = Problem(
        task_id="own/0", prompt=prompt, instruction="", tests=("score(1)",), entry_point="score", reference=rest
    )
    made = TREE_LAYOUT[name](Subject(problem, language), Random(1), severity)
    return None if made is None else made.prompt


BLOCK = "/*\nCount the prices.\n\nReturn the count.\n*/\nint score(int a){\n    a = 1;\n"
LINES = "// Count the prices.\n//\n// Return the count.\nint score(int a){\n    a = 1;\n"


def test_a_block_comment_becomes_line_comments() -> None:
    """Every word stays, one line each."""
    assert changed("docstring_to_comments", "cpp", BLOCK) == LINES


def test_line_comments_become_a_block_comment() -> None:
    """The reverse, for languages that describe by line comments."""
    made = changed(
        "docstring_to_comments", "go", "// Count the prices.\n// Return it.\nfunc score(a int) int {\n    a = 1\n"
    )
    assert made is not None
    assert made.startswith("/*\n Count the prices.\n Return it.\n*/\nfunc score")


@pytest.mark.parametrize("line", ["* a bullet", "// a remark", "# a heading"])
def test_a_description_with_marks_of_other_comments_stays(line: str) -> None:
    """Its lines would read as if the mark were a margin."""
    assert changed("docstring_to_comments", "cpp", BLOCK.replace("Return the count.", line)) is None


def test_comments_are_put_only_behind_the_head_of_the_function() -> None:
    """A comment in a helper before it could be taken for the description."""
    helper = "int half(int x){\n    return x / 2;\n}\n"
    made = changed("comment_noise", "cpp", helper + BLOCK)
    assert made is not None
    assert made.startswith(helper)
    assert made.count("    // ") == 1


@pytest.mark.parametrize(("name", "indent"), [("tabs", "\t"), ("indent_two", "  ")], ids=["tabs", "two"])
def test_every_line_of_code_is_indented_anew_but_no_template(name: str, indent: str) -> None:
    """A line within a template is a part of its text."""
    prompt = "const score = (a) => {\n    const b = `x\n    y`;\n    a = b;\n"
    made = changed(name, "javascript", prompt)
    assert made == f"const score = (a) => {{\n{indent}const b = `x\n    y`;\n{indent}a = b;\n"


def test_quotes_are_exchanged_only_around_plain_text() -> None:
    """A quote or an escape inside would have to change too."""
    prompt = "const score = (a) => {\n    a = ['x', \"y\", 'it\"s', 'a\\n'];\n"
    expected = "const score = (a) => {\n    a = [\"x\", 'y', 'it\"s', 'a\\n'];\n"
    assert changed("quotes", "javascript", prompt) == expected
    assert changed("quotes", "java", "class S {\n    int score(int a) {\n        f('x');\n") is None


def test_lines_break_after_commas_in_brackets_only() -> None:
    """Neither strings nor macros nor heads of loops are broken."""
    prompt = 'fn score(a: i32) -> i32 {\n    f(a, "x, y");\n    println!("{}, {}", a, a);\n'
    made = changed("line_splits", "rust", prompt, "    a\n}\n")
    assert made == 'fn score(a: i32) -> i32 {\n    f(a,\n            "x, y");\n    println!("{}, {}", a, a);\n'


def test_blanks_end_no_comment_and_no_line_of_the_preprocessor() -> None:
    """There they would change the description or a macro."""
    prompt = "#include <vector>\n" + BLOCK
    made = changed("trailing_spaces", "cpp", prompt)
    assert made is not None
    assert made.startswith("#include <vector>\n/*\nCount the prices.\n\nReturn the count.\n*/\n")
    assert all(line.endswith(" ") for line in made.splitlines()[6:])
    assert [line.rstrip() for line in made.splitlines()] == prompt.splitlines()


def test_empty_lines_stand_before_statements() -> None:
    """Before all of them at the greatest severity, before one at the least."""
    prompt = "func score(a int) int {\n    a = 1\n    a = 2\n    a = 3\n"
    rest = "    return a\n}\n"
    assert changed("blank_lines", "go", prompt, rest) == prompt.replace("    a", "\n    a")
    assert (changed("blank_lines", "go", prompt, rest, severity=1) or "").count("\n\n") == 1
