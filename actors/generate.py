"""The Generate stage: a Ray actor that holds one model, completes prompts and commits them before they travel on.

Many batches are in flight at once, each in a thread of the actor; their requests meet in one event loop, where the back
end batches them as it likes. So there is no barrier between batches: a batch ends when its own completions have.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from actors.conversation import Conversation
from actors.generator import Generator, Sampling
from actors.parts import STOP_FILE, commit, read_part
from actors.samples import COMPLETED_SCHEMA, GENERATION_SCHEMA, completion_row, place, prompt_of

GENERATIONS = "generations"

T = TypeVar("T")


class Generate:
    """Turns request rows into completed rows; a batch is one commit. May be called by many threads at once.

    The model is loaded when the first row needs it: a resumed run that has every completion never loads one.
    """

    def __init__(
        self,
        run_dir: str,
        open_generator: Callable[[], Generator],
        sampling: Sampling,
        conversations: Callable[[], Mapping[str, Conversation]] = dict,
    ) -> None:
        """Remember how to load the model.

        Args:
            run_dir: where completions are committed.
            open_generator: called in this process, once.
            sampling: how completions are drawn.
            conversations: called beside it, once; the benchmarks with problems of several turns, by label.
        """
        self._directory = Path(run_dir)
        self._open_generator = open_generator
        self._sampling = sampling
        self._generator: Generator | None = None
        self._open_conversations = conversations
        self._conversations: Mapping[str, Conversation] = {}
        self._opening = threading.Lock()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True, name="generate").start()

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Complete every prompt of a batch of REQUEST_SCHEMA rows; returns COMPLETED_SCHEMA rows.

        Raises:
            DataError: a part that holds stored completions is damaged.
            GeneratorDied: the back end ended and takes no more requests.
        """
        requests = batch.to_pylist()
        if (self._directory / STOP_FILE).exists():
            return COMPLETED_SCHEMA.empty_table()
        stored = self._read_parts({part for request in requests for part in request["parts"]})
        completed = [_stored(request, stored) for request in requests]
        fresh = self._generate([request for request in requests if request["generate"]])
        self._commit(fresh)
        by_request = {row["request_id"]: row["completions"] for row in fresh}
        for row in completed:
            row["completions"] += by_request.get(row["request_id"], [])
        return pa.Table.from_pylist(completed, schema=COMPLETED_SCHEMA)

    def _read_parts(self, parts: set[str]) -> dict[str, dict[str, Any]]:
        """Completions that earlier attempts have committed, by sample_id."""
        rows: dict[str, dict[str, Any]] = {}
        for part in sorted(parts):
            table = read_part(self._directory / GENERATIONS / part, GENERATION_SCHEMA, GENERATION_SCHEMA.names)
            rows |= {row["sample_id"]: row for row in table.to_pylist() if not row["generation_error"]}
        return rows

    def _generate(self, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Complete requests side by side with those of other threads."""
        if not requests:
            return []
        generator = self._opened()
        return self._wait_for(_all(self._complete(generator, request) for request in requests))

    def _opened(self) -> Generator:
        with self._opening:
            if self._generator is None:
                self._conversations = self._open_conversations()
                self._generator = self._open_generator()
            return self._generator

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _complete(self, generator: Generator, request: dict[str, Any]) -> dict[str, Any]:
        prompt = replace(prompt_of(json.loads(request["prompt"])), benchmark=request["benchmark"])
        indexes = request["generate"]
        completions = await generator.generate(prompt, self._sampling, indexes)
        if (conversation := self._conversations.get(prompt.benchmark)) is not None:
            completions = await _all(
                conversation.go_on(prompt, first, partial(generator.generate, sampling=self._sampling, indexes=[index]))
                for first, index in zip(completions, indexes, strict=True)
            )
        rows = [completion_row(c, index, place()) for c, index in zip(completions, indexes, strict=True)]
        return _completed(request, rows)

    def _commit(self, completed: list[dict[str, Any]]) -> None:
        rows = [
            {**{name: row[name] for name in ("benchmark", "task_id", "variant")}, **completion}
            | {"sample_id": sample_id(row["request_id"], completion["sample_index"])}
            for row in completed
            for completion in row["completions"]
        ]
        if rows:
            tokens = sum(row["completion_tokens"] or 0 for row in rows)
            commit(self._directory / GENERATIONS, rows, GENERATION_SCHEMA, tokens=tokens)


async def _all(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    return list(await asyncio.gather(*works))


def sample_id(request_id: str, index: int) -> str:
    """Identity of one sample: its request and its index."""
    return f"{request_id}-{index}"


def _stored(request: dict[str, Any], rows: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The request's row with those of its completions that are stored."""
    wanted = [sample_id(request["request_id"], index) for index in sorted(request["stored"])]
    return _completed(request, [rows[name] for name in wanted if name in rows])


def _completed(request: dict[str, Any], completions: list[dict[str, Any]]) -> dict[str, Any]:
    names = ("request_id", "benchmark", "task_id", "variant")
    return {**{name: request[name] for name in names}, "completions": completions}
