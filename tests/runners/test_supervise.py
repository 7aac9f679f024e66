"""The supervisor against a stream of any length and a harness that says anything."""

from __future__ import annotations

import random
import sys

import pytest

from runners.cold import supervise
from runners.judge import verdict_of
from runners.program import Limits, Program, Status
from runners.supervise import cpu_rlimit
from runners.tail import Tail


def test_short_stream_is_kept_whole() -> None:
    """Nothing is left out while both ends touch."""
    tail = Tail(8)
    for part in (b"ab", b"", b"cdef", b"gh"):
        tail.add(part)
    assert (tail.text(), tail.total_bytes) == ("abcdefgh", 8)


@pytest.mark.parametrize("step", [1, 3, 7, 100, 5000])
def test_both_ends_are_kept_however_they_arrive(step: int) -> None:
    """The first and the last half are kept, and the number of bytes between them is told."""
    data = bytes(random.Random(step).randrange(97, 123) for _ in range(5000))
    tail = Tail(20)
    for start in range(0, len(data), step):
        tail.add(data[start : start + step])
    assert tail.text() == f"{data[:10].decode()}\n... 4980 bytes left out ...\n{data[-10:].decode()}"


def test_memory_of_a_stream_is_bounded() -> None:
    """A stream of a hundred megabytes leaves only what is kept."""
    tail = Tail(100)
    for _ in range(100):
        tail.add(bytes(1 << 20))
    assert tail.total_bytes == 100 << 20
    assert len(tail.text()) < 200


def test_no_undecodable_text() -> None:
    """Bytes that are not UTF-8, and NULs, become replacement characters."""
    tail = Tail(100)
    tail.add(b"\xff\0\xc3")
    assert tail.text() == "\ufffd\ufffd\ufffd"


@pytest.mark.parametrize(("limit", "seconds"), [(0.3, 1), (0.99, 2), (1, 2), (10, 13), (10.5, 14)])
def test_rlimit_is_above_the_limit_that_judges(limit: float, seconds: int) -> None:
    """The kernel's limit, in whole seconds, leaves at least a quarter of the limit to the one that judges."""
    assert cpu_rlimit(Limits(cpu_seconds=limit)) == seconds


FAKE_HARNESS = """
import json, random, socket, struct, sys
channel, choice = socket.socket(fileno=int(sys.argv[1])), random.Random(int(sys.argv[2]))
def frame(data): return struct.pack("!I", len(data)) + data
def some():
    keys = ["ready", "loaded", "nonce", "test", "passed", "done", "kind", "error"]
    values = [True, False, None, 0, 1, 2, -1, 1e308, "", "passed", "wrong_answer", [0], {"a": []}, "\\ud800\\0"]
    return {choice.choice(keys): choice.choice(values) for _ in range(choice.randrange(5))}
moves = [
    lambda: choice.randbytes(choice.randrange(200)),
    lambda: frame(choice.randbytes(choice.randrange(200))),
    *[lambda: frame(json.dumps(some()).encode())] * 4,
    *[lambda: frame(json.dumps({"loaded": True}).encode())] * 4,
]
try:
    for _ in range(choice.randrange(12)):
        channel.sendall(choice.choice(moves)())
except OSError:
    pass
sys.exit(choice.choice([0, 0, 0, 1]))
"""


@pytest.mark.parametrize("seed", range(40))
def test_harness_that_says_anything_never_passes(seed: int) -> None:
    """Random bytes and random messages end in evidence, without an exception or a hang, and never in a pass."""
    program = Program(source="", tests=("pass",), limits=Limits(wall_seconds=20))
    argv = [sys.executable, "-I", "-S", "-c", FAKE_HARNESS, "{fd}", str(seed)]
    evidence = supervise(argv, program, environment={})
    assert evidence.stopped_for in ("", "protocol")
    assert verdict_of(evidence, program.limits, None, "none").status is not Status.PASSED


def test_process_that_cannot_be_started_is_an_error_of_ours() -> None:
    """A command that does not exist is an OSError, which a sandbox turns into SANDBOX_ERROR."""
    with pytest.raises(OSError, match="no-such-file"):
        supervise(["/no-such-file"], Program(source="", tests=()), environment={})


def test_silent_harness_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A jail that never becomes ready is ended after its time to start, whatever the program's wall time is."""
    monkeypatch.setattr("runners.supervise.START_SECONDS", 0.2)
    program = Program(source="", tests=("pass",), limits=Limits(wall_seconds=600))
    evidence = supervise([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"], program, environment={})
    assert (evidence.ready, evidence.stopped_for) == (False, "wall")
    assert verdict_of(evidence, program.limits, None, "none").status is Status.SANDBOX_ERROR
