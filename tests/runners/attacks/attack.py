"""One hostile program and what must become of it.

Convention: a program defines the entry point `f` so that the tests pass ONLY IF THE ATTACK WORKED, so `passed` is a
breach. `attempt` builds that form: the body raises where it is refused, or sets `worked` to False.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runners.program import MEBIBYTE, OURS, Status

CHECK = """
def check(candidate):
    assert candidate(1) == 2
    assert abs(candidate(41) - 42) < 1e-6
    reached = True

check(f)
"""
"""The usual test, in the form of HumanEval's."""

CONTAINED = frozenset(Status) - OURS - {Status.PASSED}
"""Any verdict about the program but a pass, for rows whose end depends on chance."""
KNOWN_FORGEABLE = "known forgeable"
REFUSED = "refused"

CALL = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(*args):
    result = libc.syscall(*[ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args])
    if result < 0:
        raise OSError(ctypes.get_errno(), 'refused')
    return result
"""
"""Gives a program `call(number, *args)`: a system call that raises OSError where it fails."""

WRONG_VALUE = "\ndef f(x): return None\n"
"""A program's wrong entry point."""
CHANNEL = """
import json, os, socket, struct, sys
def channels():
    for fd in range(3, 1024):
        try: yield socket.socket(fileno=os.dup(fd))
        except OSError: pass
def send(channel, **message):
    data = json.dumps(message).encode()
    channel.sendall(struct.pack('!I', len(data)) + data)
def report(channel, judge):
    for index in range(len(judge['tests'])): send(channel, nonce=judge['nonce'], test=index, passed=True)
    send(channel, nonce=judge['nonce'], done=len(judge['tests']))
    os._exit(0)
"""
"""Gives a program the judge's channel and the form of a report."""
MEMORY = """
import ctypes, gc, re
def nonces():
    # A page that holds an object is mapped, so it may be read.
    pages = {id(thing) >> 12 for thing in gc.get_objects()} | {id(value) >> 12 for value in vars(sys).values()}
    for page in pages: yield from re.findall(rb'[0-9a-f]{32}(?![0-9a-f])', ctypes.string_at(page << 12, 4096))
"""
"""Gives a program what looks like a nonce in its own memory."""

LIMITS: Mapping[str, float] = {
    "cpu_seconds": 2.0,
    "wall_seconds": 8.0,
    "memory_bytes": 256 * MEBIBYTE,
    "processes": 24,
    "tmp_bytes": 4 * MEBIBYTE,
    "stack_bytes": 8 * MEBIBYTE,
    "output_bytes": MEBIBYTE,
}
"""Small, so that the whole table is quick; a row changes what it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A row of the hostile table."""

    group: str
    source: str
    """The program, with `$name` for what it is told of the machine (see `tests.runners.host.Host.facts`)."""
    expected: frozenset[Status]
    """The statuses that are right where tests run inside the program's process."""
    says: str = ""
    """Part of the verdict's error (judge=inside): the attack failed for the reason that was meant."""
    first: str = ""
    """A program run before, whose traces `source` looks for; its own verdict is no matter."""
    tests: tuple[str, ...] = (CHECK,)
    limits: Mapping[str, float] = field(default_factory=dict)
    inside: str = REFUSED
    """`refused`, or `known forgeable`: tests in the program's own process cannot stop it in principle."""
    forged_today: bool = False
    """Whether it reached `passed` under judge=inside when it was last looked at; told in runners/README.md."""
    split: frozenset[Status] | None = None
    """The statuses that are right where tests run apart from the program; None: `expected`, less a pass."""
    levels: tuple[str, ...] = ("full", "rootless", "restricted")
    quick: bool = False
    """Whether it is among the few that run in the quick suite."""

    def right_statuses(self, judge: str) -> frozenset[Status]:
        """The statuses that are right under `inside` or `split`; a pass only where it is known forgeable."""
        if judge == "inside":
            return self.expected
        return (self.split or self.expected) - {Status.PASSED}


def attempt(
    group: str,
    body: str,
    status: Status = Status.RUNTIME_ERROR,
    says: str = "",
    *,
    first: str = "",
    quick: bool = False,
) -> Attack:
    """An attack whose body raises where it is refused, or sets `worked` to False; else `f` is right."""
    source = f"worked = True\n{body}\ndef f(x): return x + worked\n"
    return Attack(group=group, source=source, expected=frozenset({status}), says=says, first=first, quick=quick)


def nuisance(group: str, body: str, *statuses: Status, says: str = "", quick: bool = False, **limits: float) -> Attack:
    """A program that is wrong and does harm: what counts is its status and that the machine is as before."""
    source = f"{body}\ndef f(x): return None\n"
    right = frozenset(statuses or {Status.WRONG_ANSWER})
    return Attack(group=group, source=source, expected=right, says=says, quick=quick, limits=limits)
