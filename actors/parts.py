"""Commit rows to a run directory: one Parquet file per batch, named by content, never half written."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from runners.errors import DataError

STOP_FILE = "stop"
"""While this file exists in the run directory, stages let rows pass without working on them (Ctrl-C)."""


def commit(directory: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema, *, tokens: int = 0) -> Path:
    """Write rows as one part and return its path; the same rows again replace the same file.

    The file appears whole or not at all: temporary name, fsync, rename, fsync of the directory. Its metadata tells
    `tokens`, so that progress can be read from footers.

    Raises:
        OSError: the directory cannot be written.
    """
    ids = "\0".join(sorted(row["sample_id"] for row in rows))
    path = directory / f"part-{hashlib.sha256(ids.encode()).hexdigest()[:24]}.parquet"
    table = pa.Table.from_pylist(list(rows), schema=schema.with_metadata({"tokens": str(tokens)}))
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")  # process ids repeat on other nodes
    try:
        with temporary.open("wb") as file:
            pq.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(directory)
    return path


def read_part(path: Path, schema: pa.Schema, columns: Sequence[str]) -> pa.Table:
    """Columns of one part.

    Raises:
        DataError: the file is damaged.
    """
    try:
        table = pq.ParquetFile(path).read(columns=list(columns)).select(list(columns))
        return table.cast(pa.schema([schema.field(name) for name in columns]))
    except (pa.ArrowException, OSError, KeyError) as error:
        cure = "Delete this file and run the same command again: what it held is done anew, the rest is kept."
        raise DataError(path, f"damaged ({' '.join(str(error).split())}).", cure=cure) from error


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
