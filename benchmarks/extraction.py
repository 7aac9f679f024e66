"""Turn what a model returned into the text of a program. Pure functions: no data, no execution.

A base model continues the prompt; a chat model answers with a message, in which code stands in markdown fences, or
bare, with or without prose around it, as a whole function or only as its body. Which code is meant is decided here,
by rules that are the same for every benchmark; tests/benchmarks/test_extraction.py is the list of cases.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from dataclasses import dataclass

from benchmarks.problem import Completion

PYTHON_TAGS = frozenset({"", "python", "python3", "py", "python2", "pycon"})
FENCE = re.compile(r"^(?P<indent>[ \t>]*)(?P<marks>`{3,}|~{3,})[ \t]*\{?\.?(?P<tag>[\w+#-]*)[^`]*$")
INDENT = "    "
INLINE_FENCE = re.compile(r"```(?:python3?|py)?[ \t]*(?P<code>[^`\n]+?)```")
CODE_START = re.compile(r"^(?:async def|def|class|import|from|@)\b|^@\w")


def program_text(completion: Completion, *, prompt: str, entry_point: str | None, stop: tuple[str, ...] = ()) -> str:
    """Join prompt and completion to a whole program, ending in a newline.

    Args:
        completion: what the model returned; its `form` decides the rule.
        prompt: what stands before a completion of form `completion`; imports and helpers of form `chat`.
        entry_point: the function that is asked for; None if the benchmark names none.
        stop: a completion of form `completion` ends before the first of these, unless it is verbatim.

    Returns:
        prompt + text for `completion`; the extracted code, with what it needs of the prompt, for `chat`; the text for
        `solution`.
    """
    if completion.form == "solution":
        return completion.text + "\n"
    if completion.form == "chat":
        return chat_program(completion.text, prompt=prompt, entry_point=entry_point)
    text = completion.text if completion.verbatim else truncate(completion.text, stop)
    return prompt + text + "\n"


def truncate(text: str, stop: tuple[str, ...]) -> str:
    """Cut `text` before the first place where any stop sequence begins."""
    cuts = [at for at in (text.find(mark) for mark in stop if mark) if at >= 0]
    return text[: min(cuts)] if cuts else text


def chat_program(message: str, *, prompt: str, entry_point: str | None) -> str:
    """Turn a chat message into a program; a message without code becomes a program that defines nothing new."""
    message = without_reasoning(message.replace("\r\n", "\n"))
    blocks = [block for block in fenced_blocks(message) if block.strip()]
    if not blocks:
        return _bare_program(message, prompt, entry_point)
    chosen = _choose(blocks, entry_point)
    code = blocks[chosen]
    if entry_point is not None and not defines(code, entry_point):
        body = _as_body(code, prompt)
        if body is not None:
            return body
    helpers = [block for block in blocks[:chosen] if _only_definitions(block, entry_point)]
    return _with_preamble("\n".join([*helpers, code]), prompt, entry_point)


def without_reasoning(message: str) -> str:
    """Drop `<think>...</think>`; an answer that never left its reasoning is no answer."""
    message = message.rpartition("</think>")[2]
    return message.partition("<think>")[0]


def defines(code: str, name: str) -> bool:
    """Whether a function, class or assignment of this name begins at the left margin of `code`."""
    named = re.escape(name)
    return re.search(rf"^(?:(?:async +def|def|class) +{named}\b|{named} *=[^=])", code, re.MULTILINE) is not None


@dataclass(slots=True)
class _Fence:
    """One fenced block while it is read."""

    indent: str
    marks: str
    tag: str
    lines: list[str]

    def closes(self, match: re.Match[str]) -> bool:
        """Whether a line of marks ends this block; one that is indented deeper may belong to a docstring."""
        if match["marks"][0] != self.marks[0] or len(match["marks"]) < len(self.marks):
            return False
        plain = not match["tag"] and len(match["indent"]) <= len(self.indent)
        return plain or parse(self.code()) is not None

    def code(self) -> str:
        """The block's text without the fence's own indentation (a fence inside a list item is indented)."""
        width = len(self.indent)
        return "\n".join(line[width:] if not line[:width].strip(" \t>") else line for line in self.lines) + "\n"


def fenced_blocks(message: str) -> list[str]:
    """Give the Python blocks of a message in order, or, if none is tagged as Python, all blocks.

    A fence that is never closed (the token limit) lasts to the end; one that is followed by another is closed by it.
    """
    fences: list[_Fence] = []
    current: _Fence | None = None
    for line in message.split("\n"):
        match = FENCE.match(line)
        if current is not None and not (match and current.closes(match)):
            current.lines.append(line)
        elif match and (current is None or match["tag"]):
            current = _Fence(match["indent"], match["marks"], match["tag"].lower(), [])
            fences.append(current)
        else:
            current = None
    if not fences:
        return [match["code"] + "\n" for match in INLINE_FENCE.finditer(message)]
    python = [fence for fence in fences if fence.tag in PYTHON_TAGS]
    return [_without_prompts(fence) for fence in python or fences]


def _without_prompts(fence: _Fence) -> str:
    """The block's code; of an interactive session only what was typed."""
    code = fence.code()
    if not code.lstrip().startswith(">>> "):
        return code
    typed = [line[4:] for line in code.split("\n") if line.startswith((">>> ", "... "))]
    return "\n".join(typed) + "\n"


def _choose(blocks: list[str], entry_point: str | None) -> int:
    """Index of the block that answers.

    The last that defines the entry point with a body and parses: models correct themselves downwards. Else the last
    that at least defines it, else the first. Without an entry point, the longest that parses.
    """
    whole = [index for index, block in enumerate(blocks) if entry_point and defines(block, entry_point)]
    good = [index for index in whole if _implements(blocks[index], entry_point)]
    if good or whole:
        return (good or whole)[-1]
    if entry_point is None:
        parsing = [index for index, block in enumerate(blocks) if parse(block) is not None]
        return max(parsing or range(len(blocks)), key=lambda index: len(blocks[index]))
    return 0


def _implements(code: str, entry_point: str | None) -> bool:
    """Whether `code` parses and its entry point is more than a docstring, `pass` or `...`."""
    tree = parse(code)
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    for node in tree.body if tree else ():
        if isinstance(node, definitions) and node.name == entry_point:
            return not all(_is_filler(statement) for statement in node.body)
    return False


def _is_filler(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _only_definitions(code: str, entry_point: str | None) -> bool:
    """Whether a block adds only imports, functions and classes other than the entry point: helpers of a later block."""
    tree = parse(code)
    if tree is None or (entry_point is not None and defines(code, entry_point)):
        return False
    kinds = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return all(isinstance(node, kinds) for node in tree.body)


def _as_body(code: str, prompt: str) -> str | None:
    """Continue the prompt with `code`, indented as it needs; None if that does not parse."""
    if not prompt.strip():
        return None
    code = code.strip("\n")
    forms = [textwrap.indent(textwrap.dedent(code), INDENT), INDENT + code.lstrip()]
    if code[:1].isspace():
        forms.insert(0, code)
    for body in forms:
        program = prompt + ("" if prompt.endswith("\n") else "\n") + body + "\n"
        if parse(program) is not None:
            return program
    return None


def _bare_program(message: str, prompt: str, entry_point: str | None) -> str:
    """Take a message without fences as a whole function amid prose, or as the continuation of the prompt."""
    if entry_point is None or defines(message, entry_point):
        return _with_preamble(_bare_code(message, entry_point), prompt, entry_point)
    body = _as_body(message, prompt)
    return body if body is not None else prompt + message.rstrip("\n") + "\n"


def _bare_code(message: str, entry_point: str | None) -> str:
    """The first run of lines that parses and defines the entry point; the whole message if there is none."""
    lines = message.split("\n")
    for start in (number for number, line in enumerate(lines) if CODE_START.match(line)):
        code = _longest_parsing(lines[start:])
        if code and (entry_point is None or defines(code, entry_point)):
            return code
    return message


def _longest_parsing(lines: list[str]) -> str:
    """Drop trailing lines (prose after the code) until the rest parses; empty if no beginning of it does."""
    ends = [len(lines), *(at for at in range(len(lines) - 1, 0, -1) if lines[at][:1].strip())]
    texts = ("\n".join(lines[:end]) for end in ends)
    return next((text for text in texts if parse(text) is not None), "")


def _with_preamble(code: str, prompt: str, entry_point: str | None) -> str:
    """Put the prompt's imports and helpers (what stands before the entry point's def) before `code`.

    HumanEval/32, 38 and 50 test through helpers that only the prompt defines.
    """
    preamble = preamble_of(prompt, entry_point)
    future = [line for line in code.split("\n") if line.startswith("from __future__ import")]
    if future:
        code = "\n".join(line for line in code.split("\n") if line not in future)
    head = "".join(line + "\n" for line in future) + preamble
    return head + code.rstrip("\n") + "\n"


def preamble_of(prompt: str, entry_point: str | None) -> str:
    """What stands in the prompt before the entry point (and its decorators); empty if it is not there."""
    if entry_point is None:
        return ""
    match = re.search(rf"^(?:@.*\n)*(?:async +def|def|class) +{re.escape(entry_point)}\b", prompt, re.MULTILINE)
    return prompt[: match.start()] if match else ""


def parse(code: str) -> ast.Module | None:
    """Syntax tree of `code`; None if it is no Python (or nests deeper than the parser goes)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a model's odd escapes are no news of ours
        try:
            return ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
