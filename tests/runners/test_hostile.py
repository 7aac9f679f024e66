"""Every row of the hostile table, under both judges at every isolation level, and the machine after each."""

from __future__ import annotations

import itertools
import os
import re
import string
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import pytest

from runners.program import MEBIBYTE, OURS, Limits, Program, Status, Verdict
from runners.restricted import RestrictedSandbox
from runners.sandbox import Sandbox
from tests.runners.attacks.attack import KNOWN_FORGEABLE, LIMITS, Attack
from tests.runners.conftest import JAILS, RESTRICTED, open_or_skip
from tests.runners.host import Host, memory_bytes
from tests.runners.hostile import (
    AT_RESTRICTED,
    GROUPS,
    HOLES,
    HOSTILE,
    NEED_A_BOUND,
    NOT_AT_RESTRICTED,
    QUICK_SPLIT,
    forged_today,
    right_statuses,
    says,
    source_at,
)

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="system call numbers are those of x86_64")

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "runners" / "README.md").read_text(encoding="utf-8")


Judge = Literal["inside", "split"]


def marks_of(name: str, attack: Attack, judge: Judge) -> list[pytest.MarkDecorator]:
    """A row is slow unless it is among the quick ones, and expected to fail where a hole is known."""
    holes = [pytest.mark.xfail(reason=HOLES[name], strict=True)] if name in HOLES else []
    quick = attack.quick if judge == "inside" else name in QUICK_SPLIT
    return holes if quick else [*holes, pytest.mark.slow]


ROWS = [
    pytest.param(judge, name, id=f"{judge}-{name}", marks=marks_of(name, attack, judge))
    for judge in get_args(Judge)
    for name, attack in HOSTILE.items()
]

PROOF = """
import os
outside = [place for place in ($folder, $repository, $home) if os.path.exists(place)]
outside += [place for place in ('/proc', '/sys') if os.path.exists(place) and os.listdir(place)]
def f(x): return x + (not outside and os.getuid() != 0 and os.getpid() < 10)
"""
"""An honest program that is right only in a jail."""
PROOF_RESTRICTED = """
import os, socket
reached = []
def reaches(act, *args):
    try: reached.append((act(*args), args))
    except OSError: pass
for place in ($folder, $repository, $home, '/', '/proc', '/sys', '..'): reaches(os.listdir, place)
for file in ($secret, '/etc/passwd', '/proc/self/environ'): reaches(open, file)
for pid in ($victim, $supervisor, os.getppid(), -1): reaches(os.kill, pid, 0)
for act in (os.setsid, socket.socket): reaches(act)
def f(x): return x + (not reached)
"""
"""An honest program that is right only where Landlock and the tightened filter hold."""
NEXT = """
import os
fresh = os.listdir('/tmp') == [] and os.getcwd() == os.environ['HOME']
def f(x): return x + fresh
"""
"""An honest program that is right only where nothing is left of the one before it."""
GROWTH_BYTES = 64 * MEBIBYTE
"""How much more memory the supervising process may hold after a program: allocators keep some."""


class Proven(NamedTuple):
    """A jail that has shown that it is one."""

    sandbox: Sandbox
    level: str


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """The machine with bait in a folder that every user can reach."""
    with tempfile.TemporaryDirectory(prefix="codeassay-bait-") as folder, Host(Path(folder), REPOSITORY) as host:
        yield host


@pytest.fixture(scope="module", params=[*JAILS, RESTRICTED])
def proven(request: pytest.FixtureRequest, host: Host) -> Iterator[Proven]:
    """A jail that has shown under both judges that it is one: no row runs where its walls are missing."""
    sandbox = open_or_skip(request.param)
    proof = PROOF_RESTRICTED if request.param == "restricted" else PROOF
    for judge, imports in itertools.product(get_args(Judge), ("", "import numpy")):  # both flavours of warm jail
        verdict = run_in(sandbox, host, Attack(group="", source=imports + proof, expected=frozenset()), judge)
        assert verdict.passed, f"not jailed, so nothing hostile is run: {verdict}"
        assert verdict.isolation == request.param
    yield Proven(sandbox, sandbox.isolation)
    sandbox.close()


def run_in(sandbox: Sandbox, host: Host, attack: Attack, judge: Judge) -> Verdict:
    """The verdict of one attack, told what it may know of the machine."""
    limits = Limits(**{**LIMITS, **attack.limits})  # type: ignore[arg-type]  # values are those of Limits' own fields
    told = [string.Template(text).substitute(host.facts()) for text in (attack.first, attack.source)]
    sources = [source_at(sandbox.isolation, text) for text in told]
    verdicts = [
        sandbox.run(Program(source=source, tests=attack.tests, judge=judge, limits=limits))
        for source in sources[not attack.first :]
    ]
    return verdicts[-1]


def skip_if_not_contained(proven: Proven, name: str) -> None:
    """Skip a row that this level cannot contain, with the reason."""
    if proven.level not in HOSTILE[name].levels:
        pytest.skip(f"a known weakness at {proven.level}")
    if not isinstance(proven.sandbox, RestrictedSandbox):
        return
    if name in NOT_AT_RESTRICTED:
        pytest.skip(NOT_AT_RESTRICTED[name])
    if name in NEED_A_BOUND and os.geteuid() == 0 and not proven.sandbox.has_groups and not proven.sandbox.own_uid:
        pytest.skip("nothing bounds the number of root's processes here")


@pytest.mark.parametrize(("judge", "name"), ROWS)
def test_attack_fails_and_leaves_nothing(proven: Proven, host: Host, judge: Judge, name: str) -> None:
    """An attack gets a right status, never a pass that it did not earn; then the machine is as it was before."""
    skip_if_not_contained(proven, name)
    attack = HOSTILE[name]
    before, memory = host.state(), memory_bytes()
    verdict = run_in(proven.sandbox, host, attack, judge)
    assert verdict.judge == judge
    assert verdict.status in right_statuses(name, judge, proven.level), verdict
    assert judge != "inside" or says(name, proven.level) in verdict.error
    assert (verdict.error + "x").isprintable()
    assert (verdict.stdout + verdict.stderr).encode().count(0) == 0
    assert host.state() == before
    assert memory_bytes() - memory < GROWTH_BYTES
    honest = source_at(proven.level, NEXT)
    after = proven.sandbox.run(Program(source=honest, tests=("assert f(1) == 2",), judge=judge))
    assert after.passed, f"the next program: {after}"


def test_table_is_complete() -> None:
    """At least 80 rows, no two of which share a name; each group is in the quick suite too; holes are rows."""
    assert len(HOSTILE) == sum(map(len, GROUPS)) >= 80
    groups = {attack.group for attack in HOSTILE.values()}
    assert {attack.group for attack in HOSTILE.values() if attack.quick} == groups
    assert set(HOLES) | QUICK_SPLIT | NEED_A_BOUND | set(NOT_AT_RESTRICTED) | set(AT_RESTRICTED) <= set(HOSTILE)


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
