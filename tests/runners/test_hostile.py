"""Every row of the hostile table, at every isolation level, and the machine after each."""

from __future__ import annotations

import os
import re
import string
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from runners.program import MEBIBYTE, OURS, Status, Verdict
from tests.runners.attacks.attack import KNOWN_FORGEABLE, LIMITS, Attack
from tests.runners.conftest import Run
from tests.runners.host import Host, memory_bytes
from tests.runners.hostile import GROUPS, HOLES, HOSTILE, forged_today

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="system call numbers are those of x86_64")

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "runners" / "README.md").read_text(encoding="utf-8")


def marks_of(name: str, attack: Attack) -> list[pytest.MarkDecorator]:
    """A row is slow unless it is among the quick ones, and expected to fail where a hole is known."""
    holes = [pytest.mark.xfail(reason=HOLES[name], strict=True)] if name in HOLES else []
    return holes if attack.quick else [*holes, pytest.mark.slow]


ROWS = [pytest.param(attack, id=name, marks=marks_of(name, attack)) for name, attack in HOSTILE.items()]

PROOF = """
import os
outside = [place for place in ($folder, $repository, $home) if os.path.exists(place)]
outside += [place for place in ('/proc', '/sys') if os.path.exists(place) and os.listdir(place)]
def f(x): return x + (not outside and os.getuid() != 0 and os.getpid() < 10)
"""
"""An honest program that is right only in a jail."""
NEXT = """
import os
fresh = os.listdir('/tmp') == [] and os.getcwd() == '/tmp'
def f(x): return x + fresh
"""
"""An honest program that is right only where nothing is left of the one before it."""
GROWTH_BYTES = 64 * MEBIBYTE
"""How much more memory the supervising process may hold after a program: allocators keep some."""


class Proven(NamedTuple):
    """A jail that has shown that it is one."""

    run: Run
    level: str


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """The machine with bait in a folder that every user can reach."""
    with tempfile.TemporaryDirectory(prefix="codeassay-bait-") as folder, Host(Path(folder), REPOSITORY) as host:
        yield host


@pytest.fixture(scope="module")
def proven(jail: Run, host: Host) -> Proven:
    """A jail that has shown that it is one: no row runs where its walls are missing."""
    verdict = run_in(jail, host, Attack(group="", source=PROOF, expected=frozenset()))
    assert verdict.passed, f"not jailed, so nothing hostile is run: {verdict}"
    assert verdict.isolation in ("full", "rootless")
    return Proven(jail, verdict.isolation)


def run_in(jail: Run, host: Host, attack: Attack) -> Verdict:
    """The verdict of one attack, told what it may know of the machine."""
    limits = {**LIMITS, **attack.limits}
    if attack.first:
        jail(string.Template(attack.first).substitute(host.facts()), attack.tests, **limits)
    return jail(string.Template(attack.source).substitute(host.facts()), attack.tests, **limits)


@pytest.mark.parametrize("attack", ROWS)
def test_attack_fails_and_leaves_nothing(proven: Proven, host: Host, attack: Attack) -> None:
    """An attack gets a right status, never a pass that it did not earn; then the machine is as it was before."""
    if proven.level not in attack.levels:
        pytest.skip(f"a known weakness at {proven.level}")
    before, memory = host.state(), memory_bytes()
    verdict = run_in(proven.run, host, attack)
    assert verdict.status in attack.right_statuses(verdict.judge), verdict
    assert verdict.judge != "inside" or attack.says in verdict.error
    assert (verdict.error + "x").isprintable()
    assert (verdict.stdout + verdict.stderr).encode().count(0) == 0
    assert host.state() == before
    assert memory_bytes() - memory < GROWTH_BYTES
    after = proven.run(NEXT, ("assert f(1) == 2",))
    assert after.passed, f"the next program: {after}"


def test_table_is_complete() -> None:
    """At least 80 rows, no two of which share a name; each group is in the quick suite too; holes are rows."""
    assert len(HOSTILE) == sum(map(len, GROUPS)) >= 80
    groups = {attack.group for attack in HOSTILE.values()}
    assert {attack.group for attack in HOSTILE.values() if attack.quick} == groups
    assert set(HOLES) <= set(HOSTILE)


def test_no_row_may_pass_where_tests_run_apart() -> None:
    """Under judge=split no row may pass; under judge=inside only those that are known forgeable."""
    for attack in HOSTILE.values():
        assert Status.PASSED not in attack.right_statuses("split")
        assert (Status.PASSED in attack.right_statuses("inside")) == (attack.inside == KNOWN_FORGEABLE)
        assert not OURS & (attack.right_statuses("inside") | attack.right_statuses("split"))


def test_readme_tells_how_many_forgeries_pass() -> None:
    """The README's numbers of forgeries are those of the table."""
    forgeries = [attack for attack in HOSTILE.values() if attack.group == "forgery"]
    known = [attack for attack in forgeries if attack.inside == KNOWN_FORGEABLE]
    told = re.search(
        r"(\d+)\s+of\s+the\s+table's\s+(\d+)\s+forgeries .*?(\d+)\s+of\s+them\s+pass\s+today", README, re.DOTALL
    )
    assert told is not None
    assert [int(number) for number in told.groups()] == [len(known), len(forgeries), len(forged_today())]
