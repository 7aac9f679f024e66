"""ReCode's recipes applied here: what changes, what is left alone, and what once made a reference fail."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from random import Random

import pytest

from benchmarks.perturbations import recode
from benchmarks.perturbations.check import check, same_structure
from benchmarks.perturbations.perturbation import HALF
from benchmarks.perturbations.prefix import half_solution
from benchmarks.perturbations.subject import Subject
from benchmarks.problem import Problem
from benchmarks.recode import RECIPES

ENTRIES = {entry.name: entry for entry in recode.TABLE}
PROMPT = '''from typing import List


def has_small_elements(numbers: List[int], limit: int) -> bool:
    """ Check if the given numbers contain a value that is smaller than limit.
    Return the result as soon as every other number follows.
    >>> has_small_elements([1, 5], 3)
    True
    """
'''
SOLUTION = """    found = []
    for index in range(len(numbers)):
        if numbers[index] < limit:
            found.append(numbers[index])
    # The rest is short.
    total = len(found)
    return total > 0
"""
TEST = """def check(candidate):
    assert candidate([1, 5], 3)
    assert not candidate([5], 3)

check(has_small_elements)"""
CODE = sorted(name for name, entry in ENTRIES.items() if entry.baseline == HALF)
WORDS = sorted(name for name, entry in ENTRIES.items() if entry.text == "en" and not entry.needs_llm)
NAMES = sorted(name for name in ENTRIES if name.startswith("recode_func"))


def problem_of(prompt: str = PROMPT, solution: str = SOLUTION, test: str = TEST, **changes: str) -> Problem:
    """A function to complete; its instruction quotes the prompt."""
    problem = Problem(
        task_id="own/0",
        prompt=prompt,
        instruction=f"Complete this:\n{prompt.strip()}\n",
        tests=(test,),
        entry_point="has_small_elements",
        reference=solution,
        wrong=("    return None\n",),
    )
    return replace(problem, **changes)  # type: ignore[arg-type]


def before(name: str, problem: Problem | None = None) -> Subject:
    """What a recipe is given: the problem, or the same with half of its solution."""
    subject = Subject(problem or problem_of(), "python")
    if ENTRIES[name].baseline != HALF:
        return subject
    half = half_solution(subject, Random(0), 1)
    assert half is not None
    return Subject(half, "python")


def made(name: str, problem: Problem | None = None, seed: int = 0) -> Problem | None:
    """A variant."""
    return ENTRIES[name].apply(before(name, problem), Random(seed), 1)


def passes(problem: Problem) -> bool:
    """Run a reference of this file."""
    assert problem.reference is not None
    names: dict[str, object] = {}
    try:
        exec(problem.setup + problem.prompt + problem.reference + "\n" + problem.tests[0], names)
    except (AssertionError, NameError, SyntaxError, TypeError):
        return False
    return True


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if not entry.needs_llm])
def test_every_recipe_makes_a_valid_variant_at_each_of_many_seeds(name: str) -> None:
    """Prompt and instruction change alike, what must be kept is kept, and the reference still passes."""
    subject = before(name)
    for seed in range(20):
        variant = ENTRIES[name].apply(subject, Random(seed), 1)
        assert variant is not None
        assert variant.prompt != subject.problem.prompt
        assert variant.prompt.strip() in variant.instruction
        assert check(ENTRIES[name], subject, variant).reason == "kept"
        assert passes(variant)


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if not entry.needs_llm])
def test_variant_follows_from_the_random_source_alone(name: str) -> None:
    """The same draws give the same variant, whatever was made before."""
    assert made(name, seed=3) == made(name, seed=3)


@pytest.mark.parametrize("name", WORDS)
def test_recipe_for_words_leaves_all_but_the_description_alone(name: str) -> None:
    """ReCode's own variants change examples and closing quotes."""
    variant = made(name)
    assert variant is not None
    for text in (
        'limit: int) -> bool:\n    """ ',
        '    >>> has_small_elements([1, 5], 3)\n    True\n    """\n',
        "limit",
    ):
        assert text in variant.prompt
    assert (variant.reference, variant.tests) == (SOLUTION, (TEST,))


@pytest.mark.parametrize("name", WORDS)
def test_recipe_for_words_needs_a_description(name: str) -> None:
    """A docstring of examples alone has no words to change."""
    prompt = PROMPT.replace("Check if the given numbers contain a value that is smaller than limit.\n", "\n")
    bare = prompt.replace("    Return the result as soon as every other number follows.\n", "")
    assert made(name, problem_of(bare)) is None


def test_butter_fingers_takes_six_letters_of_a_hundred() -> None:
    """ReCode's probability of 0.05 is 6 % as it draws."""
    counts = [
        sum(a != b for a, b in zip(PROMPT, _text("recode_butter_fingers", seed), strict=True)) for seed in range(200)
    ]
    letters = sum(len(word.text) for word in before("recode_butter_fingers").words if len(word.text) > 1)
    assert 0.05 < sum(counts) / (200 * letters) < 0.07


def _text(name: str, seed: int) -> str:
    variant = made(name, seed=seed)
    assert variant is not None
    return variant.prompt


def test_change_of_case_changes_nothing_else() -> None:
    """The letters are the same."""
    for seed in range(20):
        assert _text("recode_change_char_case", seed).lower() == PROMPT.lower()


def test_whitespace_moves_blanks_only() -> None:
    """Without blanks the description is the same."""
    for seed in range(20):
        assert "".join(_text("recode_whitespace", seed).split()) == "".join(PROMPT.split())


def test_word_that_would_become_a_quoted_name_is_left_alone() -> None:
    """`in` with its letters exchanged may be a name that the description tells of."""
    text = PROMPT.replace("smaller than limit.", "smaller than `ni` in it.")
    for seed in range(40):
        variant = made("recode_swap_characters", problem_of(text), seed)
        assert variant is not None
        assert len(re.findall(r"\bni\b", variant.prompt)) == 1


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("recode_tense_past", ("Checked if", "that was", "Returned the")),
        ("recode_tense_future", ("Will check if", "that will be", "Will return the")),
    ],
)
def test_tense_of_verbs_changes(name: str, texts: tuple[str, ...]) -> None:
    """Verbs at the beginning of sentences and forms of `be`."""
    assert all(text in _text(name, 0) for text in texts)


def test_synonym_is_inserted_after_its_word_or_put_in_its_place() -> None:
    """Insertion only adds, substitution takes away."""
    kept = set(PROMPT.split())
    assert kept <= set(_text("recode_synonym_insertion", 1).split())
    assert not kept <= set(_text("recode_synonym_substitution", 1).split())


@pytest.mark.parametrize("name", NAMES)
def test_function_is_renamed_in_prompt_solution_and_tests(name: str) -> None:
    """ReCode renames the prompt alone, so that solutions that call themselves fail."""
    recursive = "    return numbers != [] and (numbers[0] < limit or has_small_elements(numbers[1:], limit))\n"
    variant = made(name, problem_of(solution=recursive))
    assert variant is not None
    assert variant.entry_point is not None
    assert variant.entry_point.isidentifier()
    assert "has_small_elements" not in variant.prompt + str(variant.reference) + variant.tests[0] + variant.instruction
    assert f">>> {variant.entry_point}([1, 5], 3)" in variant.prompt
    assert passes(variant)


def test_camel_case_goes_both_ways() -> None:
    """Names with underscores become camel case, and the other way round."""
    camel = made("recode_func_camel_case")
    assert camel is not None
    assert camel.entry_point == "hasSmallElements"
    back = made("recode_func_camel_case", camel)
    assert back is not None
    assert back.entry_point == "has_small_elements"


def test_short_name_is_renamed_where_it_is_meant_alone() -> None:
    """A function called f is not looked for in `def` and `if`."""
    prompt = 'def f(n):\n    """ Return half of the first number if f(n) is small, and add it. """\n'
    problem = problem_of(prompt, "    of = n // 2\n    return of\n", "assert f(4) == 2", entry_point="f")
    variant = made("recode_func_change_char", problem)
    assert variant is not None
    assert variant.prompt == 'def F(n):\n    """ Return half of the first number if F(n) is small, and add it. """\n'
    assert variant.tests == ("assert F(4) == 2",)


def test_function_whose_name_is_also_a_variable_is_not_renamed() -> None:
    """What is assigned to the name is not followed."""
    assert made("recode_func_camel_case", problem_of(solution="    has_small_elements = 1\n    return limit\n")) is None


def test_prompt_without_code_is_renamed_as_text() -> None:
    """Where the prompt is a sentence and a test, the name stands there too."""
    problem = Problem(
        task_id="own/1",
        prompt='"""\nWrite a function that doubles.\nassert double_it(2) == 4\n"""\n',
        instruction="Write a function that doubles. It should pass:\nassert double_it(2) == 4\n",
        tests=("assert double_it(2) == 4",),
        entry_point="double_it",
        reference="def double_it(n):\n    return n * 2\n",
        wrong=("def double_it(*args):\n    pass\n",),
    )
    variant = ENTRIES["recode_func_camel_case"].apply(Subject(problem, "python"), Random(0), 1)
    assert variant is not None
    assert all("doubleIt" in text and "double_it" not in text for text in (variant.prompt, variant.instruction))
    assert (variant.tests, variant.reference) == (("assert doubleIt(2) == 4",), "def doubleIt(n):\n    return n * 2\n")
    assert variant.wrong == ("def doubleIt(*args):\n    pass\n",)


def test_variable_that_is_mentioned_most_is_renamed_in_both_halves() -> None:
    """The rest of the solution uses the new name too."""
    variant = made("recode_var_renamer_naive")
    assert variant is not None
    assert "for VAR_0 in range" in variant.prompt or "VAR_0 = []" in variant.prompt
    names = {
        node.id for node in ast.walk(ast.parse(variant.prompt + str(variant.reference))) if isinstance(node, ast.Name)
    }
    assert "VAR_0" in names
    assert len({"found", "index"} & names) == 1


@pytest.mark.parametrize("line", ["text = f'{found}'", "locals()", "def inner(found):\n        return found"])
def test_variable_is_left_alone_where_its_name_is_used_otherwise(line: str) -> None:
    """Formatted strings, names as text and parameters are not followed."""
    solution = (
        "    found = [found for found in numbers]\n    found += found\n"
        f"    {line}\n    return any(n < limit for n in found)\n"
    )
    assert "VAR_0" not in str(made("recode_var_renamer_naive", problem_of(solution=solution)))


def test_tabs_replace_one_level_whatever_its_blanks() -> None:
    """Two and four blanks are one level each; texts of several lines stay as they are."""
    solution = (
        "    text = '''a\n    b'''\n    if numbers:\n      for n in numbers:\n          limit -= n < 0\n"
        "    return len(text) == 7 and any(n < limit for n in numbers)\n"
    )
    variant = made("recode_tab_indent", problem_of(solution=solution))
    assert variant is not None
    whole = variant.prompt + str(variant.reference)
    assert "\ttext = '''a\n    b'''\n\tif numbers:\n\t\tfor n in numbers:\n\t\t\tlimit -= n < 0\n" in whole
    assert passes(variant)


def test_longest_line_is_split_between_words() -> None:
    """Texts and comments stay whole, and the syntax tree is the same."""
    solution = "    text = 'a b c d e f g h i j k l m n o p'\n    numbers = list(numbers)\n    # " + "long " * 20
    solution += "\n    limit = limit + len(text) * 0\n    return any(n < limit for n in numbers)\n"
    before_it = before("recode_split_lines", problem_of(solution=solution))
    variant = made("recode_split_lines", problem_of(solution=solution))
    assert variant is not None
    assert "    text = \\\n'a b c" in variant.prompt
    assert same_structure(before_it, Subject(variant, "python"))


def test_docstring_becomes_comments() -> None:
    """Every line of it, the examples too."""
    text = _text("recode_doc2comments", 0)
    assert '"""' not in text
    assert "    # Check if the given numbers" in text
    assert "\n    # >>> has_small_elements([1, 5], 3)\n    # True\n" in text


@pytest.mark.parametrize("name", ["recode_new_lines", "recode_new_line_after_code", "recode_new_line_after_doc"])
def test_empty_lines_are_all_that_is_added(name: str) -> None:
    """The other lines stay, in order."""
    half = before(name).problem
    variant = made(name)
    assert variant is not None
    assert [line for line in variant.prompt.split("\n") if line] == [line for line in half.prompt.split("\n") if line]
    assert variant.reference == half.reference


def test_empty_line_is_not_put_into_a_text() -> None:
    """Nor after a backslash."""
    solution = (
        "    a = '''x\ny'''\n    b = 1 + \\\n        len(a)\n"
        "    limit += b - 4\n    return any(n < limit for n in numbers)\n"
    )
    for seed in range(20):
        variant = made("recode_new_lines", problem_of(solution=solution), seed)
        assert variant is not None
        assert passes(variant)


@pytest.mark.parametrize("name", CODE)
def test_recipe_for_code_needs_given_code(name: str) -> None:
    """A problem whose solution does not continue its prompt has none."""
    whole = replace(problem_of(), prompt='"""\nWrite has_small_elements.\n"""\n', reference=PROMPT + SOLUTION)
    assert ENTRIES[name].apply(Subject(whole, "python"), Random(0), 1) is None


def test_back_translation_needs_a_language_model() -> None:
    """Each line is rewritten by it; without one there is no variant."""
    assert made("recode_back_translation") is None
    subject = Subject(problem_of(), "python", rewrite=lambda request, text: text.replace("the given", "these"))
    variant = ENTRIES["recode_back_translation"].apply(subject, Random(0), 1)
    assert variant is not None
    assert "Check if these numbers contain" in variant.prompt


def test_back_translation_that_would_end_the_docstring_is_refused() -> None:
    """ReCode's own variants lost their closing quotes here."""
    subject = Subject(problem_of(), "python", rewrite=lambda request, text: '"""')
    assert ENTRIES["recode_back_translation"].apply(subject, Random(0), 1) is None


def test_every_recipe_is_one_that_was_released() -> None:
    """Names agree with those of the released variants; two of these have no counterpart here."""
    released = {recipe.name for recipe in RECIPES}
    assert released - set(ENTRIES) == {"recode_dead_code_last", "recode_var_renamer_cb"}
    assert set(ENTRIES) <= released
