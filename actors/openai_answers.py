"""What an OpenAI-compatible server answered: from a JSON document to an Answer, from an Answer to a Completion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from actors.openai_fields import (
    AnswerError,
    Usage,
    finish_reason,
    generated_logprobs,
    one_line,
    prompt_logprobs,
    storable,
)
from benchmarks.problem import Completion, CompletionForm, Prompt, TokenLogprob


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One choice of one response."""

    text: str
    finish_reason: str
    usage: Usage
    seconds: float
    """From sending the request to the last text that arrived; to the end of the response where that was not seen."""
    ttft_seconds: float | None = None
    """From sending the request to the first text that arrived; None where that was not seen."""
    inter_token_seconds: tuple[float, ...] = ()
    """Gaps between the pieces of text as they arrived."""
    logprobs: tuple[TokenLogprob, ...] = ()
    prompt_logprobs: tuple[TokenLogprob, ...] | None = None
    """None where the server gives none; empty for a prompt of one token."""

    def completion(self, prompt: Prompt, *, started_at: float, queue_seconds: float) -> Completion:
        """The completion, ended before the first stop sequence whether or not the server did so.

        Raises:
            AnswerError: log probabilities were asked for and are not there.
        """
        if prompt.prompt_logprobs and self.prompt_logprobs is None:
            raise AnswerError("the server gives no prompt_logprobs, which this benchmark needs; vLLM's gives them")
        if prompt.logprobs is not None and self.text and not self.logprobs:
            raise AnswerError("the server gives no logprobs, which this benchmark needs")
        text = cut_at_stop(self.text, prompt.stop)
        return Completion(
            text=text,
            form=form_of(prompt),
            finish_reason=self.finish_reason if text == self.text else "stop",
            prompt_tokens=self.usage.prompt_tokens,
            completion_tokens=self.usage.completion_tokens,
            seconds=self.seconds,
            started_at=started_at,
            queue_seconds=queue_seconds,
            ttft_seconds=self.ttft_seconds,
            inter_token_seconds=self.inter_token_seconds,
            reasoning_tokens=self.usage.reasoning_tokens,
            logprobs=self.logprobs,
            prompt_logprobs=self.prompt_logprobs or (),
        )


def read_answer(response: httpx.Response, prompt: Prompt, seconds: float) -> Answer:
    """Read a successful response that came as one JSON document.

    Raises:
        AnswerError: not JSON, no choice, no text in it, or the server gave the generation up.
    """
    where = str(response.request.url)
    try:
        body: Any = response.json()
    except ValueError:
        raise AnswerError(f"{where}: the answer is not JSON: {one_line(response.text)}") from None
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise AnswerError(f"{where}: the answer has no choices: {one_line(response.text)}")
    choice = choices[0]
    # vLLM has them in the choice of a completion and beside the choices of a chat.
    of_prompt = choice.get("prompt_logprobs", body.get("prompt_logprobs")) if prompt.prompt_logprobs else None
    return Answer(
        finish_reason=finish_reason(choice.get("finish_reason"), where),
        text=storable(_text(choice, prompt, where)),
        usage=Usage.read(body.get("usage")),
        seconds=seconds,
        logprobs=generated_logprobs(choice.get("logprobs"), prompt.logprobs),
        prompt_logprobs=prompt_logprobs(of_prompt),
    )


def form_of(prompt: Prompt) -> CompletionForm:
    """What the answer to a prompt is: a message, or the continuation of a text."""
    return "chat" if prompt.form == "chat" else "completion"


def cut_at_stop(text: str, stop: Sequence[str]) -> str:
    """The text before the earliest of the stop sequences."""
    ends = [at for sequence in stop if sequence and (at := text.find(sequence)) >= 0]
    return text[: min(ends)] if ends else text


def error_message(response: httpx.Response) -> str:
    """What the server says went wrong, on one line; the body must have been read."""
    try:
        body: Any = response.json()
    except ValueError:
        return one_line(response.text)
    return said_in(body) or one_line(response.text)


def said_in(body: object) -> str:
    """The message in the JSON of an error, on one line; empty if there is none where servers put it."""
    found = body.get("error", body) if isinstance(body, dict) else body
    said = found.get("message") or found.get("detail") if isinstance(found, dict) else found
    return one_line(said) if isinstance(said, str) else ""


def _text(choice: dict[str, Any], prompt: Prompt, where: str) -> str:
    """Text of a choice. A chat message without content is an empty answer: the budget went into its reasoning.

    Raises:
        AnswerError: there is no text where this form has it.
    """
    is_chat = prompt.form == "chat"
    holder: Any = choice.get("message") if is_chat else choice
    field = "content" if is_chat else "text"
    if not isinstance(holder, dict) or (not is_chat and field not in holder):
        missing = "message" if is_chat else "text"
        raise AnswerError(f"{where}: the answer's choice has no {missing}: {one_line(str(choice))}")
    value = holder.get(field)
    if not isinstance(value, str | None):
        raise AnswerError(f"{where}: the answer's {field} is a {type(value).__name__} and not a text")
    return value or ""
