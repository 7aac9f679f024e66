"""HumanEval+ and MBPP+ in the real sandbox: expected outputs, two tests, two metrics."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.benchmark import reference_completion, wrong_completions
from benchmarks.evalplus_truth import Truth
from benchmarks.problem import Completion
from benchmarks.registry import AnyBenchmark, load_benchmark
from runners.errors import DataError
from runners.program import Program, Status, Verdict
from runners.sandbox import Sandbox
from tests.benchmarks.conftest import FILES, Loader

SQUARE: dict[str, Any] = {
    "task_id": "HumanEval/900",
    "prompt": "def square(x):\n",
    "canonical_solution": "    return x * x\n",
    "entry_point": "square",
    "base_input": [[1], [2]],
    "plus_input": [[-3], [float("inf")], [1.5]],
    "atol": 0,
}


class NoSandbox:
    """A sandbox that must not be asked."""

    isolation = "none"

    def run(self, program: Program) -> Verdict:
        """Fail the test."""
        raise AssertionError("a program was run although its outputs are in the cache")

    def toolchain(self) -> str:
        """Nothing."""
        return ""

    def close(self) -> None:
        """Nothing."""


def toy(folder: Path, *rows: dict[str, Any]) -> AnyBenchmark:
    """HumanEval+ with own rows."""
    path = folder / "toy.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows or (SQUARE,)))
    return load_benchmark("humaneval_plus", {"data": path}, folder)


def real_rows(folder: Path, name: str, task_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Some rows of a real file."""
    with gzip.open(folder / FILES[name], "rt") as lines:
        rows = {row["task_id"]: row for row in map(json.loads, lines)}
    return [rows[task_id] for task_id in task_ids]


def judged(benchmark: AnyBenchmark, sandbox: Sandbox, body: str) -> tuple[Verdict, dict[str, float]]:
    """Verdict and scores of one completion of the only problem."""
    (problem,) = benchmark.problems()
    completion = Completion(text=body, verbatim=True)
    verdict = sandbox.run(benchmark.programs(problem, completion)[0])
    return verdict, dict(benchmark.score(problem, completion, (verdict,)).values)


@pytest.fixture
def square(tmp_path: Path, sandbox: Sandbox) -> AnyBenchmark:
    """The toy benchmark, prepared."""
    benchmark = toy(tmp_path)
    benchmark.prepare(sandbox, tmp_path)
    return benchmark


def test_programs_before_prepare_are_refused(tmp_path: Path) -> None:
    """Without expected outputs there is no test, and an empty test would pass everything."""
    benchmark = toy(tmp_path)
    (problem,) = benchmark.problems()
    with pytest.raises(RuntimeError, match=r"HumanEval/900 has no expected outputs; call prepare"):
        benchmark.programs(problem, Completion(text=""))


def test_problem_hash_does_not_depend_on_preparation(tmp_path: Path, square: AnyBenchmark) -> None:
    """A sample's identity is the same before and after expected outputs were computed."""
    assert toy(tmp_path).problems()[0].sha256() == square.problems()[0].sha256()


COMPLETIONS = {
    "right": ("    return x * x\n", Status.PASSED, {"pass": 1.0, "base_pass": 1.0}),
    "right but for rounding": (
        "    return x ** 2 + 1e-9 * (x == 1.5)\n",
        Status.PASSED,
        {"pass": 1.0, "base_pass": 1.0},
    ),
    "right on base inputs only": ("    return abs(x) * x\n", Status.WRONG_ANSWER, {"pass": 0.0, "base_pass": 1.0}),
    "wrong on base, right on plus": (
        "    return 0 if x in (1, 2) else x * x\n",
        Status.WRONG_ANSWER,
        {"pass": 0.0, "base_pass": 0.0},
    ),
    "raises": ("    raise KeyError(x)\n", Status.RUNTIME_ERROR, {"pass": 0.0, "base_pass": 0.0}),
    "shadows what the test uses": (
        "    return x * x\n\ninf = nan = 0\ndef exec(*a): pass\nabs = max = eval = set = complex = type = exec\n",
        Status.PASSED,
        {"pass": 1.0, "base_pass": 1.0},
    ),
}


@pytest.mark.parametrize(("body", "status", "scores"), COMPLETIONS.values(), ids=COMPLETIONS)
def test_completion_is_scored_on_base_and_on_both(
    square: AnyBenchmark, sandbox: Sandbox, body: str, status: Status, scores: dict[str, float]
) -> None:
    """`pass` needs base and plus, `base_pass` the base inputs alone."""
    verdict, values = judged(square, sandbox, body)
    assert (verdict.status, values) == (status, scores)


LOOPS = {
    "loops": "    while True:\n        pass\n",
    "swallows the alarm": "    try:\n        while True: pass\n    except Exception:\n        return x * x\n",
}


@pytest.mark.parametrize("body", LOOPS.values(), ids=LOOPS)
def test_case_that_uses_up_its_cpu_time_is_a_timeout(
    square: AnyBenchmark, sandbox: Sandbox, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of one case ends it, also where the program catches all exceptions."""
    truth = Truth(expected=("[1, 4]", "[]"), slow=({0: 0.2, 1: 0.2}, {}))
    monkeypatch.setattr(square, "_truths", {"HumanEval/900": truth})
    verdict, values = judged(square, sandbox, body)
    assert (verdict.status, values["base_pass"]) == (Status.TIMEOUT, 0.0)


def test_expected_outputs_are_computed_once(tmp_path: Path, square: AnyBenchmark) -> None:
    """The second preparation reads the cache and runs nothing."""
    again = toy(tmp_path)
    again.prepare(NoSandbox(), tmp_path)
    assert again.programs(again.problems()[0], Completion(text="")) == square.programs(
        square.problems()[0], Completion(text="")
    )


def test_changed_solution_is_not_judged_by_old_outputs(tmp_path: Path, square: AnyBenchmark) -> None:
    """The cache is keyed by content: another canonical solution is run again."""
    other = toy(tmp_path, {**SQUARE, "canonical_solution": "    return x + x\n"})
    with pytest.raises(AssertionError, match="a program was run"):
        other.prepare(NoSandbox(), tmp_path)


def test_damaged_cache_is_computed_again(tmp_path: Path, square: AnyBenchmark, sandbox: Sandbox) -> None:
    """A cut-off file costs time, not a wrong number."""
    (path,) = (tmp_path / "truth").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    toy(tmp_path).prepare(sandbox, tmp_path)
    assert path.read_bytes() == whole


def test_solutions_without_outputs_are_all_listed(tmp_path: Path, sandbox: Sandbox) -> None:
    """A canonical solution that raises, and one whose result is no data, are named with their reasons."""
    raising = {**SQUARE, "task_id": "HumanEval/901", "canonical_solution": "    raise KeyError(x)\n"}
    no_data = {**SQUARE, "task_id": "HumanEval/902", "canonical_solution": "    return iter([x])\n"}
    with pytest.raises(DataError) as error:
        toy(tmp_path, SQUARE, raising, no_data).prepare(sandbox, tmp_path)
    message = str(error.value)
    assert "2 of 3 canonical solutions" in message
    assert "HumanEval/901 (runtime_error: KeyError" in message
    assert "HumanEval/902 (runtime_error: TypeError: list_iterator has no literal form" in message


def test_inputs_of_another_shape_stop_the_load(tmp_path: Path) -> None:
    """A row whose arguments are no list is named before anything runs."""
    with pytest.raises(DataError, match=r"toy.jsonl:1: field 'plus_input.0'"):
        toy(tmp_path, {**SQUARE, "plus_input": [5]})


HUMANEVAL_TASKS = ("HumanEval/2", "HumanEval/32", "HumanEval/38", "HumanEval/50")
MBPP_TASKS = ("Mbpp/2", "Mbpp/124", "Mbpp/404", "Mbpp/558", "Mbpp/581", "Mbpp/737", "Mbpp/793")


@pytest.mark.parametrize(
    ("name", "task_ids"), [("humaneval_plus", HUMANEVAL_TASKS), ("mbpp_plus", MBPP_TASKS)], ids=["humaneval", "mbpp"]
)
def test_references_pass_and_wrong_ones_fail_in_the_sandbox(
    shared_data: Path, tmp_path: Path, sandbox: Sandbox, name: str, task_ids: Sequence[str]
) -> None:
    """Tasks with special oracles, odd types, long outputs or no plus inputs judge their own solutions right."""
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in real_rows(shared_data, name, task_ids)))
    benchmark = load_benchmark(name, {"data": path}, tmp_path)
    benchmark.prepare(sandbox, tmp_path)
    for problem in benchmark.problems():
        reference = reference_completion(problem)
        assert reference is not None
        verdict = sandbox.run(benchmark.programs(problem, reference)[0])
        assert (problem.task_id, verdict.status) == (problem.task_id, Status.PASSED)
        wrong = wrong_completions(problem)[-1]
        verdict = sandbox.run(benchmark.programs(problem, wrong)[0])
        assert (problem.task_id, verdict.status.counts, verdict.passed) == (problem.task_id, True, False)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["humaneval_plus", "mbpp_plus"])
def test_first_references_pass_in_the_sandbox(real: Loader, sandbox: Sandbox, name: str) -> None:
    """The first canonical solutions pass their own tests (tests/conformance runs all of them)."""
    benchmark = real(name).limited(20)
    benchmark.prepare(sandbox, real.cache)
    failed = []
    for problem in benchmark.problems():
        reference = reference_completion(problem)
        assert reference is not None
        verdict = sandbox.run(benchmark.programs(problem, reference)[0])
        failed += [] if verdict.passed else [(problem.task_id, verdict.status, verdict.error)]
    assert failed == []
