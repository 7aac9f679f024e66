"""Plain transformers: one prompt at a time through `model.generate`, and the same prompts through our generator.

Run as `python -m benchmarks_perf.drivers.plain_transformers JOB.json`, in a process of its own. Greedy decoding, so
that the texts can be compared; tells tokens and seconds of both, and how many texts differ, as one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from actors.generator import Sampling
from actors.transformers_generator import TransformersGenerator
from benchmarks.problem import Prompt

WARM_UP = 4
"""Prompts of the warm-up; not counted."""


def one_at_a_time(job: dict[str, Any]) -> tuple[int, float, list[str]]:
    """Tokens, seconds and texts of `model.generate` with one prompt per call."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    model = AutoModelForCausalLM.from_pretrained(job["model"]).eval()

    def complete(prompt: str) -> Any:  # noqa: ANN401 - a tensor
        inputs = tokenizer(prompt, return_tensors="pt")
        kept = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            ids = model.generate(**kept, do_sample=False, max_new_tokens=job["max_tokens"])
        return ids[0, inputs["input_ids"].shape[1] :]

    for prompt in job["prompts"][:WARM_UP]:
        complete(prompt)
    began = time.perf_counter()
    answers = [complete(prompt) for prompt in job["prompts"]]
    seconds = time.perf_counter() - began
    return (
        sum(len(ids) for ids in answers),
        seconds,
        [tokenizer.decode(ids, skip_special_tokens=True) for ids in answers],
    )


def batched(job: dict[str, Any]) -> tuple[int, float, list[str]]:
    """The same of our generator, all prompts in flight at once."""
    generator = TransformersGenerator(job["model"], batch_size=job["batch_size"])
    sampling = Sampling(max_tokens=job["max_tokens"])
    prompts = [Prompt(task_id=str(number), form="base", text=text) for number, text in enumerate(job["prompts"])]

    async def session() -> tuple[int, float, list[str]]:
        await asyncio.gather(*(generator.generate(prompt, sampling, [0]) for prompt in prompts[:WARM_UP]))
        began = time.perf_counter()
        answers = await asyncio.gather(*(generator.generate(prompt, sampling, [0]) for prompt in prompts))
        seconds = time.perf_counter() - began
        await generator.close()
        completions = [answer[0] for answer in answers]
        return sum(c.completion_tokens or 0 for c in completions), seconds, [c.text for c in completions]

    return asyncio.run(session())


def main(path: Path) -> None:
    """Do the job."""
    job: dict[str, Any] = json.loads(path.read_text())
    torch.set_num_threads(job["threads"])
    plain_tokens, plain_seconds, plain_texts = one_at_a_time(job)
    our_tokens, our_seconds, our_texts = batched(job)
    different = sum(a != b for a, b in zip(plain_texts, our_texts, strict=True))
    told = {
        "plain": {"tokens": plain_tokens, "seconds": plain_seconds},
        "ours": {"tokens": our_tokens, "seconds": our_seconds},
        "different_texts": different,
    }
    print("RESULT " + json.dumps(told), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
