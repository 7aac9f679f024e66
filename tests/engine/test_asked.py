"""What a run keeps of what it asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actors.samples import prompt_row
from benchmarks.problem import Message, Problem, Prompt
from benchmarks.registry import load_benchmark
from engine.asked import PROBLEMS_FILE, read_problems, readable_prompt, write_problems
from runners.errors import DataError


def test_every_problem_is_kept_with_its_prompt_and_tags(tmp_path: Path) -> None:
    """One row per problem, with the very text that a base model continues."""
    starter = load_benchmark("starter", {}, tmp_path)
    write_problems(tmp_path, {"s": starter}, "base")
    rows = read_problems(tmp_path).to_pylist()
    assert [row["task_id"] for row in rows] == [problem.task_id for problem in starter.problems()]
    assert {(row["benchmark"], row["variant"], row["cluster"]) for row in rows} == {("s", "nominal", "")}
    assert rows[0]["tags"] == list(starter.problems()[0].tags)
    assert readable_prompt(rows[0]["prompt"]) == starter.problems()[0].prompt


def test_runs_of_before_kept_nothing(tmp_path: Path) -> None:
    """Without the file there are no rows; a damaged one is named."""
    assert read_problems(tmp_path).num_rows == 0
    (tmp_path / PROBLEMS_FILE).write_text("no parquet")
    with pytest.raises(DataError, match=r"problems.parquet: damaged"):
        read_problems(tmp_path)


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (Prompt(task_id="t", form="base", text="def f("), "def f("),
        (Prompt(task_id="t", form="fim", text="a", suffix="b"), "a<gap>b"),
        (
            Prompt(
                task_id="t",
                form="chat",
                messages=(Message(role="system", content="s"), Message(role="user", content="u")),
            ),
            "[system]\ns\n\n[user]\nu",
        ),
    ],
    ids=["base", "fim", "chat"],
)
def test_prompts_are_shown_as_one_reads_them(prompt: Prompt, text: str) -> None:
    """A text as it is, a gap where it is, a chat turn by turn."""
    assert readable_prompt(json.dumps(prompt_row(prompt))) == text


def test_a_cluster_is_no_part_of_a_problems_identity() -> None:
    """It decides how differences are pooled; samples made before it was known stay what they are."""
    plain = Problem(task_id="t", prompt="p", instruction="i", tests=())
    assert Problem(task_id="t", prompt="p", instruction="i", tests=(), cluster="c").sha256() == plain.sha256()
