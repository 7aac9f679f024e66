"""Where each row of a batch ends: decode exactly what follows the prompt, and stop a row by itself.

Tokens and characters do not share borders: a stop sequence may span several tokens, or begin inside one. So stops are
looked for in decoded text, and a row's text is cut before the first of them wherever it begins.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from benchmarks.problem import TokenLogprob

TokenFigures = tuple[int, float, tuple[tuple[int, float], ...]]
"""A token, its natural log probability, and the likeliest tokens with theirs, best first."""

CONTEXT_TOKENS = 8
"""Tokens before a text that are decoded with it: some tokenizers drop the space that a first token begins with."""


@dataclass(slots=True, kw_only=True)
class Row:
    """One completion in the making."""

    prompt_ids: Sequence[int]
    max_tokens: int
    """Tokens that may be generated: the sampling's limit, or what the context leaves."""
    stop: tuple[str, ...] = ()
    end_ids: frozenset[int] = frozenset()
    """Tokens that end the text and are no part of it."""
    draw: tuple[float, int, float] = (0.0, 0, 1.0)
    """temperature, top_k, top_p."""
    noise: torch.Generator | None = None
    """Source of this row's randomness; None for greedy decoding."""
    token_ids: list[int] = field(default_factory=list)
    """Generated so far, with the token that ended the row."""
    finish_reason: str = ""
    """Empty while the row goes on."""
    error: str = ""
    began: float = 0.0
    """time.perf_counter() when the model began to read the prompt."""
    arrived: list[float] = field(default_factory=list)
    """time.perf_counter() at each token."""
    num_alternatives: int | None = None
    """So many alternatives are wanted beside each token, with log probabilities; None: none of this."""
    logprobs: list[TokenFigures] = field(default_factory=list)
    """Per generated token, by the model's own distribution (before temperature, top_k and top_p)."""
    prompt_logprobs: list[TokenFigures] | None = None
    """Per token of the prompt but the first; None where they are not wanted."""

    @property
    def ids(self) -> list[int]:
        """Prompt and what was generated so far."""
        return [*self.prompt_ids, *self.token_ids]


class Decoder:
    """Turns tokens into text as it stands after other tokens."""

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401 - transformers has no types
        """Use a transformers tokenizer."""
        self._tokenizer = tokenizer

    def text(self, before: Sequence[int], after: Sequence[int]) -> str:
        """What `after` adds to the text of `before`, byte for byte; special tokens are left out."""
        context = list(before[-CONTEXT_TOKENS:])
        prefix, whole = self.whole(context), self.whole([*context, *after])
        # Where `before` ends inside a character the prefix changes, and no text "after" it exists.
        return whole[len(prefix) :] if whole.startswith(prefix) else self.whole(list(after))

    def whole(self, ids: list[int]) -> str:
        """The text of tokens that nothing stands before."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def logprobs(self, figures: Iterable[TokenFigures]) -> tuple[TokenLogprob, ...]:
        """The same with each token's own text, special tokens included."""
        return tuple(
            TokenLogprob(
                token=self._token(token_id),
                logprob=logprob,
                top=tuple((self._token(other), its_logprob) for other, its_logprob in top),
            )
            for token_id, logprob, top in figures
        )

    def _token(self, token_id: int) -> str:
        return str(self._tokenizer.decode([token_id], clean_up_tokenization_spaces=False))


class RowEnds:
    """A stopping criterion for transformers' generate(): takes each row's new token and ends the row where it should.

    Rows that have ended go on inside the batch until all have; what they generate then is dropped.
    """

    def __init__(self, rows: Sequence[Row], decoder: Decoder) -> None:
        """Watch `rows`, in the order of the batch."""
        self._rows = rows
        self._decoder = decoder

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        """Take the last column of `input_ids` (batch, length); returns which rows have ended, bool (batch,)."""
        now = time.perf_counter()
        for row, token_id in zip(self._rows, input_ids[:, -1].tolist(), strict=True):
            if not row.finish_reason:
                row.arrived.append(now)
                take(row, token_id, self._decoder)
        return torch.tensor([bool(row.finish_reason) for row in self._rows], device=input_ids.device)


def take(row: Row, token_id: int, decoder: Decoder) -> None:
    """Add a generated token to a row that goes on, and end the row if the token does."""
    row.token_ids.append(token_id)
    if token_id in row.end_ids or (row.stop and _stop_has_come(row, decoder)):
        row.finish_reason = "stop"
    elif len(row.token_ids) >= row.max_tokens:
        row.finish_reason = "length"


def text_of(row: Row, decoder: Decoder) -> str:
    """The row's text, cut before the first place where a stop sequence begins."""
    ended = bool(row.token_ids) and row.token_ids[-1] in row.end_ids
    text = decoder.text(row.prompt_ids, row.token_ids[:-1] if ended else row.token_ids)
    begins = [at for at in map(text.find, row.stop) if at >= 0]
    return text[: min(begins)] if begins else text


def _stop_has_come(row: Row, decoder: Decoder) -> bool:
    """Look at the last tokens, then, if a stop seems to be there, at the whole text: the tail alone may mislead."""
    # A token is at least one byte of text, so this many tokens hold a stop that the newest token completes.
    tail = max(len(mark.encode()) for mark in row.stop) + CONTEXT_TOKENS
    split = max(0, len(row.token_ids) - tail)
    before = [*row.prompt_ids[-CONTEXT_TOKENS:], *row.token_ids[:split]]
    recent = decoder.whole([*before[-CONTEXT_TOKENS:], *row.token_ids[split:]])
    if not any(mark in recent for mark in row.stop):
        return False
    whole = decoder.text(row.prompt_ids, row.token_ids)
    return any(mark in whole for mark in row.stop)
