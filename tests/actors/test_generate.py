from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actors.generate import Generate
from actors.generator import Generator, Sampling
from actors.parts import STOP_FILE
from actors.samples import COMPLETED_SCHEMA, GENERATION_SCHEMA
from benchmarks.problem import Completion, Prompt
from runners.errors import DataError
from tests.actors.fakes import FakeGenerator, request, requests, run_directory


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return run_directory(tmp_path)


def _stage(run_dir: Path, generator: Generator) -> Generate:
    return Generate(str(run_dir), lambda: generator, Sampling())


def _texts(table: pa.Table) -> dict[str, list[tuple[int, str]]]:
    return {
        row["task_id"]: [(entry["sample_index"], entry["completion"]) for entry in row["completions"]]
        for row in table.to_pylist()
    }


def _parts(run_dir: Path) -> list[Path]:
    return sorted((run_dir / "generations").glob("*"))


def test_a_batch_is_completed_and_committed(run_dir: Path) -> None:
    """Before a batch travels on, its completions lie in one part, with their tokens in its footer."""
    done = _stage(run_dir, FakeGenerator())(requests(request("a", [0, 1], [], []), request("b", [0], [], [])))
    assert done.schema.equals(COMPLETED_SCHEMA)
    assert _texts(done) == {"a": [(0, "a-0"), (1, "a-1")], "b": [(0, "b-0")]}
    (part,) = _parts(run_dir)
    stored = pq.read_table(part)
    assert stored.schema.equals(GENERATION_SCHEMA)
    assert stored["sample_id"].to_pylist() == ["id-a-0", "id-a-1", "id-b-0"]
    assert pq.read_metadata(part).metadata[b"tokens"] == b"21"


def test_stored_completions_are_read_and_not_generated(run_dir: Path) -> None:
    """A request whose completions were committed loads no model and hands on what is stored."""
    _stage(run_dir, FakeGenerator())(requests(request("a", [0, 1], [], []), request("b", [0], [], [])))
    (part,) = _parts(run_dir)

    def no_model() -> Generator:
        raise AssertionError("the model was loaded")

    stage = Generate(str(run_dir), no_model, Sampling())
    done = stage(requests(request("a", [], [1, 0], [part.name]), request("b", [], [0], [part.name])))
    assert _texts(done) == {"a": [(0, "a-0"), (1, "a-1")], "b": [(0, "b-0")]}
    assert _parts(run_dir) == [part]


def test_only_what_is_left_is_generated(run_dir: Path) -> None:
    """Stored indexes are joined with new ones; the model is asked for the new ones alone."""
    _stage(run_dir, FakeGenerator())(requests(request("a", [0], [], [])))
    generator = FakeGenerator()
    done = _stage(run_dir, generator)(requests(request("a", [1, 2], [0], [_parts(run_dir)[0].name])))
    assert generator.asked == [("a", [1, 2])]
    assert _texts(done) == {"a": [(0, "a-0"), (1, "a-1"), (2, "a-2")]}


def test_while_the_stop_file_is_there_nothing_is_generated(run_dir: Path) -> None:
    """After Ctrl-C rows pass without work."""
    (run_dir / STOP_FILE).touch()
    generator = FakeGenerator()
    assert _stage(run_dir, generator)(requests(request("a", [0], [], []))).num_rows == 0
    assert generator.asked == []
    assert _parts(run_dir) == []


def test_surrogates_in_a_completion_are_stored(run_dir: Path) -> None:
    """A completion that no file can hold is stored with replacements, and what travels on is what is stored."""
    generator = FakeGenerator(lambda task_id, index: Completion(text="x = '\ud800'"))
    done = _stage(run_dir, generator)(requests(request("a", [0], [], [])))
    assert _texts(done) == {"a": [(0, "x = '?'")]}
    assert pq.read_table(_parts(run_dir)[0])["completion"].to_pylist() == ["x = '?'"]


def test_a_dead_back_end_commits_nothing(run_dir: Path) -> None:
    """An exception of the generator ends the batch: no part, so that the batch is generated again."""

    def die(task_id: str, index: int) -> Completion:
        raise RuntimeError("engine dead")

    with pytest.raises(RuntimeError, match="engine dead"):
        _stage(run_dir, FakeGenerator(die))(requests(request("a", [0], [], [])))
    assert _parts(run_dir) == []


def test_a_damaged_part_is_a_fault_with_a_cure(run_dir: Path) -> None:
    """Stored completions that cannot be read are named; they are not silently left out."""
    _stage(run_dir, FakeGenerator())(requests(request("a", [0], [], [])))
    (part,) = _parts(run_dir)
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(DataError, match="Delete this file"):
        _stage(run_dir, FakeGenerator())(requests(request("a", [], [0], [part.name])))


def test_calls_of_many_threads_meet_in_the_back_end(run_dir: Path) -> None:
    """Batches are in flight together: each is answered only once all of them have been asked."""
    together = asyncio.Barrier(3)

    class Meeting(FakeGenerator):
        async def generate(self, prompt: Prompt, sampling: Sampling, indexes: Sequence[int]) -> list[Completion]:
            await together.wait()
            return await super().generate(prompt, sampling, indexes)

    stage = _stage(run_dir, Meeting())
    with ThreadPoolExecutor(max_workers=3) as threads:
        tables = list(threads.map(lambda name: stage(requests(request(name, [0], [], []))), "abc"))
    assert [_texts(table) for table in tables] == [{name: [(0, f"{name}-0")]} for name in "abc"]
    assert len(_parts(run_dir)) == 3


def test_a_model_is_loaded_once_for_all_threads(run_dir: Path) -> None:
    """Threads that come while it loads wait for it."""
    opened: list[Generator] = []

    def load() -> Generator:
        opened.append(FakeGenerator())
        return opened[-1]

    stage = Generate(str(run_dir), load, Sampling())
    with ThreadPoolExecutor(max_workers=8) as threads:
        list(threads.map(lambda name: stage(requests(request(name, [0], [], []))), "abcdefgh"))
    assert len(opened) == 1
