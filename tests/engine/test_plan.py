from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from actors.execute import Execute
from actors.generate import Generate
from actors.generator import Sampling
from actors.replay_generator import ReplayFile
from benchmarks.problem import Completion
from engine.plan import Plan, make_plan
from engine.store import Store
from runners.program import Status
from tests.actors.fakes import LABEL, FakeGenerator, FakeSandbox, tiny

BENCHMARKS = {LABEL: tiny(3)}
PROBLEMS = BENCHMARKS[LABEL].problems()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as opened:
        yield opened


def _plan(store: Store, n: int = 2, replay: ReplayFile | None = None) -> Plan:
    return make_plan(BENCHMARKS, form="base", sampling=Sampling(), n=n, model_digest="d", replay=replay, store=store)


def _left(plan: Plan) -> dict[str, tuple[list[int], list[int]]]:
    return {row["task_id"]: (row["generate"], row["stored"]) for row in plan.requests.to_pylist()}


def _generate(store: Store, plan: Plan, say: FakeGenerator | None = None) -> object:
    stage = Generate(str(store.directory), lambda: say or FakeGenerator(), Sampling())
    return stage(plan.requests)


def _execute(store: Store, completed: object, monkeypatch: pytest.MonkeyPatch, *statuses: Status) -> None:
    monkeypatch.setattr("actors.execute.open_sandbox", lambda isolation: FakeSandbox(*statuses))
    Execute(str(store.directory), BENCHMARKS, "auto", {})(completed)  # type: ignore[arg-type]


def test_a_new_run_asks_for_everything(store: Store) -> None:
    """One request per problem with all indexes; the counts are those of the whole run."""
    plan = _plan(store)
    assert _left(plan) == {f"t{i}": ([0, 1], []) for i in range(3)}
    assert (plan.num_samples, plan.num_generate, plan.num_execute) == (6, 6, 6)
    planned = plan.planned[LABEL]
    assert (planned.num_problems, planned.num_samples, planned.task_ids) == (3, 2, ("t0", "t1", "t2"))


def test_problems_that_cannot_be_judged_here_are_not_asked(store: Store) -> None:
    """The model is not asked for what nobody could judge; the plan tells how many there are."""
    problems = [replace(problem, unavailable="no data") if problem.task_id == "t1" else problem for problem in PROBLEMS]
    lacking = {LABEL: tiny(3).with_problems(problems)}
    plan = make_plan(lacking, form="base", sampling=Sampling(), n=2, model_digest="d", replay=None, store=store)
    assert _left(plan) == {"t0": ([0, 1], []), "t2": ([0, 1], [])}
    assert (plan.num_samples, plan.planned[LABEL].num_problems, plan.planned[LABEL].num_unavailable) == (4, 3, 1)


def test_what_was_generated_is_only_executed(store: Store) -> None:
    """Committed completions are requests without generation that name the parts which hold them."""
    _generate(store, _plan(store))
    plan = _plan(store)
    assert _left(plan) == {f"t{i}": ([], [0, 1]) for i in range(3)}
    assert (plan.num_generate, plan.num_execute) == (0, 6)
    (part,) = (store.directory / "generations").glob("part-*")
    assert plan.requests["parts"].to_pylist() == [[part.name]] * 3


def test_failed_generations_are_asked_for_again(store: Store) -> None:
    """A completion with an error counts as not generated."""

    def say(task_id: str, index: int) -> Completion:
        return Completion(text="", finish_reason="error", error="gone") if task_id == "t1" else Completion(text="x")

    _generate(store, _plan(store), FakeGenerator(say))
    assert _left(_plan(store))["t1"] == ([0, 1], [])


def test_what_is_finished_is_not_asked_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every verdict there, nothing is left; a larger n asks for the new indexes alone."""
    _execute(store, _generate(store, _plan(store)), monkeypatch)
    plan = _plan(store)
    assert (plan.requests.num_rows, plan.num_samples, plan.num_execute) == (0, 6, 0)
    assert _left(_plan(store, n=3)) == {f"t{i}": ([2], []) for i in range(3)}
    assert _plan(store, n=1).num_execute == 0


def test_samples_in_which_we_failed_are_executed_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox error is judged anew from the stored completion."""
    _execute(store, _generate(store, _plan(store)), monkeypatch, *[Status.SANDBOX_ERROR] * 3)
    assert _left(_plan(store)) == {"t0": ([], [0])}


def test_stored_samples_are_replayed_as_far_as_they_reach(store: Store) -> None:
    """A task with fewer stored samples is asked for those only; a task without any is not asked for."""
    file = ReplayFile(path=Path("f"), samples={"t0": (Completion(text="x"),) * 2, "t1": (Completion(text="x"),)})
    plan = _plan(store, replay=file)
    assert _left(plan) == {"t0": ([0, 1], []), "t1": ([0], [])}
    assert (plan.num_samples, plan.planned[LABEL].num_samples) == (3, 2)


def test_another_model_takes_nothing_over(store: Store) -> None:
    """Completions of another model are not this one's."""
    _generate(store, _plan(store))
    plan = make_plan(BENCHMARKS, form="base", sampling=Sampling(), n=2, model_digest="other", replay=None, store=store)
    assert plan.num_generate == 6
