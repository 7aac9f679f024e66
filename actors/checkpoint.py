"""What a checkpoint folder consists of, wherever it lies: the files that count, whether all are there, their digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from typing import Protocol

from actors.remote import SUBFOLDERS, RemoteFolder, Span, is_remote
from runners.errors import DataError, UserError

MEBIBYTE = 1 << 20
WHOLE_BYTES = 64 * MEBIBYTE
"""Weight files up to this size are hashed whole."""
EDGE_BYTES = MEBIBYTE
"""Of larger ones: this much of the start and of the end ..."""
BLOCK_BYTES = 1 << 16
NUM_BLOCKS = 256
"""... and this many blocks, evenly spaced: a merged adapter changes tensors in the middle only."""

TOKENIZERS = ("tokenizer*", "vocab.*", "*.model", "*.tiktoken", "tekken.json")
CONTENT = (
    "config.json",
    "generation_config.json",
    "*.index.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.tiktoken",
    "tekken.json",
    "chat_template*",
    "additional_chat_templates/*",
    "*.py",
)
UNREAD = ("trainer_state.json", "*.index.json")
"""JSON files that no back end needs, or that belong to weights which are not taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which files one kind of folder has."""

    name: str
    config: str
    """The file that says what the folder is."""
    content: tuple[str, ...]
    """Patterns of what counts beside the weights; hashed whole."""
    weights: tuple[tuple[str, str], ...]
    """Forms of weights as (pattern, ending), the preferred first: a back end reads one of them."""
    needs_tokenizer: bool


CHECKPOINT = Layout(
    name="checkpoint",
    config="config.json",
    content=CONTENT,
    weights=(
        ("*.safetensors", ".safetensors"),
        ("pytorch_model*.bin", ".bin"),
        ("consolidated*.pth", ".pth"),
        ("*.gguf", ".gguf"),
    ),
    needs_tokenizer=True,
)
ADAPTER = Layout(
    name="adapter",
    config="adapter_config.json",
    content=("adapter_config.json", *CONTENT),
    weights=(("adapter_model*.safetensors", ".safetensors"), ("adapter_model*.bin", ".bin")),
    needs_tokenizer=False,
)


class Folder(Protocol):
    """A folder with files, here or behind a URL."""

    place: str
    """Path or URL, for messages."""

    def sizes(self) -> Mapping[str, int]:
        """Bytes of each file, by its name below the folder."""

    def read(self, spans: Sequence[Span]) -> list[bytes]:
        """The bytes of each span, in order."""


class LocalFolder:
    """A folder on this machine's disks."""

    def __init__(self, path: Path) -> None:
        """Remember the folder.

        Raises:
            UserError: it does not exist.
        """
        if not path.is_dir():
            raise UserError(f"model '{path}': no such directory. Give a checkpoint directory or a hub id org/name.")
        self.place = str(path)
        self._path = path

    def sizes(self) -> Mapping[str, int]:
        """Bytes of each file by its name below the folder: the folder's own, and those of SUBFOLDERS."""
        found = [path for pattern in ("*", *(f"{name}/*" for name in SUBFOLDERS)) for path in self._path.glob(pattern)]
        return {p.relative_to(self._path).as_posix(): p.stat().st_size for p in sorted(found) if p.is_file()}

    def read(self, spans: Sequence[Span]) -> list[bytes]:
        """The bytes of each span, in order.

        Raises:
            DataError: a file cannot be read.
        """
        groups = groupby(spans, key=lambda span: span[0])
        return [data for name, group in groups for data in self._read(name, group)]

    def _read(self, name: str, spans: Iterable[Span]) -> Iterator[bytes]:
        try:
            with (self._path / name).open("rb") as stream:
                for _, start, end in spans:
                    stream.seek(start)
                    yield stream.read(end - start)
        except OSError as error:
            cure = "Check the disk that holds the model."
            raise DataError(self._path / name, f"cannot be read: {error.strerror}.", cure=cure) from error


def folder_of(target: str) -> Folder:
    """The folder behind a path or a URL.

    Raises:
        UserError: it does not exist, or cannot be reached.
    """
    return RemoteFolder(target) if is_remote(target) else LocalFolder(Path(target).expanduser())


def digest(folder: Folder, layout: Layout = CHECKPOINT) -> str:
    """Digest of a folder, 64 hexadecimal digits: the same wherever it lies; optimizer and trainer state do not count.

    Raises:
        UserError: the folder, a file that it needs, or a weight file that its index names is missing.
    """
    check(folder, layout)
    sizes = folder.sizes()
    content = _content_files(sizes, layout)
    hashed = folder.read([(name, 0, sizes[name]) for name in content])
    manifest = [(name, hashlib.sha256(data).hexdigest()) for name, data in zip(content, hashed, strict=True)]
    for name in weight_files(sizes, layout):
        sampled = hashlib.sha256(b"".join(folder.read(_spans(name, sizes[name])))).hexdigest()
        manifest.append((name, f"{sizes[name]}:{sampled}"))
    return text_digest(layout.name, json.dumps(sorted(manifest)))


def check(folder: Folder, layout: Layout = CHECKPOINT) -> None:
    """Make sure that a folder is whole.

    Raises:
        DataError: configuration, tokenizer, weights, or a part of the weights is missing.
    """
    sizes = folder.sizes()
    if layout.config not in sizes:
        is_adapter = "adapter_config.json" in sizes
        cure = (
            "Merge the adapter into its base model and save that." if is_adapter else "Save it with save_pretrained()."
        )
        what = f"no {layout.config}, so this is no {layout.name} in Hugging Face layout."
        raise DataError(folder.place, what, cure=cure)
    if layout.needs_tokenizer and not matching(sizes, TOKENIZERS):
        cure = "Save the tokenizer beside the model: tokenizer.save_pretrained()."
        raise DataError(folder.place, "no tokenizer files.", cure=cure)
    if not weight_files(sizes, layout):
        forms = ", ".join(pattern for pattern, _ in layout.weights)
        raise DataError(folder.place, f"no weights ({forms}).", cure="Save the model with save_pretrained().")
    _check_index(folder, sizes, layout)


def weight_files(names: Iterable[str], layout: Layout = CHECKPOINT) -> list[str]:
    """Files of the first form of weights that is there; an adapter that lies in a checkpoint is not its weights."""
    return _form(names, layout)[0]


def files_to_load(names: Iterable[str], layout: Layout = CHECKPOINT) -> list[str]:
    """What a back end may read: configuration, tokenizer, code, templates and one form of weights."""
    names = list(names)
    others = [name for name in matching(names, ("*.json", "*.txt", "*.jinja")) if not matching([name], UNREAD)]
    return sorted({*weight_files(names, layout), *_content_files(names, layout), *others})


def has_chat_template(folder: Folder) -> bool:
    """Whether the tokenizer of a checkpoint knows how to write conversations.

    Raises:
        UserError: tokenizer_config.json is not JSON.
    """
    sizes = folder.sizes()
    if "chat_template.jinja" in sizes:
        return True
    name = "tokenizer_config.json"
    if name not in sizes:
        return False
    config = _json(folder, name, sizes)
    return bool(config.get("chat_template"))


def matching(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """Names that any pattern matches, each once, in order; `*` does not match `/`."""
    patterns = list(patterns)
    return sorted(n for n in set(names) if any(n.count("/") == p.count("/") and fnmatchcase(n, p) for p in patterns))


def text_digest(*parts: str) -> str:
    """SHA-256 of texts, as hexadecimal digits."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _content_files(names: Iterable[str], layout: Layout) -> list[str]:
    """What counts beside the weights; an index counts with the form of weights that it belongs to."""
    names = list(names)
    index = f"{_form(names, layout)[1]}.index.json"
    return [n for n in matching(names, layout.content) if not n.endswith(".index.json") or n.endswith(index)]


def _form(names: Iterable[str], layout: Layout) -> tuple[list[str], str]:
    """The weight files, and the ending that their form has."""
    names = list(names)
    for pattern, ending in layout.weights:
        found = [name for name in matching(names, (pattern,)) if layout is ADAPTER or not name.startswith("adapter_")]
        if found:
            return found, ending
    return [], ""


def _check_index(folder: Folder, sizes: Mapping[str, int], layout: Layout) -> None:
    """A checkpoint that is still being written, or was copied in part, lacks files that its index names."""
    _, ending = _form(sizes, layout)
    for index in matching(sizes, (f"*{ending}.index.json",)):
        named = _json(folder, index, sizes).get("weight_map")
        missing = sorted(set(named.values()) - set(sizes)) if isinstance(named, dict) else []
        if missing:
            what = f"{len(missing)} weight files that {index} names are missing, the first is {missing[0]}."
            raise DataError(folder.place, what, cure="Wait until it is written, copy it whole, or leave it out.")


def _json(folder: Folder, name: str, sizes: Mapping[str, int]) -> dict[str, object]:
    where, cure = f"{folder.place}/{name}", "The checkpoint is damaged; save it again."
    try:
        found = json.loads(folder.read([(name, 0, sizes[name])])[0])
    except ValueError as error:
        raise DataError(where, f"not valid JSON ({error}).", cure=cure) from error
    if not isinstance(found, dict):
        raise DataError(where, f"holds a {type(found).__name__} and no object.", cure=cure)
    return found


def _spans(name: str, size: int) -> list[Span]:
    """What is read of a weight file: all of it, or start, end and evenly spaced blocks where it is large."""
    if size <= WHOLE_BYTES:
        return [(name, 0, size)]
    blocks = [size * block // NUM_BLOCKS for block in range(1, NUM_BLOCKS)]
    edges = [(name, 0, EDGE_BYTES), (name, size - EDGE_BYTES, size)]
    return edges + [(name, start, min(start + BLOCK_BYTES, size)) for start in blocks]
