"""Plain data crosses exactly; everything else is refused by one error on each side."""

from __future__ import annotations

import ast
import contextlib
import gzip
import json
import math
import random
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from runners.harness import codec
from runners.harness.codec import Codec, Garbage, Unsendable

VALUES: dict[str, Any] = {
    "none": None,
    "booleans": [True, False],
    "bool and int": [True, 1, False, 0],
    "int and float": [1, 1.0, 0, 0.0],
    "negative zero": [-0.0, 0.0, [-0.0]],
    "infinities": [math.inf, -math.inf],
    "floats": [0.1, 1e300, 5e-324, 1 / 3, 1e16, 123456789012345680.0],
    "long int": 10**5000,
    "long negative int in containers": ([-(10**5000)], {10**4299: 2**3000}),
    "complex": [1j, complex(-0.0, -0.0), complex(math.inf, -1.5)],
    "text": ["", "a", 'quote " and \\', "line\nbreak\0", "é€𝄞", "</script>"],
    "lone surrogates": ["\ud83d", "\ude00\ud83d"],
    "surrogates that look like a pair": "\ud83d\ude00",
    "the pair": "\U0001f600",
    "bytes": [b"", b"\0\xff", bytes(range(256))],
    "bytearray": bytearray(b"\0\xff"),
    "tuples": [(), (1,), (1, (2, [3])), ([],)],
    "lists": [[], [[]], [[[1], 2], 3]],
    "dict in order": {"b": 1, "a": 2, "": 3},
    "dict with keys of all kinds": {1: "a", (1, 2): "b", None: "c", 2.5: "d", b"x": "e", frozenset({1}): "f"},
    "dict that looks like a tag": {"tuple": [1, 2]},
    "empty containers": ([], (), {}, set(), frozenset(), "", b""),
    "sets of tuples": {(1, 2), (3, "a")},
    "frozenset": frozenset({1, "a", None}),
    "set of frozensets": {frozenset({1}), frozenset()},
    "range": [range(0), range(1, 10**30, 3), range(5, 0, -1)],
    "decimal": [Decimal("1.10"), Decimal("-0"), Decimal("1E+1000"), Decimal("Infinity")],
    "fraction": Fraction(-1, 3),
    "dates": [date(2024, 2, 29), datetime(2024, 2, 29, 1, 2, 3, 4), timedelta(-1, 2, 3)],
    "counter": Counter("abca"),
    "ordered dict": OrderedDict([("b", 1), ("a", [2])]),
    "default dict": defaultdict(list, {1: [2]}),
    "default dict without a factory": defaultdict(None, {1: 2}),
    "deque": [deque([1, (2,)]), deque(maxlen=3)],
    "deep": [[[[[[[[[[(1,)]]]]]]]]]],
}


def fingerprint(value: Any) -> Any:
    """All of a value that a test could see: types of all parts, order of dicts, signs of zero."""
    kind = type(value).__name__
    if isinstance(value, dict):
        factory = getattr(value, "default_factory", None)
        return kind, factory, [(fingerprint(key), fingerprint(item)) for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return kind, sorted(repr(fingerprint(item)) for item in value)
    if isinstance(value, list | tuple | deque):
        return kind, getattr(value, "maxlen", None), [fingerprint(item) for item in value]
    if isinstance(value, int):
        return kind, hex(value)
    return kind, repr(value)


def crossed(value: Any) -> Any:
    """The value as the other side sees it."""
    return Codec(judge=True).decode(Codec(judge=False).encode(value))


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_plain_data_crosses_exactly(value: Any) -> None:
    """Type and value of every part arrive."""
    assert fingerprint(crossed(value)) == fingerprint(value)


@pytest.mark.parametrize(
    "name", [name for name in VALUES if "set" not in name and "keys" not in name and "empty" not in name]
)
def test_unchanged_value_gives_the_same_bytes(name: str) -> None:
    """By its bytes the program's side sees whether an argument was changed (sets may change their order)."""
    assert Codec(judge=False).encode(crossed(VALUES[name])) == Codec(judge=True).encode(VALUES[name])


def test_views_of_dicts_cross() -> None:
    """Keys, values and items arrive as views again."""
    source = {"a": 1, "b": 2}
    keys, values, items = crossed([source.keys(), source.values(), source.items()])
    assert (keys, list(values), items) == (source.keys(), [1, 2], source.items())
    assert [type(view).__name__ for view in (keys, values, items)] == ["dict_keys", "dict_values", "dict_items"]


def test_nan_that_returns_is_the_same_object() -> None:
    """A NaN that is sent and sent back is the one that was sent; a NaN of the other side's own is another."""
    ours, theirs = Codec(judge=True), Codec(judge=False)
    nan = math.nan
    (first, second) = theirs.decode(ours.encode([nan, (nan,)]))
    assert first is second[0]
    assert math.isnan(first)
    own, returned, again = ours.decode(theirs.encode([first * 2, first, first]))
    assert returned is again is nan
    assert math.isnan(own)
    assert own is not nan


def test_nans_without_number_are_all_different() -> None:
    """Beyond what a connection remembers, a NaN equals no other."""
    ours, theirs = Codec(judge=True), Codec(judge=False)
    arrived = ours.decode(theirs.encode([float("nan") for _ in range(1500)]))
    assert len({id(nan) for nan in arrived}) == 1500
    assert all(math.isnan(nan) for nan in arrived)


def test_program_that_lifts_the_limit_on_digits_is_understood() -> None:
    """A longer decimal integer than the judge reads is sent in another form."""
    limit = sys.get_int_max_str_digits()
    try:
        sys.set_int_max_str_digits(0)
        data = Codec(judge=False).encode([10**6000])
    finally:
        sys.set_int_max_str_digits(limit)
    assert Codec(judge=True).decode(data) == [10**6000]


class Odd(int):
    """A subclass of a plain type."""


def cycle() -> list[Any]:
    """A list in itself, twice."""
    value: list[Any] = []
    value += [value, value]
    return value


def doubling() -> list[Any]:
    """A small object that is huge when written out."""
    value: list[Any] = [0]
    for _ in range(100):
        value = [value, value]
    return value


def nested(levels: int) -> list[Any]:
    """A list in a list in a list."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def generator() -> Iterator[int]:
    """A generator function."""
    yield 1


REFUSED: dict[str, tuple[Any, str]] = {
    "object": (object(), "object"),
    "function": (generator, "function"),
    "generator": ([generator()], "generator"),
    "iterator": (map(str, [1]), "map"),
    "subclass of int": ([Odd(1)], "Odd"),
    "subclass in a dict": ({"a": Odd(1)}, "Odd"),
    "class": (int, "type"),
    "module": (json, "module"),
    "ellipsis": (..., "ellipsis"),
    "memoryview": (memoryview(b"a"), "memoryview"),
    "cycle": (cycle(), "200 levels"),
    "cycle through a dict": ({"a": cycle()}, "200 levels"),
    "deep": (nested(5000), "200 levels"),
    "default dict with a factory of its own": (defaultdict(lambda: 1), "factory"),
    "datetime with a time zone": (datetime(2024, 1, 1, tzinfo=UTC), "time zone"),
    "too many bytes": ("x" * (codec.MAX_MESSAGE_BYTES + 1), "bytes"),
}


@pytest.mark.parametrize(("value", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_plain_data_is_refused_by_name(value: Any, reason: str) -> None:
    """The error names the type or the bound."""
    with pytest.raises(Unsendable, match=reason):
        Codec(judge=True).encode(value)


def test_value_that_grows_when_written_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing ends at the bound on elements, however small the object is."""
    monkeypatch.setattr(codec, "MAX_ELEMENTS", 10_000)
    with pytest.raises(Unsendable):
        Codec(judge=True).encode(doubling())


def test_many_elements_are_refused_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that would grow in memory is neither written nor read."""
    data = Codec(judge=True).encode([0] * 20_000)
    monkeypatch.setattr(codec, "MAX_ELEMENTS", 10_000)
    with pytest.raises(Unsendable):
        Codec(judge=True).encode([0] * 20_000)
    with pytest.raises(Garbage):
        Codec(judge=False).decode(data)


GARBAGE = {
    "nothing": b"",
    "no JSON": b"hello",
    "cut off": b"[1,2",
    "two values": b"1 2",
    "space before": b" 1",
    "not UTF-8": b'"\xff"',
    "unknown tag": b'{"eval":"1"}',
    "two tags": b'{"tuple":[],"list":[]}',
    "no tag": b"{}",
    "tag of another form": b'{"tuple":"abc"}',
    "nan without a number": b"NaN",
    "nan with another": b'{"nan":"1"}',
    "unhashable in a set": b'{"set":[[]]}',
    "unhashable key": b'{"dict":[[],1]}',
    "key without value": b'{"dict":[1]}',
    "int that is none": b'{"int":"zz"}',
    "too many digits": b"1" * 10_000,
    "complex of three": b'{"complex":["1","2","3"]}',
    "range of text": b'{"range":["a"]}',
    "range without step": b'{"range":[1,2,0]}',
    "bytes beyond a byte": '{"bytes":"€"}'.encode(),
    "fraction by zero": b'{"Fraction":[1,0]}',
    "fraction of many digits": b'{"Fraction":["1e999999999"]}',
    "decimal that is none": b'{"Decimal":"x"}',
    "date that is none": b'{"date":[1,2]}',
    "month 13": b'{"date":[2024,13,1]}',
    "endless timedelta": b'{"timedelta":[99999999999999,0,0]}',
    "factory by name": b'{"defaultdict":["eval"]}',
    "deque without length": b'{"deque":[]}',
    "unhashable tag": b'{"":[]}',
    "depth of a million": b"[" * 1_000_000,
    "depth of a million tags": b'{"tuple":[' * 1_000_000,
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_garbage_raises_one_error(data: bytes) -> None:
    """Bytes that no encoder wrote raise Garbage and nothing else."""
    with pytest.raises(Garbage):
        Codec(judge=True).decode(data)


def test_depth_from_outside_is_bounded_whatever_the_tests_allow() -> None:
    """A raised recursion limit does not let a message reach the end of the stack, and is left as it was."""
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(10**8)
        with pytest.raises(Garbage):
            Codec(judge=True).decode(b"[" * 1_000_000)
        assert sys.getrecursionlimit() == 10**8
    finally:
        sys.setrecursionlimit(limit)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A message with a few bytes changed, removed, doubled or taken from elsewhere."""
    parts = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, width = rng.randrange(len(parts) + 1), rng.randint(0, 6)
        filler = rng.choice([rng.randbytes(width), bytes(parts[at : at + width]) * 2, rng.choice(TOKENS)])
        parts[at : at + rng.randint(0, width)] = filler
    return bytes(parts)


TOKENS = [
    b'{"',
    b'":',
    b"}",
    b"[",
    b"]",
    b",",
    b"-",
    b"e9",
    b'"',
    b"\\u",
    *(f'"{tag}"'.encode() for tag in codec._FORMS),
]


def test_no_bytes_raise_anything_else() -> None:
    """20,000 seeded messages, random and mutated, are decoded to plain data that can be sent again, or are Garbage."""
    rng = random.Random(3)
    valid = [Codec(judge=False).encode(value) for value in VALUES.values()]
    decoded = 0
    for turn in range(20_000):
        data = rng.randbytes(rng.randint(0, 40)) if turn % 4 == 0 else mutated(rng.choice(valid), rng)
        with contextlib.suppress(Garbage):
            value = Codec(judge=True).decode(data)
            decoded += 1
            with contextlib.suppress(Unsendable):
                Codec(judge=True).encode(value)
    assert decoded > 500


def mbpp_literals(folder: Path) -> Iterator[Any]:
    """Every plain literal in the assertions of MBPP."""
    with gzip.open(folder / "mbpp" / "mbpp.jsonl.gz", "rt") as lines:
        tests = [test for line in lines for test in json.loads(line)["test_list"]]
    for test in tests:
        for node in ast.walk(ast.parse(test)):
            if isinstance(node, ast.List | ast.Tuple | ast.Dict | ast.Set | ast.Constant):
                with contextlib.suppress(ValueError):
                    yield ast.literal_eval(node)


def test_literals_of_mbpp_cross_exactly(shared_data: Path) -> None:
    """What MBPP's assertions give to functions, and expect of them, arrives as it is."""
    literals = [value for value in mbpp_literals(shared_data) if value is not ...]
    assert len(literals) > 10_000
    for value in literals:
        assert fingerprint(crossed(value)) == fingerprint(value)
