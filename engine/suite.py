"""From what the user typed to a RunConfig: suite files, benchmark names, flags and `--set a.b=c`, in that order."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from benchmarks.registry import parse_spec
from engine.config import BenchmarkConfig, RunConfig
from engine.yaml_text import parse_yaml, read_mapping
from runners.errors import UserError

BUILT_IN = Path(__file__).parent.parent / "benchmarks" / "suites"


def load_config(
    targets: Sequence[str], flags: Mapping[str, Any], settings: Sequence[str], data: Path | None = None
) -> RunConfig:
    """Build the configuration.

    Args:
        targets: one suite file or built-in suite name, or one or more benchmarks (`humaneval`, `mbpp:sanitized`).
        flags: dotted keys with the values of command-line flags; None is "not given".
        settings: `a.b=value` texts; values are YAML. List items are numbered: `benchmarks.0.split=all`.
        data: file or folder of the only benchmark, or a folder that holds a folder per benchmark.

    Raises:
        UserError: unknown target, key or value; names it and the nearest that exists.
    """
    raw, source = _targets(targets)
    sources: dict[str, str] = {}
    if data is not None:
        _put_data(raw, data)
    for key, value in flags.items():
        if value is not None:
            _put(raw, key, value, "command line")
            sources[key] = "command line"
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not separator:
            raise UserError(f"--set {setting}: no '=' in it. Write --set section.key=value.")
        _put(raw, key.strip(), parse_yaml(text, f"--set {setting}"), "--set")
        sources[key.strip()] = "--set"
    return _validated(raw, source, sources)


def _put_data(raw: dict[str, Any], data: Path) -> None:
    """Give the data to the only benchmark; of a folder, each of several gets the folder in it that has its name."""
    benchmarks = raw.get("benchmarks")
    if not isinstance(benchmarks, list) or not all(isinstance(each, dict) for each in benchmarks):
        raise UserError(
            f"--data {data}: the suite's benchmarks are no list of entries; use --set benchmarks.0.data=PATH."
        )
    if len(benchmarks) == 1:
        benchmarks[0]["data"] = str(data)
        return
    for entry in (each for each in benchmarks if "data" not in each):
        folder = data / str(entry.get("name"))
        if not folder.is_dir():
            raise UserError(
                f"--data {data}: with several benchmarks it is a folder that holds one folder per benchmark, and there "
                f"is no {folder}. Or use --set benchmarks.0.data=PATH."
            )
        entry["data"] = str(folder)


def _targets(targets: Sequence[str]) -> tuple[dict[str, Any], str]:
    """The raw configuration that the targets name, and what to call its source in errors."""
    suites = [target for target in targets if _suite_path(target)]
    if suites and len(targets) > 1:
        raise UserError(f"'{suites[0]}' is a suite and cannot be joined with other targets; run them one by one.")
    if suites:
        path = _suite_path(targets[0])
        assert path is not None
        return _read(path), str(path)
    benchmarks = [_benchmark(target) for target in targets]
    suite = "+".join(BenchmarkConfig.model_validate(entry).metric_label for entry in benchmarks)
    return {"suite": suite, "benchmarks": benchmarks}, "command line"


def _benchmark(target: str) -> dict[str, Any]:
    try:
        name, options = parse_spec(target)
    except UserError as error:
        near = difflib.get_close_matches(target, built_in_suites(), n=1)
        raise UserError(f"{error} There is a suite '{near[0]}'.") if near else error from None
    return {"name": name, **options}


def built_in_suites() -> dict[str, Path]:
    """Suites that come with the package, by name."""
    return {path.stem: path for path in sorted(BUILT_IN.glob("*.yaml"))}


def _suite_path(target: str) -> Path | None:
    return Path(target) if target.endswith((".yaml", ".yml")) else built_in_suites().get(target)


def _read(path: Path) -> dict[str, Any]:
    raw = read_mapping(
        path,
        "suite",
        "suite and benchmarks",
        cure="Give a suite file or a name that `codeassay list` shows.",
    )
    # An empty section (`generation:` and nothing below it) is one with its defaults.
    sections = {key: value for key, value in raw.items() if value is not None}
    if isinstance(sections.get("perturbations"), (str, list)):
        sections["perturbations"] = {"names": sections["perturbations"]}
    return {"suite": path.stem} | sections


def _put(raw: dict[str, Any], key: str, value: Any, source: str) -> None:  # noqa: ANN401 - YAML holds any value
    """Set a dotted key, making sections on the way."""
    node: Any = raw
    *path, last = key.split(".")
    for part in path:
        node = _item(node, part, f"{source}: {key}") if isinstance(node, list) else node.setdefault(part, {})
        if not isinstance(node, (dict, list)):
            raise UserError(f"{source}: {key}: '{part}' is a value, not a section.")
    if isinstance(node, list):
        raise UserError(f"{source}: {key}: name a key inside the list item, e.g. benchmarks.0.{last}=...")
    node[last] = value


def _item(items: list[Any], part: str, where: str) -> Any:  # noqa: ANN401 - YAML holds any value
    if not part.isdigit() or int(part) >= len(items):
        raise UserError(f"{where}: '{part}' is no number of a list item; there are {len(items)}, counted from 0.")
    return items[int(part)]


def _validated(raw: dict[str, Any], source: str, sources: Mapping[str, str]) -> RunConfig:
    """Check everything at once; `sources` tells where dotted keys came from, the others came from `source`."""
    try:
        return RunConfig.model_validate(raw)
    except ValidationError as error:
        rules: dict[str, list[str]] = {}
        values: dict[str, str] = {}
        for detail in error.errors():
            key = _location(detail["loc"])
            rules.setdefault(key, []).append(_rule(detail))
            values[key] = "" if detail["type"] in ("missing", "extra_forbidden") else f" (got {detail['input']!r:.80})"
        texts = [f"{_source(key, source, sources)}: {key}: {' or '.join(rules[key])}{values[key]}" for key in rules]
        raise UserError("; ".join(texts)) from error


def _source(key: str, source: str, sources: Mapping[str, str]) -> str:
    near = [name for name in sources if f"{key}.".startswith(f"{name}.") or f"{name}.".startswith(f"{key}.")]
    return sources[near[0]] if near else source


def _rule(detail: Mapping[str, Any]) -> str:
    """One pydantic complaint: the rule, and the nearest known key."""
    if detail["type"] == "extra_forbidden":
        known = list(_section(detail["loc"]).model_fields)
        near = difflib.get_close_matches(str(detail["loc"][-1]), known, n=1)
        return f"unknown key; did you mean '{near[0]}'?" if near else f"unknown key; known: {', '.join(sorted(known))}."
    if detail["type"] == "missing":
        return "required and not given."
    if detail["type"] == "model_type":
        return "needs keys of its own" + (", e.g. `- name: starter`" if detail["loc"][0] == "benchmarks" else "")
    return str(detail["msg"])


def _location(location: Sequence[Any]) -> str:
    """The dotted key; the branches of a union, which pydantic adds at its end, are left out."""
    field = _section(location[:-1]).model_fields.get(str(location[-2])) if len(location) > 1 else None
    is_branch = field is not None and _section_of(field) is None and isinstance(location[-1], str)
    return ".".join(str(part) for part in (location[:-1] if is_branch else location))


def _section(location: Sequence[Any]) -> type[BaseModel]:
    """The model in which the last key of a location stands."""
    model: type[BaseModel] = RunConfig
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        if part == "benchmarks":
            model = BenchmarkConfig
        elif field is not None:
            model = _section_of(field) or model
    return model


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a field is, perhaps one that may be left out; None for a value."""
    return next(filter(_is_model, (field.annotation, *get_args(field.annotation))), None)


def _is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
