"""What model was measured: a digest that follows the content of a checkpoint, not the place where it lies.

It is a part of every sample's identity: equal digests let a run take stored samples over, so two checkpoints of one
training must differ here even where most of their tensors are alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from actors.models import ModelSpec
from runners.errors import DataError, UserError

MEBIBYTE = 1 << 20
WHOLE_BYTES = 64 * MEBIBYTE
"""Files up to this size are hashed whole."""
EDGE_BYTES = MEBIBYTE
"""Of larger files: this much of the start and of the end ..."""
BLOCK_BYTES = 1 << 16
NUM_BLOCKS = 256
"""... and this many blocks, evenly spaced: a merged adapter changes tensors in the middle only."""

WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "consolidated*.pth", "*.gguf")
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
TOKENIZERS = ("tokenizer*", "vocab.*", "*.model", "*.tiktoken", "tekken.json")


def model_digest(spec: ModelSpec) -> str:
    """Digest of a model, 64 hexadecimal digits; does not load it.

    A checkpoint counts by configuration, tokenizer and weights, a samples file by its content, a hub id by its
    revision, an endpoint by URL and model name alone: what a server changes behind its name is not seen.

    Raises:
        UserError: a file that a checkpoint needs is not there, or a hub id's revision cannot be found.
    """
    match spec.kind:
        case "replay":
            return _text_digest("replay", file_digest(Path(spec.target).expanduser()))
        case "transformers" | "vllm" if spec.is_hub_id:
            return _text_digest("hub", spec.target, hub_revision(spec.target))
        case "transformers" | "vllm":
            return checkpoint_digest(Path(spec.target).expanduser())
        case _:
            return _text_digest(spec.kind, spec.target.rstrip("/"), spec.model)


def checkpoint_digest(folder: Path) -> str:
    """Digest of a checkpoint directory: the same wherever it lies; optimizer and trainer state do not count.

    Raises:
        UserError: the directory, its config.json, its tokenizer or its weights are missing.
    """
    _check_checkpoint(folder)
    manifest = [(path.relative_to(folder).as_posix(), file_digest(path)) for path in _matching(folder, CONTENT)]
    for path in _matching(folder, WEIGHTS):
        manifest.append((path.name, f"{path.stat().st_size}:{_sampled_digest(path)}"))
    return _text_digest("checkpoint", json.dumps(sorted(manifest)))


def hub_revision(repository: str) -> str:
    """Commit of a hub model: of the cached copy if there is one, else config.json is fetched, which fixes it.

    Raises:
        UserError: it is not cached and cannot be fetched.
    """
    # Imported here: a laptop without network or hub use should not pay for it.
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    cached = try_to_load_from_cache(repository, "config.json")
    if not isinstance(cached, str):
        try:
            cached = hf_hub_download(repository, "config.json")
        except (OSError, ValueError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"model '{repository}': no such directory here, not in the hub cache, and not to be had from the hub "
                f"({first}). Give a checkpoint directory, or download it first: hf download {repository}"
            ) from error
    return Path(cached).parent.name


def file_digest(path: Path) -> str:
    """SHA-256 of a whole file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror}.", cure="Check the path of the model.") from error


def _check_checkpoint(folder: Path) -> None:
    if not folder.is_dir():
        raise UserError(f"model '{folder}': no such directory. Give a checkpoint directory or a hub id org/name.")
    if not (folder / "config.json").is_file():
        is_adapter = (folder / "adapter_config.json").is_file()
        cure = (
            "Merge the adapter into its base model and save that." if is_adapter else "Save it with save_pretrained()."
        )
        raise DataError(folder, "no config.json, so this is no checkpoint in Hugging Face layout.", cure=cure)
    if not any(_matching(folder, TOKENIZERS)):
        raise DataError(
            folder, "no tokenizer files.", cure="Save the tokenizer beside the model: tokenizer.save_pretrained()."
        )
    if not any(_matching(folder, WEIGHTS)):
        raise DataError(folder, f"no weights ({', '.join(WEIGHTS)}).", cure="Save the model with save_pretrained().")


def _matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Files that match any pattern, each once, in order of their names."""
    return sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})


def _sampled_digest(path: Path) -> str:
    """SHA-256 of a file's content; of start, end and evenly spaced blocks where it is large.

    Raises:
        DataError: it cannot be read.
    """
    size = path.stat().st_size
    if size <= WHOLE_BYTES:
        return file_digest(path)
    digest = hashlib.sha256()
    spans = [(0, EDGE_BYTES), (size - EDGE_BYTES, EDGE_BYTES)]
    spans += [(size * block // NUM_BLOCKS, BLOCK_BYTES) for block in range(1, NUM_BLOCKS)]
    try:
        with path.open("rb") as stream:
            for offset, length in spans:
                stream.seek(offset)
                digest.update(stream.read(length))
    except OSError as error:
        raise DataError(
            path, f"cannot be read: {error.strerror}.", cure="Check the disk that holds the model."
        ) from error
    return digest.hexdigest()


def _text_digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
