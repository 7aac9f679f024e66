"""Robustness in words: what terminal and page say of it."""

from __future__ import annotations

import io

from rich.console import Console

from engine.page.flips import marked
from engine.robust_view import dropped_text, family_name, family_text, noise_text, robust_tables
from tests.engine.test_robustness import robustness

NOMINAL = {"t0": [1], "t1": [1], "t2": [0], "t3": [1]}
BROKEN = {"t0": [0], "t1": [1], "t2": [0], "t3": [0]}


def shown(width: int = 80) -> str:
    """The tables of a run with one perturbation and one replica, as plain text."""
    found = robustness(
        {"nominal": NOMINAL, "typos.2": BROKEN, "replica.1": NOMINAL},
        {"typos.2": {"dropped": {"invalid": 3, "vacuous": 0}}, "replica.1": {"family": "replica"}},
    )
    console = Console(width=width, file=io.StringIO(), color_system=None)
    for part in robust_tables({"humaneval": found}):
        console.print(part)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_a_table_tells_drop_interval_and_excess_flips() -> None:
    line = next(line for line in shown().splitlines() if line.startswith("typos.2"))
    assert line.split()[1:4] == ["4", "0.250", "-.500"]
    assert line.split()[-1] == "+.500"


def test_the_noise_floor_and_what_the_gate_left_out_stand_below() -> None:
    text = shown()
    assert "0.0% [0.0%, 49.0%] of verdicts differ between replicas" in text
    assert "3 variants were invalid and are left out" in text


def test_tables_fit_into_a_narrow_terminal() -> None:
    assert max(map(len, shown(80).splitlines())) <= 80


def test_a_family_tells_its_worst_case_and_of_how_many() -> None:
    found = robustness({"nominal": NOMINAL, "typos.2": BROKEN, "case.2": NOMINAL})
    text = family_text(found.families["docstring"])
    assert text.startswith("0.250 [") and "worst of 2" in text and "RP@1 0.250 (RD 66.7%)" in text


def test_a_family_of_given_code_says_so() -> None:
    assert (family_name("syntax.half_solution"), family_name("names")) == ("syntax, given code", "names")


def test_without_replicas_and_with_one_sample_noise_is_not_known() -> None:
    assert noise_text(robustness({"nominal": NOMINAL, "typos.2": BROKEN})).startswith("not known")


def test_reasons_without_a_case_are_not_told() -> None:
    found = robustness({"nominal": NOMINAL, "typos.2": BROKEN}, {"typos.2": {"dropped": {"invalid": 0, "vacuous": 2}}})
    assert dropped_text(found.perturbations["typos.2"]) == "2 vacuous"


def test_words_that_two_prompts_do_not_share_are_marked() -> None:
    before, after = marked("Return the sum of x.", "Return teh sum of all x.")
    assert [piece.text for piece in before if piece.changed] == ["the"]
    assert [piece.text for piece in after if piece.changed] == ["teh", "all "]
    assert "".join(piece.text for piece in after) == "Return teh sum of all x."
