"""Let one program run alone on this node: all others that this user's processes run here have ended, or wait.

`room` is held shared while a program runs, exclusively by who runs one alone. flock is not fair, so a taker of the
room would wait for ever while others come and go: it first takes `turnstile` and shows that by the file's size, and
whoever comes then waits there. The kernel lets go of a lock when its holder dies; a size that a dead taker left costs
two more calls per program until the next one. Each use opens the files anew, so threads do not share a lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

_PRIVATE = 0o700
_log = logging.getLogger(__name__)


class Alone:
    """The two locks of one directory; without a directory nothing is locked."""

    def __init__(self, directory: Path | None) -> None:
        """`directory` is on this node alone and belongs to this user alone; it is made where it is missing."""
        self._directory = directory

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Run a program beside others; waits while one runs alone. One or two flock calls."""
        if self._directory is None:
            yield
            return
        if self._is_wanted():
            os.close(self._locked("turnstile", fcntl.LOCK_SH))
        room = self._locked("room", fcntl.LOCK_SH)
        try:
            yield
        finally:
            os.close(room)  # its lock goes with it

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Run a program alone: wait for those that run, keep others waiting; several takers go one after another."""
        if self._directory is None:
            yield
            return
        turnstile = self._locked("turnstile", fcntl.LOCK_EX)
        try:
            os.ftruncate(turnstile, 1)
            room = self._locked("room", fcntl.LOCK_EX)
            try:
                yield
            finally:
                os.close(room)
                os.ftruncate(turnstile, 0)
        finally:
            os.close(turnstile)

    def _is_wanted(self) -> bool:
        assert self._directory is not None
        try:
            return (self._directory / "turnstile").stat().st_size > 0
        except FileNotFoundError:
            return False

    def _locked(self, name: str, how: int) -> int:
        """A descriptor of its own that holds the lock; it is not inherited by programs."""
        assert self._directory is not None
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(self._directory / name, flags, 0o600)
        except FileNotFoundError:  # at its user's logout the system may clear the directory away
            self._directory.mkdir(mode=_PRIVATE, exist_ok=True)
            fd = os.open(self._directory / name, flags, 0o600)
        try:
            fcntl.flock(fd, how)
        except BaseException:
            os.close(fd)
            raise
        return fd


def open_alone(roots: Sequence[Path] | None = None) -> Alone:
    """The locks of this user on this node.

    Args:
        roots: where the directory may be, first choice first; None is this node's memory, then its temporary files,
            because a home directory may be another node's too.
    """
    if roots is None:
        roots = (Path("/dev/shm"), Path(tempfile.gettempdir()))  # noqa: S108 - what is made there is checked
    for root in roots:
        directory = root / f"codeassay-{os.geteuid()}"
        if _is_ours(directory):
            return Alone(directory)
    _log.warning("no private directory below %s: timeouts are run again, but beside others", ", ".join(map(str, roots)))
    return Alone(None)


def _is_ours(directory: Path) -> bool:
    """Make the directory, or see that who made it is this user and that no other can write there."""
    try:
        directory.mkdir(mode=_PRIVATE, exist_ok=True)
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
