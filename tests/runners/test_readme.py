"""The README against the code."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from runners.isolation import LEVELS
from runners.program import MEBIBYTE, Limits, Status
from tests.runners.conftest import open_or_skip

RUNNERS = Path(__file__).resolve().parents[2] / "runners"
README = (RUNNERS / "README.md").read_text(encoding="utf-8")
UNITS = {"s": 1, "MiB": MEBIBYTE, "GiB": 1024 * MEBIBYTE}


def test_limits_and_defaults_are_those_of_the_code() -> None:
    """Each limit has a row with its default."""
    rows = re.findall(r"^\| `(\w+)` \| (\d+)(?: (s|MiB|GiB))?\b", README, re.MULTILINE)
    told = {name: int(number) * UNITS.get(unit, 1) for name, number, unit in rows}
    assert told == {field.name: field.default for field in fields(Limits)}


@pytest.mark.parametrize("word", [*Status, *LEVELS])
def test_status_or_level_is_explained(word: str) -> None:
    """Each status and each level is named."""
    assert f"`{word}`" in README


def test_each_module_is_in_the_table() -> None:
    """Each file of the package is told what it is for."""
    files = {path.name for path in RUNNERS.rglob("*.py")} - {"__init__.py"}
    assert {name for name in files if not re.search(rf"`(harness/)?{name}`", README)} == set()


def test_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The example of the README prints what it says."""
    open_or_skip("auto")
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    exec(compile(example[1], "README.md", "exec"), {})
    assert capsys.readouterr().out == "passed\n"
