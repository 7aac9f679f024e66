"""Decode whole batches with transformers' generate(): slower, but it takes every architecture.

For models that actors/row_cache.py cannot refill. A batch is padded on the left and lasts until its last row ends.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence

import torch
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

from actors.decoding import More
from actors.gumbel import SeededDraw
from actors.local_model import LocalModel
from actors.stopping import Decoder, Row, RowEnds

NO_LOGPROBS = "log probabilities are not available from this architecture with transformers; use vllm or openai."


def decode_whole(loaded: LocalModel, more: More, decoder: Decoder, size: int) -> Iterator[Row]:
    """Generate for the rows that `more` gives, at most `size` at a time, in place; gives each back as it ends.

    Raises:
        torch.OutOfMemoryError: the batch does not fit on the device; the rows that were taken stay as they are.
    """
    while rows := more(size):
        began = time.perf_counter()
        for row in rows:
            row.began = began
            if row.num_alternatives is not None or row.prompt_logprobs is not None:
                row.finish_reason, row.error = "error", NO_LOGPROBS
        while pending := [row for row in rows if not row.finish_reason]:
            _generate(loaded, [row for row in pending if row.draw == pending[0].draw], decoder)
        yield from rows


def _generate(loaded: LocalModel, rows: Sequence[Row], decoder: Decoder) -> None:
    """Go on with rows of the same `draw` until each has ended or the longest fills the context."""
    texts = [row.ids for row in rows]
    width = max(map(len, texts))
    steps = min(
        (loaded.context_tokens or sys.maxsize) - width, max(row.max_tokens - len(row.token_ids) for row in rows)
    )
    ids = torch.tensor([[loaded.pad_id] * (width - len(text)) + text for text in texts])
    mask = torch.tensor([[0] * (width - len(text)) + [1] * len(text) for text in texts])
    temperature, top_k, top_p = rows[0].draw
    noise = [row.noise for row in rows if row.noise is not None]
    draw = [SeededDraw(noise, temperature=temperature, top_k=top_k, top_p=top_p)] if noise else []
    loaded.model.generate(
        input_ids=ids.to(loaded.device),
        attention_mask=mask.to(loaded.device),
        generation_config=GenerationConfig(do_sample=False, max_new_tokens=steps, pad_token_id=loaded.pad_id),
        logits_processor=LogitsProcessorList(draw),
        stopping_criteria=StoppingCriteriaList([RowEnds(rows, decoder)]),
    )
