"""Generates through any OpenAI-compatible endpoint (vLLM, SGLang, llama.cpp, hosted services).

One request per sample, each with its own seed: the same sample comes back whatever else is in flight, as far as the
server keeps its promise on seeds. Answers are streamed, so that the arrival of their tokens is seen. The API key is
read from the environment and appears in no error, log or repr.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from actors.generator import Sampling
from actors.openai_answers import Answer, error_message, form_of, read_answer
from actors.openai_fields import AnswerError
from actors.openai_requests import ROUTES, TRIALS, Dialect, request_body, trial_body
from actors.openai_stream import StreamBroken, is_stream, read_stream
from actors.options import GeneratorOptions
from actors.retry import LONGEST_ASKED_SECONDS, Clock, backoff_seconds, is_busy, is_retried, retry_after_seconds
from benchmarks.problem import Completion, Prompt, PromptForm
from runners.errors import UserError

CONNECT_SECONDS = 30.0
SHOWN_CHARACTERS = 400
"""Length of the errors that are kept; some servers answer with whole pages."""


class RequestFailed(Exception):
    """A request that failed for good; its text becomes the error of the completion."""


@dataclass(slots=True)
class _Key:
    """The API key, kept out of every text."""

    value: str = field(repr=False)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.value}"} if self.value else {}

    def hidden(self, text: str) -> str:
        """Take the key out of a text that came from elsewhere (servers repeat it in their errors), then shorten it."""
        safe = text.replace(self.value, "***") if self.value else text
        return safe if len(safe) <= SHOWN_CHARACTERS else safe[:SHOWN_CHARACTERS] + "..."


@dataclass(frozen=True, slots=True)
class _Reply:
    """One response, read to its end."""

    response: httpx.Response
    answer: Answer | None
    """None if the request was refused."""
    started_at: float
    """When it was sent, seconds since the epoch."""


class OpenAIGenerator:
    """A model behind an endpoint."""

    def __init__(
        self,
        url: str,
        model: str,
        options: GeneratorOptions,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Prepare connections; nothing is sent yet.

        Args:
            url: base URL as the server documents it, usually ending in /v1; routes are appended to it.
            model: name of the model on the server.
            options: concurrency, time limit, retries, extra fields.
            transport: in place of the network, for tests.
            clock: in place of the real time, for tests.

        Raises:
            UserError: the environment variable of the key holds what no header can.
        """
        self._url = httpx.URL(url)
        self._model = model
        self._options = options
        self._clock = clock or Clock()
        self._key = _read_key(options.api_key_env)
        self._slots = asyncio.Semaphore(options.concurrency)
        self._dialect = Dialect()
        self._client = httpx.AsyncClient(
            headers=self._key.headers(),
            timeout=httpx.Timeout(options.timeout_seconds, connect=min(CONNECT_SECONDS, options.timeout_seconds)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=options.concurrency),
            transport=transport,
        )

    async def check(self, form: PromptForm = "base") -> None:
        """Ask for one token before a run starts, without waiting; a server that is only busy passes.

        Raises:
            UserError: unreachable, not permitted, no such route or model, or a request it cannot read.
        """
        route, response = self._route(form), await self._first_contact(TRIALS[form])
        if not response.is_success and not is_busy(response.status_code):
            said = self._key.hidden(error_message(response)).rstrip(".")
            raise UserError(f"{route}: HTTP {response.status_code}: {said}. {self._cure(response.status_code, form)}")

    async def _first_contact(self, prompt: Prompt) -> httpx.Response:
        """Send one request, a second time if the connection breaks: servers drop idle ones.

        Raises:
            UserError: the server cannot be reached, or answers with something that is no completion.
        """

        def write(dialect: Dialect) -> dict[str, Any]:
            return trial_body(self._model, prompt, dialect, self._options.extra_body)

        try:
            try:
                return (await self._converse(prompt, write)).response
            except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError, StreamBroken):
                return (await self._converse(prompt, write)).response
        except httpx.RequestError as error:
            cure = "Is the server running, and is this the right host and port?"
            told = self._key.hidden(_reason(error))
            raise UserError(f"{self._route(prompt.form)}: not reachable ({told}). {cure}") from None
        except (AnswerError, StreamBroken) as error:
            told = self._key.hidden(str(error))
            raise UserError(f"{told} Is this the base URL of an OpenAI-compatible API?") from None

    async def generate(self, prompt: Prompt, sampling: Sampling, indexes: Sequence[int]) -> list[Completion]:
        """Complete one prompt once per index, as separate requests with the seed of each sample.

        They stand one behind the other in the queue, so a server that caches prefixes computes the prompt once.
        """
        called = self._clock.monotonic()
        return list(await asyncio.gather(*(self._sample(prompt, sampling, index, called) for index in indexes)))

    async def close(self) -> None:
        """Close the connections; may be called again."""
        await self._client.aclose()

    async def _sample(self, prompt: Prompt, sampling: Sampling, index: int, called: float) -> Completion:
        try:
            # A request keeps its slot while it waits to be made again: a server that is over its limits gets fewer.
            async with self._slots:
                queued = self._clock.monotonic() - called
                answer, started_at = await self._ask(prompt, sampling, sampling.seed_of(prompt, index))
            return answer.completion(prompt, started_at=started_at, queue_seconds=queued)
        except (RequestFailed, AnswerError) as error:
            told = self._key.hidden(str(error))
            return Completion(text="", form=form_of(prompt), finish_reason="error", error=told)

    async def _ask(self, prompt: Prompt, sampling: Sampling, seed: int) -> tuple[Answer, float]:
        """Send one request, again where that may help; the answer and when the request was sent that it belongs to.

        Raises:
            RequestFailed: refused, or failed in every attempt.
            AnswerError: answered with something that is no completion.
        """
        route = self._route(prompt.form)

        def write(dialect: Dialect) -> dict[str, Any]:
            return request_body(self._model, prompt, sampling, seed, dialect, self._options.extra_body)

        attempt = 0
        while True:
            asked = None
            try:
                reply = await self._converse(prompt, write)
                if reply.answer is not None:
                    return reply.answer, reply.started_at
                response = reply.response
                failure = f"{route}: HTTP {response.status_code}: {error_message(response)}"
                if not is_retried(response.status_code):
                    raise RequestFailed(failure)
                asked = retry_after_seconds(response.headers.get("retry-after"), self._clock.now())
            except StreamBroken as error:
                failure = str(error)
            except httpx.TransportError as error:
                failure = f"{route}: {_reason(error)}"
            except httpx.RequestError as error:
                raise RequestFailed(f"{route}: {_reason(error)}") from error
            await self._wait(attempt, seed, failure, asked)
            attempt += 1

    async def _converse(self, prompt: Prompt, write: Callable[[Dialect], dict[str, Any]]) -> _Reply:
        """Send one request in the words that this server takes; fewer at once where it refuses some.

        What it refused is remembered when it has taken the rest: only then was it about those words.

        Raises:
            httpx.RequestError, StreamBroken: no whole answer came.
            AnswerError: answered with something that is no completion.
        """
        dialect = self._dialect
        while True:
            body = write(dialect)
            reply = await self._exchange(prompt, body)
            if reply.answer is not None:
                self._dialect = self._dialect.and_also(dialect)
                return reply
            fewer = dialect.without(reply.response, body)
            if fewer is None:
                return reply
            dialect = fewer

    async def _exchange(self, prompt: Prompt, body: dict[str, Any]) -> _Reply:
        """Send one request and read its response to the end; raises as `_converse`."""
        clock = self._clock
        started_at, sent = clock.now(), clock.monotonic()
        async with self._client.stream("POST", self._route(prompt.form), json=body) as response:
            if response.is_success and is_stream(response):
                answer = await read_stream(response, prompt, sent, clock.monotonic)
                return _Reply(response, answer, started_at)
            await response.aread()
        answered = read_answer(response, prompt, clock.monotonic() - sent) if response.is_success else None
        return _Reply(response, answered, started_at)

    async def _wait(self, attempt: int, seed: int, failure: str, asked: float | None) -> None:
        """Wait before the next attempt, at least as long as the server asked for.

        Raises:
            RequestFailed: there is no next attempt.
        """
        if attempt >= self._options.max_retries:
            raise RequestFailed(f"given up after {attempt + 1} attempts: {failure}")
        if asked is not None and asked > LONGEST_ASKED_SECONDS:
            raise RequestFailed(f"the server asks to wait {asked:.0f} s, run again later: {failure}")
        await self._clock.sleep(max(asked or 0.0, backoff_seconds(attempt, seed)))

    def _route(self, form: PromptForm) -> httpx.URL:
        return self._url.copy_with(path=f"{self._url.path.rstrip('/')}/{ROUTES[form]}")

    def _cure(self, status: int, form: PromptForm) -> str:
        """What to do about a status of the first contact."""
        name = self._options.api_key_env
        if status in (401, 403):
            state = f"The key in {name} was not accepted" if self._key.value else f"Put the API key in {name}"
            return f"{state} (another variable: --set model.api_key_env=NAME)."
        if status == 404:
            path = self._url.path.rstrip("/")
            hint = "" if path.endswith("/v1") else f" Did you mean {self._url.copy_with(path=path + '/v1')}?"
            return f"Either the URL is not the base of the API or the server has no model '{self._model}'.{hint}"
        if status >= 500:
            return "The server is broken; its log says more."
        if status < 400:
            return "Give the URL that it redirects to."
        if form == "fim":
            return (
                "To fill gaps the server must take a suffix; vLLM's does not, but the kinds transformers and vllm do."
            )
        return "Fields can be added, changed or taken out (null): --set model.extra_body.FIELD=VALUE"


def _read_key(variable: str) -> _Key:
    """Read the key.

    Raises:
        UserError: it holds characters that no HTTP header can carry.
    """
    value = os.environ.get(variable, "").strip()
    if not (value.isascii() and value.isprintable()):
        raise UserError(f"the environment variable {variable} holds characters that no API key has; set it again")
    return _Key(value)


def _reason(error: httpx.RequestError) -> str:
    """One line: httpx leaves the text of most time-outs empty."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
