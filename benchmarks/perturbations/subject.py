"""A problem as perturbations see it: which of its text may change, and how a change reaches all of its parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from benchmarks.code_grammars import KEYWORDS
from benchmarks.perturbations.prose import Span, Word, description_spans, prose_lines, words_of
from benchmarks.problem import Problem, PromptForm

Rewrite = Callable[[str, str], str]
"""What a language model makes of a text: `rewrite(request, text)`; the same answer for the same words."""
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace `text[start:end]` by `new`; equal ends insert."""

    start: int
    end: int
    new: str


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text after all edits, whose places are those before any of them.

    Raises:
        ValueError: two edits overlap, or one lies outside the text.
    """
    parts, at = [], 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if edit.start < at or edit.end > len(text) or edit.end < edit.start:
            raise ValueError(f"an edit of [{edit.start}, {edit.end}) overlaps another or lies outside the text")
        parts += [text[at : edit.start], edit.new]
        at = edit.end
    return "".join([*parts, text[at:]])


class Subject:
    """One problem, taken apart once for all its variants. Nothing here changes after it is made.

    Offsets are those of characters of `problem.prompt`, unless a name says otherwise.
    """

    def __init__(
        self,
        problem: Problem,
        language: str,
        *,
        form: PromptForm = "base",
        num_shots: int = 0,
        rewrite: Rewrite | None = None,
    ) -> None:
        """Hold a problem.

        Args:
            problem: the nominal one, or a baseline made from it.
            language: of its programs.
            form: in which its run asks.
            num_shots: how many solved examples stand before it.
            rewrite: a language model, for perturbations whose words come from one.
        """
        self.problem = problem
        self.language = language
        self.form = form
        self.num_shots = num_shots
        self.rewrite = rewrite

    @cached_property
    def descriptions(self) -> tuple[Span, ...]:
        """Inside of the docstring or comment that describes the function, without its marks; often one, or none."""
        # A prompt that breaks off within a block parses only together with its solution, which it begins.
        prompt = self.problem.prompt
        spans = description_spans(self.source if self.joined else prompt, self.language, self.problem.entry_point)
        return tuple(span for span in spans if span.end <= len(prompt))

    @cached_property
    def lines(self) -> tuple[Span, ...]:
        """Lines of the descriptions that are prose, from first to last character that is not blank or a margin.

        Examples, code, headings of examples and everything after `>>>` up to an empty line are left out.
        """
        spans = self.descriptions
        prompt, name = self.problem.prompt, self.problem.entry_point
        return tuple(line for span in spans for line in prose_lines(prompt, span, name))

    @cached_property
    def names(self) -> frozenset[str]:
        """Identifiers of the prompt's code and of the tests: words in prose that are one of them stay as they are."""
        prompt = self.problem.prompt
        for span in reversed(self.descriptions):
            prompt = prompt[: span.start] + prompt[span.end :]
        return frozenset(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", prompt)) - KEYWORDS.get(self.language, frozenset())

    @cached_property
    def told_names(self) -> frozenset[str]:
        """Identifiers that stand in the prose as such: quoted, or of a form that no word has."""
        prose = " ".join(self.problem.prompt[line.start : line.end] for line in self.lines)
        quoted = set(re.findall(r"[`'\"]([A-Za-z_][A-Za-z0-9_]*)[`'\"]", prose))
        shaped = {name for name in self.names if "_" in name or re.search(r"[a-z][A-Z]|\d", name)}
        return frozenset(quoted | shaped)

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """English words of the prose that may be changed, in order.

        Protected are words with digits or underscores or inner capitals, identifiers, words of the signature, quoted
        or backquoted text, links, names of types, and words beside operators, brackets or dots.
        """
        return words_of(self.problem.prompt, self.lines, self.names)

    @cached_property
    def text(self) -> Literal["en", "zh", ""]:
        """Language of the prose; empty where there is none."""
        prose = " ".join(self.problem.prompt[line.start : line.end] for line in self.lines)
        chinese, latin = len(_CHINESE.findall(prose)), len(_LATIN.findall(prose))
        if not chinese and not latin:
            return ""
        return "zh" if chinese > latin else "en"

    @cached_property
    def joined(self) -> bool:
        """Whether the reference continues the prompt, so that prompt + reference is one program."""
        problem = self.problem
        if problem.reference is None or problem.suffix:
            return False
        if self.language != "python":
            return not (problem.entry_point and _is_whole(problem.reference, problem.entry_point))
        return not _defines(problem.reference, problem.entry_point) and _defines(problem.prompt, problem.entry_point)

    @cached_property
    def source(self) -> str:
        """The whole reference program: prompt + reference where they are one, else the reference alone."""
        problem = self.problem
        return (problem.prompt if self.joined else "") + (problem.reference or "")

    def with_prose(self, edits: Iterable[Edit]) -> Problem | None:
        """The problem with its description edited, in prompt and instruction alike.

        Returns:
            None if nothing changed, or if the instruction says the description in other words than the prompt.
        """
        edits = tuple(edits)
        prompt = edited(self.problem.prompt, edits)
        instruction = self._instruction(prompt, edits)
        if instruction is None or prompt == self.problem.prompt:
            return None
        return replace(self.problem, prompt=prompt, instruction=instruction)

    @property
    def split(self) -> int:
        """Where in `source` the prompt ends and the reference begins."""
        return len(self.problem.prompt) if self.joined else 0

    def with_edits(self, edits: Iterable[Edit], **changes: object) -> Problem | None:
        """The problem with `source` edited: prompt, instruction and reference change alike.

        Args:
            edits: places are those of `source`; what is inserted just where the prompt ends belongs to the reference.
            changes: other fields of the problem, such as `tests`.

        Returns:
            None if nothing changed, or if an edit lies across the end of the prompt.
        """
        edits = tuple(edits)
        if any(edit.start < self.split < edit.end for edit in edits):
            return None
        source = edited(self.source, edits)
        ahead = [edit for edit in edits if edit.end <= self.split and edit.start < self.split]
        split = self.split + sum(len(edit.new) - (edit.end - edit.start) for edit in ahead)
        return None if source == self.source else self.with_source(source, split, **changes)

    def with_source(self, source: str, split: int, **changes: object) -> Problem:
        """The problem with another reference program.

        Args:
            source: prompt + reference where they are one, else the reference alone.
            split: where in `source` the prompt ends; without effect where they are not one.
            changes: other fields of the problem, such as `tests`.
        """
        if not self.joined:
            return replace(self.problem, reference=source, **changes)  # type: ignore[arg-type]
        prompt = source[:split]
        instruction = in_instruction(self.problem, prompt)
        return replace(
            self.problem,
            prompt=prompt,
            reference=source[split:],
            instruction=self.problem.instruction if instruction is None else instruction,
            **changes,  # type: ignore[arg-type]
        )

    def _instruction(self, prompt: str, edits: tuple[Edit, ...]) -> str | None:
        whole = in_instruction(self.problem, prompt)
        return whole if whole is not None else self._by_lines(edits)

    def _by_lines(self, edits: tuple[Edit, ...]) -> str | None:
        """Replace each changed line of the description where the instruction has it; None if it has it not."""
        before, instruction = self.problem.prompt, self.problem.instruction
        for line in self.lines:
            inside = [edit for edit in edits if line.start <= edit.start and edit.end <= line.end]
            if not inside:
                continue
            old = before[line.start : line.end]
            moved = [Edit(edit.start - line.start, edit.end - line.start, edit.new) for edit in inside]
            if old not in instruction:
                return None
            instruction = instruction.replace(old, edited(old, moved), 1)
        return instruction


def in_instruction(problem: Problem, prompt: str) -> str | None:
    """The instruction with another prompt in place of the problem's; None if it does not quote the prompt."""
    for bare in (str.strip, lambda text: text.strip("\n")):
        old = bare(problem.prompt)
        if old and old in problem.instruction:
            return problem.instruction.replace(old, bare(prompt), 1)
    return None


def renamed_words(text: str, names: Mapping[str, str]) -> str:
    """The text with whole identifiers replaced, wherever they stand; for tests, whose every mention is meant."""
    if not names:
        return text
    pattern = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<![\w$])(?:{pattern})(?![\w$])", lambda match: names[match[0]], text)


def _is_whole(reference: str, entry_point: str) -> bool:
    """Whether a reference in a C-like language says its own function's head."""
    calls = r"(?!\s*(?:if|while|for|return|else|\}))"
    return re.search(rf"^{calls}[^\n(]*\b{re.escape(entry_point)}\b\s*(?:=|\()[^;\n]*\{{", reference, re.M) is not None


def _defines(code: str, name: str | None) -> bool:
    return name is not None and re.search(rf"^(?:async +def|def|class) +{re.escape(name)}\b", code, re.M) is not None
