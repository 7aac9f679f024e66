"""The languages that programs may be in: one row each, of what is written, compiled and run.

A command's first word is a tool (see `runners.tools`). The words after it may hold

- `{flags}`: the benchmark's, spread out; `{more}`: what the row's `more` adds,
- `{kit}`: folder of what `runners.kit` has prepared; `{node_modules}`: where packages of npm lie,
- `{source}`: the first file; `{main}`: what the source itself names; `{memory}`: mebibytes for a runtime's heap,
- `{tool:NAME}`: another tool; `{lib:NAME}`: the folder `lib` beside a tool's folder, since there is no /proc in the
  jail, from which programs learn where they lie.

Python is not here: it has warm interpreters and two judges.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from runners.program import MEBIBYTE, Limits

PYTHON = "python"
COMPILE_LIMITS = Limits(
    cpu_seconds=30.0,
    wall_seconds=180.0,
    memory_bytes=2048 * MEBIBYTE,
    processes=256,
    file_bytes=256 * MEBIBYTE,
    tmp_bytes=512 * MEBIBYTE,
    open_files=1024,
    kept_bytes=16384,
)
"""What a compiler may use, whatever the program's own limits are."""
_HEAP_SHARE = 0.75
"""Of a program's memory that a runtime may fill with objects; its own code and stacks need the rest."""
_TEST_CASE = r"Exception --+ test case \d+"
"""How the tests of MBXP say that a value is not the expected one, whatever the language."""

Files = Mapping[str, str]


def joined(source: str, test: str) -> str:
    """Program and tests as one text."""
    return source + ("" if source.endswith("\n") or not source else "\n") + test


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One row; commands are executed in the folder of the program's files."""

    name: str
    title: str
    tools: tuple[str, ...]
    """Commands that must be on this machine, the one that stands for the version first."""
    version: tuple[str, ...]
    """What tells the version on its first line of output."""
    packages: tuple[str, ...]
    """Debian and Ubuntu packages that bring it."""
    needs: tuple[str, ...] = ()
    """Files that programs of the known benchmarks import, as paths on the host; `{kit}` as above."""
    files: Callable[[str], Files]
    """The program's files, from its text with tests."""
    main: Callable[[str], str] = lambda _: ""
    """What `{main}` stands for."""
    more: Callable[[str], tuple[str, ...]] = lambda _: ()
    """What `{more}` stands for besides a precompiled header, given the text."""
    compile: tuple[str, ...] = ()
    """Empty where nothing is compiled."""
    output: str = ""
    """What the compiler leaves, and what is there when the program is run."""
    run: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Beyond PATH, HOME, TMPDIR and LANG."""
    bounded_addresses: bool = True
    """Whether RLIMIT_AS may bound its memory where there is no control group; not where the runtime reserves much."""
    processes: int = 64
    """Threads and processes that its runtime needs room for, beyond those of `Limits` if those are fewer."""
    wrong_answer: str = _TEST_CASE
    """What a failed assertion leaves on standard error or output; the verdict's own error is searched before them."""
    out_of_memory: str = r"std::bad_alloc"
    syntax_error: str = r"(?!)"
    """What the runtime of a language without compiler says of a text that it cannot read."""

    def heap_mebibytes(self, limits: Limits) -> int:
        """What `{memory}` stands for."""
        return max(16, int(limits.memory_bytes * _HEAP_SHARE) // MEBIBYTE)


_INCLUDE = re.compile(
    r"\s*#\s*include\s*([<\"][^>\"]+[>\"])[^\n]*\n|\s*//[^\n]*\n|\s*/\*.*?\*/|\s*using namespace std;", re.DOTALL
)
HELPER_HEADERS = (
    "<stdlib.h>",
    "<algorithm>",
    "<math.h>",
    "<stdio.h>",
    "<vector>",
    "<string>",
    "<climits>",
    "<cstring>",
    "<iostream>",
)
"""What evaluators of HumanEval-X put before C++ programs; one precompiled header holds just these."""
ALL_HEADERS = ("<bits/stdc++.h>",)
JAVA_CLASS_PATH = "/usr/share/java/javatuples.jar"
_JAVA_MAIN = re.compile(r"\bstatic\s+(?:public\s+|final\s+)*void\s+main\s*\(|\bpublic\s+static\s+void\s+main\s*\(")
_JAVA_TYPE = re.compile(
    r"^[ \t]*(?P<public>public\s+)?(?:final\s+|abstract\s+)*(?:class|interface|enum|record)\s+(?P<name>\w+)", re.M
)
_GO_TEST = re.compile(r"^func (Test\w*)\(\w* ?\*testing\.T\)", re.M)
_GO_MAIN = re.compile(r"^func main\(\)", re.M)
_GO_PACKAGE = re.compile(r"^package (\w+)", re.M)


def leading_headers(text: str) -> frozenset[str]:
    """Headers that a C or C++ text includes before anything else stands in it."""
    found, position = set(), 0
    while match := _INCLUDE.match(text, position):
        if match[1]:
            found.add(match[1])
        position = match.end()
    return frozenset(found)


def precompiled(text: str) -> tuple[str, ...]:
    """Headers that may be read in their precompiled form, since the text would read all of them first anyway."""
    leading = leading_headers(text)
    if leading.issuperset(ALL_HEADERS):
        return ALL_HEADERS
    return HELPER_HEADERS if leading.issuperset(HELPER_HEADERS) else ()


def pch_name(headers: tuple[str, ...], flags: tuple[str, ...]) -> str:
    """Name of the precompiled header in the kit's folder; its flags are part of it."""
    kind = "all" if headers == ALL_HEADERS else "helpers"
    return f"{kind}-{'-'.join(re.sub(r'[^a-z0-9+]', '', flag) for flag in flags) or 'default'}.h"


def _cpp_libraries(text: str) -> tuple[str, ...]:
    return ("-lssl", "-lcrypto") if "<openssl/" in text else ()


def _java_main(text: str) -> str:
    """The class whose `main` is called: the nearest one that begins before it."""
    match = _JAVA_MAIN.search(text)
    types = [each for each in _JAVA_TYPE.finditer(text) if match is None or each.start() < match.start()]
    return types[-1]["name"] if types else "Main"


def _java_files(text: str) -> Files:
    public = next((each["name"] for each in _JAVA_TYPE.finditer(text) if each["public"]), None)
    return {f"{public or 'Main'}.java": text}


def _go_files(text: str) -> Files:
    """The program, and who calls its tests; as `go test` does where it has tests, else its main."""
    tests = _GO_TEST.findall(text)
    if not tests:
        return {"program.go": _GO_MAIN.sub("func codeassayMain()", text), "main.go": _GO_RUN}
    listed = "".join(f'\t{{"{name}", program.{name}}},\n' for name in tests)
    return {"program.go": text, "main.go": _GO_RUN_TESTS.replace("TESTS", listed)}


_GO_RUN = "package main\n\nfunc main() {\n\tcodeassayMain()\n\tcodeassayHandIn()\n}\n"
_GO_RUN_TESTS = """package main

import (
	"os"
	"testing"
	"testing/internal/testdeps"

	program "codeassay/program"
)

func main() {
	tests := []testing.InternalTest{
TESTS	}
	code := testing.MainStart(testdeps.TestDeps{}, tests, nil, nil, nil).Run()
	if code == 0 {
		codeassayHandIn()
	}
	os.Exit(code)
}
"""
_GO_BUILD = (
    'compile="{tool:go-compile} -complete -importcfg {kit}/importcfg"; '
    'sed "s/^package PACKAGE/package main/" {kit}/hand_in.go > hand_in.go; '
    "if grep -q codeassay/program main.go; then "
    "$compile -p codeassay/program -pack -o program.a program.go; "
    "{ cat {kit}/importcfg; echo packagefile codeassay/program=program.a; } > importcfg; "
    "{tool:go-compile} -complete -importcfg importcfg -p main -pack -o main.a main.go hand_in.go; "
    "else $compile -p main -pack -o main.a main.go program.go hand_in.go; cp {kit}/importcfg importcfg; fi; "
    "{tool:go-link} -importcfg importcfg -s -w -buildmode=exe -o program main.a"
)


def _one(name: str) -> Callable[[str], Files]:
    return lambda text: {name: text}


def _bash_files(text: str) -> Files:
    """The ticket is handed in where the last command ended well; a script that exits never comes there."""
    end = "\ncodeassay_status=$?\n[ $codeassay_status -eq 0 ] && /bin/cp /tmp/ticket /tmp/handed-in\n"
    end += "exit $codeassay_status\n"
    return {"program.sh": text + end}


_C_RUN: tuple[str, ...] = ("./program",)
_ASSERTION = r"Assertion .* failed|terminate called after throwing[^\n]*\n[^\n]*Exception --+ test case"

_ROWS = (
    Language(
        name="c",
        title="C",
        tools=("gcc",),
        version=("gcc", "--version"),
        packages=("gcc", "libc6-dev"),
        files=_one("program.c"),
        compile=(
            "gcc",
            "-std=gnu17",
            "{flags}",
            "-pipe",
            "program.c",
            "{kit}/main_wrap.o",
            "-Wl,--wrap=main",
            "-o",
            "program",
            "-lm",
        ),
        output="program",
        run=_C_RUN,
        wrong_answer=_ASSERTION,
    ),
    Language(
        name="cpp",
        title="C++",
        tools=("g++", "ld.gold"),
        version=("g++", "--version"),
        packages=("g++", "binutils", "libboost-dev", "libssl-dev"),
        needs=("/usr/include/boost/any.hpp", "/usr/include/openssl/md5.h"),
        files=_one("program.cpp"),
        more=_cpp_libraries,
        compile=(
            *("g++", "-std=c++17", "{flags}", "-fuse-ld=gold", "program.cpp", "{kit}/main_wrap.o", "-Wl,--wrap=main"),
            *("-o", "program", "{more}"),
        ),
        output="program",
        run=_C_RUN,
        wrong_answer=_ASSERTION,
    ),
    Language(
        name="java",
        title="Java",
        tools=("javac", "java"),
        version=("java", "--version"),
        packages=("default-jdk-headless", "libjavatuples-java"),
        needs=(JAVA_CLASS_PATH,),
        files=_java_files,
        main=_java_main,
        compile=(  # `runners.javac` keeps one warm, and this is what it falls back to
            *("java", "-Xmx1024m", "-Xshare:auto", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"),
            *(
                "-cp",
                "{kit}",
                "JavacServer",
                "--once",
                "{source}",
                "program.jar",
                JAVA_CLASS_PATH,
                "-proc:none",
                "{flags}",
            ),
        ),
        output="program.jar",
        run=(
            *(
                "java",
                "-Xmx{memory}m",
                "-Xshare:auto",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-XX:-UsePerfData",
            ),
            *("-ea", "-cp", f"program.jar:{{kit}}:{JAVA_CLASS_PATH}", "Harness", "{main}"),
        ),
        environment={"LD_LIBRARY_PATH": "{lib:java}"},
        bounded_addresses=False,
        processes=256,
        wrong_answer=rf"java\.lang\.AssertionError|{_TEST_CASE}",
        out_of_memory=r"java\.lang\.OutOfMemoryError",
    ),
    Language(
        name="javascript",
        title="JavaScript",
        tools=("node",),
        version=("node", "--version"),
        packages=("nodejs", "npm"),
        needs=("{node_modules}/js-md5/package.json", "{node_modules}/lodash/package.json"),
        files=_one("program.js"),
        run=("node", "--max-old-space-size={memory}", "{kit}/harness.js", "./program.js"),
        environment={"NODE_PATH": "{node_modules}"},
        bounded_addresses=False,
        processes=256,
        wrong_answer=rf"Assertion failed|AssertionError|Error at \d+th assert statement|{_TEST_CASE}",
        out_of_memory=r"heap out of memory|Array buffer allocation failed",
        syntax_error=r"(?m)^SyntaxError: ",
    ),
    Language(
        name="typescript",
        title="TypeScript",
        tools=("node",),
        version=("node", "{node_modules}/typescript/bin/tsc", "--version"),
        packages=("nodejs", "npm"),
        needs=("{node_modules}/typescript/bin/tsc",),
        files=_one("program.ts"),
        compile=(
            *("node", "{node_modules}/typescript/lib/tsc.js", "--target", "es2022", "--module", "commonjs"),
            *("--noEmitOnError", "--skipLibCheck", "--typeRoots", "/opt/none", "{flags}", "program.ts"),
        ),
        output="program.js",
        run=("node", "--max-old-space-size={memory}", "{kit}/harness.js", "./program.js"),
        environment={"NODE_PATH": "{node_modules}"},
        bounded_addresses=False,
        processes=256,
        wrong_answer=rf"Assertion failed|AssertionError|{_TEST_CASE}",
        out_of_memory=r"heap out of memory|Array buffer allocation failed",
    ),
    Language(
        name="go",
        title="Go",
        tools=("go", "go-compile", "go-link"),
        version=("go", "version"),
        packages=("golang-go", "golang-github-stretchr-testify-dev"),
        needs=("/usr/share/gocode/src/github.com/stretchr/testify/assert/assertions.go",),
        files=_go_files,
        compile=("sh", "-ec", _GO_BUILD),
        output="program",
        run=_C_RUN,
        environment={"GOMAXPROCS": "2"},
        bounded_addresses=False,
        processes=256,
        wrong_answer=rf"--- FAIL|{_TEST_CASE}",
        out_of_memory=r"runtime: out of memory|cannot allocate memory",
    ),
    Language(
        name="rust",
        title="Rust",
        tools=("rustc", "cargo", "gcc", "ld.gold", "env"),
        version=("rustc", "--version"),
        packages=(
            "rustc",
            "cargo",
            "gcc",
            "librust-rand+default-dev",
            "librust-regex+default-dev",
            "librust-md5+default-dev",
        ),
        needs=("/usr/share/cargo/registry",),
        files=_one("program.rs"),
        compile=(
            *("env", "LD_PRELOAD={kit}/own_path.so", "CODEASSAY_OWN_PATH={tool:rustc}"),
            *(
                "{tool:rustc}",
                "--edition",
                "2021",
                "--crate-name",
                "program",
                "-C",
                "debuginfo=0",
                "-C",
                "strip=symbols",
                "--cap-lints",
            ),
            *("allow", "{flags}", "-L", "dependency={kit}", "--extern", "rand={kit}/librand.rlib"),
            *(
                "--extern",
                "regex={kit}/libregex.rlib",
                "--extern",
                "md5={kit}/libmd5.rlib",
                "-C",
                "link-arg={kit}/main_wrap.o",
            ),
            # the last -fuse-ld wins; rustc's own lld looks for itself in /proc
            *("-C", "link-arg=-Wl,--wrap=main", "-C", "link-arg=-fuse-ld=gold", "-o", "program", "program.rs"),
        ),
        output="program",
        run=_C_RUN,
        environment={"RUST_TEST_THREADS": "1", "LD_LIBRARY_PATH": "{lib:rustc}"},
        processes=128,
        wrong_answer=rf"assertion (?:`|failed)|{_TEST_CASE}",
        out_of_memory=r"memory allocation of \d+ bytes failed",
    ),
    Language(
        name="php",
        title="PHP",
        tools=("php",),
        version=("php", "--version"),
        packages=("php-cli",),
        files=_one("program.php"),
        run=(
            *("php", "-d", "display_errors=stderr", "-d", "memory_limit={memory}M", "-d", "zend.assertions=1"),
            *("-d", "auto_append_file={kit}/harness.php", "program.php"),
        ),
        wrong_answer=rf"Test failed!|AssertionError|{_TEST_CASE}",
        out_of_memory=r"Allowed memory size",
        syntax_error=r"PHP Parse error",
    ),
    Language(
        name="ruby",
        title="Ruby",
        tools=("ruby",),
        version=("ruby", "--version"),
        packages=("ruby",),
        files=_one("program.rb"),
        run=("ruby", "{kit}/harness.rb", "program.rb"),
        processes=128,
        wrong_answer=rf"AssertionFailedError|(?m:^Failure:)|{_TEST_CASE}",
        out_of_memory=r"NoMemoryError",
        syntax_error=r"\(SyntaxError\)",
    ),
    Language(
        name="bash",
        title="Bash",
        tools=("bash",),
        version=("bash", "--version"),
        packages=("bash",),
        files=_bash_files,
        run=("bash", "program.sh"),
        wrong_answer=r"\Aended with exit status 1 before its tests ended\n\n",
        syntax_error=r"syntax error near|unexpected EOF while looking for|syntax error: unexpected end of file",
    ),
    Language(
        name="perl",
        title="Perl",
        tools=("perl",),
        version=("perl", "-e", "print $^V"),
        packages=("perl",),
        files=_one("program.pl"),
        run=("perl", "{kit}/harness.pl", "./program.pl"),
        out_of_memory=r"Out of memory",
        syntax_error=r"(?m)^syntax error at |^Can't find string |^Execution of .* aborted due to",
    ),
    Language(
        name="lua",
        title="Lua",
        tools=("lua5.4",),
        version=("lua5.4", "-v"),
        packages=("lua5.4",),
        files=_one("program.lua"),
        run=("lua5.4", "{kit}/harness.lua", "./program.lua"),
        wrong_answer=rf"assertion failed|{_TEST_CASE}",
        out_of_memory=r"not enough memory",
        syntax_error=r"harness\.lua:\d+: \./program\.lua",
    ),
)
LANGUAGES: dict[str, Language] = {row.name: row for row in _ROWS}
"""All but Python, by name."""
NAMES = (PYTHON, *LANGUAGES)
