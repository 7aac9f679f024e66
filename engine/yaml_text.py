"""YAML as users write it: what is wrong in it is told with its file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from runners.errors import DataError, UserError


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key that stands twice is an error, not silently the last of both."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"key '{key.value}' stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str, source: str) -> Any:  # noqa: ANN401 - YAML holds any value
    """The value of a YAML text.

    Raises:
        UserError: it is not YAML, or has a key twice; names `source` and the line.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2024-99-99
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UserError(f"{source}{line}: not valid YAML: {problem}.") from error


def read_mapping(path: Path, kind: str, keys: str, *, cure: str) -> dict[Any, Any]:
    """The mapping that a YAML file holds.

    Args:
        path: of the file.
        kind: what the file is, such as `suite`.
        keys: that its mapping has, in words.
        cure: what is said where it cannot be read.

    Raises:
        UserError: it cannot be read, is not YAML, or is no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(path, "not UTF-8 text.", cure=f"A {kind} is a YAML file.") from error
    except OSError as error:
        raise DataError(path, f"{error.strerror}.", cure=cure) from error
    raw = parse_yaml(text, str(path))
    if not isinstance(raw, dict):
        raise DataError(path, f"a {kind} is a mapping with the keys {keys}.")
    return raw
