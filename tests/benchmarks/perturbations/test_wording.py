"""Changes of English wording: what each does, and what it leaves alone."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from benchmarks.perturbations.catalogue import catalogue
from benchmarks.perturbations.subject import Subject
from benchmarks.problem import Problem
from tests.benchmarks.perturbations.own_problems import PROBLEMS, python_problem

FIRST = "Given a list of prices and a limit, count how many prices are not greater than the limit."
SECOND = "Don't count a price that is zero. Return the count of the remaining ones."


def description(problem: Problem | None) -> list[str]:
    """Its prose lines."""
    assert problem is not None
    subject = Subject(problem, "python")
    return [problem.prompt[line.start : line.end] for line in subject.lines]


def made(name: str, *text: str, severity: int = 1, seed: int = 0) -> list[str]:
    """The prose that a perturbation makes of these two lines."""
    subject = Subject(python_problem(text or (FIRST, SECOND)), "python")
    return description(catalogue()[name].apply(subject, Random(seed), severity))


def changed_words(before: str, after: str) -> list[tuple[str, str]]:
    """Words at the same place that differ."""
    return [(a, b) for a, b in zip(before.split(), after.split(), strict=True) if a != b]


@pytest.mark.parametrize(
    ("name", "longer"),
    [("keyboard_typos", 0), ("swapped_letters", 0), ("dropped_letters", -1), ("repeated_letters", 1)],
)
def test_a_typo_changes_one_letter_of_a_long_word_and_never_its_first(name: str, longer: int) -> None:
    for seed in range(20):
        [(before, after)] = changed_words(f"{FIRST} {SECOND}", " ".join(made(name, seed=seed)))
        assert len(before) >= 4 and before[0] == after[0] and len(after) - len(before) == longer


def test_more_words_have_typos_at_a_higher_severity() -> None:
    counts = [
        len(changed_words(f"{FIRST} {SECOND}", " ".join(made("keyboard_typos", severity=level)))) for level in (1, 2, 3)
    ]
    assert counts == [1, 2, 3]


def test_letters_change_their_case_and_nothing_else() -> None:
    after = made("letter_case", severity=3)
    assert after != [FIRST, SECOND]
    assert [line.lower() for line in after] == [FIRST.lower(), SECOND.lower()]


def test_blanks_alone_change_in_whitespace_noise() -> None:
    after = made("whitespace_noise", severity=3)
    assert after != [FIRST, SECOND]
    assert ["".join(line.split()) for line in after] == ["".join(line.split()) for line in (FIRST, SECOND)]


def test_a_repeated_word_stands_beside_itself() -> None:
    for seed in range(10):
        words = " ".join(made("repeated_words", seed=seed)).lower().replace(".", "").replace(",", "").split()
        assert any(a == b for a, b in pairwise(words))


def test_only_articles_and_prepositions_are_dropped() -> None:
    lost = set(f"{FIRST} {SECOND}".split()) - set(" ".join(made("dropped_small_words", severity=3)).split())
    assert lost <= {"a", "of", "the", "than"}


def test_punctuation_within_numbers_and_examples_stays() -> None:
    text = ("Return the value 1.5, or the nearest, always.", "Nothing else matters.")
    assert made("dropped_punctuation", *text, severity=3)[0] == "Return the value 1.5, or the nearest always"


def test_a_synonym_keeps_the_case_of_its_word() -> None:
    found = {made("synonyms", "Return only the result.", "Nothing more of it.", seed=seed)[0] for seed in range(20)}
    assert {"Give back only the result.", "Return just the result."} <= found


def test_contractions_go_both_ways() -> None:
    text = ("Don't take it if it is not there.", "Nothing more of it.")
    assert made("contractions", *text)[0] in ("Do not take it if it's not there.", "Do not take it if it isn't there.")


def test_british_spelling_becomes_american_and_the_other_way_round() -> None:
    text = ("Normalize the colour at the center of it.", "Nothing more of it.")
    assert made("spelling_us_uk", *text)[0] == "Normalise the color at the centre of it."


def test_small_numbers_become_words_and_words_numbers_but_not_within_code_or_decimals() -> None:
    text = ("Take 3 of them, then two more than -1 or 2.5 or 7%.", "Nothing more of it.")
    assert made("number_words", *text)[0] == "Take three of them, then 2 more than -1 or 2.5 or 7%."


def test_verbs_are_put_into_another_tense() -> None:
    text = ("Return what is left.", "Nothing more of it.")
    found = {made("tense", *text, seed=seed)[0] for seed in range(10)}
    assert found == {"Returned what was left.", "Will return what will be left."}


def test_politeness_asks_with_please_a_greeting_and_thanks() -> None:
    text = ("Return what is left.", "Nothing more of it.")
    assert made("politeness", *text, severity=1)[0] == "Please return what is left."
    assert made("politeness", *text, severity=2)[0].endswith(" Return what is left.")
    polite = " ".join(made("politeness", *text, severity=3))
    assert "Please return" in polite and polite.endswith(("much.", "advance.", "help."))


def test_fillers_stand_at_the_beginning_of_sentences_alone() -> None:
    [line, _] = made("filler", "Return what is left. Count it.", "nothing more of it", severity=2)
    assert line.endswith(", count it.") and ", return what is left. " in line


@pytest.mark.parametrize("name", ["redundant_sentence", "distractor_sentence"])
@pytest.mark.parametrize("severity", [1, 2, 3])
def test_as_many_sentences_are_added_as_the_severity_says(name: str, severity: int) -> None:
    after = " ".join(made(name, severity=severity))
    assert after.count(".") == f"{FIRST} {SECOND}".count(".") + severity
    assert all(sentence in after for sentence in ("Given a list of prices", "Return the count"))


def test_sentences_that_refer_to_others_stay_where_they_are() -> None:
    free = ("Count the big ones. Ignore the small ones.", "It is all.")
    bound = ("Count the big ones. Then ignore them.", "It is all.")
    assert made("reordered_sentences", *free)[0] == "Ignore the small ones. Count the big ones."
    subject = Subject(python_problem(bound), "python")
    assert catalogue()["reordered_sentences"].apply(subject, Random(0), 1) is None


def test_a_request_becomes_a_question() -> None:
    [line, _] = made("interrogative", "Return what is left.", "Nothing more of it.")
    assert line in {f"{words} return what is left?" for words in ("Can you", "Could you", "Would you")}


def rewording(name: str, *answers: str) -> Problem | None:
    """What an entry makes of the problem where a language model says these, one after another."""
    left = list(answers)
    subject = Subject(PROBLEMS["python"], "python", rewrite=lambda request, text: left.pop(0))
    return catalogue()[name].apply(subject, Random(0), 1)


def test_a_language_models_words_stand_where_the_prose_was() -> None:
    found = rewording("paraphrase", '"How many prices\nare within the limit?"')
    assert description(found) == ["How many prices are within the limit?"]
    assert found is not None and ">>> count_cheap([1, 5, 0, 3], 3)" in found.prompt


def test_a_translation_goes_there_and_back() -> None:
    assert description(rewording("back_translation", "有多少价格", "How many prices are there in it?")) == [
        "How many prices are there in it?"
    ]


@pytest.mark.parametrize("answer", ["", "  ", 'Say """ here.', "a \\n b", "ends */ early"])
def test_an_answer_that_would_break_the_program_is_refused(answer: str) -> None:
    assert rewording("paraphrase", answer) is None


def test_without_a_language_model_nothing_is_reworded() -> None:
    subject = Subject(PROBLEMS["python"], "python")
    for entry in catalogue().values():
        if entry.needs_llm:
            assert entry.apply(subject, Random(0), 1) is None
