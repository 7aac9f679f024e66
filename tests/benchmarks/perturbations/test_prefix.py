"""Given code: where the first half ends, and remarks in it."""

from __future__ import annotations

import ast
import re
from random import Random

import pytest

from benchmarks.perturbations.check import check
from benchmarks.perturbations.perturbation import HALF
from benchmarks.perturbations.prefix import _DOUBTS, _ORDERS, _PLANS, TABLE, half_solution
from benchmarks.perturbations.subject import Subject
from benchmarks.problem import Problem
from tests.benchmarks.perturbations.own_problems import PROBLEMS

ENTRIES = {entry.name: entry for entry in TABLE}
LANGUAGES = {name: {"js": "javascript"}.get(name, name) for name in ("python", "cpp", "java", "js", "go", "rust")}
MISLEADING = {text for table in (_DOUBTS, _ORDERS) for texts in table.values() for text in texts}
PROMPT = 'def pick(items):\n    """Pick the first item."""\n'


def problem_of(reference: str, prompt: str = PROMPT) -> Problem:
    return Problem(
        task_id="own/0",
        prompt=prompt,
        instruction=prompt,
        tests=("assert pick",),
        entry_point="pick",
        reference=reference,
    )


def half(problem: Problem, language: str = "python") -> Problem:
    """The problem with the first half of its solution given."""
    made = half_solution(Subject(problem, language), Random(0), 1)
    assert made is not None
    return made


def remarks(name: str, problem: Problem, language: str, severity: int, seed: int = 0) -> list[str]:
    """Lines that an entry adds to the given half."""
    subject = Subject(half(problem, language), language)
    made = ENTRIES[name].apply(subject, Random(seed), severity)
    assert made is not None and check(ENTRIES[name], subject, made).reason == "kept"
    assert made.reference == subject.problem.reference
    before, after = subject.problem.prompt.splitlines(), made.prompt.splitlines()
    added = [line for line in after if line.strip() and line not in before]
    assert [line for line in after if line not in added] == before
    return added


@pytest.mark.parametrize("name", LANGUAGES)
def test_both_halves_together_are_the_whole_program(name: str) -> None:
    problem = PROBLEMS[name]
    made = half(problem, LANGUAGES[name])
    assert made.prompt + (made.reference or "") == problem.prompt + (problem.reference or "")
    assert len(problem.prompt) < len(made.prompt) and made.prompt.endswith("\n") and (made.reference or "").strip()


def test_a_solution_of_one_statement_has_no_half() -> None:
    assert half_solution(Subject(problem_of("    return items[0]\n"), "python"), Random(0), 1) is None


def test_a_statement_of_several_lines_is_not_split() -> None:
    made = half(problem_of("    first = max(\n        items,\n        key=len,\n    )\n    return first\n"))
    assert made.reference == "    return first\n"


def test_a_decorator_stays_with_its_function() -> None:
    body = "    @staticmethod\n    def first(given):\n        return given[0]\n    return first(items)\n"
    made = half(problem_of("    count = 0\n" + body))
    assert not made.prompt.rstrip().endswith("@staticmethod")


def test_an_else_is_no_place_to_split() -> None:
    made = half(problem_of("    if items:\n        return 1\n    else:\n        return 2\n"))
    assert not (made.reference or "").startswith("    else")


def test_a_helper_behind_the_function_is_no_part_of_its_solution() -> None:
    helper = "\n\ndef unused(values):\n" + "".join(f"    step_{at} = {at}\n" for at in range(9)) + "    return values\n"
    made = half(problem_of("    first = items[0]\n    return first\n" + helper))
    assert made.reference == "    return first\n" + helper


def test_rules_of_a_switch_are_no_statements() -> None:
    prompt = "class Solution {\n    public String pick(int number) {\n"
    rules = "".join(f'            case {at} -> found = "{at}";\n' for at in range(6))
    head, tail = (
        '        String found = "";\n        switch (number) {\n',
        "        }\n        return found;\n    }\n}\n",
    )
    made = half(problem_of(head + rules + tail, prompt), "java")
    assert not (made.reference or "").lstrip().startswith("case")


@pytest.mark.parametrize("name", LANGUAGES)
@pytest.mark.parametrize("severity", [1, 2, 3])
def test_misleading_remarks_are_comment_lines_in_the_given_half(name: str, severity: int) -> None:
    mark = "#" if name == "python" else "//"
    for seed in range(5):
        added = remarks("misleading_comment", PROBLEMS[name], LANGUAGES[name], severity, seed)
        assert added and all(line.strip().removeprefix(f"{mark} ") in MISLEADING for line in added)


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_highest_severity_misleads_more_often(name: str) -> None:
    counts = [len(remarks("misleading_comment", PROBLEMS[name], LANGUAGES[name], severity)) for severity in (1, 2, 3)]
    assert counts[:2] == [1, 1] and counts[2] > 1


def test_a_remark_is_indented_as_the_statement_after_it_and_suits_it() -> None:
    problem = problem_of("    for item in items:\n        return item\n    found = 1\n    left = 2\n    return None\n")
    for seed in range(20):
        subject = Subject(half(problem), "python")
        made = ENTRIES["misleading_comment"].apply(subject, Random(seed), 1)
        assert made is not None and ast.parse(made.prompt + (made.reference or ""))
        match = re.search(r"^( *)# (.*)\n( *)(\w+)", made.prompt, re.MULTILINE)
        assert match is not None and match[1] == match[3]
        assert match[2] in _DOUBTS[{"for": "loop", "return": "result"}.get(match[4], "step")]


def test_no_remark_stands_before_the_docstring_or_in_a_helper() -> None:
    prompt = f"def helper(items):\n    return items\n\n\n{PROMPT}"
    problem = problem_of("    found = helper(items)\n    return found[0]\n", prompt)
    for seed in range(20):
        made = ENTRIES["misleading_comment"].apply(Subject(half(problem), "python"), Random(seed), 3)
        assert made is not None and made.prompt.startswith(prompt)


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_plan_is_one_remark_that_says_nothing_of_the_code(name: str) -> None:
    (added,) = remarks("todo_comment", PROBLEMS[name], LANGUAGES[name], 1)
    assert added.strip().lstrip("#/ ") in _PLANS


def test_untrue_remarks_are_marked_as_misleading_and_harmless_ones_are_not() -> None:
    assert ENTRIES["misleading_comment"].misleads and not ENTRIES["todo_comment"].misleads
    assert {entry.name for entry in TABLE if entry.baseline == HALF} == {"misleading_comment", "todo_comment"}
