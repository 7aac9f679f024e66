"""Whether a checkpoint is wholly written: training may still be at it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from actors.checkpoint import Folder, check, folder_of, weight_files
from actors.models import LOCAL_KINDS, ModelSpec
from actors.remote import is_remote
from runners.errors import UserError

_HEADER_BYTES = 8
"""Of a safetensors file: the length of its header, little endian."""
_ZIP_END = b"PK\x05\x06"
_ZIP_TAIL_BYTES = 22 + (1 << 16) - 1
"""A zip file, as torch.save writes it, ends with a record that is at most so far from its end."""


def unfinished(spec: ModelSpec) -> str:
    """Why a model is no whole checkpoint yet; empty if it is, or if it is no folder.

    A file that is missing, a weight file that an index names and that is not there, or one that is shorter than its own
    header promises.
    """
    if spec.kind not in LOCAL_KINDS or spec.is_hub_id:
        return ""
    try:
        folder = folder_of(spec.target)
        check(folder)
        sizes = folder.sizes()
        cut = [name for name in weight_files(sizes) if _is_cut(folder, name, sizes[name])]
    except UserError as error:
        return str(error)
    return f"{folder.place}: {cut[0]} is shorter than it says, so it is still being written." if cut else ""


def fingerprint(spec: ModelSpec) -> Mapping[str, tuple[int, int]]:
    """Size, and here on disk time of change in nanoseconds, of each file: two equal ones in a row tell of rest."""
    if spec.kind not in LOCAL_KINDS or spec.is_hub_id:
        return {}
    try:
        sizes = folder_of(spec.target).sizes()
        if is_remote(spec.target):
            return {name: (size, 0) for name, size in sizes.items()}
        root = Path(spec.target).expanduser()
        return {name: (size, (root / name).stat().st_mtime_ns) for name, size in sizes.items()}
    except (UserError, OSError):
        return {}  # it is being moved or removed


def _is_cut(folder: Folder, name: str, size: int) -> bool:
    if name.endswith(".safetensors"):
        return size < _safetensors_bytes(folder, name, size)
    if name.endswith((".bin", ".pth")):
        start = max(0, size - _ZIP_TAIL_BYTES)
        head, tail = folder.read([(name, 0, min(2, size)), (name, start, size)])
        return head == _ZIP_END[:2] and _ZIP_END not in tail  # older files are pickles and have no end to look for
    return size == 0


def _safetensors_bytes(folder: Folder, name: str, size: int) -> int:
    """How long a file is to be by its header (https://huggingface.co/docs/safetensors, "Format")."""
    if size < _HEADER_BYTES:
        return _HEADER_BYTES
    length = int.from_bytes(folder.read([(name, 0, _HEADER_BYTES)])[0], "little")
    end = _HEADER_BYTES + length
    if size < end:
        return end
    return end + _last_offset(folder.read([(name, _HEADER_BYTES, end)])[0])


def _last_offset(header: bytes) -> int:
    try:
        tensors = json.loads(header)
        return max((each["data_offsets"][1] for key, each in tensors.items() if key != "__metadata__"), default=0)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return 0  # damaged, not unfinished: loading it says so
