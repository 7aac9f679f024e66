"""The `transformers` back end: complete prompts with a Hugging Face model in this process, on a GPU or on CPUs.

It takes every architecture that transformers knows and needs nothing else installed; where vLLM runs, that is faster.
Calls that are in flight together are decoded together: one worker thread takes their rows in order, pads them on the
left to a batch and runs generate(). Each row ends by itself (actors/stopping.py) and draws from its own seed
(actors/gumbel.py), so what a sample becomes does not depend on its batch.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from jinja2 import TemplateError
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

from actors.generator import Sampling
from actors.gumbel import SeededDraw
from actors.local_model import LocalModel, load
from actors.stopping import Decoder, Row, RowEnds, text_of
from benchmarks.problem import Completion, CompletionForm, Prompt
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

        Raises:
            UserError: the checkpoint is not whole, or a setting is not possible with it or on this machine.
        """
        if batch_size < 1:
            raise UserError(f"model.batch_size {batch_size}: at least 1 is needed.")
        self._loaded = load(path, dtype=dtype, device=device, trust_remote_code=trust_remote_code)
        self._context = _context(max_model_len, self._loaded.context_tokens)
        self._template = _template(chat_template)
        self._batch_size = batch_size
        self._decoder = Decoder(self._loaded.tokenizer)
        self._waiting: deque[Waiting] = deque()
        self._draining: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="transformers")

    async def generate(self, prompt: Prompt, sampling: Sampling, indexes: Sequence[int]) -> list[Completion]:
        """Complete one prompt once per sample index, in that order; see `Generator`.

        Greedy samples of one prompt are all the same, so they are computed once.

        Raises:
            UserError: a chat prompt, and neither the tokenizer nor the settings have a template that takes it.
            RuntimeError: the model or its device failed for good.
        """
        started = time.perf_counter()
        prompt_ids = self._tokenize(prompt)
        if fault := self._prompt_fault(len(prompt_ids)):
            return [_failed(prompt, fault, len(prompt_ids), time.perf_counter() - started) for _ in indexes]
        distinct = indexes if sampling.temperature > 0 else indexes[:1]
        rows = [self._row(prompt, prompt_ids, sampling, index) for index in distinct]
        await asyncio.gather(*(self._complete(row) for row in rows))
        seconds = time.perf_counter() - started
        completions = [self._completion(prompt, row, seconds) for row in rows]
        return completions if sampling.temperature > 0 else completions * len(indexes)

    async def close(self) -> None:
        """Wait for the current batch, then let go of the model; calls that still wait are cancelled."""
        for _, ended in self._waiting:
            ended.cancel()
        await asyncio.to_thread(self._thread.shutdown)
        self._loaded.model.to("meta")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _tokenize(self, prompt: Prompt) -> list[int]:
        if prompt.form == "chat":
            return self._ids(self._chat_text(prompt), special=False)
        ids = self._ids(prompt.text, special=True)
        # Some tokenizers end every text with an end token; a text to be continued must not.
        closed = ids[-1:] == [self._loaded.tokenizer.eos_token_id] and len(ids) > 1
        return ids[:-1] if closed and self._ids(prompt.text, special=False)[-1:] != ids[-1:] else ids

    def _ids(self, text: str, *, special: bool) -> list[int]:
        ids: list[int] = self._loaded.tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
        return ids

    def _chat_text(self, prompt: Prompt) -> str:
        """The conversation in the model's own form, its special tokens included."""
        tokenizer = self._loaded.tokenizer
        if self._template is None and tokenizer.chat_template is None:
            raise UserError(
                "model.form=chat: the tokenizer has no chat template. For a base model use `--set model.form=base`;"
                " for a chat model give its template with `--set model.chat_template=<file>`."
            )
        messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
        try:
            text: str = tokenizer.apply_chat_template(
                messages, chat_template=self._template, tokenize=False, add_generation_prompt=True
            )
        except TemplateError as error:
            roles = ", ".join(message.role for message in prompt.messages)
            raise UserError(
                f"the chat template refuses messages of {roles}: {error}. Change `--set model.chat_template=<file>`."
            ) from error
        return text

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

    def _row(self, prompt: Prompt, prompt_ids: list[int], sampling: Sampling, index: int) -> Row:
        noise = None
        if sampling.temperature > 0:
            noise = torch.Generator(self._loaded.device).manual_seed(sampling.seed_of(prompt, index))
        special = {mark: self._loaded.tokenizer.get_added_vocab().get(mark) for mark in prompt.stop}
        return Row(
            prompt_ids=prompt_ids,
            max_tokens=min(sampling.max_tokens, self._context - len(prompt_ids)),
            stop=tuple(mark for mark in prompt.stop if mark),
            end_ids=self._loaded.end_ids | {id_ for id_ in special.values() if id_ is not None},
            draw=(sampling.temperature, sampling.top_k, sampling.top_p) if noise else (0.0, 0, 1.0),
            noise=noise,
        )

    async def _complete(self, row: Row) -> None:
        """Put a row in the queue and wait until it has ended."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        self._waiting.append((row, ended))
        if self._draining is None or self._draining.done():
            self._draining = loop.create_task(self._drain())
        await ended

    async def _drain(self) -> None:
        """Run batches until no row waits; a failure is raised where the rows of that batch are awaited."""
        while batch := self._next_batch():
            job = asyncio.get_running_loop().run_in_executor(self._thread, self._decode, [row for row, _ in batch])
            await asyncio.wait([job])
            failure = job.exception()
            # From the back, so that rows that go on keep their order.
            for row, ended in reversed(batch):
                if failure is None and not row.finish_reason:
                    self._waiting.appendleft((row, ended))
                elif not ended.done():
                    ended.set_exception(failure) if failure is not None else ended.set_result(None)

    def _next_batch(self) -> list[Waiting]:
        """The first rows that are drawn alike, at most `batch_size`; rows that no one awaits any more are dropped."""
        waiting = [(row, ended) for row, ended in self._waiting if not ended.done()]
        batch = [pair for pair in waiting if pair[0].draw == waiting[0][0].draw][: self._batch_size]
        taken = {id(row) for row, _ in batch}
        self._waiting = deque(pair for pair in waiting if id(pair[0]) not in taken)
        return batch

    def _decode(self, rows: list[Row]) -> None:
        """Generate for one batch, in the worker thread; rows out of memory end with an error."""
        try:
            decode(self._loaded, rows, self._decoder, self._context)
        except torch.OutOfMemoryError as error:
            cure = f"lower model.batch_size (now {self._batch_size}) or model.max_model_len"
            for row in rows:
                row.finish_reason, row.error = "error", f"out of GPU memory: {str(error).splitlines()[0]}; {cure}."
        if any(row.error for row in rows):
            torch.cuda.empty_cache()

    def _completion(self, prompt: Prompt, row: Row, seconds: float) -> Completion:
        if row.error:
            return _failed(prompt, row.error, len(row.prompt_ids), seconds)
        return Completion(
            text=text_of(row, self._decoder),
            form=_form(prompt),
            finish_reason=row.finish_reason,
            prompt_tokens=len(row.prompt_ids),
            completion_tokens=len(row.token_ids),
            seconds=seconds,
        )


def decode(loaded: LocalModel, rows: Sequence[Row], decoder: Decoder, context_tokens: int) -> None:
    """Generate for `rows` together, in place, until each has ended or the longest fills the context.

    All rows have the same `draw`. A row that has not ended is to be given again; it goes on where it stopped.

    Raises:
        torch.OutOfMemoryError: the batch does not fit on the device.
    """
    texts = [row.ids for row in rows]
    width = max(map(len, texts))
    steps = min(context_tokens - width, max(row.max_tokens - len(row.token_ids) for row in rows))
    ids = torch.tensor([[loaded.pad_id] * (width - len(text)) + text for text in texts])
    mask = torch.tensor([[0] * (width - len(text)) + [1] * len(text) for text in texts])
    temperature, top_k, top_p = rows[0].draw
    noise = [row.noise for row in rows if row.noise is not None]
    draw = [SeededDraw(noise, temperature=temperature, top_k=top_k, top_p=top_p)] if noise else []
    loaded.model.generate(
        input_ids=ids.to(loaded.device),
        attention_mask=mask.to(loaded.device),
        generation_config=GenerationConfig(do_sample=False, max_new_tokens=steps, pad_token_id=loaded.pad_id),
        logits_processor=LogitsProcessorList(draw),
        stopping_criteria=StoppingCriteriaList([RowEnds(rows, decoder)]),
    )


def _failed(prompt: Prompt, error: str, prompt_tokens: int, seconds: float) -> Completion:
    return Completion(
        text="", form=_form(prompt), finish_reason="error", prompt_tokens=prompt_tokens, error=error, seconds=seconds
    )


def _form(prompt: Prompt) -> CompletionForm:
    return "chat" if prompt.form == "chat" else "completion"


def _context(asked: int | None, made_for: int | None) -> int:
    """Tokens of prompt and completion together."""
    if asked is not None and asked < 2:
        raise UserError(f"model.max_model_len {asked}: at least 2 tokens are needed.")
    if asked is not None and made_for is not None and asked > made_for:
        raise UserError(f"model.max_model_len {asked}: this model was made for {made_for} tokens; set at most that.")
    return next(tokens for tokens in (asked, made_for, sys.maxsize) if tokens is not None)


def _template(chat_template: str | None) -> str | None:
    """The template's text: Jinja always has a brace, the path of a file hardly ever."""
    if chat_template is None or "{" in chat_template:
        return chat_template
    try:
        return Path(chat_template).expanduser().read_text()
    except OSError as error:
        raise UserError(f"model.chat_template {chat_template}: cannot be read ({error.strerror}).") from error
