"""A run directory: opened by one process at a time, appended to by parts, readable by anything that reads Parquet."""

from __future__ import annotations

import fcntl
import json
import os
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from actors.execute import SAMPLES
from actors.generate import GENERATIONS
from actors.parts import STOP_FILE, read_part
from actors.samples import GENERATION_SCHEMA, SAMPLE_SCHEMA
from engine.identity import Identity, differences
from runners.errors import DataError, UserError
from runners.program import OURS

RUN_FILE = "run.json"
METRICS_FILE = "metrics.json"
_RUN_KEYS = {"status", "run_key", "identity", "suite", "model", "command", "isolation", "benchmarks", "started_at"}


class Store:
    """One run directory, held by this process."""

    def __init__(self, directory: Path) -> None:
        """Create the directory where it is missing and lock it.

        Raises:
            UserError: it cannot be written, or another process works on it.
        """
        self.directory = directory
        try:
            for name in (GENERATIONS, SAMPLES):
                (directory / name).mkdir(parents=True, exist_ok=True)
            self._lock = (directory / ".lock").open("a+")
            self._acquire()
            (directory / STOP_FILE).unlink(missing_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UserError(f"{directory}: {reason}. Choose a directory you can write with --output.") from error

    def _acquire(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "another process"
            self._lock.close()
            raise UserError(f"{self.directory}: {holder} works on this run; wait for it or stop it.") from error
        self._lock.truncate(0)
        self._lock.write(f"process {os.getpid()}")
        self._lock.flush()

    def __enter__(self) -> Self:
        """The open store."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let other processes work on the run."""
        self._lock.close()

    def claim(self, identity: Identity) -> None:
        """Make sure the directory belongs to this configuration.

        Raises:
            UserError: it holds a run of another configuration; names the first differences.
        """
        stored = read_run(self.directory)
        if stored and stored["identity"] != json.loads(json.dumps(identity, default=str)):
            shown = differences(stored["identity"], json.loads(json.dumps(identity, default=str)))
            more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
            raise UserError(
                f"{self.directory} holds another run ({'; '.join(shown[:3])}{more}). "
                "Choose another --output, or leave it out."
            )

    def write_json(self, name: str, data: object) -> None:
        """Write one JSON file whole."""
        write_text(self.directory / name, json.dumps(data, indent=2, default=str) + "\n")

    def write_yaml(self, name: str, data: object) -> None:
        """Write one YAML file whole."""
        write_text(self.directory / name, yaml.safe_dump(data, sort_keys=False))

    def generated(self) -> dict[str, dict[int, str]]:
        """Part file of each committed completion, by request and sample index; failed ones are left out.

        Raises:
            DataError: a part is damaged.
        """
        found: dict[str, dict[int, str]] = defaultdict(dict)
        for part in sorted((self.directory / GENERATIONS).glob("part-*.parquet")):
            columns = ["sample_id", "sample_index", "generation_error"]
            table = read_part(part, GENERATION_SCHEMA, columns)
            for sample, index, error in zip(*(table[name].to_pylist() for name in columns), strict=True):
                if not error:
                    found[sample.rpartition("-")[0]][index] = part.name
        return found

    def finished(self) -> dict[str, set[int]]:
        """Sample indexes that have a verdict of the program, by request.

        Raises:
            DataError: a part is damaged.
        """
        found: dict[str, set[int]] = defaultdict(set)
        table = read_samples(self.directory, ["sample_id", "sample_index", "status"])
        for sample, index, status in zip(*(column.to_pylist() for column in table.columns), strict=True):
            if status not in OURS:
                found[sample.rpartition("-")[0]].add(index)
        return found


def read_run(directory: Path) -> dict[str, Any] | None:
    """The run.json of a directory; None where there is none.

    Raises:
        UserError: it cannot be read, or is not what a run writes.
    """
    path = directory / RUN_FILE
    if not path.exists():
        return None
    try:
        run = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(path, f"cannot be read ({error}).", cure="Choose another --output.") from error
    if not isinstance(run, dict) or not run.keys() >= _RUN_KEYS:
        raise DataError(path, "was not written by this version of codeassay.", cure="Choose another --output.")
    return run


def read_samples(directory: Path, columns: Sequence[str], ids: Collection[str] | None = None) -> pa.Table:
    """Columns of all samples, each sample once: a verdict of the program before one of ours, then the latest.

    Args:
        directory: the run directory.
        columns: of SAMPLE_SCHEMA.
        ids: only these samples, so that their texts fit in memory; None takes all.

    Raises:
        DataError: a part is damaged.
    """
    parts = sorted((directory / SAMPLES).glob("part-*.parquet"))
    needed = list(dict.fromkeys([*columns, "sample_id", "status", "finished_at"]))
    table = _read(parts, SAMPLE_SCHEMA, needed, ids)
    if not table.num_rows:
        return table.select(list(columns))
    ours = pc.is_in(table["status"], value_set=pa.array([status.value for status in OURS]))
    ranked = table.append_column("counts", pc.cast(pc.invert(ours), pa.int8()))
    order = pc.sort_indices(ranked, sort_keys=[("counts", "ascending"), ("finished_at", "ascending")])
    keys = pa.table({"sample_id": ranked["sample_id"].take(order), "row": order})
    last = keys.group_by("sample_id", use_threads=False).aggregate([("row", "last")])
    return table.take(last["row_last"]).select(list(columns))


def _read(parts: Sequence[Path], schema: pa.Schema, columns: list[str], ids: Collection[str] | None = None) -> pa.Table:
    if not parts:
        return pa.schema([schema.field(name) for name in columns]).empty_table()
    tables = (read_part(part, schema, columns) for part in parts)
    if ids is not None:
        wanted = pa.array(sorted(ids), pa.string())
        tables = (table.filter(pc.is_in(table["sample_id"], value_set=wanted)) for table in tables)
    return pa.concat_tables(list(tables))


def write_text(path: Path, text: str) -> None:
    """Write a small file so that it appears whole or not at all.

    Raises:
        UserError: the directory cannot be written, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}). Make room, then run again.") from error
