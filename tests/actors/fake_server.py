"""A small OpenAI-compatible server on 127.0.0.1: deterministic text from prompt and seed, in a thread."""

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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet per answer: headers and body apart wait for each other's acknowledgement

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = body.get("prompt") or body["messages"][-1]["content"]
        if REFUSED in asked:
            self._send(400, {"error": {"message": "this prompt is refused"}})
            return
        digest = hashlib.sha256(f"{asked}/{body.get('seed')}".encode()).hexdigest()
        text = f"    return {digest[:12]!r}\n\ndef unwanted():"
        choice = {"text": text} if self.path.endswith("/v1/completions") else {"message": {"content": text}}
        usage = {"prompt_tokens": len(asked), "completion_tokens": len(text)}
        self._send(200, {"choices": [choice | {"finish_reason": "length"}], "usage": usage})

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
