"""Fields of what OpenAI-compatible servers answer, alike in whole documents and in streamed pieces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.problem import TokenLogprob

FINISH_REASONS = {
    "length": "length",
    "max_tokens": "length",
    "content_filter": "error",
    "abort": "error",
    "error": "error",
}
"""The server's word -> ours; all others (`stop`, `eos`, `tool_calls`, null) mean that the model ended by itself."""


class AnswerError(Exception):
    """A successful HTTP status with a body that is no completion, or not the one that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the server counted; None where it does not tell."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None

    @classmethod
    def read(cls, usage: object) -> Usage:
        """Read the object `usage` of a response; whatever is no count is as if it were absent."""
        counts = usage if isinstance(usage, dict) else {}
        details = counts.get("completion_tokens_details")
        return cls(
            prompt_tokens=_count(counts.get("prompt_tokens")),
            completion_tokens=_count(counts.get("completion_tokens")),
            reasoning_tokens=_count(details.get("reasoning_tokens")) if isinstance(details, dict) else None,
        )


def finish_reason(word: object, where: str) -> str:
    """Our word for the server's.

    Raises:
        AnswerError: the server gave the generation up.
    """
    reason = FINISH_REASONS.get(str(word), "stop")
    if reason == "error":
        raise AnswerError(f"{where}: the server ended the generation: finish_reason '{word}'")
    return reason


def generated_logprobs(found: object, num_top: int | None) -> tuple[TokenLogprob, ...]:
    """Read the `logprobs` of a choice. Its fields tell the form: some servers answer all routes in that of chats.

    Args:
        found: `{content: [{token, logprob, top_logprobs: [{token, logprob}]}]}`, or
            `{tokens: [], token_logprobs: [], top_logprobs: [{token: logprob}]}`.
        num_top: alternatives that the prompt asked for; None if it asked for no log probabilities.

    Returns:
        One per token; none where the field is absent.

    Raises:
        AnswerError: it is in neither form.
    """
    if num_top is None or not isinstance(found, dict):
        return ()
    try:
        return _of_chat(found["content"] or [], num_top) if "content" in found else _of_completion(found, num_top)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise AnswerError(f"the server's logprobs are in no known form: {one_line(str(found))}") from None


def prompt_logprobs(found: object) -> tuple[TokenLogprob, ...] | None:
    """Read vLLM's `prompt_logprobs`: per token None or `{token_id: {logprob, decoded_token}}`, its own first.

    Returns:
        One per token of the prompt but the first, which nothing precedes; None where the field is absent.

    Raises:
        AnswerError: it is in another form.
    """
    if found is None:
        return None
    try:
        told = [next(iter(each.values())) for each in found[1:]]  # type: ignore[index]
        return tuple(_token(each["decoded_token"], each["logprob"]) for each in told)
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration):
        raise AnswerError(f"the server's prompt_logprobs are in no known form: {one_line(str(found))}") from None


def storable(text: str) -> str:
    """The text without lone surrogates, which are legal in JSON but in no file and no Arrow column."""
    return text.encode(errors="replace").decode()


def one_line(text: str) -> str:
    """One line of its full length: whoever shows it takes secrets out first and shortens it then."""
    return " ".join(text.split()) or "(empty)"


def _of_chat(content: list[dict[str, Any]], num_top: int) -> tuple[TokenLogprob, ...]:
    return tuple(
        _token(
            each["token"],
            each["logprob"],
            _best(((other["token"], other["logprob"]) for other in each.get("top_logprobs") or ()), num_top),
        )
        for each in content
    )


def _of_completion(found: dict[str, Any], num_top: int) -> tuple[TokenLogprob, ...]:
    tokens = found["tokens"] or []
    tops = found.get("top_logprobs") or [None] * len(tokens)
    rows = zip(tokens, found["token_logprobs"] or [], tops, strict=True)
    return tuple(_token(token, logprob, _best((top or {}).items(), num_top)) for token, logprob, top in rows)


def _token(token: str, logprob: float, top: tuple[tuple[str, float], ...] = ()) -> TokenLogprob:
    return TokenLogprob(token=storable(token), logprob=float(logprob), top=top)


def _best(pairs: Iterable[tuple[str, float]], num_top: int) -> tuple[tuple[str, float], ...]:
    """The likeliest; vLLM adds the token that was drawn to those asked for."""
    ranked = sorted(((storable(token), float(logprob)) for token, logprob in pairs), key=lambda pair: -pair[1])
    return tuple(ranked[:num_top])


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
