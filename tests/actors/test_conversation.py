"""Problems of several turns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from actors.conversation import Conversation, joined
from actors.generate import Generate
from actors.generator import Sampling
from actors.samples import completion_of
from benchmarks.problem import Completion, Message, Problem, Prompt, PromptForm
from tests.actors.fakes import LABEL, TinyBenchmark, problem, request, requests, run_directory, tiny


class Asking(TinyBenchmark):
    """Asks about an answer once more."""

    turns = 2

    def follow_up(self, problem: Problem, form: PromptForm, answers: tuple[Completion, ...]) -> Prompt | None:
        """What the first answer said, as a question."""
        if len(answers) > 1:
            return None
        said = Message(role="user", content=f"{problem.task_id}: {answers[0].text}")
        return Prompt(task_id=problem.task_id, form="chat", messages=(said,))


class Talking:
    """Answers a first question with its index and a second with the question; remembers all of them."""

    def __init__(self, failing: int | None = None) -> None:
        self.asked: list[Prompt] = []
        self._failing = failing

    async def generate(self, prompt: Prompt, sampling: Sampling, indexes: Sequence[int]) -> list[Completion]:
        """One answer per index."""
        self.asked.append(prompt)
        if prompt.turn:
            return [Completion(text=prompt.messages[-1].content, completion_tokens=3) for _ in indexes]
        errors = {self._failing: "gone"}
        return [Completion(text=f"first {i}", completion_tokens=2, error=errors.get(i, "")) for i in indexes]

    async def close(self) -> None:
        """Nothing is held."""


def talk(tmp_path: Path, generator: Talking) -> list[dict[str, object]]:
    """What is committed of three samples of t0."""
    asking = Asking(tiny(1).problems(), tiny(1).provenance)
    run_dir = run_directory(tmp_path)
    stage = Generate(str(run_dir), lambda: generator, Sampling(), lambda: {LABEL: Conversation.of(asking)})
    stage(requests(request("t0", [0, 1, 2], [], [])))
    (part,) = (run_dir / "generations").glob("*")
    return pq.read_table(part).to_pylist()


def test_each_answer_is_asked_about_by_itself(tmp_path: Path) -> None:
    """What is judged is the last answer; the earlier one is kept beside it, and tokens are those of both."""
    generator = Talking()
    rows = talk(tmp_path, generator)
    assert [row["completion"] for row in rows] == ["t0: first 0", "t0: first 1", "t0: first 2"]
    assert [row["earlier"] for row in rows] == [["first 0"], ["first 1"], ["first 2"]]
    assert [row["completion_tokens"] for row in rows] == [5, 5, 5]
    assert completion_of(rows[1]).earlier == ("first 1",)
    assert [(prompt.turn, prompt.benchmark) for prompt in generator.asked] == [(0, LABEL), *[(1, LABEL)] * 3]


def test_an_answer_that_failed_is_not_asked_about(tmp_path: Path) -> None:
    """Its error is the sample's; the others go on."""
    rows = talk(tmp_path, Talking(failing=1))
    assert [row["generation_error"] for row in rows] == ["", "gone", ""]
    assert [row["earlier"] for row in rows] == [["first 0"], None, ["first 2"]]


def test_costs_of_turns_are_added_only_where_all_are_known() -> None:
    """A sum with a hole in it would be a wrong number."""
    first, second = Completion(text="a", seconds=1.0, prompt_tokens=4), Completion(text="b", seconds=2.0)
    both = joined([first, second])
    assert (both.text, both.seconds, both.prompt_tokens) == ("b", 3.0, None)


@pytest.mark.parametrize("form", ["base", "chat"])
def test_a_benchmark_of_one_turn_asks_nothing_further(form: PromptForm) -> None:
    """The rule that others inherit."""
    assert tiny(1).follow_up(problem("t0"), form, (Completion(text="x"),)) is None
    assert tiny(1).turns == 1
