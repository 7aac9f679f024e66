from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.generator import Sampling
from actors.replay_generator import NO_STORED_SAMPLE, ReplayFile, ReplayGenerator
from benchmarks.problem import Completion, Prompt
from runners.errors import DataError

HUMANEVAL = [f"HumanEval/{i}" for i in range(164)]

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write rows (dicts, or lines as they are) to a samples file."""

    def write(*rows: dict[str, Any] | str, name: str = "samples.jsonl") -> Path:
        path = tmp_path / name
        path.write_text(
            "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
        )
        return path

    return write


def row(task_id: str, text: str = "x", field: str = "completion") -> dict[str, Any]:
    return {"task_id": task_id, field: text}


def ask(file: ReplayFile, prompt: Prompt, indexes: list[int]) -> list[Completion]:
    return asyncio.run(ReplayGenerator(file).generate(prompt, Sampling(), indexes))


def test_human_eval_samples_file(shared_data: Path) -> None:
    """The 1,640 published CodeGen samples load as ten verbatim continuations of each of 164 tasks, in file order."""
    path = shared_data / "samples" / "humaneval_codegen_16b_mono_n10.jsonl.gz"
    file = ReplayFile.load(path, HUMANEVAL)
    assert file.counts == dict.fromkeys(HUMANEVAL, 10)
    with gzip.open(path, "rt") as stream:
        texts = [json.loads(line)["completion"] for line in stream]
    assert [c.text for task in HUMANEVAL for c in file.samples[task]] == texts
    assert {(c.verbatim, c.form, c.finish_reason) for cs in file.samples.values() for c in cs} == {
        (True, "completion", "stop")
    }


def test_codefuse_samples_file(shared_data: Path) -> None:
    """CodeFuse's own ids (Python/N) are the benchmark's tasks of the same number."""
    file = ReplayFile.load(shared_data / "samples" / "humaneval_codefuse_13b.jsonl.gz", HUMANEVAL)
    assert file.counts == dict.fromkeys(HUMANEVAL, 1)
    assert file.samples["HumanEval/0"][0].text.startswith("\n    for i in range(len(numbers) - 1):")


def test_solution_is_a_whole_program(write: Write) -> None:
    """The solution of evalplus, also beside a completion, is taken and is a whole program."""
    file = ReplayFile.load(write({"task_id": "T/0", "completion": "c", "solution": "s"}), ["T/0"])
    assert [(c.text, c.form, c.verbatim) for c in file.samples["T/0"]] == [("s", "solution", True)]


def test_one_json_array_is_read_as_its_items(tmp_path: Path) -> None:
    """CodeFuse's results as one array, with several generations of a task in one list and the time they took."""
    rows = [
        {"task_id": "T/0", "generation": ["a", "b"], "processing_time": 1.5},
        {"task_id": "T/1", "generation": "c"},
    ]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(rows, indent=2))
    samples = ReplayFile.load(path, ["T/0", "T/1"]).samples
    assert [(c.text, c.seconds) for c in samples["T/0"]] == [("a", 1.5), ("b", 1.5)]
    assert [(c.text, c.seconds) for c in samples["T/1"]] == [("c", None)]


def test_an_array_that_is_cut_off_is_an_error(tmp_path: Path) -> None:
    """The place is told by line and column of the array."""
    path = tmp_path / "results.json"
    path.write_text('[\n{"task_id": "T/0", "generation": "a"},\n')
    with pytest.raises(DataError, match=r"not JSON .* at line 3 of the array, column 1"):
        ReplayFile.load(path, None)


def test_position_in_the_file_is_the_index(write: Write) -> None:
    """Samples of one task keep the file's order though other tasks lie between them."""
    file = ReplayFile.load(write(row("T/0", "a"), row("T/1", "b"), "", row("T/0", "c")), ["T/0", "T/1"])
    assert [c.text for c in ask(file, Prompt(task_id="T/0", form="base"), [1, 0])] == ["c", "a"]
    assert file.counts == {"T/0": 2, "T/1": 1}


def test_index_beyond_the_file_is_missing(write: Write) -> None:
    """An index that the file does not hold is an error completion and no wrong answer."""
    file = ReplayFile.load(write(row("T/0")), ["T/0"])
    got = ask(file, Prompt(task_id="T/0", form="base"), [0, 1, -1])
    assert [c.error for c in got] == ["", NO_STORED_SAMPLE, NO_STORED_SAMPLE]
    assert [c.finish_reason for c in got] == ["stop", "error", "error"]


def test_stored_samples_answer_no_other_variant(write: Write) -> None:
    """What was said to the original prompt is not replayed for a perturbed one."""
    file = ReplayFile.load(write(row("T/0")), ["T/0"])
    got = ask(file, Prompt(task_id="T/0", variant="rename", form="base"), [0])
    assert got[0].error == "no stored sample of variant 'rename'"


def test_compressed_file_is_known_by_content(tmp_path: Path) -> None:
    """A gzip file is read whatever its name."""
    path = tmp_path / "samples.jsonl"
    path.write_bytes(gzip.compress(json.dumps(row("T/0")).encode()))
    assert ReplayFile.load(path, ["T/0"]).counts == {"T/0": 1}


def test_without_task_ids_nothing_is_matched(write: Write) -> None:
    """A file that the driver has not checked keeps its own ids."""
    assert ReplayFile.load(write(row("Python/3")), None).counts == {"Python/3": 1}


def test_direct_match_leaves_ids_alone(write: Write) -> None:
    """Ids are matched by number only where none matches as it is: Python/1 stays Python/1 in HumanEval-X."""
    file = ReplayFile.load(write(row("Python/0"), row("Python/1")), ["Python/0", "Python/1"])
    assert file.counts == {"Python/0": 1, "Python/1": 1}


def test_mixed_ids_are_not_matched_by_number(write: Write) -> None:
    """Where some ids match as they are, others are not guessed: the file is not of one kind."""
    with pytest.raises(DataError, match="not in the benchmark: Python/1"):
        ReplayFile.load(write(row("HumanEval/0"), row("Python/1")), ["HumanEval/0", "HumanEval/1"])


def test_other_language_is_not_matched_by_number(write: Write) -> None:
    """Samples of CPP/0 are not taken for those of HumanEval/0."""
    with pytest.raises(DataError, match="CPP/0"):
        ReplayFile.load(write(row("CPP/0")), ["HumanEval/0"])


def test_ambiguous_number_is_not_matched(write: Write) -> None:
    """A number that two benchmarks of a suite have names neither task."""
    with pytest.raises(DataError, match="not in the benchmark: Python/0"):
        ReplayFile.load(write(row("Python/0")), ["HumanEval/0", "mbpp/0"])


BAD_LINES = {
    "not JSON": ("{'task_id': 1}", r"samples.jsonl:2: not JSON"),
    "a list": ("[1]", r":2: a JSON list and not an object"),
    "no id": ('{"completion": "x"}', r":2: field 'task_id': missing"),
    "id is null": ('{"task_id": null, "completion": "x"}', r":2: field 'task_id': None"),
    "no text": ('{"task_id": "T/0", "output": "x"}', r":2: no text of a sample; fields: task_id, output"),
    "text is a number": ('{"task_id": "T/0", "generation": 7}', r":2: field 'generation': int and not a text"),
    "a text of several": (
        '{"task_id": "T/0", "generation": ["x", 7]}',
        r":2: field 'generation': int .* list of texts",
    ),
    "time is a text": (
        '{"task_id": "T/0", "generation": "x", "processing_time": "1 s"}',
        r":2: field 'processing_time': '1 s' is no time",
    ),
}


@pytest.mark.parametrize(("line", "message"), BAD_LINES.values(), ids=BAD_LINES)
def test_bad_line_is_named(write: Write, line: str, message: str) -> None:
    """A line that is no sample stops the load with file, line, field and cure."""
    with pytest.raises(DataError, match=message):
        ReplayFile.load(write(row("T/0"), line), ["T/0"])


def test_empty_file_is_an_error(write: Write) -> None:
    """A file of blank lines is not taken for a model that answered nothing."""
    with pytest.raises(DataError, match="holds no samples"):
        ReplayFile.load(write("", "  "), ["T/0"])


@pytest.mark.parametrize("content", [b"\x1f\x8b\x08broken", gzip.compress(b"x" * 1000)[:-10]], ids=["garbage", "cut"])
def test_broken_gzip_is_an_error(tmp_path: Path, content: bytes) -> None:
    """A compressed file that was not copied whole is named as such."""
    path = tmp_path / "samples.jsonl.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="gzip stream is broken"):
        ReplayFile.load(path, ["T/0"])


def test_other_encoding_is_an_error(tmp_path: Path) -> None:
    """A file that is not UTF-8 is named as such."""
    path = tmp_path / "samples.jsonl"
    path.write_bytes('{"task_id": "T/0", "completion": "é"}'.encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        ReplayFile.load(path, ["T/0"])


def test_absent_file_is_an_error(tmp_path: Path) -> None:
    """A path without a file is named."""
    with pytest.raises(DataError, match=r"nowhere\.jsonl: cannot be read: No such file"):
        ReplayFile.load(tmp_path / "nowhere.jsonl", ["T/0"])


def test_unknown_tasks_are_named(write: Write) -> None:
    """Samples of tasks that the benchmark does not have stop the load, the first of them by line."""
    path = write(row("T/0"), *(row(f"U/{i}") for i in range(9)))
    with pytest.raises(DataError, match=r":2: field 'task_id': not in the benchmark: U/0, U/1, U/2, U/3, U/4, \.\.\."):
        ReplayFile.load(path, ["T/0"])
    assert ReplayFile.load(path, ["T/0"], allow_unknown=True).counts == {"T/0": 1}


def test_nothing_known_is_always_an_error(write: Write) -> None:
    """A file of quite another benchmark is refused even where unknown tasks are allowed."""
    with pytest.raises(DataError, match="not in the benchmark"):
        ReplayFile.load(write(row("U/0")), ["T/0"], allow_unknown=True, allow_missing=True)


def test_tasks_without_samples_are_counted(write: Write) -> None:
    """Tasks that have no sample stop the load, unless the user says that they may be missing."""
    path = write(row("T/1"))
    with pytest.raises(DataError, match=r"2 of 3 tasks have no sample: T/0, T/2\. .*--set model\.allow_missing=true"):
        ReplayFile.load(path, ["T/0", "T/1", "T/2"])
    file = ReplayFile.load(path, ["T/0", "T/1", "T/2"], allow_missing=True)
    assert (file.missing, file.counts) == (("T/0", "T/2"), {"T/1": 1})


def test_lone_surrogate_becomes_storable(write: Write) -> None:
    """Text that JSON can carry and UTF-8 cannot is mended, so that it can be written to disk."""
    file = ReplayFile.load(write('{"task_id": "T/0", "completion": "a\\ud800b"}'), ["T/0"])
    assert file.samples["T/0"][0].text.encode() == b"a?b"
