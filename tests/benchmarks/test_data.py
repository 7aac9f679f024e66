"""Reading and validating data files, and what happens when they cannot be had."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
from pathlib import Path

import httpx
import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from pydantic import Field

from benchmarks.data import Record, Records, load_records
from benchmarks.fetch import Source, fetch
from runners.errors import DataError


class Row(Record):
    """A small record."""

    task_id: str
    size: int
    tests: list[str] = Field(min_length=1)


HUB = Source(name="toy", hub="someone/toy", files=("a/test.jsonl",), revision="c0ffee", rows=2)
WEB = Source(name="toy", url="https://example.invalid/{revision}/{file}", files=("toy.jsonl",), revision="c0ffee")
GOOD = [{"task_id": "t/0", "size": 1, "tests": ["x"]}, {"task_id": "t/1", "size": 2, "tests": ["\u2028"], "more": None}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in GOOD).encode()


def load(path: Path, cache: Path | None = None) -> Records[Row]:
    """Load a file of the user's."""
    return load_records(HUB, Row, path=path, cache=cache or path.parent / "cache")


def parquet() -> bytes:
    """The good rows as Parquet."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist([{**row, "more": None} for row in GOOD]), sink)
    return bytes(sink.getvalue())


FORMS = {
    "rows.jsonl": LINES,
    "rows.jsonl.gz": gzip.compress(LINES),
    "array.json": json.dumps(GOOD).encode(),
    "array.json.gz": gzip.compress(json.dumps(GOOD, indent=1).encode()),
    "lines in a .json": LINES,
    "rows.parquet": parquet(),
    "byte order mark": b"\xef\xbb\xbf" + LINES,
    "blank lines and CRLF": b"\n" + LINES.replace(b"\n", b"\r\n") + b"\n\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_records(tmp_path: Path, name: str) -> None:
    """The form is told by the content, and fields that nobody needs are ignored."""
    path = tmp_path / name
    path.write_bytes(FORMS[name])
    assert [row.task_id for row in load(path).rows] == ["t/0", "t/1"]


def test_provenance_names_file_digest_and_rows(tmp_path: Path) -> None:
    """A run's manifest can say exactly which bytes were asked."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(LINES)
    provenance = load(path).provenance
    assert (provenance.origin, provenance.rows, provenance.revision) == (str(path), 2, None)
    assert provenance.sha256 == hashlib.sha256(LINES).hexdigest()


BROKEN = {
    "truncated JSON": (LINES + b'{"task_id": "t/2", "si', [":3: ", "is not JSON at column"]),
    "missing field": (LINES + b'{"task_id": "t/2", "tests": ["x"]}', [":3: field 'size'", "Field required", "needs"]),
    "mistyped field": (LINES + b'{"task_id": "t/2", "size": "3", "tests": ["x"]}', [":3: field 'size'", "'3'"]),
    "mistyped element": (b'{"task_id": "t/2", "size": 3, "tests": ["x", 1]}', [":1: field 'tests.1'"]),
    "not an object": (LINES + b"[1]\n", [":3: "]),
    "duplicate": (LINES + LINES[: LINES.index(b"\n")], [":3: field 'task_id'", "'t/0'", "already at rows.jsonl:1"]),
    "empty file": (b"", ["holds no records"]),
    "empty array": (b"[]", ["holds no records"]),
    "not UTF-8": (LINES + b"\xff\xfe\n", [":3: ", "UTF-8"]),
    "damaged gzip": (gzip.compress(LINES)[:-9], ["damaged gzip"]),
    "damaged Parquet": (b"PAR1 and nothing", ["damaged Parquet"]),
}


@pytest.mark.parametrize(("content", "words"), BROKEN.values(), ids=BROKEN)
def test_broken_file_is_named_with_line_field_and_cure(tmp_path: Path, content: bytes, words: list[str]) -> None:
    """The message leads to the place in the file without a search."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        load(path)
    assert str(error.value).startswith(str(path))
    assert [word for word in words if word not in str(error.value)] == []


def test_missing_file_and_directory_are_told_apart(tmp_path: Path) -> None:
    """A path that leads nowhere and a path to a folder have different cures."""
    with pytest.raises(DataError, match="no such file"):
        load(tmp_path / "absent.jsonl")
    with pytest.raises(DataError, match="is a directory"):
        load(tmp_path)


def test_unusual_row_count_is_warned_about(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A cut-down file is allowed, but not silently."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(LINES[: LINES.index(b"\n")])
    with caplog.at_level(logging.WARNING):
        load(path)
    assert "1 records where toy has 2" in caplog.text


def test_hub_file_is_fetched_once_at_the_pin_and_its_commit_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second load reads the cache; the resolved commit survives in it."""
    calls = []

    def download(repo: str, file: str, *, repo_type: str, revision: str) -> str:
        calls.append((repo, file, repo_type, revision))
        path = tmp_path / "hub" / "snapshots" / "0123abc" / file
        path.parent.mkdir(parents=True)
        path.write_bytes(LINES)
        return str(path)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    for _ in range(2):
        provenance = load_records(HUB, Row, path=None, cache=tmp_path / "cache").provenance
        assert (provenance.revision, provenance.commit) == ("c0ffee", "0123abc")
    assert calls == [("someone/toy", "a/test.jsonl", "dataset", "c0ffee")]


def test_hub_failure_names_id_revision_and_the_manual_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without network the message says what to do instead, not only what failed."""

    def download(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("cannot reach the hub")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(DataError, match=r"someone/toy@v2: .*cannot reach the hub.*test.jsonl.*--data PATH"):
        load_records(HUB, Row, path=None, cache=tmp_path, revision="v2")


def test_file_put_into_the_cache_by_hand_needs_no_network(tmp_path: Path) -> None:
    """An air-gapped machine is served by copying the file to the documented place."""
    path = tmp_path / "data" / "toy" / "c0ffee" / "toy.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(LINES)
    assert fetch(WEB, tmp_path).paths == (path,)


def test_offline_switch_holds_for_addresses_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_HUB_OFFLINE means no network at all, wherever a file would come from."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(httpx, "get", lambda *_, **__: pytest.fail("asked the network"))
    with pytest.raises(DataError, match="HF_HUB_OFFLINE is set"):
        fetch(WEB, tmp_path)


def test_download_that_differs_from_the_pinned_digest_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed upstream file stops the run and leaves nothing in the cache."""
    pinned = Source(name="toy", url=WEB.url, files=WEB.files, revision="c0ffee", sha256="0" * 64)
    request = httpx.Request("GET", "https://example.invalid")
    monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(200, content=LINES, request=request))
    with pytest.raises(DataError, match="not the file that was pinned"):
        fetch(pinned, tmp_path)
    assert not list(tmp_path.rglob("*.jsonl"))
