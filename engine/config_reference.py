"""Print the reference of all configuration keys as Markdown: `python -m engine.config_reference > engine/CONFIG.md`."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.config import BenchmarkConfig, RunConfig

_HEAD = """\
# Configuration

Made from `engine/config.py` by `python -m engine.config_reference`; do not edit by hand.

A suite is a YAML file with these keys. Every key can be set on the command line with `--set section.key=value`, which
goes before flags, which go before the file. Values are YAML; list items are numbered: `benchmarks.0.split=all`. An
unknown key is an error. Relative paths start from the current directory.
"""


def reference() -> str:
    """The whole document."""
    return "\n".join([_HEAD, *_section("Top level", "", _own_fields(RunConfig)), *_benchmarks(), *_sections()])


def _own_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Fields that are values, not sections."""
    return {name: field for name, field in model.model_fields.items() if _model_of(field) is None}


def _benchmarks() -> list[str]:
    note = "Other keys are options of the benchmark itself; `codeassay list` shows them.\n"
    return [*_section("benchmarks", "benchmarks.N.", BenchmarkConfig.model_fields), note]


def _sections() -> Iterator[str]:
    for name, field in RunConfig.model_fields.items():
        model = _model_of(field)
        if model is not None:
            yield from _section(name, f"{name}.", model.model_fields)
            if field.description:
                yield f"{field.description}\n"


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a field is, perhaps one that may be left out."""
    is_choice = get_origin(field.annotation) in (Union, types.UnionType)
    choices = get_args(field.annotation) if is_choice else (field.annotation,)
    return next((each for each in choices if isinstance(each, type) and issubclass(each, BaseModel)), None)


def _section(title: str, prefix: str, fields: dict[str, FieldInfo]) -> list[str]:
    rows = [f"| `{prefix}{name}` | {_row(field)} |" for name, field in fields.items()]
    return [f"## {title}\n", "| key | type | default | meaning |", "|---|---|---|---|", *rows, ""]


def _row(field: FieldInfo) -> str:
    default = "required" if field.is_required() else f"`{_value(field.get_default(call_default_factory=True))}`"
    meaning = " ".join((field.description or "").split())
    cells = [_type(field.annotation) + _bounds(field), default, meaning]
    return " | ".join(cell.replace("|", "\\|").replace("<", "\\<") for cell in cells)


def _value(value: object) -> str:
    """The value as YAML writes it."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value) or '""'


def _type(annotation: Any) -> str:  # noqa: ANN401 - any annotation
    """The type in words: `integer or auto`."""
    names = {int: "integer", float: "number", str: "text", bool: "true or false", type(None): "null"}
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0]) + _bounds(arguments[1])
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(argument) for argument in arguments)
    if origin is list:
        item = arguments[0]
        return f"list of {_type(item)}" if item in names or get_origin(item) is Annotated else "list of sections"
    return "mapping" if origin is dict else names.get(annotation, "path")


def _bounds(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [
        (sign, getattr(rule, name)) for rule in field.metadata for name, sign in signs.items() if hasattr(rule, name)
    ]
    return "".join(f", {sign} {bound}" for sign, bound in found)


if __name__ == "__main__":
    print(reference(), end="")  # noqa: T201
