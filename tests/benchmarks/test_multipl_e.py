"""MultiPL-E: programs as its evaluator joins them, and answers that close the function themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.benchmark import reference_completion, wrong_completions
from benchmarks.multipl_e import LANGUAGES, open_class
from benchmarks.problem import Completion
from benchmarks.registry import AnyBenchmark, load_benchmark, parse_spec
from runners.errors import DataError, UserError
from runners.program import Status
from runners.sandbox import Sandbox
from tests.benchmarks.toolchains import skip_without

SHARED = {"cpp": 161, "go": 154, "java": 158, "js": 161, "php": 161, "rs": 156, "sh": 158, "ts": 159}
"""The real files at hand, and their rows."""
GO_TESTS = (
    'func TestTwice(t *testing.T) {\n\tif fmt.Sprint(twice(4)) != fmt.Sprint(8) {\n\t\tt.Errorf("wrong")\n\t}\n}\n'
)
SH_TESTS = (
    '}\n\ncandidate() {\n    twice "$@"\n}\n\nset -e\nrun_test() {\n    [[ $(candidate "4") = "8" ]]\n}\n\nrun_test'
)
JAVA_PROMPT = "import java.util.*;\nclass Problem {\n    // Doubles.\n    public static long twice(long x) {\n"
JAVA_TESTS = "    }\n    public static void main(String[] args) {\n    assert(twice(4L) == (8L));\n    }\n\n}\n"
RUBY_TESTS = (
    "require 'test/unit'\nclass TestHumanEval < Test::Unit::TestCase\n  def test_twice\n"
    "    candidate = method(:twice)\n    assert_equal([8], candidate.call(4))\n  end\nend\n"
)
PERL_TESTS = (
    "use Test::Deep;\n\nsub testhumaneval {\n    my $candidate = \\&twice;\n"
    '    if(eq_deeply($candidate->(4),[8])) {\n        print "ok!" }else{\n        exit 1;\n'
    "        }\n}\n\ntesthumaneval();"
)
LUA_TESTS = (
    "lu = require('luaunit')\n\nfunction test_humaneval()\nlocal candidate = twice\n"
    "    lu.assertEquals(candidate(4), {8, {a = 1}})\nend\n\nos.exit(lu.LuaUnit.run())"
)
ROWS: dict[str, tuple[str, str, str, list[str], str]] = {
    "cpp": (
        "#include<assert.h>\n#include<bits/stdc++.h>\n// Doubles.\nlong twice(long x) {\n",
        "    return 2 * x;",
        "}\nint main() {\n    auto candidate = twice;\n    assert(candidate((4)) == (8));\n}\n",
        ["\n}"],
        "#include <vector>\nlong half(long x) { return x; }\nlong twice(long x) {\n    return half(x) + x;\n}\n"
        "int main() { return 0; }\n",
    ),
    "go": (
        'package twice_test\n\nimport (\n    "testing"\n    "fmt"\n)\n\n// Doubles.\nfunc twice(x int) int {\n',
        "    return 2 * x\n}\n",
        GO_TESTS,
        ["\nfunc", "struct", "\n// "],
        'package main\n\nimport "strings"\n\nfunc twice(x int) int {\n\treturn len(strings.Repeat("a", 2 * x))\n}\n'
        "\nfunc main() {}\n",
    ),
    "java": (
        JAVA_PROMPT,
        "        return 2 * x;",
        JAVA_TESTS,
        ["\n    }\n"],
        "import java.util.*;\n\npublic class Problem {\n    public static long twice(long x) {\n"
        "        return Half.of(x) + x;\n    }\n\n    public static void main(String[] args) {\n"
        "        System.out.println(twice(1));\n    }\n}\n\n"
        "class Half {\n    static long of(long x) { return x; }\n}\n",
    ),
    "js": (
        "//Doubles.\nfunction twice(x){\n",
        "  return 2 * x;\n}\n",
        "const assert = require('node:assert');\n\nfunction test() {\n  assert.deepEqual(twice(4),8);\n}\n\ntest();",
        ["\nfunction ", "\n/*", "\n//", "\nconsole.log"],
        "const twice = (x) => x + x;\n",
    ),
    "php": (
        "<?php\n// Doubles.\nfunction twice($x) {\n",
        "    return 2 * $x;\n}\n",
        "function candidate(...$args) {\n    return twice(...$args);\n}\n\n"
        'if (candidate(4) !== 8) { throw new Exception("Test failed!"); }\n',
        ["\nfunction", "\n?>", "\n//", "\n#"],
        "<?php\nfunction twice($x) {\n    return $x + $x;\n}\n?>\n",
    ),
    "rs": (
        "/// Doubles.\nfn twice(x: isize) -> isize {\n",
        "    2 * x",
        "}\n\nfn main() {\n    let candidate = twice;\n    assert_eq!(candidate(4), 8);\n}\n",
        ["\n}"],
        'fn twice(x: isize) -> isize {\n    x + x\n}\n\nfn main() {\n    println!("{}", twice(1));\n}\n',
    ),
    "sh": (
        "#!/bin/bash\n# Doubles.\n#\n# $1 is an integer\ntwice() {\n",
        "    echo $(($1 * 2))",
        SH_TESTS,
        ["\n}"],
        "twice() {\n    local text=a//b\n    echo $((${1//x/} + ${1})) # it's {\n}\n",
    ),
    "ts": (
        "//Doubles.\nfunction twice(x: number): number {\n",
        "  return 2 * x;\n}\n",
        "declare var require: any;\nconst assert = require('node:assert');\n\nfunction test() {\n"
        "  assert.deepEqual(twice(4),8);\n}\n\ntest();",
        ["\nfunction ", "\n/*", "\n//", "\nclass"],
        "function twice(x: number): number {\n  return x + x;\n}\n",
    ),
    "rb": (
        "# Doubles.\ndef twice(x)\n",
        "  [2 * x]\nend",
        RUBY_TESTS,
        ["\nclass", "\ndef", "\n#", "\n\n"],
        "def twice(x)\n  [x + x]\nend\n",
    ),
    "pl": (
        "# Doubles.\nsub twice {\n    my($x) = @_;\n",
        "    return [2 * $x];\n}",
        PERL_TESTS,
        ["\nsub", "\n#", "\n\n"],
        "sub twice {\n    my ($x) = @_;\n    return [$x + $x];\n}\n",
    ),
    "lua": (
        "-- Doubles.\nlocal function twice(x)\n",
        "  return {2 * x, {a = 1}}\nend",
        LUA_TESTS,
        ["\nlocal", "\nfunction", "\n--", "\n\n"],
        "local function twice(x)\n  return {x + x, {a = 1.0}}\nend\n",
    ),
}
"""Per language: prompt, completion, tests, stop tokens, and what a chat model answers."""


def load(folder: Path, key: str, *, origin: str = "humaneval", **changes: object) -> AnyBenchmark:
    """One row as a benchmark, in the hub's form, which has no task_id."""
    prompt, _, tests, stops, _ = ROWS[key]
    row = {"name": "HumanEval_1_twice", "language": key, "prompt": prompt, "tests": tests, "stop_tokens": stops}
    path = folder / f"{origin}-{key}.jsonl"
    path.write_text(json.dumps(row | changes) + "\n", encoding="utf-8")
    return load_benchmark("multipl_e", {"language": key, "dataset": origin, "data": folder}, folder)


@pytest.mark.parametrize("key", SHARED)
def test_each_set_loads_whole(key: str, shared_data: Path, tmp_path: Path) -> None:
    """Every problem has an entry point that its tests name; a program is prompt, completion, line break and tests."""
    benchmark = load_benchmark("multipl_e", {"language": key, "data": shared_data / "multipl_e"}, tmp_path)
    problems = benchmark.problems()
    assert len(problems) == SHARED[key]
    for problem in problems:
        assert problem.entry_point
        assert problem.entry_point in problem.tests[0]
        assert problem.entry_point in problem.prompt
        assert reference_completion(problem) is None
        (program,) = benchmark.programs(problem, Completion(text="X", verbatim=True))
        assert program.source + program.tests[0] == problem.prompt + "X\n" + problem.tests[0]
        assert program.language == LANGUAGES[key]


def test_stops_are_the_records_own(tmp_path: Path) -> None:
    """For base models; a chat answer is not cut."""
    benchmark = load(tmp_path, "cpp")
    (problem,) = benchmark.problems()
    assert benchmark.prompt(problem, "base").stop == ("\n}",)
    assert benchmark.prompt(problem, "chat").stop == ()
    (program,) = benchmark.programs(problem, Completion(text="    return 2 * x;\n}\nint main() {}\n"))
    assert program.source == problem.prompt + "    return 2 * x;\n"


def test_rows_are_told_apart_by_name(tmp_path: Path) -> None:
    """The hub's rows have no task_id; two of one name are a fault."""
    (problem,) = load(tmp_path, "cpp").problems()
    assert problem.task_id == "HumanEval_1_twice"
    path = tmp_path / "humaneval-cpp.jsonl"
    path.write_text(path.read_text() * 2)
    with pytest.raises(DataError, match="HumanEval_1_twice"):
        load_benchmark("multipl_e", {"language": "cpp", "data": path}, tmp_path)


def test_mbpp_is_the_other_set(tmp_path: Path) -> None:
    """Option `dataset` chooses the file; the name's end is the function's name."""
    (problem,) = load(tmp_path, "lua", origin="mbpp", name="mbpp_3_twice").problems()
    assert problem.entry_point == "twice"


def test_the_prompts_name_wins_where_it_differs(tmp_path: Path) -> None:
    """Java's functions are in camel case, and some were renamed."""
    for name, own in (("doubleIt", "double_it"), ("double_string", "doublestr")):
        changes = {"prompt": JAVA_PROMPT.replace("twice", name), "tests": JAVA_TESTS.replace("twice", name)}
        (problem,) = load(tmp_path, "java", name=f"HumanEval_1_{own}", **changes).problems()
        assert problem.entry_point == name


def test_the_language_is_the_main_option_and_a_wrong_one_is_explained(tmp_path: Path) -> None:
    """A row without tests is explained too."""
    assert parse_spec("multipl_e:rs,dataset=mbpp") == ("multipl_e", {"language": "rs", "dataset": "mbpp"})
    with pytest.raises(UserError, match="cpp"):
        load_benchmark("multipl_e", {"language": "haskell"}, tmp_path)
    with pytest.raises(DataError, match=r"humaneval-cpp\.jsonl.*tests"):
        load(tmp_path, "cpp", tests=None)


def test_javas_class_is_left_open_for_its_tests() -> None:
    """Its own main goes, and classes after it come before."""
    text = (
        "import java.util.*;\nclass Problem {\n    static int f() { return 1; }\n"
        "    public static void main(String[] args) { f(); }\n}\nclass Other {\n}\n"
    )
    opened = open_class(text)
    assert opened == "import java.util.*;\nclass Other {\n}\nclass Problem {\n    static int f() { return 1; }\n"


def test_a_java_program_without_the_class_stays() -> None:
    """It will not compile, which is for the compiler to say."""
    assert open_class("class Other {\n}\n") == "class Other {\n}\n"


def body_of(key: str) -> str:
    """The right completion, whole: for sets whose tests close the function, with its end."""
    _, completion, tests, _, _ = ROWS[key]
    closing = {"java": "\n    }\n"}.get(key, "\n}")
    return completion + closing if tests.lstrip().startswith("}") else completion


@pytest.mark.slow
@pytest.mark.parametrize("key", ROWS)
def test_programs_are_judged_in_the_sandbox(key: str, tmp_path: Path, sandbox: Sandbox) -> None:
    """What a base model stops with, what it goes on with, and a chat answer pass; wrong ones do not."""
    skip_without(LANGUAGES[key])
    benchmark = load(tmp_path, key)
    (problem,) = benchmark.problems()
    _, completion, _, stops, chat = ROWS[key]
    answers = {
        "cut by the server": Completion(text=completion),
        "goes on": Completion(text=body_of(key).rstrip("\n") + stops[0] + " and more\n"),
        "chat": Completion(text=f"Like this:\n\n```{LANGUAGES[key]}\n{chat}```\nIt doubles.\n", form="chat"),
        "body alone": Completion(text=f"```{LANGUAGES[key]}\n{body_of(key)}\n```\n", form="chat"),
        "stored": Completion(text=completion, verbatim=True),
    }
    for kind, answer in answers.items():
        verdict = sandbox.run(benchmark.programs(problem, answer)[0])
        assert verdict.status is Status.PASSED, (kind, verdict.error)
    for wrong in wrong_completions(problem):
        verdict = sandbox.run(benchmark.programs(problem, wrong)[0])
        assert verdict.status.counts
        assert not verdict.passed


@pytest.mark.parametrize(
    "value", ["{9, {a = 1}}", "{8}", "{8, {}}", "{8, {a = 1, b = 2}}", "{8, {a = '1'}}", "8", "nil"]
)
def test_luas_comparison_looks_into_tables(value: str, tmp_path: Path, sandbox: Sandbox) -> None:
    """What differs anywhere is wrong."""
    skip_without("lua")
    benchmark = load(tmp_path, "lua")
    (problem,) = benchmark.problems()
    verdict = sandbox.run(benchmark.programs(problem, Completion(text=f"  return {value}\nend\n", verbatim=True))[0])
    assert verdict.status is Status.WRONG_ANSWER
