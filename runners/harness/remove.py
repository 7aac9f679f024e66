"""Remove what a program left in its folder, however deep and however much: hostile ones make `shutil.rmtree` fail."""

# pathlib would cost each start of a program 10 ms:
# ruff: noqa: PTH106

from __future__ import annotations

import os

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(directory: str) -> None:
    """Remove a folder with all that is left in it; no program that may write to it may live any more.

    Raises:
        OSError: it cannot be removed.
    """
    here = os.open(directory, _FOLDER)
    try:
        left = [_clear(here)]  # from the top down to `here`: the folders that are not empty yet
        while left:
            if left[-1]:
                here = _go(here, left[-1][-1])
                left.append(_clear(here))
            else:
                left.pop()
                if left:
                    here = _go(here, "..")
                    os.rmdir(left[-1].pop(), dir_fd=here)
    finally:
        os.close(here)
    os.rmdir(directory)


def _clear(here: int) -> list[str]:
    """Remove the files and the empty folders of a folder; the names of the others."""
    left = []
    for name in os.listdir(here):
        try:
            os.unlink(name, dir_fd=here)
        except IsADirectoryError:
            try:
                os.rmdir(name, dir_fd=here)
            except OSError:  # not empty, or closed to us until `_go` opens it
                left.append(name)
    return left


def _go(here: int, name: str) -> int:
    """Open a folder beside this one, which is closed, and see that we may change it whatever its modes."""
    if os.stat(name, dir_fd=here, follow_symlinks=False).st_mode & 0o700 != 0o700:
        os.chmod(name, 0o700, dir_fd=here)
    there = os.open(name, _FOLDER, dir_fd=here)
    os.close(here)
    return there
