"""Checkpoints behind a URL (S3, Google Cloud Storage, Azure, ...): what a URL may say, and its files through fsspec.

Credentials come from the environment or from the provider's own files. A URL that holds any is refused and is not
repeated.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runners.errors import UserError

URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
PLACE = re.compile(r"[A-Za-z0-9._-]+(:\d+)?")
"""Bucket, or host and port."""
AZURE_PLACE = re.compile(r"([A-Za-z0-9._-]+@)?[A-Za-z0-9._-]+")
"""`container@account.dfs.core.windows.net`: the part before the `@` is no secret there."""
AZURE = frozenset({"az", "abfs", "abfss"})

INSTALL = {
    "s3": "pip install 'codeassay[s3]'",
    "s3a": "pip install 'codeassay[s3]'",
    "gs": "pip install 'codeassay[gcs]'",
    "gcs": "pip install 'codeassay[gcs]'",
    **dict.fromkeys(AZURE, "pip install adlfs"),
}
"""Scheme -> the command that brings its driver."""

S3_CREDENTIALS = (
    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; AWS_ENDPOINT_URL for a server of your own."
)
GCS_CREDENTIALS = "Set GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`."
AZURE_CREDENTIALS = "Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_CONNECTION_STRING."
CREDENTIALS = {
    "s3": S3_CREDENTIALS,
    "s3a": S3_CREDENTIALS,
    "gs": GCS_CREDENTIALS,
    "gcs": GCS_CREDENTIALS,
    **dict.fromkeys(AZURE, AZURE_CREDENTIALS),
}
"""Scheme -> how its driver is given credentials."""

SECRET_NAME = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|CONNECTION_STRING|SAS", re.IGNORECASE)
MIN_SECRET = 8
TAGS = ("ETag", "etag", "content_md5", "md5Hash", "generation", "LastModified", "last_modified", "mtime", "created")
"""What file systems call that which changes with a file's content."""
SUBFOLDERS = ("additional_chat_templates",)
"""The only folders below a checkpoint that hold something of the model."""

Span = tuple[str, int, int]
"""Name of a file, first byte, byte after the last."""


def is_remote(target: str) -> bool:
    """Whether a target is a URL (`scheme://...`) and not a path; a URL of scheme `file` is one too."""
    return URL.match(target) is not None


def check_url(url: str) -> None:
    """Refuse a URL that holds credentials, or whose scheme lists no folders; asks neither network nor disk.

    Raises:
        UserError: it does; the message repeats the scheme alone.
    """
    match = URL.fullmatch(url)
    scheme, rest = (match[1].lower(), match[2]) if match else ("", url)
    if scheme in ("http", "https"):
        raise UserError(
            f"model {scheme}://...: a web server lists no folders. Give a hub id, s3://, gs://, az:// or a directory; "
            "for an OpenAI-compatible endpoint write openai:URL#MODEL."
        )
    place, _, path = rest.partition("/")
    pattern = AZURE_PLACE if scheme in AZURE else PLACE
    hides_password = ":" in place and "@" in path
    if not pattern.fullmatch(place) or hides_password or "?" in rest or "#" in rest:
        raise UserError(
            f"model {scheme}://...: write {scheme}://BUCKET/PATH, without user, password, query or fragment. "
            f"{CREDENTIALS.get(scheme, 'Credentials come from the environment.')}"
        )


class RemoteFolder:
    """One folder behind a URL; listed once, when it is opened."""

    def __init__(self, url: str) -> None:
        """Open the file system and list the folder.

        Raises:
            UserError: the driver is not installed, credentials are missing or refused, or there is no such folder.
        """
        self.place = url.rstrip("/")
        self._fs, self._root = _open(self.place)
        self._entries = self._list()

    def sizes(self) -> Mapping[str, int]:
        """Bytes of each file by its name below the folder: the folder's own, and those of SUBFOLDERS."""
        return {name: int(info["size"]) for name, info in self._entries.items()}

    def read(self, spans: Sequence[Span]) -> list[bytes]:
        """The bytes of each span, in order, asked for side by side.

        Raises:
            UserError: a file cannot be read, or is shorter than it was when the folder was listed.
        """
        asked = [(self._path(name), start, end) for name, start, end in spans if end > start]
        paths, starts, ends = ([span[i] for span in asked] for i in range(3))
        with _told(self.place, "cannot be read"):
            found = self._fs.cat_ranges(paths, starts, ends, on_error="raise") if asked else []
            for data in found:
                if isinstance(data, BaseException):
                    raise data
        for (path, start, end), data in zip(asked, found, strict=True):
            if len(data) != end - start:
                raise UserError(f"model {self.place}: {path} changed while it was read. Wait until it is written.")
        pieces = iter(found)
        return [next(pieces) if end > start else b"" for _, start, end in spans]

    def download(self, files: Mapping[str, Path]) -> None:
        """Copy files, by name, to where they are to lie; side by side.

        Raises:
            UserError: one could not be copied.
        """
        with _told(self.place, "cannot be downloaded"):
            self._fs.get([self._path(name) for name in files], [str(path) for path in files.values()])

    def fingerprint(self) -> str | None:
        """Hash of URL, names, sizes and versions of all files: cheap, since nothing is read; None without versions."""
        tags = {name: [str(info[tag]) for tag in TAGS if info.get(tag)] for name, info in self._entries.items()}
        if not all(tags.values()):
            return None
        return hashlib.sha256(json.dumps([self.place, self.sizes(), tags], sort_keys=True).encode()).hexdigest()

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _list(self) -> dict[str, dict[str, Any]]:
        with _told(self.place, "cannot be listed"):
            self._fs.invalidate_cache()  # a checkpoint may have been written since this process looked
            infos = self._fs.ls(self._root, detail=True)
            below = [_last(info) for info in infos if info["type"] == "directory" and _last(info) in SUBFOLDERS]
            more = {folder: self._fs.ls(f"{self._root}/{folder}", detail=True) for folder in below}
        entries = {_last(info): info for info in infos if info["type"] == "file"}
        for folder, listed in more.items():
            entries |= {f"{folder}/{_last(info)}": info for info in listed if info["type"] == "file"}
        return {name: entries[name] for name in sorted(entries) if not name.endswith(("/", ".."))}


def names_below(url: str) -> list[str]:
    """Names of all that lies directly in a folder behind a URL; folders end in `/`.

    Raises:
        UserError: as RemoteFolder.
    """
    fs, root = _open(url)
    with _told(url, "cannot be listed"):
        fs.invalidate_cache()
        infos = fs.ls(root, detail=True)
    return sorted(_last(info) + ("/" if info["type"] == "directory" else "") for info in infos)


def _last(info: Mapping[str, Any]) -> str:
    """The last part of a path alone: what a name says of other folders is not followed."""
    return str(info["name"]).rstrip("/").rpartition("/")[2]


def _open(url: str) -> tuple[Any, str]:
    """File system and root path of a URL."""
    # Imported here: a laptop without remote checkpoints should not pay for it.
    from fsspec.core import url_to_fs
    from fsspec.registry import known_implementations

    check_url(url)
    scheme = url.partition("://")[0].lower()
    if scheme not in known_implementations and scheme not in INSTALL:
        raise UserError(f"model {url}: scheme '{scheme}' is not known. Give s3://, gs://, az:// or a directory.")
    try:
        with _told(url, "cannot be opened"):
            fs, root = url_to_fs(url)
    except ImportError as error:
        install = INSTALL.get(scheme, str(error))
        raise UserError(f"model {url}: the driver of {scheme}:// is not installed: {install}") from error
    return fs, str(root).rstrip("/")


@contextmanager
def _told(url: str, what: str) -> Iterator[None]:
    """Turn a driver's error into one line with its cure."""
    try:
        yield
    except (UserError, ImportError):
        raise
    except Exception as error:  # noqa: BLE001 - drivers have errors of their own, without a common base
        # Not chained: what a driver raises may show requests, and Ray logs causes.
        raise UserError(f"model {url}: {what}: {_reason(error)}. {_cure(url, error)}") from None


def _reason(error: Exception) -> str:
    """Kind and first line of an error, without what the environment keeps secret."""
    text = (str(error).strip().splitlines() or [""])[0][:300]
    for name, value in os.environ.items():
        if SECRET_NAME.search(name) and len(value) >= MIN_SECRET:
            text = text.replace(value, "***")
    return f"{type(error).__name__}: {text}".rstrip(": .")


def _cure(url: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "Check bucket and path."
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Make room, or name another cache: CODEASSAY_CACHE."
    return CREDENTIALS.get(url.partition("://")[0].lower(), "Check address, network and credentials.")
