"""From what the user typed to a RunConfig: suite files, benchmark names, flags and `--set a.b=c`, in that order."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from benchmarks.registry import parse_spec
from engine.config import RunConfig
from runners.errors import DataError, UserError

BUILT_IN = Path(__file__).parent.parent / "benchmarks" / "suites"


def load_config(
    targets: Sequence[str], flags: Mapping[str, Any], settings: Sequence[str], data: Path | None = None
) -> RunConfig:
    """Build the configuration.

    Args:
        targets: one suite file or built-in suite name, or one or more benchmarks (`humaneval`, `mbpp:sanitized`).
        flags: dotted keys with the values of command-line flags; None is "not given".
        settings: `a.b=value` texts; values are YAML. List items are numbered: `benchmarks.0.split=all`.
        data: file of the only benchmark.

    Raises:
        UserError: unknown target, key or value; names it and the nearest that exists.
    """
    raw, source = _targets(targets)
    if data is not None:
        _put_data(raw, data)
    for key, value in flags.items():
        if value is not None:
            _put(raw, key, value, source)
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not separator:
            raise UserError(f"--set {setting}: no '=' in it. Write --set section.key=value.")
        _put(raw, key.strip(), _yaml(text, f"--set {setting}"), "--set")
    return _validated(raw, source)


def _put_data(raw: dict[str, Any], data: Path) -> None:
    benchmarks = raw.get("benchmarks")
    if not isinstance(benchmarks, list) or len(benchmarks) != 1:
        raise UserError(f"--data {data}: it belongs to one benchmark; with several use --set benchmarks.0.data=PATH.")
    benchmarks[0]["data"] = str(data)


def _targets(targets: Sequence[str]) -> tuple[dict[str, Any], str]:
    """The raw configuration that the targets name, and what to call its source in errors."""
    suites = [target for target in targets if _suite_path(target)]
    if suites and len(targets) > 1:
        raise UserError(f"'{suites[0]}' is a suite and cannot be joined with other targets; run them one by one.")
    if suites:
        path = _suite_path(targets[0])
        assert path is not None
        return _read(path), str(path)
    benchmarks: list[dict[str, Any]] = []
    for target in targets:
        name, options = parse_spec(target)
        benchmarks.append({"name": name, "label": target.replace(",", ":").replace("=", "-"), **options})
    return {"suite": "+".join(entry["label"] for entry in benchmarks), "benchmarks": benchmarks}, "command line"


def _suite_path(target: str) -> Path | None:
    if target.endswith((".yaml", ".yml")):
        return Path(target)
    built_in = BUILT_IN / f"{target}.yaml"
    return built_in if built_in.is_file() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
    except OSError as error:
        raise DataError(
            path, f"{error.strerror}.", cure="Give a suite file or a name that `codeassay list` shows."
        ) from error
    raw = _yaml(text, str(path))
    if not isinstance(raw, dict):
        raise DataError(path, "a suite is a mapping with the keys suite and benchmarks.")
    raw.setdefault("suite", path.stem)
    return raw


def _yaml(text: str, source: str) -> Any:  # noqa: ANN401 - YAML holds any value
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        raise UserError(f"{source}{line}: not valid YAML: {getattr(error, 'problem', error)}.") from error


def _put(raw: dict[str, Any], key: str, value: Any, source: str) -> None:  # noqa: ANN401 - YAML holds any value
    """Set a dotted key, making sections on the way."""
    node: Any = raw
    *path, last = key.split(".")
    for part in path:
        node = _item(node, part, key) if isinstance(node, list) else node.setdefault(part, {})
        if not isinstance(node, (dict, list)):
            raise UserError(f"{source}: {key}: '{part}' is a value, not a section.")
    if isinstance(node, list):
        raise UserError(f"{source}: {key}: name a key inside the list item, e.g. benchmarks.0.{last}=...")
    node[last] = value


def _item(items: list[Any], part: str, key: str) -> Any:  # noqa: ANN401 - YAML holds any value
    if not part.isdigit() or int(part) >= len(items):
        raise UserError(f"{key}: '{part}' is no number of a list item; there are {len(items)}, counted from 0.")
    return items[int(part)]


def _validated(raw: dict[str, Any], source: str) -> RunConfig:
    try:
        return RunConfig.model_validate(raw)
    except ValidationError as error:
        raise UserError(f"{source}: " + "; ".join(_explain(detail) for detail in error.errors())) from error


def _explain(detail: Mapping[str, Any]) -> str:
    """One pydantic complaint as: key, rule, value, and the nearest known key."""
    location = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = _known_keys(detail["loc"])
        near = difflib.get_close_matches(str(detail["loc"][-1]), known, n=1)
        cure = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(sorted(known))}."
        return f"{location}: unknown key; {cure}"
    if detail["type"] == "missing":
        return f"{location}: required and not given."
    return f"{location}: {detail['msg']} (got {detail['input']!r})."


def _known_keys(location: Sequence[Any]) -> list[str]:
    """Keys that exist where the unknown one stands."""
    model: type[BaseModel] = RunConfig
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        annotation = field.annotation if field else None
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return list(model.model_fields)
