"""Perturbed forms in a run: made once, gated in the sandbox, planned beside the nominal problems."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from actors.generator import Sampling
from benchmarks.problem import Completion
from engine.config import PerturbationConfig
from engine.perturbing import (
    GateJudge,
    Perturbed,
    perturbed,
    variant_records,
    wanted_of,
    write_variants,
)
from engine.plan import make_plan
from engine.rewriting import open_rewriter
from engine.store import Store
from engine.suite import load_config
from runners.errors import SandboxUnavailable, UserError
from runners.program import Program, Status
from tests.actors.fakes import FakeSandbox
from tests.benchmarks.perturbations.own_problems import own_benchmark

TYPOS = PerturbationConfig(names=["keyboard_typos", "half_solution"])


@pytest.fixture(autouse=True)
def sandboxes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[FakeSandbox]]:
    """Jails in which all programs pass; nothing is executed."""
    opened: list[FakeSandbox] = []

    def open_sandbox(isolation: str) -> FakeSandbox:
        opened.append(FakeSandbox())
        return opened[-1]

    monkeypatch.setattr("engine.perturbing.open_sandbox", open_sandbox)
    monkeypatch.setenv("CODEASSAY_CACHE", str(tmp_path / "cache"))
    yield opened


def made(config: PerturbationConfig | None = TYPOS) -> Perturbed:
    """The Python problem with its variants."""
    return perturbed({"own": own_benchmark("python")}, config, "base", "fake")["own"]


def test_without_a_configuration_nothing_is_made_and_nothing_opened(sandboxes: list[FakeSandbox]) -> None:
    assert [problem.variant for problem in made(None).benchmark.problems()] == ["nominal"]
    assert sandboxes == []


def test_variants_and_a_replica_follow_the_nominal_problem() -> None:
    variants = [problem.variant for problem in made().benchmark.problems()]
    assert variants == ["nominal", "replica.1", "half_solution", "keyboard_typos.2"]


def test_a_replica_asks_the_very_same() -> None:
    nominal, replica, *_ = made().benchmark.problems()
    assert replace(replica, variant="nominal") == nominal


def test_a_note_says_how_many_passed_the_gate() -> None:
    assert made().benchmark.notes == ("2 of 2 perturbed prompts passed the gate",)


def test_the_baseline_of_what_changes_given_code_comes_with_it() -> None:
    names = [entry.name for entry in wanted_of(PerturbationConfig(names=["dead_code"])).perturbations]
    assert names == ["half_solution", "dead_code"]


def test_an_unknown_name_is_told_with_its_key() -> None:
    with pytest.raises(UserError, match=r"perturbations.names: There is no .*'typos'"):
        wanted_of(PerturbationConfig(names=["typos"]))


@pytest.mark.parametrize("given", ["smoke", ["smoke"], {"names": "smoke"}, {"names": ["smoke"]}])
def test_a_name_or_a_list_of_names_is_short_for_the_section(given: object, tmp_path: Path) -> None:
    suite = tmp_path / "own.yaml"
    suite.write_text(json.dumps({"suite": "own", "benchmarks": [{"name": "starter"}], "perturbations": given}))
    config = load_config([str(suite)], {"perturbations.names": None}, ["perturbations.seeds=2"])
    assert config.perturbations is not None
    assert (config.perturbations.names, config.perturbations.seeds) == (["smoke"], 2)


def test_an_unknown_key_of_the_section_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"perturbations.severity: unknown key; did you mean 'severities'"):
        load_config(["starter"], {"perturbations.names": ["smoke"]}, ["perturbations.severity=[1]"])


def test_the_plan_has_each_kind_of_variant_under_a_name_of_its_own(tmp_path: Path) -> None:
    own = made()
    with Store(tmp_path / "run") as store:
        plan = make_plan(
            {"own": own.benchmark},
            form="base",
            sampling=Sampling(),
            n=2,
            model_digest="m",
            replay=None,
            store=store,
            gated={"own": own.gated},
        )
    assert plan.num_samples == 8
    assert list(plan.planned) == ["own", "own/replica.1", "own/half_solution", "own/keyboard_typos.2"]
    typos = plan.planned["own/keyboard_typos.2"]
    assert (typos.perturbation, typos.family, typos.severity, typos.baseline) == (
        "keyboard_typos",
        "docstring",
        2,
        "nominal",
    )
    assert typos.dropped == {"not_applicable": 0, "vacuous": 0, "duplicate": 0, "invalid": 0}
    assert plan.planned["own/replica.1"].perturbation == "replica"
    assert plan.planned["own"].perturbation == ""


def test_what_was_judged_before_is_read_and_not_run(tmp_path: Path, sandboxes: list[FakeSandbox]) -> None:
    program = Program(source="pass\n", tests=("pass",))
    with GateJudge("fake", tmp_path) as judge:
        assert judge([program]) == [True]
    with GateJudge("fake", tmp_path) as again:
        assert again([program]) == [True]
        assert (judge.num_run, again.num_run) == (1, 0)


def test_a_sandbox_that_keeps_failing_ends_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.perturbing.open_sandbox", lambda _: FakeSandbox(*[Status.SANDBOX_ERROR] * 9))
    with GateJudge("fake", tmp_path) as judge, pytest.raises(SandboxUnavailable, match="could not be judged"):
        judge([Program(source="pass\n", tests=("pass",))])


def test_variants_are_written_with_where_they_come_from(tmp_path: Path) -> None:
    own = made()
    write_variants(tmp_path / "v.jsonl", variant_records("own", own.benchmark, own.gated, "full"))
    rows = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    assert [(row["variant"], row["gate"]) for row in rows] == [("half_solution", "kept"), ("keyboard_typos.2", "kept")]
    assert rows[1]["provenance"]["nominal_sha256"] == own.benchmark.problems()[0].sha256()
    assert rows[1]["prompt"] != own.benchmark.problems()[0].prompt
    assert rows[1]["canonical_solution"] == own.benchmark.problems()[0].reference


def test_a_language_model_is_asked_once_for_the_same_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def ask(url: str, model: str, question: str) -> str:
        asked.append(question)
        return f"{model} says {len(asked)}"

    monkeypatch.setattr("engine.rewriting._ask", ask)
    spec = "openai:http://localhost:1/v1#m"
    assert open_rewriter(spec, tmp_path)("Reword.", "Add two.") == "m says 1"
    assert open_rewriter(spec, tmp_path)("Reword.", "Add two.") == "m says 1"
    assert open_rewriter(spec, tmp_path)("Reword.", "Add three.") == "m says 2"
    assert asked == ["Reword.\n\nAdd two.", "Reword.\n\nAdd three."]


def test_an_endpoint_that_is_not_there_is_the_users_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def generate(*_: object) -> list[Completion]:
        return [Completion(text="", error="connection refused", finish_reason="error")]

    monkeypatch.setattr("actors.openai_generator.OpenAIGenerator.generate", generate)
    with pytest.raises(UserError, match=r"no rewording: connection refused"):
        open_rewriter("openai:http://localhost:1/v1#m", tmp_path)("Reword.", "Add two.")
