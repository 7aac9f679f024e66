"""The records that a benchmark speaks in: Problem, Prompt, Completion, Score."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

NOMINAL = "nominal"
"""The variant name of a problem that was not perturbed."""

PromptForm = Literal["base", "chat", "fim"]
CompletionForm = Literal["completion", "chat", "solution"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How one problem is asked in another manner than its run: what is None stays as the run says."""

    form: PromptForm | None = None
    system: str | None = None
    """System message of form `chat`."""
    shots: tuple[int, ...] | None = None
    """Which of the prompt mode's shown examples, in which order, by their places from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to ask, and what judges the answer."""

    task_id: str
    prompt: str
    """What a base model continues, byte for byte as the benchmark's authors give it."""
    instruction: str
    """What a chat model is asked: the same problem in the form of a request."""
    tests: tuple[str, ...]
    """Test sources; each passes if it runs to its end in the program's namespace."""
    entry_point: str | None = None
    """Name of the function under test; None where the tests name no single one."""
    setup: str = ""
    """Code that stands before the program (imports and helpers the benchmark provides)."""
    reference: str | None = None
    """The canonical completion; None if the benchmark has none."""
    wrong: tuple[str, ...] = ()
    """Completions that must not pass: plausible mistakes, for `doctor --gold`."""
    variant: str = NOMINAL
    cpu_seconds: float | None = None
    """CPU limit of this problem where it differs from the benchmark's."""
    tags: tuple[str, ...] = ()
    suffix: str = ""
    """What stands after the gap, where a gap in code is to be filled; `prompt` is then what stands before it."""
    unavailable: str = ""
    """Why answers cannot be judged here (data files that are absent); their samples are `missing`. Empty else."""
    manner: Manner | None = None
    """How it is asked where that differs from the other problems of its run."""
    cluster: str = ""
    """What problems share that are not drawn apart, as gaps in one solution are; empty where none does."""

    def sha256(self) -> str:
        """Content hash of the benchmark record: a part of every sample's identity."""
        return _content_hash(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a generator receives."""

    task_id: str
    variant: str = NOMINAL
    form: PromptForm
    text: str = ""
    """For form `base`: the text to continue; for `fim`: what stands before the gap."""
    suffix: str = ""
    """For form `fim`: what stands after the gap."""
    messages: tuple[Message, ...] = ()
    """For form `chat`: the conversation so far, last message from the user."""
    stop: tuple[str, ...] = ()
    """Generation ends before the first of these; they are not part of the completion."""
    logprobs: int | None = None
    """So many alternatives beside each generated token, with their log probabilities (0: its own alone); None: no."""
    prompt_logprobs: bool = False
    """Whether each token of the prompt is wanted with its log probability."""
    turn: int = 0
    """Which question of its problem this is, where an answer is asked about further; from 0."""
    benchmark: str = ""
    """Label of the benchmark in its run, where there is one."""

    def sha256(self) -> str:
        """Content hash: a part of every sample's identity."""
        return _content_hash(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogprob:
    """One token with its natural log probability."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()
    """The likeliest alternatives and theirs, best first, as many as the prompt asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a model returned for one Prompt, once."""

    text: str
    form: CompletionForm = "completion"
    """`completion` continues the prompt, `chat` is a message to extract code from, `solution` is a whole program."""
    finish_reason: str = "stop"
    """`stop` (stop sequence or end of text), `length` (token limit), or `error`."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    """Tokens the model generated; None where the source does not tell (stored samples)."""
    seconds: float | None = None
    """End-to-end latency: from the call to the last token of this completion; None for stored samples that do
    not tell."""
    started_at: float | None = None
    """When it was asked for, seconds since the epoch; None for stored samples."""
    queue_seconds: float | None = None
    """From the call until the model began with it; None where the back end does not tell."""
    ttft_seconds: float | None = None
    """Time to first token: from the call until the first token arrived; None where that was not seen."""
    inter_token_seconds: tuple[float, ...] = ()
    """Gaps between tokens as they arrived, one fewer than tokens; empty where arrivals were not watched."""
    reasoning_tokens: int | None = None
    """Tokens of completion_tokens that went into reasoning before the answer; None where that is not known."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """Per generated token, where the prompt asked for them."""
    prompt_logprobs: tuple[TokenLogprob, ...] = ()
    """Per token of the prompt but the first, where the prompt asked for them."""
    verbatim: bool = False
    """True if the text is to be run as it is: no stop sequence is looked for (stored samples, references)."""
    earlier: tuple[str, ...] = ()
    """What was answered in the turns before, where the problem has several."""
    error: str = ""
    """Why there is no text; empty if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a sample is worth: named values in [0, 1]; `pass` is the headline where programs are run."""

    values: Mapping[str, float] = field(default_factory=dict)


_INDIFFERENT = frozenset({"cluster", "unavailable", "benchmark"})


def _content_hash(record: Problem | Prompt) -> str:
    """SHA-256 of the fields that are not at their defaults, so that a new field changes no old record's identity.

    Left out is what decides nothing of a sample: how differences are pooled, what this machine lacks, names of a run.
    """
    plain: dict[str, Any] = asdict(record)
    decisive = [each for each in fields(record) if each.name not in _INDIFFERENT]
    told = {each.name: plain[each.name] for each in decisive if getattr(record, each.name) != each.default}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
