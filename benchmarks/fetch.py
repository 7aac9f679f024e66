"""Get a benchmark's files onto this machine: from the local cache, else from the network at a pinned revision.

Importing this asks the network for nothing; `huggingface_hub` and `httpx` are imported when a file is missing.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from runners.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where one benchmark's data lives, under which licence, and what it is pinned to."""

    name: str
    """Registry name; also the folder in the cache."""
    files: tuple[str, ...]
    """Paths inside the repository."""
    revision: str
    """Commit that the files are taken at."""
    hub: str | None = None
    """Data set id on the Hugging Face hub; None if the files come by `url`."""
    url: str | None = None
    """Address of a file, with `{revision}` and `{file}` in it; None if the files come from the hub."""
    sha256: str | None = None
    """Digest of the one file at the pinned revision; None where it is not known."""
    rows: int | None = None
    """Records at the pinned revision."""
    licence: str = ""
    credit: str = ""

    @property
    def origin(self) -> str:
        """The hub id or the address, for messages and manifests."""
        return f"hf://datasets/{self.hub}" if self.hub else str(self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Files that lie on this machine now."""

    origin: str
    paths: tuple[Path, ...]
    revision: str | None = None
    commit: str | None = None


def fetch(source: Source, cache: Path, revision: str | None = None) -> Fetched:
    """The source's files, from `cache` if all are there.

    The cache is `<cache>/data/<name>/<revision>/`: a machine without network is served by putting the files there.

    Raises:
        DataError: they are not in the cache and cannot be fetched, or are not what the pin says.
    """
    wanted = revision or source.revision
    folder = cache / "data" / source.name / wanted.replace("/", "_")
    paths = tuple(folder / file for file in source.files)
    commit_note = folder / "COMMIT"
    if not all(path.is_file() for path in paths):
        commits = [_fetch_file(source, file, path, wanted) for file, path in zip(source.files, paths, strict=True)]
        if commits[-1]:
            write_atomic(commit_note, commits[-1].encode())
    commit = commit_note.read_text().strip() if commit_note.is_file() else None
    return Fetched(origin=source.origin, paths=paths, revision=wanted, commit=commit)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that readers see all of it or nothing, and two writers do not mix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)  # mkstemp lets nobody else read it; the cache may be shared
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _fetch_file(source: Source, file: str, path: Path, revision: str) -> str | None:
    """Fetch one file to `path`; returns the commit it was taken at, or None if the network does not tell."""
    data, commit = _from_hub(source, file, revision) if source.hub else _from_url(source, file, revision)
    if source.sha256 and revision == source.revision and hashlib.sha256(data).hexdigest() != source.sha256:
        raise DataError(f"{source.origin}@{revision}", f"{file} is not the file that was pinned.", cure=_manual(source))
    write_atomic(path, data)
    return commit


def _from_hub(source: Source, file: str, revision: str) -> tuple[bytes, str | None]:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

    assert source.hub is not None
    try:
        local = Path(hf_hub_download(source.hub, file, repo_type="dataset", revision=revision))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise _unreachable(source, file, revision, error) from error
    parts = local.parts
    commit = parts[parts.index("snapshots") + 1] if "snapshots" in parts else None
    return local.read_bytes(), commit


def _from_url(source: Source, file: str, revision: str) -> tuple[bytes, str | None]:
    import httpx

    assert source.url is not None
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in {"1", "TRUE", "YES", "ON"}:
        raise _unreachable(source, file, revision, OSError("HF_HUB_OFFLINE is set"))
    address = source.url.format(revision=revision, file=file)
    try:
        response = httpx.get(address, follow_redirects=True, timeout=60.0)
        response.raise_for_status()
    except httpx.HTTPError as error:
        raise _unreachable(source, file, revision, error) from error
    return response.content, revision if len(revision) == 40 else None


def _unreachable(source: Source, file: str, revision: str, error: Exception) -> DataError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return DataError(f"{source.origin}@{revision}", f"cannot fetch {file}: {reason}.", cure=_manual(source))


def _manual(source: Source) -> str:
    names = ", ".join(Path(file).name for file in source.files)
    return f"Get the file by hand ({names}) and name it: --data PATH (or `data: PATH` in the suite)."
