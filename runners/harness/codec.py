"""How plain data crosses between the judge and an untrusted program: bounded JSON in which tags stand for the rest.

Values keep their exact type and value; what is no plain data is refused by name. A message without tags is decoded by
the C parser alone, and nothing that arrives is executed, imported by name or unpickled. Not kept: which containers are
one object (each is sent as often as it occurs), the iteration order of sets.
"""

from __future__ import annotations

import json.encoder
import sys
from collections.abc import Callable
from typing import Any

MAX_MESSAGE_BYTES = 64 << 20
MAX_ELEMENTS = 4_000_000
"""Values in one message; bounds what a small message can grow to in memory."""
MAX_DEPTH = 200
"""Containers within containers."""
_MAX_NANS = 1000
_SMALL_BITS = 2000
"""Below the smallest limit on decimal digits that a program can set; longer integers are sent in hexadecimal."""
_MAX_DIGITS = sys.int_info.default_max_str_digits
_SAFE_RECURSION = 5000
_MAX_PLAIN_LISTS = 1 << 16
"""More lists at one level than this are written with all bounds counted, which a cycle reaches sooner."""
_SCALARS = frozenset({type(None), bool, int, float, str})


class Unsendable(Exception):
    """A value is no plain data, or too much of it; the text says which type or bound."""


class Garbage(Exception):
    """Bytes that no encoder of ours wrote."""


def _encoder(*, allow_nan: bool) -> Callable[[Any, int], tuple[str, ...]]:
    # The C encoder itself: json.dumps would make a new one for each call, at three times the cost.
    make: Any = vars(json.encoder)["c_make_encoder"]
    text = vars(json.encoder)["encode_basestring"]
    encoder: Callable[[Any, int], tuple[str, ...]] = make(None, None, text, None, ":", ",", False, False, allow_nan)
    return encoder


_STRICT, _LOOSE = _encoder(allow_nan=False), _encoder(allow_nan=True)


class Codec:
    """One end of a connection: it remembers which NaN is which, because a NaN equals only itself."""

    def __init__(self, *, judge: bool) -> None:
        """Number own NaNs upwards on the judge's side, downwards on the program's."""
        self._sign = 1 if judge else -1
        self._nans: dict[int, float] = {}
        self._numbers: dict[int, int] = {}
        decoder: Any = json.JSONDecoder(object_pairs_hook=self._revive, parse_constant=_constant)
        self._scan: Callable[[str, int], tuple[Any, int]] = decoder.scan_once
        self._left = 0

    def encode(self, value: object) -> bytes:
        """Write a value; equal bytes mean equal values.

        Raises:
            Unsendable: it holds something that is no plain data, or is too large or too deep.
        """
        text = None
        try:
            if _is_plain(value) and 0 < sys.get_int_max_str_digits() <= _MAX_DIGITS:
                text = "".join(_STRICT(value, 0))
        except ValueError:  # inf, nan or an integer of very many digits
            text = None
        try:
            if text is None:
                self._left = MAX_ELEMENTS
                text = "".join(_LOOSE(self._tree(value, MAX_DEPTH), 0))
            data = text.encode("utf-8", "surrogatepass")
        except (RecursionError, MemoryError) as error:
            raise Unsendable(f"{type(value).__name__} that is too deep or too large") from error
        if len(data) > MAX_MESSAGE_BYTES or _num_elements(data) > MAX_ELEMENTS:
            raise Unsendable(f"{type(value).__name__} of {len(data)} bytes")
        return data

    def decode(self, data: bytes) -> Any:  # noqa: ANN401
        """Read what `encode` wrote.

        Raises:
            Garbage: `encode` has not written this.
        """
        if len(data) > MAX_MESSAGE_BYTES or _num_elements(data) > MAX_ELEMENTS:
            raise Garbage(f"message of {len(data)} bytes")
        limit = sys.getrecursionlimit()
        try:
            if limit > _SAFE_RECURSION:  # tests may raise it; nesting from outside must not reach the end of the stack
                sys.setrecursionlimit(_SAFE_RECURSION)
            text = data.decode("utf-8", "surrogatepass")
            value, end = self._scan(text, 0)
        except (Exception, StopIteration) as error:
            raise Garbage(f"no message: {type(error).__name__}") from error
        finally:
            if limit > _SAFE_RECURSION:
                sys.setrecursionlimit(limit)
        if end != len(text):
            raise Garbage("more than one message")
        return value

    def _tree(self, value: Any, depth: int) -> Any:  # noqa: ANN401
        """The same value with a tag, a JSON object of one key, around everything that JSON has not."""
        kind = type(value)
        self._left -= 1
        if kind is int:
            return value if value.bit_length() < _SMALL_BITS else {"int": hex(value)}
        if kind is float:
            return value if value == value else {"nan": self._number_of(value)}
        if kind in _SCALARS:
            return value
        if depth == 0 or self._left < 0:
            raise Unsendable(f"{kind.__name__} with more than {MAX_DEPTH} levels or {MAX_ELEMENTS} elements")
        if kind is list:
            return [self._tree(item, depth - 1) for item in value]
        tag = _TAGS.get(kind) or _TAGS_BY_NAME.get((kind.__module__, kind.__qualname__))
        if tag is None:
            raise Unsendable(kind.__name__)
        return {tag: self._tree(_FORMS[tag][0](value), depth - 1)}

    def _revive(self, pairs: list[tuple[str, Any]]) -> Any:  # noqa: ANN401
        """Build the value of one tag; its parts are built already."""
        ((tag, form),) = pairs
        if tag == "nan":
            return self._nan_of(form)
        _, kind, build = _FORMS[tag]
        if type(form) is not kind:
            raise Garbage(f"{tag} of {type(form).__name__}")
        return build(form)

    def _number_of(self, nan: float) -> int:
        number = self._numbers.get(id(nan))
        if number is None:
            number = self._sign * (len(self._nans) + 1)
            if not self._remember(number, nan):
                return 0
        return number

    def _nan_of(self, number: object) -> float:
        if type(number) is not int:
            raise Garbage("nan without a number")
        known = self._nans.get(number)
        if known is not None:
            return known
        nan = float("nan")
        if number * self._sign < 0:
            self._remember(number, nan)
        return nan

    def _remember(self, number: int, nan: float) -> bool:
        """Keep a NaN, and thereby its id, for as long as the connection lives."""
        if len(self._nans) >= _MAX_NANS:
            return False
        self._nans[number] = nan
        self._numbers[id(nan)] = number
        return True


def _is_plain(value: object) -> bool:
    """Whether a value is JSON's own: exact scalars and lists of them, looked through level by level."""
    if type(value) is not list:
        return type(value) in _SCALARS
    level: list[list[Any]] = [value]
    for _ in range(MAX_DEPTH):
        below: list[list[Any]] = []
        for items in level:
            if not _SCALARS.issuperset(map(type, items)):
                if not _PLAIN.issuperset(map(type, items)):
                    return False
                below += [item for item in items if type(item) is list]
        if not below:
            return True
        if len(below) > _MAX_PLAIN_LISTS:
            return False
        level = below
    return False


_PLAIN = _SCALARS | {list}


def _num_elements(data: bytes) -> int:
    """No fewer than the values in a message; counted only where there may be too many."""
    return len(data) if len(data) <= MAX_ELEMENTS else data.count(b",") + data.count(b"[") + data.count(b"{")


def _constant(name: str) -> float:
    if name == "NaN":
        raise Garbage("nan without a number")
    return float(name)


def _integer(value: object) -> int:
    # Fraction would also read text, in which a few characters stand for any number of digits.
    if type(value) is not int:
        raise Garbage("no integer")
    return value


def _flat(mapping: dict[Any, Any]) -> list[Any]:
    return [part for pair in mapping.items() for part in pair]


def _pairs(flat: list[Any]) -> dict[Any, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _from_module(module: str, name: str) -> Callable[..., Any]:
    """A type that is imported when the first value of it arrives: start-up time counts for every program."""

    def build(*parts: object) -> Any:  # noqa: ANN401
        return getattr(__import__(module), name)(*parts)

    return build


def _factory(value: Any) -> list[Any]:  # noqa: ANN401
    """A defaultdict's factory by name and its items."""
    name = getattr(value.default_factory, "__name__", "")
    if _FACTORIES.get(name) is not value.default_factory:
        raise Unsendable("defaultdict with a factory of its own")
    return [name, *_flat(value)]


def _date_parts(value: Any) -> list[int]:  # noqa: ANN401
    if type(value).__name__ == "date":
        return [value.year, value.month, value.day]
    if value.tzinfo is not None or value.fold:
        raise Unsendable("datetime with a time zone")
    return [value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond]


_FACTORIES: dict[str, type | None] = {"": None, **{kind.__name__: kind for kind in (int, float, str, list, set, dict)}}

_FORMS: dict[str, tuple[Callable[[Any], Any], type, Callable[[Any], Any]]] = {
    "tuple": (list, list, tuple),
    "dict": (_flat, list, _pairs),
    "set": (list, list, set),
    "frozenset": (list, list, frozenset),
    "int": (hex, str, lambda form: int(form, 16)),
    "complex": (lambda v: [repr(v.real), repr(v.imag)], list, lambda form: complex(*map(float, form))),
    "bytes": (lambda v: v.decode("latin-1"), str, lambda form: form.encode("latin-1")),
    "bytearray": (lambda v: v.decode("latin-1"), str, lambda form: bytearray(form, "latin-1")),
    "range": (lambda v: [v.start, v.stop, v.step], list, lambda form: range(*form)),
    "dict_keys": (list, list, lambda form: dict.fromkeys(form).keys()),
    "dict_values": (list, list, lambda form: dict(enumerate(form)).values()),
    "dict_items": (lambda v: _flat(dict(v)), list, lambda form: _pairs(form).items()),
    "Counter": (_flat, list, lambda form: _from_module("collections", "Counter")(_pairs(form))),
    "OrderedDict": (_flat, list, lambda form: _from_module("collections", "OrderedDict")(_pairs(form))),
    "defaultdict": (
        _factory,
        list,
        lambda form: _from_module("collections", "defaultdict")(_FACTORIES[form[0]], _pairs(form[1:])),
    ),
    "deque": (
        lambda v: [v.maxlen, *v],
        list,
        lambda form: _from_module("collections", "deque")(form[1:], form[0]),
    ),
    "Decimal": (str, str, _from_module("decimal", "Decimal")),
    "Fraction": (
        lambda v: [v.numerator, v.denominator],
        list,
        lambda form: _from_module("fractions", "Fraction")(*map(_integer, form)),
    ),
    "date": (_date_parts, list, lambda form: _from_module("datetime", "date")(*form)),
    "datetime": (_date_parts, list, lambda form: _from_module("datetime", "datetime")(*form)),
    "timedelta": (
        lambda v: [v.days, v.seconds, v.microseconds],
        list,
        lambda form: _from_module("datetime", "timedelta")(*form),
    ),
}
"""Tag: the form in which a value is sent, the type of that form, and how the value is built from it."""

_VIEWS: tuple[object, ...] = ({}.keys(), {}.values(), {}.items())
_TAGS: dict[type, str] = {
    kind: kind.__name__ for kind in (tuple, dict, set, frozenset, complex, bytes, bytearray, range, *map(type, _VIEWS))
}
_TAGS_BY_NAME = {
    ("decimal", "Decimal"): "Decimal",
    ("fractions", "Fraction"): "Fraction",
    **{("datetime", name): name for name in ("date", "datetime", "timedelta")},
    **{("collections", name): name for name in ("Counter", "OrderedDict", "defaultdict", "deque")},
}
