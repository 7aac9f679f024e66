from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from benchmarks.problem import Message, Prompt, TokenLogprob
from tests.actors.scripted_server import DONE, Server, delta, event, piece, stream, text

TURN = (Message(role="user", content="hello"),)
BASE = Prompt(task_id="T/0", form="base", text="p", logprobs=2)
CHAT = Prompt(task_id="T/0", form="chat", messages=TURN, logprobs=2)
SCORED = Prompt(task_id="T/0", form="base", text="p", prompt_logprobs=True)
SCORED_CHAT = Prompt(task_id="T/0", form="chat", messages=TURN, prompt_logprobs=True)

OF_COMPLETION = {
    "tokens": ["a", "b"],
    "token_logprobs": [-3.0, -0.5],
    "top_logprobs": [{"c": -2.0, "a": -3.0, "d": -1.0}, {"b": -0.5, "e": -1.5}],
    "text_offset": [0, 1],
}
OF_CHAT = {
    "content": [
        {
            "token": "a",
            "logprob": -3.0,
            "bytes": [97],
            "top_logprobs": [{"token": "d", "logprob": -1.0}, {"token": "c", "logprob": -2.0}],
        },
        {
            "token": "b",
            "logprob": -0.5,
            "top_logprobs": [{"token": "b", "logprob": -0.5}, {"token": "e", "logprob": -1.5}],
        },
    ]
}
READ = (
    TokenLogprob(token="a", logprob=-3.0, top=(("d", -1.0), ("c", -2.0))),
    TokenLogprob(token="b", logprob=-0.5, top=(("b", -0.5), ("e", -1.5))),
)
OF_PROMPT = [
    None,
    {"17": {"logprob": -2.5, "rank": 4, "decoded_token": "x"}},
    {"18": {"logprob": -1, "rank": 1, "decoded_token": "y"}, "19": {"logprob": -0.5, "decoded_token": "z"}},
]


def document(**body: Any) -> httpx.Response:
    """An answer as one document."""
    return httpx.Response(200, json=body)


@pytest.mark.parametrize(
    ("prompt", "told"),
    [(BASE, {"logprobs": 2}), (CHAT, {"logprobs": True, "top_logprobs": 2})],
    ids=["base", "chat"],
)
def test_logprobs_are_asked_for_in_the_words_of_the_route(prompt: Prompt, told: dict[str, Any]) -> None:
    """Completions take a number, chats a switch and a number; a prompt that wants none asks for none."""
    server = Server(stream(DONE))
    server.ask(prompt)
    server.ask(Prompt(task_id="T/0", form=prompt.form, text="p", messages=prompt.messages))
    asked, plain = server.bodies
    assert {name: asked.get(name) for name in told} == told
    assert not {"logprobs", "top_logprobs", "prompt_logprobs"} & set(plain)


@pytest.mark.parametrize("found", [OF_COMPLETION, OF_CHAT], ids=["of completions", "of chats"])
@pytest.mark.parametrize("is_streamed", [False, True], ids=["document", "stream"])
def test_logprobs_are_read_in_both_forms(found: dict[str, Any], *, is_streamed: bool) -> None:
    """Each token comes with its own log probability and as many alternatives as were asked for, best first."""
    whole = document(choices=[{"text": "ab", "finish_reason": "stop", "logprobs": found}])
    streamed = stream(piece("ab", "stop", logprobs=found), DONE)
    assert Server(streamed if is_streamed else whole).ask(BASE).logprobs == READ


def test_logprobs_of_pieces_are_joined() -> None:
    """A stream tells them piece by piece, with those of an empty piece too."""
    one, two = ({"content": [each]} for each in OF_CHAT["content"])
    first = event({"choices": [{"delta": {"content": "ab"}, "logprobs": one}]})
    second = event({"choices": [{"delta": {"content": ""}, "logprobs": two, "finish_reason": "stop"}]})
    assert Server(stream(first, second, DONE)).ask(CHAT).logprobs == READ


def test_logprobs_without_alternatives() -> None:
    """Zero alternatives leave each token its own log probability."""
    found = {"tokens": ["a"], "token_logprobs": [-1], "top_logprobs": None}
    prompt = Prompt(task_id="T/0", form="base", text="p", logprobs=0)
    server = Server(stream(piece("a", "stop", logprobs=found), DONE))
    assert server.ask(prompt).logprobs == (TokenLogprob(token="a", logprob=-1.0),)
    assert server.bodies[0]["logprobs"] == 0


@pytest.mark.parametrize("prompt", [BASE, CHAT], ids=["base", "chat"])
def test_missing_logprobs_are_an_error(prompt: Prompt) -> None:
    """A server that ignores the wish leaves nothing to score, which is not silence; an empty answer needs none."""
    said = stream(delta(content="a"), piece("a", "stop"), DONE)
    assert "gives no logprobs" in Server(said).ask(prompt).error
    assert not Server(stream(delta("stop", content=""), DONE)).ask(prompt).error


@pytest.mark.parametrize(
    "found",
    [{"tokens": ["a"]}, {"content": [{"token": "a"}]}, {"tokens": ["a", "b"], "token_logprobs": [-1.0]}],
    ids=["no numbers", "no number", "too few numbers"],
)
def test_unreadable_logprobs_are_an_error(found: dict[str, Any]) -> None:
    """Log probabilities in no known form are told, not guessed."""
    got = Server(stream(piece("ab", "stop", logprobs=found), DONE)).ask(BASE)
    assert "no known form" in got.error


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        (SCORED, document(choices=[{"text": "a", "prompt_logprobs": OF_PROMPT}])),
        (SCORED_CHAT, document(choices=[{"message": {"content": "a"}}], prompt_logprobs=OF_PROMPT)),
    ],
    ids=["base", "chat"],
)
def test_prompt_logprobs_are_read(prompt: Prompt, answer: httpx.Response) -> None:
    """What vLLM gives are the log probabilities of the prompt's tokens but the first, which nothing precedes.

    Such a request is not streamed, since vLLM's streams have none.
    """
    server = Server(answer)
    got = server.ask(prompt)
    assert got.prompt_logprobs == (TokenLogprob(token="x", logprob=-2.5), TokenLogprob(token="y", logprob=-1.0))
    assert server.bodies[0]["prompt_logprobs"] == 0
    assert "stream" not in server.bodies[0]


def test_missing_prompt_logprobs_are_an_error() -> None:
    """A server without the field is told apart from a prompt of one token, of which nothing is left."""
    assert "gives no prompt_logprobs" in Server(text("a")).ask(SCORED).error
    alone = document(choices=[{"text": "a", "prompt_logprobs": [None]}])
    got = Server(alone).ask(SCORED)
    assert (got.error, got.prompt_logprobs) == ("", ())


def test_unreadable_prompt_logprobs_are_an_error() -> None:
    """Another form of them is told with what came."""
    got = Server(document(choices=[{"text": "a", "prompt_logprobs": {"x": 1}}])).ask(SCORED)
    assert "prompt_logprobs are in no known form: {'x': 1}" in got.error


def test_token_that_cannot_be_stored_is_mended() -> None:
    """Half of a character, which JSON can carry as a lone surrogate, can be written to disk."""
    found = {"tokens": ["\ud800"], "token_logprobs": [-1.0], "top_logprobs": [{"\ud800": -1.0}]}
    data = json.dumps({"choices": [{"text": "a", "finish_reason": "stop", "logprobs": found}]})
    got = Server(stream(event(data), DONE)).ask(BASE)
    assert got.logprobs == (TokenLogprob(token="?", logprob=-1.0, top=(("?", -1.0),)),)
