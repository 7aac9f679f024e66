from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actors.parts import STOP_FILE, commit
from actors.samples import GENERATION_SCHEMA, SAMPLE_SCHEMA
from engine.store import RUN_FILE, Store, read_run, read_samples, write_text
from runners.errors import DataError, UserError
from tests.engine.rows import sample_row

RUN: dict[str, Any] = {
    "status": "running",
    "run_key": "k",
    "identity": {"limit": 2, "generation": {"n": 1}},
    "suite": "s",
    "model": {},
    "command": "codeassay run s",
    "isolation": "full",
    "benchmarks": {},
    "started_at": 1.0,
}


def _generation(request: str, index: int, error: str = "") -> dict[str, Any]:
    row = sample_row("t", sample_index=index, sample_id=f"{request}-{index}", generation_error=error)
    return {name: row[name] for name in GENERATION_SCHEMA.names}


def _sample(index: int, status: str, finished_at: float = 1.0) -> dict[str, Any]:
    return sample_row("t", status, sample_index=index, sample_id=f"req-{index}", finished_at=finished_at)


def test_a_run_directory_is_held_by_one_process(tmp_path: Path) -> None:
    """While a store is open another process is refused with the holder's number; afterwards it may work."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom engine.store import Store\nfrom runners.errors import UserError\n"
        "try:\n    Store(Path(sys.argv[1]))\nexcept UserError as error:\n    print(error)\nelse:\n    print('opened')\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    root = Path(__file__).resolve().parents[2]
    with Store(tmp_path):
        refused = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True).stdout
    assert "works on this run; wait for it or stop it." in refused
    assert "process " in refused
    opened = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True).stdout
    assert opened == "opened\n"


def test_a_second_store_of_the_same_process_is_refused(tmp_path: Path) -> None:
    """The lock holds within a process too."""
    with Store(tmp_path), pytest.raises(UserError, match="works on this run"):
        Store(tmp_path)
    Store(tmp_path).__exit__(None, None, None)


def test_opening_takes_the_stop_file_away(tmp_path: Path) -> None:
    """A run that was interrupted goes on."""
    (tmp_path / STOP_FILE).touch()
    with Store(tmp_path):
        assert not (tmp_path / STOP_FILE).exists()


def test_a_directory_that_cannot_be_made_is_a_fault_with_a_cure(tmp_path: Path) -> None:
    """Below a file nothing can be written: the message says so and names --output."""
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"Not a directory.*--output"):
        Store(tmp_path / "file" / "run")


def test_another_configuration_is_refused_with_its_differences(tmp_path: Path) -> None:
    """The first three differing keys are named with both values; the same configuration is taken."""
    with Store(tmp_path) as store:
        store.claim(RUN["identity"])
        store.write_json(RUN_FILE, RUN)
        store.claim(RUN["identity"])
        with pytest.raises(UserError, match=r"generation\.n: 1 there, 5 here; limit: 2 there, 3 here\)"):
            store.claim({"limit": 3, "generation": {"n": 5}})
        with pytest.raises(UserError, match="and 2 more"):
            store.claim(dict.fromkeys("abc", 1))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"identity": {}}', "\x00"])
def test_a_run_file_that_is_none_of_ours_is_named(tmp_path: Path, text: str) -> None:
    """A damaged or foreign run.json is one line with its path, not a stack trace."""
    (tmp_path / RUN_FILE).write_text(text)
    with pytest.raises(DataError, match=RUN_FILE):
        read_run(tmp_path)


def test_a_directory_without_run_file_holds_no_run(tmp_path: Path) -> None:
    """Nothing, a file in the way and a missing directory are all: no run."""
    (tmp_path / "file").touch()
    assert read_run(tmp_path) is None
    assert read_run(tmp_path / "nowhere") is None
    assert read_run(tmp_path / "file") is None


def test_committed_completions_are_known_by_request_and_index(tmp_path: Path) -> None:
    """Each tells the part that holds it; failed ones are to be generated again."""
    with Store(tmp_path) as store:
        assert store.generated() == {}
        directory = tmp_path / "generations"
        one = commit(directory, [_generation("r-a", 0), _generation("r-a", 1, "gone")], GENERATION_SCHEMA)
        two = commit(directory, [_generation("r-b", 0)], GENERATION_SCHEMA)
        assert store.generated() == {"r-a": {0: one.name}, "r-b": {0: two.name}}


def test_only_verdicts_of_the_program_are_finished(tmp_path: Path) -> None:
    """Samples in which we failed are to be judged again."""
    with Store(tmp_path) as store:
        assert store.finished() == {}
        rows = [
            _sample(0, "passed"),
            _sample(1, "sandbox_error"),
            _sample(2, "timeout"),
            _sample(3, "generation_error"),
        ]
        commit(tmp_path / "samples", rows, SAMPLE_SCHEMA)
        assert store.finished() == {"req": {0, 2}}


def test_of_duplicates_the_programs_verdict_wins_and_then_the_latest(tmp_path: Path) -> None:
    """Each sample is read once, whatever the order of files."""
    with Store(tmp_path):
        directory = tmp_path / "samples"
        commit(directory, [_sample(0, "wrong_answer", 1.0), _sample(1, "passed", 5.0)], SAMPLE_SCHEMA)
        commit(directory, [_sample(0, "sandbox_error", 9.0), _sample(2, "sandbox_error", 1.0)], SAMPLE_SCHEMA)
        commit(directory, [_sample(1, "timeout", 6.0), _sample(2, "generation_error", 2.0)], SAMPLE_SCHEMA)
    rows = read_samples(tmp_path, ["sample_id", "status"]).to_pylist()
    assert sorted((row["sample_id"], row["status"]) for row in rows) == [
        ("req-0", "wrong_answer"),
        ("req-1", "timeout"),
        ("req-2", "generation_error"),
    ]


def test_an_empty_store_has_no_samples_but_their_columns(tmp_path: Path) -> None:
    """Reading before anything was committed is an empty table."""
    with Store(tmp_path):
        table = read_samples(tmp_path, ["task_id", "scores"])
    assert (table.num_rows, table.column_names) == (0, ["task_id", "scores"])


def test_files_that_are_no_parts_are_passed_over(tmp_path: Path) -> None:
    """Temporary and foreign files do not disturb."""
    with Store(tmp_path) as store:
        commit(tmp_path / "samples", [_sample(0, "passed")], SAMPLE_SCHEMA)
        for name in (".part-0.parquet.1.tmp", "notes.txt", "part-1.parquet.bak"):
            (tmp_path / "samples" / name).write_text("not a part")
            (tmp_path / "generations" / name).write_text("not a part")
        assert store.finished() == {"req": {0}}
        assert store.generated() == {}


@pytest.mark.parametrize("kind", ["samples", "generations"])
def test_a_damaged_part_is_named_and_never_passed_over(tmp_path: Path, kind: str) -> None:
    """A truncated part stops the run before anything is done, with its path and the cure."""
    with Store(tmp_path) as store:
        rows = [_sample(0, "passed")] if kind == "samples" else [_generation("r", 0)]
        commit(tmp_path / kind, rows, SAMPLE_SCHEMA if kind == "samples" else GENERATION_SCHEMA)
        (part,) = (tmp_path / kind).iterdir()
        part.write_bytes(part.read_bytes()[:-7])
        read = store.finished if kind == "samples" else store.generated
        with pytest.raises(DataError, match="Delete this file and run the same command again") as error:
            read()
    assert str(part) in str(error.value)


def test_small_files_appear_whole(tmp_path: Path) -> None:
    """Nothing temporary stays; a place that cannot be written is a fault of the user's."""
    with Store(tmp_path) as store:
        store.write_json("a.json", {"path": Path("/x"), "é": "é"})
        store.write_yaml("b.yaml", {"b": 1, "a": 2})
    assert json.loads((tmp_path / "a.json").read_text()) == {"path": "/x", "é": "é"}
    assert (tmp_path / "b.yaml").read_text() == "b: 1\na: 2\n"
    assert sorted(p.name for p in tmp_path.glob("*.*")) == [".lock", "a.json", "b.yaml"]
    with pytest.raises(UserError, match="cannot be written"):
        write_text(tmp_path / "nowhere" / "a", "")
