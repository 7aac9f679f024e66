"""Which of a prompt is prose, which words may change, and how edits reach prompt, instruction and reference."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.perturbations.subject import Edit, Subject, edited, renamed_words
from benchmarks.problem import Problem
from tests.benchmarks.perturbations.own_problems import PROBLEMS, own_benchmark, python_problem


def subject_of(name: str) -> Subject:
    return Subject(PROBLEMS[name], own_benchmark(name).language)


def prose(subject: Subject) -> list[str]:
    """Its prose lines as text."""
    return [subject.problem.prompt[line.start : line.end] for line in subject.lines]


@pytest.mark.parametrize("name", ["python", "cpp", "java", "js", "go", "rust"])
def test_prose_is_the_description_without_its_worked_examples(name: str) -> None:
    assert prose(subject_of(name)) == [
        "Given a list of prices and a limit, count how many prices are not greater than the limit.",
        "Don't count a price that is zero. Skip the color of the two labels. Return the count of the remaining ones.",
    ]


def test_chinese_prose_is_recognised() -> None:
    assert (subject_of("python_zh").text, subject_of("python").text) == ("zh", "en")


def test_types_identifiers_and_quoted_words_are_protected() -> None:
    words = {word.text for word in subject_of("python").words}
    assert {"count", "greater", "Don't"} <= words
    assert not {"list", "prices", "limit"} & words


@pytest.mark.parametrize(
    "line", ['Say "never" to some_name or `code` and 2nd runs', "Say 'never' to fooBar and x.y runs"]
)
def test_words_that_look_like_code_are_protected(line: str) -> None:
    problem = python_problem((line, "Return it."))
    words = {word.text for word in Subject(problem, "python").words}
    assert {"Say", "to", "and", "runs"} <= words
    assert not {"never", "some", "name", "code", "nd", "fooBar", "x", "y"} & words


def test_a_line_that_ends_in_an_example_is_prose_up_to_it() -> None:
    problem = replace(
        python_problem(),
        prompt='def twice(n):\n    """Return the number times two: twice(2) == 4."""\n',
        entry_point="twice",
    )
    assert prose(Subject(problem, "python")) == ["Return the number times two"]


def test_the_docstring_is_found_where_half_of_the_body_is_given() -> None:
    problem = python_problem()
    cut = problem.reference.index("        if price")  # type: ignore[union-attr]
    half = replace(problem, prompt=problem.prompt + problem.reference[:cut], reference=problem.reference[cut:])  # type: ignore[index]
    assert prose(Subject(half, "python")) == prose(Subject(problem, "python"))


def test_reference_and_prompt_are_one_program_where_the_one_continues_the_other() -> None:
    mbpp = Problem(
        task_id="m",
        prompt='"""\nAdd two numbers.\nassert add(1, 2) == 3\n"""\n',
        instruction="Add two numbers.",
        tests=("assert add(1, 2) == 3",),
        entry_point="add",
        reference="def add(a, b):\n    return a + b\n",
    )
    assert subject_of("python").joined
    assert not Subject(mbpp, "python").joined


def test_edits_of_prose_reach_an_instruction_that_tells_the_same_in_other_form() -> None:
    problem = Problem(
        task_id="m",
        prompt='"""\nAdd two numbers together.\nassert add(1, 2) == 3\n"""\n',
        instruction="Your task: Add two numbers together. It should pass: assert add(1, 2) == 3",
        tests=("assert add(1, 2) == 3",),
        entry_point="add",
        reference="def add(a, b):\n    return a + b\n",
    )
    subject = Subject(problem, "python")
    word = next(word for word in subject.words if word.text == "together")
    changed = subject.with_prose([Edit(word.start, word.end, "up")])
    assert changed is not None
    assert changed.prompt == '"""\nAdd two numbers up.\nassert add(1, 2) == 3\n"""\n'
    assert changed.instruction == "Your task: Add two numbers up. It should pass: assert add(1, 2) == 3"


def test_an_instruction_that_does_not_quote_the_description_has_no_variant() -> None:
    subject = Subject(replace(python_problem(), instruction="Do what I mean."), "python")
    word = subject.words[0]
    assert subject.with_prose([Edit(word.start, word.end, "Taking")]) is None


def test_edits_move_the_end_of_the_prompt_with_them() -> None:
    subject = subject_of("python")
    name = subject.source.index("count_cheap")
    changed = subject.with_edits(
        [Edit(name, name + len("count_cheap"), "f"), Edit(subject.split, subject.split, "    x = 1\n")]
    )
    assert changed is not None and changed.reference is not None
    assert changed.prompt.endswith('"""\n') and "def f(" in changed.prompt
    assert changed.reference.startswith("    x = 1\n    total = 0\n")


def test_an_edit_across_the_end_of_the_prompt_is_refused() -> None:
    subject = subject_of("python")
    assert subject.with_edits([Edit(subject.split - 1, subject.split + 1, "")]) is None


def test_edits_that_overlap_are_an_error() -> None:
    with pytest.raises(ValueError, match="overlaps"):
        edited("abcdef", [Edit(0, 3, "x"), Edit(2, 4, "y")])


def test_names_are_replaced_as_whole_words_only() -> None:
    assert renamed_words("f(ff, f) + x.f2 + f", {"f": "g"}) == "g(ff, g) + x.f2 + g"
