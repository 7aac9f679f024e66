"""Whether a checkpoint is wholly written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from actors.completeness import fingerprint, unfinished
from actors.models import ModelSpec, parse_model


def checkpoint(folder: Path) -> ModelSpec:
    """A checkpoint of one tensor with all that a whole one has."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    save_file({"a": np.ones((64, 64), dtype=np.float32)}, folder / "model.safetensors")
    return parse_model(str(folder))


def test_a_whole_checkpoint_lacks_nothing(tmp_path: Path) -> None:
    """Neither does what is no folder: an endpoint, the references."""
    assert unfinished(checkpoint(tmp_path / "step-1")) == ""
    assert unfinished(parse_model("openai:http://127.0.0.1:1/v1#m")) == ""
    assert unfinished(parse_model("reference")) == ""


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_told(tmp_path: Path, name: str) -> None:
    """Configuration, tokenizer and weights all have to be there."""
    spec = checkpoint(tmp_path / "step-1")
    (tmp_path / "step-1" / name).unlink()
    assert "step-1" in unfinished(spec)


@pytest.mark.parametrize("size", [0, 4, 8, 40, 200, -1], ids=lambda size: f"cut to {size}")
def test_weights_that_are_shorter_than_their_header_says_are_unfinished(tmp_path: Path, size: int) -> None:
    """Wherever the file is cut off: in the length, in the header, in the tensors."""
    spec = checkpoint(tmp_path / "step-1")
    path = tmp_path / "step-1" / "model.safetensors"
    os.truncate(path, size if size >= 0 else path.stat().st_size + size)
    assert "still being written" in unfinished(spec)


def test_weights_saved_by_torch_have_an_end(tmp_path: Path) -> None:
    """A zip file without its last record is unfinished, a whole one is not."""
    spec = checkpoint(tmp_path / "step-1")
    (tmp_path / "step-1" / "model.safetensors").unlink()
    path = tmp_path / "step-1" / "pytorch_model.bin"
    torch.save({"a": torch.ones(64, 64)}, path)
    assert unfinished(spec) == ""
    os.truncate(path, path.stat().st_size - 100)
    assert "still being written" in unfinished(spec)


def test_a_part_that_the_index_names_is_waited_for(tmp_path: Path) -> None:
    """As where several weight files are written one after another."""
    spec = checkpoint(tmp_path / "step-1")
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002.safetensors"}}
    (tmp_path / "step-1" / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-00002.safetensors" in unfinished(spec)


def test_a_fingerprint_changes_with_every_write(tmp_path: Path) -> None:
    """Size or time of any file; a folder that is not there has none."""
    spec = checkpoint(tmp_path / "step-1")
    before = fingerprint(spec)
    assert before == fingerprint(spec) != {}
    os.utime(tmp_path / "step-1" / "config.json", ns=(1, 1))
    assert fingerprint(spec) != before
    assert fingerprint(parse_model(str(tmp_path / "none"))) == {}
