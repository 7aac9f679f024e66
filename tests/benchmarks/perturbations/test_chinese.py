"""Chinese descriptions: what changes in them, and what stays as it is."""

from __future__ import annotations

import re
import unicodedata
from random import Random

import pypinyin
import pytest

from benchmarks.perturbations.check import check
from benchmarks.perturbations.chinese import TABLE
from benchmarks.perturbations.chinese_tables import COMMON, DECISIVE, GREETINGS, PLEAS, TERMS
from benchmarks.perturbations.perturbation import Perturbation
from benchmarks.perturbations.subject import Subject
from benchmarks.problem import Problem

ENTRIES = {entry.name: entry for entry in TABLE}
TEXT = (
    "返回列表prices中不大于上限的整数的个数,如果列表为空:那么返回0。",
    "对于字符串“列表，整数”，结果等于'，12'，其中共有3个字符，并且x_max不变，检查每个元素，统计长度。",
)
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def subject_of(*text: str) -> Subject:
    """A function with this text as its docstring."""
    told = "\n    ".join(text)
    prompt = f'def count(prices, x_max):\n    """{told}\n    >>> count([1, 5], 3)\n    1\n    """\n'
    return Subject(
        Problem(
            task_id="own/0",
            prompt=prompt,
            instruction=f"请补全下面的函数。\n\n```python\n{prompt.strip()}\n```\n",
            tests=("assert count([1, 5], 3) == 1",),
            entry_point="count",
            reference="    return sum(price <= x_max for price in prices)\n",
        ),
        "python",
    )


def made(name: str, *text: str, severity: int = 2, seed: int = 0) -> str | None:
    """The docstring after a change; None where there is none."""
    subject = subject_of(*text)
    variant = ENTRIES[name].apply(subject, Random(seed), severity)
    if variant is None:
        return None
    assert check(ENTRIES[name], subject, variant).reason == "kept"
    assert variant.prompt.strip() in variant.instruction
    return variant.prompt.split('"""')[1].split(">>>")[0].strip()


def prose(*text: str) -> str:
    return "\n    ".join(text)


def changed(before: str, after: str) -> list[tuple[str, str]]:
    """Characters that differ, of two texts of one length."""
    return [(old, new) for old, new in zip(before, after, strict=True) if old != new]


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)
@pytest.mark.parametrize("severity", [1, 2, 3])
def test_quoted_text_and_names_of_the_code_stay(entry: Perturbation, severity: int) -> None:
    for seed in range(20):
        text = made(entry.name, *TEXT, severity=severity, seed=seed)
        assert text is not None
        assert all(kept in text for kept in ("“列表，整数”", "'，12'", "x_max", "prices"))


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)
def test_a_description_in_english_has_no_chinese_variant(entry: Perturbation) -> None:
    assert not entry.fits(subject_of("Count the prices that are not greater than the limit."))


@pytest.mark.parametrize("severity", [1, 2, 3])
def test_width_alone_changes_nothing_that_normal_form_tells_apart(severity: int) -> None:
    text = made("full_width", *TEXT, severity=severity)
    assert text is not None and text != prose(*TEXT)
    assert unicodedata.normalize("NFKC", text) == unicodedata.normalize("NFKC", prose(*TEXT))


def test_marks_numbers_and_words_become_wide_and_chinese_marks_narrow_but_no_code_changes() -> None:
    text = made("full_width", "检查ASCII文本,若共有12个字符，则返回-1或x_max或3.5。", severity=3)
    assert text == "检查ＡＳＣＩＩ文本，若共有１２个字符,则返回-1或x_max或3.5。"


def test_a_word_that_the_tests_know_keeps_its_width() -> None:
    assert made("full_width", "检查count与sum并返回其中的结果。", severity=2) is None


def test_one_place_alone_belongs_to_the_usual_severity() -> None:
    found = [made("full_width", "如果列表为空，则返回结果。", severity=severity) for severity in (1, 2, 3)]
    assert found == [None, "如果列表为空,则返回结果。", None]


def test_all_characters_become_traditional_at_the_highest_severity_and_some_at_the_lowest() -> None:
    some, every = (made("traditional_characters", "检查列表的长度并返回结果。", severity=s) for s in (1, 3))
    assert every == "檢查列表的長度並返回結果。"
    assert some is not None and 0 < len(changed("检查列表的长度并返回结果。", some)) < len(
        changed("检查列表的长度并返回结果。", every)
    )


def test_homophones_have_the_same_sound_and_tone() -> None:
    before = prose(*TEXT)
    pairs = [
        pair
        for seed in range(30)
        for pair in changed(before, made("homophones", *TEXT, severity=3, seed=seed) or before)
    ]
    assert len(pairs) > 30
    for old, new in pairs:
        assert new in COMMON and old not in DECISIVE and new not in DECISIVE
        style = pypinyin.Style.TONE3
        assert pypinyin.pinyin(old, style=style) == pypinyin.pinyin(new, style=style)


def test_swapped_characters_are_the_same_ones_in_another_order() -> None:
    for seed in range(30):
        text = made("swapped_characters", *TEXT, severity=3, seed=seed)
        assert text is not None and sorted(text) == sorted(prose(*TEXT))
        assert not {char for pair in changed(prose(*TEXT), text) for char in pair} & DECISIVE


@pytest.mark.parametrize("name", ["homophones", "swapped_characters"])
def test_more_characters_change_at_a_higher_severity(name: str) -> None:
    counts = [len(changed(prose(*TEXT), made(name, *TEXT, severity=severity) or "")) for severity in (1, 2, 3)]
    assert counts[0] < counts[1] < counts[2]


def test_sentences_end_as_they_did_when_other_marks_change() -> None:
    text = "给定列表，返回结果；如果为空，那么报错。其余情况不变！"
    for seed in range(30):
        after = made("chinese_punctuation", text, severity=3, seed=seed)
        assert after is not None and after != text
        assert re.findall("[。！？]", after) == ["。", "！"]
        assert CHINESE.findall(after) == CHINESE.findall(text)


def test_a_term_becomes_english_wherever_it_stands_apart_from_other_words() -> None:
    text = made("mixed_language", "返回列表prices的长度，列表不变。", severity=3)
    assert text == "return list prices的length，list不变。"


def test_a_longer_term_is_not_broken_into_shorter_ones() -> None:
    assert made("mixed_language", "检查非负整数是否相等。") == f"检查{TERMS['非负整数']}是否相等。"
    assert made("mixed_language", "请将元素序列化后写下来。", severity=2) == "请将element序列化后写下来。"


def test_a_term_whose_english_is_a_name_of_the_code_stays() -> None:
    subject = subject_of("给定这个列表和另一个值。")
    named = Problem(
        task_id="own/1",
        prompt=subject.problem.prompt.replace("prices, x_max", "list, x_max"),
        instruction="",
        tests=("assert count",),
        entry_point="count",
        reference=subject.problem.reference,
    )
    assert ENTRIES["mixed_language"].apply(Subject(named, "python"), Random(0), 2) is None


def test_politeness_stands_before_the_unchanged_description() -> None:
    before = "返回列表的长度。"
    for severity, words in ((1, PLEAS), (2, GREETINGS[2]), (3, GREETINGS[3])):
        text = made("chinese_politeness", before, severity=severity)
        assert text is not None and text.endswith(before) and text.removesuffix(before) in words


def test_a_plea_stands_only_before_a_verb() -> None:
    text = made("chinese_politeness", "给定一个列表和上限。", severity=1)
    assert text is not None and text.removesuffix("给定一个列表和上限。") in GREETINGS[1]
