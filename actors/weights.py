"""Bring a checkpoint that lies behind a URL onto this machine: once per machine, whole or not at all.

<cache>/models/<digest>/            what a back end opens; there only when it is complete
<cache>/models/.<digest>.partial/   what has come so far; a download that was broken off goes on from its files
<cache>/models/.<digest>.lock       held by the process that downloads; the others of this machine wait for it
<cache>/models/.digests/            digests by listing, so that weights are not sampled again by every process
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from actors.checkpoint import CHECKPOINT, Layout, LocalFolder, digest, files_to_load, folder_of
from actors.remote import RemoteFolder, is_remote
from benchmarks.fetch import write_atomic
from runners.errors import UserError

MODELS = "models"
DIGESTS = ".digests"
FILES_AT_ONCE = 16
"""Files that are downloaded side by side; when a download is broken off, at most these come again."""


def default_cache() -> Path:
    """Where downloaded models are kept unless the engine says: CODEASSAY_CACHE, else under ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("CODEASSAY_CACHE") or Path(base) / "codeassay").expanduser()


def digest_of(target: str, cache: Path, layout: Layout = CHECKPOINT) -> str:
    """Digest of the folder behind a path or a URL.

    Raises:
        UserError: it is not there, not whole, or cannot be reached.
    """
    folder = folder_of(target)
    return _remote_digest(folder, cache, layout) if isinstance(folder, RemoteFolder) else digest(folder, layout)


def localize(target: str, cache: Path, layout: Layout = CHECKPOINT) -> Path:
    """The folder on this machine that holds what a path or a URL names; downloads it where it must.

    Args:
        target: a path, which is returned as it is, or a URL.
        cache: root of the caches.
        layout: what the folder has to consist of.

    Raises:
        UserError: it is not there, not whole, cannot be reached, or does not fit on the disk.
    """
    if not is_remote(target):
        return Path(target).expanduser()
    folder = RemoteFolder(target)
    name = _remote_digest(folder, cache, layout)
    here = cache / MODELS / name
    if not here.is_dir():
        with _written(cache), _locked(cache / MODELS / f".{name}.lock"):
            if not here.is_dir():
                _download(folder, cache / MODELS / f".{name}.partial", here, layout)
    return here


def _remote_digest(folder: RemoteFolder, cache: Path, layout: Layout) -> str:
    """The digest as it was computed when the folder had the same files with the same versions, else anew."""
    fingerprint = folder.fingerprint()
    known = cache / MODELS / DIGESTS / f"{layout.name}-{fingerprint}" if fingerprint else None
    if known is not None and known.is_file():
        return known.read_text()
    found = digest(folder, layout)
    if known is not None:
        with _written(cache):
            write_atomic(known, found.encode())
    return found


def _download(folder: RemoteFolder, partial: Path, here: Path, layout: Layout) -> None:
    """Fill `partial`, make sure that it is what the digest says, and give it its name."""
    sizes = folder.sizes()
    names = files_to_load(sizes, layout)
    left = [name for name in names if not (partial / name).is_file()]
    _check_room(folder, here.parent, sum(sizes[name] for name in left))
    for start in range(0, len(left), FILES_AT_ONCE):
        _download_files(folder, left[start : start + FILES_AT_ONCE], partial)
    if digest(LocalFolder(partial), layout) != here.name:
        shutil.rmtree(partial)
        raise UserError(f"model {folder.place}: changed while it was downloaded. Run again when it is written.")
    partial.rename(here)


def _download_files(folder: RemoteFolder, names: Sequence[str], partial: Path) -> None:
    """A file has its own name only when all of it is there."""
    incoming = {name: partial / f"{name}.incoming" for name in names}
    for path in incoming.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    folder.download(incoming)
    sizes = folder.sizes()
    for name, path in incoming.items():
        if path.stat().st_size != sizes[name]:
            raise UserError(f"model {folder.place}: {name} came in part. Run again to download it anew.")
        _sync(path)
        path.rename(partial / name)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _check_room(folder: RemoteFolder, directory: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(directory).free
    if needed_bytes > free:
        raise UserError(
            f"model {folder.place}: {needed_bytes / 1e9:.1f} GB are to be downloaded and {directory} has "
            f"{free / 1e9:.1f} GB free. Make room, or name another cache: CODEASSAY_CACHE."
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock; the system lets go of it when its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _written(cache: Path) -> Iterator[None]:
    """Tell a disk that is full or not ours as what it is."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"{cache}: {reason}. Name a cache that can be written: CODEASSAY_CACHE.") from error
