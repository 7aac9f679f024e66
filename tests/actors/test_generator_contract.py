"""What every Generator keeps, checked for each implementation. A new one adds a row to CASES."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

import pytest

from actors.generator import Generator, Sampling
from actors.openai_generator import OpenAIGenerator
from actors.options import GeneratorOptions
from actors.reference_generator import ReferenceGenerator
from actors.replay_generator import ReplayFile, ReplayGenerator
from benchmarks.problem import NOMINAL, Completion, Message, Prompt
from tests.actors.fake_server import REFUSED, fake_server
from tests.actors.vllm_opened import Opened, needs_vllm, shared_engine

T = TypeVar("T")

STOP = ("\ndef ", "\nclass ")
TASKS = ("T/0", "T/1", "T/2")
SAMPLING = Sampling(temperature=0.8, max_tokens=16)
NUM_STORED = 4


@contextmanager
def openai_case() -> Iterator[Generator]:
    """The HTTP generator against a server of ours."""
    with fake_server() as url:
        yield OpenAIGenerator(url, "fake", GeneratorOptions(concurrency=4, max_retries=0))


def replay_case() -> Generator:
    """Stored samples."""
    stored = {
        t: tuple(Completion(text=f"    return '{t} {i}'\n", verbatim=True) for i in range(NUM_STORED)) for t in TASKS
    }
    return ReplayGenerator(ReplayFile(path=Path("samples.jsonl"), samples=stored))


def reference_case() -> Generator:
    """Canonical solutions."""
    return ReferenceGenerator(
        {("", t, NOMINAL): (Completion(text=f"    return '{t}'\n", verbatim=True),) for t in TASKS}
    )


class SharedVllm:
    """One engine for all tests, asked on the one event loop that it is bound to, as an actor does."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    async def generate(self, prompt: Prompt, sampling: Sampling, indexes: Sequence[int]) -> list[Completion]:
        """Ask on the engine's loop."""
        work = self._opened.generator.generate(prompt, sampling, indexes)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._opened.loop))

    async def close(self) -> None:
        """The engine is closed after the last test; closing it twice has a test of its own."""


def vllm_case() -> AbstractContextManager[Generator]:
    """A model of random weights in vLLM."""
    return nullcontext(SharedVllm(shared_engine()))


CASES = [
    pytest.param(openai_case, id="openai"),
    pytest.param(lambda: nullcontext(replay_case()), id="replay"),
    pytest.param(lambda: nullcontext(reference_case()), id="reference"),
    pytest.param(vllm_case, id="vllm", marks=needs_vllm),
]
"""Each gives a context manager of a generator that knows TASKS and fails for good on FAILING. A slow one says so:
`pytest.param(transformers_case, id="transformers", marks=pytest.mark.slow)`."""


@pytest.fixture(params=CASES)
def generator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Generator]:
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with request.param() as opened:
        yield opened


def use(generator: Generator, ask: Callable[[Generator], Awaitable[T]]) -> T:
    """Ask within one event loop and close the generator in it, as an actor does."""

    async def session() -> T:
        try:
            return await ask(generator)
        finally:
            await generator.close()

    return asyncio.run(session())


def base(task_id: str) -> Prompt:
    return Prompt(task_id=task_id, form="base", text=f"def f():  # {task_id}\n", stop=STOP)


def chat(task_id: str) -> Prompt:
    return Prompt(task_id=task_id, form="chat", messages=(Message(role="user", content=f"Write {task_id}"),), stop=STOP)


FAILING = Prompt(task_id="T/failing", form="base", text=REFUSED + " and more" * 400)


def test_one_completion_per_index(generator: Generator) -> None:
    """Each index gets one completion that has text, a reason and no error."""
    got = use(generator, lambda g: g.generate(base("T/0"), SAMPLING, [0, 1, 2]))
    assert len(got) == 3
    assert all(completion.text and not completion.error for completion in got)
    assert {completion.finish_reason for completion in got} <= {"stop", "length"}


def test_no_index_no_completion(generator: Generator) -> None:
    """An empty list of indexes gives an empty list."""
    assert use(generator, lambda g: g.generate(base("T/0"), SAMPLING, [])) == []


def test_index_decides_the_sample(generator: Generator) -> None:
    """A sample is the same wherever its index stands in the list and whatever stands beside it."""

    async def ask(opened: Generator) -> tuple[list[Completion], list[Completion]]:
        return await opened.generate(base("T/1"), SAMPLING, [0, 1, 2, 3]), await opened.generate(
            base("T/1"), SAMPLING, [3, 1]
        )

    every, some = use(generator, ask)
    assert [completion.text for completion in some] == [every[3].text, every[1].text]


def test_many_calls_in_flight_do_not_mix(generator: Generator) -> None:
    """Calls made at once are answered as when they are made one by one."""

    async def ask(opened: Generator) -> tuple[list[list[Completion]], list[list[Completion]]]:
        calls = [base(task) for task in TASKS] * 5
        at_once = await asyncio.gather(*(opened.generate(prompt, SAMPLING, [0, 1]) for prompt in calls))
        return at_once, [await opened.generate(prompt, SAMPLING, [0, 1]) for prompt in calls]

    at_once, one_by_one = use(generator, ask)
    assert [[c.text for c in call] for call in at_once] == [[c.text for c in call] for call in one_by_one]
    assert len({call[0].text for call in at_once}) == len(TASKS)


def test_text_ends_before_stop(generator: Generator) -> None:
    """No stop sequence is in a text that is not verbatim."""
    got = use(generator, lambda g: g.generate(base("T/2"), SAMPLING, [0, 1]))
    assert not [c.text for c in got if not c.verbatim and any(stop in c.text for stop in STOP)]


def test_form_answers_the_prompt(generator: Generator) -> None:
    """A base prompt is continued; a chat prompt gets a message, or verbatim text."""

    async def ask(opened: Generator) -> tuple[Completion, Completion]:
        return (await opened.generate(base("T/0"), SAMPLING, [0]))[0], (
            await opened.generate(chat("T/0"), SAMPLING, [0])
        )[0]

    continued, message = use(generator, ask)
    assert continued.form == "completion"
    assert message.form == "chat" or message.verbatim


def test_failure_is_data(generator: Generator) -> None:
    """A request that fails for good comes back as one error completion per index, not as an exception."""
    got = use(generator, lambda g: g.generate(FAILING, SAMPLING, [0, 1]))
    assert [(c.text, c.finish_reason, bool(c.error)) for c in got] == [("", "error", True)] * 2


def test_failure_stays_with_its_request(generator: Generator) -> None:
    """A failing request in flight beside a good one does not harm it."""

    async def ask(opened: Generator) -> list[list[Completion]]:
        calls = [opened.generate(prompt, SAMPLING, [0]) for prompt in (FAILING, base("T/0"))]
        return list(await asyncio.gather(*calls))

    failed, good = use(generator, ask)
    assert failed[0].error
    assert not good[0].error


def test_close_twice(generator: Generator) -> None:
    """Closing a closed generator does nothing."""
    use(generator, lambda g: g.close())
