"""Keys and values of a batch whose rows come and go, for models that attend to all of what they were given.

Rows end at the same column: a row of n tokens fills the last n of them, whatever stands before is masked. So every step
writes one column for all rows, and a new row is put beside the others at its right end. The columns have room to grow,
since growing by a copy, as transformers' own cache does, costs as much as the attention itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, GenerationMixin
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

ROOM = 128
"""Columns kept free for the next tokens; when they are used up, everything is copied once."""


def can_refill(model: Any) -> bool:  # noqa: ANN401 - transformers has no types
    """Whether all that a model remembers is keys and values per token, and its code is transformers' own.

    Models with a state (Mamba and hybrids), models that prepare their inputs in a way of their own, and models that
    bring their own code go through generate().
    """
    kind = type(model)
    is_plain = kind.prepare_inputs_for_generation is GenerationMixin.prepare_inputs_for_generation
    if not kind.__module__.startswith("transformers.") or not is_plain or kind._is_stateful:
        return False
    layers = DynamicCache(config=model.config).layers
    return all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)


class RoomyLayer(DynamicLayer):  # type: ignore[misc] # transformers has no types
    """A layer's keys and values with room behind them; `keys` and `values` are what is filled, as in its base."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, length: int) -> None:
        """Use tensors (batch, heads, columns, head size) whose first `length` columns are filled."""
        super().__init__()
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True
        self._all_keys, self._all_values = keys, values
        self._show(length)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new columns; returns all that are filled."""
        start = self.keys.shape[-2]
        end = start + key_states.shape[-2]
        self._all_keys[:, :, start:end] = key_states
        self._all_values[:, :, start:end] = value_states
        self._show(end)
        return self.keys, self.values

    def _show(self, length: int) -> None:
        self.keys, self.values = self._all_keys[:, :, :length], self._all_values[:, :, :length]


@dataclass(frozen=True, slots=True)
class Block:
    """Rows with a cache of their own, about to be joined with others."""

    layers: Sequence[DynamicLayer]
    rows: Sequence[int]
    """Rows of the cache that are taken, in this order; one may be taken several times."""
    lengths: Sequence[int]
    """Tokens of each row taken; they fill the last columns."""


def join(blocks: Sequence[Block]) -> tuple[DynamicCache, torch.Tensor]:
    """One cache of all rows of all blocks, and which of its columns hold tokens: (batch, columns), 0 or 1.

    Both have ROOM columns more than the longest row, filled with zeros; the mask's are 1, since whatever comes next is
    a token of every row.
    """
    width = max(max(block.lengths) for block in blocks)
    cache = DynamicCache()
    cache.layers = [
        _joined([(layers[number], block) for layers, block in ((block.layers, block) for block in blocks)], width)
        for number in range(len(blocks[0].layers))
    ]
    lengths = [length for block in blocks for length in block.lengths]
    device = next(layer.device for layer in cache.layers if layer.is_initialized)
    columns = torch.arange(width + ROOM, device=device)
    return cache, (columns >= width - torch.tensor(lengths, device=device)[:, None]).long()


def _joined(parts: Sequence[tuple[DynamicLayer, Block]], width: int) -> DynamicLayer:
    """One layer of several; a layer that shares another's keys and values has none of its own and stays empty."""
    if not parts[0][0].is_initialized:
        return DynamicLayer()
    keys = _side_by_side([(layer.keys, block) for layer, block in parts], width)
    values = _side_by_side([(layer.values, block) for layer, block in parts], width)
    return RoomyLayer(keys, values, width)


def _side_by_side(parts: Sequence[tuple[Any, Block]], width: int) -> torch.Tensor:
    """Tensors (rows, heads, columns, size) under each other, their right ends at column `width`."""
    _, heads, _, size = parts[0][0].shape
    total = sum(len(block.rows) for _, block in parts)
    joined: torch.Tensor = parts[0][0].new_zeros((total, heads, width + ROOM, size))
    at = 0
    for tensor, block in parts:
        filled = min(width, tensor.shape[-2])
        for row in block.rows:
            joined[at, :, width - filled : width] = tensor[row, :, tensor.shape[-2] - filled :]
            at += 1
    return joined
