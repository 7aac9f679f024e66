"""Read the rows of a data file whatever its form: JSON lines, a JSON array, Parquet, each plain or gzipped."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

from runners.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One raw row and where it stands."""

    value: object
    line: int
    """1-based line of a JSON lines file, else the 1-based number of the row."""


def read_rows(path: Path, data: bytes) -> list[Row]:
    """All rows in file order; the form is told by the content, so a `.json` that holds JSON lines is read too.

    Raises:
        DataError: the content is none of the known forms, or a line of it is broken.
    """
    if data.startswith(GZIP_MAGIC):
        data = _gunzip(path, data)
    if data.startswith(PARQUET_MAGIC):
        return _parquet_rows(path, data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(path, "is not UTF-8 text.", line=line, cure="Save it as UTF-8, or as Parquet.") from None
    if text.lstrip().startswith("["):
        return _array_rows(path, text)
    return _json_lines(path, text)


def _gunzip(path: Path, data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(path, f"is a damaged gzip file ({error}).", cure="Download or compress it again.") from None


def _json_lines(path: Path, text: str) -> list[Row]:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):  # str.splitlines also cuts at U+2028 inside strings
        if line.strip():
            try:
                rows.append(Row(value=json.loads(line), line=number))
            except ValueError as error:
                raise _json_error(path, error, number) from None
    return rows


def _array_rows(path: Path, text: str) -> list[Row]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise _json_error(path, error, getattr(error, "lineno", None)) from None
    return [Row(value=value, line=number) for number, value in enumerate(values, start=1)]


def _json_error(path: Path, error: ValueError, line: int | None) -> DataError:
    reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    column = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
    cure = "Each line must hold one JSON object, or the whole file one JSON array of objects."
    return DataError(path, f"is not JSON{column} ({reason}).", line=line, cure=cure)


def _parquet_rows(path: Path, data: bytes) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        values = pq.read_table(io.BytesIO(data)).to_pylist()
    except pa.ArrowException as error:
        raise DataError(path, f"is a damaged Parquet file ({error}).", cure="Download it again.") from None
    return [Row(value=value, line=number) for number, value in enumerate(values, start=1)]
