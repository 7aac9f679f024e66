"""Messages from the untrusted side: framed, bounded, flat."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator

import pytest

from runners.channel import MAX_MESSAGE_BYTES, Channel, ProtocolError


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    """Our end, and the raw socket of the other side."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours), theirs


def frame(data: bytes) -> bytes:
    """The bytes of one message."""
    return struct.pack("!I", len(data)) + data


def test_messages_arrive_in_order(ends: tuple[Channel, socket.socket]) -> None:
    """Several messages that arrive at once are told apart."""
    channel, other = ends
    other.sendall(frame(b'{"a": 1}') + frame(b'{"b": null}'))
    assert channel.receive() == ([{"a": 1}, {"b": None}], False)


def test_message_may_arrive_in_pieces(ends: tuple[Channel, socket.socket]) -> None:
    """A message counts once its last byte is there."""
    channel, other = ends
    data = frame(b'{"a": "\\ud800"}')
    for byte in data[:-1]:
        other.sendall(bytes([byte]))
        assert channel.receive() == ([], False)
    other.sendall(data[-1:])
    assert channel.receive() == ([{"a": "\ud800"}], False)


def test_nothing_to_read_is_no_message(ends: tuple[Channel, socket.socket]) -> None:
    """An empty socket neither blocks nor fails."""
    assert ends[0].receive() == ([], False)


def test_end_is_told(ends: tuple[Channel, socket.socket]) -> None:
    """The other side's end is told with its last messages or after them; half a message is dropped."""
    channel, other = ends
    other.sendall(frame(b"{}") + b"\0\0")
    other.close()
    assert channel.receive()[0] == [{}]
    assert channel.receive() == ([], True)


GARBAGE = {
    "oversize": struct.pack("!I", MAX_MESSAGE_BYTES + 1),
    "bytes": frame(b"\xff\xfe\0"),
    "text": frame(b"passed"),
    "empty": frame(b""),
    "list": frame(b"[1]"),
    "number": frame(b"1"),
    "nested object": frame(b'{"a": {}}'),
    "nested list": frame(b'{"test": [0]}'),
    "deep": frame(b"[" * 8000 + b"]" * 8000),
    "deep object": frame(b'{"a":' * 2000 + b"1" + b"}" * 2000),
    "huge number": frame(b'{"a": ' + b"9" * 10_000 + b"}"),
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_a_protocol_error(ends: tuple[Channel, socket.socket], data: bytes) -> None:
    """Whatever is no flat object of bounded size is refused by one kind of error."""
    channel, other = ends
    other.sendall(data)
    with pytest.raises(ProtocolError):
        channel.receive()


def test_longest_message_is_taken(ends: tuple[Channel, socket.socket]) -> None:
    """The bound itself is within bounds."""
    channel, other = ends
    text = "x" * (MAX_MESSAGE_BYTES - len('{"a": ""}'))
    other.sendall(frame(json.dumps({"a": text}).encode()))
    assert channel.receive() == ([{"a": text}], False)


def test_long_message_is_sent_as_the_reader_takes_it(ends: tuple[Channel, socket.socket]) -> None:
    """Sending never blocks; what the socket does not take waits for the next flush."""
    channel, other = ends
    message = {"source": "x" * 3_000_000}
    channel.put(message)
    channel.flush()
    assert channel.wants_to_write
    received = b""
    while channel.wants_to_write:
        received += other.recv(1 << 20)
        channel.flush()
    other.setblocking(False)
    while len(received) < 4 + struct.unpack("!I", received[:4])[0]:
        received += other.recv(1 << 20)
    assert json.loads(received[4:]) == message


def test_reader_that_is_gone_is_no_error(ends: tuple[Channel, socket.socket]) -> None:
    """What cannot be delivered any more is dropped: the death of the other side is seen elsewhere."""
    channel, other = ends
    other.close()
    channel.put({"a": 1})
    channel.flush()
    assert not channel.wants_to_write
