"""The `vllm` back end: one engine of vLLM per generator, with continuous batching, on GPUs or on CPUs.

Every call goes to the engine at once, so the batch is whatever is in flight. Each sample is an engine request of its
own, submitted beside those of the same prompt, so the prefix cache serves all but the first. (vLLM's own `n` does the
same inside, with seeds that count up from the first; here each sample has its own seed and its own latencies.)
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.generator import GeneratorDied, Sampling
from actors.local_call import LocalCall
from actors.options import GeneratorOptions
from actors.prompt_text import Encoded, PromptEncoder, reasoning_tokens
from actors.stopping import Decoder, TokenFigures
from actors.vllm_engine import start_engine
from actors.vllm_errors import explain
from benchmarks.problem import Completion, Prompt
from runners.errors import UserError


class VllmGenerator:
    """An engine that runs; implements `actors.generator.Generator`. Use one event loop per instance."""

    def __init__(self, target: str, options: GeneratorOptions) -> None:
        """Start the engine; takes from ten seconds to minutes. No event loop is needed for it.

        Args:
            target: a checkpoint folder or a hub id.
            options: of the model.

        Raises:
            ModuleNotFoundError: vLLM is not installed.
            UserError: an option is not possible with this model or on this machine.
        """
        self._engine = start_engine(target, options)
        self._is_open = True
        try:
            self._tokenizer = _tokenizer(self._engine.llm.vllm_config.model_config)
            self._encoder = PromptEncoder(self._tokenizer, options.chat_template)
        except BaseException:
            self._engine.close()
            raise
        self._decoder = Decoder(self._tokenizer)
        self._added_ids: dict[str, int] = self._tokenizer.get_added_vocab()
        self._stream_every = options.stream_every
        self._numbers = itertools.count()

    async def generate(self, prompt: Prompt, sampling: Sampling, indexes: Sequence[int]) -> list[Completion]:
        """Complete one prompt once per sample index, in that order; see `Generator`.

        Greedy samples of one prompt are all the same, so they are computed once. Tokens that reach this process
        together have a gap of 0 between them.

        Raises:
            UserError: a chat prompt without a template that takes it, or a gap that this model cannot be shown.
            GeneratorDied: the engine ended.
        """
        call = LocalCall.begin(prompt)
        encoded = self._encoder.encode(prompt)
        if fault := prompt_fault(len(encoded.ids), self._engine.max_model_len):
            return [call.failed(fault, len(encoded.ids)) for _ in indexes]
        if not sampling.temperature > 0:
            return [await self._sample(call, encoded, sampling, None)] * len(indexes) if indexes else []
        seeds = [sampling.seed_of(prompt, index) for index in indexes]
        return list(await asyncio.gather(*(self._sample(call, encoded, sampling, seed) for seed in seeds)))

    async def close(self) -> None:
        """End the engine and wait for its processes; may be called twice."""
        if self._is_open:
            self._is_open = False
            if reader := self._engine.llm.output_handler:
                reader.cancel()  # else it logs the end of the engine as an error
            await asyncio.to_thread(self._engine.close)

    async def _sample(self, call: LocalCall, encoded: Encoded, sampling: Sampling, seed: int | None) -> Completion:
        """One request of the engine."""
        number = next(self._numbers)
        is_streamed = number % self._stream_every == 0
        arguments = sampling_arguments(call.prompt, encoded, sampling, self._engine.max_model_len, self._added_ids)
        try:
            answer = await self._ask(encoded, arguments | {"seed": seed}, f"{number}", is_streamed)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if self._has_died(error):
                raise GeneratorDied(explain(self._engine.log.text())) from error
            return call.failed(f"vLLM refused the request: {_cause(error)}", len(encoded.ids))
        return self._completion(call, encoded, answer, is_streamed)

    async def _ask(self, encoded: Encoded, arguments: dict[str, Any], name: str, is_streamed: bool) -> _Answer:
        from vllm import SamplingParams
        from vllm.inputs import tokens_input
        from vllm.sampling_params import RequestOutputKind

        kind = RequestOutputKind.DELTA if is_streamed else RequestOutputKind.FINAL_ONLY
        params = SamplingParams(**arguments, output_kind=kind)
        answer = _Answer(params.logprobs or 0)
        asked = self._engine.llm.generate(
            tokens_input(list(encoded.ids)), params, request_id=name, lora_request=self._engine.lora
        )
        async for output in asked:
            answer.take(output)
        return answer

    def _has_died(self, error: Exception) -> bool:
        from vllm.v1.engine.exceptions import EngineDeadError

        return isinstance(error, EngineDeadError) or bool(self._engine.llm.errored)

    def _completion(self, call: LocalCall, encoded: Encoded, answer: _Answer, is_streamed: bool) -> Completion:
        if answer.finish_reason not in ("stop", "length"):
            return call.failed(f"vLLM gave the request up ({answer.finish_reason}).", len(encoded.ids))
        text, stats = encoded.lead + answer.text, answer.stats
        first = answer.arrived[0] - call.clock if is_streamed else None
        if not is_streamed and stats is not None:
            first = stats.arrival_time - call.started_at + stats.first_token_latency
        return Completion(
            text=text,
            form=call.form,
            finish_reason=answer.finish_reason,
            prompt_tokens=len(encoded.ids),
            completion_tokens=answer.num_tokens,
            seconds=answer.ended - call.clock,
            started_at=call.started_at,
            queue_seconds=None if stats is None else max(0.0, stats.scheduled_ts - stats.queued_ts),
            ttft_seconds=first,
            inter_token_seconds=tuple(b - a for a, b in itertools.pairwise(answer.arrived)) if is_streamed else (),
            reasoning_tokens=reasoning_tokens(self._tokenizer, text, answer.num_tokens, lead=encoded.lead),
            logprobs=self._decoder.logprobs(answer.logprobs),
            prompt_logprobs=self._decoder.logprobs(answer.prompt_logprobs),
        )


@dataclass(slots=True)
class _Answer:
    """What the engine gave for one request: in pieces where it is streamed, else in one."""

    num_alternatives: int
    """So many of the likeliest tokens are wanted at each place."""
    text: str = ""
    num_tokens: int = 0
    finish_reason: str | None = None
    arrived: list[float] = field(default_factory=list)
    """time.perf_counter() at each token."""
    ended: float = 0.0
    stats: Any = None
    """vllm.v1.metrics.stats.RequestStateStats; None where vLLM keeps none."""
    logprobs: list[TokenFigures] = field(default_factory=list)
    prompt_logprobs: list[TokenFigures] = field(default_factory=list)

    def take(self, output: Any) -> None:  # noqa: ANN401 - vLLM is known by name only
        """Add a RequestOutput."""
        now = time.perf_counter()
        piece = output.outputs[0]
        self.text += piece.text
        self.num_tokens += len(piece.token_ids)
        self.arrived += [now] * len(piece.token_ids)
        self.finish_reason, self.ended, self.stats = piece.finish_reason, now, output.metrics
        for token_id, place in zip(piece.token_ids, piece.logprobs or (), strict=False):
            self.logprobs.append(figures_of(token_id, place, self.num_alternatives))
        if output.prompt_logprobs and not self.prompt_logprobs:
            told = zip(output.prompt_token_ids[1:], output.prompt_logprobs[1:], strict=True)
            self.prompt_logprobs = [figures_of(token_id, place, self.num_alternatives) for token_id, place in told]


def prompt_fault(num_tokens: int, context: int) -> str:
    """Why a prompt of so many tokens cannot be completed in a context of so many; empty if it can."""
    if num_tokens == 0:
        return "the prompt is empty and the tokenizer begins a text with no token of its own."
    if num_tokens < context:
        return ""
    return (
        f"the prompt has {num_tokens} tokens and leaves no room in a context of {context};"
        " raise model.max_model_len, or leave this problem out."
    )


def sampling_arguments(
    prompt: Prompt, encoded: Encoded, sampling: Sampling, context: int, added_ids: dict[str, int]
) -> dict[str, Any]:
    """Keyword arguments of vLLM's SamplingParams, without the seed.

    Args:
        prompt: what is asked.
        encoded: its tokens, fewer than `context`.
        sampling: how completions are drawn.
        context: tokens of prompt and completion together.
        added_ids: tokens beside the vocabulary proper; text leaves them out, so as stops they are named by id.
    """
    stop = [mark for mark in prompt.stop if mark]
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p if sampling.temperature > 0 else 1.0,
        "top_k": sampling.top_k if sampling.temperature > 0 else 0,
        "max_tokens": min(sampling.max_tokens, context - len(encoded.ids)),
        "stop": stop,
        "stop_token_ids": sorted(encoded.end_ids | {added_ids[mark] for mark in stop if mark in added_ids}),
        "logprobs": prompt.logprobs,
        "prompt_logprobs": (prompt.logprobs or 0) if prompt.prompt_logprobs else None,
    }


def figures_of(token_id: int, place: Any, num_alternatives: int) -> TokenFigures:  # noqa: ANN401
    """A token, its log probability and the likeliest tokens, from vLLM's {token: Logprob} of one place.

    The mapping holds the likeliest and, where it is none of them, the token itself.
    """
    best = sorted(((other, float(entry.logprob)) for other, entry in place.items()), key=lambda pair: -pair[1])
    return token_id, float(place[token_id].logprob), tuple(best[:num_alternatives])


def _cause(error: BaseException) -> str:
    """The innermost message, on one line: vLLM wraps unexpected errors in one without a text."""
    while not str(error) and error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def _tokenizer(config: Any) -> Any:  # noqa: ANN401 - transformers has no types
    """The tokenizer that the engine's configuration names."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            config.tokenizer, revision=config.tokenizer_revision, trust_remote_code=config.trust_remote_code
        )
    except (OSError, ValueError) as error:
        raise UserError(f"model {config.tokenizer}: its tokenizer cannot be loaded: {error}") from error
