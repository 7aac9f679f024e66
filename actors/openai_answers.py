"""What an OpenAI-compatible server answered: from the HTTP response to a Completion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.problem import Completion, CompletionForm, PromptForm

FINISH_REASONS = {
    "length": "length",
    "max_tokens": "length",
    "content_filter": "error",
    "abort": "error",
    "error": "error",
}
"""The server's word -> ours; all others (`stop`, `eos`, `tool_calls`, null) mean that the model ended by itself."""


class AnswerError(Exception):
    """A successful HTTP status with a body that is no completion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One choice of one response."""

    text: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float

    def completion(self, form: CompletionForm, stop: Sequence[str]) -> Completion:
        """The completion, ended before the first stop sequence whether or not the server did so."""
        text = cut_at_stop(self.text, stop)
        return Completion(
            text=text,
            form=form,
            finish_reason=self.finish_reason if text == self.text else "stop",
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            seconds=self.seconds,
        )


def read_answer(response: httpx.Response, form: PromptForm, seconds: float) -> Answer:
    """Read a successful response.

    Raises:
        AnswerError: not JSON, no choice, no text in it, or the server gave the generation up.
    """
    where = response.request.url
    try:
        body: Any = response.json()
    except ValueError:
        raise AnswerError(f"{where}: the answer is not JSON: {_shown(response.text)}") from None
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise AnswerError(f"{where}: the answer has no choices: {_shown(response.text)}")
    reason = FINISH_REASONS.get(str(choices[0].get("finish_reason")), "stop")
    if reason == "error":
        raise AnswerError(f"{where}: the server ended the generation: finish_reason '{choices[0]['finish_reason']}'")
    usage = body.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return Answer(
        # A lone surrogate is legal in JSON but in no file and no Arrow column.
        text=_text(choices[0], form, str(where)).encode(errors="replace").decode(),
        finish_reason=reason,
        prompt_tokens=_count(counts.get("prompt_tokens")),
        completion_tokens=_count(counts.get("completion_tokens")),
        seconds=seconds,
    )


def cut_at_stop(text: str, stop: Sequence[str]) -> str:
    """The text before the earliest of the stop sequences."""
    ends = [at for sequence in stop if sequence and (at := text.find(sequence)) >= 0]
    return text[: min(ends)] if ends else text


def error_message(response: httpx.Response) -> str:
    """What the server says went wrong, on one line."""
    try:
        body: Any = response.json()
    except ValueError:
        return _shown(response.text)
    found = body.get("error", body) if isinstance(body, dict) else body
    said = found.get("message") or found.get("detail") if isinstance(found, dict) else found
    return _shown(said if isinstance(said, str) else response.text)


def _text(choice: dict[str, Any], form: PromptForm, where: str) -> str:
    """Text of a choice. A chat message without content is an empty answer: the budget went into its reasoning.

    Raises:
        AnswerError: there is no text where this form has it.
    """
    holder: Any = choice if form == "base" else choice.get("message")
    field = "text" if form == "base" else "content"
    if not isinstance(holder, dict) or (form == "base" and field not in holder):
        raise AnswerError(
            f"{where}: the answer's choice has no {'text' if form == 'base' else 'message'}: {_shown(str(choice))}"
        )
    value = holder.get(field)
    if not isinstance(value, str | None):
        raise AnswerError(f"{where}: the answer's {field} is a {type(value).__name__} and not a text")
    return value or ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _shown(text: str) -> str:
    """One line of its full length: whoever shows it takes secrets out first and shortens it then."""
    return " ".join(text.split()) or "(empty)"
