from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pytest

from actors.samples import (
    GENERATED,
    SAMPLE_SCHEMA,
    WATCHED,
    completion_of,
    completion_row,
    prompt_of,
    prompt_row,
    storable,
)
from benchmarks.problem import Completion, Message, Prompt, TokenLogprob

COMPLETION = Completion(
    text="    return 1\n",
    form="chat",
    finish_reason="length",
    prompt_tokens=3,
    completion_tokens=5,
    reasoning_tokens=2,
    started_at=1e9,
    seconds=0.5,
    queue_seconds=0.125,
    ttft_seconds=0.25,
    logprobs=(TokenLogprob(token="é", logprob=-0.5, top=(("é", -0.5), ("e", -1.5))),),
    prompt_logprobs=(TokenLogprob(token="x", logprob=-0.25),),
    verbatim=True,
    error="none",
)


def test_a_completion_comes_back_from_its_row() -> None:
    """Every field of a completion is a column."""
    row = completion_row(COMPLETION, 4, "node:1")
    assert (row["sample_index"], row["replica"]) == (4, "node:1")
    assert set(row) == {"sample_index", *(field.name for field in [*GENERATED, *WATCHED])}
    assert completion_of(row) == COMPLETION


def test_gaps_between_tokens_stay_with_the_generation() -> None:
    """They are a column of generations/ alone: later stages carry rows without them."""
    row = completion_row(replace(COMPLETION, inter_token_seconds=(0.5, 0.25)), 0)
    assert row["inter_token_seconds"] == (0.5, 0.25)
    assert completion_of(row) == COMPLETION
    assert "inter_token_seconds" not in SAMPLE_SCHEMA.names


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(task_id="t", form="base", text="def f():\n\ud800", stop=("\n\n", "#")),
        Prompt(task_id="t", variant="v", form="chat", messages=(Message(role="user", content="é"),)),
    ],
)
def test_a_prompt_comes_back_from_json(prompt: Prompt) -> None:
    """Prompts travel as JSON text, tuples and surrogates included."""
    assert prompt_of(json.loads(json.dumps(prompt_row(prompt)))) == prompt


def test_lone_surrogates_become_storable() -> None:
    """What no UTF-8 file can hold is replaced, the rest stays; Arrow takes it."""
    assert storable("aé\U0001f600\ud800b") == "aé\U0001f600?b"
    row = completion_row(Completion(text="x\udfff", error="\ud800"), 0)
    assert pa.array([row["completion"], row["generation_error"]]).to_pylist() == ["x?", "?"]
