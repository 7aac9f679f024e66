"""Finding benchmarks by name and reading what the user wrote about them."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from benchmarks import registry
from benchmarks.humaneval import HumanEval
from benchmarks.mbpp import MbppOptions
from runners.errors import UserError


@pytest.mark.parametrize("name", registry.BENCHMARKS)
def test_every_name_of_the_table_leads_to_its_benchmark(name: str) -> None:
    """The literal table has no dead entries, and names agree."""
    cls = registry.resolve(name)
    assert cls.name == name
    assert cls.main_option is None or cls.main_option in cls.Options.model_fields


def test_unknown_name_is_answered_with_the_nearest() -> None:
    """A typing error costs one reading of the message."""
    with pytest.raises(UserError, match=r"'humanevl'\. Did you mean 'humaneval'\? `codeassay list`"):
        registry.resolve("humanevl")


SPECS: dict[str, tuple[str, dict[str, object]]] = {
    "mbpp": ("mbpp", {}),
    "mbpp:sanitized": ("mbpp", {"subset": "sanitized"}),
    "mbpp:sanitized,split=all": ("mbpp", {"subset": "sanitized", "split": "all"}),
    "mbpp: split = all , shots=3": ("mbpp", {"split": "all", "shots": 3}),
    "humaneval:revision=1234567": ("humaneval", {"revision": "1234567"}),
    "humaneval:data=/x/y.jsonl": ("humaneval", {"data": "/x/y.jsonl"}),
}


@pytest.mark.parametrize(("spec", "parsed"), SPECS.items(), ids=SPECS)
def test_spec_is_split_into_name_and_typed_options(spec: str, parsed: tuple[str, dict[str, object]]) -> None:
    """What follows the colon becomes the benchmark's options with their types."""
    assert registry.parse_spec(spec) == parsed


WRONG_SPECS = {
    "mbpp:sanitised": "Did you mean 'sanitized'",
    "mbpp:splt=all": "no option 'splt'. Did you mean 'split'",
    "mbpp:split=tst": "Did you mean 'test'",
    "mbpp:shots=4": "shots=4: Input should be 0 or 3",
    "mbpp:split=all,split=test": "given twice",
    "humaneval:hard": "takes no bare value",
}


@pytest.mark.parametrize(("spec", "message"), WRONG_SPECS.items(), ids=WRONG_SPECS)
def test_wrong_spec_is_answered_with_the_cure(spec: str, message: str) -> None:
    """A wrong key or value names the nearest right one."""
    with pytest.raises(UserError) as error:
        registry.parse_spec(spec)
    assert message in str(error.value)


def test_options_are_strict(tmp_path: Path) -> None:
    """A number in quotes in a suite file is an error, not a guess; a path may be text."""
    with pytest.raises(UserError, match="shots='3'"):
        registry.check_options("mbpp", {"shots": "3"})
    options = registry.check_options("mbpp", {"data": str(tmp_path), "shots": 3})
    assert isinstance(options, MbppOptions)
    assert (options.data, options.shots) == (tmp_path, 3)


def test_plug_in_adds_a_benchmark_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package adds a benchmark without a change here, and cannot replace a built-in one."""
    points = [
        EntryPoint(name=name, value="benchmarks.humaneval:HumanEval", group=registry.GROUP)
        for name in ("theirs", "mbpp")
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    assert registry.resolve("theirs") is HumanEval
    assert registry.resolve("mbpp") is not HumanEval


def test_broken_plug_in_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's import error does not look like ours."""
    point = EntryPoint(name="theirs", value="no_such_package:Class", group=registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    with pytest.raises(UserError, match=r"'theirs' of a plug-in \(no_such_package:Class\)"):
        registry.resolve("theirs")


def test_listing_names_choices_and_defaults() -> None:
    """`codeassay list` has all that a user needs to write a suite."""
    (info,) = registry.describe(["mbpp"])
    subset = next(option for option in info.options if option.name == "subset")
    assert (subset.default, subset.choices) == ("full", ("full", "sanitized"))
    assert info.summary
    assert all(option.description for option in info.options)
