from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from actors.openai_generator import OpenAIGenerator
from actors.openai_stream import EventReader
from actors.options import GeneratorOptions
from actors.retry import backoff_seconds
from benchmarks.problem import Completion, Message, Prompt
from runners.errors import UserError
from tests.actors.fake_server import CUT_OFF, PIECE_CHARACTERS, fake_server
from tests.actors.scripted_server import (
    DONE,
    NOW,
    PROMPT,
    SAMPLING,
    Server,
    Streamed,
    delta,
    event,
    piece,
    refusal,
    stream,
    text,
    usage,
)

CHAT = Prompt(task_id="T/0", form="chat", messages=(Message(role="user", content="hello"),))
WHOLE = stream(piece("a"), piece("b", "stop"), DONE)

EVENTS = {
    "one line": ("data: {}\n\n", [(b"", b"{}")]),
    "no space": ("data:{}\n\n", [(b"", b"{}")]),
    "comments, ids and times": (": ping\n\nid: 7\nretry: 10\ndata: x\n\n", [(b"", b"x")]),
    "a kind": ("event: error\ndata: x\n\ndata: y\n\n", [(b"error", b"x"), (b"", b"y")]),
    "several lines": ("data: a\ndata: b\n\n", [(b"", b"a\nb")]),
    "an empty line of data": ("data: a\ndata:\n\n", [(b"", b"a\n")]),
    "separators inside": ('data: "\u2028\u0085é"\n\n', [(b"", '"\u2028\u0085é"'.encode())]),
}


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize(("wire", "expected"), EVENTS.values(), ids=EVENTS)
def test_events_are_the_same_however_they_are_cut(
    wire: str, expected: list[tuple[bytes, bytes]], line_end: str
) -> None:
    """Server-sent events are read alike with each end of line, wherever the network cuts them in two."""
    data = wire.replace("\n", line_end).encode()
    for at in range(len(data) + 1):
        reader = EventReader()
        assert reader.feed(data[:at]) + reader.feed(data[at:]) + reader.end() == expected


def test_last_event_needs_no_empty_line() -> None:
    """An event that the stream ends on counts, and an unfinished line after it is read as one."""
    reader = EventReader()
    assert reader.feed(b"data: a\n\ndata: [DONE]") + reader.end() == [(b"", b"a"), (b"", b"[DONE]")]


def test_arrivals_are_measured_from_the_sending() -> None:
    """First token, gaps and last token as `vllm bench serve` has them; what follows the last text does not count."""
    parts = [(0.5, piece("a")), (0.25, piece("b")), (0.125, piece("c", "length")), (4.0, usage(completion_tokens=3))]
    got = Server(Streamed([*parts, (4.0, DONE)])).ask()
    assert (got.text, got.finish_reason) == ("abc", "length")
    assert (got.started_at, got.ttft_seconds, got.seconds) == (NOW, 1.5, 1.875)
    assert got.inter_token_seconds == (0.25, 0.125)


def test_pieces_without_text_are_no_arrivals() -> None:
    """Comments, the role of a chat and empty pieces start no clock and leave no gap."""
    parts = (b": ping\n\n", delta(role="assistant", content=""), delta(content="a"), delta(content=""))
    got = Server(stream(*parts, delta(content="b"), delta("stop"), DONE, gap_seconds=1.0)).ask(CHAT)
    assert (got.text, got.form, got.ttft_seconds, got.seconds) == ("ab", "chat", 4.0, 6.0)
    assert got.inter_token_seconds == (2.0,)


def test_pieces_of_one_read_arrive_together() -> None:
    """Two events that come in one packet have no gap, and one that comes in two arrives with the second."""
    first, second = piece("c", "stop")[:20], piece("c", "stop")[20:]
    got = Server(stream(piece("a") + piece("b"), first, second, DONE, gap_seconds=1.0)).ask()
    assert (got.text, got.inter_token_seconds) == ("abc", (0.0, 2.0))


def test_character_in_two_packets() -> None:
    """A character whose bytes are cut apart is one character."""
    data = event('{"choices": [{"text": "é", "finish_reason": "stop"}]}')
    at = data.index("é".encode()) + 1
    assert Server(stream(data[:at], data[at:], DONE)).ask().text == "é"


def test_answer_without_text_has_no_first_token() -> None:
    """A model that ended at once has no time to first token; its latency is that of the response."""
    got = Server(stream(piece("", "stop"), DONE, gap_seconds=1.0)).ask()
    assert (got.text, got.ttft_seconds, got.inter_token_seconds, got.seconds) == ("", None, (), 3.0)


def test_usage_of_a_stream_is_kept() -> None:
    """Token counts come from the event without choices; in a stream that tells them all along the last count."""
    early = event({"choices": [{"text": "a", "finish_reason": None}], "usage": {"completion_tokens": 1}})
    counts = usage(prompt_tokens=11, completion_tokens=5, completion_tokens_details={"reasoning_tokens": 3})
    got = Server(stream(early, piece("b", "stop"), counts, DONE)).ask()
    assert (got.prompt_tokens, got.completion_tokens, got.reasoning_tokens) == (11, 5, 3)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_an_arrival_and_no_text(field: str) -> None:
    """The first token of reasoning is the first token; the text is the answer alone, and nothing guesses its share."""
    parts = (delta(**{field: "hm", "content": None}), delta(**{field: "so"}), delta("stop", content="x"))
    got = Server(stream(*parts, usage(completion_tokens=3), DONE)).ask(CHAT)
    assert (got.text, got.ttft_seconds, got.inter_token_seconds) == ("x", 1.25, (0.25, 0.25))
    assert (got.completion_tokens, got.reasoning_tokens) == (3, None)


def test_reasoning_inside_the_text_stays() -> None:
    """What a server leaves in the content is not taken out here: extraction knows how."""
    got = Server(stream(delta(content="<think>a"), delta("stop", content="</think>b"), DONE)).ask(CHAT)
    assert (got.text, got.reasoning_tokens) == ("<think>a</think>b", None)


def test_streamed_text_is_cut_before_the_first_stop() -> None:
    """A stop sequence that comes in two pieces ends the text too."""
    prompt = Prompt(task_id="T/0", form="base", text="p", stop=("\ndef",))
    got = Server(stream(piece("return 1\nd"), piece("ef g", "length"), DONE)).ask(prompt)
    assert (got.text, got.finish_reason) == ("return 1", "stop")


def test_time_in_the_queue_is_told_apart() -> None:
    """A request that waits for its slot waits in queue_seconds; its other times begin when it is sent."""
    got = asyncio.run(Server(WHOLE).generator(concurrency=1).generate(PROMPT, SAMPLING, [0, 1]))
    assert [(c.queue_seconds, c.started_at, c.ttft_seconds) for c in got] == [
        (0.0, NOW, 1.25),
        (1.75, NOW + 1.75, 1.25),
    ]


def test_times_are_those_of_the_attempt_that_succeeded() -> None:
    """A failed attempt before it is in no latency."""
    got = Server(refusal(500), stream(piece("x"), httpx.ReadError("")), WHOLE).ask()
    assert (got.started_at, got.queue_seconds, got.ttft_seconds, got.seconds) == (NOW + 2.5, 0.0, 1.25, 1.5)


def test_samples_of_a_prompt_are_sent_one_behind_the_other() -> None:
    """With few slots, prompts that are asked for together do not mix: the server's prefix cache helps each."""
    prompts = [Prompt(task_id=f"T/{i}", form="base", text=f"p{i}") for i in range(3)]
    server = Server(WHOLE)

    async def session() -> None:
        generator = server.generator(concurrency=2)
        await asyncio.gather(*(generator.generate(prompt, SAMPLING, range(4)) for prompt in prompts))

    asyncio.run(session())
    asked = [(body["prompt"], body["seed"]) for body in server.bodies]
    assert asked == [(p.text, SAMPLING.seed_of(p, i)) for p, i in itertools.product(prompts, range(4))]


BROKEN = {
    "connection lost": (stream(piece("par"), httpx.ReadError("reset")), "ReadError: reset"),
    "cut short": (stream(piece("par"), httpx.RemoteProtocolError("peer closed")), "RemoteProtocolError: peer closed"),
    "silence": (stream(piece("par"), httpx.ReadTimeout("")), "ReadTimeout"),
    "an error": (stream(piece("par"), event({"error": {"message": "engine died"}}), DONE), "broke off: engine died"),
    "an error by its kind": (stream(piece("par"), b"event: error\ndata: {}\n\n", DONE), "broke off: {}"),
    "ended early": (stream(piece("par")), "ended before the answer did"),
    "ended inside an event": (stream(piece("par"), piece("tial", "stop")[:30]), "not JSON"),
    "no event at all": (stream(), "ended before the answer did"),
    "garbage": (stream(piece("par"), event("<html>"), DONE), "not JSON: <html>"),
}


@pytest.mark.parametrize("broken", [broken for broken, _ in BROKEN.values()], ids=BROKEN)
def test_broken_stream_is_asked_again(broken: Streamed) -> None:
    """A stream that does not come to its end is followed by a wait and a second request, which counts."""
    server = Server(broken, WHOLE)
    assert server.ask().text == "ab"
    assert server.slept == [backoff_seconds(0, SAMPLING.seed_of(PROMPT, 0))]


@pytest.mark.parametrize(("broken", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_stream_is_never_an_answer(broken: Streamed, message: str) -> None:
    """A stream that breaks every time is an error that tells how; what came of its text is not taken for one."""
    got = Server(broken).ask(max_retries=1)
    assert (got.text, got.finish_reason) == ("", "error")
    assert "given up after 2 attempts: http://server.test/v1/completions: " in got.error
    assert message in got.error


ENDS = {
    "no [DONE]": stream(piece("a"), piece("b", "stop")),
    "no reason": stream(piece("a"), piece("b"), DONE),
    "no last empty line": stream(piece("a"), piece("b", "stop"), b"data: [DONE]"),
    "lost after [DONE]": stream(piece("a"), piece("b", "stop"), DONE, httpx.ReadError("reset")),
    "reason before the text": stream(piece("a", "stop"), piece("b", "stop"), DONE),
}


@pytest.mark.parametrize("ended", ENDS.values(), ids=ENDS)
def test_end_of_a_stream(ended: Streamed) -> None:
    """A finish_reason or [DONE] says that the answer is whole, whatever becomes of the connection then."""
    server = Server(ended)
    got = server.ask()
    assert (got.text, got.finish_reason, len(server.requests)) == ("ab", "stop", 1)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([piece("par", "content_filter"), DONE], "content_filter"),
        ([delta("stop", content=[{"type": "text"}]), DONE], "a list and not a text"),
        ([event({"choices": ["x"]}), DONE], "no piece of a completion"),
    ],
    ids=["filtered", "not a text", "not a choice"],
)
def test_stream_that_is_no_completion_is_an_error(parts: list[bytes], message: str) -> None:
    """What another attempt would not change is an error at once."""
    server = Server(stream(*parts))
    got = server.ask(CHAT if b"delta" in parts[0] else PROMPT)
    assert (got.text, got.finish_reason, len(server.requests)) == ("", "error", 1)
    assert message in got.error


def test_silence_is_limited_by_the_option() -> None:
    """timeout_seconds is the longest silence, also in the middle of a stream."""
    server = Server(WHOLE)
    server.ask(timeout_seconds=7.0)
    assert server.requests[0].extensions["timeout"]["read"] == 7.0


def ask_twice(server: Server, prompt: Prompt = PROMPT, **options: Any) -> list[str]:
    """Two samples of one generator, one after the other."""

    async def session() -> list[str]:
        generator = server.generator(**options)
        return [(await generator.generate(prompt, SAMPLING, [index]))[0].text for index in (0, 1)]

    return asyncio.run(session())


@pytest.mark.parametrize("status", [400, 422])
def test_server_without_stream_options(status: int) -> None:
    """A server that refuses stream_options is asked without, at once and from then on, and still streams."""
    server = Server(refusal(status, "Unknown field: stream_options"), WHOLE)
    assert ask_twice(server) == ["ab", "ab"]
    assert [(b.get("stream"), "stream_options" in b) for b in server.bodies] == [
        (True, True),
        (True, False),
        (True, False),
    ]
    assert server.slept == []


def test_server_without_streams() -> None:
    """A server that refuses to stream is asked for whole documents from then on."""
    server = Server(refusal(400, "streaming is not supported"), text("x"))
    assert ask_twice(server) == ["x", "x"]
    assert ["stream" in body or "stream_options" in body for body in server.bodies] == [True, False, False]


def test_server_that_refuses_one_thing_after_the_other() -> None:
    """Options of streams, streams and many stop sequences are given up in turn."""
    prompt = Prompt(task_id="T/0", form="base", text="p", stop=tuple("uvwxyz"))
    refusals = (refusal(400, "stream_options"), refusal(400, "stream: must be false"), refusal(400, "stop: at most 4"))
    server = Server(*refusals, text("az"))
    assert ask_twice(server, prompt) == ["a", "a"]
    told = [("stream_options" in b, "stream" in b, len(b["stop"])) for b in server.bodies]
    assert told == [(True, True, 6), (False, True, 6), (False, False, 6), (False, False, 4), (False, False, 4)]


def test_refusal_that_was_about_something_else_is_not_remembered() -> None:
    """Where the plainer request is refused too, streaming was not at fault, and the next one streams."""
    server = Server(refusal(400, "bad prompt: 'a stream'"), refusal(400, "bad prompt: 'a stream'"), WHOLE)
    assert ask_twice(server) == ["", "ab"]
    assert ["stream" in body for body in server.bodies] == [True, False, True]


def test_forced_stream_is_refused_once() -> None:
    """A field that extra_body insists on is not taken out, and asking ends."""
    server = Server(refusal(400, "no stream here"))
    assert "no stream here" in server.ask(extra_body={"stream": True}).error
    assert len(server.requests) == 2


def test_document_in_place_of_a_stream() -> None:
    """A server that ignores `stream` is understood: its times are those of the whole response."""
    got = Server(text("x")).ask()
    assert (got.text, got.seconds, got.started_at, got.ttft_seconds, got.inter_token_seconds) == (
        "x",
        1.0,
        NOW,
        None,
        (),
    )


def test_streaming_can_be_turned_off() -> None:
    """A null for `stream` takes its options out with it, since servers refuse these alone."""
    server = Server(text("x"))
    server.ask(extra_body={"stream": None})
    assert "stream" not in server.bodies[0]
    assert "stream_options" not in server.bodies[0]


def test_key_in_a_stream_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error inside a stream that repeats the key does not spread it."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    got = Server(stream(event({"error": {"message": "bad key sk-very-secret"}}))).ask(max_retries=0)
    assert "bad key ***" in got.error


def test_gap_is_asked_for_with_a_suffix() -> None:
    """Form fim goes to /completions with what stands before and after the gap."""
    server = Server(WHOLE)
    got = server.ask(Prompt(task_id="T/0", form="fim", text="def f(", suffix="): pass"))
    assert server.requests[0].url.path == "/v1/completions"
    assert (server.bodies[0]["prompt"], server.bodies[0]["suffix"]) == ("def f(", "): pass")
    assert (got.text, got.form) == ("ab", "completion")


def test_check_streams_and_breaks_with_one_line() -> None:
    """The first contact streams as the run will; a stream that breaks twice is an error for the user."""
    server = Server(stream(piece("a")), WHOLE)
    server.check()
    assert [body["stream"] for body in server.bodies] == [True, True]
    with pytest.raises(UserError, match="ended before the answer did"):
        Server(stream(piece("a"))).check()


def test_check_of_a_server_that_fills_no_gaps() -> None:
    """A server that knows no suffix is told before the run, with what can fill gaps."""
    server = Server(refusal(400, "suffix is not currently supported"))
    with pytest.raises(UserError, match=r"suffix is not currently supported.*transformers"):
        asyncio.run(server.generator().check("fim"))
    assert server.bodies[0]["suffix"]


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A real server."""
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with fake_server() as started:
        yield started


def ask_server(url: str, prompt: Prompt, **options: Any) -> list[Completion]:
    """Eight samples over the network."""

    async def session() -> list[Completion]:
        generator = OpenAIGenerator(url, "m", GeneratorOptions(**options))
        try:
            return await generator.generate(prompt, SAMPLING, range(8))
        finally:
            await generator.close()

    return asyncio.run(session())


@pytest.mark.parametrize("prompt", [PROMPT, CHAT], ids=["base", "chat"])
def test_stream_over_sockets(url: str, prompt: Prompt) -> None:
    """A real server's stream gives the text and counts of its document, and times that belong together."""
    streamed, whole = ask_server(url, prompt), ask_server(url, prompt, extra_body={"stream": None})
    facts = [[(c.text, c.prompt_tokens, c.completion_tokens) for c in each] for each in (streamed, whole)]
    assert facts[0] == facts[1]
    assert len({c.text for c in streamed}) == 8
    for got in streamed:
        assert got.ttft_seconds is not None
        assert len(got.inter_token_seconds) == (len(got.text) - 1) // PIECE_CHARACTERS
        assert got.seconds == pytest.approx(got.ttft_seconds + sum(got.inter_token_seconds))
    assert {c.ttft_seconds for c in whole} == {None}


def test_stream_that_is_cut_off_over_sockets(url: str) -> None:
    """A connection that is closed in the middle of a stream is an error and no short answer."""
    got = ask_server(url, Prompt(task_id="T/0", form="base", text=CUT_OFF), max_retries=0)
    assert {(c.text, c.finish_reason) for c in got} == {("", "error")}
    assert all("RemoteProtocolError" in c.error for c in got)
