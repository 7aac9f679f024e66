from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from actors.generator import GeneratorDied, Sampling
from actors.prompt_text import Encoded
from actors.vllm_generator import figures_of, prompt_fault, sampling_arguments
from benchmarks.problem import Completion, Message, Prompt
from tests.actors.vllm_opened import CONTEXT, TEMPLATE, Opened, needs_vllm, random_checkpoint, shared_engine

T = TypeVar("T")

SAMPLED = Sampling(temperature=0.8, max_tokens=24)
GREEDY = Sampling(max_tokens=24)
TEXTS = ("def add(a, b):\n", "class Setting:\n    steps", "for row in rows:", "import itertools\n\n\ndef train(")


def base(text: str = TEXTS[0], **more: Any) -> Prompt:
    return Prompt(task_id="T/0", form="base", text=text, **more)


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    return random_checkpoint()


@pytest.fixture
def opened() -> Opened:
    """The engine that all tests share; one that a test has killed is started anew."""
    return shared_engine()


def test_prompt_that_leaves_no_room_names_the_setting() -> None:
    """A prompt needs one token of room; an empty one has nothing to go on from."""
    assert prompt_fault(255, 256) == ""
    assert "256 tokens and leaves no room in a context of 256; raise model.max_model_len" in prompt_fault(256, 256)
    assert "empty" in prompt_fault(0, 256)


def test_sampling_is_cut_to_the_context() -> None:
    """max_tokens never goes beyond the context, and stays what it is where there is room."""
    encoded = Encoded(ids=tuple(range(200)))
    cut = sampling_arguments(base(), encoded, Sampling(max_tokens=512), 256, {})
    assert cut["max_tokens"] == 56
    assert sampling_arguments(base(), encoded, Sampling(max_tokens=50), 256, {})["max_tokens"] == 50


def test_stops_that_are_tokens_are_named_by_id() -> None:
    """Special tokens are not in the text, so they stop by id; empty stops are left out."""
    encoded = Encoded(ids=(1,), end_ids=frozenset({9}))
    got = sampling_arguments(base(stop=("", "\n", "<|im_end|>")), encoded, SAMPLED, 256, {"<|im_end|>": 7, "<x>": 8})
    assert (got["stop"], got["stop_token_ids"]) == (["\n", "<|im_end|>"], [7, 9])


def test_greedy_decoding_keeps_the_whole_vocabulary() -> None:
    """top_p and top_k mean nothing to greedy decoding and are not passed."""
    got = sampling_arguments(base(), Encoded(ids=(1,)), Sampling(top_p=0.5, top_k=3), 256, {})
    assert (got["temperature"], got["top_p"], got["top_k"]) == (0.0, 1.0, 0)


def test_alternatives_are_the_likeliest_tokens() -> None:
    """The token itself stands beside the likeliest ones; it counts among them only where it is one."""
    place = {5: SimpleNamespace(logprob=-3.0), 1: SimpleNamespace(logprob=-0.5), 2: SimpleNamespace(logprob=-1.0)}
    assert figures_of(5, place, 2) == (5, -3.0, ((1, -0.5), (2, -1.0)))
    assert figures_of(5, {5: place[5]}, 0) == (5, -3.0, ())


class TestEngine:
    """With an engine that runs; the last test kills it."""

    pytestmark = needs_vllm

    def test_a_sample_is_the_same_alone_and_beside_others(self, opened: Opened) -> None:
        """Its seed decides a sample; different indexes give different texts."""
        every = opened.ask(base(), SAMPLED, [0, 1, 2, 3])
        assert [c.text for c in opened.ask(base(), SAMPLED, [2])] == [every[2].text]
        assert len({c.text for c in every}) == 4
        again = opened.ask_all([base(text) for text in TEXTS], SAMPLED, [3, 0])
        assert [c.text for c in again[0]] == [every[3].text, every[0].text]

    def test_greedy_text_is_that_of_transformers(self, opened: Opened, checkpoint: Path) -> None:
        """In float32, greedy decoding gives the text and counts that the transformers back end gives."""
        from actors.transformers_generator import TransformersGenerator

        other = TransformersGenerator(checkpoint, dtype="float32", threads=1, chat_template=TEMPLATE)
        prompts = [base(text, stop=("\n\n",)) for text in TEXTS]
        prompts.append(Prompt(task_id="T/1", form="chat", messages=(Message(role="user", content="Write add."),)))

        async def ask() -> list[Completion]:
            return [(await other.generate(prompt, GREEDY, [0]))[0] for prompt in prompts]

        def told(c: Completion) -> object:
            return (c.text, c.form, c.finish_reason, c.prompt_tokens, c.completion_tokens)

        ours = opened.ask_all(prompts, GREEDY, [0])
        assert [told(c[0]) for c in ours] == [told(c) for c in asyncio.run(ask())]

    def test_streamed_text_is_the_whole_text(self, opened: Opened) -> None:
        """Watched token by token or not, a sample is the same; only the watched one has gaps."""
        prompt = base(stop=("zz", "qq"), logprobs=2)
        pairs = [opened.ask(prompt, SAMPLED, [index, index]) for index in range(4)]
        for pair in pairs:
            watched, other = sorted(pair, key=lambda c: not c.inter_token_seconds)
            assert (watched.text, watched.completion_tokens) == (other.text, other.completion_tokens)
            assert [t.token for t in watched.logprobs] == [t.token for t in other.logprobs]
            assert len(watched.inter_token_seconds) == (watched.completion_tokens or 0) - 1
            assert other.inter_token_seconds == ()

    def test_times_are_there_and_in_order(self, opened: Opened) -> None:
        """Queue, first token and end follow each other, for each of many requests in flight."""
        for c in chain(*opened.ask_all([base(text) for text in TEXTS] * 3, SAMPLED, [0, 1])):
            assert c.queue_seconds is not None
            assert c.ttft_seconds is not None
            assert c.seconds is not None
            assert 0 <= c.queue_seconds <= c.ttft_seconds <= c.seconds
            assert sum(c.inter_token_seconds) <= c.seconds

    def test_text_ends_before_stop(self, opened: Opened) -> None:
        """A text is cut before its stop sequence, and says that it stopped."""
        whole = opened.ask(base(), GREEDY, [0])[0]
        assert whole.finish_reason == "length"
        stop = whole.text[4:7]
        cut = opened.ask(base(stop=("", stop)), GREEDY, [0, 1])
        assert [(c.text, c.finish_reason) for c in cut] == [(whole.text[: whole.text.index(stop)], "stop")] * 2

    def test_logprobs_are_given_where_they_are_asked_for(self, opened: Opened) -> None:
        """Per generated token and per token of the prompt but the first, with as many alternatives as asked for."""
        got = opened.ask(base(logprobs=3, prompt_logprobs=True), GREEDY, [0])[0]
        assert len(got.logprobs) == got.completion_tokens
        assert got.prompt_tokens is not None
        assert len(got.prompt_logprobs) == got.prompt_tokens - 1
        assert all(t.logprob <= 0 and len(t.top) == 3 for t in (*got.logprobs, *got.prompt_logprobs))
        assert all((t.token, t.logprob) == t.top[0] for t in got.logprobs)
        assert opened.ask(base(), GREEDY, [0])[0].logprobs == ()
        assert all(t.top == () for t in opened.ask(base(logprobs=0), GREEDY, [0])[0].logprobs)

    def test_failure_of_a_request_is_data(self, opened: Opened) -> None:
        """A prompt that is too long, or sampling that vLLM refuses, is an error completion; others go on."""
        too_long, good = opened.ask_all([base("x y " * CONTEXT), base()], GREEDY, [0, 1])
        assert all("leaves no room in a context of 256; raise model.max_model_len" in c.error for c in too_long)
        assert not good[0].error
        refused = opened.ask(base(), replace(SAMPLED, top_p=1.5), [0])[0]
        assert refused.finish_reason == "error"
        assert "top_p" in refused.error

    def test_completion_fills_what_the_context_leaves(self, opened: Opened) -> None:
        """max_tokens beyond the context are cut to it, and the text ends by length."""
        got = opened.ask(base(), Sampling(max_tokens=10 * CONTEXT), [0])[0]
        assert (got.finish_reason, (got.prompt_tokens or 0) + (got.completion_tokens or 0)) == ("length", CONTEXT)

    def test_dead_engine_is_told_apart_from_a_failed_request(self, opened: Opened) -> None:
        """After SIGKILL of the engine's process, requests in flight and later ones raise GeneratorDied."""
        manager = opened.generator._engine.llm.engine_core.resources.engine_manager
        pids = [process.pid for process in manager.processes]
        work = opened.generator.generate(base(), replace(SAMPLED, max_tokens=CONTEXT), [0, 1])
        in_flight = asyncio.run_coroutine_threadsafe(work, opened.loop)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(GeneratorDied, match="vLLM's engine failed"):
            in_flight.result(timeout=60)
        with pytest.raises(GeneratorDied):
            opened.ask(base(), GREEDY, [0])
        opened.wait(opened.generator.close())
        opened.close()
