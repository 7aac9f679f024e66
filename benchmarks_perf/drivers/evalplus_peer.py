"""EvalPlus's own `check_correctness`, base tests only, called one after the other in one process.

Its command adds a pool of workers and sends each of them the whole problem with every sample, which costs more than
what is measured here. Expected outputs come from its own `trusted_exec`, once per problem, before the clock starts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from evalplus.data import get_human_eval_plus  # type: ignore[import-not-found]
from evalplus.evaluate import check_correctness  # type: ignore[import-not-found]
from evalplus.gen.util import trusted_exec  # type: ignore[import-not-found]

from benchmarks_perf.drivers.protocol import PASSED, Opened, Sample, serve


@contextlib.contextmanager
def open_executor(samples: list[Sample], timeout_seconds: float) -> Iterator[Opened]:
    """Load HumanEval+ (HUMANEVAL_OVERRIDE_PATH) and compute expected outputs; EvalPlus keeps its own time limits."""
    problems = get_human_eval_plus()
    expected = {task_id: ground_truth(problems[task_id]) for task_id in {sample["task_id"] for sample in samples}}

    def execute(sample: Sample) -> str:
        task_id, solution = sample["task_id"], sample["prompt"] + sample["completion"]
        result = check_correctness(
            "humaneval", 0, problems[task_id], solution, expected[task_id], base_only=True, fast_check=True
        )
        status: str = result["base"][0]
        return PASSED if status == "pass" else status

    yield execute, f"evalplus {version('evalplus')}, check_correctness, base tests, 1 worker"


def ground_truth(problem: dict[str, Any]) -> dict[str, Any]:
    """Outputs and times of the canonical solution on the base inputs."""
    program = problem["prompt"] + problem["canonical_solution"]
    outputs, seconds = trusted_exec(program, problem["base_input"], problem["entry_point"], record_time=True)
    return {"base": outputs, "base_time": seconds}


if __name__ == "__main__":
    serve(open_executor)
