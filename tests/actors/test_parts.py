from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actors.parts import commit, read_part
from actors.samples import SAMPLE_SCHEMA
from runners.errors import DataError, UserError
from tests.engine.rows import grid


def test_the_same_rows_are_the_same_file(tmp_path: Path) -> None:
    """Committing a batch again, in any order, replaces its file; other rows make another file."""
    rows = grid({"a": 1, "b": 0}, 2)
    first = commit(tmp_path, rows, SAMPLE_SCHEMA)
    assert commit(tmp_path, rows[::-1], SAMPLE_SCHEMA) == first
    assert commit(tmp_path, rows[1:], SAMPLE_SCHEMA) != first
    assert len(list(tmp_path.iterdir())) == 2


def test_a_part_holds_rows_schema_and_tokens(tmp_path: Path) -> None:
    """What is read back is what was committed; the footer tells the tokens."""
    rows = grid({"a": 1}, 3)
    part = commit(tmp_path, rows, SAMPLE_SCHEMA, tokens=21)
    assert pq.read_table(part).schema.equals(SAMPLE_SCHEMA)
    assert pq.read_table(part)["sample_id"].to_pylist() == [row["sample_id"] for row in rows]
    assert pq.read_metadata(part).metadata[b"tokens"] == b"21"


def test_a_failed_commit_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where writing fails midway, no file stays behind; the message names the directory, the cause and the cure."""

    def full(table: pa.Table, file: object, **_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(UserError, match=r"No space left.*Make room") as error:
        commit(tmp_path, grid({"a": 1}, 1), SAMPLE_SCHEMA)
    assert str(tmp_path) in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kept", [0, 4, 2000, -4])
def test_a_truncated_part_is_named_with_its_cure(tmp_path: Path, kept: int) -> None:
    """A part that lost its end is the user's to delete: one line that names the file, whatever is left of it."""
    part = commit(tmp_path, grid({"a": 1}, 3), SAMPLE_SCHEMA)
    part.write_bytes(part.read_bytes()[:kept])
    with pytest.raises(DataError, match="Delete this file and run the same command again") as error:
        read_part(part, SAMPLE_SCHEMA, ["sample_id"])
    assert str(part) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_part_without_a_column_is_damaged(tmp_path: Path) -> None:
    """A file of other columns is no part of ours."""
    pq.write_table(pa.table({"x": [1]}), tmp_path / "part-0.parquet")
    with pytest.raises(DataError, match="damaged"):
        read_part(tmp_path / "part-0.parquet", SAMPLE_SCHEMA, ["sample_id"])


def test_a_part_of_an_earlier_version_has_nulls_where_columns_came_later(tmp_path: Path) -> None:
    """Old runs stay readable: what may be null and is not there is null, in the order that was asked for."""
    part = commit(tmp_path, grid({"a": 1}, 2), SAMPLE_SCHEMA)
    pq.write_table(pq.read_table(part).drop_columns(["ttft_seconds"]), part)
    table = read_part(part, SAMPLE_SCHEMA, ["ttft_seconds", "task_id"])
    assert table.to_pylist() == [{"ttft_seconds": None, "task_id": "a"}] * 2
