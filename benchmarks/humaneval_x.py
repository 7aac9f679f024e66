"""HumanEval-X (Zheng et al. 2023, CodeGeeX): HumanEval in six languages; and CodeFuseEval's edition of it.

`humaneval_x` is CodeGeeX's; `code_completion` is CodeFuseEval's: the same problems with other prompts for Rust, two
mended solutions for JavaScript, texts in Chinese, and a set with Chinese docstrings in Python (`python_cn`). Programs
are put together as CodeGeeX does: usual headers before C++ that lacks them, imports of Go by what the code uses,
`#[test]`s for Rust, OpenSSL linked where it is included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field

from benchmarks.base import BaseBenchmark, CommonOptions
from benchmarks.code_answers import answer_text, defined_names
from benchmarks.compared import Compared, function_body
from benchmarks.data import Provenance, Record, Records, in_folder, load_records
from benchmarks.extraction import preamble_of
from benchmarks.fetch import Source
from benchmarks.go_imports import with_imports
from benchmarks.problem import Completion, Problem
from runners.errors import UserError
from runners.languages import HELPER_HEADERS

LANGUAGES = {"python": "python", "cpp": "cpp", "java": "java", "js": "javascript", "go": "go", "rust": "rust"}
"""Names of the sets, and rows of `runners.languages`."""
TITLES = {"python": "Python", "cpp": "C++", "java": "Java", "js": "JavaScript", "go": "Go", "rust": "Rust"}
PYTHON_CN = "python_cn"
FLAGS = {"cpp": ("-std=c++11",), "rust": ("--test",)}
_PYTHON_STOP = ("\nclass", "\ndef", "\n#", "\n@", "\nprint", "\nif", "\nassert", "\n```")
STOPS: dict[str, tuple[str, ...]] = {
    "python": _PYTHON_STOP,
    "cpp": ("\nint main(", "\n#include", "\n/*", "\n```"),
    "java": ("\npublic class", "\nclass Main", "\n/*", "\n```"),
    "js": ("\n//", "\n/*", "\nconsole.log", "\n```"),
    "go": ("\n//", "\nfunc main(", "\npackage ", "\n```"),
    "rust": ("\nfn main(", "\n#[", "\nmod ", "\n```"),
}
PYTHON_SETUP = (
    "import math\nimport re\nimport sys\nimport copy\nimport datetime\nimport itertools\nimport collections\n"
    "import heapq\nimport functools\nimport hashlib\nimport numpy\nimport numpy as np\nimport string\n"
    "from typing import *\nfrom collections import *\n"
)
"""What CodeGeeX's evaluator imports before Python programs."""
INSTRUCTIONS = {
    "en": "Complete the following {title} function. Answer with the whole function in one markdown code block.\n\n"
    "```{tag}\n{prompt}\n```\n",
    "zh": "请补全下面的 {title} 函数，用一个 markdown 代码块给出完整的函数。\n\n```{tag}\n{prompt}\n```\n",
}
_WRONG: dict[str, tuple[str, ...]] = {
    "python": ("    pass\n", "    return 'no such answer'\n"),
    "cpp": ("    throw 1;\n}\n", "    exit(0);\n}\n"),
    "java": (
        "        throw new RuntimeException();\n    }\n}\n",
        "        System.exit(0);\n        return null;\n    }\n}\n",
    ),
    "js": ("}\n", "  process.exit(0)\n}\n"),
    "go": ('    panic("no")\n}\n', "    os.Exit(0)\n    panic(0)\n}\n"),
    "rust": ("    panic!();\n}\n", "    std::process::exit(0);\n}\n"),
}
_STRAY_QUOTE = re.compile(r'^[ \t]*"[ \t]*\n(?=[ \t]*""")', re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/|(?:^[ \t]*//[^\n]*\n)+", re.DOTALL | re.MULTILINE)


class HumanEvalXRecord(Record):
    """One line of humaneval_LANGUAGE.jsonl, of either edition."""

    task_id: str
    prompt: str
    canonical_solution: str
    test: str
    declaration: str
    import_: str = Field(default="", alias="import")
    test_setup: str = ""
    prompt_text_chinese: str = ""


class HumanEvalXOptions(CommonOptions):
    """Which set to ask."""

    language: Literal["python", "cpp", "java", "js", "go", "rust"] = Field(
        default="python", description="language of the functions"
    )


class CodeCompletionOptions(CommonOptions):
    """Which set to ask, and in which words."""

    language: Literal["python", "cpp", "java", "js", "go", "rust", "python_cn"] = Field(
        default="python", description="language of the functions; python_cn has Chinese docstrings"
    )
    text: Literal["en", "zh"] = Field(default="en", description="language of the task's text; zh where it has both")


AnyOptions = HumanEvalXOptions | CodeCompletionOptions


def source_of(language: str) -> Source:
    """CodeGeeX's files."""
    return Source(
        name=f"humaneval_x_{language}",
        url="https://raw.githubusercontent.com/THUDM/CodeGeeX/{revision}/{file}",
        files=(f"codegeex/benchmark/humaneval-x/{language}/data/humaneval_{language}.jsonl.gz",),
        revision="2838420b7b4492cf3d16bce5320e26e65960c9e2",
        rows=164,
        licence="Apache-2.0",
        credit="THUDM, CodeGeeX (Zheng et al. 2023, arXiv:2303.17568)",
    )


def codefuse_source(language: str) -> Source:
    """CodeFuseEval's files."""
    return Source(
        name=f"codefuse_completion_{language}",
        url="https://raw.githubusercontent.com/codefuse-ai/codefuse-evaluation/{revision}/{file}",
        files=(f"codefuseEval/data/code_completion/humaneval_{language}.jsonl",),
        revision="09a4f2af5bdc55052052c9bd0cb74d47e40198fc",
        rows=164,
        licence="Apache-2.0",
        credit="Ant Group, codefuse-ai/codefuse-evaluation",
    )


class HumanEvalX(BaseBenchmark[AnyOptions]):
    """164 functions in one of six languages, judged by the authors' tests."""

    name = "humaneval_x"
    summary = "164 functions each in Python, C++, Java, JavaScript, Go and Rust (CodeGeeX)"
    Options: ClassVar[type[AnyOptions]] = HumanEvalXOptions  # type: ignore[misc]
    main_option = "language"
    sources: ClassVar[Callable[[str], Source]] = staticmethod(source_of)

    @classmethod
    def load(cls, options: AnyOptions, cache: Path) -> Self:
        """Read humaneval_LANGUAGE.jsonl, plain or gzipped; `data` may be the folder that holds it."""
        named = options.language
        path = in_folder(options.data, f"humaneval_{named}.jsonl")
        records: Records[HumanEvalXRecord] = load_records(
            cls.sources(named), HumanEvalXRecord, path=path, cache=cache, revision=options.revision
        )
        key = named.removesuffix("_cn")
        text = getattr(options, "text", "en")
        if text == "zh" and not all(record.prompt_text_chinese for record in records.rows):
            raise UserError(f"{cls.name}: text=zh, but {records.provenance.origin} has no prompt_text_chinese.")
        rows = [_mended(record) if named == PYTHON_CN else record for record in records.rows]
        words = "zh" if named == PYTHON_CN else text
        problems = [problem_of(record, key, words, own_text=named == PYTHON_CN) for record in rows]
        benchmark = cls(problems, records.provenance).in_language(key)
        if named == PYTHON_CN and (repaired := sum(bool(_STRAY_QUOTE.search(row.prompt)) for row in records.rows)):
            benchmark.notes = (f"{repaired} of {len(rows)} prompts were repaired (a lone quote before the docstring)",)
        return benchmark

    def __init__(self, problems: list[Problem] | tuple[Problem, ...], provenance: Provenance) -> None:
        super().__init__(problems, provenance)
        self.set_name = "python"

    def in_language(self, key: str) -> Self:
        """The same benchmark with the language of its set."""
        self.set_name, self.language = key, LANGUAGES[key]
        self.flags, self.stop = FLAGS.get(key, ()), STOPS[key]
        return self

    def helpers(self, problem: Problem) -> str:
        """What the tests of Python may call besides the function: the prompt's own helpers."""
        return problem.setup + preamble_of(problem.prompt, problem.entry_point)

    def source(self, problem: Problem, completion: Completion) -> str:
        """The program without its tests."""
        text = answer_text(
            self.language, completion, prompt=problem.prompt, entry_point=problem.entry_point, stop=self.stop
        )
        return PROGRAMS.get(self.set_name, _with_setup)(problem, text)


class CodeCompletion(Compared, HumanEvalX):
    """CodeFuseEval's code_completion: the six languages, and Python with Chinese docstrings."""

    name = "code_completion"
    summary = "CodeFuseEval's HumanEval-X: six languages, English or Chinese, and python_cn (Ant Group)"
    Options: ClassVar[type[AnyOptions]] = CodeCompletionOptions  # type: ignore[misc]
    sources: ClassVar[Callable[[str], Source]] = staticmethod(codefuse_source)

    def compared(self, problem: Problem, completion: Completion) -> str:
        """The function's body."""
        return function_body(self.language, self.source(problem, completion), problem.entry_point)


def problem_of(record: HumanEvalXRecord, key: str, words: str, *, own_text: bool = False) -> Problem:
    """Put one record into the common form.

    Args:
        record: the row.
        key: the set's language.
        words: `en` or `zh`, of the instruction and, unless the prompt has its own text, of the prompt.
        own_text: whether the prompt is in that language already.
    """
    prompt = whole_prompt(record, key)
    if words == "zh" and not own_text:
        prompt = in_chinese(prompt, record.prompt_text_chinese, key)
    tag = LANGUAGES[key]
    return Problem(
        task_id=record.task_id,
        prompt=prompt,
        instruction=INSTRUCTIONS[words].format(title=TITLES[key], tag=tag, prompt=prompt.strip("\n")),
        tests=(record.test,),
        entry_point=entry_point_of(record, key),
        setup=PYTHON_SETUP if key == "python" else record.test_setup,
        reference=record.canonical_solution,
        wrong=_WRONG[key],
        tags=(TITLES[key],),
    )


def whole_prompt(record: HumanEvalXRecord, key: str) -> str:
    """The record's prompt; CodeGeeX's Rust prompts are comments alone, and the declaration follows."""
    if key == "rust" and record.declaration.strip() not in record.prompt:
        return record.prompt + record.declaration
    return record.prompt


def entry_point_of(record: HumanEvalXRecord, key: str) -> str | None:
    """The function that the declaration ends with."""
    if key == "python":
        names = re.findall(r"^def (\w+)", record.declaration or record.prompt, re.MULTILINE)
    else:
        names = defined_names(LANGUAGES[key], record.declaration)
    return names[-1] if names else None


def in_chinese(prompt: str, text: str, key: str) -> str:
    """The prompt with its description in Chinese; its examples (from the first `>>>` on) stay.

    The description is the last comment of the prompt, or in Python its last docstring.
    """
    if key == "python":
        start, end = _docstring(prompt)
        return prompt[:start] + f"\n    {text}\n" + _examples(prompt[start:end], "") + prompt[end:]
    comments = list(_COMMENT.finditer(prompt))
    if not comments:
        return prompt
    last = comments[-1]
    indent = re.match(r"[ \t]*", last[0])
    margin = indent[0] if indent else ""
    if last[0].lstrip().startswith("//"):
        new = f"{margin}// {text}\n" + _examples(last[0], "")
    else:
        opening = "/**" if last[0].startswith("/**") else "/*"
        new = f"{opening}\n{text}\n" + _examples(last[0].removesuffix("*/"), "") + "*/"
    return prompt[: last.start()] + new + prompt[last.end() :]


def _docstring(prompt: str) -> tuple[int, int]:
    """Where the text of the last docstring begins and ends."""
    for mark in ('"""', "'''"):
        end = prompt.rfind(mark)
        start = prompt.rfind(mark, 0, end)
        if start >= 0:
            return start + 3, end
    return len(prompt), len(prompt)


def _examples(comment: str, default: str) -> str:
    """Lines of a comment from its first `>>>` on."""
    lines = comment.splitlines(keepends=True)
    first = next((number for number, line in enumerate(lines) if ">>>" in line), None)
    return default if first is None else "".join(lines[first:])


def _mended(record: HumanEvalXRecord) -> HumanEvalXRecord:
    """CodeFuse's python_cn prompts lack the line break before the body; one has a lone quote before its docstring."""
    prompt = record.prompt if record.prompt.endswith("\n") else record.prompt + "\n"
    return record.model_copy(update={"prompt": _STRAY_QUOTE.sub("", prompt)})


def _with_setup(problem: Problem, text: str) -> str:
    return problem.setup + text


def _with_headers(problem: Problem, text: str) -> str:
    """C++ with the usual headers that the prompt lacks."""
    missing = [f"#include{header}\n" for header in HELPER_HEADERS if f"#include{header}" not in problem.prompt]
    return "".join(missing) + text


def _with_go_imports(problem: Problem, text: str) -> str:
    return with_imports(problem.setup, text, problem.tests[0])


PROGRAMS: Mapping[str, Callable[[Problem, str], str]] = {"cpp": _with_headers, "go": _with_go_imports}
