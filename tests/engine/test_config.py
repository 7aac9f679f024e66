from __future__ import annotations

import pytest
from pydantic import ValidationError

from engine.config import BenchmarkConfig, ExecutionConfig, ModelConfig, RunConfig


def test_other_keys_of_a_benchmark_are_its_options() -> None:
    """name, label, data and how it is asked are ours; everything else goes to the benchmark."""
    ours = {"name": "mbpp", "label": "m", "data": "f", "prompt": "few_shot", "system": "s", "examples": 2}
    entry = BenchmarkConfig.model_validate({**ours, "subset": "full", "shots": 3})
    assert entry.options() == {"subset": "full", "shots": 3}


@pytest.mark.parametrize(
    ("entry", "label"),
    [
        ({"name": "mbpp"}, "mbpp"),
        ({"name": "mbpp", "subset": "full", "shots": 3}, "mbpp:full:3"),
        ({"name": "mbpp", "subset": "full", "label": "mine"}, "mine"),
        ({"name": "mbpp", "revision": "abc", "data": "/x/y"}, "mbpp"),
        ({"name": "plugin", "folder": "/x y/z"}, "plugin:-x-y-z"),
        ({"name": "mbpp", "prompt": "zero_shot", "system": "Be brief."}, "mbpp"),
        ({"name": "mbpp", "subset": "full", "prompt": "few_shot_cot"}, "mbpp:full:few_shot_cot"),
        ({"name": "mbpp", "prompt": "few_shot", "examples": 2}, "mbpp:few_shot:2"),
        ({"name": "mbpp", "prompt": "/x/my mode.yaml"}, "mbpp:my-mode"),
    ],
)
def test_a_label_begins_the_names_of_metrics(entry: dict[str, object], label: str) -> None:
    """The label as given, else name and options, in characters that metric names and paths allow."""
    assert BenchmarkConfig.model_validate(entry).metric_label == label


@pytest.mark.parametrize("label", ["a/b", "", " x", "overall", "statuses", "a b", "-x"])
def test_a_label_that_breaks_names_is_refused(label: str) -> None:
    """No slash, no blank, and not what the totals are called."""
    with pytest.raises(ValidationError):
        BenchmarkConfig(name="mbpp", label=label)


def test_limits_hold_only_what_was_given() -> None:
    """Limits that were not given stay those of the benchmark."""
    assert ExecutionConfig(cpu_seconds=2).limits() == {"cpu_seconds": 2.0}
    assert ExecutionConfig().limits() == {}


def test_every_key_says_what_it_means() -> None:
    """All keys have a description, those that back ends take their docstrings from included."""
    for model in (*_sections(), RunConfig):
        for name, field in model.model_fields.items():
            if name not in ("model", "generation", "execution", "report", "tracking"):
                assert field.description, f"{model.__name__}.{name}"


def _sections() -> list[type]:
    fields = RunConfig.model_fields
    return [fields[name].annotation for name in ("model", "generation", "execution", "report", "tracking")] + [
        BenchmarkConfig,
        ModelConfig,
    ]


def test_the_runs_prompt_mode_is_that_of_benchmarks_without_one() -> None:
    """So is its system message; a benchmark's own goes first, an empty one included."""
    entries = [{"name": "humaneval"}, {"name": "mbpp", "prompt": "zero_shot", "system": ""}]
    config = RunConfig.model_validate({"benchmarks": entries, "prompt": "few_shot", "system": "Be brief."})
    assert [(entry.prompt, entry.system) for entry in config.benchmarks] == [
        ("few_shot", "Be brief."),
        ("zero_shot", ""),
    ]
    assert [entry.metric_label for entry in config.benchmarks] == ["humaneval:few_shot", "mbpp"]


def test_a_configuration_survives_its_own_file() -> None:
    """What config.yaml holds gives the same configuration again."""
    entry = BenchmarkConfig.model_validate({"name": "mbpp", "subset": "full", "data": "f"})
    config = RunConfig(benchmarks=[entry], prompt="few_shot")
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
