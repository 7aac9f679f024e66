"""Renaming the function, its parameters and its variables: what follows, what stays, and what is left alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from benchmarks.perturbations import name_words as words
from benchmarks.perturbations.check import check
from benchmarks.perturbations.names import TABLE
from benchmarks.perturbations.names_program import program_of
from benchmarks.perturbations.perturbation import HALF
from benchmarks.perturbations.prefix import half_solution
from benchmarks.perturbations.subject import Subject
from benchmarks.problem import Problem
from tests.benchmarks.perturbations.own_problems import PROBLEMS, own_benchmark

ENTRIES = {entry.name: entry for entry in TABLE}
SETS = ("python", "cpp", "java", "js", "go", "rust")


def function(head: str, body: str, *, text: str = "Do it.", tests: tuple[str, ...] = (), name: str = "f") -> Problem:
    """A Python problem: head of the function, its description, its body and tests."""
    prompt = f'{head}\n    """{text}\n    """\n'
    return Problem(
        task_id="own/1",
        prompt=prompt,
        instruction=f"Complete it.\n{prompt.strip()}\n",
        tests=tests or (f"assert {name}(1)\n",),
        entry_point=name,
        reference=body,
    )


def half_given(prompt: str, reference: str) -> Problem:
    """A function `f` of which the prompt gives a part."""
    return Problem(
        task_id="own/2", prompt=prompt, instruction=prompt, tests=("",), entry_point="f", reference=reference
    )


def renumbered(code: str) -> str:
    """The code with its words replaced by numbers, one for each word in order."""
    numbers: dict[str, str] = {}
    return re.sub(r"\w+", lambda match: numbers.setdefault(match[0], str(len(numbers))), code)


def made(problem: Problem, name: str, seed: int = 0, severity: int = 1, language: str = "python") -> Problem | None:
    """The variant of an entry."""
    return ENTRIES[name].apply(Subject(problem, language), Random(seed), severity)


def variant(problem: Problem, name: str, seed: int = 0, severity: int = 1, language: str = "python") -> Problem:
    """The same, which there is."""
    found = made(problem, name, seed, severity, language)
    assert found is not None
    return found


def halved(set_name: str) -> Subject:
    """One language's problem with half of its solution given."""
    language = own_benchmark(set_name).language
    half = half_solution(Subject(PROBLEMS[set_name], language), Random(0), 1)
    assert half is not None
    return Subject(half, language)


def each_variant() -> Iterator[tuple[str, str, Subject, Problem]]:
    """Variants of all entries in all languages, over some seeds."""
    for set_name in SETS:
        subjects = {HALF: halved(set_name)}
        nominal = Subject(PROBLEMS[set_name], own_benchmark(set_name).language)
        for entry in TABLE:
            before = subjects.get(entry.baseline, nominal)
            for severity in entry.severities:
                for seed in range(3):
                    after = entry.apply(before, Random(seed), severity)
                    if after is not None:
                        yield entry.name, set_name, before, after


def test_variants_of_all_languages_keep_what_they_promise_and_parse() -> None:
    seen = set()
    for name, set_name, before, after in each_variant():
        finding = check(ENTRIES[name], before, after)
        assert finding.reason == "kept", (name, set_name, finding.detail, after.prompt)
        seen.add((name, set_name))
    assert len(seen) == len(TABLE) * len(SETS)


def test_a_new_name_is_none_that_program_tests_language_or_library_have() -> None:
    for name, _, before, after in each_variant():
        if name.startswith("function_"):
            assert after.entry_point not in program_of(before).taken


@pytest.mark.parametrize("set_name", SETS)
def test_the_old_name_is_left_in_no_part_of_the_problem(set_name: str) -> None:
    old = PROBLEMS[set_name]
    new = variant(old, "function_random", language=own_benchmark(set_name).language)
    assert old.entry_point and new.entry_point
    for text in (new.prompt, new.instruction, new.reference or ""):
        assert old.entry_point not in text
    assert f"{new.entry_point}(" in new.tests[0] or f"({new.entry_point})" in new.tests[0]
    assert re.search(rf"\b{old.entry_point}\b", new.tests[0]) is None


def test_go_keeps_the_capital_of_an_exported_name() -> None:
    names = [
        variant(PROBLEMS["go"], name, language="go").entry_point for name in ENTRIES if name.startswith("function_")
    ]
    assert all(name and name[0].isupper() for name in names)


def test_recursion_and_tests_that_call_the_function_beside_check_follow() -> None:
    tests = ("def check(candidate):\n    assert candidate(3) == count_down(3)\n\ncheck(count_down)",)
    problem = function(
        "def count_down(n):", "    return 0 if n == 0 else count_down(n - 1)\n", tests=tests, name="count_down"
    )
    new = variant(problem, "function_camel_case")
    assert new.reference == "    return 0 if n == 0 else countDown(n - 1)\n"
    assert new.tests == ("def check(candidate):\n    assert candidate(3) == countDown(3)\n\ncheck(countDown)",)


def test_a_name_of_one_letter_is_renamed_only_where_it_is_the_name() -> None:
    body = "    for f_value in [n]:\n        if f_value.f == 1:\n            return f(0)\n    return 'f'\n"
    tests = ("assert f(1) == 'f'\nassert x.f(f=f(2))",)
    new = variant(function("def f(n):", body, tests=tests, text="For n give f(n), if not a f"), "function_misleading")
    name = new.entry_point
    assert new.prompt.startswith(f"def {name}(n):") and f"give {name}(n), if not a f" in new.prompt
    assert new.reference == body.replace("return f(0)", f"return {name}(0)")
    assert new.tests == (f"assert {name}(1) == 'f'\nassert x.f(f={name}(2))",)


def test_a_function_whose_name_a_local_variable_takes_is_left_alone() -> None:
    body = "    evens = 0\n    for i in range(n):\n        evens = max(evens, i)\n    return evens\n"
    problem = function("def evens(n):", body, name="evens")
    assert made(problem, "function_typo") is None


def test_data_in_examples_stays_where_it_spells_the_name() -> None:
    text = 'Sort the words.\n    >>> sort_words("sort_words b")\n    "b sort_words"'
    problem = function("def sort_words(t):", "    return t\n", text=text, name="sort_words")
    new = variant(problem, "function_random")
    assert f'>>> {new.entry_point}("sort_words b")\n    "b sort_words"' in new.prompt


def test_a_function_in_a_formatted_string_of_the_tests_is_left_alone() -> None:
    problem = function("def f(n):", "    return n\n", tests=("assert f(1), f'{f(1)}'",))
    assert made(problem, "function_random") is None


def test_a_whole_reference_is_renamed_with_the_prompts_code_the_instruction_and_the_wrong_solutions() -> None:
    problem = Problem(
        task_id="own/2",
        prompt='"""\nWrite a function to add two numbers.\nassert add(1, 2) == 3\n"""\n',
        instruction="Write a function to add two numbers. Pass:\n\nassert add(1, 2) == 3\nassert add(0, 0) == 0\n",
        tests=("assert add(1, 2) == 3", "assert add(0, 0) == 0"),
        entry_point="add",
        reference="def add(a, b):\n    return a + b\n",
        wrong=("def add(*args):\n    pass\n",),
    )
    new = variant(problem, "function_synonym")
    name = new.entry_point
    assert new.prompt == f'"""\nWrite a function to add two numbers.\nassert {name}(1, 2) == 3\n"""\n'
    assert new.instruction.endswith(f"assert {name}(1, 2) == 3\nassert {name}(0, 0) == 0\n")
    assert new.reference == f"def {name}(a, b):\n    return a + b\n"
    assert new.wrong == (f"def {name}(*args):\n    pass\n",) and new.tests[1] == f"assert {name}(0, 0) == 0"
    assert made(problem, "parameters_neutral") is None


def test_javas_lists_keep_their_method_of_the_functions_name() -> None:
    problem = Problem(
        task_id="own/3",
        prompt="class Solution {\n    public int add(int x, List<Integer> seen) {\n",
        instruction="class Solution {\n    public int add(int x, List<Integer> seen) {\n",
        tests=(
            "class Main { void f() { Solution s = new Solution(); List<Integer> l = g(); l.add(1); s.add(2, l); } }",
        ),
        entry_point="add",
        reference="        seen.add(x);\n        return x > 0 ? this.add(0, seen) : add(1, seen);\n    }\n}\n",
    )
    new = variant(problem, "function_neutral", language="java")
    name = new.entry_point
    assert (
        new.reference
        == f"        seen.add(x);\n        return x > 0 ? this.{name}(0, seen) : {name}(1, seen);\n    }}\n}}\n"
    )
    assert f"l.add(1); s.{name}(2, l)" in new.tests[0]


def test_parameters_follow_into_closures_and_formatted_strings_but_not_where_they_are_hidden() -> None:
    body = (
        "    g = lambda text: text\n    h = lambda: text\n    k = [text for text in text]\n"
        "    return f'{text} text', g, h, k, d.text, dict(text=1)['text']\n"
    )
    problem = function("def f(text):", body.replace("dict(text=1)", "d"), text="The text.\n    text = 'a text'")
    new = variant(problem, "parameters_neutral")
    name = new.prompt[len("def f(") : new.prompt.index(")")]
    assert name != "text"
    assert new.reference == (
        f"    g = lambda text: text\n    h = lambda: {name}\n    k = [text for text in {name}]\n"
        f"    return f'{{{name}}} text', g, h, k, d.text, d['text']\n"
    )
    assert f"The text.\n    {name} = 'a text'" in new.prompt


@pytest.mark.parametrize("tests", [("assert f(size=1)",), ("assert f(**{'size': 1})",), ("f.__code__.co_varnames",)])
def test_parameters_that_tests_name_stay(tests: tuple[str, ...]) -> None:
    assert made(function("def f(size):", "    return size\n", tests=tests), "parameters_random") is None


@pytest.mark.parametrize("body", ["    return locals()\n", "    return eval('size')\n", "    return f(size=1)\n"])
def test_parameters_that_the_program_reads_by_name_stay(body: str) -> None:
    assert made(function("def f(size):", body), "parameters_single_letter") is None


def test_tests_may_have_variables_of_the_parameters_names() -> None:
    tests = ("x, y = 1, 2\nassert f(x, y)",)
    new = variant(function("def f(x, y):", "    return x + y\n", tests=tests), "parameters_neutral")
    assert new.tests == tests and "x" not in (new.reference or "") and "y" not in (new.reference or "")


def test_swapped_parameters_keep_their_places_and_the_description() -> None:
    problem = function("def f(a: int, size: str):", "    return size * a\n", text="Repeat `size` so often: a.")
    new = variant(problem, "parameters_swapped")
    assert new.prompt == problem.prompt.replace("a: int, size: str", "size: int, a: str")
    assert new.reference == "    return a * size\n"


def test_wrong_solutions_follow_their_parameters() -> None:
    new = variant(PROBLEMS["python"], "parameters_swapped")
    assert new.wrong == ("    return 0\n", "    return len(limit)\n")


def test_variables_shared_by_nonlocal_are_renamed_in_all_functions_that_share_them() -> None:
    prompt = "def f(n):\n    total = 0\n    def more():\n        nonlocal total\n        total += 1\n"
    problem = half_given(prompt, "    more()\n    return total\n")
    new = variant(problem, "locals_random", severity=3)
    assert "total" not in new.prompt + (new.reference or "") and "more" not in (new.reference or "")


def test_a_variable_of_two_loops_in_a_comprehension_is_renamed_everywhere_or_not_at_all() -> None:
    prompt = "def f(rows):\n    seen = [(i, j) for i in range(2) for j in range(len(rows[i]))]\n    size = 1\n"
    problem = half_given(prompt, "    return seen\n")
    for seed in range(5):
        new = variant(problem, "locals_neutral", seed=seed, severity=3)
        assert renumbered(new.prompt) == renumbered(prompt) and new.prompt != prompt


def test_imports_within_the_function_keep_their_names() -> None:
    prompt = "def f(n):\n    import math\n    half = math.floor(n)\n"
    problem = half_given(prompt, "    return half\n")
    new = variant(problem, "locals_neutral", severity=3)
    assert new.prompt == prompt.replace("half", "VAR_0") and new.reference == "    return VAR_0\n"


@pytest.mark.parametrize("set_name", SETS)
def test_severity_says_how_many_variables_are_renamed(set_name: str) -> None:
    before = halved(set_name)
    variants = [ENTRIES["locals_neutral"].apply(before, Random(0), severity) for severity in (1, 2, 3)]
    counts = [len(set(re.findall(r"VAR_\d", each.prompt if each else ""))) for each in variants]
    assert all(each is not None for each in variants) and counts == sorted(counts) and counts[0] < counts[2]


def test_gos_blank_stays_blank() -> None:
    problem = half_given("func f(n []int) int {\n    for _, each := range n {\n", "        g(each)\n    }\n}\n")
    new = variant(problem, "locals_neutral", severity=3, language="go")
    assert "for _, VAR_0 := range n {" in new.prompt


def test_rusts_names_within_format_strings_stay() -> None:
    prompt = "fn f(n: i32) -> i32 {\n    let total = n;\n    let other = 1;\n"
    reference = '    println!("{total}");\n    return total + other;\n}\n'
    problem = half_given(prompt, reference)
    new = variant(problem, "locals_random", severity=3, language="rust")
    assert "let total = n;" in new.prompt and "let other" not in new.prompt


def test_cpp_variables_built_in_brackets_are_renamed_with_what_they_are_built_from() -> None:
    prompt = "int f(int n){\n    int size=n;\n    vector<int> seen(size);\n    string copied(text);\n"
    problem = half_given(prompt, "    return seen[0];\n}\n")
    new = variant(problem, "locals_neutral", severity=3, language="cpp")
    assert "int VAR_0=n;\n    vector<int> VAR_1(VAR_0);\n    string VAR_2(text);" in new.prompt


def test_javascripts_short_properties_keep_their_keys() -> None:
    prompt = "const f = (n) => {\n  let total = n;\n"
    problem = half_given(prompt, "  return {total}.total;\n}\n")
    new = variant(problem, "locals_neutral", severity=3, language="javascript")
    assert new.reference == "  return {total: VAR_0}.total;\n}\n"


@pytest.mark.parametrize(
    ("name", "style"),
    [("get_sum", "getSum"), ("getSum", "get_sum"), ("GetSum", "Get_sum"), ("sum", None), ("a2b_c", "a2BC")],
)
def test_camel_case_becomes_snake_case_and_the_other_way_round(name: str, style: str | None) -> None:
    assert words.other_style(name) == style


def test_swapped_letters_never_give_the_old_name_back() -> None:
    assert all(words.with_swaps("count", Random(seed), 3) != "count" for seed in range(50))


def test_entries_that_say_untrue_things_are_marked() -> None:
    assert {name for name, entry in ENTRIES.items() if entry.misleads} == {
        "function_misleading",
        "parameters_swapped",
        "locals_misleading",
    }


def test_names_after_an_arrow_of_java_are_renamed_with_the_others() -> None:
    body = (
        "        List<Integer> small = prices.stream().filter(p -> p < limit).toList();\n"
        "        int total = small.size();\n        int more = 0;\n        if (total > 3) {\n            more = 1;\n"
        "        }\n        return total + more;\n    }\n}\n"
    )
    nominal = Subject(replace(PROBLEMS["java"], reference=body), "java")
    half = half_solution(nominal, Random(0), 1)
    assert half is not None and "p -> p" in half.prompt
    found = ENTRIES["locals_random"].apply(Subject(half, "java"), Random(0), 3)
    assert found is not None
    assert re.search(r"\bp\b", found.prompt.partition("*/")[2]) is None
