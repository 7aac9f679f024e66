"""An OpenAI-compatible endpoint that waits instead of computing: a GPU elsewhere, whose answers are stored samples.

Run as `python -m benchmarks_perf.waiting_server SAMPLES.jsonl SECONDS`; prints its port. Each request is answered after
so many seconds with the next stored completion of its prompt, as one streamed event.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Waiting:
    """Stored completions by prompt, dealt out in turn."""

    def __init__(self, samples: Path, seconds: float) -> None:
        """Read samples of `prompt` and `completion`."""
        stored: defaultdict[str, list[str]] = defaultdict(list)
        for line in samples.read_text().splitlines():
            row = json.loads(line)
            stored[row["prompt"]].append(row["completion"])
        self._next: dict[str, Iterator[str]] = {prompt: itertools.cycle(texts) for prompt, texts in stored.items()}
        self._seconds = seconds

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, one after the other."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line
                )
                body = json.loads(await reader.readexactly(length))
                await asyncio.sleep(self._seconds)
                known = self._next.get(body["prompt"])
                writer.write(_answer(next(known) if known else "", streams=bool(body.get("stream"))))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has left
        finally:
            writer.close()


def _answer(text: str, *, streams: bool) -> bytes:
    usage = {"prompt_tokens": 1, "completion_tokens": max(1, len(text) // 4)}
    choice = {"index": 0, "text": text, "finish_reason": "stop"}
    events: list[dict[str, Any]] = [{"choices": [choice]}, {"choices": [], "usage": usage}]
    if streams:
        told = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    else:
        told = json.dumps({"choices": [choice], "usage": usage})
    data = told.encode()
    kind = "text/event-stream" if streams else "application/json"
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


async def main(samples: Path, seconds: float) -> None:
    """Serve until killed."""
    waiting = Waiting(samples, seconds)
    server = await asyncio.start_server(waiting.serve, "127.0.0.1", 0, limit=1 << 22)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2])))
