from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import known_implementations

from actors import checkpoint as checkpoint_module
from actors import remote, weights
from actors.checkpoint import ADAPTER, CHECKPOINT, LocalFolder, digest, files_to_load, has_chat_template, weight_files
from actors.model_digest import model_digest
from actors.models import ModelSpec
from actors.remote import RemoteFolder, check_url, is_remote, names_below
from actors.weights import default_cache, digest_of, localize
from engine.places import cache_root
from runners.errors import UserError

URL = "memory://bucket/run7/step-5"
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "generation_config.json": b"{}",
    "tokenizer.json": b"{}",
    "tokenizer_config.json": b'{"chat_template": "x"}',
    "modeling_own.py": b"pass",
    "additional_chat_templates/tools.jinja": b"t",
    "model.safetensors": bytes(range(256)) * 8,
    "empty.py": b"",
}
LEFT_OUT = {
    "pytorch_model.bin": b"the same once more",
    "pytorch_model.bin.index.json": b'{"weight_map": {}}',
    "optimizer.pt": b"state",
    "trainer_state.json": b"{}",
    "README.md": b"words",
    "global_step5/mp_rank_00.pt": b"state",
}


@pytest.fixture
def store() -> Iterator[MemoryFileSystem]:
    """An object store in this process, with one checkpoint at URL."""
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    put(fs, FILES | LEFT_OUT)
    yield fs
    fs.store.clear()


def put(fs: MemoryFileSystem, files: dict[str, bytes], root: str = "/bucket/run7/step-5") -> None:
    for name, data in files.items():
        fs.pipe_file(f"{root}/{name}", data)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("target", ["/a/b", "org/name", "./s3:/x", "~/x"])
def test_paths_and_ids_are_not_remote(target: str) -> None:
    """Only `scheme://` is."""
    assert not is_remote(target)
    assert is_remote(URL)


SECRET_URLS = [
    "s3://AKIA12345678:hunter2hunter2@bucket/x",
    "s3://AKIA:hunter2/more@bucket/x",
    "s3://AKIA:123/hunter2@bucket/x",
    "s3://hunter2@bucket/x",
    "az://box:hunter2@account/x",
    "gs://bucket/x?token=hunter2",
    "s3://bucket/x#hunter2",
    "https://me:hunter2@host/x",
]


@pytest.mark.parametrize("url", SECRET_URLS)
def test_a_url_with_credentials_is_refused_and_not_repeated(url: str, tmp_path: Path) -> None:
    """Neither the check nor an attempt to download shows what it holds."""
    for attempt in (lambda: check_url(url), lambda: localize(url, tmp_path)):
        with pytest.raises(UserError) as caught:
            attempt()
        assert "hunter2" not in str(caught.value)
        assert "AKIA" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["s3://bucket", "gs://b.c/x/step-5", "hdfs://node:8020/x", "abfs://box@acc.dfs.net/x@v2"]
)
def test_a_plain_url_is_accepted(url: str) -> None:
    """Bucket, port, and Azure's container before the account."""
    check_url(url)


def test_a_missing_driver_names_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """s3fs is optional; who needs it is told what to type."""
    monkeypatch.setitem(known_implementations, "s3", {"class": "no_s3fs.S3", "err": "Install s3fs"})
    with pytest.raises(UserError, match=r"s3:// is not installed: pip install 'codeassay\[s3\]'"):
        localize("s3://bucket/x", tmp_path)


def test_an_unknown_scheme_is_named(tmp_path: Path) -> None:
    """The schemes that there are follow."""
    with pytest.raises(UserError, match=r"scheme 'ss3' is not known\. Give s3://"):
        localize("ss3://bucket/x", tmp_path)


def test_a_missing_bucket_is_named(store: MemoryFileSystem, tmp_path: Path) -> None:
    """URL and cure, in one line."""
    with pytest.raises(UserError, match=r"^model memory://none/x: .*Check bucket and path\.$"):
        localize("memory://none/x", tmp_path)


def test_a_driver_error_shows_cure_and_no_secret(
    store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the driver raises becomes one line; what the environment keeps secret is not in it."""

    class NoCredentialsError(Exception):
        """Botocore's is no OSError either."""

    def fail(self: MemoryFileSystem, path: str, **kwargs: object) -> None:
        raise NoCredentialsError("key sup3rs3cret is wrong\nsecond line")

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sup3rs3cret")
    monkeypatch.setattr(MemoryFileSystem, "ls", fail)
    monkeypatch.setitem(remote.CREDENTIALS, "memory", "Set MEMORY_KEY.")
    with pytest.raises(UserError) as caught:
        localize(URL, tmp_path)
    assert str(caught.value).endswith("cannot be listed: NoCredentialsError: key *** is wrong. Set MEMORY_KEY.")
    assert caught.value.__suppress_context__


def test_a_local_copy_has_the_digest_of_the_original(store: MemoryFileSystem, tmp_path: Path) -> None:
    """A checkpoint is the same behind a URL, copied whole, and as we download it."""
    copied = write(tmp_path / "copy", FILES | LEFT_OUT)
    expected = digest(LocalFolder(copied))
    spec = ModelSpec(kind="vllm", target=URL)
    assert model_digest(spec, cache=tmp_path / "cache") == expected
    assert digest(LocalFolder(localize(URL, tmp_path / "cache"))) == expected


def test_large_files_have_the_same_digest_here_and_there(
    store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Sampled by the same ranges; a change in the middle shows on both sides."""
    monkeypatch.setattr(checkpoint_module, "WHOLE_BYTES", 1_000)
    monkeypatch.setattr(checkpoint_module, "EDGE_BYTES", 100)
    monkeypatch.setattr(checkpoint_module, "BLOCK_BYTES", 8)
    assert digest(RemoteFolder(URL)) == (before := digest(LocalFolder(write(tmp_path, FILES))))
    changed = {"model.safetensors": FILES["model.safetensors"][:1024] + b"\0" * 1024}
    put(store, changed)
    assert digest(RemoteFolder(URL)) == digest(LocalFolder(write(tmp_path, changed))) != before


def test_only_what_a_back_end_reads_is_downloaded(store: MemoryFileSystem, tmp_path: Path) -> None:
    """Configuration, tokenizer, code, templates and one form of weights; no state of the trainer."""
    here = localize(URL, tmp_path)
    assert here == tmp_path / "models" / digest_of(URL, tmp_path)
    assert names_in(here) == set(FILES)
    assert (here / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_weights_of_the_older_form_are_taken_where_there_are_no_others() -> None:
    """`.bin` alone is downloaded with its index; an adapter that lies beside is not the weights."""
    names = ["config.json", "pytorch_model.bin", "pytorch_model.bin.index.json", "adapter_model.safetensors"]
    assert weight_files(names) == ["pytorch_model.bin"]
    assert files_to_load(names) == ["config.json", "pytorch_model.bin", "pytorch_model.bin.index.json"]
    assert weight_files(names, ADAPTER) == ["adapter_model.safetensors"]


def test_a_second_time_nothing_is_downloaded(
    store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The folder of the first time is given again, and neither weights nor tokenizer are read."""
    first = localize(URL, tmp_path)

    def fail(self: MemoryFileSystem, *args: object, **kwargs: object) -> None:
        raise AssertionError("read")

    monkeypatch.setattr(MemoryFileSystem, "cat_file", fail)
    monkeypatch.setattr(MemoryFileSystem, "get_file", fail)
    assert localize(URL, tmp_path) == first


def test_changed_weights_of_the_same_size_are_downloaded_anew(store: MemoryFileSystem, tmp_path: Path) -> None:
    """A remembered digest holds only for the versions that it was computed of."""
    first = localize(URL, tmp_path)
    put(store, {"model.safetensors": bytes(2048)})
    second = localize(URL, tmp_path)
    assert second != first
    assert (second / "model.safetensors").read_bytes() == bytes(2048)


def test_a_broken_download_goes_on_where_it_stopped(
    store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What came whole is not fetched again; what came in part never has its name; nothing is at the final place."""
    monkeypatch.setattr(weights, "FILES_AT_ONCE", 1)
    fetched: list[str] = []
    get_file = MemoryFileSystem.get_file
    breaks = iter([False, False, True])

    def flaky(self: MemoryFileSystem, rpath: str, lpath: str, **kwargs: object) -> None:
        fetched.append(rpath.rpartition("step-5/")[2])
        if next(breaks, False):
            Path(lpath).write_bytes(b"half")
            raise ConnectionError("reset by peer")
        get_file(self, rpath, lpath, **kwargs)

    monkeypatch.setattr(MemoryFileSystem, "get_file", flaky)
    with pytest.raises(UserError, match="cannot be downloaded: ConnectionError: reset by peer"):
        localize(URL, tmp_path)
    assert not (tmp_path / "models" / digest_of(URL, tmp_path)).exists()
    broken_at = fetched[-1]
    here = localize(URL, tmp_path)
    assert names_in(here) == set(FILES)
    assert [name for name in fetched if fetched.count(name) > 1] == [broken_at, broken_at]


def test_what_changes_while_it_is_downloaded_is_not_kept(
    store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A checkpoint that is written over in the meantime is no checkpoint."""
    get_file = MemoryFileSystem.get_file

    def overwritten(self: MemoryFileSystem, rpath: str, lpath: str, **kwargs: object) -> None:
        if rpath.endswith("model.safetensors"):
            put(store, {"model.safetensors": bytes(2048)})
        get_file(self, rpath, lpath, **kwargs)

    monkeypatch.setattr(MemoryFileSystem, "get_file", overwritten)
    with pytest.raises(UserError, match="changed while it was downloaded"):
        localize(URL, tmp_path)
    assert [path.name for path in (tmp_path / "models").iterdir() if path.is_dir()] == [".digests"]


def test_actors_of_one_machine_download_once(
    store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The others wait for the first and take what it brought."""
    fetched: list[str] = []
    get_file = MemoryFileSystem.get_file

    def counted(self: MemoryFileSystem, rpath: str, lpath: str, **kwargs: object) -> None:
        fetched.append(rpath)
        get_file(self, rpath, lpath, **kwargs)

    monkeypatch.setattr(MemoryFileSystem, "get_file", counted)
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(localize(URL, tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert len(fetched) == len(set(fetched)) == len(FILES)


def test_a_full_disk_is_told_before_the_download(
    store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """How much is needed, how much there is, and how to name another place."""
    usage = weights.shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(weights.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match=r"are to be downloaded and .*CODEASSAY_CACHE"):
        localize(URL, tmp_path)


def test_a_cache_that_cannot_be_written_is_named(store: MemoryFileSystem, tmp_path: Path) -> None:
    """A file where the folder should be."""
    (tmp_path / "models").touch()
    with pytest.raises(UserError, match="CODEASSAY_CACHE"):
        localize(URL, tmp_path)


@pytest.mark.parametrize("name", ["config.json", "tokenizer", "model.safetensors"])
def test_an_incomplete_remote_checkpoint_is_an_error(store: MemoryFileSystem, tmp_path: Path, name: str) -> None:
    """What it lacks is told before anything is downloaded."""
    for path in [path for path in store.store if name in path or (name == "model.safetensors" and "pytorch" in path)]:
        store.rm_file(path)
    with pytest.raises(UserError, match=f"{URL}: no (config.json|tokenizer files|weights)"):
        localize(URL, tmp_path)


def test_weights_that_the_index_names_must_be_there(store: MemoryFileSystem, tmp_path: Path) -> None:
    """A checkpoint that is being written is not taken for a whole one, here and there."""
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    files = FILES | {"model.safetensors.index.json": json.dumps(index).encode()}
    put(store, files)
    for target in (URL, str(write(tmp_path / "copy", files))):
        with pytest.raises(UserError, match=r"1 weight files .* are missing, the first is model-2\.safetensors"):
            digest_of(target, tmp_path)


def test_a_path_is_given_back(tmp_path: Path) -> None:
    """Nothing is copied that is here already."""
    assert localize(str(tmp_path), tmp_path / "cache") == tmp_path
    assert not (tmp_path / "cache").exists()


def test_an_adapter_is_brought_by_its_own_files(store: MemoryFileSystem, tmp_path: Path) -> None:
    """It has no config.json and no tokenizer."""
    files = {"adapter_config.json": b"{}", "adapter_model.safetensors": b"lora", "optimizer.pt": b"x"}
    put(store, files, "/bucket/lora")
    here = localize("memory://bucket/lora", tmp_path, ADAPTER)
    assert names_in(here) == {"adapter_config.json", "adapter_model.safetensors"}


def test_a_chat_template_is_seen_behind_a_url(store: MemoryFileSystem) -> None:
    """In tokenizer_config.json or in a file of its own; so the form of prompts is known before the download."""
    assert has_chat_template(RemoteFolder(URL))
    put(store, {"tokenizer_config.json": b"{}"})
    assert not has_chat_template(RemoteFolder(URL))
    put(store, {"chat_template.jinja": b"x"})
    assert has_chat_template(RemoteFolder(URL))


def test_a_folder_of_checkpoints_is_listed(store: MemoryFileSystem) -> None:
    """So that a pattern can be matched; folders are told from files."""
    put(store, FILES, "/bucket/run7/step-10")
    put(store, {"latest": b"10"}, "/bucket/run7")
    assert names_below("memory://bucket/run7") == ["latest", "step-10/", "step-5/"]


def test_our_cache_is_the_engines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The default here, where engine cannot be imported, is what the engine says, by each variable."""
    for names in ({}, {"XDG_CACHE_HOME": str(tmp_path)}, {"CODEASSAY_CACHE": "~/c"}):
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.delenv("CODEASSAY_CACHE", raising=False)
        for name, value in names.items():
            monkeypatch.setenv(name, value)
        assert default_cache() == cache_root()
    assert CHECKPOINT.config == "config.json"
