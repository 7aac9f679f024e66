"""Drawing tokens with a seed per row."""

from __future__ import annotations

import pytest
import torch
from transformers import TopKLogitsWarper, TopPLogitsWarper

from actors.gumbel import SeededDraw, warp


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_draws_follow_the_distribution() -> None:
    """Over many seeds, each token is drawn as often as its probability at that temperature says."""
    logits, seeds = torch.tensor([2.0, 1.0, 0.0, -1.0]), range(8000)
    draw = SeededDraw(generators(*seeds), temperature=0.8, top_k=0, top_p=1.0)
    drawn = draw(torch.empty(0), logits.repeat(len(seeds), 1)).argmax(dim=-1)
    observed = torch.bincount(drawn, minlength=4) / len(seeds)
    assert torch.allclose(observed, (logits / 0.8).softmax(dim=-1), atol=0.02)


def test_a_row_draws_from_its_own_seed() -> None:
    """A row's scores depend on its seed and on how often it has drawn, not on its place or its neighbours."""
    logits = torch.zeros(1, 50)
    alone, together = (SeededDraw(generators(*seeds), temperature=1.0, top_k=0, top_p=1.0) for seeds in ((7,), (3, 7)))
    for _ in range(3):
        assert torch.equal(alone(logits, logits)[0], together(logits, logits.repeat(2, 1))[1])
    assert not torch.equal(together(logits, logits.repeat(2, 1))[0], together(logits, logits.repeat(2, 1))[1])


@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (5, 1.0), (0, 0.6), (7, 0.5), (500, 0.01)])
def test_warp_is_what_transformers_does(top_k: int, top_p: float) -> None:
    """Temperature, then top_k, then top_p keep the same tokens with the same logits as transformers' own warpers."""
    logits = torch.randn(6, 40, generator=torch.Generator().manual_seed(0)) * 3
    expected = logits / 0.7
    if top_k:
        expected = TopKLogitsWarper(min(top_k, 40))(torch.empty(0), expected)
    if top_p < 1:
        expected = TopPLogitsWarper(top_p)(torch.empty(0), expected)
    assert torch.equal(warp(logits, temperature=0.7, top_k=top_k, top_p=top_p), expected)
