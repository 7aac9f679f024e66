"""Train a model of about a million parameters in seconds, so that a first run measures something that learns.

The demo needs checkpoints that differ, on a laptop and without a network. This trains a Llama of a few layers to know
a handful of (prompt, solution) pairs by heart and saves ordinary Hugging Face checkpoints on the way. What it scores on
those pairs says that the machinery works; it says nothing about any other problem.
"""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

BOS, EOS, PAD = "<s>", "</s>", "<pad>"
IGNORED = -100
"""Label of a token that the loss leaves out."""

OnStep = Callable[[int, float], None]
"""Told after each step: its number from 1, and the loss of its batch."""
Encoded = list[tuple[list[int], list[int]]]
"""Per example: token ids of the prompt (with BOS) and of the solution (with EOS)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Size of the micro model and how it is trained."""

    steps: tuple[int, ...]
    """After which steps a checkpoint is saved; the last ends the training."""
    batch_size: int
    """Examples per step."""
    peak_learning_rate: float
    """Reached after `warmup_steps`; falls along a cosine to a tenth of itself at the last step."""
    warmup_steps: int
    vocab_size: int
    """At most this many byte-level BPE tokens, learned from the examples."""
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    """hidden_size / num_heads = 64, which every attention kernel of the other back ends takes."""
    max_positions: int
    threads: int
    """CPU threads; one is as fast for so small a model, and its weights do not depend on the number of cores."""


DEMO = Setting(
    steps=(160, 200, 320),
    batch_size=6,
    peak_learning_rate=1.2e-3,
    warmup_steps=20,
    vocab_size=1024,
    hidden_size=128,
    intermediate_size=352,
    num_layers=4,
    num_heads=2,
    max_positions=2048,
    threads=1,
)
"""What the demo trains on the `starter` problems: 0.94 M parameters, 24 CPU seconds on one core (AMD EPYC, AVX2).

The checkpoints lie before, on and after the steep part of the learning curve, so their order does not hang on chance:
with seed 1234 (and 7), greedy decoding solves 17 (13), 31 (31) and 36 (36) of the 36 problems; at temperature 0.8 with
five samples each, pass@1 is 0.09, 0.29 and 0.73.
"""


def train(
    directory: Path,
    *,
    examples: Sequence[tuple[str, str]],
    steps: Sequence[int] = DEMO.steps,
    seed: int = 1234,
    on_step: OnStep | None = None,
    setting: Setting = DEMO,
) -> list[Path]:
    """Train on (prompt, solution) pairs and save a checkpoint after each of `steps`.

    Checkpoints are folders `step-000100` and so on in `directory`; those of the same name are replaced. The weights are
    the same for the same arguments on one machine. The caller's random state and thread count stay as they were.

    Returns:
        The folders, in the order of `steps`.

    Raises:
        ValueError: no examples, `steps` that do not rise from 1 or more, or an example longer than `max_positions`.
    """
    if not examples:
        raise ValueError("examples: at least one (prompt, solution) pair is needed.")
    if not steps or steps[0] < 1 or any(a >= b for a, b in itertools.pairwise(steps)):
        raise ValueError(f"steps {list(steps)}: they must rise, from 1 or more.")
    tokenizer = train_tokenizer([text for pair in examples for text in pair], setting)
    encoded = encode(tokenizer, examples)
    longest = max(len(prompt) + len(solution) for prompt, solution in encoded)
    if longest > setting.max_positions:
        raise ValueError(f"examples: the longest has {longest} tokens, max_positions is {setting.max_positions}.")
    transformers_logging.disable_progress_bar()
    saved = []
    with _own_torch_state(seed, setting.threads):
        model = new_model(tokenizer, setting)
        for step, loss in _training(model, encoded, steps[-1], seed, setting):
            if on_step is not None:
                on_step(step, loss)
            if step in steps:
                saved.append(_save(directory / f"step-{step:06d}", model, tokenizer))
    return saved


def train_tokenizer(texts: Sequence[str], setting: Setting = DEMO) -> Any:  # noqa: ANN401 - transformers has no types
    """A byte-level BPE tokenizer learned from `texts`; it takes any text and puts BOS before it."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=setting.vocab_size,
        special_tokens=[BOS, EOS, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, bpe.token_to_id(BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        model_max_length=setting.max_positions,
        clean_up_tokenization_spaces=False,
    )


def encode(tokenizer: Any, examples: Sequence[tuple[str, str]]) -> Encoded:  # noqa: ANN401
    """Token ids of each pair, tokenised apart: only then is the border between them the one that generation sees."""
    prompts = [tokenizer(prompt)["input_ids"] for prompt, _ in examples]
    solutions = [tokenizer(solution, add_special_tokens=False)["input_ids"] for _, solution in examples]
    return [(prompt, [*solution, tokenizer.eos_token_id]) for prompt, solution in zip(prompts, solutions, strict=True)]


def new_model(tokenizer: Any, setting: Setting = DEMO) -> Any:  # noqa: ANN401
    """A Llama of the setting's size with random weights, from torch's random state."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=setting.hidden_size,
        intermediate_size=setting.intermediate_size,
        num_hidden_layers=setting.num_layers,
        num_attention_heads=setting.num_heads,
        num_key_value_heads=setting.num_heads,
        max_position_embeddings=setting.max_positions,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def _training(model: Any, encoded: Encoded, total: int, seed: int, setting: Setting) -> Iterator[tuple[int, float]]:  # noqa: ANN401
    """Take `total` steps; yields after each one its number and loss."""
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=0.01)
    batches = _batches(encoded, setting.batch_size, seed)
    model.train()
    for step in range(1, total + 1):
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(step, total, setting)
        ids, mask, labels = _tensors(next(batches), model.config.pad_token_id)
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        yield step, loss.item()


def _learning_rate(step: int, total: int, setting: Setting) -> float:
    cosine = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * step / total))
    return setting.peak_learning_rate * min(1.0, step / setting.warmup_steps) * cosine


def _batches(encoded: Encoded, batch_size: int, seed: int) -> Iterator[Encoded]:
    """Batches without end; every example once before any comes again."""
    order = torch.Generator().manual_seed(seed)
    queue: list[int] = []
    while True:
        while len(queue) < batch_size:
            queue += torch.randperm(len(encoded), generator=order).tolist()
        yield [encoded[index] for index in queue[:batch_size]]
        del queue[:batch_size]


def _tensors(batch: Encoded, pad_id: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Right-padded ids, attention mask and labels, each (batch, longest); only solution and EOS carry a label."""
    shape = (len(batch), max(len(prompt) + len(solution) for prompt, solution in batch))
    ids, mask, labels = torch.full(shape, pad_id), torch.zeros(shape, dtype=torch.long), torch.full(shape, IGNORED)
    for row, (prompt, solution) in enumerate(batch):
        start, end = len(prompt), len(prompt) + len(solution)
        ids[row, :end] = torch.tensor(prompt + solution)
        mask[row, :end] = 1
        labels[row, start:end] = torch.tensor(solution)
    return ids, mask, labels


@contextmanager
def _own_torch_state(seed: int, threads: int) -> Iterator[None]:
    """Seed torch and set its CPU threads for a while, then put both back."""
    before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def _save(folder: Path, model: Any, tokenizer: Any) -> Path:  # noqa: ANN401
    """Save a checkpoint so that the folder, once it is there, is whole."""
    part = folder.with_name(f".{folder.name}.part")
    for stale in (part, folder):
        if stale.exists():
            shutil.rmtree(stale)
    model.save_pretrained(part)
    tokenizer.save_pretrained(part)
    part.rename(folder)
    return folder
