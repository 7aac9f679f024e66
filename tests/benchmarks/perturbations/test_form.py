"""How a problem is asked: words of the request, frames, manners, and worked examples."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

import pytest

from benchmarks.humaneval import HumanEval
from benchmarks.perturbations.check import check
from benchmarks.perturbations.form import TABLE
from benchmarks.perturbations.form_tables import REQUESTS, SYSTEMS, TRAILERS
from benchmarks.perturbations.perturbation import Perturbation
from benchmarks.perturbations.subject import Subject
from benchmarks.problem import Manner, Problem, PromptForm
from benchmarks.prompt_template import PromptTemplate
from tests.benchmarks.perturbations.own_problems import PROBLEMS, PROVENANCE

ENTRIES = {entry.name: entry for entry in TABLE}
ONLY_CHAT = ("trailing_request", "markdown_heading", "xml_tags", "system_prompt", "plain_completion")
FENCE = "```"
REQUEST = "Complete the following Python function. Answer with the whole function in one markdown code block."
PROMPT = '''def double(number):
    """Give twice the number.

    Examples:
    >>> double(2)
    4
    >>> double(5)
    10
    >>> double(7)
    14
    """
'''


def problem_of(prompt: str = PROMPT, request: str = REQUEST, after: str = "") -> Problem:
    return Problem(
        task_id="own/0",
        prompt=prompt,
        instruction=f"{request}\n\n{FENCE}python\n{prompt.strip()}\n{FENCE}\n{after}",
        tests=("assert double(2) == 4",),
        entry_point="double",
        reference="    return 2 * number\n",
    )


def made(
    name: str,
    problem: Problem | None = None,
    form: PromptForm = "chat",
    *,
    severity: int = 1,
    seed: int = 0,
    num_shots: int = 0,
    language: str = "python",
) -> Problem | None:
    """A variant that keeps what it must; None where there is none."""
    subject = Subject(problem or problem_of(), language, form=form, num_shots=num_shots)
    variant = ENTRIES[name].apply(subject, Random(seed), severity)
    if variant is not None:
        assert check(ENTRIES[name], subject, variant).reason == "kept"
    return variant


def instruction(name: str, problem: Problem | None = None, seed: int = 0) -> str:
    variant = made(name, problem, seed=seed)
    assert variant is not None
    return variant.instruction


@pytest.mark.parametrize("name", ONLY_CHAT)
def test_what_only_a_chat_model_is_told_does_not_apply_to_a_prompt_that_is_continued(name: str) -> None:
    assert made(name, form="base") is None and made(name, form="chat") is not None


@pytest.mark.parametrize("name", [name for name in ONLY_CHAT if name not in ("system_prompt", "plain_completion")])
def test_a_frame_leaves_code_and_request_as_they_are(name: str) -> None:
    for seed in range(5):
        told = instruction(name, seed=seed)
        assert REQUEST in told and f"{FENCE}python\n{PROMPT.strip()}\n{FENCE}" in told


def test_the_request_has_other_words_around_the_same_code() -> None:
    found = {instruction("instruction_wording", seed=seed) for seed in range(20)}
    assert len(found) >= 4
    assert all(REQUEST not in told and "Python function" in told for told in found)
    assert all(f"{FENCE}python\n{PROMPT.strip()}\n{FENCE}" in told for told in found)


def test_a_request_in_chinese_is_worded_in_chinese() -> None:
    problem = problem_of(request="请补全下面的 Python 函数，用一个 markdown 代码块给出完整的函数。")
    told = instruction("instruction_wording", problem).split(FENCE)[0]
    assert "Python 函数" in told and "代码块" in told and problem.instruction.split(FENCE)[0] != told


def test_a_task_within_the_request_stays_when_the_words_before_it_change() -> None:
    task = "Write a function to double. Your code should pass these tests:\n\nassert double(1) == 2\n"
    problem = replace(problem_of(), instruction=f"You are an expert Python programmer, and here is your task: {task}")
    assert instruction("instruction_wording", problem).endswith(f": {task}")


def test_a_request_in_words_that_nobody_knows_is_left_alone() -> None:
    assert made("instruction_wording", problem_of(request="Mend this, with care for its third line.")) is None


@pytest.mark.parametrize("wordings", [wordings for _, wordings in REQUESTS])
def test_there_are_several_wordings_of_each_request(wordings: tuple[str, ...]) -> None:
    assert len(set(wordings)) == len(wordings) >= 2


@pytest.mark.parametrize("name", ["python", "cpp", "java", "js", "go", "rust"])
@pytest.mark.parametrize("perturbation", ["instruction_wording", "stated_language"])
def test_a_continued_prompt_begins_with_one_comment_line_that_is_no_part_of_its_description(
    name: str, perturbation: str
) -> None:
    problem = PROBLEMS[name]
    language = {"js": "javascript"}.get(name, name)
    variant = made(perturbation, problem, "base", language=language)
    assert variant is not None and variant.prompt.endswith(problem.prompt) and variant.reference == problem.reference
    first, *between = variant.prompt.removesuffix(problem.prompt).split("\n")
    assert first.startswith("# " if name == "python" else "// ") and not "".join(between)


def test_a_file_whose_first_line_has_a_meaning_gets_no_line_before_it() -> None:
    prompt = "#!/usr/bin/env python\n" + PROMPT
    assert made("instruction_wording", problem_of(prompt), "base") is None


def test_the_language_is_named_truly() -> None:
    assert all("Python" in instruction("stated_language", seed=seed).split(FENCE)[-1] for seed in range(6))


def test_the_wish_for_code_alone_comes_last() -> None:
    told = instruction("trailing_request")
    assert told.splitlines()[-1] in TRAILERS["en"] and told.startswith(problem_of().instruction.rstrip())


def test_a_request_for_something_else_than_code_does_not_end_so() -> None:
    problem = replace(problem_of(), instruction="What does it print? Answer with one number.")
    assert made("trailing_request", problem) is None


def test_tags_close_around_request_code_and_what_follows() -> None:
    told = instruction("xml_tags", problem_of(after="\nIt must be fast.\n"))
    opened, closed = re.findall(r"^<(\w+)>$", told, re.MULTILINE), re.findall(r"^</(\w+)>$", told, re.MULTILINE)
    assert opened == closed and len(opened) == 3 and "It must be fast." in told


def test_headings_stand_before_request_and_code() -> None:
    told = instruction("markdown_heading")
    assert told.startswith("#") and told.split(FENCE)[0].count("\n#") == 1


def test_a_system_message_is_one_of_several_and_reaches_the_model() -> None:
    variants = [made("system_prompt", seed=seed) for seed in range(20)]
    told = {variant.manner.system for variant in variants if variant is not None and variant.manner is not None}
    assert len(told) > 2 and told <= set(SYSTEMS["en"])
    asked = benchmark().ask(variants[0] or problem_of(), "chat")
    assert [message.role for message in asked.messages] == ["system", "user"]


def test_a_chat_model_continues_the_plain_prompt_whatever_system_message_its_run_has() -> None:
    variant = made("plain_completion")
    assert variant is not None
    told = benchmark().asked_with(PromptTemplate(name="own", system="Be kind.")).ask(variant, "chat")
    assert (told.form, told.text, told.messages) == ("base", PROMPT, ())


def test_a_prompt_that_breaks_off_within_a_line_is_not_asked_for_its_plain_completion() -> None:
    assert made("plain_completion", problem_of(PROMPT + "    return")) is None


def test_a_manner_that_the_problem_has_is_kept_beside_the_new_one() -> None:
    variant = made("system_prompt", replace(problem_of(), manner=Manner(shots=(0,))))
    assert variant is not None and variant.manner is not None
    assert variant.manner.shots == (0,) and variant.manner.system


def test_solved_examples_are_all_shown_in_another_order() -> None:
    for seed in range(20):
        variant = made("few_shot_order", num_shots=3, seed=seed)
        assert variant is not None and variant.manner is not None and variant.manner.shots is not None
        assert sorted(variant.manner.shots) == [0, 1, 2] and variant.manner.shots != (0, 1, 2)


def test_a_single_solved_example_has_no_other_order() -> None:
    assert made("few_shot_order", num_shots=1) is None and made("few_shot_order") is None


@pytest.mark.parametrize(
    ("num_shots", "counts"), [(0, [None, None, None]), (1, [None, 0, None]), (2, [None, 1, 0]), (4, [3, 2, 0])]
)
def test_fewer_solved_examples_are_shown_and_each_severity_shows_another_number(
    num_shots: int, counts: list[int | None]
) -> None:
    found: list[int | None] = []
    for severity in (1, 2, 3):
        variant = made("example_count", num_shots=num_shots, severity=severity)
        shots = variant.manner.shots if variant is not None and variant.manner is not None else None
        found.append(None if shots is None else len(shots))
    assert found == counts


def test_worked_examples_and_their_heading_are_left_out_and_the_sentence_stays() -> None:
    variant = made("missing_examples")
    assert variant is not None
    assert variant.prompt == 'def double(number):\n    """Give twice the number.\n\n    """\n'
    assert ">>>" not in variant.instruction and "Give twice the number." in variant.instruction


def test_a_note_behind_an_example_is_no_part_of_it() -> None:
    prompt = PROMPT.replace("    14\n", "    14\n\n    Note that negative numbers stay negative.\n")
    variant = made("missing_examples", problem_of(prompt))
    assert variant is not None and "Note that negative numbers" in variant.prompt and ">>>" not in variant.prompt


def test_examples_are_left_out_of_comments_of_other_languages_whole_lines_at_a_time() -> None:
    for name in ("cpp", "java", "js", "go"):
        problem = PROBLEMS[name]
        variant = made("missing_examples", problem, "base", language={"js": "javascript"}.get(name, name))
        assert variant is not None and ">>>" not in variant.prompt
        assert len(variant.prompt.splitlines()) < len(problem.prompt.splitlines())


def test_examples_stay_where_nothing_else_tells_how_the_function_is_called() -> None:
    problem = replace(
        problem_of('"""\nGive twice the number.\nassert double(2) == 4\n"""\n'),
        reference="def double(number):\n    return 2 * number\n",
    )
    assert made("missing_examples", problem, "base") is None


def test_examples_stay_where_they_are_the_whole_description() -> None:
    assert (
        made("missing_examples", problem_of('def double(number):\n    """\n    >>> double(2)\n    4\n    """\n'))
        is None
    )


def test_worked_examples_keep_their_results_in_another_order() -> None:
    for seed in range(10):
        variant = made("example_order", seed=seed)
        assert variant is not None and variant.prompt != PROMPT
        assert all(
            shown in variant.prompt for shown in ("double(2)\n    4\n", "double(5)\n    10\n", "double(7)\n    14\n")
        )


def test_a_single_worked_example_has_no_other_order() -> None:
    prompt = 'def double(number):\n    """Give twice the number.\n    >>> double(2)\n    4\n    """\n'
    assert made("example_order", problem_of(prompt)) is None


def test_tests_that_a_request_quotes_are_shown_in_another_order() -> None:
    tests = ("assert double(1) == 2", "assert double(2) == 4", "assert double(3) == 6")
    shown = "\n".join(tests)
    problem = replace(
        problem_of("Give twice the number.\n"),
        instruction=f"Pass these tests:\n\n{shown}\n\nGo.\n",
        tests=tests,
        reference="def double(number):\n    return 2 * number\n",
    )
    told = instruction("example_order", problem)
    assert told != problem.instruction and sorted(told) == sorted(problem.instruction)
    assert all(test in told.splitlines() for test in tests)


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)
def test_reference_and_tests_stay_however_a_problem_is_asked(entry: Perturbation) -> None:
    problem = problem_of()
    variant = made(entry.name, severity=2, num_shots=3)
    assert variant is not None
    assert (variant.reference, variant.tests, variant.entry_point) == (problem.reference, problem.tests, "double")


def benchmark() -> HumanEval:
    return HumanEval([problem_of()], PROVENANCE)
