"""A stream of any length, kept as its two ends."""

from __future__ import annotations


class Tail:
    """The first and the last bytes of a stream, in bounded memory, and how long it was."""

    def __init__(self, kept_bytes: int) -> None:
        self._half = max(kept_bytes // 2, 1)
        self._head, self._tail = bytearray(), bytearray()
        self.total_bytes = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self.total_bytes += len(data)
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:] if room > 0 else data
        if len(self._tail) > 2 * self._half:
            del self._tail[: -self._half]

    def text(self) -> str:
        """What was kept, as text that is safe to store: undecodable bytes and NULs replaced."""
        tail = self._tail[-self._half :]
        dropped = self.total_bytes - len(self._head) - len(tail)
        middle = f"\n... {dropped} bytes left out ...\n".encode() if dropped else b""
        return (bytes(self._head) + middle + bytes(tail)).decode("utf-8", "replace").replace("\0", "\ufffd")
