"""Perturbed prompts through the whole pipeline: what a right model and one that learned by heart score."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.base import BaseBenchmark, CommonOptions
from benchmarks.benchmark import reference_completion
from benchmarks.perturbations.catalogue import catalogue
from benchmarks.perturbations.gate import Wanted, gate
from benchmarks.problem import NOMINAL, Completion, Problem
from benchmarks.registry import load_benchmark
from engine.metrics import Metrics
from engine.perturbing import GateJudge
from tests.integration.command import Done, codeassay

pytestmark = pytest.mark.slow

COUNT = 8


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run and its tracking are."""
    return tmp_path_factory.mktemp("robust")


@pytest.fixture(scope="module")
def ran(cluster: dict[str, str], places: Path) -> Done:
    """The references of eight problems of some lines, and of every variant that the whole catalogue makes of them."""
    data = places / "problems.jsonl"
    problems = load_benchmark("starter", {}, places).problems()[-COUNT:]
    data.write_text("".join(json.dumps(_record(problem)) + "\n" for problem in problems))
    options = ("--data", str(data), "--model", "reference", "--perturb", "full", "--output", str(places / "run"))
    return codeassay("run", "humaneval", *options, "--json", places=places, environment=cluster)


def _record(problem: Problem) -> dict[str, str | None]:
    """A problem in the form of HumanEval.jsonl."""
    checks = "".join(f"    {line}\n" for test in problem.tests for line in test.splitlines())
    return {
        "task_id": problem.task_id,
        "prompt": problem.prompt,
        "canonical_solution": problem.reference,
        "entry_point": problem.entry_point,
        "test": f"def check(candidate):\n{checks}",
    }


@pytest.fixture(scope="module")
def metrics(ran: Done, places: Path) -> Metrics:
    """Its numbers."""
    assert ran.code == 0, ran.err
    return Metrics.from_json((places / "run" / "metrics.json").read_text())


def test_a_model_that_is_right_under_every_perturbation_scores_one_in_every_family(metrics: Metrics) -> None:
    robustness = metrics.robustness["humaneval"]
    assert len(robustness.perturbations) >= 40
    assert len(robustness.families) >= 4
    for family in robustness.families.values():
        assert family.worst is not None and family.worst.worst.value == 1.0, family
        assert family.robust is not None and family.robust.robust.value == 1.0, family
    for name, each in robustness.perturbations.items():
        if each.drop is not None:
            assert (each.drop.difference.mean, each.num_problems > 0) == (0.0, True), name


def test_what_was_left_out_is_counted_beside_every_metric(metrics: Metrics) -> None:
    for name, each in metrics.robustness["humaneval"].perturbations.items():
        assert each.num_problems + sum(each.dropped.values()) == COUNT, name


def test_each_family_has_a_run_below_that_of_its_benchmark_in_mlflow(ran: Done, places: Path) -> None:
    from mlflow import MlflowClient

    assert ran.code == 0, ran.err
    client = MlflowClient(f"sqlite:///{places / 'runs' / 'mlflow.db'}")
    [experiment] = [found for found in client.search_experiments() if found.name == "reference"]
    runs = client.search_runs([experiment.experiment_id])
    kinds = {run.info.run_id: run.data.tags["codeassay.kind"] for run in runs}
    families = [run for run in runs if run.data.tags["codeassay.kind"] == "family"]
    assert {"docstring", "names", "syntax"} <= {run.data.tags["codeassay.family"] for run in families}
    for run in families:
        assert kinds[run.data.tags["mlflow.parentRunId"]] == "benchmark"
        assert 0 < len(run.data.metrics) <= 60
        assert any(name.endswith("/drop") for name in run.data.metrics)


def test_the_run_keeps_each_variant_with_where_it_comes_from(ran: Done, places: Path) -> None:
    assert ran.code == 0, ran.err
    rows = [json.loads(line) for line in (places / "run" / "variants.jsonl").read_text().splitlines()]
    kept = [row for row in rows if row["gate"] == "kept"]
    assert all(row["sha256"] and row["provenance"]["nominal_sha256"] for row in kept)
    assert len({(row["task_id"], row["variant"]) for row in rows}) == len(rows)


def test_the_page_tells_of_every_perturbation(ran: Done, places: Path, metrics: Metrics) -> None:
    page = (places / "run" / "report" / "index.html").read_text()
    assert 'id="robust"' in page
    assert all(name in page for name in metrics.robustness["humaneval"].perturbations)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GateJudge]:
    """Real jails."""
    with GateJudge("auto", tmp_path_factory.mktemp("verdicts")) as judge:
        yield judge


def test_a_model_that_learned_nominal_answers_by_heart_fails_where_the_function_is_called_otherwise(
    judge: GateJudge, tmp_path: Path
) -> None:
    """As a chat model answers: the whole function, as it was learned."""
    whole = load_benchmark("starter", {}, tmp_path)
    benchmark = whole.with_problems(whole.problems()[:COUNT])
    names = ("keyboard_typos", "distractor_sentence", "function_random", "function_neutral")
    entries = tuple(catalogue()[name] for name in names)
    gated = gate(benchmark, Wanted(perturbations=entries), "chat", judge, splits=judge.splits)
    learned = {problem.task_id: _by_heart(problem) for problem in benchmark.problems()}
    passed: dict[str, list[bool]] = {name: [] for name in names}
    for variant in gated.kept():
        assert variant.problem is not None and variant.baseline == NOMINAL
        passed[variant.perturbation] += _judged(benchmark, judge, variant.problem, learned[variant.task_id])
    shares = {name: sum(found) / len(found) for name, found in passed.items()}
    assert shares == {
        "keyboard_typos": 1.0,
        "distractor_sentence": 1.0,
        "function_random": 0.0,
        "function_neutral": 0.0,
    }


def _by_heart(problem: Problem) -> Completion:
    reference = reference_completion(problem)
    assert reference is not None
    return Completion(text=f"```python\n{problem.prompt}{reference.text}```\n", form="chat")


def _judged(
    benchmark: BaseBenchmark[CommonOptions],
    judge: GateJudge,
    problem: Problem,
    answer: Completion,
) -> list[bool]:
    programs = [replace(program, judge="split") for program in benchmark.programs(problem, answer)]
    return judge(programs)
