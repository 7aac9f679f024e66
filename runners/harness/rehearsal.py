"""What children do, done beforehand in the zygote: the interpreter adapts to it once, and no child pays for that."""

import gc
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from runners.harness import python_inside, split_candidate, split_roles
from runners.harness.codec import Codec
from runners.harness.wire import CALL, NAMES, Wire

_ROUNDS = 20
_CHUNKS = 8
SOURCE = """
from typing import List, Dict, Tuple, Optional, Any
import math, re, collections, itertools, functools, string
def f(n: int, *rest) -> List[int]:
    '''Doc.
    >>> f(1)
    [1]
    '''
    words = "some, words".split(",")
    text = " ".join(sorted({word.strip().lower() for word in words}, key=lambda word: (len(word), word)))
    counts = {}
    for index, letter in enumerate(text[::-1]):
        if letter.isalpha() and letter not in ("a", "b"):
            counts[letter] = counts.get(letter, 0) + index % 3
    pairs = [(value, key) for key, value in counts.items() if value > 0 or abs(-value) >= 2]
    total = sum(value for value, _ in pairs) / max(1, len(pairs)) + round(math.sqrt(16.0), 2)
    rest = list(range(n, 0, -1)) + [int(str(7)), ord("a"), min(3, 4)]
    while rest and rest[-1] > 2:
        rest.pop()
    rest.append(1)
    rest.extend(reversed([1, 2]))
    rest.sort()
    return [x for x in zip(rest, map(str, rest))] if any(pairs) and all(rest) and isinstance(total, float) else None
"""
TESTS = ["def check(g):\n    assert g(1) == [(1, '1'), (1, '1'), (2, '2')]\n    assert g(1, [2.5]) and True\ncheck(f)"]
ANSWER = [(1, "1"), (1, "1"), (2, "2")]


def rehearse() -> None:
    """Serve a program of our own until bytecode is specialised and attribute caches are filled; then tidy up."""
    main = sys.modules["__main__"]
    for _ in range(_ROUNDS):
        _inside()
        _program()
        _judge()
    sys.modules["__main__"] = main
    gc.collect()
    for _ in range(_CHUNKS):  # sorts what was freed, which would touch all of it
        bytes(1 << 16)


def _inside() -> None:
    with _pair() as (ours, theirs):
        python_inside.send(ours.fileno(), {"source": SOURCE, "module_name": "__main__"})
        python_inside.send(ours.fileno(), {"tests": TESTS, "nonce": "0"})
        python_inside.converse(theirs.fileno())
    python_inside.flush()


def _program() -> None:
    with _pair() as (ours, theirs):
        codec, wire = Codec(judge=True), Wire(ours.fileno())
        wire.send(NAMES + codec.encode(["f"]))
        for arguments in ([1], [1, [2.5]], [2, {"a": (True, None)}]):
            wire.send(CALL + b"f\0" + codec.encode([arguments, []]))
        ours.shutdown(socket.SHUT_WR)
        split_candidate.serve(SOURCE, "__main__", theirs.fileno())


def _judge() -> None:
    with _pair() as (supervisor, channel), _pair() as (program, ours):
        job = {"source": SOURCE, "module_name": "__main__", "tests": TESTS, "nonce": "0"}
        python_inside.send(supervisor.fileno(), {**job, "helpers": "", "under_test": ["f"]})
        codec, wire = Codec(judge=False), Wire(program.fileno())
        for answer in (["loaded"], ["names", ["f"], []], ["value", ANSWER], ["value", [ANSWER]]):
            wire.send(codec.encode(answer))
        split_roles.converse(channel.fileno(), ours.fileno())


@contextmanager
def _pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends that keep messages apart, so that one side can say all it has to say before the other begins."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs
