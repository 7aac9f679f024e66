"""The `transformers` back end: complete prompts with a Hugging Face model in this process, on a GPU or on CPUs.

It takes every architecture that transformers knows and needs nothing else installed; where vLLM runs, that is faster.
Calls that are in flight together are decoded together: one worker thread takes their rows in order and keeps a batch
full of them (actors/decoding.py; models that cannot be refilled: actors/whole_batches.py). Each row ends by itself
(actors/stopping.py) and draws from its own seed (actors/gumbel.py), so what a sample becomes does not depend on its
batch.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import torch

from actors.decoding import decode
from actors.generator import Sampling
from actors.local_call import LocalCall
from actors.local_model import load
from actors.prompt_text import Encoded, PromptEncoder, reasoning_tokens
from actors.row_cache import can_refill
from actors.stopping import Decoder, Row, text_of
from actors.whole_batches import decode_whole
from benchmarks.problem import Completion, Prompt
from runners.errors import UserError

Waiting = tuple[Row, "asyncio.Future[None]"]


class TransformersGenerator:
    """A model that is loaded and ready; implements `actors.generator.Generator`. Use one event loop per instance."""

    def __init__(
        self,
        path: str | Path,
        *,
        dtype: str = "auto",
        device: str = "auto",
        batch_size: int = 16,
        max_model_len: int | None = None,
        chat_template: str | None = None,
        trust_remote_code: bool = False,
        threads: int | None = None,
    ) -> None:
        """Load the model.

        Args:
            path: a checkpoint folder or a hub id.
            dtype: `auto` (as saved), `float32`, `float16` or `bfloat16`.
            device: `auto` (the first GPU, else the CPU), or a torch device such as `cpu` or `cuda:1`.
            batch_size: most samples that are decoded together; what bounds the memory.
            max_model_len: tokens of prompt and completion together; None for what the model was made for.
            chat_template: a Jinja template, or the path of a file with one; None for the tokenizer's own.
            trust_remote_code: run Python code that comes with the checkpoint.
            threads: CPU threads that the model computes with; None for what this process has.

        Raises:
            UserError: the checkpoint is not whole, or a setting is not possible with it or on this machine.
        """
        if batch_size < 1:
            raise UserError(f"model.batch_size {batch_size}: at least 1 is needed.")
        self._loaded = load(path, dtype=dtype, device=device, trust_remote_code=trust_remote_code)
        self._context = _context(max_model_len, self._loaded.context_tokens)
        self._encoder = PromptEncoder(self._loaded.tokenizer, chat_template)
        self._batch_size = batch_size
        self._decoder = Decoder(self._loaded.tokenizer)
        self._decode = decode if can_refill(self._loaded.model) else decode_whole
        self._waiting: deque[Waiting] = deque()
        self._taken: dict[int, Waiting] = {}
        """Rows that the worker thread has, by their Python id."""
        self._thread = ThreadPoolExecutor(
            max_workers=1, thread_name_prefix="transformers", initializer=_use_threads, initargs=(threads,)
        )

    async def generate(self, prompt: Prompt, sampling: Sampling, indexes: Sequence[int]) -> list[Completion]:
        """Complete one prompt once per sample index, in that order; see `Generator`.

        Greedy samples of one prompt are all the same, so they are computed once.

        Raises:
            UserError: a chat prompt without a template that takes it, or a gap that this model cannot be shown.
            RuntimeError: the model or its device failed for good.
        """
        call = LocalCall.begin(prompt)
        encoded = self._encoder.encode(prompt)
        if fault := self._prompt_fault(len(encoded.ids)):
            return [call.failed(fault, len(encoded.ids)) for _ in indexes]
        distinct = indexes if sampling.temperature > 0 else indexes[:1]
        rows = [self._row(prompt, encoded, sampling, index) for index in distinct]
        await asyncio.gather(*(self._complete(row) for row in rows))
        completions = [self._completion(call, encoded, row) for row in rows]
        return completions if sampling.temperature > 0 else completions * len(indexes)

    async def close(self) -> None:
        """Wait for the current batch, then let go of the model; calls that still wait are cancelled."""
        for _, ended in self._waiting:
            ended.cancel()
        await asyncio.to_thread(self._thread.shutdown)
        self._loaded.model.to("meta")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _prompt_fault(self, num_tokens: int) -> str:
        """Why a prompt of this length cannot be completed; empty if it can."""
        if num_tokens == 0:
            return "the prompt is empty and the tokenizer begins a text with no token of its own."
        if num_tokens < self._context:
            return ""
        made_for = self._loaded.context_tokens
        limit = "" if made_for is None else f" (this model was made for {made_for})"
        return (
            f"the prompt has {num_tokens} tokens and leaves no room in a context of {self._context};"
            f" raise model.max_model_len{limit}, or leave this problem out."
        )

    def _row(self, prompt: Prompt, encoded: Encoded, sampling: Sampling, index: int) -> Row:
        noise = None
        if sampling.temperature > 0:
            noise = torch.Generator(self._loaded.device).manual_seed(sampling.seed_of(prompt, index))
        added = self._loaded.tokenizer.get_added_vocab() if prompt.stop else {}
        return Row(
            prompt_ids=encoded.ids,
            max_tokens=min(sampling.max_tokens, self._context - len(encoded.ids)),
            stop=tuple(mark for mark in prompt.stop if mark),
            end_ids=self._loaded.end_ids | encoded.end_ids | {added[mark] for mark in prompt.stop if mark in added},
            draw=(sampling.temperature, sampling.top_k, sampling.top_p) if noise else (0.0, 0, 1.0),
            noise=noise,
            num_alternatives=prompt.logprobs,
            prompt_logprobs=[] if prompt.prompt_logprobs else None,
        )

    async def _complete(self, row: Row) -> None:
        """Put a row in the queue and wait until it has ended."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, ended))
        # One job per row, so that none is forgotten; most find that an earlier one has taken their row along.
        self._thread.submit(self._work)
        await ended

    def _work(self) -> None:
        """In the worker thread: decode what waits, and what comes meanwhile, until all has ended.

        A failure is raised where the rows that were being decoded are awaited.
        """
        if not self._waiting:
            return
        try:
            for row in self._decode(self._loaded, self._more, self._decoder, self._batch_size):
                _settle(self._taken.pop(id(row))[1])
        except torch.OutOfMemoryError as error:
            cure = f"lower model.batch_size (now {self._batch_size}) or model.max_model_len"
            for row, ended in self._taken.values():
                row.finish_reason, row.error = "error", f"out of GPU memory: {str(error).splitlines()[0]}; {cure}."
                _settle(ended)
            torch.cuda.empty_cache()
        except Exception as error:  # noqa: BLE001 - raised where the rows are awaited
            for _, ended in self._taken.values():
                _settle(ended, error)
        self._taken.clear()

    def _more(self, count: int) -> list[Row]:
        """In the worker thread: at most so many rows that wait; those that no one awaits any more are dropped."""
        rows: list[Row] = []
        while self._waiting and len(rows) < count:
            row, ended = self._waiting.popleft()
            if not ended.done():
                self._taken[id(row)] = (row, ended)
                rows.append(row)
        return rows

    def _completion(self, call: LocalCall, encoded: Encoded, row: Row) -> Completion:
        if row.error:
            return call.failed(row.error, len(row.prompt_ids))
        text = encoded.lead + text_of(row, self._decoder)
        tokenizer, num_tokens = self._loaded.tokenizer, len(row.token_ids)
        return Completion(
            text=text,
            form=call.form,
            finish_reason=row.finish_reason,
            prompt_tokens=len(row.prompt_ids),
            completion_tokens=num_tokens,
            seconds=row.arrived[-1] - call.clock,
            started_at=call.started_at,
            queue_seconds=row.began - call.clock,
            ttft_seconds=row.arrived[0] - call.clock,
            inter_token_seconds=tuple(after - before for before, after in pairwise(row.arrived)),
            reasoning_tokens=reasoning_tokens(tokenizer, text, num_tokens, lead=encoded.lead),
            logprobs=self._decoder.logprobs(row.logprobs),
            prompt_logprobs=self._decoder.logprobs(row.prompt_logprobs or ()),
        )


def _settle(ended: asyncio.Future[None], failure: Exception | None = None) -> None:
    """From another thread: wake who awaits a row, unless they gave up."""

    def settle() -> None:
        if not ended.done():
            ended.set_result(None) if failure is None else ended.set_exception(failure)

    if not ended.done():
        ended.get_loop().call_soon_threadsafe(settle)


def _use_threads(threads: int | None) -> None:
    if threads is not None:
        torch.set_num_threads(threads)


def _context(asked: int | None, made_for: int | None) -> int:
    """Tokens of prompt and completion together."""
    if asked is not None and asked < 2:
        raise UserError(f"model.max_model_len {asked}: at least 2 tokens are needed.")
    if asked is not None and made_for is not None and asked > made_for:
        raise UserError(f"model.max_model_len {asked}: this model was made for {made_for} tokens; set at most that.")
    return next(tokens for tokens in (asked, made_for, sys.maxsize) if tokens is not None)
