"""MBXP and Multi-HumanEval: files and prompts, where completions end, and verdicts in each language."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.benchmark import reference_completion, wrong_completions
from benchmarks.mxeval import BEFORE, SETS, MxevalOptions
from benchmarks.problem import Completion
from benchmarks.registry import AnyBenchmark, load_benchmark, parse_spec
from runners.errors import DataError, UserError
from runners.languages import NAMES
from runners.program import Status
from runners.sandbox import Sandbox
from tests.benchmarks.toolchains import skip_without

SHARED = {
    "mbxp_cpp": 773,
    "mbxp_go": 0,
    "mbxp_java": 874,
    "mbxp_javascript": 938,
    "humaneval_python": 164,
    "humaneval_go": 0,
    "humaneval_java": 0,
    "humaneval_javascript": 0,
}
"""The real files at hand, and how many of their rows have a canonical solution."""
JAVA = {
    "prompt": "import java.util.*;\n\nclass Twice {\n    /** Doubles. */\n    public static int twice(int x) {\n",
    "completion": "        return 2 * x;\n    }\n}\n",
    "test": "class Main {\n    public static void main(String[] args) throws Exception {\n"
    '        if (Twice.twice(4) != 8) { throw new Exception("Exception -- test case 0 did not pass."); }\n    }\n}\n',
    "chat": "class Twice {\n    public static int twice(int x) { return x + x; }\n}\n",
}
GO_TEST = (
    "\nfunc deepCompare(a interface{}, b interface{}) {\n\tx, _ := json.Marshal(a)\n\ty, _ := json.Marshal(b)\n"
    '\tif !reflect.DeepEqual(x, y) {\n\t\tpanic("Exception --- test case 0 failed to pass")\n\t}\n}\n'
    "\nfunc main() {\n\tdeepCompare(twice(4), 8)\n}\n"
)
ROWS: dict[str, dict[str, str]] = {
    "python": {
        "prompt": 'def twice(x):\n\t"""Doubles."""\n',
        "completion": "\treturn 2 * x\n",
        "test": "METADATA = {}\n\ndef check(candidate):\n    assert candidate(4) == 8\n",
        "chat": "def twice(x):\n    return x + x\n",
    },
    "cpp": {
        "prompt": "#include <bits/stdc++.h>\nusing namespace std;\n\n/** Doubles. */\nint twice(int x) {\n",
        "completion": "    return 2 * x;\n}\n",
        "test": 'int main() { if (twice(4) != 8) { throw runtime_error("Exception -- test case 0 failed"); } }\n',
        "chat": "int twice(int x) { return x + x; }\nint main() { return twice(1); }\n",
    },
    "java": JAVA,
    "javascript": {
        "prompt": "/** Doubles. */\nfunction twice(x) {\n",
        "completion": "  return 2 * x;\n}\n",
        "test": "\nconst _ = require('lodash')\nif(!_.isEqual(twice(4), 8)){ throw 'Error at 1th assert statement' }\n",
        "chat": "const twice = (x) => x + x;\n",
    },
    "typescript": {
        "prompt": "/** Doubles. */\nconst twice = function (x: number) : number  {\n",
        "completion": "    return 2 * x;\n}\n",
        "test": "\nimport * as assert from 'assert'\n\nassert.deepEqual(twice(4), 8, 'Exception --- test case 0');\n",
        "chat": "function twice(x: number): string {\n  return x + x;\n}\n",
    },
    "go": {
        "prompt": 'package main\n\nimport (\n\t"encoding/json"\n\t"reflect"\n)\n'
        "// Doubles.\nfunc twice (x int) int {\n",
        "completion": "\treturn 2 * x\n}\n",
        "test": GO_TEST,
        "chat": 'package main\n\nimport "strings"\n\n'
        'func twice(x int) int {\n\treturn len(strings.Repeat("a", x + x))\n}\n'
        "\nfunc main() { println(twice(1)) }\n",
    },
    "php": {
        "prompt": "<?php\n\n/** Doubles. */\nfunction twice($x){\n",
        "completion": "    return 2 * $x;\n}\n",
        "test": '\nif (twice(4) != 8) { throw new Exception("Error at 1th assert statement."); }\n',
        "chat": "<?php\nfunction twice($x) {\n    return $x + $x;\n}\n",
    },
    "ruby": {
        "prompt": "##\n# Doubles.\ndef twice(x)\n",
        "completion": "  return 2 * x\nend\n",
        "test": '\nif twice(4) != 8\n    raise StandardError, "Error at test case 1"\nend\n',
        "chat": "def twice(x)\n  x + x\nend\n",
    },
    "perl": {
        "prompt": "# Doubles.\nsub twice\n{\n  my ($x) = @_;\n",
        "completion": "  return [2 * $x, {a => undef}];\n}\n",
        "test": "\nuse Data::Compare;\n\nunless(Compare(twice(4), [8, {'a' => undef}])) {\n"
        '    die "Exception -- test case 0 did not pass.";\n}\n',
        "chat": "sub twice {\n    my ($x) = @_;\n    return [$x + $x, {a => undef}];\n}\n",
    },
}
GOES_ON = {
    "python": "\nprint(twice(1))\n",
    "cpp": "\nint main() {\n    return twice(1);\n}\n",
    "java": "\nclass Main {\n    int x = ;\n}\n",
    "javascript": "\nconsole.log(twice('a'.missing.b));\n",
    "typescript": "\nconsole.log(twice(null.missing));\n",
    "go": "\nfunc main() {\n\tprintln(twice(1))\n}\n",
    "php": "\nfunction twice($x) {\n}\n",
    "ruby": "\nputs twice(missing)\n",
    "perl": "\ndie twice(1);\n",
}
"""What base models add to a right function; none of it may reach the program."""


def load(folder: Path, language: str, **changes: object) -> AnyBenchmark:
    """One row of MBXP as a benchmark."""
    given = ROWS[language]
    row = {"task_id": "MB/1", "entry_point": "twice", "prompt": given["prompt"], "test": given["test"]}
    row |= {"canonical_solution": given["completion"], "language": language}
    path = folder / "set.jsonl"
    path.write_text(json.dumps(row | changes) + "\n", encoding="utf-8")
    return load_benchmark("mxeval", {"subset": f"mbxp_{language}", "data": path}, folder)


@pytest.mark.parametrize("subset", SHARED)
def test_each_set_loads_whole(subset: str, shared_data: Path, tmp_path: Path) -> None:
    """Rows without a canonical solution are asked too; a program is prompt, completion and test."""
    folder = shared_data / "mxeval" / SETS[subset][0].partition("/")[0]
    benchmark = load_benchmark("mxeval", {"subset": subset, "data": folder}, tmp_path)
    problems = benchmark.problems()
    assert len(problems) == SETS[subset][1]
    assert sum(problem.reference is not None for problem in problems) == SHARED[subset]
    for problem in problems:
        assert problem.entry_point
        assert problem.entry_point in problem.tests[0]
        (program,) = benchmark.programs(problem, Completion(text="X", verbatim=True))
        assert program.source == problem.prompt + "X\n"
        assert program.language == subset.partition("_")[2]


def test_the_repositorys_layout_is_found_too(tmp_path: Path) -> None:
    """`data` may be its data folder."""
    file = tmp_path / SETS["mbxp_ruby"][0]
    file.parent.mkdir()
    load(tmp_path, "ruby")
    (tmp_path / "set.jsonl").rename(file)
    assert len(load_benchmark("mxeval", {"subset": "mbxp_ruby", "data": tmp_path}, tmp_path).problems()) == 1


def test_every_set_is_an_option_and_its_language_is_known() -> None:
    """The options and the table of files name the same sets."""
    assert set(MxevalOptions.model_json_schema()["properties"]["subset"]["enum"]) == set(SETS)
    assert {name.partition("_")[2] for name in SETS} <= set(NAMES)
    assert parse_spec("mxeval:humaneval_go") == ("mxeval", {"subset": "humaneval_go"})


@pytest.mark.parametrize("language", ["kotlin", "scala", "swift", "csharp"])
def test_a_language_that_cannot_be_run_is_refused(language: str, tmp_path: Path) -> None:
    """The message names the sets that there are."""
    with pytest.raises(UserError, match="mbxp_java"):
        load_benchmark("mxeval", {"subset": f"mbxp_{language}"}, tmp_path)


def test_a_row_without_tests_is_named(tmp_path: Path) -> None:
    """File and field are told."""
    with pytest.raises(DataError, match=r"set\.jsonl.*test"):
        load(tmp_path, "ruby", test=None)


def test_an_empty_canonical_solution_is_none(tmp_path: Path) -> None:
    """As where it is null."""
    for text in ("", None):
        (problem,) = load(tmp_path, "ruby", canonical_solution=text).problems()
        assert problem.reference is None


def test_python_tests_are_called_as_mxeval_does(tmp_path: Path) -> None:
    """They define `check` and leave the call to the evaluator."""
    (problem,) = load(tmp_path, "python").problems()
    assert problem.tests[0].endswith("\ncheck(twice)")


@pytest.mark.parametrize(("language", "end"), [("ruby", "\nend\n"), ("perl", "\n}\n")])
def test_what_the_stop_takes_away_is_put_back(language: str, end: str, tmp_path: Path) -> None:
    """A server cuts before the stop, so the function's end is never in the text."""
    benchmark = load(tmp_path, language)
    (problem,) = benchmark.problems()
    (cut,) = benchmark.programs(problem, Completion(text="  1"))
    (whole,) = benchmark.programs(problem, Completion(text=f"  1{end}\nmore\n"))
    assert cut.source == whole.source == BEFORE.get(language, "") + problem.prompt + "  1" + end


@pytest.mark.slow
@pytest.mark.parametrize("language", ROWS)
def test_programs_are_judged_in_the_sandbox(language: str, tmp_path: Path, sandbox: Sandbox) -> None:
    """The reference, what a base model makes of it and a chat answer pass; wrong ones do not."""
    skip_without(language)
    benchmark = load(tmp_path, language)
    (problem,) = benchmark.problems()
    reference = reference_completion(problem)
    assert reference is not None
    base = Completion(text=reference.text + GOES_ON[language])
    chat = Completion(text=f"Like this:\n```{language}\n{ROWS[language]['chat']}```\n", form="chat")
    for completion in (reference, base, chat):
        verdict = sandbox.run(benchmark.programs(problem, completion)[0])
        assert verdict.status is Status.PASSED, verdict.error
    for wrong in wrong_completions(problem):
        verdict = sandbox.run(benchmark.programs(problem, wrong)[0])
        assert verdict.status.counts
        assert not verdict.passed


def test_tests_of_ruby_may_use_sets(tmp_path: Path, sandbox: Sandbox) -> None:
    """Ruby before 3.2 knows them only where a program asks for them."""
    skip_without("ruby")
    benchmark = load(tmp_path, "ruby", test="raise StandardError unless Set[twice(1)] == Set[2]\n")
    (problem,) = benchmark.problems()
    reference = reference_completion(problem)
    assert reference is not None
    assert sandbox.run(benchmark.programs(problem, reference)[0]).passed


@pytest.mark.parametrize(
    "value",
    ["[9, {a => undef}]", "[8]", "[8, {}]", "[8, {b => undef}]", "[8, {a => 0}]", "8", "undef", "[8, {a => undef}, 1]"],
)
def test_perls_comparison_looks_into_lists_and_tables(value: str, tmp_path: Path, sandbox: Sandbox) -> None:
    """What differs anywhere is wrong."""
    skip_without("perl")
    benchmark = load(tmp_path, "perl")
    (problem,) = benchmark.problems()
    wrong = Completion(text=f"  return {value};\n}}\n", verbatim=True)
    verdict = sandbox.run(benchmark.programs(problem, wrong)[0])
    assert not verdict.passed
    assert "test case 0" in verdict.error + verdict.stderr
