"""One call of a generator whose model runs in this process: when it began, and how it failed if it did."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.problem import Completion, CompletionForm, Prompt


@dataclass(frozen=True, slots=True)
class LocalCall:
    """One call of generate()."""

    prompt: Prompt
    started_at: float
    """Seconds since the epoch."""
    clock: float
    """time.perf_counter() at the same moment."""

    @classmethod
    def begin(cls, prompt: Prompt) -> LocalCall:
        """A call that begins now."""
        return cls(prompt, time.time(), time.perf_counter())

    @property
    def form(self) -> CompletionForm:
        """What a completion of the prompt is."""
        return "chat" if self.prompt.form == "chat" else "completion"

    def failed(self, error: str, prompt_tokens: int) -> Completion:
        """A completion that tells why there is none."""
        return Completion(
            text="",
            form=self.form,
            finish_reason="error",
            prompt_tokens=prompt_tokens,
            error=error,
            seconds=time.perf_counter() - self.clock,
            started_at=self.started_at,
        )
