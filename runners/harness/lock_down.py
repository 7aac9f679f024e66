"""What a child of the zygote gives up before the first untrusted instruction: descriptors, limits, identity, calls.

Each page of memory that a child writes is copied for it, which costs more than a system call. So the zygote prepares
all calls with their arguments, and a child only goes through the list.
"""

import ctypes
import os
import resource
import signal
import struct
from collections.abc import Callable, Sequence

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
SECCOMP_MODE_FILTER = 2
CLONE_NEWUSER = 0x10000000
CAPABILITY_VERSION_3 = 0x20080522
SYS_CLOSE_RANGE = 436  # on every architecture
CHANNEL = 3
"""Number of the channel's descriptor in a child."""
_ALL = 0xFFFFFFFF
_ASIDE = 250
"""From here on descriptor numbers that nothing else has."""
_LIMITED = (
    resource.RLIMIT_CPU,
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_NOFILE,
    resource.RLIMIT_NPROC,
    resource.RLIMIT_STACK,
    resource.RLIMIT_AS,
)
"""In the order of `zygote_protocol.REQUEST`."""
_ZERO = (resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK, resource.RLIMIT_MSGQUEUE, resource.RLIMIT_RTPRIO)
_ROUNDS = 20
Call = tuple[Callable[..., int], tuple[int | bytes, ...]]

_libc = ctypes.CDLL(None, use_errno=True)
_WORD, _POINTER = ctypes.c_ulong, ctypes.c_void_p
_libc.prlimit.argtypes = (ctypes.c_int, ctypes.c_int, _POINTER, _POINTER)
_libc.capset.argtypes = (_POINTER, _POINTER)
_libc.prctl.argtypes = (ctypes.c_int, _WORD, _WORD, _WORD, _WORD)
_libc.syscall.argtypes = (ctypes.c_long, _WORD, _WORD, _WORD)
_libc.write.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)


class FilterProgram(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def checked(result: int) -> int:
    """The result of a libc call.

    Raises:
        OSError: it failed.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def call_all(calls: Sequence[Call]) -> None:
    """Make one call after the other.

    Raises:
        OSError: one failed; the child must end.
    """
    for function, arguments in calls:
        if function(*arguments) < 0:
            checked(-1)


class LockDown:
    """Knows the calls that one zygote's children make."""

    def __init__(self, policy: bytes, ready: int) -> None:
        """Set what zygote and children have in common.

        Args:
            policy: the seccomp program.
            ready: descriptor to which each child writes one byte when all but the last step is done.

        Raises:
            OSError: the kernel refuses.
        """
        for limit in _ZERO:
            resource.setrlimit(limit, (0, 0))
        self._limits: tuple[int, ...] = ()
        self._rlimits = (_WORD * (2 * len(_LIMITED)))()
        self._set_limits: list[Call] = []
        self._filter = FilterProgram(len(policy) // 8, policy)
        self._capabilities = ctypes.create_string_buffer(struct.pack("Ii24x", CAPABILITY_VERSION_3, 0))
        header = ctypes.addressof(self._capabilities)
        self._ready = (_libc.write, (ready, b"r", 1))
        self._last: list[Call] = [
            (_libc.capset, (header, header + 8)),
            (_libc.prctl, (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)),
            (_libc.prctl, (PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)),
        ]
        self._filter_calls = (_libc.prctl, (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(self._filter), 0, 0))
        for _ in range(_ROUNDS):  # until the interpreter has adapted
            call_all([(_libc.getpid, ())])

    def calls(self, uid: int, limits: tuple[int, ...], descriptors: Sequence[int]) -> list[Call]:
        """What a child has to do to keep nothing but its descriptors.

        Args:
            uid: also its gid.
            limits: cpu seconds, file bytes, open files, processes, stack bytes, address space (0: none).
            descriptors: channel, stdout, stderr and perhaps more; they become 3, 1, 2 and 4, 5 ...
        """
        if limits != self._limits:
            self._limits = limits
            self._set_limits = self._limit(limits)
        channel, out, err, *more = descriptors
        aside = range(_ASIDE, _ASIDE + len(more))
        moves: list[Call] = [(_libc.dup3, (each, at, os.O_CLOEXEC)) for each, at in zip(more, aside, strict=True)]
        moves += [(_libc.dup2, (out, 1)), (_libc.dup2, (err, 2)), (_libc.dup3, (channel, CHANNEL, os.O_CLOEXEC))]
        moves += [(_libc.dup3, (at, CHANNEL + 1 + index, os.O_CLOEXEC)) for index, at in enumerate(aside)]
        ids = (uid, uid, uid)
        return [
            *moves,
            *self._set_limits,
            (_libc.setresgid, ids),
            (_libc.setresuid, ids),
            *self._last,
            self._ready,
            (_libc.syscall, (SYS_CLOSE_RANGE, CHANNEL + 1 + len(more), _ALL, 0)),
            self._filter_calls,
        ]

    def _limit(self, limits: tuple[int, ...]) -> list[Call]:
        """Calls that set the rlimits, hard and soft alike."""
        start, size = ctypes.addressof(self._rlimits), 2 * ctypes.sizeof(_WORD)
        calls: list[Call] = []
        for index, (limit, value) in enumerate(zip(_LIMITED, limits, strict=True)):
            self._rlimits[2 * index] = self._rlimits[2 * index + 1] = value
            if value or limit != resource.RLIMIT_AS:
                calls.append((_libc.prlimit, (0, limit, start + size * index, 0)))
        return calls


def own_user_namespace(uid: int, proc: int) -> None:
    """Where only one uid is mapped, a namespace below gives the child another number for it.

    Args:
        uid: the number.
        proc: descriptor of /proc.

    Raises:
        OSError: the kernel refuses.
    """
    checked(_libc.unshare(CLONE_NEWUSER))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} 0 1"), ("gid_map", f"{uid} 0 1")):
        file = os.open(f"self/{name}", os.O_WRONLY, dir_fd=proc)
        os.write(file, text.encode())
        os.close(file)
