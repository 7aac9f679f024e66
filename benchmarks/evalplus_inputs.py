"""MBPP+ inputs with their Python types: JSON has no tuple, set or complex, so some tasks' arguments are re-typed.

Which task needs what is a fact of the data set (evalplus 0.3.1, evalplus/data/mbpp.py, mbpp_deserialize_inputs).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Arguments = Sequence[Any]
Retype = Callable[[Arguments], Arguments]


def rows(value: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """A list of tuples."""
    return [tuple(row) for row in value]


def tuple_of_tuples(value: Sequence[Sequence[Any]]) -> tuple[tuple[Any, ...], ...]:
    """A tuple of tuples."""
    return tuple(rows(value))


def inner_tuples(value: Sequence[Any]) -> tuple[Any, ...]:
    """A tuple in which lists are tuples and all else stays."""
    return tuple(tuple(item) if isinstance(item, list) else item for item in value)


def deep_tuples(value: Any) -> Any:  # noqa: ANN401
    """Lists become tuples at every depth."""
    return tuple(deep_tuples(item) for item in value) if isinstance(value, list) else value


def sets(value: Sequence[Any]) -> list[Any]:
    """A list of sets; what is empty is a dict, as in EvalPlus (Mbpp/115)."""
    return [set(item) if isinstance(item, list) and item else {} for item in value]


def tuple_values(value: dict[str, Sequence[Any]]) -> dict[str, tuple[Any, ...]]:
    """A dict whose values are tuples."""
    return {key: tuple(item) for key, item in value.items()}


def every(convert: Callable[[Any], Any]) -> Retype:
    """Convert each argument."""
    return lambda arguments: [convert(argument) for argument in arguments]


def each(*converts: Callable[[Any], Any] | None) -> Retype:
    """Convert arguments by position; None, and all positions after the last named, stay as they are."""

    def retype(arguments: Arguments) -> Arguments:
        named = [convert(argument) if convert else argument for convert, argument in zip(converts, arguments)]  # noqa: B905
        return [*named, *arguments[len(named) :]]

    return retype


RETYPES: tuple[tuple[tuple[int, ...], Retype], ...] = (
    (
        (2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616, 630, 726, 740, 744, 809),
        every(tuple),
    ),
    ((63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780), every(rows)),
    ((75, 413, 444, 753), each(rows)),
    ((106, 750), each(None, tuple)),
    ((115,), each(sets)),
    ((124,), each(float, complex)),
    ((250, 307, 405, 446, 617, 720, 763, 808), each(tuple)),
    ((259, 401, 445), every(tuple_of_tuples)),
    ((278,), each(inner_tuples)),
    ((722,), each(tuple_values)),
    ((252,), each(complex)),
    ((580, 615, 791), every(deep_tuples)),
)
RETYPE_OF = {task: retype for tasks, retype in RETYPES for task in tasks}


def mbpp_inputs(task_id: str, inputs: Sequence[Arguments]) -> list[Arguments]:
    """Give one task's inputs their Python types; `task_id` is such as `Mbpp/115`.

    Raises:
        TypeError, ValueError, AttributeError: the inputs do not have the shape that this task has.
    """
    retype = RETYPE_OF.get(int(task_id.rpartition("/")[2]), list)
    return [retype(arguments) for arguments in inputs]
