"""A streamed answer: server-sent events as they arrive, their times, and the Answer that they make up.

Bytes are split here and not by httpx's `aiter_lines`, which also ends a line at U+2028 and U+0085, and both may stand
inside a JSON string. Times are those of `vllm bench serve`: a piece of text arrives with the read that completes it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import httpx

from actors.openai_answers import Answer, said_in
from actors.openai_fields import AnswerError, Usage, finish_reason, generated_logprobs, one_line, storable
from benchmarks.problem import Prompt, TokenLogprob

DONE = b"[DONE]"
DRAIN_SECONDS = 1.0
"""How long the end of a response is waited for after its last event, so that the connection can be used again."""


class StreamBroken(Exception):
    """A stream that did not come to its end; another attempt may."""


class EventReader:
    """Splits bytes into server-sent events (WHATWG HTML, 9.2.6), however the network has cut them."""

    __slots__ = ("_data", "_kind", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._kind = b""
        self._data: bytes | None = None

    def feed(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """The events that this block completes, as (kind, data); kind is empty where none is told."""
        block = self._rest + block
        if b"\r" in block:
            # A line may end in CR, LF or both; a CR at the very end may have its LF in the next block.
            held = block[-1:] == b"\r"
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            block = block[:-1] + b"\r" if held else block
        *lines, self._rest = block.split(b"\n")
        events: list[tuple[bytes, bytes]] = []
        for line in lines:
            if line[:5] == b"data:":
                value = line[6:] if line[5:6] == b" " else line[5:]
                self._data = value if self._data is None else self._data + b"\n" + value
            elif not line:
                if self._data is not None:
                    events.append((self._kind, self._data))
                self._kind, self._data = b"", None
            elif line[:6] == b"event:":
                self._kind = line[6:].strip()
        return events

    def end(self) -> list[tuple[bytes, bytes]]:
        """What stood at the end of the stream without an empty line after it; some servers end so."""
        return self.feed(b"\n\n")


class Pieces:
    """What has arrived of one answer."""

    __slots__ = ("_is_chat", "_num_top", "_where", "arrived", "finish", "is_done", "logprobs", "texts", "usage")

    def __init__(self, prompt: Prompt, where: str) -> None:
        """Nothing has arrived yet."""
        self._is_chat = prompt.form == "chat"
        self._num_top = prompt.logprobs
        self._where = where
        self.texts: list[str] = []
        self.arrived: list[float] = []
        """When each piece of text or of reasoning came, by the clock of the reader."""
        self.finish: object = None
        self.usage: object = None
        self.logprobs: list[TokenLogprob] = []
        self.is_done = False

    @property
    def is_whole(self) -> bool:
        """Whether the server said that this is the end; a stream that just stops is not one."""
        return self.is_done or self.finish is not None

    def take(self, kind: bytes, data: bytes, now: float) -> None:
        """Add one event.

        Raises:
            StreamBroken: it tells of an error, or is not JSON.
            AnswerError: its text is none.
        """
        if data == DONE:
            self.is_done = True
            return
        try:
            chunk: Any = json.loads(data.decode())
        except ValueError:
            raise self._broken(f"an event is not JSON: {one_line(data.decode(errors='replace'))}") from None
        if not isinstance(chunk, dict) or chunk.get("error") or kind == b"error":
            raise self._broken(f"the server broke off: {said_in(chunk) or one_line(data.decode(errors='replace'))}")
        if (usage := chunk.get("usage")) is not None:
            self.usage = usage
        if choices := chunk.get("choices"):
            try:
                self._choose(choices[0], now)
            except (AttributeError, KeyError, TypeError):
                raise AnswerError(
                    f"{self._where}: an event is no piece of a completion: {one_line(str(chunk))}"
                ) from None

    def _choose(self, choice: dict[str, Any], now: float) -> None:
        holder = (choice.get("delta") or {}) if self._is_chat else choice
        text = holder.get("content" if self._is_chat else "text")
        if text:
            if not isinstance(text, str):
                raise AnswerError(f"{self._where}: a piece of text is a {type(text).__name__} and not a text")
            self.texts.append(text)
            self.arrived.append(now)
        elif self._is_chat and (holder.get("reasoning_content") or holder.get("reasoning")):
            self.arrived.append(now)
        if (reason := choice.get("finish_reason")) is not None:
            self.finish = reason
        if self._num_top is not None:
            self.logprobs.extend(generated_logprobs(choice.get("logprobs"), self._num_top))

    def answer(self, sent: float, now: float) -> Answer:
        """All of it, once the stream has ended.

        Raises:
            StreamBroken: it ended before the answer did.
            AnswerError: the server gave the generation up.
        """
        if not self.is_whole:
            raise self._broken("the stream ended before the answer did")
        first, last = (self.arrived[0], self.arrived[-1]) if self.arrived else (None, now)
        return Answer(
            text=storable("".join(self.texts)),
            finish_reason=finish_reason(self.finish, self._where),
            usage=Usage.read(self.usage),
            seconds=last - sent,
            ttft_seconds=None if first is None else first - sent,
            inter_token_seconds=tuple(after - before for before, after in pairwise(self.arrived)),
            logprobs=tuple(self.logprobs),
        )

    def _broken(self, reason: str) -> StreamBroken:
        return StreamBroken(f"{self._where}: {reason}")


def is_stream(response: httpx.Response) -> bool:
    """Whether the server streams; one that was asked to and does not answers with a document."""
    return "event-stream" in response.headers.get("content-type", "").lower()


async def read_stream(response: httpx.Response, prompt: Prompt, sent: float, clock: Callable[[], float]) -> Answer:
    """Read a streamed response to its end.

    Args:
        response: opened, nothing of its body read.
        prompt: what was asked.
        sent: when the request was sent, by `clock`.
        clock: seconds.

    Raises:
        StreamBroken: it ended before the answer did, or told of an error.
        AnswerError: what came is no completion, or the server gave the generation up.
        httpx.RequestError: the connection failed before the answer had ended.
    """
    events, pieces = EventReader(), Pieces(prompt, str(response.request.url))
    blocks = response.aiter_bytes()
    async for block in blocks:
        now = clock()
        for kind, data in events.feed(block):
            pieces.take(kind, data, now)
        if pieces.is_done:
            break
    else:
        for kind, data in events.end():
            pieces.take(kind, data, clock())
    answer = pieces.answer(sent, clock())
    # The answer is whole; how its connection ends says nothing about it.
    with suppress(TimeoutError, httpx.TransportError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in blocks:
                pass
    return answer
