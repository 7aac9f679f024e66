"""Runs inside the jail, as text: compare a function's results with expected ones by the rules of EvalPlus.

benchmarks/evalplus.py sends the source of this module along with a program's tests, so it imports nothing of ours and
nothing but the standard library, and is executed in a namespace of its own: a program's global `max` or `inf` cannot
reach it. The rules are those of evalplus 0.3.1 (evalplus/eval/__init__.py), written anew.
"""

from __future__ import annotations

import copy
import json
import math
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any

RELATIVE = 1e-07
"""Relative tolerance wherever floats are compared, numpy.testing's default."""
FLOAT_ABSOLUTE = 1e-6
"""Absolute tolerance of a problem that states none, once an expected value is a float."""
CASE_SECONDS = 4.0
"""CPU seconds that every call may take at least."""

MAX_EXPECTED_CHARS = 1 << 20
"""Longer expected results are not kept: the canonical solution is called again beside each program."""

inf = math.inf  # names that literals use
nan = math.nan


def literal(value: object) -> str:
    """Write plain data as a Python expression over this module's names; equal values give equal text.

    Raises:
        TypeError: the value holds an object that is no plain data.
    """
    if value is None or isinstance(value, bool | str | bytes | float):
        return _scalar(value)
    if isinstance(value, int):
        return repr(int(value)) if value.bit_length() < 10_000 else hex(value)  # decimals are limited to 4300 digits
    if isinstance(value, complex):
        return f"complex({literal(value.real)}, {literal(value.imag)})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, set | frozenset):
        return f"{'set' if isinstance(value, set) else 'frozenset'}([{', '.join(sorted(map(literal, value)))}])"
    if isinstance(value, tuple):
        return "(" + "".join(f"{literal(item)}, " for item in value) + ")"
    if isinstance(value, list):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    raise TypeError(f"{type(value).__name__} has no literal form")


def _scalar(value: object) -> str:
    """`repr` of the built-in type, also for subclasses such as numpy.float64 and enum strings."""
    for kind in (bool, str, bytes, float):
        if isinstance(value, kind):
            return kind.__repr__(value)
    return repr(value)


def has_more_parts(value: object, count: int) -> bool:
    """Whether a nested value has more than `count` parts or characters, found without visiting many more than that."""
    pending = [value]
    while pending and count >= 0:
        item = pending.pop()
        size = len(item) if isinstance(item, str | bytes | dict | set | frozenset | tuple | list) else 1
        count -= max(size, 1)
        if count >= 0 and isinstance(item, dict):
            pending += [*item.keys(), *item.values()]
        elif count >= 0 and isinstance(item, set | frozenset | tuple | list):
            pending += item
    return count < 0


def evaluate(text: str) -> Any:  # noqa: ANN401
    """Read back what `literal` wrote."""
    return eval(text, globals())  # noqa: S307


def is_floats(value: object) -> bool:
    """Whether a value is a float or a non-empty list or tuple of floats."""
    if isinstance(value, list | tuple) and value:
        return all(isinstance(item, float) for item in value)
    return isinstance(value, float)


def close(out: object, expected: object, atol: float) -> bool:
    """Compare like numpy.allclose(out, expected, rtol=RELATIVE, atol) for numbers and nested lists of one shape."""
    if isinstance(expected, list | tuple):
        if not isinstance(out, list | tuple) or len(out) != len(expected):
            return False
        return all(close(left, right, atol) for left, right in zip(out, expected, strict=True))
    if not isinstance(out, int | float | complex) or not isinstance(expected, int | float | complex):
        return False
    if out == expected:
        return True
    return bool(abs(out - expected) <= atol + RELATIVE * abs(expected)) and math.isfinite(abs(expected))


def surface_area(base_edge: float, height: float) -> int:
    """Surface of a square pyramid whose height stands on the base: the other reading of Mbpp/581."""
    slant_height = math.sqrt((base_edge / 2) ** 2 + height**2)
    return round(base_edge**2 + 4 * (base_edge * slant_height) / 2)


def digit_distance(first: int, second: int) -> int:
    """Sum of differences of digits, right-aligned: the other reading of Mbpp/558."""
    width = max(len(str(first)), len(str(second)))
    pairs = zip(str(first).zfill(width), str(second).zfill(width), strict=True)
    return sum(abs(int(left) - int(right)) for left, right in pairs)


def polynomial(coefficients: Sequence[float], x: float) -> float:
    """Value of the polynomial whose root HumanEval/32 asks for."""
    return sum(coefficient * math.pow(x, power) for power, coefficient in enumerate(coefficients))


ALTERNATIVES: Mapping[str, Callable[[Any, Sequence[Any], float], bool]] = {
    "equal": lambda out, arguments, atol: False,
    "anything": lambda out, arguments, atol: True,
    "zero": lambda out, arguments, atol: bool(out == 0),
    "surface_area": lambda out, arguments, atol: bool(abs(out - surface_area(*arguments)) <= atol),
    "digit_distance": lambda out, arguments, atol: bool(out == digit_distance(*arguments)),
}
"""Rule -> answers that are right although they differ from the canonical solution's."""


def exact(rule: str, out: Any, expected: Any, arguments: Sequence[Any], atol: float) -> bool:  # noqa: ANN401
    """Whether `out` is right without tolerance; `set` and `not_none` replace equality, the others add to it."""
    if rule == "set":
        return set(out) == set(expected)
    if rule == "not_none":
        return bool(out == expected) if isinstance(out, bool) else bool(expected == (out is not None))
    return bool(out == expected) or ALTERNATIVES[rule](out, arguments, atol)


def check(
    candidate: Callable[..., Any],
    inputs: str,
    expected: str | Callable[..., Any],
    *,
    rule: str = "equal",
    atol: float = 0,
    slow: Mapping[int, float] | None = None,
) -> None:
    """Call the candidate on every input and compare; the first wrong case raises.

    Args:
        candidate: the function under test; it gets copies, so changing its arguments harms nobody.
        inputs: literal text of a list of argument lists.
        expected: literal text of the list of the canonical solution's results, or the canonical solution itself.
        rule: `equal`, `set`, `not_none`, `polynomial` or a key of ALTERNATIVES.
        atol: the problem's absolute tolerance.
        slow: CPU seconds of the cases that may take more than CASE_SECONDS.

    Raises:
        AssertionError: names the first case that differs.
        TimeoutError: a case took more CPU time than it may.
    """
    signal.signal(signal.SIGPROF, _ring)
    known: Sequence[Any] = [] if callable(expected) else evaluate(expected)
    for index, arguments in enumerate(evaluate(inputs)):
        result = expected(*copy.deepcopy(arguments)) if callable(expected) else known[index]
        out = limited(candidate, copy.deepcopy(arguments), (slow or {}).get(index, CASE_SECONDS))
        if rule == "polynomial":
            assert abs(polynomial(arguments[0], out)) <= atol, f"case {index}"
            continue
        is_exact = exact(rule, out, result, arguments, atol)
        if atol == 0 and is_floats(result):
            atol = FLOAT_ABSOLUTE  # stays for the cases after it, as in EvalPlus
        if not is_exact:
            assert atol != 0 and type(out) is type(result) and close(out, result, atol), f"case {index}"


fired: list[str] = []
"""Non-empty once the call in progress has used up its time, even if it swallowed the error."""


def _ring(number: int, frame: FrameType | None) -> None:
    fired.append("")
    raise TimeoutError("a case used up its CPU time")


def limited(candidate: Callable[..., Any], arguments: Sequence[Any], cpu_seconds: float) -> Any:  # noqa: ANN401
    """Call the candidate; TimeoutError once it has used the CPU seconds, again and again if it swallows that."""
    fired.clear()
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds, 0.5)
    try:
        return candidate(*arguments)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        if fired:
            raise TimeoutError(f"a case used up its CPU time ({cpu_seconds} s)")


def tell_expected(candidate: Callable[..., Any], groups: Mapping[str, str], marker: str, *, not_none: bool) -> None:
    """Print what the canonical solution returns for each group of inputs, as one JSON line after `marker`.

    The line maps each group to the literal text of the results (null if that is too long to keep) and the CPU seconds
    of each call.

    Raises:
        TypeError: a result is no plain data.
        AssertionError: a result does not survive being written and read back.
    """
    told = {}
    for name, inputs in groups.items():
        texts, seconds, length = [], [], 0
        for arguments in evaluate(inputs):
            started = time.process_time()
            result = candidate(*arguments)
            seconds.append(time.process_time() - started)
            kept = result is not None if not_none else result
            text = "" if has_more_parts(kept, MAX_EXPECTED_CHARS) else literal(kept)
            length += len(text) if text else MAX_EXPECTED_CHARS + 1
            if length <= MAX_EXPECTED_CHARS:
                assert literal(evaluate(text)) == text, f"{name}: a result does not survive being written and read back"
                texts.append(text)
        told[name] = {"expected": f"[{', '.join(texts)}]" if length <= MAX_EXPECTED_CHARS else None, "seconds": seconds}
    print("\n" + marker + json.dumps(told), flush=True)  # noqa: T201
