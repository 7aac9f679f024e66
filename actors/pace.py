"""How much a model replica wants in flight, and how a plan is cut so that it has it."""

from __future__ import annotations

from dataclasses import dataclass

from actors.models import ModelSpec
from actors.options import GeneratorOptions

_STORED = frozenset({"reference", "replay"})
"""Kinds that answer at once: batches only save overhead there."""
_STORED_BLOCK = 16
_MODEL_BLOCK = 4
"""Prompts per batch of a model: its first completion waits for the last of so many prompts, no more."""
_MAX_CALLS = 128
"""Threads of one actor."""
_BLOCKS_PER_WORKER = 8
"""Blocks that each executor should get, so that the last ones end together."""
_VLLM_SEQUENCES = 256
"""Samples that vLLM works on at once, where `engine.max_num_seqs` does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the Generate stage is fed."""

    block_prompts: int
    """Prompts per batch."""
    calls: int
    """Batches in flight per replica."""


def pace_of(spec: ModelSpec, options: GeneratorOptions, *, n: int, num_prompts: int, num_workers: int) -> Pace:
    """Small batches, and twice as many samples in flight as the back end works on at once.

    Args:
        spec: the model.
        options: of its back end.
        n: samples per prompt.
        num_prompts: of the whole plan.
        num_workers: executors that are to be fed.
    """
    even = max(1, num_prompts // (num_workers * _BLOCKS_PER_WORKER))
    if spec.kind in _STORED:
        return Pace(block_prompts=min(_STORED_BLOCK, even), calls=2)
    block = max(1, min(_MODEL_BLOCK, even))
    wanted = 2 * _samples_at_once(spec, options)
    return Pace(block_prompts=block, calls=max(2, min(_MAX_CALLS, -(-wanted // (max(1, n) * block)))))


def _samples_at_once(spec: ModelSpec, options: GeneratorOptions) -> int:
    if spec.kind == "transformers":
        return options.batch_size
    if spec.kind == "vllm":
        return int(options.engine.get("max_num_seqs") or _VLLM_SEQUENCES)
    return options.concurrency
