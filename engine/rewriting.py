"""A language model behind an endpoint that rewords descriptions; each answer is kept and asked for once."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

from actors.generator import Sampling
from actors.models import parse_model
from actors.openai_generator import OpenAIGenerator
from actors.options import GeneratorOptions
from benchmarks.fetch import write_atomic
from benchmarks.perturbations.subject import Rewrite
from benchmarks.problem import Message, Prompt
from engine.places import cache_root
from runners.errors import UserError

_MAX_TOKENS = 2048


def open_rewriter(spec: str, cache: Path | None = None) -> Rewrite:
    """What asks the model `openai:URL#MODEL` greedily, or reads under `cache` what it said before.

    The key of an answer is model, request and text, so a run repeats with the same words without the endpoint.

    Raises:
        UserError: when called: the endpoint does not answer, or with an empty text.
    """
    model = parse_model(spec)
    folder = (cache or cache_root() / "rewritten").absolute()

    def rewrite(request: str, text: str) -> str:
        key = hashlib.sha256(json.dumps([spec, request, text]).encode()).hexdigest()
        path = folder / key[:2] / f"{key[2:]}.json"
        if path.exists():
            return str(json.loads(path.read_text())["answer"])
        answer = asyncio.run(_ask(model.target, model.model, f"{request}\n\n{text}"))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps({"model": spec, "request": request, "text": text, "answer": answer}).encode())
        return answer

    return rewrite


async def _ask(url: str, model: str, question: str) -> str:
    generator = OpenAIGenerator(url, model, GeneratorOptions())
    try:
        prompt = Prompt(task_id="rewrite", form="chat", messages=(Message(role="user", content=question),))
        [completion] = await generator.generate(prompt, Sampling(temperature=0.0, max_tokens=_MAX_TOKENS), (0,))
    finally:
        await generator.close()
    if completion.error or not completion.text.strip():
        raise UserError(f"openai:{url}#{model}: no rewording: {completion.error or 'the answer is empty'}.")
    return completion.text
