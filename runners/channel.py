"""Messages between the supervisor and the jail: length-prefixed JSON.

On the way in they are flat objects of bounded size, and never trusted.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

MAX_MESSAGE_BYTES = 1 << 14
"""Above the longest message of the harness: an error of 300 characters, each escaped."""
_LENGTH = struct.Struct("!I")


class ProtocolError(Exception):
    """The untrusted side sent bytes that are no message of ours."""


class Channel:
    """The supervisor's end of the socket: buffered, non-blocking in both directions."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._inbox = bytearray()
        self._outbox = memoryview(b"")

    def fileno(self) -> int:
        """File descriptor to poll."""
        return self._sock.fileno()

    @property
    def wants_to_write(self) -> bool:
        """Whether bytes wait to be sent."""
        return bool(self._outbox)

    def put(self, message: dict[str, Any]) -> None:
        """Queue one message; `flush` sends it."""
        data = json.dumps(message).encode()
        self._outbox = memoryview(bytes(self._outbox) + _LENGTH.pack(len(data)) + data)

    def flush(self) -> None:
        """Send what the socket takes now; a reader that is gone is not an error (its death is seen elsewhere)."""
        try:
            while self._outbox:
                self._outbox = self._outbox[self._sock.send(self._outbox) :]
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            self._outbox = memoryview(b"")

    def receive(self) -> tuple[list[dict[str, Any]], bool]:
        """All complete messages that have arrived, and whether the other end has closed.

        Raises:
            ProtocolError: a message is too long, is not JSON or is not an object of plain values.
        """
        closed = False
        try:
            chunk = self._sock.recv(1 << 16)
            closed = not chunk
            self._inbox += chunk
        except BlockingIOError:
            pass
        except ConnectionResetError:
            closed = True
        return self._messages(), closed

    def _messages(self) -> list[dict[str, Any]]:
        messages = []
        while len(self._inbox) >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._inbox)
            if size > MAX_MESSAGE_BYTES:
                raise ProtocolError(f"message of {size} bytes")
            if len(self._inbox) < _LENGTH.size + size:
                break
            messages.append(_decode(bytes(self._inbox[_LENGTH.size : _LENGTH.size + size])))
            del self._inbox[: _LENGTH.size + size]
        return messages


def _decode(data: bytes) -> dict[str, Any]:
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("message is not JSON") from error
    if not isinstance(message, dict):
        raise ProtocolError("message is not an object")
    if not all(value is None or isinstance(value, str | int | float) for value in message.values()):
        raise ProtocolError("message holds more than plain values")
    return message
