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

from runners.errors import DataError, UserError

STOP_FILE = "stop"
"""While this file exists in the run directory, stages let rows pass without working on them (Ctrl-C)."""


def commit(directory: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema, *, tokens: int = 0) -> Path:
    """Write rows as one part and return its path; the same rows again replace the same file.

    The file appears whole or not at all: temporary name, fsync, rename, fsync of the directory. Its metadata tells
    `tokens`, so that progress can be read from footers.

    Raises:
        UserError: the directory cannot be written: a full disk, most of the time.
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
        _sync(directory)
    except OSError as error:
        cure = "Make room there, then run the same command again: what was committed is kept."
        raise UserError(f"{directory}: cannot be written ({error.strerror or error}). {cure}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_part(path: Path, schema: pa.Schema, columns: Sequence[str]) -> pa.Table:
    """Columns of one part; one that may be null and is not there, as in parts of an earlier version, is null.

    Raises:
        DataError: the file is damaged.
    """
    try:
        file = pq.ParquetFile(path)
        absent = {name for name in columns if schema.field(name).nullable} - set(file.schema_arrow.names)
        table = file.read(columns=[name for name in columns if name not in absent])
        for name in sorted(absent):
            table = table.append_column(schema.field(name), pa.nulls(table.num_rows, schema.field(name).type))
        return table.select(list(columns)).cast(pa.schema([schema.field(name) for name in columns]))
    except (pa.ArrowException, OSError, KeyError) as error:
        cure = "Delete this file and run the same command again: what it held is done anew, the rest is kept."
        raise DataError(path, f"damaged ({' '.join(str(error).split())}).", cure=cure) from error


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
