"""Whether a run did what its plan says: every sample once, each with the verdict it has to have.

The plan of a synthetic run is known before it: so many problems in the form of `starter`, n samples of each, and for
each sample which packaged solution it is. What these solutions get is asked of the sandbox directly, without pipeline.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from actors.execute import SAMPLES
from actors.generate import GENERATIONS
from actors.judging import Judging, Policy
from actors.synthetic_generator import Synthetic, choice_of
from benchmarks.benchmark import reference_completion, wrong_completions
from benchmarks.problem import NOMINAL
from benchmarks.starter import PACKAGED, Starter, StarterOptions
from engine.store import read_samples
from runners.program import Status
from runners.sandbox import open_sandbox

Sample = tuple[str, int]
"""task_id and index."""
Expected = Mapping[Sample, str]
"""The status that each planned sample has to have."""
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """What lies on disk against the plan."""

    planned: int
    lost: int
    """Planned samples without a row."""
    duplicated: int
    """Rows beyond the first of a sample, as readers of the run see it, and rows of samples that were never planned."""
    wrong: int
    """Samples with another status than they have to have."""
    repeated: int
    """Rows on disk that stand there again because work was done twice; readers drop them."""
    generated_twice: int
    """Completions on disk that stand there again."""
    statuses: Mapping[str, int]
    expected_statuses: Mapping[str, int]
    examples: tuple[str, ...] = ()
    """The first few faults, in words."""

    @property
    def ok(self) -> bool:
        """Whether nothing is lost, doubled or judged otherwise than it has to be."""
        return not (self.lost or self.duplicated or self.wrong)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {**asdict(self), "ok": self.ok}


def write_problems(path: Path, count: int) -> None:
    """Write so many problems as `starter` reads them: its own, round and round, each with an id and text of its own."""
    records = [json.loads(line) for line in PACKAGED.read_text(encoding="utf-8").splitlines() if line.strip()]
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            record, task_id = records[number % len(records)], task_id_of(number)
            # The id in a comment makes each program a different one, so that nothing is judged once for many.
            file.write(json.dumps({**record, "task_id": task_id, "prompt": f"# {task_id}\n{record['prompt']}"}) + "\n")


def task_id_of(number: int) -> str:
    """The id of a synthetic problem."""
    return f"synthetic/{number}"


def solution_statuses(isolation: str, judge: Policy) -> list[tuple[str, ...]]:
    """The status of each packaged solution, per problem of `starter` the reference first; asked of one sandbox."""
    benchmark = Starter.load(StarterOptions(), Path())
    statuses = []
    with contextlib.closing(open_sandbox(isolation)) as sandbox:
        keys = {("starter", problem.task_id, NOMINAL) for problem in benchmark.problems()}
        judging = Judging(sandbox, judge, keys if "split" in sandbox.judges else ())
        for problem in benchmark.problems():
            reference = reference_completion(problem)
            bodies = [*([reference] if reference else []), *wrong_completions(problem)]
            programs = [benchmark.programs(problem, body)[0] for body in bodies]
            key = ("starter", problem.task_id, NOMINAL)
            statuses.append(tuple(judging.judge(key, program).status.value for program in programs))
    return statuses


def expect(count: int, n: int, how: Synthetic, statuses: list[tuple[str, ...]]) -> dict[Sample, str]:
    """The status of every sample of so many problems.

    Args:
        count: synthetic problems.
        n: samples of each.
        how: how the model answers.
        statuses: of the packaged solutions, per problem of `starter`.
    """
    expected = {}
    for number in range(count):
        own = statuses[number % len(statuses)]
        for index in range(n):
            choice = choice_of(task_id_of(number), index, len(own), how.errors)
            status = Status.GENERATION_ERROR.value if choice is None else own[choice]
            expected[task_id_of(number), index] = status
    return expected


def account(run_dir: Path, expected: Expected) -> Accounting:
    """Compare what a run directory holds with its plan.

    Raises:
        DataError: a part is damaged.
    """
    table = read_samples(run_dir, ["task_id", "sample_index", "status"])
    columns = [table[name].to_pylist() for name in ("task_id", "sample_index", "status")]
    rows = Counter[Sample](zip(columns[0], columns[1], strict=True))
    found = dict(zip(zip(columns[0], columns[1], strict=True), columns[2], strict=True))
    lost = [sample for sample in expected if sample not in found]
    foreign = [sample for sample in found if sample not in expected]
    twice = [sample for sample, count in rows.items() if count > 1]
    wrong = [sample for sample, status in found.items() if sample in expected and status != expected[sample]]
    faults = [f"{task}[{index}] is lost" for task, index in lost[:_SHOWN]]
    faults += [f"{task}[{index}] was never planned" for task, index in foreign[:_SHOWN]]
    faults += [f"{task}[{index}] stands twice" for task, index in twice[:_SHOWN]]
    faults += [f"{s[0]}[{s[1]}] is {found[s]} and has to be {expected[s]}" for s in wrong[:_SHOWN]]
    return Accounting(
        planned=len(expected),
        lost=len(lost),
        duplicated=sum(rows.values()) - len(rows) + len(foreign),
        wrong=len(wrong),
        repeated=_repeats(run_dir / SAMPLES),
        generated_twice=_repeats(run_dir / GENERATIONS),
        statuses=dict(Counter(found.values())),
        expected_statuses=dict(Counter(expected.values())),
        examples=tuple(faults),
    )


def _repeats(directory: Path) -> int:
    """Rows beyond the first of each sample_id in all parts of a directory."""
    ids = [
        sample_id
        for part in sorted(directory.glob("part-*.parquet"))
        for sample_id in pq.read_table(part, columns=["sample_id"])["sample_id"].to_pylist()
    ]
    return len(ids) - len(set(ids))
