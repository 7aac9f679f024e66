"""Find a benchmark by name: a literal table, then entry points of installed plug-ins; imported when asked for."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from benchmarks.base import BaseBenchmark, CommonOptions
from runners.errors import UserError

BENCHMARKS = {
    "humaneval": "benchmarks.humaneval:HumanEval",
    "humaneval_infilling": "benchmarks.humaneval_infilling:HumanEvalInfilling",
    "mbpp": "benchmarks.mbpp:Mbpp",
    "humaneval_plus": "benchmarks.evalplus:HumanEvalPlus",
    "mbpp_plus": "benchmarks.evalplus:MbppPlus",
    "humaneval_x": "benchmarks.humaneval_x:HumanEvalX",
    "code_completion": "benchmarks.humaneval_x:CodeCompletion",
    "nl2code": "benchmarks.mbpp_x:MbppX",
    "code_trans": "benchmarks.code_trans:CodeTrans",
    "mxeval": "benchmarks.mxeval:Mxeval",
    "multipl_e": "benchmarks.multipl_e:MultiplE",
    "humanevalpack": "benchmarks.humanevalpack:HumanEvalPack",
    "ds1000": "benchmarks.ds1000:DS1000",
    "codedatascience": "benchmarks.codedatascience:CodeDataScience",
    "recode": "benchmarks.recode:ReCode",
    "starter": "benchmarks.starter:Starter",
}
GROUP = "codeassay.benchmarks"
"""Entry points of this group add benchmarks: `name = "package.module:Class"`."""

AnyBenchmark = BaseBenchmark[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionInfo:
    """One option of a benchmark, for listings."""

    name: str
    default: object
    choices: tuple[object, ...]
    """Allowed values; empty if any value of the type is allowed."""
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkInfo:
    """One benchmark, for `codeassay list`."""

    name: str
    summary: str
    options: tuple[OptionInfo, ...]


def resolve(name: str) -> type[AnyBenchmark]:
    """Import the class of a benchmark.

    Raises:
        UserError: there is no benchmark of this name, or its plug-in cannot be imported.
    """
    if name in BENCHMARKS:
        module, _, attribute = BENCHMARKS[name].partition(":")
        return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]
    plugins = _plugins()
    if name not in plugins:
        names = [*BENCHMARKS, *plugins]
        raise UserError(f"There is no benchmark '{name}'.{_nearest(name, names)} `codeassay list` names all of them.")
    try:
        return plugins[name].load()  # type: ignore[no-any-return]
    except (ImportError, AttributeError) as error:
        where = plugins[name].value
        raise UserError(f"Benchmark '{name}' of a plug-in ({where}) cannot be imported: {error}.") from error


def load_benchmark(name: str, options: Mapping[str, object], cache: Path) -> AnyBenchmark:
    """Resolve, validate the options and load the data.

    Raises:
        UserError: an unknown name, a wrong option or value; DataError for faults of the data.
    """
    return resolve(name).load(check_options(name, options), cache)


def check_options(name: str, options: Mapping[str, object]) -> CommonOptions:
    """Build the benchmark's own Options from what the user wrote.

    Raises:
        UserError: names the benchmark, the option, the value and the nearest right one.
    """
    cls = resolve(name)
    fields = cls.Options.model_fields
    for key in options:
        if key not in fields:
            known = ", ".join(fields)
            raise UserError(f"{name} has no option '{key}'.{_nearest(key, fields)} Its options are: {known}.")
    try:
        return cls.Options.model_validate(dict(options))  # type: ignore[no-any-return]
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        choices = [str(choice) for choice in _choices(fields[key].annotation)]
        hint = _nearest(str(first["input"]), choices)
        raise UserError(f"{name}: option {key}={first['input']!r}: {first['msg']}.{hint}") from None


def parse_spec(spec: str) -> tuple[str, dict[str, object]]:
    """Split `mbpp:sanitized,split=all` into the name and its options, each checked against the benchmark.

    A bare value sets the benchmark's `main_option`.

    Raises:
        UserError: an unknown benchmark, a wrong option or value, a bare value where none is taken.
    """
    name, _, rest = spec.partition(":")
    cls = resolve(name)
    options: dict[str, object] = {}
    for part in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, value = (text.strip() for text in part.partition("="))
        if not equals:
            key, value = _main_option(name, cls, part), part
        if key in options:
            raise UserError(f"{spec}: option '{key}' is given twice.")
        options[key] = _typed(cls, key, value)
    check_options(name, options)
    return name, options


def describe(names: Iterable[str] | None = None) -> tuple[BenchmarkInfo, ...]:
    """Name, one line and options of each benchmark, in the table's order and then the plug-ins'."""
    return tuple(_info(name) for name in (names if names is not None else [*BENCHMARKS, *_plugins()]))


def _info(name: str) -> BenchmarkInfo:
    cls = resolve(name)
    options = tuple(
        OptionInfo(
            name=key, default=field.default, choices=_choices(field.annotation), description=field.description or ""
        )
        for key, field in cls.Options.model_fields.items()
    )
    return BenchmarkInfo(name=name, summary=cls.summary, options=options)


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _main_option(name: str, cls: type[AnyBenchmark], value: str) -> str:
    if cls.main_option is None:
        known = ", ".join(f"{key}=..." for key in cls.Options.model_fields)
        raise UserError(f"{name}:{value}: {name} takes no bare value. Write one of: {known}.")
    return cls.main_option


def _typed(cls: type[AnyBenchmark], key: str, value: str) -> object:
    """Give `value` the type of the choice or the default that it stands for; text stays text where neither says."""
    field = cls.Options.model_fields.get(key)
    if field is None:
        return value
    for choice in _choices(field.annotation):
        if value == str(choice):
            return choice
    kind = type(field.default)
    if kind is bool:
        return {"true": True, "false": False}.get(value.lower(), value)
    try:
        return kind(value) if kind in (int, float) else value
    except ValueError:
        return value


def _choices(annotation: object) -> tuple[object, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _nearest(word: str, known: Iterable[str]) -> str:
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.4)
    return f" Did you mean '{matches[0]}'?" if matches else ""
