"""Given Python code laid out in another way: what changes, and what of it must stay to the byte."""

from __future__ import annotations

import ast

import pytest

from tests.benchmarks.perturbations.given_python import ENTRIES, HEAD, code_of, given, made

LAYOUTS = [name for name, entry in ENTRIES.items() if not entry.restructures]
PROGRAM = '''    text = """one
    two
        three"""
    if (n > 1 and
          text != 'four'):  # why
        # a remark
        total = max(n, len(xs))
        print(f"{'a'} {n}", text, "plain")
    else:
        total = n + \\
            1
'''
REST = """    for x in xs:
        if x:
            total += 1
    return total
"""


@pytest.mark.parametrize("severity", [1, 2, 3])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_variant_has_the_same_syntax_tree(name: str, severity: int) -> None:
    subject = given(PROGRAM, REST)
    before = ast.parse(subject.source)
    for seed in range(5):
        problem = made(name, subject, severity if ENTRIES[name].scale else 1, seed)
        assert problem is not None and problem.prompt != subject.problem.prompt
        after = ast.parse(problem.prompt + (problem.reference or ""))
        if name == "docstring_to_comments":
            assert ast.dump(after.body[0]) == ast.dump(_undocumented(ast.parse(subject.source).body[0]))
        else:
            assert ast.dump(after) == ast.dump(before)


def _undocumented(node: ast.stmt) -> ast.stmt:
    assert isinstance(node, ast.FunctionDef)
    node.body.pop(0)
    return node


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name not in ("tabs", "indent_two", "crlf")])
def test_what_is_not_given_stays_to_the_byte(name: str) -> None:
    problem = made(name, given(PROGRAM, REST))
    assert problem is not None and problem.reference == REST


@pytest.mark.parametrize(("name", "level"), [("tabs", "\t"), ("indent_two", "  ")])
def test_both_halves_are_indented_alike_and_strings_are_not(name: str, level: str) -> None:
    problem = made(name, given(PROGRAM, REST), severity=1)
    assert problem is not None and problem.reference is not None
    assert problem.reference == REST.replace("    ", level)
    assert "one\n    two\n        three" in problem.prompt
    assert HEAD.partition('"""')[2] in problem.prompt
    assert f"\n{2 * level}# a remark\n{2 * level}total = max(n, len(xs))\n" in problem.prompt


@pytest.mark.parametrize(("name", "level"), [("tabs", "\t"), ("indent_two", "  ")])
def test_every_kind_of_block_is_indented_by_its_depth(name: str, level: str) -> None:
    code = """    try:
        with open(n) as file:
            @cache
            def g():
                pass
    except OSError:
        while n:
            n -= 1
        else:
            n = 2
    finally:
        match n:
            case 1:
                n = 5
            case _:
                pass
"""
    problem = made(name, given(code), severity=1)
    assert problem is not None and problem.prompt.endswith(code.replace("    ", level))


def test_code_that_is_indented_so_already_is_left_alone() -> None:
    head = 'def f(n):\n\t"""Do it."""\n'
    assert made("tabs", given("\ta = n\n", "\treturn a\n", head), severity=1) is None


def test_a_docstring_becomes_comments_with_its_examples() -> None:
    problem = made("docstring_to_comments", given("    a = n\n"), severity=1)
    assert problem is not None and problem.prompt == (
        "def f(xs: list, n: int) -> int:\n    # Do it.\n    #\n    # >>> f([1], 2)\n    # 3\n    a = n\n"
    )
    assert problem.prompt.strip() in problem.instruction


def test_a_docstring_that_is_all_there_is_stays() -> None:
    assert made("docstring_to_comments", given("", "", 'def f(n):\n    """Do it."""\n'), severity=1) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a = 'x'", 'a = "x"'),
        ('a = "x"', "a = 'x'"),
        ("a = 'say \"x\"'", None),
        ("a = 'x\\n'", None),
        ("a = '''x'''", None),
        ("a = f\"{xs['k']}\"", None),
        ("a = r'x'", None),
    ],
)
def test_only_plain_strings_get_other_quotes(before: str, after: str | None) -> None:
    assert code_of("quotes", f"    {before}\n") == (None if after is None else f"    {after}\n")


def test_a_docstring_in_single_quotes_keeps_them() -> None:
    assert code_of("quotes", "    a = n\n", head="def f(n):\n    'Do it.'\n") is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a = max(n, 1)", "a = max(n,\n            1)"),
        ("a = n + 1", "a = (\n            n + 1\n    )"),
        ("a, b = n, 1", None),
        ("a = xs[n, 1]", None),
        ("a = f'{max(n, 1)}'", None),
        ("a = max(n,  # why\n        1)", None),
    ],
)
def test_lines_are_split_only_within_brackets(before: str, after: str | None) -> None:
    assert code_of("line_splits", f"    {before}\n") == (None if after is None else f"    {after}\n")


def test_values_get_parentheses_but_rows_of_values_do_not() -> None:
    assert code_of("redundant_parentheses", "    a = n\n    b = n, 1\n") == "    a = (n)\n    b = n, 1\n"


def test_comments_stand_on_lines_of_their_own_at_the_indentation_of_what_follows() -> None:
    new = code_of("comment_noise", "    if n:\n        n = 1\n")
    assert new is not None
    lines = new.splitlines()
    assert [line.partition("#")[0] for line in lines] == ["    ", "    if n:", "        ", "        n = 1"]


def test_severity_says_how_many_comments_stand_there() -> None:
    code = "".join(f"    a{number} = n\n" for number in range(9))
    assert [(code_of("comment_noise", code, level) or "").count("#") for level in (1, 2, 3)] == [1, 3, 6]


def test_blanks_end_neither_lines_within_strings_nor_lines_that_go_on() -> None:
    problem = made("trailing_spaces", given(PROGRAM, REST), severity=3)
    assert problem is not None
    assert '"""one\n    two\n        three""" ' in problem.prompt
    assert "total = n + \\\n            1 " in problem.prompt
    assert HEAD.partition('"""')[2].strip() in problem.prompt


def test_all_lines_of_both_halves_end_in_carriage_return_and_line_feed() -> None:
    problem = made("crlf", given("    a = n\n"), severity=1)
    assert problem is not None and problem.reference == "    return n\r\n"
    assert problem.prompt.count("\r\n") == problem.prompt.count("\n") == problem.prompt.count("\r")
    assert made("crlf", given("    a = n\r\n"), severity=1) is None
