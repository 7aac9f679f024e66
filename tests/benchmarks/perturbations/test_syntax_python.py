"""Given Python code written in another way: what changes, what must not, and that the meaning stays."""

from __future__ import annotations

import pytest

from tests.benchmarks.perturbations.given_python import ENTRIES, code_of, given, made, results

PROGRAM = """    total = 0
    label = 'odd' if n % 2 == 1 else 'even'
    for i in range(1, n + 1):
        if i == 3 or i == 5:
            continue
        if label == 'odd' and not (i < 2 and n > 3):
            total += i
        else:
            total = total + 2
    else:
        total += 100
    for k, x in enumerate(xs):
        if x > 2:
            total -= k
            break
"""
REST = "    return (total, label, i)\n"
CALLS: tuple[tuple[list[int], int], ...] = (([], 4), ([1, 2, 3], 5), ([5, 5], 9), ([0, 0, 7], 1))


@pytest.mark.parametrize("severity", [1, 2, 3])
@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if entry.restructures])
def test_a_variant_returns_what_the_original_returns(name: str, severity: int) -> None:
    subject = given(PROGRAM, REST)
    expected = results(subject.problem, *CALLS)
    for seed in range(5):
        problem = made(name, subject, severity, seed)
        assert problem is not None
        assert problem.prompt != subject.problem.prompt
        assert problem.reference == REST
        assert problem.prompt.strip() in problem.instruction
        assert results(problem, *CALLS) == expected


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if entry.scale])
def test_a_variant_depends_on_its_random_source_alone(name: str) -> None:
    assert made(name, given(PROGRAM, REST), 2, seed=4) == made(name, given(PROGRAM, REST), 2, seed=4)


@pytest.mark.parametrize("name", ENTRIES)
def test_nothing_is_made_of_a_problem_without_given_code_or_that_does_not_parse(name: str) -> None:
    assert made(name, given("", rest="def f(xs, n):\n    return n\n", head="Write f.\n")) is None
    assert made(name, given("    if n:\n", rest="    return (\n")) is None


def test_severity_says_how_many_places_change() -> None:
    code = "    a = n < 1\n    b = n < 2\n    c = n < 3\n"
    lines = [code_of("operand_swap", code, severity) for severity in (1, 2, 3)]
    assert [(line or "").count(" > n") for line in lines] == [1, 2, 3]


@pytest.mark.parametrize("name", ["dead_code", "unused_variable"])
def test_new_variables_have_names_that_the_program_has_not(name: str) -> None:
    words = "spare extra helper aux dummy scratch backup marker pending filler offset"
    code = "".join(f"    {word} = n\n" for word in words.split())
    for seed in range(5):
        problem = made(name, given(code, f"    return {words.replace(' ', ' + ')}\n"), 3, seed)
        assert problem is not None and results(problem, ([], 3)) == [33]


def test_dead_code_stands_after_the_docstring_and_before_given_statements_only() -> None:
    for seed in range(20):
        problem = made("dead_code", given("    a = n\n"), 3, seed)
        assert problem is not None
        assert problem.prompt.endswith("    a = n\n")
        assert problem.prompt.startswith('def f(xs: list, n: int) -> int:\n    """Do it.')


@pytest.mark.parametrize("name", ["dead_code", "unused_variable", "type_hints", "for_to_while"])
def test_the_body_of_a_class_gets_no_members(name: str) -> None:
    code = "    class A(Enum):\n        a = 1\n        for i in range(3):\n            b = 2\n"
    for seed in range(10):
        problem = made(name, given(code, head="def f(xs, n):\n"), 3, seed)
        assert problem is None or problem.prompt.endswith(code)


def test_a_loop_over_a_range_counts_at_the_beginning_of_the_body() -> None:
    code = "    for i in range(2, n, 3):  # why\n        print(i)\n"
    assert code_of("for_to_while", code) == (
        "    index = 2\n    while index < n:\n        i = index\n        index += 3  # why\n        print(i)\n"
    )


def test_a_loop_that_counts_down_stays_one() -> None:
    code = "    for i in range(n, -1, -2):\n        print(i)\n"
    assert code_of("for_to_while", code) == (
        "    index = n\n    while index > -1:\n        i = index\n        index -= 2\n        print(i)\n"
    )


@pytest.mark.parametrize(
    ("code", "limit"),
    [("for i in range(n):\n        n = 1\n", "n"), ("for i in range(len(xs)):\n        xs.append(i)\n", "len(xs)")],
    ids=["assigned", "changed in place"],
)
def test_a_bound_that_the_body_may_change_is_computed_once_before_the_loop(code: str, limit: str) -> None:
    new = code_of("for_to_while", f"    {code}")
    assert new is not None
    assert new.startswith(f"    index = 0\n    limit = {limit}\n    while index < limit:\n")


def test_a_loop_whose_body_is_not_given_yet_becomes_a_while_loop_all_the_same() -> None:
    subject = given("    for x in xs:\n", rest="        n += x\n    return n\n")
    problem = made("for_to_while", subject)
    assert problem is not None and problem.reference == subject.problem.reference
    assert "while index < len(xs):" in problem.prompt
    assert results(problem, ([1, 2], 3)) == [6]


@pytest.mark.parametrize(
    "code",
    [
        "    ys = (x for x in xs)\n    for y in ys:\n        print(y)\n",
        "    ys = [n]\n    for y in ys:\n        ys.append(y)\n",
        "    for y in map(str, xs):\n        print(y)\n",
        "    for i in range(*xs):\n        print(i)\n",
        "    for i in range(0, n, len(xs)):\n        print(i)\n",
        "    for i in range(n): print(i)\n",
        "    range = list\n    for i in range(n):\n        print(i)\n",
    ],
    ids=["generator", "grows", "lazy", "star", "unknown step", "one line", "own range"],
)
def test_a_loop_that_cannot_be_written_so_is_left_alone(code: str) -> None:
    assert code_of("for_to_while", code) is None


def test_nested_loops_have_counters_of_their_own() -> None:
    code = "    for i in range(n):\n        for j in range(i, n):\n            xs.append(j)\n"
    problem = made("for_to_while", given(code, "    return xs\n"))
    assert problem is not None
    assert results(problem, ([], 3)) == [[0, 1, 2, 1, 2, 2]]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("n < 3", "3 > n"),
        ("xs[0] == n", "n == xs[0]"),
        ("print(n) == None", "None == print(n)"),
        ("n - 1 >= len(xs)", "len(xs) <= n - 1"),
        ("n + 1", "1 + n"),
        ("n * n * 2", "2 * (n * n)"),
        ("f(n) < f(xs)", None),
        ("n in xs", None),
        ("0 < n < 5", None),
        ("n - 1", None),
        ("xs.pop() + 1", None),
        ("f'{n < 3}'", None),
    ],
)
def test_operands_change_places_only_where_their_order_is_without_effect(before: str, after: str | None) -> None:
    assert code_of("operand_swap", f"    a = {before}\n") == (None if after is None else f"    a = {after}\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("if n and xs:", "if not (not n or not xs):"),
        ("if n == 1 or n in xs or n < 0:", "if not (n != 1 and n not in xs and not n < 0):"),
        ("if not (n and not xs):", "if not n or xs:"),
        ("while n > 1 and (n < 5 or xs):", "while not (not n > 1 or not (n < 5 or xs)):"),
        ("if len(xs) < 2 and not xs:", "if not (len(xs) >= 2 or xs):"),
        ("if n:", None),
    ],
)
def test_conditions_follow_de_morgans_laws(before: str, after: str | None) -> None:
    new = code_of("de_morgan", f"    {before}\n        n = 1\n", severity=3)
    assert new == (None if after is None else f"    {after}\n        n = 1\n")


def test_a_value_that_is_not_only_tested_for_truth_is_left_alone() -> None:
    assert code_of("de_morgan", "    a = n and xs\n    b = not (n and not xs)\n") is None
    assert code_of("de_morgan", "    a = not (n and xs)\n") == "    a = (not n or not xs)\n"


def test_branches_change_places_with_their_comments() -> None:
    code = "    if n == 1:\n        # first\n        a = 1\n    else:  # other\n        a = 2\n        b = 3\n"
    assert code_of("if_else_inversion", code) == (
        "    if n != 1:\n        a = 2\n        b = 3\n    else:  # other\n        # first\n        a = 1\n"
    )


def test_an_if_alone_gets_an_else_even_where_its_body_is_not_given_yet() -> None:
    problem = made("if_else_inversion", given("    if(n):\n", rest="        n = 7\n    return n\n"))
    assert problem is not None and problem.prompt.endswith("    if not (n):\n        pass\n    else:\n")
    assert results(problem, ([], 0), ([], 1)) == [0, 7]


def test_branches_that_are_not_all_given_stay_where_they_are() -> None:
    code, rest = "    if n:\n        n = 1\n", "    else:\n        n = 2\n    return n\n"
    assert made("if_else_inversion", given(code, rest)) is None
    assert made("ternary", given(code, rest)) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("d = {}\n    d[n] += 1", "d = {}\n    d[n] = d[n] + 1"),
        ("a = 0\n    a += len(xs) - n", "a = 0\n    a = a + (len(xs) - n)"),
        ("a = ''\n    a = a + str(n)", "a = ''\n    a += str(n)"),
        ("n = n - 1", "n -= 1"),
        ("xs += [n]", None),
        ("xs *= 2", None),
        ("xs = xs + [n]", None),
        ("n = 1 - n", None),
        ("a = 0\n    a = a + n + 1", None),
    ],
)
def test_only_numbers_and_strings_are_assigned_in_another_way(before: str, after: str | None) -> None:
    assert code_of("augmented_assignment", f"    {before}\n") == (None if after is None else f"    {after}\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("if n:\n        a = 1\n    else:\n        a = 2\n", "a = 1 if n else 2\n"),
        ("a = 1 if n else 2\n", "if n:\n        a = 1\n    else:\n        a = 2\n"),
        ("if n:\n        return 1\n    return 2\n", "return 1 if n else 2\n"),
        ("if n:\n        a = 1 if xs else 3\n    else:\n        a = 2\n", "a = (1 if xs else 3) if n else 2\n"),
        ("if n:\n        a = 1\n    else:\n        b = 2\n", None),
        ("if n:\n        a = 1  # why\n    else:\n        a = 2\n", None),
        ("if n:\n        a = 1\n    elif xs:\n        a = 2\n", None),
    ],
)
def test_branches_and_conditional_expressions_stand_for_each_other(before: str, after: str | None) -> None:
    assert code_of("ternary", f"    {before}") == (None if after is None else f"    {after}")


def test_hints_of_the_signature_are_left_out_and_literals_get_one() -> None:
    problem = made("type_hints", given("    a = 1\n    b = 'x'\n    c = len(xs)\n"))
    assert problem is not None and problem.prompt.startswith("def f(xs, n):\n")
    assert problem.prompt.endswith("    a: int = 1\n    b: str = 'x'\n    c = len(xs)\n")


def test_a_variable_that_functions_share_gets_no_hint() -> None:
    code = "    a = 1\n    def g():\n        nonlocal a\n        a = 2\n    g()\n"
    assert code_of("type_hints", code, head="def f(xs, n):\n    'Do it.'\n") is None
