"""Keep verdicts on disk by content, so that a program that was judged once is not run again, in whatever run.

One small file per verdict under `<directory>/<state>/<3 hex digits>/<key>`: `state` names all that a verdict depends on
besides the program, so that the folders of old versions can be deleted. A file is written under a temporary name and
renamed, which is safe for many processes, on NFS too; it begins with a checksum, and what does not match it is run
again and written anew. There is no fsync: a file lost in a crash costs one run.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import uuid
from dataclasses import asdict
from pathlib import Path

import runners
from runners.program import Status, Verdict

KEPT = frozenset(
    {Status.PASSED, Status.WRONG_ANSWER, Status.COMPILE_ERROR, Status.RUNTIME_ERROR, Status.FORBIDDEN},
)
"""What a program would do again. Time, memory and output may rest on load, and failures of ours say nothing of it."""
_OF_THE_NODE = ("SIGKILL", "Resource temporarily unavailable", "can't start new thread")
"""Errors behind a runtime_error that the state of the node may have caused: memory, or processes of the same user."""

_log = logging.getLogger(__name__)


class VerdictCache:
    """The verdicts of one sandbox's state; used by many processes and threads at once."""

    def __init__(self, directory: Path, *, toolchain: str, isolation: str) -> None:
        """Nothing is read or made yet; a directory that cannot be written is told once and then left alone."""
        parts = json.dumps([_code(), toolchain, isolation])
        self._directory = directory / hashlib.sha256(parts.encode()).hexdigest()[:16]
        self._is_writable = True

    def get(self, program_sha256: str, mode: str) -> Verdict | None:
        """The verdict of this program under this mode of judging; None where there is none, or a damaged one."""
        try:
            return _decoded(self._path(program_sha256, mode).read_bytes())
        except OSError:
            return None

    def put(self, program_sha256: str, mode: str, verdict: Verdict) -> None:
        """Keep a verdict, if its kind is kept at all."""
        if not self._is_writable or not is_kept(verdict):
            return
        path = self._path(program_sha256, mode)
        try:
            _write(path, _encoded(verdict))
        except OSError as error:
            self._is_writable = False
            _log.warning("verdicts are no longer kept: %s: %s", path, error.strerror)

    def _path(self, program_sha256: str, mode: str) -> Path:
        key = hashlib.sha256(f"{program_sha256} {mode}".encode()).hexdigest()
        return self._directory / key[:3] / key[3:43]


def is_kept(verdict: Verdict) -> bool:
    """Whether another run of the program would say the same."""
    return verdict.status in KEPT and not any(text in verdict.error for text in _OF_THE_NODE)


@functools.cache
def _code() -> str:
    """Hash of our own code that decides verdicts: a defect that is mended must not live on in the cache."""
    folder = Path(next(iter(runners.__path__)))
    files = [*sorted(folder.glob("*.py")), Path(__file__), Path(__file__).with_name("judging.py")]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _encoded(verdict: Verdict) -> bytes:
    body = json.dumps(asdict(verdict), separators=(",", ":")).encode()
    return _checksum(body) + b"\n" + body


def _decoded(data: bytes) -> Verdict | None:
    checksum, _, body = data.partition(b"\n")
    if checksum != _checksum(body):
        return None
    try:
        fields = json.loads(body)
        status, tests = Status(fields["status"]), fields["tests_passed"]
        return Verdict(**fields | {"status": status, "tests_passed": None if tests is None else tuple(tests)})
    except (ValueError, KeyError, TypeError):
        return None


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:16].encode()


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")  # process ids repeat on other nodes
    try:
        _create(temporary, data)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        _create(temporary, data)
    try:
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _create(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
    except OSError:
        path.unlink(missing_ok=True)
        raise
