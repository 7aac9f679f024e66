"""The records that a benchmark speaks in: Problem, Prompt, Completion, Score."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

NOMINAL = "nominal"
"""The variant name of a problem that was not perturbed."""

PromptForm = Literal["base", "chat"]
CompletionForm = Literal["completion", "chat", "solution"]


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

    def sha256(self) -> str:
        """Content hash of the benchmark record: a part of every sample's identity."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


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
    """For form `base`: the text to continue."""
    messages: tuple[Message, ...] = ()
    """For form `chat`: the conversation so far, last message from the user."""
    stop: tuple[str, ...] = ()
    """Generation ends before the first of these; they are not part of the completion."""

    def sha256(self) -> str:
        """Content hash: a part of every sample's identity."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


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
    """Wall time of the request that this completion came with; None for stored samples."""
    verbatim: bool = False
    """True if the text is to be run as it is: no stop sequence is looked for (stored samples, references)."""
    error: str = ""
    """Why there is no text; empty if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a sample is worth: named values in [0, 1]; `pass` is the headline where programs are run."""

    values: Mapping[str, float] = field(default_factory=dict)
