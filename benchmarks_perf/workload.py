"""What is executed: HumanEval's canonical solutions, repeated, and stored samples of a real model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.files import read_rows
from benchmarks_perf.drivers.protocol import Sample
from runners.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Samples in the order they are run: those of one problem stand together, as in a request."""

    name: str
    description: str
    samples: tuple[Sample, ...]
    known: tuple[str | None, ...] = ()
    """What is known of each sample, in the words of its source; empty where nothing is but `expected`."""


def canonical(path: Path, *, repeat: int, subset: int | None) -> Workload:
    """Each canonical solution `repeat` times; all of them pass.

    Raises:
        DataError: the file is not HumanEval.
    """
    problems = _records(path, ("task_id", "prompt", "canonical_solution", "test", "entry_point"))[:subset]
    samples = [sample_of(row, row["canonical_solution"], True) for row in problems for _ in range(repeat)]
    text = f"{len(problems)} canonical solutions of HumanEval x {repeat} = {len(samples)} samples"
    return Workload(name="canonical", description=text, samples=tuple(samples))


def stored(path: Path, data: Path, *, subset: int | None, timeouts: bool) -> Workload:
    """A model's samples; those that the verdicts beside the file call a timeout only where asked for.

    Raises:
        DataError: a file does not hold what it should, or samples and verdicts do not belong together.
    """
    problems = {row["task_id"]: row for row in _records(data, ("task_id", "prompt", "test", "entry_point"))}
    rows = _records(path, ("task_id", "completion"))
    verdicts = _verdicts(path.with_name(path.name.replace(".jsonl", ".verdicts.jsonl")), rows)
    wanted = set(list(problems)[:subset])
    kept, known = [], []
    for row, verdict in zip(rows, verdicts, strict=True):
        if row["task_id"] in wanted and (timeouts or verdict != "timeout"):
            expected = None if verdict is None else verdict == "passed"
            kept.append(sample_of(problems[row["task_id"]], row["completion"], expected))
            known.append(verdict)
    left_out = "" if timeouts else f", without {verdicts.count('timeout')} that time out"
    text = f"{len(kept)} samples of {path.name}{left_out}; {sum(bool(s['expected']) for s in kept)} are known to pass"
    return Workload(name="model", description=text, samples=tuple(kept), known=tuple(known))


def sample_of(problem: dict[str, Any], completion: str, expected: bool | None) -> Sample:
    """A completion of one record."""
    return Sample(
        task_id=problem["task_id"],
        prompt=problem["prompt"],
        completion=completion,
        test=problem["test"],
        entry_point=problem["entry_point"],
        expected=expected,
    )


def thinned(samples: Sequence[Sample], every: int) -> tuple[Sample, ...]:
    """Every so-manieth sample, for executors that are too slow for all."""
    return tuple(samples[::every])


def distinct(samples: Sequence[Sample], *, copies: int = 1) -> tuple[Sample, ...]:
    """The first of all samples that are one program, since a pipeline runs those of a prompt once.

    Copies of each stand behind it, told apart by a comment: a few thousand programs, so that a pipeline gets into its
    stride.
    """
    first: dict[tuple[str, str], Sample] = {}
    for sample in samples:
        first.setdefault((sample["task_id"], sample["completion"]), sample)
    return tuple(_copy(sample, number) for sample in first.values() for number in range(copies))


def _copy(sample: Sample, number: int) -> Sample:
    return {**sample, "completion": f"{sample['completion']}\n# {number}\n"} if number else sample


def write(samples: Sequence[Sample], path: Path) -> None:
    """Write the file that drivers read."""
    path.write_text("".join(json.dumps(sample) + "\n" for sample in samples), encoding="utf-8")
    path.chmod(0o644)


def _verdicts(path: Path, rows: list[dict[str, Any]]) -> list[str | None]:
    """The known verdict of each sample, in the same order; None where there is no such file."""
    if not path.exists():
        return [None] * len(rows)
    verdicts = _records(path, ("task_id", "verdict"))
    if [row["task_id"] for row in verdicts] != [row["task_id"] for row in rows]:
        raise DataError(path, "does not list the samples of the file beside it, in their order.")
    return [row["verdict"] for row in verdicts]


def _records(path: Path, fields: tuple[str, ...]) -> list[dict[str, Any]]:
    try:
        rows = read_rows(path, path.read_bytes())
    except OSError as error:
        raise DataError(path, f"cannot be read ({error.strerror}).", cure="Name it with an option.") from error
    records = []
    for row in rows:
        missing = [field for field in fields if not isinstance(row.value, dict) or field not in row.value]
        if missing:
            raise DataError(path, "has no such field.", line=row.line, field=missing[0])
        assert isinstance(row.value, dict)
        records.append(row.value)
    return records
