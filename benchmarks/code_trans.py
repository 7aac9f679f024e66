"""CodeFuseEval's code_trans: programs of one language to be translated to another, judged by the target's tests.

The rows come from HumanEval-X and MBXP. The question names the source language (CodeFuse's own script names the target
twice), and of Java the class too, which the tests need. Sources that CodeFuse's files broke are repaired by
`translation_repair`; the run says how many. The answer is a whole program: nothing of the question enters it but the
headers and imports that CodeFuse's evaluator adds.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from benchmarks.base import BaseBenchmark, CommonOptions
from benchmarks.code_answers import answer_text, defined_names
from benchmarks.compared import Compared
from benchmarks.data import Record, Records, in_folder, load_records
from benchmarks.fetch import Source
from benchmarks.humaneval_x import PYTHON_SETUP
from benchmarks.problem import Completion, Problem
from benchmarks.translation_repair import repaired
from runners.languages import ALL_HEADERS, HELPER_HEADERS

TITLES = {"cpp": "C++", "java": "Java", "python": "Python"}
ROWS = {
    **{"cpp_to_java": 594, "cpp_to_python": 601, "java_to_cpp": 589},
    **{"java_to_python": 662, "python_to_cpp": 588, "python_to_java": 650},
}
REPAIRED = "repaired-source"
RETITLED = "retitled"
FROM_MBXP = "mbxp"
SETUPS = {
    "cpp": "".join(f"#include{header}\n" for header in HELPER_HEADERS) + "using namespace std;\n",
    "cpp-mbxp": "".join(f"#include{header}\n" for header in ALL_HEADERS) + "using namespace std;\n",
    "java": "import java.io.*;\nimport java.lang.*;\nimport java.util.*;\nimport java.math.*;\n",
    "python": PYTHON_SETUP + "import statistics\nimport unittest\n",
}
"""What the evaluators put before a program; tests use some of it."""
FLAGS = {"cpp": ("-std=c++11",)}
"""As CodeFuse's evaluator; all canonical solutions are valid in it, those of MBXP too."""
STOPS: dict[str, tuple[str, ...]] = {
    "cpp": ("\nint main(", "\n// ", "\n```"),
    "java": ("\nclass Main", "\npublic class Main", "\n// ", "\n```"),
    "python": ("\n# ", "\nassert ", "\nprint(", "\nif __name__", "\n```"),
}
QUESTIONS = {
    "en": "Translate the following {source} program to {target}.",
    "zh": "请把下面的 {source} 程序翻译成 {target}。",
}
NAMED = {"en": "It must define `{title}`", "zh": "其中必须定义 `{title}`"}
IN_CLASS = {"en": " in the class `{owner}`", "zh": "（在类 `{owner}` 中）"}
ANSWERS = {
    "en": "Answer with the whole {target} program in one markdown code block.",
    "zh": "请用一个 markdown 代码块给出完整的 {target} 程序。",
}
_WRONG = {
    "python": "def {name}(*args, **kwargs):\n    return 'no such answer'\n",
    "cpp": "#include <vector>\nusing namespace std;\n",
    "java": "class {owner} {{\n}}\n",
}


class CodeTransRecord(Record):
    """One line of codeTrans_SOURCE_to_TARGET.jsonl."""

    task_id: str
    prompt: str
    canonical_solution: str
    test: str
    func_title: str
    difficulty: str = Field(default="", alias="Difficulty")


class CodeTransOptions(CommonOptions):
    """Which direction to ask, and in which words."""

    direction: Literal[
        "cpp_to_java", "cpp_to_python", "java_to_cpp", "java_to_python", "python_to_cpp", "python_to_java"
    ] = Field(default="java_to_python", description="source and target language")
    text: Literal["en", "zh"] = Field(default="en", description="language of the question")


class CodeTrans(Compared, BaseBenchmark[CodeTransOptions]):
    """Translation of whole programs, judged by running the translation."""

    name = "code_trans"
    summary = "CodeFuseEval's translation between C++, Java and Python, six directions (Ant Group)"
    Options = CodeTransOptions
    main_option = "direction"
    module_name = "builtins"  # as CodeFuse's evaluator, which executes Python in a bare dict

    @classmethod
    def load(cls, options: CodeTransOptions, cache: Path) -> Self:
        """Read the direction's file, plain or gzipped; `data` may be the folder that holds it."""
        source = source_of(options.direction)
        path = in_folder(options.data, f"codeTrans_{options.direction}.jsonl")
        records: Records[CodeTransRecord] = load_records(
            source, CodeTransRecord, path=path, cache=cache, revision=options.revision
        )
        spoken, target = options.direction.split("_to_")
        problems = [problem_of(record, spoken, target, options.text) for record in records.rows]
        benchmark = cls(problems, records.provenance)
        benchmark.language, benchmark.flags, benchmark.stop = target, FLAGS.get(target, ()), STOPS[target]
        benchmark.notes, benchmark.edition = _notes(problems), options.direction
        return benchmark

    def source(self, problem: Problem, completion: Completion) -> str:
        """The translation with what the tests need before it."""
        text = answer_text(self.language, completion, prompt="", entry_point=problem.entry_point, stop=self.stop)
        return problem.setup + text


def source_of(direction: str) -> Source:
    """CodeFuse's files."""
    return Source(
        name=f"codefuse_trans_{direction}",
        url="https://raw.githubusercontent.com/codefuse-ai/codefuse-evaluation/{revision}/{file}",
        files=(f"codefuseEval/data/code_trans/codeTrans_{direction}.jsonl",),
        revision="09a4f2af5bdc55052052c9bd0cb74d47e40198fc",
        rows=ROWS[direction],
        licence="Apache-2.0 (HumanEval-X), CC-BY-4.0 (MBXP)",
        credit="Ant Group, codefuse-ai/codefuse-evaluation",
    )


def problem_of(record: CodeTransRecord, spoken: str, target: str, words: str) -> Problem:
    """Put one record into the common form.

    Args:
        record: the row.
        spoken: language of the program in the question.
        target: language of the answer.
        words: `en` or `zh`, of the question.
    """
    source, was_broken = repaired(record.prompt, spoken)
    is_mbxp = record.difficulty == "mbpp"
    named = {"source": TITLES[spoken], "target": TITLES[target]}
    question, must = QUESTIONS[words].format(**named), requirement(record, target, words)
    mark = "#" if target == "python" else "//"
    name = entry_point_of(record, target)
    wrong = _WRONG[target].format(name=name, owner=owner_of(record.test, name))
    marks = {FROM_MBXP: is_mbxp, REPAIRED: was_broken, RETITLED: not is_titled(record, target)}
    return Problem(
        task_id=record.task_id,
        prompt=f"{mark} {question}\n{mark} {named['source']}:\n{source.strip()}\n\n"
        f"{mark} {named['target']}:\n{mark} {must}\n",
        instruction=f"{question}\n\n```{spoken}\n{source.strip()}\n```\n\n{must}\n{ANSWERS[words].format(**named)}\n",
        tests=(record.test,),
        entry_point=name,
        setup=SETUPS["cpp-mbxp" if target == "cpp" and is_mbxp else target],
        reference=record.canonical_solution,
        wrong=(wrong,),
        tags=(TITLES[target], *(tag for tag, has_it in marks.items() if has_it)),
    )


def requirement(record: CodeTransRecord, target: str, words: str) -> str:
    """Which function the tests call: the record's header of it, else its name; and of Java the class it stands in."""
    name = entry_point_of(record, target)
    title = " ".join(record.func_title.split()).removesuffix("{").rstrip(" :;") if is_titled(record, target) else name
    place = IN_CLASS[words].format(owner=owner_of(record.test, name)) if target == "java" else ""
    return f"{NAMED[words].format(title=title)}{place}{'。' if words == 'zh' else '.'}"


def entry_point_of(record: CodeTransRecord, target: str) -> str:
    """The function that the tests call: the title's, unless that is a helper's, as in up to 19 rows of a direction."""
    solution = record.canonical_solution
    names = re.findall(r"^def (\w+)", solution, re.MULTILINE) if target == "python" else defined_names(target, solution)
    titled = titled_name(record.func_title)
    return next((name for name in (titled, *names) if _is_called(name, record.test)), titled)


def titled_name(title: str) -> str:
    """The name in `def f(x):`, `int f(int x){` or `f`."""
    match = re.search(r"(\w+)\s*\(", title)
    return match[1] if match else title.strip()


def is_titled(record: CodeTransRecord, target: str) -> bool:
    """Whether the record's title is that of the function under test."""
    return entry_point_of(record, target) == titled_name(record.func_title)


def _is_called(name: str, test: str) -> bool:
    """Whether a test calls a function, or hands it to `check`."""
    own = re.escape(name)
    return re.search(rf"(?<!new )\b{own}\s*\(|\bcheck\(\s*{own}\s*\)", test) is not None


def owner_of(test: str, name: str) -> str:
    """The class that Java tests call a method on: `Name.name(...)` in MBXP, `Solution` in HumanEval-X."""
    match = re.search(rf"\b([A-Z]\w*)\.{re.escape(name)}\(", test)
    return match[1] if match else "Solution"


def _notes(problems: list[Problem]) -> tuple[str, ...]:
    """What the numbers rest on besides the file."""
    told = {
        "sources were repaired (doubled opening brace)": sum(REPAIRED in problem.tags for problem in problems),
        "titles are a helper's; the question names the function under test": sum(
            RETITLED in problem.tags for problem in problems
        ),
    }
    return tuple(f"{count} of {len(problems)} {what}" for what, count in told.items() if count)
