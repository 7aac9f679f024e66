"""The compiled seccomp filter answers as the policy says: interpreted here for every call, and held by the kernel."""

from __future__ import annotations

import errno
import os
import platform
import random
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from runners.policy import ALLOW, ERRNO, KILL_PROCESS, KILL_THREAD, Policy, PolicyError, parse_policy
from runners.seccomp import compile_policy
from runners.syscalls import MACHINES
from runners.toolchain import POLICY

TEXT = POLICY.read_text()
X86_64 = MACHINES["x86_64"]
X32_BIT = 0x40000000
MASK_64 = (1 << 64) - 1


@dataclass(frozen=True)
class Answer:
    """What a filter says to one call, and in how many instructions."""

    action: int
    steps: int


@dataclass(frozen=True)
class Call:
    """A system call as the filter sees it."""

    number: int
    arguments: tuple[int, ...] = (0, 0, 0, 0, 0, 0)
    arch: int = field(default=X86_64.audit_arch)


def execute(code: bytes, call: Call) -> Answer:
    """Interpret classic BPF as linux/filter.h describes it; only what seccomp accepts, jumps checked."""
    program = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    data = struct.pack("<IIQ6Q", call.number, call.arch, 0, *call.arguments)
    accumulator, at, steps = 0, 0, 0
    while True:
        assert at < len(program), "the filter runs off its end"
        opcode, if_true, if_false, operand = program[at]
        at, steps = at + 1, steps + 1
        match opcode:
            case 0x20:
                accumulator = struct.unpack_from("<I", data, operand)[0]
            case 0x54:
                accumulator &= operand
            case 0x05:
                at += operand
            case 0x15:
                at += if_true if accumulator == operand else if_false
            case 0x35:
                at += if_true if accumulator >= operand else if_false
            case 0x06:
                return Answer(operand, steps)
            case _:
                raise AssertionError(f"unknown instruction {opcode:#x}")


def expected(policy: Policy, call: Call) -> int:
    """What the policy says, rule by rule."""
    for rule in policy.rules.get(call.number, ()):
        holds = [call.arguments[c.argument] & c.mask == c.value for c in rule.any_of]
        if any(holds) or not rule.any_of:
            return rule.action
    return policy.default


def wrap(body: str, default: str = "ERRNO(1)") -> str:
    """A policy whose blocks are given."""
    return f"POLICY p {{\n{body}\n}}\nUSE p DEFAULT {default}\n"


def with_argument(position: int, value: int) -> tuple[int, ...]:
    """Six arguments, all garbage but one."""
    return tuple(value if i == position else 0xABCDEF0123456789 for i in range(6))


def interesting_calls(policy: Policy, arch: int, last: int = 600) -> Iterator[Call]:
    """Every number; for numbers with tests each value that is tested, its neighbours and its one-bit changes."""
    for number in range(last + 1):
        yield Call(number, arch=arch)
        for rule in policy.rules.get(number, ()):
            for condition in rule.any_of:
                values = [condition.value, condition.value | ~condition.mask & MASK_64, 0, MASK_64]
                values += [(condition.value + step) & MASK_64 for step in (1, -1, 1 << 32, 1 << 63)]
                values += [condition.value ^ (1 << bit) for bit in range(64)]
                for value in values:
                    yield Call(number, with_argument(condition.argument, value), arch)


def random_policy(rng: random.Random) -> str:
    """A valid policy over most of the calls, with many tests, so that jumps are long."""
    actions = ("ALLOW", "KILL_PROCESS", "KILL", "ERRNO(38)", "ERRNO(2)")
    blocks = []
    for name in rng.sample(sorted(X86_64.numbers), 250):
        condition = ""
        if rng.random() < 0.4:
            tests = []
            for _ in range(rng.randint(1, 4)):
                mask = rng.choice((MASK_64, 0xFFFFFFFF, 0xFF << 28, 0x7E020080, 0))
                value = rng.choice((0, 1, 0x10000000F, rng.getrandbits(64))) & mask
                argument = rng.choice("abc")
                tests.append(f"({argument} & {mask:#x}) == {value}")
            condition = f"(a, b, c) {{ {' || '.join(tests)} }}"
        blocks.append(f"{rng.choice(actions)} {{ {name}{condition} }}")
    return wrap(",\n".join(blocks), rng.choice(actions))


@pytest.mark.parametrize("machine", MACHINES)
def test_filter_answers_as_the_policy(machine: str) -> None:
    """Over all numbers and the values around each test, the filter gives what the parsed policy says."""
    policy, code = parse_policy(TEXT, machine=machine), compile_policy(TEXT, machine=machine)
    calls = list(interesting_calls(policy, MACHINES[machine].audit_arch))
    assert len(calls) > 600
    wrong = [call for call in calls if execute(code, call).action != expected(policy, call)]
    assert not wrong


@pytest.mark.parametrize("seed", range(3))
def test_long_filters_answer_as_their_policy(seed: int) -> None:
    """Jumps over more than 255 instructions arrive: random policies with several hundred tests are held exactly."""
    text = random_policy(random.Random(seed))
    policy, code = parse_policy(text, machine="x86_64"), compile_policy(text, machine="x86_64")
    opcodes = {struct.unpack_from("=H", code, at)[0] for at in range(0, len(code), 8)}
    assert len(code) // 8 > 500
    assert 0x05 in opcodes, "no jump is long, so this test shows nothing"
    calls = random.Random(seed).sample(list(interesting_calls(policy, X86_64.audit_arch)), 8000)
    assert not [call for call in calls if execute(code, call).action != expected(policy, call)]


@pytest.mark.parametrize("machine", MACHINES)
def test_filter_is_short(machine: str) -> None:
    """The Python policy needs at most 130 instructions, and no call more than 18 of them."""
    policy, code = parse_policy(TEXT, machine=machine), compile_policy(TEXT, machine=machine)
    steps = [execute(code, call).steps for call in interesting_calls(policy, MACHINES[machine].audit_arch)]
    assert len(code) // 8 <= 130
    assert max(steps) <= 18


@pytest.mark.parametrize("arch", [0x40000003, 0xC00000B7, 0, 0xFFFFFFFF])
def test_other_architectures_are_killed(arch: int) -> None:
    """A call through another convention ends the process, whatever its number means here."""
    code = compile_policy(TEXT, machine="x86_64")
    assert {execute(code, Call(number, arch=arch)).action for number in range(600)} == {KILL_PROCESS}


@pytest.mark.parametrize("default", ["ERRNO(1)", "ALLOW"])
def test_x32_calls_are_killed(default: str) -> None:
    """x32 numbers, which say the architecture of x86_64, end the process even where the default is to allow."""
    code = compile_policy(wrap("ALLOW { read, write, getpid }", default), machine="x86_64")
    numbers = [X32_BIT, X32_BIT + 1, X32_BIT + 39, X32_BIT + 512, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
    assert {execute(code, Call(number)).action for number in numbers} == {KILL_PROCESS}
    assert execute(code, Call(X32_BIT - 1)).action != KILL_PROCESS


def test_upper_half_of_an_argument_counts() -> None:
    """A value whose lower 32 bits match is not the value."""
    code = compile_policy(wrap("ALLOW { socket(family) { family == 1 } }"), machine="x86_64")
    number = X86_64.numbers["socket"]
    assert execute(code, Call(number, with_argument(0, 1))).action == ALLOW
    assert execute(code, Call(number, with_argument(0, 1 << 32 | 1))).action == ERRNO | 1


def test_later_rules_of_a_call_are_tried_in_order() -> None:
    """A call may be named again after tests; the first rule that applies decides."""
    text = wrap("ALLOW { ioctl(fd, request) { request == 7 } }, KILL { ioctl }")
    code, number = compile_policy(text, machine="x86_64"), X86_64.numbers["ioctl"]
    assert execute(code, Call(number, with_argument(1, 7))).action == ALLOW
    assert execute(code, Call(number, with_argument(1, 8))).action == KILL_THREAD


def test_policy_without_calls_is_its_default() -> None:
    """An empty policy answers everything with its default."""
    code = compile_policy(wrap("", "ERRNO(13)"), machine="aarch64")
    arch = MACHINES["aarch64"].audit_arch
    assert {execute(code, Call(number, arch=arch)).action for number in (0, 1, 0xFFFFFFFF)} == {ERRNO | 13}


def test_filter_longer_than_the_kernel_takes_is_refused() -> None:
    """More than 4096 instructions are an error here, not at the start of each program."""
    tests = " || ".join(f"fd == {value << 32}" for value in range(2000))
    with pytest.raises(PolicyError, match="4096"):
        compile_policy(wrap(f"ALLOW {{ dup(fd) {{ {tests} }} }}"), machine="x86_64")


INSTALL = """
import ctypes, mmap, os, resource, socket, sys
code = sys.stdin.buffer.read()
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
libc = ctypes.CDLL(None, use_errno=True)
def prctl(option, second, third):
    arguments = (ctypes.c_ulong(second), third, ctypes.c_ulong(0), ctypes.c_ulong(0))
    if libc.prctl(ctypes.c_int(option), *arguments) != 0:
        sys.exit(f"prctl {option}: {os.strerror(ctypes.get_errno())}")
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
prctl(38, 1, ctypes.c_ulong(0))
prctl(22, 2, ctypes.byref(Program(len(code) // 8, code)))
os.write(1, b"installed ")
"""
"""Takes the filter from stdin: PR_SET_NO_NEW_PRIVS, then PR_SET_SECCOMP with SECCOMP_MODE_FILTER."""

REAL = {
    "allowed calls": ("os.getpid(); os.open('/dev/null', os.O_RDONLY); mmap.mmap(-1, 4096)", "", 0),
    "fork, through clone": ("os._exit(os.waitpid(os.fork() or os._exit(7), 0)[1] >> 8)", "", 7),
    "unix socket pair": ("socket.socketpair()", "", 0),
    "internet socket": ("socket.socket(socket.AF_INET)", "PermissionError", 1),
    "call without a rule": ("os.setpriority(0, 0, 5)", "PermissionError", 1),
    "clone3": ("sys.exit(libc.syscall(435, 0, 0) == -1 and ctypes.get_errno())", "", errno.ENOSYS),
    "ptrace": ("libc.ptrace(0, 0, 0, 0)", "", -signal.SIGSYS),
    "mount": ("libc.mount(b'none', b'/nowhere', b'tmpfs', 0, None)", "", -signal.SIGSYS),
}


@pytest.mark.parametrize(("source", "error", "status"), REAL.values(), ids=REAL)
def test_kernel_holds_the_filter(source: str, error: str, status: int) -> None:
    """A process that installs the filter can do what is allowed, gets EPERM for the rest, and dies of an attack."""
    if platform.machine() not in MACHINES or not hasattr(os, "fork"):
        pytest.skip(f"no system call table for {platform.machine()}")
    code = compile_policy(TEXT, machine=platform.machine())
    done = subprocess.run([sys.executable, "-I", "-S", "-c", INSTALL + source], input=code, capture_output=True)
    assert done.stdout == b"installed ", done.stderr.decode()
    assert done.returncode == status, done.stderr.decode()
    assert error in done.stderr.decode()
