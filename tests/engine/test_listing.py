from __future__ import annotations

import json

from benchmarks.registry import BENCHMARKS
from engine.listing import listing, render_listing
from engine.report import to_text
from engine.suite import built_in_suites, load_config


def test_every_benchmark_and_suite_is_listed() -> None:
    """The listing is plain data, with each benchmark's own options and each suite's labels."""
    data = json.loads(json.dumps(listing()))
    assert {entry["name"] for entry in data["benchmarks"]} >= set(BENCHMARKS)
    mbpp = next(entry for entry in data["benchmarks"] if entry["name"] == "mbpp")
    assert "sanitized" in mbpp["options"]["subset"]
    assert "data" not in mbpp["options"]
    assert set(data["suites"]) == set(built_in_suites())


def test_every_prompt_mode_is_listed_with_what_it_adds() -> None:
    """The four modes, each with one line."""
    prompts = listing()["prompts"]
    assert set(prompts) == {"zero_shot", "few_shot", "zero_shot_cot", "few_shot_cot"}
    assert all(prompts.values())


def test_a_suite_is_listed_by_the_labels_of_its_metrics() -> None:
    """What is listed is what metrics are called."""
    for name, labels in listing()["suites"].items():
        assert labels == [entry.metric_label for entry in load_config([name], {}, []).benchmarks]


def test_the_listing_fits_a_terminal() -> None:
    """Names are whole at 80 columns."""
    text = to_text(render_listing(), 80)
    assert max(map(len, text.splitlines())) <= 80
    for name in (*BENCHMARKS, *built_in_suites(), *listing()["prompts"]):
        assert name in text
