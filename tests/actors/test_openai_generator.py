from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

import httpx
import pytest

from actors.generator import Sampling
from actors.openai_generator import OpenAIGenerator
from actors.options import GeneratorOptions
from actors.retry import backoff_seconds, retry_after_seconds
from benchmarks.problem import Message, Prompt
from runners.errors import UserError
from tests.actors.scripted_server import NOW, PROMPT, SAMPLING, URL, Server, refusal, text

KEY = "sk-very-secret-0123456789"


def test_request_holds_the_sampling() -> None:
    """A base prompt goes to /completions, to be streamed, with all sampling parameters and no field of our own."""
    server = Server(text("x"))
    server.ask(Prompt(task_id="T/0", form="base", text="def f():", stop=("\ndef",)))
    assert str(server.requests[0].url) == "http://server.test/v1/completions"
    assert server.bodies[0] == {
        "model": "org/name",
        "prompt": "def f():",
        "max_tokens": 32,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": SAMPLING.seed_of(PROMPT, 0),
        "stop": ["\ndef"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_chat_prompt_goes_to_chat_route() -> None:
    """A chat prompt sends its messages to /chat/completions and the answer is of form chat."""
    server = Server(httpx.Response(200, json={"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}))
    messages = (Message(role="system", content="be brief"), Message(role="user", content="hello"))
    got = server.ask(Prompt(task_id="T/0", form="chat", messages=messages))
    assert server.requests[0].url.path == "/v1/chat/completions"
    assert server.bodies[0]["messages"] == [{"role": m.role, "content": m.content} for m in messages]
    assert (got.form, got.text) == ("chat", "hi")


def test_chat_without_content_is_an_empty_answer() -> None:
    """A model that spent its budget on reasoning gave an empty answer, which is not an error of ours."""
    server = Server(httpx.Response(200, json={"choices": [{"message": {"content": None}, "finish_reason": "length"}]}))
    got = server.ask(Prompt(task_id="T/0", form="chat", messages=(Message(role="user", content="hello"),)))
    assert (got.text, got.finish_reason, got.error) == ("", "length", "")


@pytest.mark.parametrize(
    ("url", "route"),
    [
        ("http://h.test:8000/v1", "http://h.test:8000/v1/completions"),
        ("http://h.test:8000/v1/", "http://h.test:8000/v1/completions"),
        ("http://h.test:8000", "http://h.test:8000/completions"),
        ("https://h.test/api/v3?version=2", "https://h.test/api/v3/completions?version=2"),
    ],
)
def test_route_is_appended_to_the_url(url: str, route: str) -> None:
    """The URL is used as given; the route is appended to its path and a query stays."""
    server = Server(text("x"))
    server.check(url)
    assert str(server.requests[0].url) == route


def test_each_sample_has_its_own_seed() -> None:
    """Several completions are as many requests, with seeds that follow from prompt and index alone."""
    server = Server(text("x"))
    asyncio.run(server.generator().generate(PROMPT, SAMPLING, [4, 0, 9]))
    assert sorted(b["seed"] for b in server.bodies) == sorted(SAMPLING.seed_of(PROMPT, i) for i in (4, 0, 9))


def test_top_k_is_sent_when_set() -> None:
    """top_k, which OpenAI itself does not know, is sent only where it has an effect."""
    server = Server(text("x"))
    asyncio.run(server.generator().generate(PROMPT, Sampling(top_k=20), [0]))
    assert server.bodies[0]["top_k"] == 20


def test_extra_body_has_the_last_word() -> None:
    """extra_body adds fields, changes them, and takes out those set to null."""
    server = Server(text("x"))
    server.ask(extra_body={"max_tokens": None, "max_completion_tokens": 99, "temperature": 1})
    body = server.bodies[0]
    assert "max_tokens" not in body
    assert (body["max_completion_tokens"], body["temperature"]) == (99, 1)


def test_usage_and_seconds_are_kept() -> None:
    """Token counts come from the server's usage; seconds is the time of the request that succeeded."""
    body = {"choices": [{"text": "x"}], "usage": {"prompt_tokens": 11, "completion_tokens": 5}}
    got = Server(refusal(500), httpx.Response(200, json=body)).ask()
    assert (got.prompt_tokens, got.completion_tokens, got.seconds) == (11, 5, 1.0)


@pytest.mark.parametrize(
    ("word", "ours"),
    [("stop", "stop"), ("length", "length"), ("max_tokens", "length"), ("eos", "stop"), (None, "stop")],
)
def test_finish_reason_is_mapped(word: str | None, ours: str) -> None:
    """Servers' words for the end of a text become stop or length."""
    assert Server(text("x", word)).ask().finish_reason == ours


def test_filtered_answer_is_an_error() -> None:
    """A text that the server's filter ended says nothing about the model."""
    got = Server(text("partial", "content_filter")).ask()
    assert (got.text, got.finish_reason) == ("", "error")
    assert "content_filter" in got.error


def test_text_is_cut_before_the_first_stop() -> None:
    """A server that ignores stop sequences, or returns them, changes nothing: the text ends before the first."""
    prompt = Prompt(task_id="T/0", form="base", text="p", stop=("\nclass", "\ndef"))
    got = Server(text("    return 1\ndef g():\nclass A:", "length")).ask(prompt)
    assert (got.text, got.finish_reason) == ("    return 1", "stop")


def test_stops_fall_back_to_four() -> None:
    """After a 400 that speaks of stop, the first four are sent, from then on at once, and the rest is cut here."""
    stop = tuple(f"<{i}>" for i in range(6))
    prompt = Prompt(task_id="T/0", form="base", text="p", stop=stop)
    server = Server(refusal(400, "'stop': at most 4 items"), text("a<5>b"))
    got = asyncio.run(server.generator().generate(prompt, SAMPLING, [0]))
    assert [len(body["stop"]) for body in server.bodies] == [6, 4]
    assert got[0].text == "a"
    assert server.slept == []


def test_stops_fall_back_once() -> None:
    """A server that refuses four stop sequences as well is not asked for ever."""
    prompt = Prompt(task_id="T/0", form="base", text="p", stop=tuple("abcdef"))
    server = Server(refusal(400, "stop is not supported"))
    got = server.ask(prompt)
    assert len(server.requests) == 2
    assert "HTTP 400: stop is not supported" in got.error


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 529])
def test_temporary_refusal_is_asked_again(status: int) -> None:
    """A status that may change is followed by a wait and a second request, which counts."""
    server = Server(refusal(status), text("x"))
    assert server.ask().text == "x"
    assert server.slept == [backoff_seconds(0, SAMPLING.seed_of(PROMPT, 0))]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_lasting_refusal_is_not_asked_again(status: int) -> None:
    """A status that will not change ends the request at once, with the server's words in the error."""
    server = Server(refusal(status, "told you so"))
    got = server.ask()
    assert (len(server.requests), got.finish_reason) == (1, "error")
    assert f"{URL}/completions: HTTP {status}: told you so" in got.error


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout(""), httpx.RemoteProtocolError("cut")]
)
def test_lost_connection_is_asked_again(error: Exception) -> None:
    """Connection errors and time-outs are followed by another attempt."""
    assert Server(error, error, text("x")).ask().text == "x"


def test_gives_up_after_max_retries() -> None:
    """A server that fails for ever gets 1 + max_retries requests with growing waits, then the sample is an error."""
    server = Server(refusal(500, "out of memory"))
    got = server.ask(max_retries=3)
    assert len(server.requests) == 4
    assert server.slept == sorted(server.slept)
    assert len(server.slept) == 3
    assert (got.text, got.finish_reason) == ("", "error")
    assert "given up after 4 attempts" in got.error
    assert "HTTP 500: out of memory" in got.error


def test_timeout_is_named() -> None:
    """A time-out, whose own text is empty, is named by its kind."""
    assert "ReadTimeout" in Server(httpx.ReadTimeout("")).ask(max_retries=0).error


@pytest.mark.parametrize(
    ("header", "seconds"), [("17", 17.0), ("Tue, 14 Nov 2023 22:14:21 GMT", 60.0)], ids=["seconds", "date"]
)
def test_retry_after_is_honoured(header: str, seconds: float) -> None:
    """The server's own waiting time, in seconds or as a date, is waited for."""
    server = Server(refusal(429, **{"retry-after": header}), text("x"))
    assert server.ask().text == "x"
    assert server.slept == [seconds]


def test_long_retry_after_is_given_up() -> None:
    """A server that asks for hours gets its rest: the sample is an error that says how long."""
    server = Server(refusal(429, **{"retry-after": "7200"}))
    got = server.ask()
    assert server.slept == []
    assert "wait 7200 s" in got.error


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("0", 0.0), ("1.5", 1.5), ("soon", None), ("-3", None), ("Tue, 14 Nov 2023 20:00:00 GMT", 0.0)],
)
def test_retry_after_forms(header: str | None, seconds: float | None) -> None:
    """Seconds and dates are read, a date that is past is no wait, and all else is as if absent."""
    assert retry_after_seconds(header, NOW) == seconds


def test_backoff_grows_to_a_limit_and_differs_by_seed() -> None:
    """Waits double up to a minute, at least half of each is kept, and equal seeds wait alike."""
    waits = [backoff_seconds(attempt, 1) for attempt in range(9)]
    assert all(full / 2 <= wait <= full for wait, full in zip(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60], strict=True))
    assert waits == [backoff_seconds(attempt, 1) for attempt in range(9)]
    assert waits[0] != backoff_seconds(0, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>welcome</html>", "not JSON: <html>welcome"),
        (b'{"choices": [', "not JSON"),
        (b"[]", "no choices"),
        (b'{"object": "x"}', 'no choices: {"object": "x"}'),
        (b'{"choices": []}', "no choices"),
        (b'{"choices": [{"index": 0}]}', "no text"),
        (b'{"choices": [{"text": 5}]}', "text is a int"),
    ],
)
def test_malformed_answer_is_an_error(content: bytes, message: str) -> None:
    """A success status with a body that is no completion is an error that shows what came, and is not asked again."""
    server = Server(httpx.Response(200, content=content))
    got = server.ask()
    assert (got.finish_reason, len(server.requests)) == ("error", 1)
    assert message in got.error


def test_lone_surrogate_becomes_storable() -> None:
    """Text that JSON can carry and UTF-8 cannot is mended, so that it can be written to disk."""
    got = Server(httpx.Response(200, content=b'{"choices": [{"text": "a\\ud800b"}]}')).ask()
    assert got.text.encode() == b"a?b"


def test_no_more_requests_in_flight_than_allowed() -> None:
    """Of 30 samples asked for at once, never more than `concurrency` are at the server, and it is used to the full."""
    in_flight: list[int] = []
    running = 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal running
        running += 1
        in_flight.append(running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1
        return text("x")

    async def session() -> None:
        options = GeneratorOptions(concurrency=3)
        generator = OpenAIGenerator(URL, "m", options, transport=httpx.MockTransport(answer))
        await asyncio.gather(*(generator.generate(PROMPT, SAMPLING, range(10)) for _ in range(3)))

    asyncio.run(session())
    assert len(in_flight) == 30
    assert max(in_flight) == 3


def test_key_comes_from_the_named_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is read from the variable that the options name; without one there is no header."""
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    server = Server(text("x"))
    server.ask(api_key_env="MY_KEY")
    server.ask()
    assert [r.headers.get("authorization") for r in server.requests] == [f"Bearer {KEY}", None]


def test_key_is_never_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A server that repeats the key in its errors, at the place where they are shortened too, does not spread it."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    secrets: list[str] = []
    for filler in range(300, 420, 6):
        server = Server(refusal(401, "x" * filler + KEY))
        secrets.append(server.ask().error)
        with pytest.raises(UserError) as caught:
            server.check()
        secrets += [str(caught.value), repr(caught.value)]
    generator = server.generator()
    secrets += [repr(generator), repr(vars(generator)), caplog.text, Server(text("x", "abort")).ask().error]
    assert not [told for told in secrets if KEY[:6] in told]


def test_broken_key_is_refused_without_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key with a line break inside is an error that names the variable and not the value."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY + "\nsecond line")
    with pytest.raises(UserError, match="OPENAI_API_KEY") as caught:
        Server(text("x")).generator()
    assert KEY not in str(caught.value)


CHECKS: dict[str, tuple[Callable[[], Server], str, str]] = {
    "no key": (lambda: Server(refusal(401, "who are you")), URL, "HTTP 401: who are you.*OPENAI_API_KEY"),
    "forbidden": (lambda: Server(refusal(403)), URL, "HTTP 403"),
    "no /v1": (lambda: Server(refusal(404)), "http://server.test", r"HTTP 404.*Did you mean http://server.test/v1\?"),
    "no model": (lambda: Server(refusal(404)), URL, "no model 'org/name'"),
    "bad field": (lambda: Server(refusal(400, "max_tokens")), URL, "HTTP 400: max_tokens.*model.extra_body"),
    "moved": (lambda: Server(httpx.Response(308)), URL, "HTTP 308.*redirects"),
    "broken": (lambda: Server(refusal(500, "no weights")), URL, "HTTP 500: no weights"),
    "a web page": (lambda: Server(httpx.Response(200, content=b"<html>")), URL, "not JSON.*base URL"),
    "refused": (
        lambda: Server(httpx.ConnectError("refused")),
        URL,
        "server.test/v1/completions: not reachable.*running",
    ),
}


@pytest.mark.parametrize(("server", "url", "message"), CHECKS.values(), ids=CHECKS)
def test_check_names_url_status_and_cure(server: Callable[[], Server], url: str, message: str) -> None:
    """The first contact turns what will not mend itself into an error for the user, without waiting."""
    opened = server()
    with pytest.raises(UserError, match=message):
        opened.check(url)
    assert (len(opened.requests), opened.slept) == (1, [])


@pytest.mark.parametrize("answer", [text("x"), refusal(429), refusal(503), refusal(529)])
def test_check_passes_a_busy_server(answer: httpx.Response) -> None:
    """A server that answers, or is only busy, lets the run start."""
    Server(answer).check()


def test_check_survives_a_dropped_connection() -> None:
    """A connection that the server dropped is opened again; one that always breaks is not reachable."""
    Server(httpx.ReadError(""), text("x")).check()
    with pytest.raises(UserError, match=r"not reachable \(RemoteProtocolError"):
        Server(httpx.RemoteProtocolError("")).check()


def test_closed_port_is_not_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real port on which nobody listens fails the check."""
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        generator = OpenAIGenerator(f"http://127.0.0.1:{held.getsockname()[1]}/v1", "m", GeneratorOptions())
        with pytest.raises(UserError, match="not reachable"):
            asyncio.run(generator.check())
