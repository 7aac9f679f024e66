"""A checkpoint with random weights of a stated size: what it says is noise, what it costs is real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CONTEXT_TOKENS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Shape of a Llama."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    vocabulary: int


SIZES = {
    "1m": Size(hidden=128, intermediate=352, layers=4, heads=2, vocabulary=1024),
    "10m": Size(hidden=256, intermediate=704, layers=12, heads=4, vocabulary=2048),
    "100m": Size(hidden=768, intermediate=2048, layers=14, heads=12, vocabulary=4096),
    "1b": Size(hidden=2048, intermediate=5632, layers=22, heads=32, vocabulary=32000),
    "7b": Size(hidden=4096, intermediate=11008, layers=32, heads=32, vocabulary=32000),
}
"""By their parameters, roughly; `count` tells the exact number."""


def make(folder: Path, size: str, texts: Sequence[str], *, dtype: str = "float32", seed: int = 0) -> int:
    """Write a checkpoint whose tokenizer was learned from `texts`; returns its number of parameters.

    The same arguments give the same weights on one machine.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from actors.micro_model import DEMO, train_tokenizer

    shape = SIZES[size]
    tokenizer = train_tokenizer(texts, _setting(DEMO, shape))
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config).to(getattr(torch, dtype))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return sum(parameter.numel() for parameter in model.parameters())


def _setting(base, shape: Size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - a record of another package
    from dataclasses import replace

    return replace(base, vocab_size=shape.vocabulary, max_positions=CONTEXT_TOKENS)
