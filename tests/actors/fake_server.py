"""A small OpenAI-compatible server on 127.0.0.1: deterministic text from prompt and seed, in a thread.

It streams where it is asked to: each event is a chunk of its own on the wire.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REFUSED = "refuse this"
"""A prompt that holds this text is answered with status 400."""
CUT_OFF = "cut this off"
"""The stream of a prompt that holds this text breaks after its first piece: the connection is closed."""
PIECE_CHARACTERS = 6


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet per answer: headers and body apart wait for each other's acknowledgement
    disable_nagle_algorithm = True  # so do the pieces of a stream

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = body.get("prompt") or body["messages"][-1]["content"]
        if REFUSED in asked:
            self._send(400, {"error": {"message": "this prompt is refused"}})
            return
        digest = hashlib.sha256(f"{asked}{body.get('suffix', '')}/{body.get('seed')}".encode()).hexdigest()
        text = f"    return {digest[:12]!r}\n\ndef unwanted():"
        usage = {"prompt_tokens": len(asked), "completion_tokens": len(text)}
        if body.get("stream"):
            told = bool(body.get("stream_options", {}).get("include_usage"))
            self._stream(text, usage if told else None, is_cut_off=CUT_OFF in asked)
        else:
            choice = {"message": {"content": text}} if self._is_chat else {"text": text}
            self._send(200, {"choices": [choice | {"finish_reason": "length"}], "usage": usage})

    @property
    def _is_chat(self) -> bool:
        return self.path.endswith("/v1/chat/completions")

    def _stream(self, text: str, usage: dict[str, int] | None, *, is_cut_off: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in self._events(text, usage):
            data = f"data: {event}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.flush()
            if is_cut_off and text[:PIECE_CHARACTERS] in event:
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")

    def _events(self, text: str, usage: dict[str, int] | None) -> Iterator[str]:
        """As vLLM's: a chat begins with its role, the last piece has the reason, the usage stands alone."""
        pieces = [text[at : at + PIECE_CHARACTERS] for at in range(0, len(text), PIECE_CHARACTERS)]
        if self._is_chat:
            yield json.dumps({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
        for number, piece in enumerate(pieces, 1):
            choice: dict[str, Any] = {"delta": {"content": piece}} if self._is_chat else {"text": piece}
            choice |= {"index": 0, "finish_reason": "length" if number == len(pieces) else None}
            yield json.dumps({"choices": [choice], "usage": None})
        if usage:
            yield json.dumps({"choices": [], "usage": usage})
        yield "[DONE]"

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""


@contextmanager
def fake_server() -> Iterator[str]:
    """Start the server on a free port and give its base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()
