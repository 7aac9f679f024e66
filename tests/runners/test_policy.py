"""Seccomp policies: what is read from the text, and the numbers of the calls that it names."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from runners.policy import ALLOW, ERRNO, KILL_PROCESS, Condition, PolicyError, Rule, parse_policy
from runners.syscalls import MACHINES
from runners.toolchain import POLICY

TEXT = POLICY.read_text()
X86_64 = MACHINES["x86_64"]
HEADER = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")


def wrap(body: str, default: str = "ERRNO(1)") -> str:
    """A policy whose blocks are given."""
    return f"POLICY p {{\n{body}\n}}\nUSE p DEFAULT {default}\n"


@pytest.mark.parametrize(
    ("name", "rules"),
    {
        "read": (Rule(action=ALLOW),),
        "stat": (Rule(action=ALLOW),),
        "ptrace": (Rule(action=KILL_PROCESS),),
        "umount2": (Rule(action=KILL_PROCESS),),
        "clone3": (Rule(action=ERRNO | errno.ENOSYS),),
        "clone": (Rule(action=ALLOW, any_of=(Condition(argument=0, mask=0x7E020080, value=0),)),),
        "socket": (Rule(action=ALLOW, any_of=(Condition(argument=0, value=1),)),),
        "prctl": (Rule(action=ALLOW, any_of=tuple(Condition(argument=0, value=v) for v in (15, 16, 3, 0x53564D41))),),
        "connect": (),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_our_policy_is_read_as_written(name: str, rules: tuple[Rule, ...]) -> None:
    """Calls of the Python policy get the action and the tests that its text shows; the rest is refused with EPERM."""
    policy = parse_policy(TEXT, machine="x86_64")
    assert policy.rules.get(X86_64.numbers[name], ()) == rules
    assert policy.default == ERRNO | errno.EPERM


def test_calls_of_other_machines_are_left_out() -> None:
    """aarch64 has no `open`; the policy is compiled without it, and `openat` has its own number there."""
    policy = parse_policy(wrap("ALLOW { open, openat }"), machine="aarch64")
    assert policy.rules == {56: (Rule(action=ALLOW),)}


def test_comments_and_numbers() -> None:
    """Comments of both kinds are skipped, hexadecimal and decimal numbers are the same."""
    plain = wrap("ALLOW { read, dup(fd) { fd == 16 } }")
    written = wrap("// one\nALLOW { read, /* two,\n lines */ dup(fd) { fd == 0x10 } } // three")
    assert parse_policy(written, machine="x86_64") == parse_policy(plain, machine="x86_64")


FAULTS = {
    "unknown call": (wrap("ALLOW { read,\n  raed }"), 3, "'raed'"),
    "unknown action": (wrap("PERMIT { read }"), 2, "'PERMIT'"),
    "unknown sign": (wrap("ALLOW { dup(fd) { fd > 2 } }"), 2, "'>'"),
    "and": (wrap("ALLOW { dup(fd) { fd == 2 && fd == 3 } }"), 2, "'&'"),
    "octal number": (wrap("ALLOW { dup(fd) { fd == 010 } }"), 2, "'0'"),
    "name glued to number": (wrap("ALLOW { dup(fd) { fd == 12x } }"), 2, "'1'"),
    "number too large": (wrap("ALLOW { dup(fd) { fd == 0x10000000000000000 } }"), 2, "0x10000000000000000"),
    "error number too large": (wrap("ERRNO(4096) { dup }"), 2, "4096"),
    "unknown argument": (wrap("ALLOW {\n dup(fd) { df == 1 } }"), 3, "'df'"),
    "argument twice": (wrap("ALLOW { dup2(fd, fd) { fd == 1 } }"), 2, "arguments"),
    "seven arguments": (wrap("ALLOW { dup2(a, b, c, d, e, f, g) { a == 1 } }"), 2, "at most 6"),
    "test that cannot hold": (wrap("ALLOW { dup(fd) { (fd & 2) == 1 } }"), 2, "never"),
    "arguments without test": (wrap("ALLOW { dup(fd), read }"), 2, "'{'"),
    "decided twice": (wrap("KILL { ptrace }\nALLOW { ptrace }"), 3, "'ptrace'"),
    "decided twice under two names": (wrap("ALLOW { stat }\nKILL { newstat }"), 3, "'newstat'"),
    "no comma": (wrap("ALLOW { read write }"), 2, "'write'"),
    "nothing allowed": (wrap("ALLOW { }"), 2, "a name"),
    "open comment": (wrap("/* ALLOW { read }"), 2, "'/'"),
    "other policy used": ("POLICY a { }\nUSE b DEFAULT ALLOW", 2, "'b'"),
    "no default": ("POLICY a { }\nUSE a", 2, "'DEFAULT'"),
    "no use": ("POLICY a { ALLOW { read } }\n", 2, "'USE'"),
    "more after the end": (wrap("") + "POLICY q { }", 5, "the end"),
    "empty": ("", 1, "'POLICY'"),
    "cut off": ("POLICY a { ALLOW { read,", 1, "the end of the text"),
}


@pytest.mark.parametrize(("text", "line", "words"), FAULTS.values(), ids=FAULTS)
def test_faults_name_their_line(text: str, line: int, words: str) -> None:
    """What is not a policy is refused with the line and the word at fault."""
    with pytest.raises(PolicyError, match=rf"^policy line {line}: .*{re.escape(words)}"):
        parse_policy(text, machine="x86_64")


def test_unknown_machine_is_refused() -> None:
    """A machine without a table of numbers is an error that names the machine, never a guess."""
    with pytest.raises(PolicyError, match=r"'riscv64'.*x86_64, aarch64"):
        parse_policy(TEXT, machine="riscv64")


def test_numbers_are_those_of_the_kernel() -> None:
    """The x86_64 table agrees with the kernel's header wherever both know a name."""
    if not HEADER.exists():
        pytest.skip(f"no kernel headers for x86_64 here: {HEADER} does not exist")
    header = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", HEADER.read_text())}
    common = header.keys() & X86_64.numbers.keys()
    assert len(common) > 300
    assert {name: X86_64.numbers[name] for name in common} == {name: header[name] for name in common}


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_are_distinct(machine: str) -> None:
    """No two names of a machine share a number; well-known calls lie where every program expects them."""
    numbers = MACHINES[machine].numbers
    assert len(set(numbers.values())) == len(numbers)
    known = {"x86_64": (1, 59, 318, 435), "aarch64": (64, 221, 278, 435)}[machine]
    assert tuple(numbers[name] for name in ("write", "execve", "getrandom", "clone3")) == known
