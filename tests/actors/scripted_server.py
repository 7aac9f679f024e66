"""A server for tests that answers from a script, whole or as a stream, and whose clock moves only by the script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from actors.generator import Sampling
from actors.openai_generator import OpenAIGenerator
from actors.options import GeneratorOptions
from actors.retry import Clock
from benchmarks.problem import Completion, Prompt

URL = "http://server.test/v1"
NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
PROMPT = Prompt(task_id="T/0", form="base", text="def f():")
SAMPLING = Sampling(temperature=0.5, top_p=0.9, max_tokens=32, seed=7)


@dataclass(frozen=True)
class Streamed:
    """What comes over the wire, each as (seconds since what came before, bytes or what breaks the connection)."""

    script: Sequence[tuple[float, bytes | Exception]]


Reply = httpx.Response | Exception | Streamed


class Server:
    """Answers requests in order; the last answer is repeated. A request takes one second, and waits take none."""

    def __init__(self, *answers: Reply) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []
        self.time = 0.0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer as the transport of httpx."""
        self.requests.append(request)
        self.time += 1.0
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Streamed):
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=_Wire(self, answer))
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """JSON of all requests so far."""
        return [json.loads(request.content) for request in self.requests]

    async def sleep(self, seconds: float) -> None:
        """Note a wait and do not wait."""
        self.slept.append(seconds)

    def generator(self, url: str = URL, **options: Any) -> OpenAIGenerator:
        """A generator that talks to this server and reads its clock."""
        clock = Clock(now=lambda: NOW + self.time, monotonic=lambda: self.time, sleep=self.sleep)
        transport = httpx.MockTransport(self)
        return OpenAIGenerator(url, "org/name", GeneratorOptions(**options), transport=transport, clock=clock)

    def ask(self, prompt: Prompt = PROMPT, **options: Any) -> Completion:
        """One sample of a new generator."""
        return asyncio.run(self.generator(**options).generate(prompt, SAMPLING, [0]))[0]

    def check(self, url: str = URL, **options: Any) -> None:
        """First contact of a new generator."""
        asyncio.run(self.generator(url, **options).check())


@dataclass(frozen=True)
class _Wire(httpx.AsyncByteStream):
    server: Server
    streamed: Streamed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for seconds, part in self.streamed.script:
            self.server.time += seconds
            if isinstance(part, Exception):
                raise part
            yield part


def text(value: str, finish_reason: str | None = "stop") -> httpx.Response:
    """A completion that comes as one document."""
    return httpx.Response(200, json={"choices": [{"text": value, "finish_reason": finish_reason}]})


def refusal(status: int, message: str = "no", **headers: str) -> httpx.Response:
    """An error in OpenAI's form."""
    return httpx.Response(status, json={"error": {"message": message}}, headers=headers)


def event(body: dict[str, Any] | str) -> bytes:
    """A server-sent event."""
    return f"data: {body if isinstance(body, str) else json.dumps(body)}\n\n".encode()


def piece(value: str, finish_reason: str | None = None, **more: Any) -> bytes:
    """An event with a piece of a completion."""
    return event({"choices": [{"index": 0, "text": value, "finish_reason": finish_reason, **more}]})


def delta(finish_reason: str | None = None, **fields: Any) -> bytes:
    """An event with a piece of a chat message."""
    return event({"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]})


def usage(**counts: Any) -> bytes:
    """The event that tells the token counts."""
    return event({"choices": [], "usage": counts})


DONE = event("[DONE]")


def stream(*parts: bytes | Exception, gap_seconds: float = 0.25) -> Streamed:
    """Parts that come one after the other, each so long after the one before."""
    return Streamed([(gap_seconds, part) for part in parts])
