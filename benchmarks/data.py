"""Where benchmark records come from: a file of the user's, the local cache, or the network at a pinned revision.

Every record is read and validated before anything else happens, so that a bad line costs seconds and not GPU hours.
Nothing here runs code of a data set: only plain data files are read (JSON lines, JSON arrays, their .gz, Parquet).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from benchmarks.fetch import Fetched, Source, fetch
from benchmarks.files import Row, read_rows
from runners.errors import DataError

log = logging.getLogger(__name__)


class Record(BaseModel):
    """One row of a data file; fields that nothing here needs are ignored, those named must be there and well typed."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    task_id: str | int


RecordT = TypeVar("RecordT", bound=Record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where records came from, for the run's manifest."""

    origin: str
    """A path, or a hub id or URL."""
    paths: tuple[str, ...]
    """The files on this machine, in reading order."""
    sha256: str
    """Of the file's bytes; for several files, of their hex digests joined by newlines."""
    rows: int
    revision: str | None = None
    """What was asked of the network; None for a file of the user's."""
    commit: str | None = None
    """The commit that the revision stood for; None where the source does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Records(Generic[RecordT]):
    """Validated rows, in file order."""

    rows: tuple[RecordT, ...]
    provenance: Provenance


def load_records(
    source: Source, model: type[RecordT], *, path: Path | None, cache: Path, revision: str | None = None
) -> Records[RecordT]:
    """Read and validate all records of one source.

    Args:
        source: where the data lives and how it is pinned.
        model: what each row must hold.
        path: a file to read instead; the network is then never asked.
        cache: folder for files that were fetched.
        revision: overrides the source's own pin.

    Raises:
        DataError: no file, or a row that is malformed, mistyped or a duplicate; or no row at all.
    """
    fetched = Fetched(origin=str(path), paths=(path,)) if path is not None else fetch(source, cache, revision)
    digests: list[str] = []
    rows: list[RecordT] = []
    seen: dict[str | int, str] = {}
    for file in fetched.paths:
        data = _read(file)
        digests.append(hashlib.sha256(data).hexdigest())
        records = _validated(file, read_rows(file, data), model, seen)
        rows.extend(records)
    _check_count(source, fetched, len(rows))
    sha256 = digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
    provenance = Provenance(
        origin=fetched.origin,
        paths=tuple(str(file) for file in fetched.paths),
        sha256=sha256,
        rows=len(rows),
        revision=fetched.revision,
        commit=fetched.commit,
    )
    return Records(rows=tuple(rows), provenance=provenance)


def in_folder(path: Path | None, *names: str) -> Path | None:
    """The user's file: `path` itself, or where it is a folder the first of `names` in it, with or without .gz.

    Raises:
        DataError: it is a folder and holds none of them.
    """
    if path is None or not path.is_dir():
        return path
    found = [path / f"{name}{end}" for name in names for end in ("", ".gz") if (path / f"{name}{end}").is_file()]
    if not found:
        raise DataError(path, f"holds no {' or '.join(names)}.", cure="Name the file itself, or the folder it is in.")
    return found[0]


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise DataError(path, "is a directory.", cure="Name the data file inside it.")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(
            path, "there is no such file.", cure="Check the path, or leave it out to use the hub."
        ) from None
    except OSError as error:
        raise DataError(path, f"cannot be read ({error.strerror}).", cure="Check its permissions.") from error


def _validated(path: Path, raw: Sequence[Row], model: type[RecordT], seen: dict[str | int, str]) -> list[RecordT]:
    """Turn raw rows into records; `seen` maps each task_id to where it stood, over all files of a source."""
    records = []
    for row in raw:
        try:
            record = model.model_validate(row.value)
        except ValidationError as error:
            raise _row_error(path, row, error, model) from None
        if record.task_id in seen:
            raise DataError(
                path,
                f"{record.task_id!r} is already at {seen[record.task_id]}.",
                line=row.line,
                field="task_id",
                cure="Every problem needs a task_id of its own; remove or rename one.",
            )
        seen[record.task_id] = f"{path.name}:{row.line}"
        records.append(record)
    return records


def _row_error(path: Path, row: Row, error: ValidationError, model: type[Record]) -> DataError:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or None
    needed = ", ".join(name for name, info in model.model_fields.items() if info.is_required())
    value = "" if first["type"] == "missing" else f", found {first['input']!r:.60}"
    return DataError(
        path,
        f"{first['msg']}{value}.",
        line=row.line,
        field=field,
        cure=f"Each record of this benchmark needs: {needed}.",
    )


def _check_count(source: Source, fetched: Fetched, count: int) -> None:
    if not count:
        raise DataError(fetched.paths[0], "holds no records.", cure="Check that it was written or downloaded whole.")
    if source.rows is not None and count != source.rows:
        log.warning("%s: %d records where %s has %d.", fetched.origin, count, source.name, source.rows)
