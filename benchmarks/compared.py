"""Benchmarks that also tell how alike an answer and the canonical solution are, as CodeFuseEval does: BLEU and others.

Compared is the code that the model was asked for: the program without what the benchmark puts before it, or, where one
function is completed, that function's body without its docstring; so a base model that continues a prompt and a chat
model that repeats the signature are measured alike.
"""

from __future__ import annotations

import ast
from typing import Any

from benchmarks.base import BaseBenchmark
from benchmarks.benchmark import reference_completion
from benchmarks.code_grammars import body_of
from benchmarks.extraction import parse
from benchmarks.problem import Completion, Problem, Score
from benchmarks.similarity import similarity
from runners.program import Verdict

SIMILARITIES = ("bleu", "codebleu", "es", "em")


class Compared(BaseBenchmark[Any]):
    """Mixed into a benchmark before its base: its scores and, of the text, SIMILARITIES."""

    metrics: tuple[str, ...] = ("pass", *SIMILARITIES)

    def score(self, problem: Problem, completion: Completion, verdicts: tuple[Verdict, ...]) -> Score:
        """The benchmark's own values, and how alike the answer and the canonical solution are."""
        reference = reference_completion(problem)
        assert reference is not None, f"{self.name}: {problem.task_id} has no reference to compare with"
        texts = [self.compared(problem, each) for each in (completion, reference)]
        own = super().score(problem, completion, verdicts).values
        return Score(values={**own, **similarity(self.language, *texts)})

    def compared(self, problem: Problem, completion: Completion) -> str:
        """The program without the lines that it has whatever the answer is."""
        frame = self.source(problem, Completion(text="", verbatim=True)).splitlines(keepends=True)
        lines = self.source(problem, completion).splitlines(keepends=True)
        shared = next((at for at, pair in enumerate(zip(frame, lines, strict=False)) if pair[0] != pair[1]), len(frame))
        return "".join(lines[shared:])


def function_body(language: str, text: str, name: str | None) -> str:
    """The body of a function without its docstring; the whole text where it has no such function.

    Args:
        language: Python, or one with a grammar whose functions stand in braces.
        text: a program.
        name: of the function; of several definitions Python takes the last, the others the first.
    """
    if name is None:
        return text
    if language == "python":
        return _python_body(text, name)
    body = body_of(language, text, name)
    return text if body is None else body


def _python_body(text: str, name: str) -> str:
    tree = parse(text)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name] if tree else []
    if not found:
        return text
    body = found[-1].body
    if len(body) > 1 and ast.get_docstring(found[-1], clean=False) is not None:
        body = body[1:]
    lines = text.splitlines(keepends=True)
    return "".join(lines[body[0].lineno - 1 : body[-1].end_lineno])
