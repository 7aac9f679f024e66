from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from engine.model_list import expand_models
from runners.errors import UserError


@pytest.fixture
def ckpts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of checkpoints, which is the current directory's `ckpts`."""
    folder = tmp_path / "ckpts"
    for name in ("step-1000", "step-200", "step-30", "final"):
        (folder / name).mkdir(parents=True)
    (folder / "step-latest.txt").touch()
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_pattern_stands_for_checkpoints_by_training_step(ckpts: Path) -> None:
    """Step 200 before step 1000, what has no step last; relative and absolute, with and without a kind."""
    assert expand_models(["ckpts/*"]) == ["ckpts/step-30", "ckpts/step-200", "ckpts/step-1000", "ckpts/final"]
    assert expand_models([f"transformers:{ckpts}/step-??*0"]) == [
        f"transformers:{ckpts}/step-200",
        f"transformers:{ckpts}/step-1000",
    ]


def test_files_among_the_matches_are_told(ckpts: Path) -> None:
    """Nothing is passed over in silence."""
    said: list[str] = []
    expand_models(["ckpts/step-*"], said.append)
    assert len(said) == 1
    assert "1 matches are passed over" in said[0]
    assert "ckpts/step-latest.txt" in said[0]


def test_what_is_no_pattern_stays_as_it_is(ckpts: Path) -> None:
    """Kinds without a path, URLs of endpoints, folders whose names have brackets; each spec once."""
    (ckpts / "a[1]").mkdir()
    specs = ["reference", "openai:http://h/v1?x=*#m", "ckpts/a[1]", "org/name", "reference", "s3://bucket/x"]
    assert expand_models(specs) == ["reference", *specs[1:4], "s3://bucket/x"]


def test_samples_files_are_matched_for_replay(ckpts: Path) -> None:
    """There a model is a file."""
    for name in ("b2.jsonl", "b10.jsonl"):
        (ckpts / name).touch()
    assert expand_models(["replay:ckpts/b*"]) == ["replay:ckpts/b2.jsonl", "replay:ckpts/b10.jsonl"]


def test_a_pattern_that_matches_nothing_names_what_lies_there(ckpts: Path) -> None:
    """The folder and its entries, so that the right pattern is seen."""
    with pytest.raises(UserError, match=r"'ckpts/stp-\*'.*in ckpts, where there lie: final/, step-30/, step-200/"):
        expand_models(["ckpts/stp-*"])
    with pytest.raises(UserError, match="there is no folder runs9"):
        expand_models(["runs9/step-*"])
    with pytest.raises(UserError, match=r"step-latest\.txt"):
        expand_models(["ckpts/*.txt"])


def test_a_pattern_behind_a_url_is_matched_there() -> None:
    """In its last part."""
    fs = fsspec.filesystem("memory")
    for name in ("step-10/config.json", "step-9/config.json", "log"):
        fs.pipe_file(f"/many/run/{name}", b"{}")
    expected = ["vllm:memory://many/run/step-9", "vllm:memory://many/run/step-10"]
    assert expand_models(["vllm:memory://many/run/*"]) == expected
    with pytest.raises(UserError, match="in memory://many/run, where there lie: log, step-9/, step-10/"):
        expand_models(["memory://many/run/x*"])
    with pytest.raises(UserError, match="only the last part"):
        expand_models(["memory://many/*/step-9"])
