"""MBXP and Multi-HumanEval (Athiwaratkun et al. 2023, mxeval): MBPP and HumanEval in many languages.

A program is prompt + completion + test, as there; tests are `main` functions or scripts that throw at the first wrong
value. As in its evaluator, types of TypeScript are not checked (it runs a program if tsc complains, and only then).

Canonical solutions were written by models, and many rows have none. Some are wrong: about one in seven of JavaScript's
and PHP's, most since they spell a parameter in another case than the prompt, most of TypeScript's, few elsewhere;
`doctor --gold` tells which. Kotlin, Scala, Swift and C# are in mxeval too, but not in `runners.languages`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from benchmarks.base import BaseBenchmark, CommonOptions
from benchmarks.code_answers import answer_text
from benchmarks.data import Record, Records, in_folder, load_records
from benchmarks.extraction import preamble_of, truncate
from benchmarks.fetch import Source
from benchmarks.go_imports import with_imports
from benchmarks.problem import Completion, Problem
from benchmarks.stand_ins import with_stand_ins
from runners.languages import LANGUAGES

SETS: dict[str, tuple[str, int]] = {
    "mbxp_python": ("mbxp/mbpp_release_v1.jsonl", 974),
    "mbxp_cpp": ("mbxp/mbcpp_release_v1.2.jsonl", 848),
    "mbxp_java": ("mbxp/mbjp_release_v1.2.jsonl", 966),
    "mbxp_javascript": ("mbxp/mbjsp_release_v1.2.jsonl", 966),
    "mbxp_typescript": ("mbxp/mbtsp_release_v1.2.jsonl", 968),
    "mbxp_go": ("mbxp/mbgp_release_v1.1.jsonl", 939),
    "mbxp_php": ("mbxp/mbphp_release_v1.2.jsonl", 966),
    "mbxp_ruby": ("mbxp/mbrbp_release_v1.2.jsonl", 966),
    "mbxp_perl": ("mbxp/mbplp_release_v1.jsonl", 966),
    "humaneval_python": ("multilingual_humaneval/HumanEval.jsonl", 164),
    "humaneval_java": ("multilingual_humaneval/HumanEval_java_v1.1.jsonl", 161),
    "humaneval_javascript": ("multilingual_humaneval/HumanEval_javascript_v1.1.jsonl", 161),
    "humaneval_typescript": ("multilingual_humaneval/HumanEval_typescript_v1.jsonl", 161),
    "humaneval_go": ("multilingual_humaneval/HumanEval_go_v1.jsonl", 160),
    "humaneval_php": ("multilingual_humaneval/HumanEval_php_v1.1.jsonl", 161),
    "humaneval_ruby": ("multilingual_humaneval/HumanEval_ruby_v1.1.jsonl", 161),
    "humaneval_perl": ("multilingual_humaneval/HumanEval_perl_v1.1.jsonl", 161),
}
"""File and rows of each set."""
STOPS: dict[str, tuple[str, ...]] = {
    "python": ("\nclass", "\ndef", "\n#", "\n@", "\nprint", "\nif", "\nassert", "\n```"),
    "ruby": ("\nend", "\ndef ", "\n#", "\n```"),
    "perl": ("\n}", "\nsub ", "\n```"),
}
"""Languages with none here end where the brace closes that the prompt opened."""
_BRACES = ("\nint main(", "\nclass Main", "\nfunc main(", "\n/*", "\n//", "\n```")
_CLOSERS = {"ruby": "\nend", "perl": "\n}"}
"""What a completion lacks that was cut where the function ends."""
BEFORE = {"typescript": "// @ts-nocheck\n", "ruby": "require 'set'\n"}
"""What stands before a program; tests of Ruby use sets, which are there by themselves from 3.2 on only."""
TITLES = {"python": "Python", **{name: row.title for name, row in LANGUAGES.items()}}
INSTRUCTION = (
    "Complete the following {title} function. Answer with the whole function in one markdown code block.\n\n"
    "```{tag}\n{prompt}\n```\n"
)
_WRONG = {
    "python": "    return 'no such answer'\n",
    "cpp": "    throw 1;\n}\n",
    "java": "        throw new RuntimeException();\n    }\n}\n",
    "javascript": "    return 'no such answer'\n}\n",
    "typescript": "    throw 'no such answer'\n}\n",
    "go": '    panic("no")\n}\n',
    "php": "    throw new Exception('no such answer');\n}\n",  # a text equals true there
    "ruby": "    'no such answer'\nend\n",
    "perl": "    return 'no such answer';\n}\n",
}


class MxevalRecord(Record):
    """One line of mxeval's files."""

    task_id: str
    prompt: str
    entry_point: str
    test: str
    canonical_solution: str | None = None


class MxevalOptions(CommonOptions):
    """Which set to ask."""

    subset: Literal[
        "mbxp_python",
        "mbxp_cpp",
        "mbxp_java",
        "mbxp_javascript",
        "mbxp_typescript",
        "mbxp_go",
        "mbxp_php",
        "mbxp_ruby",
        "mbxp_perl",
        "humaneval_python",
        "humaneval_java",
        "humaneval_javascript",
        "humaneval_typescript",
        "humaneval_go",
        "humaneval_php",
        "humaneval_ruby",
        "humaneval_perl",
    ] = Field(default="mbxp_java", description="MBXP or Multi-HumanEval, and the language")


class Mxeval(BaseBenchmark[MxevalOptions]):
    """MBPP or HumanEval in another language."""

    name = "mxeval"
    summary = "MBXP and Multi-HumanEval: MBPP and HumanEval in nine languages (Amazon)"
    Options = MxevalOptions
    main_option = "subset"
    module_name = "builtins"  # as mxeval, which executes Python in a bare dict

    @classmethod
    def load(cls, options: MxevalOptions, cache: Path) -> Self:
        """Read the set's file, plain or gzipped; `data` may be the folder that holds it."""
        source = source_of(options.subset)
        file = SETS[options.subset][0]
        path = in_folder(options.data, file.rpartition("/")[2], file)
        records: Records[MxevalRecord] = load_records(
            source, MxevalRecord, path=path, cache=cache, revision=options.revision
        )
        language = options.subset.partition("_")[2]
        benchmark = cls([problem_of(record, language) for record in records.rows], records.provenance)
        benchmark.language, benchmark.stop = language, STOPS.get(language, _BRACES)
        return benchmark

    def helpers(self, problem: Problem) -> str:
        """What the tests of Python may call besides the function: the prompt's own helpers."""
        return preamble_of(problem.prompt, problem.entry_point)

    def source(self, problem: Problem, completion: Completion) -> str:
        """The program without its tests."""
        text = answer_text(
            self.language,
            self._ended(completion),
            prompt=problem.prompt,
            entry_point=problem.entry_point,
            stop=self.stop,
        )
        if self.language == "go" and completion.form != "completion":
            text = with_imports(problem.prompt, text, problem.tests[0])
        return BEFORE.get(self.language, "") + text

    def _ended(self, completion: Completion) -> Completion:
        """In Ruby and Perl, the completion up to the function's end, which its stop takes away and this puts back."""
        closer = _CLOSERS.get(self.language)
        if closer is None or completion.form != "completion" or completion.verbatim:
            return completion
        return replace(completion, text=truncate(completion.text, self.stop).rstrip() + closer, verbatim=True)


def source_of(subset: str) -> Source:
    """Amazon's files."""
    file, rows = SETS[subset]
    return Source(
        name=f"mxeval_{subset}",
        url="https://raw.githubusercontent.com/amazon-science/mxeval/{revision}/data/{file}",
        files=(file,),
        revision="e09974f990eeaf0c0e8f2b5eaff4be66effb2c86",
        rows=rows,
        licence="CC-BY-4.0" if subset.startswith("mbxp") else "MIT",
        credit="Amazon, amazon-science/mxeval (Athiwaratkun et al. 2023, arXiv:2210.14868)",
    )


def problem_of(record: MxevalRecord, language: str) -> Problem:
    """Put one record into the common form; tests of Python define `check`, which is called as mxeval does."""
    test = f"{record.test}\ncheck({record.entry_point})" if language == "python" else record.test
    return Problem(
        task_id=record.task_id,
        prompt=record.prompt,
        instruction=INSTRUCTION.format(title=TITLES[language], tag=language, prompt=record.prompt.strip("\n")),
        tests=(with_stand_ins(language, test),),
        entry_point=record.entry_point,
        reference=record.canonical_solution or None,
        wrong=(_WRONG[language],),
        tags=(TITLES[language],),
    )
