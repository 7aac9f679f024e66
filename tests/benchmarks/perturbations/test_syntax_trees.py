"""Given code of C++, Java, JavaScript, Go and Rust is changed at sites where it means the same."""

from __future__ import annotations

from random import Random

import pytest

from benchmarks.perturbations.subject import Subject
from benchmarks.perturbations.syntax_trees import TREE_LANGUAGES, TREE_LAYOUT, TREE_SYNTAX
from benchmarks.problem import Problem

HEADS = {
    "cpp": "int score(int a, int b, vector<int> xs){\n",
    "java": "class Solution {\n    public int score(int a, int b, List<Integer> xs) {\n",
    "javascript": "const score = (a, b, xs) => {\n",
    "go": "func score(a int, b int, xs []int) int {\n",
    "rust": "fn score(a: i32, b: i32, xs: Vec<i32>) -> i32 {\n",
}
TAILS = {"java": "    }\n}\n"}


def subject_of(language: str, given: str, rest: str = "    return a;\n") -> Subject:
    """A function whose body begins with what is given."""
    tail = TAILS.get(language, "}\n")
    problem = Problem(
        task_id="own/0",
        prompt=f"/* Give the score. */\n{HEADS[language]}{given}",
        instruction="Complete the function.",
        tests=("score(1, 2, spare)",),
        entry_point="score",
        reference=rest + tail,
    )
    return Subject(problem, language)


def changed(name: str, language: str, given: str, rest: str = "    return a;\n", severity: int = 3) -> str | None:
    """The given body after a change at all sites; None if there is none."""
    made = {**TREE_SYNTAX, **TREE_LAYOUT}[name](subject_of(language, given, rest), Random(1), severity)
    return None if made is None else made.prompt.removeprefix(f"/* Give the score. */\n{HEADS[language]}")


@pytest.mark.parametrize(
    ("language", "given", "expected"),
    [
        (
            "cpp",
            "    for (int i = 0; i < a; i++) {\n        b += i;\n    }\n",
            "    int i = 0;\n    while (i < a) {\n        b += i;\n        i++;\n    }\n",
        ),
        (
            "go",
            "    for i := 0; i < a; i++ {\n        b += i\n    }\n",
            "    i := 0\n    for i < a {\n        b += i\n        i++\n    }\n",
        ),
        (
            "javascript",
            "    for (let i = 0; i < a; i++) {\n        b += i;\n    }\n",
            "    let i = 0;\n    while (i < a) {\n        b += i;\n        i++;\n    }\n",
        ),
        (
            "rust",
            "    for i in 0..a {\n        xs.push(i)\n    }\n",
            "    let mut i = 0;\n    let i_end = a;\n    while i < i_end {\n"
            "        xs.push(i);\n        i += 1;\n    }\n",
        ),
    ],
)
def test_counting_loop_becomes_a_while_loop(language: str, given: str, expected: str) -> None:
    """The counter stands before the loop and its step at the end of the body."""
    assert changed("for_to_while", language, given) == expected


def test_loop_whose_counter_has_a_namesake_gets_a_block_of_its_own() -> None:
    """A second loop with the same counter still compiles."""
    loop = "    for (int i = 0; i < a; i++) {\n        b += i;\n    }\n"
    made = changed("for_to_while", "cpp", loop, loop, severity=1)
    assert made is not None
    assert made.startswith("    {\n    int i = 0;\n    while (i < a) {\n")
    assert made.endswith("    }\n    }\n")


@pytest.mark.parametrize(
    ("language", "given"),
    [
        ("cpp", "    for (int i = 0; i < a; i++) {\n        if (b) continue;\n        b += i;\n    }\n"),
        ("java", "    for (int i = 0; i < a; i++) {\n        return i;\n    }\n"),
        ("javascript", "    for (let i = 0; i < a; i++) {\n        xs.push(() => i);\n    }\n"),
        ("javascript", "    for (let i = 0; i < a; i++) {\n        let j = b;\n        { let i = j; b = i; }\n    }\n"),
        ("go", "    for i := 0; i < a; i++ {\n        i := i\n        b += i\n    }\n"),
        ("rust", "    for i in 0..a {\n        fs.push(Box::new(|x| x + i));\n    }\n"),
        ("rust", "    for c in 'a'..'z' {\n        s.push(c);\n    }\n"),
        ("rust", "    for x in xs {\n        b += x;\n    }\n"),
    ],
)
def test_loop_that_would_mean_something_else_stays(language: str, given: str) -> None:
    """With `continue`, closures, hidden counters, an unreachable step or other iterables nothing is changed."""
    assert changed("for_to_while", language, given) is None


def test_loop_that_ends_behind_the_given_code_is_stepped_in_the_rest() -> None:
    """The prompt has the head of the `while` loop, the reference its step."""
    subject = subject_of(
        "cpp", "    for (int i = 0; i < a; i++) {\n", "        b += i;\n        a -= 1;\n    }\n    return b;\n"
    )
    made = TREE_SYNTAX["for_to_while"](subject, Random(0), 1)
    assert made is not None
    assert made.prompt.endswith("    int i = 0;\n    while (i < a) {\n")
    assert made.reference is not None and "        a -= 1;\n        i++;\n    }\n" in made.reference


def test_only_comparisons_of_plain_values_are_mirrored() -> None:
    """A call may do something, so its place in the order of evaluation stays."""
    assert changed("operand_swap", "cpp", "    if (a <= xs.size()) b = 1;\n") == "    if (xs.size() >= a) b = 1;\n"
    assert changed("operand_swap", "cpp", "    if (next(a) < b) b = 1;\n") is None


@pytest.mark.parametrize(
    ("language", "given", "expected"),
    [
        (
            "java",
            "    if (a < 1 && b < 2 && a != b) b = 1;\n",
            "    if (!(!(a < 1) || !(b < 2) || !(a != b))) b = 1;\n",
        ),
        ("cpp", "    if (a < 1 or b < 2) b = 1;\n", "    if (!(!(a < 1) and !(b < 2))) b = 1;\n"),
        ("rust", "    if let Some(x) = y && a < 1 {\n        b = x;\n    }\n", None),
    ],
)
def test_conditions_follow_de_morgan(language: str, given: str, expected: str | None) -> None:
    """Chains are negated as one; a condition that binds a name stays."""
    assert changed("de_morgan", language, given) == expected


def test_branches_are_exchanged_only_where_both_are_given() -> None:
    """No part of the hidden half comes into the prompt."""
    given = "    if a < b {\n        b = 1\n    } else {\n        b = 2\n    }\n"
    swapped = "    if !(a < b) {\n        b = 2\n    } else {\n        b = 1\n    }\n"
    assert changed("if_else_inversion", "go", given) == swapped
    head, rest = given.split("        b = 2\n")
    assert changed("if_else_inversion", "go", head, f"        b = 2\n{rest}    return a\n") is None


def test_simple_statements_are_exchanged_where_blanks_stand_around_them() -> None:
    """`else{` in place of `else return` would run two words together."""
    given = "    if (a < b) b = 1; else b = 2;\n"
    assert changed("if_else_inversion", "cpp", given) == "    if (!(a < b)) b = 2; else b = 1;\n"
    assert changed("if_else_inversion", "cpp", "    if (a < b)b = 1; else {\n        b = 2;\n    }\n") is None


def test_narrow_numbers_are_not_added_to_in_full() -> None:
    """`c = c + 1` does not compile for a char in Java, and appends nothing to a string in C++."""
    given = "    char c = 'a';\n    c += 1;\n    a += 1;\n    b = b - 2;\n"
    expected = "    char c = 'a';\n    c += 1;\n    a = a + 1;\n    b -= 2;\n"
    assert changed("augmented_assignment", "java", given) == expected


def test_go_reads_what_it_declares() -> None:
    """Go refuses a variable that nothing reads."""
    made = changed("unused_variable", "go", "    a = b\n", severity=1)
    assert made is not None
    name = made.split(" := ")[0].strip()
    assert f"    _ = {name}\n" in made


def test_a_new_variable_has_a_name_that_neither_program_nor_tests_have() -> None:
    """The tests of these problems speak of `spare`."""
    made = {changed("unused_variable", "cpp", "    a = b;\n", severity=1) for _ in range(1)}
    names = [line.split()[1] for text in made if text for line in text.splitlines() if line.strip().startswith("int")]
    assert len(names) == 1
    assert names[0] != "spare"


def test_nothing_is_put_among_the_cases_of_a_switch() -> None:
    """A declaration there is jumped over, which C++ refuses."""
    given = "    switch (a) {\n        case 1:\n            b = 1;\n            break;\n    }\n"
    made = changed("unused_variable", "cpp", given)
    assert made is not None
    assert made.endswith(given)


@pytest.mark.parametrize("language", HEADS)
def test_dead_code_stands_in_a_block_that_never_runs(language: str) -> None:
    """Each statement before it stays."""
    given = "    a = b\n" if language == "go" else "    a = b;\n"
    made = changed("dead_code", language, given, severity=1)
    assert made is not None
    assert made.endswith(given)
    assert "if false {" in made or "if (false) {" in made


def test_lists_of_values_get_no_parentheses() -> None:
    """`return ({1, 2})` is no C++."""
    assert changed("redundant_parentheses", "cpp", "    if (a < b)\n        return {1, 2};\n") == (
        "    if ((a < b))\n        return {1, 2};\n"
    )


def test_a_program_that_the_grammar_does_not_understand_stays() -> None:
    """What is not parsed whole could be anything."""
    assert all(apply(subject_of("cpp", "    a = = b;\n"), Random(0), 1) is None for apply in TREE_SYNTAX.values())


def test_every_function_says_its_languages() -> None:
    """The tables of the catalogue read them."""
    assert set(TREE_LANGUAGES) == set(TREE_SYNTAX) | set(TREE_LAYOUT)
