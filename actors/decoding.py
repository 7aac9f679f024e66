"""Decode a batch whose rows end one by one and are replaced while the others go on.

The loop of generate() without its barrier: when a quarter of the batch is free, new prompts are read, and their keys
and values are put beside those of the rows that go on (actors/row_cache.py). A prompt that several rows share is read
once.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from transformers import DynamicCache

from actors.gumbel import SeededDraw
from actors.local_model import LocalModel
from actors.row_cache import ROOM, Block, join
from actors.stopping import Decoder, Row, TokenFigures, take

FREE_SHARE = 4
"""New rows join when one in so many places is free: each time costs a copy of the cache."""
PADDED_SHARE = 1.25
"""Prompts are read together where the longest has at most so many times the tokens of the shortest."""

More = Callable[[int], Sequence[Row]]
"""Gives at most so many rows that wait."""


def decode(loaded: LocalModel, more: More, decoder: Decoder, size: int) -> Iterator[Row]:
    """Generate for the rows that `more` gives, at most `size` at a time, in place; gives each back as it ends.

    Returns when nothing waits and all have ended.

    Raises:
        torch.OutOfMemoryError: the batch does not fit on the device; the rows that were taken stay as they are.
    """
    batch = _Batch(loaded, decoder)
    while True:
        free = size - batch.num_active
        new = more(free) if free * FREE_SHARE >= size else ()
        if new or batch.is_due:
            batch.renew(new)
        else:
            batch.step()
        yield from batch.ended()
        if not batch.num_active and not new:
            return


class _Batch:
    """Rows that are decoded together, and what the model remembers of them."""

    def __init__(self, loaded: LocalModel, decoder: Decoder) -> None:
        """Begin without rows."""
        self._loaded = loaded
        self._decoder = decoder
        self._rows: list[Row] = []
        """In the order of the cache; also those that ended and are not yet taken out."""
        self._told: set[int] = set()
        self._cache = DynamicCache()
        self._mask = torch.empty(0)
        self._columns = 0
        accepts = inspect.signature(loaded.model.forward).parameters
        self._takes_positions = "position_ids" in accepts
        self._keeps_logits = "logits_to_keep" in accepts

    @property
    def num_active(self) -> int:
        """Rows that go on."""
        return sum(not row.finish_reason for row in self._rows)

    @property
    def is_due(self) -> bool:
        """Whether many rows have ended, or the room is used up."""
        is_full = bool(self._rows) and self._columns >= self._mask.shape[1]
        return is_full or (len(self._rows) - self.num_active) * FREE_SHARE >= len(self._rows)

    def ended(self) -> list[Row]:
        """Rows that ended since the last call."""
        rows = [row for row in self._rows if row.finish_reason and id(row) not in self._told]
        self._told.update(id(row) for row in rows)
        return rows

    @torch.inference_mode()
    def renew(self, new: Sequence[Row]) -> None:
        """Take out the rows that ended, and put in new ones with their first token."""
        began = time.perf_counter()
        for row in new:
            row.began = began
        kept = [at for at, row in enumerate(self._rows) if not row.finish_reason]
        lengths = [len(self._rows[at].prompt_ids) + len(self._rows[at].token_ids) - 1 for at in kept]
        blocks = [Block(self._cache.layers, kept, lengths)] if kept else []
        rows = [self._rows[at] for at in kept]
        for group in _groups(new):
            blocks.append(self._read(group))
            rows += group
        self._told -= {id(row) for row in self._rows if row.finish_reason}
        self._rows = rows
        self._cache, self._mask = join(blocks) if blocks else (DynamicCache(), torch.empty(0))
        self._columns = self._mask.shape[1] - ROOM if blocks else 0

    @torch.inference_mode()
    def step(self) -> None:
        """One more token for every row; what rows that ended would get is dropped."""
        device = self._loaded.device
        last = torch.tensor([[row.token_ids[-1]] for row in self._rows])
        positions = torch.tensor([[len(row.prompt_ids) + len(row.token_ids) - 1] for row in self._rows])
        self._columns += 1
        logits = self._forward(last.to(device), self._mask[:, : self._columns], positions.to(device), self._cache)
        self._take(self._rows, logits[:, -1])

    def _read(self, rows: Sequence[Row]) -> Block:
        """Read the prompts of some rows, each once, and take the first token of each row."""
        prompts = list(dict.fromkeys(tuple(row.prompt_ids) for row in rows))
        width = max(map(len, prompts))
        pads = [width - len(prompt) for prompt in prompts]
        pad_id, device = self._loaded.pad_id, self._loaded.device
        ids = torch.tensor([[pad_id] * pad + list(prompt) for pad, prompt in zip(pads, prompts, strict=True)])
        mask = torch.tensor([[0] * pad + [1] * (width - pad) for pad in pads])
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        cache = DynamicCache()
        all_logits = any(row.prompt_logprobs is not None for row in rows)
        logits = self._forward(ids.to(device), mask.to(device), positions.to(device), cache, all_logits=all_logits)
        index = [prompts.index(tuple(row.prompt_ids)) for row in rows]
        for row, at in zip(rows, index, strict=True):
            if row.prompt_logprobs is not None:
                row.prompt_logprobs += _prompt_figures(row, logits[at, pads[at] :])
        self._take(rows, logits[index, -1])
        return Block(cache.layers, index, [len(row.prompt_ids) for row in rows])

    def _forward(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor,
        positions: torch.Tensor,
        cache: DynamicCache,
        *,
        all_logits: bool = False,
    ) -> torch.Tensor:
        """Logits (batch, tokens, vocabulary) of `ids` (batch, tokens) after what `cache` holds; the last at least."""
        extra: dict[str, object] = {"position_ids": positions} if self._takes_positions else {}
        if self._keeps_logits:
            extra["logits_to_keep"] = 0 if all_logits else 1
        answer = self._loaded.model(
            input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, return_dict=True, **extra
        )
        logits: torch.Tensor = answer.logits
        return logits

    def _take(self, rows: Sequence[Row], logits: torch.Tensor) -> None:
        """Choose a token for each row from logits (batch, vocabulary); rows that ended take none."""
        logits = logits.float()
        chosen = choose(rows, logits)
        now = time.perf_counter()
        for at, (row, token_id) in enumerate(zip(rows, chosen, strict=True)):
            if row.finish_reason:
                continue
            row.arrived.append(now)
            if row.num_alternatives is not None:
                row.logprobs.append(_figures(logits[at], token_id, row.num_alternatives))
            take(row, token_id, self._decoder)


def choose(rows: Sequence[Row], logits: torch.Tensor) -> list[int]:
    """The next token of each row by its own way of drawing, from logits (batch, vocabulary)."""
    scores = logits
    for draw in {row.draw for row in rows if row.noise is not None}:
        alike = [at for at, row in enumerate(rows) if row.noise is not None and row.draw == draw]
        noise = [row.noise for row in rows if row.noise is not None and row.draw == draw]
        temperature, top_k, top_p = draw
        drawn = SeededDraw(noise, temperature=temperature, top_k=top_k, top_p=top_p)(logits, logits[alike])
        scores = scores.index_copy(0, torch.tensor(alike, device=logits.device), drawn)
    chosen: list[int] = scores.argmax(dim=-1).tolist()
    return chosen


def _groups(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Rows whose prompts are read together: of about one length; one that wants its prompt's figures is alone."""
    group: list[Row] = []
    for row in sorted(rows, key=lambda row: (len(row.prompt_ids), row.prompt_ids)):
        is_alone = row.prompt_logprobs is not None or (group and group[0].prompt_logprobs is not None)
        if group and (is_alone or len(row.prompt_ids) > PADDED_SHARE * len(group[0].prompt_ids)):
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _prompt_figures(row: Row, logits: torch.Tensor) -> list[TokenFigures]:
    """Of each token of the prompt but the first, from logits (prompt tokens, vocabulary)."""
    wanted = row.num_alternatives or 0
    pairs = pairwise(range(len(row.prompt_ids)))
    return [_figures(logits[at].float(), row.prompt_ids[following], wanted) for at, following in pairs]


def _figures(logits: torch.Tensor, token_id: int, num_alternatives: int) -> TokenFigures:
    """A token with its natural log probability and the likeliest others', from logits (vocabulary,)."""
    logprobs = logits.log_softmax(dim=-1)
    best = logprobs.topk(min(num_alternatives, logprobs.numel()))
    top = tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True))
    return token_id, float(logprobs[token_id]), top
