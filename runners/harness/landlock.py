"""Landlock: a process gives up the file tree, TCP, and signals to others, for good and without any privilege.

Constants and structures are those of linux/landlock.h. What a kernel can hold is told by its ABI version: 1 (Linux
5.13) files, 2 renames between folders, 3 (6.2) truncation, 4 (6.7) TCP, 5 (6.10) devices' ioctl, 6 (6.12) signals and
abstract unix sockets. In no version it holds chmod, utime, stat, chdir and locks: seccomp must refuse what of these
matters.
"""

# pathlib would cost each start of a program 10 ms:
# ruff: noqa: PTH110, PTH112

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Mapping

TRUNCATION, TCP, SCOPES = 3, 4, 6
"""The first ABI that holds each."""

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same number on every machine
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_NUM_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_MOST_FILE_RIGHTS = 16
_ALL_TCP = 3
_ALL_SCOPES = 3

READ = _EXECUTE | _READ_FILE | _READ_DIR
"""Read and execute."""
DEVICE = _READ_FILE | _WRITE_FILE
WRITE = (1 << _MOST_FILE_RIGHTS) - 1 - _IOCTL
"""All that can be done with files and folders."""

_CAUSES = {
    errno.ENOSYS: "this kernel has no Landlock (Linux 5.13 or newer, CONFIG_SECURITY_LANDLOCK=y), or the container's "
    "seccomp profile is too old to know it (Docker's knows it since 20.10.18, containerd's since 2022)",
    errno.EOPNOTSUPP: "Landlock was disabled when this kernel started; add it to the boot parameter `lsm=`",
    errno.EPERM: "the container's seccomp profile refuses landlock_create_ruleset; Docker's allows it since 20.10.18, "
    "containerd's since 2022",
}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def abi_version() -> int:
    """The ABI of this kernel, at least 1.

    Raises:
        OSError: there is no Landlock; the text says why and what to change.
    """
    abi = _libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    if abi < 1:
        number = ctypes.get_errno()
        raise OSError(number, _CAUSES.get(number, os.strerror(number)))
    return int(abi)


def make_ruleset(abi: int, beneath: Mapping[str, int]) -> int:
    """A descriptor of the ruleset that refuses all that `abi` knows but for the rights given beneath paths.

    Raises:
        OSError: a path cannot be opened, or the kernel does not take the ruleset.
    """
    handled = (1 << _NUM_FILE_RIGHTS.get(abi, _MOST_FILE_RIGHTS)) - 1
    tcp, scopes = _ALL_TCP * (abi >= TCP), _ALL_SCOPES * (abi >= SCOPES)
    attributes = struct.pack("QQQ", handled, tcp, scopes)  # zeros at its end are as good as a shorter structure
    ruleset = _checked(_libc.syscall(_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)))
    try:
        for path, rights in beneath.items():
            _allow(ruleset, path, rights & handled)
    except OSError:
        os.close(ruleset)
        raise
    return ruleset


def restrict(ruleset: int) -> None:
    """Put this thread and all its future children under a ruleset; needs no_new_privs.

    Raises:
        OSError: the kernel refuses.
    """
    _checked(_libc.syscall(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0)))


def existing(paths: Iterable[str], rights: int) -> dict[str, int]:
    """The same rights for each path that there is."""
    return {path: rights for path in paths if os.path.exists(path)}


def _allow(ruleset: int, path: str, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):
            rights &= _ON_FILES
        rule = struct.pack("=Qi", rights, place)
        _checked(_libc.syscall(_ADD, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint32(0)))
    finally:
        os.close(place)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}")
    return result
