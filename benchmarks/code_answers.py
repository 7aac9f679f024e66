"""Turn what a model returned into the text of a program, in languages other than Python. Pure functions.

A base model continues the prompt until the function under completion closes; a chat model answers with the whole
function (or class, or only its body) in a markdown fence. What stands in the prompt before the function (includes,
imports, helpers, the class around it) is kept where the answer lacks it, and nothing is defined twice.
`tests/benchmarks/test_code_answers.py` is the list of cases.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.extraction import FENCE, program_text, truncate, without_reasoning
from benchmarks.problem import Completion

TAGS: dict[str, frozenset[str]] = {
    "c": frozenset({"c", "h"}),
    "cpp": frozenset({"cpp", "c++", "cxx", "cc", "hpp"}),
    "java": frozenset({"java"}),
    "javascript": frozenset({"javascript", "js", "node", "mjs", "jsx"}),
    "typescript": frozenset({"typescript", "ts", "tsx"}),
    "go": frozenset({"go", "golang"}),
    "rust": frozenset({"rust", "rs"}),
    "php": frozenset({"php"}),
    "ruby": frozenset({"ruby", "rb"}),
    "bash": frozenset({"bash", "sh", "shell", "zsh"}),
    "perl": frozenset({"perl", "pl"}),
    "lua": frozenset({"lua"}),
}
"""How fences name a language."""
BRACES = frozenset({"c", "cpp", "java", "javascript", "typescript", "go", "rust", "php"})
"""Languages whose functions end at a brace."""

_COMMON = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"'
_CHARACTER = r"'(?:\\[^\n]{1,10}?|[^'\\\n])'"
_OPAQUE = {
    "go": re.compile(rf"{_COMMON}|`[^`]*`|{_CHARACTER}", re.DOTALL),
    "rust": re.compile(rf'r(#*)".*?"\1|{_COMMON}|{_CHARACTER}', re.DOTALL),
    "cpp": re.compile(rf'R"(\w*)\(.*?\)\1"|{_COMMON}|{_CHARACTER}', re.DOTALL),
    "c": re.compile(rf"{_COMMON}|{_CHARACTER}", re.DOTALL),
    "java": re.compile(rf'""".*?"""|{_COMMON}|{_CHARACTER}', re.DOTALL),
    "php": re.compile(rf"#[^\n]*|{_COMMON}|'(?:\\.|[^'\\])*'", re.DOTALL),
}
_SCRIPT = re.compile(rf"{_COMMON}|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`", re.DOTALL)
_DEFINES = {
    "cpp": r"\b{name}\s*\([^;{{}}]*\)\s*(?:const\s*)?(?:noexcept\s*)?\{{",
    "c": r"\b{name}\s*\([^;{{}}]*\)\s*\{{",
    "java": r"\b[\w<>\[\],.?]+\s+{name}\s*\([^;{{}}]*\)\s*(?:throws [\w., ]+)?\s*\{{",
    "javascript": r"(?:\bfunction\s*\*?\s*{name}\b|\b(?:const|let|var)\s+{name}\s*=|^\s*{name}\s*=)",
    "typescript": r"(?:\bfunction\s*\*?\s*{name}\b|\b(?:const|let|var)\s+{name}\b[^=\n]*=)",
    "go": r"^func\s+(?:\([^)]*\)\s*)?{name}\s*[\[(]",
    "rust": r"\bfn\s+{name}\b",
    "php": r"\bfunction\s+&?{name}\b",
    "ruby": r"\bdef\s+(?:self\.)?{name}\b",
    "bash": r"^\s*(?:function\s+)?{name}\s*(?:\(\s*\))?\s*\{{",
    "perl": r"\bsub\s+{name}\b",
    "lua": r"\bfunction\s+{name}\b|\b{name}\s*=\s*function\b",
}
_NAMES = {
    "cpp": re.compile(r"\b(\w+)\s*\([^;{}]*\)\s*(?:const\s*)?\{|\b(?:struct|class)\s+(\w+)"),
    "c": re.compile(r"\b(\w+)\s*\([^;{}]*\)\s*\{|\bstruct\s+(\w+)"),
    "java": re.compile(r"\b(\w+)\s*\([^;{}]*\)\s*(?:throws [\w., ]+)?\s*\{|\b(?:class|record|enum)\s+(\w+)"),
    "javascript": re.compile(r"\bfunction\s*\*?\s*(\w+)|\b(?:const|let|var)\s+(\w+)\s*="),
    "typescript": re.compile(r"\bfunction\s*\*?\s*(\w+)|\b(?:const|let|var)\s+(\w+)\b"),
    "go": re.compile(r"^func\s+(\w+)|^type\s+(\w+)", re.MULTILINE),
    "rust": re.compile(r"\bfn\s+(\w+)|\b(?:struct|enum|trait)\s+(\w+)"),
    "php": re.compile(r"\bfunction\s+(\w+)|\bclass\s+(\w+)"),
}
_GO_HEADER = re.compile(
    r"^package \w+[ \t]*\n|^import\s*\([^)]*\)[ \t]*\n?|^import\s+(?:\w+\s+)?\"[^\"]+\"[ \t]*\n?", re.MULTILINE
)
_RUST_USE = re.compile(r"^use\s+([^;]+);[ \t]*\n?", re.MULTILINE)


def answer_text(
    language: str,
    completion: Completion,
    *,
    prompt: str,
    entry_point: str | None,
    stop: tuple[str, ...] = (),
    closes: bool = True,
) -> str:
    """Join prompt and completion to a whole program, ending in a newline.

    Args:
        language: a row of `runners.languages`, or Python, for which `extraction.program_text` is asked.
        completion: what the model returned; its form decides the rule.
        prompt: what stands before a completion of form `completion`.
        entry_point: the function that is asked for.
        stop: a completion of form `completion` ends before the first of these, unless it is verbatim.
        closes: whether the program closes what the prompt opened; else the tests do (MultiPL-E).

    Returns:
        The program without its tests; of Go, what stands in chat answers of package and imports is left out.
    """
    if language == "python":
        return program_text(completion, prompt=prompt, entry_point=entry_point, stop=stop)
    if completion.form == "solution":
        return completion.text + "\n"
    if completion.form == "chat":
        return chat_answer(language, completion.text, prompt=prompt, entry_point=entry_point, closes=closes)
    text = completion.text if completion.verbatim else truncate(completion.text, stop)
    if not completion.verbatim and closes:
        text = closed(language, prompt, text)
    return prompt + text + "\n"


def closed(language: str, prompt: str, text: str) -> str:
    """`text` up to where what the prompt opened is closed; what is still open at its end is closed.

    Where the prompt opened a class around the function, other methods may follow in it.
    """
    if language not in BRACES:
        return text
    opened = depth(language, prompt)
    if opened < 1:
        return text
    level = opened
    for at, brace in braces(language, text):
        level += 1 if brace == "{" else -1
        if level == 0:
            return text[: at + 1]
        if level < 0:
            return text[:at]
    # Cut off amid an expression it is no program anyway, and a brace more does not make it one.
    return text.rstrip() + "\n" + "}\n" * level


def braces(language: str, text: str) -> Iterator[tuple[int, str]]:
    """Places of braces that are neither in comments nor in literals."""
    opaque = _OPAQUE.get(language, _SCRIPT)
    position = 0
    while position < len(text):
        match = opaque.search(text, position)
        end = match.start() if match else len(text)
        for at in range(position, end):
            if text[at] in "{}":
                yield at, text[at]
        position = match.end() if match else len(text)


def depth(language: str, text: str) -> int:
    """How many braces are open at the end of a text."""
    return sum(1 if brace == "{" else -1 for _, brace in braces(language, text))


def defines(language: str, code: str, name: str | None) -> bool:
    """Whether a function of this name is defined in `code`."""
    if name is None or language not in _DEFINES:
        return False
    return re.search(_DEFINES[language].format(name=re.escape(name)), code, re.MULTILINE) is not None


def chat_answer(language: str, message: str, *, prompt: str, entry_point: str | None, closes: bool = True) -> str:
    """The program that a chat message stands for; a message without code continues the prompt, and fails."""
    code = chosen_block(language, without_reasoning(message.replace("\r\n", "\n")), entry_point)
    if entry_point is None:
        return code.rstrip("\n") + "\n"
    if not defines(language, code, entry_point):
        body = closed(language, prompt, code) if closes else code
        return prompt + ("" if prompt.endswith("\n") else "\n") + body + "\n"
    whole = _WHOLE.get(language, _after_preamble)
    return whole(language, code, prompt, entry_point).rstrip("\n") + "\n"


def chosen_block(language: str, message: str, entry_point: str | None) -> str:
    """The last block that defines the entry point, else the longest; the message itself where there is no fence."""
    blocks = [block for block in fenced(language, message) if block.strip()]
    if not blocks:
        return message
    defining = [block for block in blocks if defines(language, block, entry_point)]
    return defining[-1] if defining else max(blocks, key=len)


@dataclass(slots=True)
class _Block:
    """One fenced block while it is read."""

    marks: str
    tag: str
    lines: list[str]


def fenced(language: str, message: str) -> list[str]:
    """Blocks tagged with the language, in order; if there is none, those without a tag, else all."""
    blocks: list[_Block] = []
    current: _Block | None = None
    for line in message.split("\n"):
        match = FENCE.match(line)
        if current is not None and match and match["marks"].startswith(current.marks) and not match["tag"]:
            current = None
        elif match and (current is None or match["tag"]):
            current = _Block(match["marks"], match["tag"].lower(), [])
            blocks.append(current)
        elif current is not None:
            current.lines.append(line)
    known = [block for block in blocks if block.tag in TAGS.get(language, frozenset())]
    chosen = known or [block for block in blocks if not block.tag] or blocks
    return ["\n".join(block.lines) + "\n" for block in chosen]


def preamble(language: str, prompt: str, entry_point: str) -> str:
    """What stands in the prompt before the line on which the function begins."""
    matches = list(re.finditer(_DEFINES[language].format(name=re.escape(entry_point)), prompt, re.MULTILINE))
    if not matches:
        return prompt
    start = matches[-1].start()
    return prompt[: prompt.rfind("\n", 0, start) + 1]


def _after_preamble(language: str, code: str, prompt: str, entry_point: str) -> str:
    """What the prompt has before the function and the answer lacks, then the answer without a `main` of its own."""
    before = preamble(language, prompt, entry_point)
    code = without_definition(language, code, "main")
    for name in defined_names(language, before):
        if defines(language, code, name):
            before = without_definition(language, before, name)
    if language == "php" and before.lstrip().startswith("<?php"):
        code = re.sub(r"\s*<\?php", "", code, count=1).replace("?>", "")
    return before + code


def _java(language: str, code: str, prompt: str, entry_point: str) -> str:
    """A class of the prompt's name takes its place; methods alone go into it."""
    before = preamble(language, prompt, entry_point)
    around = re.search(r"\bclass\s+(\w+)[^{]*\{", before)
    code = without_definition(language, code, "Main", what=r"\b(?:public\s+)?(?:final\s+)?class\s+{name}\b")
    if around is None:
        return before + code
    imports = "".join(
        match + "\n" for match in re.findall(r"^import [^;]+;", before, re.MULTILINE) if match not in code
    )
    inside = re.search(rf"\b(?:public\s+)?(class\s+{around[1]}\b[^{{]*\{{)", code)
    helpers = before[around.end() :]
    for name in defined_names(language, helpers):
        if defines(language, code, name):
            helpers = without_definition(language, helpers, name)
    if inside is None:
        own = re.findall(r"^import [^;]+;[ \t]*\n?", code, re.MULTILINE)
        code = re.sub(r"^import [^;]+;[ \t]*\n?", "", code, flags=re.MULTILINE)
        return "".join(own) + before[: around.end()] + helpers + code.rstrip() + "\n}\n"
    kept = _code_only(helpers)
    return imports + code[: inside.start()] + inside[1] + ("\n" + kept if kept else "") + code[inside.end() :]


def _code_only(text: str) -> str:
    """A class body without comments; empty where nothing else is in it."""
    return "" if not re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL).strip() else text


def _go(language: str, code: str, prompt: str, entry_point: str) -> str:
    """Package and imports are left to who puts the file together."""
    code = _GO_HEADER.sub("", code)
    before = _GO_HEADER.sub("", preamble(language, prompt, entry_point))
    return _after_preamble(language, code, before + prompt[len(preamble(language, prompt, entry_point)) :], entry_point)


def _rust(language: str, code: str, prompt: str, entry_point: str) -> str:
    """What the prompt's `use` brings is not brought again, which rustc refuses."""
    known = {
        name for match in _RUST_USE.finditer(preamble(language, prompt, entry_point)) for name, _ in leaves(match[1])
    }

    def unknown(match: re.Match[str]) -> str:
        return "".join(f"use {path};\n" for name, path in leaves(match[1]) if name not in known)

    return _after_preamble(language, _RUST_USE.sub(unknown, code), prompt, entry_point)


_WHOLE: dict[str, Callable[[str, str, str, str], str]] = {"java": _java, "go": _go, "rust": _rust}


def leaves(tree: str, prefix: str = "") -> list[tuple[str, str]]:
    """What a `use` tree of Rust brings: the name it is known by, and its path."""
    tree = tree.strip()
    head, brace, rest = tree.partition("{")
    if not brace:
        path = prefix + tree
        name = path.rpartition(" as ")[2] if " as " in path else path.rpartition("::")[2]
        if name == "self":
            path = path.removesuffix("::self")
            return [(path.rpartition("::")[2], path)]
        return [(name.strip(), path)]
    parts, level, begin, inner = [], 0, 0, rest[: rest.rfind("}")]
    for at, character in enumerate(inner):
        level += (character == "{") - (character == "}")
        if character == "," and level == 0:
            parts.append(inner[begin:at])
            begin = at + 1
    parts.append(inner[begin:])
    return [leaf for part in parts if part.strip() for leaf in leaves(part, prefix + head.strip())]


def defined_names(language: str, text: str) -> list[str]:
    """Functions and types that a text defines with a body; not what only looks like one."""
    names = _NAMES.get(language)
    words = {"if", "for", "while", "switch", "catch", "return", "else"}
    found = [] if names is None else [next(filter(None, match)) for match in names.findall(text)]
    return [name for name in found if name not in words]


def without_definition(language: str, text: str, name: str, what: str | None = None) -> str:
    """A text without the top-level definition of a name, from its line's start to its closing brace."""
    if language not in BRACES:
        return text
    match = re.search((what or _DEFINES[language]).format(name=re.escape(name)), text, re.MULTILINE)
    if match is None:
        return text
    start, level = text.rfind("\n", 0, match.start()) + 1, 0
    for at, brace in braces(language, text[start:]):
        level += 1 if brace == "{" else -1
        if level == 0:
            return text[:start] + text[start + at + 1 :].lstrip(";").lstrip("\n")
    return text
