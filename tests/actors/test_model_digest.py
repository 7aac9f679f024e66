from __future__ import annotations

import json
import shutil
from pathlib import Path

import huggingface_hub
import pytest

from actors import checkpoint as digest_module
from actors.model_digest import model_digest
from actors.models import ModelSpec, parse_model
from runners.errors import UserError


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A folder in Hugging Face layout with weights of 300 bytes."""
    folder = tmp_path / "run" / "step-1"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(300))
    return folder


def digest_of(folder: Path) -> str:
    return model_digest(ModelSpec(kind="transformers", target=str(folder)))


def test_copy_has_the_same_digest(checkpoint: Path, tmp_path: Path) -> None:
    """A checkpoint is the same wherever it lies and whichever back end loads it."""
    copied = shutil.copytree(checkpoint, tmp_path / "elsewhere")
    assert digest_of(copied) == digest_of(checkpoint)
    assert model_digest(ModelSpec(kind="vllm", target=str(copied))) == digest_of(checkpoint)


@pytest.mark.parametrize(
    "name",
    ["config.json", "generation_config.json", "tokenizer_config.json", "chat_template.jinja", "model.safetensors"],
)
def test_what_counts_changes_the_digest(checkpoint: Path, name: str) -> None:
    """Configuration, tokenizer, template and weights are all part of the model."""
    before = digest_of(checkpoint)
    (checkpoint / name).write_bytes(b"changed")
    assert digest_of(checkpoint) != before


@pytest.mark.parametrize("name", ["optimizer.pt", "trainer_state.json", "README.md", "training_args.bin"])
def test_what_does_not_count_leaves_the_digest(checkpoint: Path, name: str) -> None:
    """State of the trainer and notes are not part of the model."""
    before = digest_of(checkpoint)
    (checkpoint / name).write_bytes(b"added")
    assert digest_of(checkpoint) == before


@pytest.mark.parametrize("position", [0, 1_000, 250_000, 500_000, 999_999])
def test_large_file_is_sampled_all_over(checkpoint: Path, monkeypatch: pytest.MonkeyPatch, position: int) -> None:
    """A tensor's worth of change anywhere in a large file shows, at its ends to the byte."""
    monkeypatch.setattr(digest_module, "WHOLE_BYTES", 1_000)
    monkeypatch.setattr(digest_module, "EDGE_BYTES", 100)
    monkeypatch.setattr(digest_module, "BLOCK_BYTES", 10)
    weights = bytearray(1_000_000)
    (checkpoint / "model.safetensors").write_bytes(weights)
    before = digest_of(checkpoint)
    length = 1 if position in (0, 999_999) else 8_000  # blocks lie 3,906 bytes apart
    weights[position : position + length] = b"\1" * length
    (checkpoint / "model.safetensors").write_bytes(weights)
    assert digest_of(checkpoint) != before


MISSING = {
    "config.json": "no config.json",
    "tokenizer.json": "no tokenizer files",
    "model.safetensors": "no weights",
}


@pytest.mark.parametrize(("name", "message"), MISSING.items(), ids=MISSING)
def test_incomplete_checkpoint_is_an_error(checkpoint: Path, name: str, message: str) -> None:
    """What a checkpoint lacks is said before any model is loaded."""
    (checkpoint / name).unlink()
    with pytest.raises(UserError, match=message):
        digest_of(checkpoint)


def test_adapter_is_told_to_be_merged(checkpoint: Path) -> None:
    """An adapter alone is answered with what to do."""
    (checkpoint / "config.json").rename(checkpoint / "adapter_config.json")
    with pytest.raises(UserError, match="Merge the adapter"):
        digest_of(checkpoint)


def test_absent_folder_is_an_error(tmp_path: Path) -> None:
    """A path that is not there is named."""
    with pytest.raises(UserError, match="step-9': no such directory"):
        digest_of(tmp_path / "step-9")


def test_replay_digest_follows_the_content(tmp_path: Path) -> None:
    """Stored samples are known by content, not by name; an absent file is an error."""
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text("same")
    second.write_text("same")
    assert model_digest(parse_model(f"replay:{first}")) == model_digest(parse_model(f"replay:{second}"))
    second.write_text("other")
    assert model_digest(parse_model(f"replay:{first}")) != model_digest(parse_model(f"replay:{second}"))
    with pytest.raises(UserError, match="No such file"):
        model_digest(parse_model(f"replay:{tmp_path / 'c.jsonl'}"))


def test_endpoint_and_reference_digests() -> None:
    """URL and model name make an endpoint; the reference is always the same; all differ from one another."""
    specs = ["openai:http://h/v1#a", "openai:http://h/v1#b", "openai:http://g/v1#a", "reference"]
    digests = [model_digest(parse_model(spec)) for spec in specs]
    assert len(set(digests)) == 4
    assert digests == [model_digest(parse_model(spec)) for spec in specs]
    assert model_digest(parse_model("openai:http://h/v1/#a")) == digests[0]


def test_hub_id_counts_by_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub model is its id and the commit in the cache."""
    spec = ModelSpec(kind="transformers", target="org/name", is_hub_id=True)

    def digest_at(revision: str) -> str:
        monkeypatch.setattr(
            huggingface_hub, "try_to_load_from_cache", lambda *a: f"/cache/snapshots/{revision}/config.json"
        )
        return model_digest(spec)

    assert digest_at("aaa") == digest_at("aaa") != digest_at("bbb")


def test_hub_id_without_network_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub model that is neither cached nor to be had is an error with the command that fetches it."""

    def offline(*args: str) -> str:
        raise huggingface_hub.errors.LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *a: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(UserError, match=r"org/name.*offline.*hf download org/name"):
        model_digest(ModelSpec(kind="transformers", target="org/name", is_hub_id=True))


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A folder with a LoRA adapter."""
    folder = tmp_path / "lora"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(b"a")
    return folder


def test_an_adapter_makes_another_model(checkpoint: Path, adapter: Path) -> None:
    """The base model, with one adapter, and with another, are three models."""
    spec = ModelSpec(kind="vllm", target=str(checkpoint))
    digests = [model_digest(spec), model_digest(spec, lora=str(adapter))]
    (adapter / "adapter_model.safetensors").write_bytes(b"b")
    digests.append(model_digest(spec, lora=str(adapter)))
    assert len(set(digests)) == 3


def test_an_adapter_without_weights_is_an_error(checkpoint: Path, adapter: Path) -> None:
    """It is looked at before the run."""
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(UserError, match="lora: no weights"):
        model_digest(ModelSpec(kind="vllm", target=str(checkpoint)), lora=str(adapter))


def test_weights_of_a_second_form_do_not_count(checkpoint: Path) -> None:
    """No back end reads .bin where there are safetensors."""
    before = digest_of(checkpoint)
    (checkpoint / "pytorch_model.bin").write_bytes(b"added")
    assert digest_of(checkpoint) == before
