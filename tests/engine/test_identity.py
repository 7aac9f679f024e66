from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from actors.generator import Sampling
from benchmarks.problem import Prompt
from engine.identity import differences, flatten, request_id, run_id
from tests.actors.fakes import problem

BASE: dict[str, Any] = {
    "model_digest": "d",
    "label": "tiny",
    "problem": problem("t0"),
    "prompt": Prompt(task_id="t0", form="base", text="x", stop=("#",)),
    "sampling": Sampling(),
}
CHANGES: dict[str, Any] = {
    "model_digest": "e",
    "label": "tiny2",
    "problem": problem("t0", tests=("assert True",)),
    "prompt": Prompt(task_id="t0", form="base", text="x", stop=()),
    "sampling": Sampling(seed=2),
}


@pytest.mark.parametrize("name", BASE)
def test_each_ingredient_changes_the_request(name: str) -> None:
    """Another model, label, problem, prompt or sampling is another sample."""
    assert request_id(**BASE) != request_id(**{**BASE, name: CHANGES[name]})


@pytest.mark.parametrize(
    "sampling", [Sampling(temperature=0.5), Sampling(top_p=0.5), Sampling(top_k=5), Sampling(max_tokens=5)]
)
def test_each_sampling_parameter_counts(sampling: Sampling) -> None:
    """All that sampling consists of is in the identity."""
    assert request_id(**BASE) != request_id(**{**BASE, "sampling": sampling})


def test_equal_ingredients_make_equal_requests() -> None:
    """Identity follows content: equal records made anew have the id of the first, on any machine."""
    again = {**BASE, "problem": replace(BASE["problem"]), "sampling": Sampling()}
    assert request_id(**again) == request_id(**BASE) == "5cfed91f9c4b9f33c6fbe7b08d104258"


def test_the_name_of_a_run_does_not_depend_on_the_order_of_keys() -> None:
    """Equal identities, equal directories."""
    assert run_id({"a": 1, "b": {"c": 2, "d": 3}}) == run_id({"b": {"d": 3, "c": 2}, "a": 1})
    assert run_id({"a": 1}) != run_id({"a": 2})
    assert len(run_id({})) == 8


def test_differences_name_key_and_both_values() -> None:
    """Only what differs is told, dotted, in the order of keys; an absent value is None."""
    there = {"limit": 2, "generation": {"n": 1, "seed": 3}, "list": [{"x": 1}], "same": [1]}
    here = {"limit": 2, "generation": {"n": 5, "seed": 3}, "list": [{"x": 2}], "same": [1], "new": True}
    assert differences(there, here) == [
        "generation.n: 1 there, 5 here",
        "list.0.x: 1 there, 2 here",
        "new: None there, True here",
    ]
    assert differences(there, there) == []


def test_flatten_keeps_empty_sections() -> None:
    """Nothing is lost on the way to dotted keys."""
    assert flatten({"a": {}, "b": {"c": [1, 2]}, "d": []}) == {"a": {}, "b.c": [1, 2], "d": []}
