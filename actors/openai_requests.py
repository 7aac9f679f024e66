"""What is asked of an OpenAI-compatible server: the body of a request, in the words that this server takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx

from actors.generator import Sampling
from benchmarks.problem import Message, Prompt, PromptForm

MAX_PORTABLE_STOPS = 4
"""OpenAI itself takes no more stop sequences than this; most servers do."""
TRIALS: dict[PromptForm, Prompt] = {
    "base": Prompt(task_id="", form="base", text="#"),
    "fim": Prompt(task_id="", form="fim", text="#", suffix="\n"),
    "chat": Prompt(task_id="", form="chat", messages=(Message(role="user", content="Say yes."),)),
}
"""What is asked before a run."""
ROUTES: dict[PromptForm, str] = {"base": "completions", "fim": "completions", "chat": "chat/completions"}
REFUSALS = frozenset({httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a server takes, as far as is known; it only ever becomes less."""

    streams: bool = True
    tells_usage: bool = True
    """Whether it knows `stream_options`, without which most streams do not tell the token counts."""
    max_stops: int | None = None
    """None for any number."""

    def without(self, response: httpx.Response, body: Mapping[str, Any]) -> Dialect | None:
        """What to ask for instead after a refusal; None where it was about something else.

        Args:
            response: the refusal, read.
            body: what was refused.
        """
        if response.status_code not in REFUSALS:
            return None
        said = response.text.lower()
        if self.streams and self.tells_usage and "stream_options" in body and "stream_options" in said:
            return replace(self, tells_usage=False)
        if self.streams and "stream" in body and "stream" in said:
            return replace(self, streams=False)
        if self.max_stops is None and "stop" in said and len(body.get("stop") or ()) > MAX_PORTABLE_STOPS:
            return replace(self, max_stops=MAX_PORTABLE_STOPS)
        return None

    def and_also(self, other: Dialect) -> Dialect:
        """What is left by both."""
        return Dialect(
            streams=self.streams and other.streams,
            tells_usage=self.tells_usage and other.tells_usage,
            max_stops=other.max_stops if self.max_stops is None else self.max_stops,
        )


def request_body(
    model: str, prompt: Prompt, sampling: Sampling, seed: int, dialect: Dialect, extra: Mapping[str, Any]
) -> dict[str, Any]:
    """The body for one sample; `extra` has the last word, and its nulls take fields out."""
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": seed,
    }
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    if prompt.stop:
        body["stop"] = list(prompt.stop[: dialect.max_stops])
    return _finished(body | _asked(prompt) | _logprobs(prompt) | _streaming(prompt, dialect), extra)


def trial_body(model: str, prompt: Prompt, dialect: Dialect, extra: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a first contact: one token, and none of the sampling, which is not known yet."""
    return _finished({"model": model, "max_tokens": 1} | _asked(prompt) | _streaming(prompt, dialect), extra)


def _finished(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    body = {name: value for name, value in {**body, **extra}.items() if value is not None}
    if not body.get("stream"):
        body.pop("stream_options", None)  # most servers refuse it then
    return body


def _asked(prompt: Prompt) -> dict[str, Any]:
    if prompt.form == "chat":
        return {"messages": [{"role": turn.role, "content": turn.content} for turn in prompt.messages]}
    return {"prompt": prompt.text} | ({"suffix": prompt.suffix} if prompt.form == "fim" else {})


def _logprobs(prompt: Prompt) -> dict[str, Any]:
    asked: dict[str, Any] = {"prompt_logprobs": 0} if prompt.prompt_logprobs else {}
    if prompt.logprobs is None:
        return asked
    if prompt.form == "chat":
        return asked | {"logprobs": True, "top_logprobs": prompt.logprobs}
    return asked | {"logprobs": prompt.logprobs}


def _streaming(prompt: Prompt, dialect: Dialect) -> dict[str, Any]:
    """The streams of vLLM carry no log probabilities of the prompt, so such requests are not streamed."""
    if prompt.prompt_logprobs or not dialect.streams:
        return {}
    return {"stream": True} | ({"stream_options": {"include_usage": True}} if dialect.tells_usage else {})
