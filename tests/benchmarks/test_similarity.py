"""BLEU, edit similarity, exact match and the four metrics together, against values by hand or by definition."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections import Counter

import pytest

from benchmarks.code_grammars import code_tokens
from benchmarks.similarity import LANGUAGES, MAX_CHARACTERS, bleu, edit_similarity, exact_match, similarity
from runners.languages import LANGUAGES as RUNNABLE

ADD = "def add(a, b):\n    total = a + b\n    return total\n"
HOSTILE = {
    "ten thousand opening brackets": "(" * 10_000,
    "nested four thousand deep": "(" * 4_000 + "x" + ")" * 4_000,
    "two hundred kilobytes": "x = a + b\n" * 20_000,
    "null bytes": "a\0b = \0\n" * 2_000,
    "lone surrogates": "x = '\ud800\udfff'\n" * 1_000,
    "a chain of assignments": "a = " * 4_000 + "1",
    "unclosed strings": "'''" * 2_000,
    "broken syntax": "def f(:\n  return ) = \n}{ class if\n",
}


def brute_bleu(candidate: list[str], reference: list[str]) -> float:
    """Papineni's formula word by word, with 0.1 matches where there are none."""
    precisions = []
    for order in range(1, min(4, len(candidate)) + 1):
        grams = [tuple(candidate[at : at + order]) for at in range(len(candidate) - order + 1)]
        left = Counter(tuple(reference[at : at + order]) for at in range(len(reference) - order + 1))
        matches = 0
        for gram in grams:
            matches += left[gram] > 0
            left[gram] -= 1
        precisions.append((matches or 0.1) / len(grams))
    if not set(candidate) & set(reference):
        return 0.0
    brevity = min(1.0, math.exp(1 - len(reference) / len(candidate)))
    return brevity * math.prod(precisions) ** (1 / len(precisions))


def brute_edit_similarity(candidate: str, reference: str) -> float:
    """Twice the longest common subsequence over both lengths, which is the indel ratio."""
    row = [0] * (len(reference) + 1)
    for left in candidate:
        above = row[:]
        for at, right in enumerate(reference):
            row[at + 1] = above[at] + 1 if left == right else max(above[at + 1], row[at])
    return 2 * row[-1] / (len(candidate) + len(reference))


@pytest.mark.parametrize(
    ("candidate", "reference", "expected"),
    [
        ("a b c d e", "a b c d f", (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25),
        ("a b c d", "a b c d e f", math.exp(1 - 6 / 4)),
        ("a b c d e f", "a b c d", (4 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25),
        ("a x b y", "a b c d", (2 / 4 * 0.1 / 3 * 0.1 / 2 * 0.1 / 1) ** 0.25),
        ("a a a a", "a b c d", (1 / 4 * 0.1 / 3 * 0.1 / 2 * 0.1 / 1) ** 0.25),
        ("a", "a b", math.exp(1 - 2)),
        ("x y z w", "a b c d", 0.0),
        ("", "a", 0.0),
        ("a", "", 0.0),
        (" ", "\n", 1.0),
    ],
)
def test_bleu_has_the_value_that_its_formula_gives_by_hand(candidate: str, reference: str, expected: float) -> None:
    """Clipped precisions, brevity penalty, floor smoothing, the orders of short candidates, and nothing at all."""
    assert bleu(candidate, reference) == pytest.approx(expected)


def test_bleu_of_random_tokens_is_the_formulas_value() -> None:
    """Hundreds of pairs agree with a second implementation."""
    rng = random.Random(0)
    for _ in range(300):
        candidate, reference = ([rng.choice("abc+(") for _ in range(rng.randint(1, 12))] for _ in range(2))
        assert bleu(" ".join(candidate), " ".join(reference)) == pytest.approx(brute_bleu(candidate, reference))


def test_tokens_are_words_numbers_and_single_punctuation_characters() -> None:
    """Blanks separate and count no further; case is kept."""
    assert code_tokens("if x_1>=10.5:\n\treturn  Foo[0xFF]") == [
        *("if", "x_1", ">", "=", "10", ".", "5", ":", "return", "Foo", "[", "0xFF", "]")
    ]
    assert bleu("return a+b", "return  a + b\n") == 1.0
    assert bleu("return A + b", "return a + b") < 1.0


def test_edit_similarity_is_the_indel_ratio() -> None:
    """Kitten and sitting share a subsequence of 4 among 13 characters; normalised Levenshtein would give 4/7."""
    assert edit_similarity("kitten", "sitting") == pytest.approx(2 * 4 / 13)
    assert edit_similarity(" kitten\n", "\tkitten") == 1.0
    assert edit_similarity("", "") == 1.0
    assert edit_similarity("", "x") == edit_similarity("a", "x") == 0.0


def test_edit_similarity_of_random_texts_is_the_formulas_value() -> None:
    """Hundreds of pairs agree with a longest common subsequence found by brute force."""
    rng = random.Random(0)
    for _ in range(300):
        candidate, reference = ("".join(rng.choice("ab+") for _ in range(rng.randint(1, 20))) for _ in range(2))
        assert edit_similarity(candidate, reference) == pytest.approx(brute_edit_similarity(candidate, reference))


def test_exact_match_ignores_how_much_blank_there_is_but_not_where() -> None:
    """Texts are equal if their words between blanks are."""
    assert exact_match("return  a +\n\tb\r\n", " return a + b") == 1.0
    assert exact_match("return a+b", "return a + b") == 0.0
    assert exact_match("", "x") == 0.0


def test_every_language_that_programs_may_be_in_has_a_similarity() -> None:
    """Python and the rows of the table of languages are known."""
    assert {"python", *RUNNABLE} <= LANGUAGES


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("text", [ADD, "x", "return 0;", "", " \n", "# only a comment", "// only a comment"])
def test_identical_texts_are_fully_similar(language: str, text: str) -> None:
    """All four are 1 in every language, also for texts that are short, empty, or no program of the language."""
    assert similarity(language, text, text) == {"bleu": 1.0, "codebleu": 1.0, "es": 1.0, "em": 1.0}


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("candidate", ["", " \n\t"])
def test_an_empty_candidate_is_not_similar_at_all(language: str, candidate: str) -> None:
    """All four are 0 in every language."""
    assert similarity(language, candidate, ADD) == {"bleu": 0.0, "codebleu": 0.0, "es": 0.0, "em": 0.0}


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_swapped_operands_are_similar_but_not_equal(language: str) -> None:
    """`return a - b` against `return b - a` is below 1 and above 0 in all but exact match."""
    found = similarity(language, "return a - b", "return b - a")
    assert found.pop("em") == 0.0
    assert all(0.0 < value < 1.0 for value in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("language", ["python", "cpp"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_any_text_has_a_similarity(language: str, text: str) -> None:
    """Hostile candidates and references give shares in [0, 1], and the text itself gives 1."""
    found = [*similarity(language, text, ADD).values(), *similarity(language, ADD, text).values()]
    assert all(0.0 <= value <= 1.0 for value in found)
    assert set(similarity(language, text, text).values()) == {1.0}


def test_only_the_beginning_of_a_long_text_is_compared() -> None:
    """What follows the first `MAX_CHARACTERS` changes nothing but exact match."""
    text = ("x = a + b\n" * MAX_CHARACTERS)[:MAX_CHARACTERS]
    assert similarity("python", text + "[" * 200_000, text) == {"bleu": 1.0, "codebleu": 1.0, "es": 1.0, "em": 0.0}


def test_an_unknown_language_is_refused_by_name() -> None:
    """The error lists what is known."""
    with pytest.raises(ValueError, match="'cobol'; known are bash, c, cpp, go"):
        similarity("cobol", "a", "a")


def test_importing_the_module_loads_no_grammar_and_no_metric_library() -> None:
    """They are loaded by the first call that needs them."""
    late = "{'tree_sitter', 'tree_sitter_python', 'sacrebleu', 'rapidfuzz', 'numpy'}"
    code = f"import sys, benchmarks.similarity; print({late} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
