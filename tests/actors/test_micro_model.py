"""The micro model that the demo trains."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from actors.generator import Sampling
from actors.micro_model import DEMO, EOS, encode, train, train_tokenizer
from actors.transformers_generator import TransformersGenerator
from benchmarks.problem import Prompt

PAIRS = [
    ('def one() -> int:\n    """Return 1."""\n', "    return 1\n"),
    ('def two() -> int:\n    """Return 2."""\n', "    return 2\n"),
    ('def greet() -> str:\n    """Return a greeting."""\n', '    return "hello"\n'),
]
TINY = replace(
    DEMO, hidden_size=64, intermediate_size=96, num_layers=2, num_heads=1, batch_size=3, peak_learning_rate=5e-3
)


def test_tokenizer_keeps_every_text() -> None:
    """Any text survives the tokenizer, also characters that stand in no example."""
    tokenizer = train_tokenizer([text for pair in PAIRS for text in pair])
    for text in (PAIRS[2][1], "\tgröße → 日本\r\n", "<tag> </tag>"):
        assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_prompt_and_solution_are_tokenised_apart() -> None:
    """The prompt of an example has the very tokens that generation will give, and the solution ends with EOS."""
    tokenizer = train_tokenizer([text for pair in PAIRS for text in pair])
    for (prompt, solution), (prompt_ids, solution_ids) in zip(PAIRS, encode(tokenizer, PAIRS), strict=True):
        assert prompt_ids == tokenizer(prompt)["input_ids"]
        assert tokenizer.decode(solution_ids) == solution + EOS


@pytest.mark.parametrize("steps", [(), (0, 5), (5, 5), (9, 3)])
def test_steps_must_rise(tmp_path: Path, steps: tuple[int, ...]) -> None:
    """Steps that do not rise from 1 or more are refused before anything is trained."""
    with pytest.raises(ValueError, match="must rise"):
        train(tmp_path, examples=PAIRS, steps=steps)


def test_example_must_fit_the_model(tmp_path: Path) -> None:
    """An example with more tokens than the model has positions is refused with both numbers."""
    with pytest.raises(ValueError, match="max_positions is 8"):
        train(tmp_path, examples=PAIRS, setting=replace(DEMO, max_positions=8))


@pytest.mark.slow
def test_checkpoints_are_ordinary_and_learn(tmp_path: Path) -> None:
    """Each step leaves a checkpoint that the transformers back end loads; the last one knows the solutions."""
    losses: list[float] = []
    saved = train(tmp_path, examples=PAIRS, steps=(2, 60), setting=TINY, on_step=lambda step, loss: losses.append(loss))
    assert [path.name for path in saved] == ["step-000002", "step-000060"]
    assert len(losses) == 60 and losses[-1] < losses[0]
    first, last = (solved(path) for path in saved)
    assert first == [] and last == [solution for _, solution in PAIRS]


@pytest.mark.slow
def test_same_seed_gives_same_weights(tmp_path: Path) -> None:
    """Training twice gives the same bytes, another seed gives others; the caller's random state is left alone."""
    torch.manual_seed(0)
    state = torch.get_rng_state()
    runs = [
        train(tmp_path / name, examples=PAIRS, steps=(3,), seed=seed, setting=TINY)[0]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert torch.equal(torch.get_rng_state(), state)
    weights = [(path / "model.safetensors").read_bytes() for path in runs]
    assert weights[0] == weights[1] != weights[2]


def solved(checkpoint: Path) -> list[str]:
    """The solutions of PAIRS that a checkpoint writes greedily, in order."""

    async def all_pairs() -> list[str]:
        generator = TransformersGenerator(checkpoint, device="cpu")
        prompts = [Prompt(task_id=str(i), form="base", text=prompt) for i, (prompt, _) in enumerate(PAIRS)]
        rows = await asyncio.gather(*(generator.generate(p, Sampling(max_tokens=32), [0]) for p in prompts))
        await generator.close()
        return [row[0].text for row in rows]

    texts = asyncio.run(all_pairs())
    return [text for text, (_, solution) in zip(texts, PAIRS, strict=True) if text == solution]
