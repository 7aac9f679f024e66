"""EvalPlus' comparison rules, as plain functions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks import evalplus_judge as judge
from benchmarks.evalplus_inputs import mbpp_inputs

VALUES = {
    "scalars": [None, True, False, 0, -7, 1.5, -0.0, 1e300, "a'b\n\u2028", b"\x00"],
    "infinities": [math.inf, -math.inf, [math.inf]],
    "complex": [1 + 2j, complex(-0.0, 1), complex(math.inf, 0)],
    "containers": [[], (), (1,), (1, (2, [3])), {}, {"a": (1,)}, {(1, 2): {3}}],
    "sets": [set(), {1, 2, 3}, frozenset({"a"}), {(1, 2), (0, 1)}],
    "beyond the digits that int() reads": [10**5000, -(10**5000)],
}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_literal_is_read_back_as_the_same_value(values: list[Any]) -> None:
    """What is written for the test's source gives the value back, with its type."""
    for value in values:
        back = judge.evaluate(judge.literal(value))
        assert back == value
        assert type(back) is type(value)
        assert judge.literal(back) == judge.literal(value)


def test_literal_of_nan_is_nan() -> None:
    """JSON inputs may hold NaN."""
    assert math.isnan(judge.evaluate(judge.literal([math.nan]))[0])


def test_subclasses_are_written_as_the_plain_types_that_they_equal() -> None:
    """A Counter compares equal to a dict, a numpy float to a float."""
    assert judge.evaluate(judge.literal(Counter("aab"))) == {"a": 2, "b": 1}
    assert judge.literal(np.float64(0.5)) == "0.5"


@pytest.mark.parametrize("value", [object(), iter([1]), [lambda: 1]], ids=["object", "iterator", "function"])
def test_what_is_no_data_has_no_literal(value: object) -> None:
    """An expected output that cannot be written down is an error, never a silent string."""
    with pytest.raises(TypeError, match="has no literal form"):
        judge.literal(value)


def test_size_is_found_without_writing() -> None:
    """A result of millions of parts is recognised before it is turned into text."""
    assert judge.has_more_parts([(0,) * 10] * 10, 100)
    assert not judge.has_more_parts([(0,) * 10] * 10, 1000)
    assert judge.has_more_parts({"a": "x" * 50}, 40)
    assert not judge.has_more_parts(3, 1)


CLOSE = [
    (1.0, 1.0 + 1e-7),
    (1.0, 1.0 + 1e-5),
    (0.0, 9e-7),
    (0.0, 2e-6),
    (1e9, 1e9 + 50),
    (1e9, 1e9 + 500),
    (math.inf, math.inf),
    (math.inf, -math.inf),
    (1e308, math.inf),
    (math.nan, math.nan),
    (1 + 1j, 1 + (1 + 1e-8) * 1j),
    ([1.0, 2.0], [1.0, 2.0 + 1e-8]),
    ([1.0, 2.0], [1.0, 2.1]),
    ([[1.0], [2.0]], [[1.0], [2.0]]),
    ((), ()),
    (True, 1.0),
]


@pytest.mark.parametrize(("out", "expected"), CLOSE, ids=map(str, CLOSE))
def test_close_agrees_with_numpy(out: Any, expected: Any) -> None:
    """The plain Python form gives numpy.allclose's answer with EvalPlus' tolerances."""
    theirs = bool(np.allclose(out, expected, rtol=judge.RELATIVE, atol=judge.FLOAT_ABSOLUTE))
    assert judge.close(out, expected, judge.FLOAT_ABSOLUTE) is theirs


@pytest.mark.parametrize(
    ("out", "expected"), [("a", "b"), ([1.0], ["x"]), ([1.0], [1.0, 2.0]), (None, 1.0), ({}, {1: 2})]
)
def test_what_is_not_numeric_or_of_another_shape_is_not_close(out: Any, expected: Any) -> None:
    """Where numpy would raise, the answer is wrong."""
    assert judge.close(out, expected, 1.0) is False


def passes(candidate: Callable[..., Any], cases: list[tuple[list[Any], Any]], **options: Any) -> bool:
    """Whether a candidate passes cases of (arguments, expected)."""
    inputs = judge.literal([arguments for arguments, _ in cases])
    expected = judge.literal([result for _, result in cases])
    try:
        judge.check(candidate, inputs, expected, **options)
    except AssertionError:
        return False
    return True


RULES: dict[str, tuple[Callable[..., Any], list[tuple[list[Any], Any]], dict[str, Any], bool]] = {
    "equal ints": (lambda x: x + 1, [([1], 2), ([2], 3)], {}, True),
    "last case differs": (lambda x: 2, [([1], 2), ([2], 3)], {}, False),
    "int where a float is expected and equal": (lambda x: 2, [([1], 2.0)], {}, True),
    "int where a float is expected and near": (lambda x: 2, [([1], 2.0000001)], {}, False),
    "float within the enforced tolerance": (lambda x: 0.1 + 0.2, [([1], 0.3)], {}, True),
    "float outside of it": (lambda x: 0.3001, [([1], 0.3)], {}, False),
    "float within the problem's own tolerance": (lambda x: 0.3001, [([1], 0.3)], {"atol": 1e-3}, True),
    "tuple for list of floats": (lambda x: (0.1 + 0.2,), [([1], [0.3])], {}, False),
    "shorter list of floats": (lambda x: [0.3], [([1], [0.3, 0.0])], {}, False),
    "mixed ints and floats have no tolerance": (lambda x: [1, 0.1 + 0.2], [([1], [1, 0.3])], {}, False),
    "tolerance stays once a float was expected": (
        lambda x: [1, 0.1 + 0.2] if x else 0.5,
        [([0], 0.5), ([1], [1, 0.3])],
        {},
        True,
    ),
    "set ignores order and repetition": (lambda x: [2, 1, 1], [([1], (1, 2))], {"rule": "set"}, True),
    "set wants all members": (lambda x: [1], [([1], (1, 2))], {"rule": "set"}, False),
    "not_none takes any object": (lambda x: object(), [([1], True)], {"rule": "not_none"}, True),
    "not_none takes False as an answer": (lambda x: False, [([1], False)], {"rule": "not_none"}, True),
    "not_none refuses None": (lambda x: None, [([1], True)], {"rule": "not_none"}, False),
    "anything": (lambda x: 5, [([1], 7)], {"rule": "anything"}, True),
    "zero besides the expected": (lambda x: 0, [([1], 7)], {"rule": "zero"}, True),
    "another root": (lambda xs: -1.0, [([[-1, 0, 1]], 1.0)], {"rule": "polynomial", "atol": 1e-4}, True),
    "no root": (lambda xs: 0.5, [([[-1, 0, 1]], 1.0)], {"rule": "polynomial", "atol": 1e-4}, False),
    "digits padded on the left": (lambda a, b: 10, [([123, 256], 6), ([1, 91], 9)], {"rule": "digit_distance"}, False),
    "digit distance right-aligned": (lambda a, b: 9, [([1, 91], 17)], {"rule": "digit_distance"}, True),
    "other reading of the pyramid": (lambda a, h: 33, [([3, 4], 99)], {"rule": "surface_area", "atol": 1e-6}, False),
    "pyramid with the perpendicular height": (
        lambda a, h: 35,
        [([3, 4], 99)],
        {"rule": "surface_area", "atol": 1e-6},
        True,
    ),
}


@pytest.mark.parametrize(("candidate", "cases", "options", "right"), RULES.values(), ids=RULES)
def test_rule_decides_as_evalplus(
    candidate: Callable[..., Any], cases: list[tuple[list[Any], Any]], options: dict[str, Any], right: bool
) -> None:
    """Each rule of EvalPlus accepts and refuses what it does there."""
    assert passes(candidate, cases, **options) is right


def test_candidate_that_changes_its_arguments_harms_nobody() -> None:
    """Each call gets copies: neither the oracle nor a later case sees what a candidate did to its list."""

    def root(xs: list[float]) -> float:
        xs.clear()
        return 1.0

    assert passes(root, [([[-1, 1]], 1.0), ([[-2, 2]], 1.0)], rule="polynomial", atol=1e-4)


def test_canonical_solution_may_stand_for_its_results() -> None:
    """Where results are too long to keep, both are called, each with its own copies."""

    def consume(xs: list[int]) -> int:
        return sum(xs.pop() for _ in range(len(xs)))

    judge.check(sum, "[[[1, 2]], [[3]]]", consume)
    with pytest.raises(AssertionError, match="case 1"):
        judge.check(lambda xs: 3, "[[[1, 2]], [[4]]]", consume)


RETYPED = {
    "Mbpp/2": ([[[1, 2], [3]]], [[(1, 2), (3,)]]),
    "Mbpp/63": ([[[[1, 2], [3, 4]]]], [[[(1, 2), (3, 4)]]]),
    "Mbpp/75": ([[[[1, 2]], 2]], [[[(1, 2)], 2]]),
    "Mbpp/106": ([[[1], [2]]], [[[1], (2,)]]),
    "Mbpp/115": ([[[[1, 2], [], {}]]], [[[{1, 2}, {}, {}]]]),
    "Mbpp/124": ([["0", "1j"]], [[0.0, 1j]]),
    "Mbpp/259": ([[[[1], [2]], [[3]]]], [[((1,), (2,)), ((3,),)]]),
    "Mbpp/278": ([[[1, [2, 3]]]], [[(1, (2, 3))]]),
    "Mbpp/307": ([[["a", []], 1, 50]], [[("a", []), 1, 50]]),
    "Mbpp/722": ([[{"a": [1, 2]}, 1.0, 2]], [[{"a": (1, 2)}, 1.0, 2]]),
    "Mbpp/580": ([[[1, [2, [3]]]]], [[(1, (2, (3,)))]]),
    "Mbpp/3": ([[[1]]], [[[1]]]),
}


@pytest.mark.parametrize(("task_id", "inputs", "typed"), [(task, *pair) for task, pair in RETYPED.items()], ids=RETYPED)
def test_inputs_get_the_types_that_json_lost(task_id: str, inputs: list[list[Any]], typed: list[list[Any]]) -> None:
    """Tuples, sets and complex numbers come back for the tasks that have them, and only for those."""
    assert judge.literal([list(arguments) for arguments in mbpp_inputs(task_id, inputs)]) == judge.literal(typed)
