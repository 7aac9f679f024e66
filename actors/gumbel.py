"""Draw tokens so that a sample depends on its own seed alone, whatever else is in the batch.

argmax(logits + Gumbel noise) is a draw from softmax(logits) (Gumbel 1954; Maddison et al. 2014). With the noise taken
from one generator per row, a batch of samples is as many independent draws that can each be repeated alone. Batched
matrix products round a little differently from single ones, so only a tie within that rounding can change a token.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


class SeededDraw:
    """A logits processor for greedy generate(): warps each row, then adds its noise, so that argmax draws."""

    def __init__(self, noise: Sequence[torch.Generator], *, temperature: float, top_k: int, top_p: float) -> None:
        """Take one generator per row, on the model's device, and how all rows are drawn; temperature > 0."""
        self._noise = noise
        self._temperature, self._top_k, self._top_p = temperature, top_k, top_p

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Logits (batch, vocabulary) to noisy scores of the same shape; tokens that are cut off get -inf."""
        warped = warp(scores, temperature=self._temperature, top_k=self._top_k, top_p=self._top_p)
        for row, generator in zip(warped, self._noise, strict=True):
            row -= torch.empty_like(row).exponential_(generator=generator).log_()
        return warped


def warp(logits: torch.Tensor, *, temperature: float, top_k: int, top_p: float) -> torch.Tensor:
    """Scale logits (batch, vocabulary) by 1 / temperature, then cut to the top_k, then to the nucleus of top_p.

    top_k = 0 and top_p = 1 cut nothing. The nucleus is the smallest set of likeliest tokens whose probability reaches
    top_p (Holtzman et al. 2020); the likeliest token always stays.
    """
    logits = logits / temperature
    if 0 < top_k < logits.shape[-1]:
        floor = logits.topk(top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < floor, -torch.inf)
    if top_p < 1:
        ordered, order = logits.sort(dim=-1, descending=True)
        probability = ordered.softmax(dim=-1)
        outside = probability.cumsum(dim=-1) - probability >= top_p
        outside[..., 0] = False
        logits = logits.masked_fill(outside.scatter(-1, order, outside), -torch.inf)
    return logits
