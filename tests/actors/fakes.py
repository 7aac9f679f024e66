"""A benchmark, a generator and a sandbox that run nothing: stages are tested in one plain process."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from actors.generator import Sampling
from actors.samples import COMPLETED_SCHEMA, REQUEST_SCHEMA, completion_row, prompt_row
from benchmarks.base import BaseBenchmark, CommonOptions
from benchmarks.data import Provenance
from benchmarks.problem import Completion, Problem, Prompt
from runners.program import Program, Status, Verdict
from runners.supervise import Idle

LABEL = "tiny"
PROVENANCE = Provenance(origin="made up", paths=(), sha256="0" * 64, rows=3)


class TinyBenchmark(BaseBenchmark[CommonOptions]):
    """Problems t0, t1, ... of one line each."""

    name = LABEL
    summary = "made up"
    Options = CommonOptions
    stop = ("\n\n",)


def problem(task_id: str, **fields: Any) -> Problem:
    """A problem that differs from others in its id alone."""
    given = {"prompt": f"def {task_id}():\n", "instruction": task_id, "tests": ("pass",), "reference": "    pass\n"}
    return Problem(task_id=task_id, **{**given, **fields})


def tiny(count: int = 3, **fields: Any) -> TinyBenchmark:
    """A benchmark of so many problems."""
    return TinyBenchmark([problem(f"t{number}", **fields) for number in range(count)], PROVENANCE)


class FakeGenerator:
    """Says `<task_id>-<index>`, or what it was told to, and remembers what it was asked."""

    def __init__(self, say: Callable[[str, int], Completion] | None = None) -> None:
        self.asked: list[tuple[str, list[int]]] = []
        self._say = say or (lambda task_id, index: Completion(text=f"{task_id}-{index}", completion_tokens=7))

    async def generate(self, prompt: Prompt, sampling: Sampling, indexes: Sequence[int]) -> list[Completion]:
        """What it says to each index."""
        self.asked.append((prompt.task_id, list(indexes)))
        return [self._say(prompt.task_id, index) for index in indexes]

    async def close(self) -> None:
        """Nothing is held."""


class FakeSandbox:
    """Gives verdicts in the order told, then passes; remembers the programs."""

    isolation = "fake"
    judges = frozenset({"inside"})
    languages = frozenset({"python"})
    environments = True

    def __init__(self, *statuses: Status) -> None:
        self.ran: list[Program] = []
        self._statuses = list(statuses)

    def run(self, program: Program, idle: Idle | None = None) -> Verdict:
        """The next verdict; its texts hold lone surrogates."""
        self.ran.append(program)
        status = self._statuses.pop(0) if self._statuses else Status.PASSED
        costs = {"cpu_seconds": 1.0, "wall_seconds": 2.0}
        return Verdict(status=status, isolation=self.isolation, stdout="\ud800", error="\udc00", **costs)

    def toolchain(self) -> str:
        """Nothing that a verdict depends on."""
        return "fake"

    def close(self) -> None:
        """Nothing is held."""


def request(task_id: str, generate: list[int], stored: list[int], parts: list[str]) -> dict[str, Any]:
    """One REQUEST_SCHEMA row."""
    prompt = Prompt(task_id=task_id, form="base", text=f"def {task_id}():\n")
    names = {"request_id": f"id-{task_id}", "benchmark": LABEL, "task_id": task_id, "variant": "nominal"}
    return {**names, "prompt": json.dumps(prompt_row(prompt)), "generate": generate, "stored": stored, "parts": parts}


def requests(*rows: dict[str, Any]) -> pa.Table:
    """Rows as a batch for Generate."""
    return pa.Table.from_pylist(list(rows), schema=REQUEST_SCHEMA)


def completed(task_id: str, completions: Sequence[Completion]) -> pa.Table:
    """One prompt with its completions as a batch for Execute."""
    names = {"request_id": f"id-{task_id}", "benchmark": LABEL, "task_id": task_id, "variant": "nominal"}
    rows = [completion_row(completion, index) for index, completion in enumerate(completions)]
    return pa.Table.from_pylist([{**names, "completions": rows}], schema=COMPLETED_SCHEMA)


def run_directory(directory: Path) -> Path:
    """An empty run directory."""
    for name in ("generations", "samples"):
        (directory / name).mkdir()
    return directory
