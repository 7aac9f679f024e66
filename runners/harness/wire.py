"""What both halves of judge=split share: framed messages over one socket, and how a failure is named.

The judge sends one byte that says what it wants, then (`C`all) the name, a NUL and the encoded `[args, kwargs]`, or
(`N`ames) an encoded list of names, or (`G`et) a name. The program answers each with one encoded list:

    ["loaded"]  ["failed", kind, error]             unasked, once, after the program was executed
    ["names", callables, values]                    which of the names are defined, and as what
    ["value", value]  ["value", value, [args, kwargs]]      the latter if an argument was changed in place
    ["raise", class, [args], name]  or with [args, kwargs]  the nearest builtin class, its arguments, the real name
    ["unsendable", what]  or with [args, kwargs]    the result is no plain data

`kwargs` is flat: name, value, name, value.
"""

from __future__ import annotations

import os

from runners.harness.codec import MAX_MESSAGE_BYTES, Garbage

MAX_ERROR_CHARS = 300
CALL, NAMES, GET = b"C", b"N", b"G"
_CHUNK = 1 << 16

_KINDS = (
    ("memory_limit", MemoryError),
    ("timeout", TimeoutError),
    ("wrong_answer", AssertionError),
)


class Ended(Exception):
    """The other process is gone."""


class Wire:
    """Messages over one end of a stream socket: 4 bytes of length, then that many bytes."""

    def __init__(self, fd: int) -> None:
        """Use a connected, blocking stream socket by its number; it is not closed here."""
        self._fd = fd

    def send(self, data: bytes) -> None:
        """Write one message.

        Raises:
            Ended: nobody will read it.
        """
        rest = memoryview(len(data).to_bytes(4, "big") + data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Ended from error

    def receive(self) -> bytes:
        """Read one message. The sides take turns, so nothing may follow it.

        Raises:
            Ended: the other side is closed.
            Garbage: too long, or followed by more.
        """
        data = self._read()
        while len(data) < 4:
            data += self._read()
        size = int.from_bytes(data[:4], "big")
        if size > MAX_MESSAGE_BYTES:
            raise Garbage(f"message of {size} bytes")
        if len(data) == size + 4:
            return data[4:]
        parts = bytearray(data)
        while len(parts) < size + 4:
            parts += self._read()
        if len(parts) > size + 4:
            raise Garbage("more than one message")
        return bytes(memoryview(parts)[4:])

    def _read(self) -> bytes:
        try:
            data = os.read(self._fd, _CHUNK)
        except ConnectionResetError as error:
            raise Ended from error
        if not data:
            raise Ended
        return data


def describe(error: BaseException) -> str:
    """Type and text of an exception in one bounded line, whatever its __str__ does."""
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:
        text = "exception that cannot be printed"
    return bounded(text)


def bounded(text: str) -> str:
    """The beginning of a text, without lone surrogates."""
    return text[:MAX_ERROR_CHARS].encode("utf-8", "replace").decode()


def kind_of(error: BaseException) -> str:
    """The status that an exception stands for."""
    for kind, cls in _KINDS:
        if issubclass(type(error), cls):
            return kind
    return "runtime_error"
