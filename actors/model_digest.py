"""What model was measured: a digest that follows the content of a checkpoint, not the place where it lies.

It is a part of every sample's identity: equal digests let a run take stored samples over, so two checkpoints of one
training must differ here even where most of their tensors are alike.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from actors.checkpoint import ADAPTER, text_digest
from actors.models import LOCAL_KINDS, ModelSpec
from actors.weights import default_cache, digest_of
from runners.errors import DataError, UserError


def model_digest(spec: ModelSpec, *, lora: str | None = None, cache: Path | None = None) -> str:
    """Digest of a model, 64 hexadecimal digits; does not load it.

    A checkpoint counts by configuration, tokenizer and weights, the same here and behind a URL; a samples file by its
    content, a hub id by its revision, an endpoint by URL and model name alone: what a server changes behind its name
    is not seen.

    Args:
        spec: the model.
        lora: folder or URL of an adapter that is laid over it; None is the model alone.
        cache: root of the caches, where digests of remote checkpoints are kept; None is what the environment says.

    Raises:
        UserError: a file that a checkpoint needs is not there, or a hub id's revision cannot be found.
    """
    cache = cache or default_cache()
    base = _base_digest(spec, cache)
    if lora is None or spec.kind not in LOCAL_KINDS:
        return base
    return text_digest("lora", base, digest_of(lora, cache, ADAPTER))


def _base_digest(spec: ModelSpec, cache: Path) -> str:
    if spec.kind == "replay":
        return text_digest("replay", file_digest(Path(spec.target).expanduser()))
    if spec.kind in LOCAL_KINDS:
        return (
            text_digest("hub", spec.target, hub_revision(spec.target))
            if spec.is_hub_id
            else digest_of(spec.target, cache)
        )
    return text_digest(spec.kind, spec.target.rstrip("/"), spec.model)


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
