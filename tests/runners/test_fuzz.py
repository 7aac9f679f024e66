"""A bounded fuzz with a fixed seed: whatever a program is or sends, the supervisor lives and says no more than is true.

Random programs, real programs with damage, random bytes on every descriptor that a program has under both judges, and
the same bytes through the parsers of the trusted side alone.
"""

from __future__ import annotations

import json
import random
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from benchmarks.registry import load_benchmark
from runners.channel import MAX_MESSAGE_BYTES, Channel, ProtocolError
from runners.harness import wire
from runners.harness.codec import Codec, Garbage, Unsendable
from runners.harness.remote import ConnectionLost
from runners.harness.remote import Program as RemoteProgram
from runners.program import OURS, Limits, Program, Status, Verdict
from runners.sandbox import Sandbox
from tests.runners.conftest import JAILS, open_or_skip
from tests.runners.processes import children, open_descriptors

pytestmark = pytest.mark.slow

SEED = 20_240_229
ALARM_SECONDS = 300
Judge = Literal["inside", "split"]
JUDGES: tuple[Judge, ...] = ("inside", "split")
PROGRAMS_SPEAK = frozenset(Status) - OURS
LIMITS = Limits(cpu_seconds=1, wall_seconds=0.5, memory_bytes=256 << 20, output_bytes=1 << 20)
GENEROUS = Limits(cpu_seconds=10, wall_seconds=60)
HONEST = Program(source="def f(x): return x + 1", tests=("assert f(1) == 2",), limits=GENEROUS)
NUM_RANDOM, NUM_MUTATED, NUM_PROTOCOL, NUM_MESSAGES = 100, 40, 100, 3_000
"""So many that all of it takes half a minute on one core."""
TOKENS = (
    "(",
    ")",
    "[",
    ":",
    "\n",
    "    ",
    "'''",
    "\\",
    "\0",
    "return",
    "def ",
    "while True",
    "lambda",
    "9" * 40,
    "\ud800",
)

WRITES = """
import os, socket
data = bytes.fromhex({data!r}) * {times}
def write(fd):
    for start in range(0, len(data), {piece}):
        try: os.write(fd, data[start : start + {piece}])
        except OSError: return
def attack():
    for fd in {descriptors}: write(fd)
    {after}
{now}
def f(x):
    {later}
    return None
"""
"""A program that cannot pass and writes bytes of our choice, while it is loaded or in a call of its function."""


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """A supervisor that hangs fails its test instead of holding up all others; far above what a test takes."""

    def ring(*_: object) -> None:
        raise AssertionError("the supervisor hangs")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(ALARM_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class Jail(NamedTuple):
    """A sandbox, and what this process had open before anything ran in it."""

    sandbox: Sandbox
    open: list[str]
    children: list[str]


@pytest.fixture(scope="module", params=JAILS)
def jail(request: pytest.FixtureRequest) -> Iterator[Jail]:
    """Each of the jails, warm: the honest program has passed."""
    sandbox = open_or_skip(request.param)
    for judge in JUDGES:
        assert judged(sandbox, HONEST, judge).passed
    yield Jail(sandbox, open_descriptors(), children())
    sandbox.close()


def judged(sandbox: Sandbox, program: Program, judge: Judge) -> Verdict:
    """The verdict of a program under this judge."""
    limits, tests, source = program.limits, program.tests, program.source
    return sandbox.run(Program(source=source, tests=tests, judge=judge, under_test=program.under_test, limits=limits))


def check(jail: Jail, program: Program, judge: Judge, *, may_pass: bool = False) -> None:
    """The verdict speaks of the program and is no pass that it cannot have; the next honest program passes."""
    verdict = judged(jail.sandbox, program, judge)
    assert verdict.status in PROGRAMS_SPEAK, (verdict, program.source)
    assert may_pass or not verdict.passed, (verdict, program.source)
    assert verdict.error.isprintable()
    after = judged(jail.sandbox, HONEST, judge)
    assert after.passed, (after, program.source)


def check_nothing_left(jail: Jail) -> None:
    """The supervisor has no more descriptors than a fresh jail needs, and no child that it forgot."""
    assert len(open_descriptors()) <= len(jail.open) + 1
    assert len(children()) <= len(jail.children) + 1


def secret_test(rng: random.Random) -> str:
    """A test whose answer no random bytes hold."""
    return f"assert f(1) == {rng.getrandbits(128)}"


def random_text(rng: random.Random) -> str:
    """Bytes of any kind, or letters that are nearly Python, as a source."""
    if rng.random() < 0.5:
        return rng.randbytes(rng.randint(0, 400)).decode("latin-1")
    return "".join(rng.choice([*TOKENS, " x", "=", "1", "if ", "f", ", ", "import os\n"]) for _ in range(60))


def damaged(source: str, rng: random.Random) -> str:
    """A source with a few places changed, removed, doubled, or taken from elsewhere."""
    for _ in range(rng.randint(1, 3)):
        at, width = rng.randrange(len(source) + 1), rng.randint(0, 12)
        other = rng.randrange(len(source) + 1)
        filler = rng.choice(["", rng.choice(TOKENS), chr(rng.randrange(0x250)), source[other : other + width]])
        source = source[:at] + filler + source[at + width :]
    return source


def frame(data: bytes) -> bytes:
    """The bytes of one message, on the channel and on the wire alike."""
    return len(data).to_bytes(4, "big") + data


def random_answer(rng: random.Random) -> Any:
    """Plain data that looks like what a program answers the judge of split."""
    value = rng.choice([None, 0, rng.getrandbits(70), "text", [1, [2]], (1, "a"), {"a": 1}, 1.5, float("nan"), True])
    arguments: list[Any] = rng.choice([[], [[[1], ["a", [2, value]]]], [[[value], []]], [value], [[[1]]]])
    raised = rng.choice(["TypeError", "SystemExit", "MemoryError", "eval"])
    forms: list[list[Any]] = [
        ["value", value, *arguments],
        ["raise", raised, [value], rng.choice(["", "E"]), *arguments],
        ["unsendable", "object", *arguments],
        ["failed", "runtime_error", "x"],
        ["names", ["f"], []],
        ["loaded"],
    ]
    answer = rng.choice(forms)
    if rng.random() < 0.4:
        answer[rng.randrange(len(answer))] = rng.choice([value, "value", "", [], [[]], None, -1])
    return answer


def random_message(rng: random.Random) -> bytes:
    """Bytes for a channel: noise, messages of the right form, frames that lie about their length."""
    noise, nonce, number = rng.randbytes(rng.randint(0, 64)), rng.randbytes(16).hex(), rng.randint(-1, 3)
    failure = {"kind": rng.choice([*Status, "", 3]), "error": rng.choice(["\ud800\0", "x" * 9000, 1e999])}
    loads = [{"ready": True}, {"loaded": True}, {"loaded": False, **failure}]
    reports = [{"nonce": nonce, "test": number, "passed": True}, {"nonce": nonce, "done": number}]
    said = rng.choice([*loads, *reports, {"a": rng.choice([None, [], {}, -1])}, []])
    whole = frame(json.dumps(said).encode())
    answer = frame(Codec(judge=False).encode(random_answer(rng)))
    cut = rng.choice([whole, answer])[: rng.randint(0, 30)]
    length = rng.choice([0, 1, MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES + 1, 1 << 26, (1 << 32) - 1]).to_bytes(4, "big")
    return rng.choice(
        [noise, whole, answer, cut, length, length + noise, whole * 2, answer * 3, whole + answer, frame(noise)]
    )


def protocol_program(rng: random.Random, index: int) -> Program:
    """A program that writes such bytes to its own channel, to all it has, or to its output, in one piece or in many."""
    is_huge = index % 6 == 0
    data = rng.randbytes(1 << 12) if is_huge else random_message(rng)
    calls = rng.random() < 0.5
    source = WRITES.format(
        data=data.hex(),
        times=512 if is_huge else rng.choice([1, 1, 3]),
        piece=rng.choice([1 << 16, 1 << 16, 3]) if len(data) < 300 else 1 << 16,
        descriptors=rng.choice(["(3,)", "(3,)", "range(3, 64)", "(1, 2)", "range(64)"]),
        after=rng.choice(["os._exit(0)", "os._exit(0)", "raise SystemExit(0)", "pass"]),
        now="" if calls else "attack()",
        later="attack()" if calls else "pass",
    )
    return Program(source=source, tests=(secret_test(rng),), limits=LIMITS)


@pytest.mark.parametrize("judge", JUDGES)
def test_random_programs_never_pass(jail: Jail, judge: Judge) -> None:
    """Noise is a program with a fault of its own."""
    rng = random.Random(SEED)
    for _ in range(NUM_RANDOM):
        check(jail, Program(source=random_text(rng), tests=(secret_test(rng),), limits=LIMITS), judge)
    check_nothing_left(jail)


@pytest.mark.parametrize("judge", JUDGES)
def test_damaged_programs_speak_for_themselves(jail: Jail, judge: Judge) -> None:
    """A real program with damage passes or fails; one whose function is gone in the end never passes."""
    rng, problems = random.Random(SEED), load_benchmark("starter", {}, Path("/nowhere")).problems()
    for _ in range(NUM_MUTATED):
        problem = rng.choice(problems)
        source, name = damaged(problem.prompt + (problem.reference or ""), rng), problem.entry_point or ""
        tests, under_test = problem.tests, (name,)
        check(jail, Program(source=source, tests=tests, under_test=under_test, limits=LIMITS), judge, may_pass=True)
        gone = f"{source}\n{name} = None\n"
        check(jail, Program(source=gone, tests=tests, under_test=under_test, limits=LIMITS), judge)
    check_nothing_left(jail)


@pytest.mark.parametrize("judge", JUDGES)
def test_bytes_on_any_descriptor_never_pass(jail: Jail, judge: Judge) -> None:
    """A program that writes to its channel, to the judge's wire and elsewhere gets a verdict, and never a pass."""
    rng = random.Random(SEED)
    for index in range(NUM_PROTOCOL):
        check(jail, protocol_program(rng, index), judge)
    check_nothing_left(jail)


def test_no_bytes_break_the_channel() -> None:
    """The supervisor's parser gives flat messages or one kind of error, in whatever pieces bytes arrive."""
    rng, num_messages = random.Random(SEED), 0
    for _ in range(NUM_MESSAGES):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            channel, data = Channel(ours), random_message(rng) + rng.choice([b"", random_message(rng)])
            cut = rng.randint(0, len(data))
            try:
                for piece in (data[:cut], data[cut:]):
                    theirs.sendall(piece)
                    messages, _ = channel.receive()
                    num_messages += len(messages)
                    assert all(
                        type(value) in (type(None), str, int, float, bool) for m in messages for value in m.values()
                    )
            except ProtocolError:
                continue
    assert num_messages > 100


def test_no_bytes_break_the_wire() -> None:
    """Both ends of the judge's wire read a message, its end or Garbage; what they read is decoded or Garbage."""
    rng, num_read = random.Random(SEED), 0
    for _ in range(NUM_MESSAGES):
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                theirs.sendall(random_message(rng))
            try:
                value = Codec(judge=True).decode(wire.Wire(ours.fileno()).receive())
                num_read += 1
                Codec(judge=True).encode(value)
            except (wire.Ended, Garbage, Unsendable):
                continue
    assert num_read > 100


def test_no_answer_breaks_the_judge() -> None:
    """Whatever is answered to a call, the judge has a value, the exception that was told, or a lost connection."""
    rng, outcomes = random.Random(SEED), {"value": 0, "raised": 0, "lost": 0}
    for _ in range(NUM_MESSAGES):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            answer, program = random_answer(rng), RemoteProgram(ours.fileno())
            theirs.sendall(frame(Codec(judge=False).encode(answer)))
            try:
                program.call(b"Cf\0", ([1], {"a": [2]}), {})
                outcomes["value"] += 1
                assert answer[0] in ("value", "unsendable")
            except ConnectionLost:
                outcomes["lost"] += 1
                assert program.broken is not None
            except BaseException:  # noqa: BLE001 - the judge raises what the program is told to have raised
                outcomes["raised"] += 1
                assert answer[0] == "raise"
    assert min(outcomes.values()) > 10, outcomes
