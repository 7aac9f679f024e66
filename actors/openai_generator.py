"""Generates through any OpenAI-compatible endpoint (vLLM, SGLang, llama.cpp, hosted services).

One request per sample, each with its own seed: the same sample comes back whatever else is in flight, as far as the
server keeps its promise on seeds. The API key is read from the environment and appears in no error, log or repr.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from actors.generator import Sampling
from actors.models import GeneratorOptions
from actors.openai_answers import Answer, AnswerError, error_message, read_answer
from actors.retry import LONGEST_ASKED_SECONDS, Clock, backoff_seconds, is_busy, is_retried, retry_after_seconds
from benchmarks.problem import Completion, CompletionForm, Prompt, PromptForm
from runners.errors import UserError

MAX_PORTABLE_STOPS = 4
"""OpenAI itself takes no more stop sequences than this; most servers do."""
CONNECT_SECONDS = 30.0
SHOWN_CHARACTERS = 400
"""Length of the errors that are kept; some servers answer with whole pages."""
ROUTES: dict[PromptForm, str] = {"base": "completions", "chat": "chat/completions"}


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
        self._max_stops: int | None = None
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
        route = self._route(form)
        asked = {"prompt": "#"} if form == "base" else {"messages": [{"role": "user", "content": "Say yes."}]}
        body = {"model": self._model, **asked, "max_tokens": 1} | self._options.extra_body
        response = await self._first_contact(route, _without_nulls(body))
        if response.is_success:
            self._check_answer(response, form)
        elif not is_busy(response.status_code):
            said = self._key.hidden(error_message(response)).rstrip(".")
            raise UserError(f"{route}: HTTP {response.status_code}: {said}. {self._cure(response.status_code)}")

    async def _first_contact(self, route: httpx.URL, body: dict[str, Any]) -> httpx.Response:
        """Send one request, a second time if the connection breaks: servers drop idle ones.

        Raises:
            UserError: the server cannot be reached.
        """
        try:
            try:
                return await self._client.post(route, json=body)
            except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                return await self._client.post(route, json=body)
        except httpx.RequestError as error:
            cure = "Is the server running, and is this the right host and port?"
            raise UserError(f"{route}: not reachable ({self._key.hidden(_reason(error))}). {cure}") from None

    def _check_answer(self, response: httpx.Response, form: PromptForm) -> None:
        try:
            read_answer(response, form, 0.0)
        except AnswerError as error:
            told = self._key.hidden(str(error))
            raise UserError(f"{told} Is this the base URL of an OpenAI-compatible API?") from None

    async def generate(self, prompt: Prompt, sampling: Sampling, indexes: Sequence[int]) -> list[Completion]:
        """Complete one prompt once per index, as separate requests with the seed of each sample."""
        return list(await asyncio.gather(*(self._sample(prompt, sampling, index) for index in indexes)))

    async def close(self) -> None:
        """Close the connections; may be called again."""
        await self._client.aclose()

    async def _sample(self, prompt: Prompt, sampling: Sampling, index: int) -> Completion:
        form: CompletionForm = "completion" if prompt.form == "base" else "chat"
        try:
            # A request keeps its slot while it waits to be made again: a server that is over its limits gets fewer.
            async with self._slots:
                answer = await self._ask(prompt, sampling, sampling.seed_of(prompt, index))
        except (RequestFailed, AnswerError) as error:
            return Completion(text="", form=form, finish_reason="error", error=self._key.hidden(str(error)))
        return answer.completion(form, prompt.stop)

    async def _ask(self, prompt: Prompt, sampling: Sampling, seed: int) -> Answer:
        """Send one request, again where that may help.

        Raises:
            RequestFailed: refused, or failed in every attempt.
            AnswerError: answered with something that is no completion.
        """
        route = self._route(prompt.form)
        attempt = 0
        while True:
            num_stops = len(prompt.stop) if self._max_stops is None else self._max_stops
            body = self._body(prompt, sampling, seed, num_stops)
            began = self._clock.monotonic()
            try:
                response = await self._client.post(route, json=body)
            except httpx.TransportError as error:
                response, failure, asked = None, f"{route}: {_reason(error)}", None
            except httpx.RequestError as error:
                raise RequestFailed(f"{route}: {_reason(error)}") from error
            if response is not None:
                if response.is_success:
                    return read_answer(response, prompt.form, self._clock.monotonic() - began)
                if _refuses_stops(response) and num_stops > MAX_PORTABLE_STOPS:
                    self._max_stops = MAX_PORTABLE_STOPS
                    continue
                failure = f"{route}: HTTP {response.status_code}: {error_message(response)}"
                if not is_retried(response.status_code):
                    raise RequestFailed(failure)
                asked = retry_after_seconds(response.headers.get("retry-after"), self._clock.now())
            await self._wait(attempt, seed, failure, asked)
            attempt += 1

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

    def _body(self, prompt: Prompt, sampling: Sampling, seed: int, num_stops: int) -> dict[str, Any]:
        """The request; extra_body has the last word, and its nulls take fields out."""
        body: dict[str, Any] = {
            "model": self._model,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": seed,
        }
        if prompt.form == "base":
            body["prompt"] = prompt.text
        else:
            body["messages"] = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
        if sampling.top_k:
            body["top_k"] = sampling.top_k
        if prompt.stop and num_stops:
            body["stop"] = list(prompt.stop[:num_stops])
        return _without_nulls(body | self._options.extra_body)

    def _route(self, form: PromptForm) -> httpx.URL:
        return self._url.copy_with(path=f"{self._url.path.rstrip('/')}/{ROUTES[form]}")

    def _cure(self, status: int) -> str:
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


def _refuses_stops(response: httpx.Response) -> bool:
    return response.status_code == httpx.codes.BAD_REQUEST and "stop" in response.text.lower()


def _reason(error: httpx.RequestError) -> str:
    """One line: httpx leaves the text of most time-outs empty."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _without_nulls(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}
