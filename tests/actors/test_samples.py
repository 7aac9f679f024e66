from __future__ import annotations

import json

import pyarrow as pa
import pytest

from actors.samples import GENERATED, completion_of, completion_row, prompt_of, prompt_row, storable
from benchmarks.problem import Completion, Message, Prompt

COMPLETION = Completion(
    text="    return 1\n",
    form="chat",
    finish_reason="length",
    prompt_tokens=3,
    completion_tokens=5,
    seconds=0.5,
    verbatim=True,
    error="none",
)


def test_a_completion_comes_back_from_its_row() -> None:
    """Every field of a completion is a column."""
    row = completion_row(COMPLETION, 4)
    assert row["sample_index"] == 4
    assert set(row) == {"sample_index", *(field.name for field in GENERATED)}
    assert completion_of(row) == COMPLETION


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
