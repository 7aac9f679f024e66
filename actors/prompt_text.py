"""Render a prompt as the tokens that a model is to continue: plain text, a conversation, or code around a gap.

Shared by the back ends that hold a model themselves. Pure Python over a Hugging Face tokenizer.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from benchmarks.problem import Prompt
from runners.errors import UserError

THINK, THINK_END = "<think>", "</think>"
ANCHOR = "\u263a"
"""Stands before a text so that SentencePiece adds no space to it; its own tokens are then taken off."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A prompt as a model receives it."""

    ids: tuple[int, ...]
    lead: str = ""
    """What the chat template already wrote of the answer (`<think>\\n`); belongs before the completion's text."""
    end_ids: frozenset[int] = frozenset()
    """Tokens that end this completion beside the model's own: what ends a gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FimFamily:
    """How one family of models marks prefix, suffix and gap."""

    name: str
    prefix: str
    suffix: str
    middle: str = ""
    """Stands last; empty where the family has none."""
    suffix_first: bool = False
    bare_suffix: bool = False
    """Whether the suffix is encoded without the space that SentencePiece puts before a text."""
    ends: tuple[str, ...] = ()
    """Tokens that end the gap, where the vocabulary has them."""

    @property
    def marks(self) -> tuple[str, ...]:
        """The tokens that a vocabulary must hold."""
        return tuple(mark for mark in (self.prefix, self.suffix, self.middle) if mark)


FIM_FAMILIES = (
    FimFamily(
        name="Qwen, CodeGemma",
        prefix="<|fim_prefix|>",
        suffix="<|fim_suffix|>",
        middle="<|fim_middle|>",
        ends=("<|fim_pad|>", "<|endoftext|>", "<|repo_name|>", "<|file_sep|>", "<|file_separator|>", "<|fim_prefix|>"),
    ),
    FimFamily(
        name="StarCoder, Granite",
        prefix="<fim_prefix>",
        suffix="<fim_suffix>",
        middle="<fim_middle>",
        ends=("<fim_pad>", "<|endoftext|>", "<file_sep>", "<filename>", "<reponame>"),
    ),
    FimFamily(
        name="SantaCoder",
        prefix="<fim-prefix>",
        suffix="<fim-suffix>",
        middle="<fim-middle>",
        ends=("<fim-pad>", "<|endoftext|>"),
    ),
    FimFamily(name="CodeLlama", prefix="▁<PRE>", suffix="▁<SUF>", middle="▁<MID>", bare_suffix=True, ends=("▁<EOT>",)),
    FimFamily(
        name="DeepSeek-Coder",
        prefix="<｜fim▁begin｜>",
        suffix="<｜fim▁hole｜>",
        middle="<｜fim▁end｜>",
    ),
    FimFamily(
        name="Seed-Coder",
        prefix="<[fim-prefix]>",
        suffix="<[fim-suffix]>",
        middle="<[fim-middle]>",
        suffix_first=True,
    ),
    FimFamily(name="Codestral", prefix="[PREFIX]", suffix="[SUFFIX]", suffix_first=True, bare_suffix=True),
)
"""By the models' own cards and reference code; the first whose marks the vocabulary holds is taken."""


class PromptEncoder:
    """Turns prompts into tokens, as one tokenizer and one chat template have it."""

    def __init__(self, tokenizer: Any, chat_template: str | None) -> None:  # noqa: ANN401 - transformers has no types
        """Use a transformers tokenizer.

        Args:
            tokenizer: a Hugging Face tokenizer.
            chat_template: a Jinja template, or the path of a file with one; None for the tokenizer's own.

        Raises:
            UserError: the template's file cannot be read.
        """
        self._tokenizer = tokenizer
        self._template = template_text(chat_template)
        self._fim: tuple[FimFamily, dict[str, int]] | None = None

    def encode(self, prompt: Prompt) -> Encoded:
        """The prompt's tokens, special ones included; no token where the prompt is empty and nothing begins a text.

        Raises:
            UserError: a chat prompt without a template that takes it, or a gap and no tokens to mark it with.
        """
        if prompt.form == "chat":
            text = self._chat_text(prompt)
            return Encoded(ids=tuple(self._ids(text)), lead=_open_reasoning(text))
        if prompt.form == "fim":
            return self._around_gap(prompt)
        return Encoded(ids=tuple(self._text_ids(prompt.text)))

    def _ids(self, text: str, *, special: bool = False) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
        return ids

    def _text_ids(self, text: str) -> list[int]:
        """Some tokenizers end every text with an end token; a text to be continued must not."""
        ids = self._ids(text, special=True)
        closed = ids[-1:] == [self._tokenizer.eos_token_id] and len(ids) > 1
        return ids[:-1] if closed and self._ids(text)[-1:] != ids[-1:] else ids

    def _chat_text(self, prompt: Prompt) -> str:
        """The conversation in the model's own form, its special tokens included."""
        if self._template is None and self._tokenizer.chat_template is None:
            raise UserError(
                "model.form=chat: the tokenizer has no chat template. For a base model use `--set model.form=base`;"
                " for a chat model give its template with `--set model.chat_template=<file>`."
            )
        messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
        try:
            text: str = self._tokenizer.apply_chat_template(
                messages, chat_template=self._template, tokenize=False, add_generation_prompt=True
            )
        except TemplateError as error:
            roles = ", ".join(message.role for message in prompt.messages)
            raise UserError(
                f"the chat template refuses messages of {roles}: {error}. Change `--set model.chat_template=<file>`."
            ) from error
        return text

    def _around_gap(self, prompt: Prompt) -> Encoded:
        family, ids = self._fim = self._fim or self._family()
        suffix = self._bare_ids(prompt.suffix) if family.bare_suffix else self._ids(prompt.suffix)
        before, after = [ids[family.prefix], *self._ids(prompt.text)], [ids[family.suffix], *suffix]
        body = [*after, *before] if family.suffix_first else [*before, *after]
        gap = [ids[family.middle]] if family.middle else []
        ends = frozenset(ids[mark] for mark in family.ends if mark in ids)
        return Encoded(ids=(*self._beginning(), *body, *gap), end_ids=ends)

    def _family(self) -> tuple[FimFamily, dict[str, int]]:
        """The family of the tokenizer, and the vocabulary's ids of its marks and ends."""
        vocabulary: dict[str, int] = self._tokenizer.get_vocab()
        for family in FIM_FAMILIES:
            if all(mark in vocabulary for mark in family.marks):
                known = (*family.marks, *family.ends)
                return family, {mark: vocabulary[mark] for mark in known if mark in vocabulary}
        names = "; ".join(f"{family.name} ({family.prefix})" for family in FIM_FAMILIES)
        raise UserError(
            f"model.form=fim: the tokenizer holds the fill-in-the-middle tokens of no known family: {names}."
            " Take a model that was trained to fill gaps, or benchmarks that ask in another form."
        )

    def _beginning(self) -> list[int]:
        """Tokens that this tokenizer begins every text with."""
        plain, full = self._ids("x"), self._ids("x", special=True)
        starts = (at for at in range(len(full)) if full[at : at + len(plain)] == plain)
        return full[: next(starts, 0)]

    def _bare_ids(self, text: str) -> list[int]:
        """Tokens of a text that goes on after others (as CodeLlama's and Mistral's reference code encode a suffix)."""
        anchor, whole = self._ids(ANCHOR), self._ids(ANCHOR + text)
        return whole[len(anchor) :] if whole[: len(anchor)] == anchor else self._ids(text)


def template_text(chat_template: str | None) -> str | None:
    """The template's text: Jinja always has a brace, the path of a file hardly ever.

    Raises:
        UserError: the file cannot be read.
    """
    if chat_template is None or "{" in chat_template:
        return chat_template
    try:
        return Path(chat_template).expanduser().read_text()
    except OSError as error:
        raise UserError(f"model.chat_template {chat_template}: cannot be read ({error.strerror}).") from error


def reasoning_tokens(tokenizer: Any, text: str, num_tokens: int, *, lead: str = "") -> int | None:  # noqa: ANN401
    """How many generated tokens went into reasoning before the answer; None where the text does not reason.

    Args:
        tokenizer: a Hugging Face tokenizer.
        text: the completion's text, with `lead` before it.
        num_tokens: tokens that were generated.
        lead: what the prompt already held of the text; its tokens are not counted.

    Returns:
        Tokens up to and with the last `</think>`, in [0, num_tokens]; all where a `<think>` never closes. The text is
        encoded again, which may differ from what was generated by a few tokens.
    """
    reasoning, closed, answer = text.rpartition(THINK_END)
    if THINK in answer:
        return num_tokens
    if not closed:
        return None
    spent = tokenizer((reasoning + closed).removeprefix(lead), add_special_tokens=False, verbose=False)["input_ids"]
    return min(len(spent), num_tokens)


def _open_reasoning(prompt_text: str) -> str:
    """The `<think>` that a chat template leaves open at the end of the prompt, with the space after it."""
    is_open = prompt_text.rstrip().endswith(THINK)
    return prompt_text[prompt_text.rindex(THINK) :] if is_open else ""
