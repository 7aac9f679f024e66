"""Verdicts on disk."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from actors import verdict_cache
from actors.verdict_cache import VerdictCache
from runners.program import Status, Verdict

SHA = "a" * 64
VERDICT = Verdict(
    status=Status.WRONG_ANSWER,
    cpu_seconds=0.25,
    wall_seconds=0.5,
    peak_memory_bytes=7,
    tests_passed=(True, False),
    judge="split",
    isolation="full",
    error="é\ud800",
    stdout="\udfff\n\0",
)


def opened(directory: Path, toolchain: str = "cpython", isolation: str = "full") -> VerdictCache:
    return VerdictCache(directory, toolchain=toolchain, isolation=isolation)


def entries(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


@pytest.mark.parametrize("verdict", [VERDICT, Verdict(status=Status.PASSED)])
def test_a_verdict_comes_back_whole(tmp_path: Path, verdict: Verdict) -> None:
    """Every field, with its type, lone surrogates included, in a later process's cache."""
    opened(tmp_path).put(SHA, "auto", verdict)
    assert opened(tmp_path).get(SHA, "auto") == verdict


def test_what_a_verdict_depends_on_is_in_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program, mode, toolchain, isolation level or version of our own code finds nothing."""
    opened(tmp_path).put(SHA, "auto", VERDICT)
    assert opened(tmp_path).get("b" * 64, "auto") is None
    assert opened(tmp_path).get(SHA, "inside") is None
    assert opened(tmp_path, toolchain="other").get(SHA, "auto") is None
    assert opened(tmp_path, isolation="rootless").get(SHA, "auto") is None
    monkeypatch.setattr(verdict_cache, "_code", lambda: "mended")
    assert opened(tmp_path).get(SHA, "auto") is None


@pytest.mark.parametrize("status", sorted(set(Status) - verdict_cache.KEPT))
def test_statuses_that_may_rest_on_load_are_never_kept(tmp_path: Path, status: Status) -> None:
    """Time, memory, output, and failures of ours."""
    opened(tmp_path).put(SHA, "auto", Verdict(status=status))
    assert entries(tmp_path) == []


def test_errors_of_the_node_are_never_kept(tmp_path: Path) -> None:
    """A kill from outside, and processes that the node did not give."""
    for error in ("ended with signal SIGKILL before its tests ended", "RuntimeError: can't start new thread"):
        opened(tmp_path).put(SHA, "auto", Verdict(status=Status.RUNTIME_ERROR, error=error))
    assert entries(tmp_path) == []
    opened(tmp_path).put(SHA, "auto", Verdict(status=Status.RUNTIME_ERROR, error="KeyError: 1"))
    assert len(entries(tmp_path)) == 1


@pytest.mark.parametrize("damage", ["empty", "cut", "changed", "zeros"])
def test_a_damaged_entry_is_ignored_and_written_anew(tmp_path: Path, damage: str) -> None:
    """Whatever a crash or a disk left, it is no verdict."""
    cache = opened(tmp_path)
    cache.put(SHA, "auto", VERDICT)
    (entry,) = entries(tmp_path)
    data = entry.read_bytes()
    changed = data.replace(b"wrong_answer", b"passed")
    entry.write_bytes({"empty": b"", "cut": data[:-9], "changed": changed, "zeros": b"\0" * len(data)}[damage])
    assert cache.get(SHA, "auto") is None
    cache.put(SHA, "auto", VERDICT)
    assert cache.get(SHA, "auto") == VERDICT


def test_entries_are_spread_over_folders(tmp_path: Path) -> None:
    """A million verdicts are some 250 files in each of 4,096 folders, below one folder per state of the toolchain."""
    cache = opened(tmp_path)
    for number in range(50):
        cache.put(f"{number:064d}", "auto", VERDICT)
    paths = [path.relative_to(tmp_path).parts for path in entries(tmp_path)]
    assert {(len(parts), len(parts[1])) for parts in paths} == {(3, 3)}
    assert len({parts[0] for parts in paths}) == 1
    assert len({parts[1] for parts in paths}) > 40


def test_many_writers_of_one_entry_leave_one_whole_verdict(tmp_path: Path) -> None:
    """Readers see a whole verdict at any time while eight threads write it; no temporary file stays."""
    seen: list[Verdict | None] = []

    def work() -> None:
        cache = opened(tmp_path)
        for _ in range(50):
            cache.put(SHA, "auto", VERDICT)
            seen.append(cache.get(SHA, "auto"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [VERDICT] * 400
    assert len(entries(tmp_path)) == 1


def test_a_cache_that_cannot_be_written_stops_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is told once; programs run as if there were none."""
    (tmp_path / "file").touch()
    cache = opened(tmp_path / "file")
    for _ in range(2):
        cache.put(SHA, "auto", VERDICT)
    assert cache.get(SHA, "auto") is None
    assert len(caplog.records) == 1
