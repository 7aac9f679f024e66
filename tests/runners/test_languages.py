"""The table of languages: texts become files, commands and precompiled headers by rules that hold without any tool."""

from __future__ import annotations

import re

import pytest

from runners.commands import Command, first_error
from runners.languages import ALL_HEADERS, HELPER_HEADERS, LANGUAGES, NAMES, joined, leading_headers, precompiled
from runners.trials import TRIALS

HELPERS = "".join(f"#include{header}\n" for header in HELPER_HEADERS)


def test_there_are_twelve_languages_at_least_and_each_has_a_trial() -> None:
    """Python and each row of the table can be tried."""
    assert len(NAMES) >= 12
    assert set(TRIALS) == set(LANGUAGES)
    assert all(trial.source.count("+ 1") == 1 for trial in TRIALS.values())


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_row_can_be_run_as_it_stands(name: str) -> None:
    """Each row writes at least one file, names its tools and packages, and compiles to what it runs."""
    row = LANGUAGES[name]
    assert row.tools
    assert row.packages
    assert row.version
    assert row.files(TRIALS[name].source)
    assert bool(row.compile) == bool(row.output)
    for pattern in (row.wrong_answer, row.out_of_memory, row.syntax_error):
        assert not re.search(pattern, "")


def test_program_and_test_meet_at_a_line_break() -> None:
    """No line of the test is glued to the program's last one."""
    assert joined("a", "b") == "a\nb"
    assert joined("a\n", "b") == "a\nb"
    assert joined("", "b") == "b"


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("int x;\n#include <vector>\n", set()),
        (
            "/* a\n comment */\n#include<stdio.h>\n// more\n# include <math.h>\nusing namespace std;\n",
            {"<stdio.h>", "<math.h>"},
        ),
        ('#include "own.h"\nint x;\n#include <string>\n', {'"own.h"'}),
        ("#define X\n#include <vector>\n", set()),
    ],
)
def test_leading_headers_are_those_before_anything_else(text: str, headers: set[str]) -> None:
    """Comments and `using namespace std;` may stand between them; a macro or a declaration ends them."""
    assert leading_headers(text) == headers


def test_a_precompiled_header_holds_nothing_that_the_program_does_not_include() -> None:
    """It is taken only where the program would read all of its headers first anyway."""
    assert precompiled(HELPERS + "int x;") == HELPER_HEADERS
    assert precompiled("#include <bits/stdc++.h>\n") == ALL_HEADERS
    assert precompiled(HELPERS.replace("#include<string>\n", "")) == ()
    assert precompiled("#define private public\n" + HELPERS) == ()


@pytest.mark.parametrize(
    ("text", "file", "main"),
    [
        ("class Solution {}\npublic class Main { public static void main(String[] a) {} }", "Main.java", "Main"),
        ("class Problem {\n  public static void main(String[] args) {}\n}", "Main.java", "Problem"),
        (
            "class A {}\nclass Main {\n static void x() {}\n public static void main(String[] a) {}\n}\n",
            "Main.java",
            "Main",
        ),
        ("public class Other {}\nclass Main { public static void main(String[] a) {} }", "Other.java", "Main"),
        ("class A { }", "Main.java", "A"),
    ],
)
def test_java_names_its_file_and_its_main_class(text: str, file: str, main: str) -> None:
    """The public class names the file, the class around `main` is started."""
    java = LANGUAGES["java"]
    assert list(java.files(text)) == [file]
    assert java.main(text) == main


def test_go_tests_are_called_one_by_one_and_a_main_is_wrapped() -> None:
    """Where there are Test functions they are listed; else the program's main gets another name."""
    files = LANGUAGES["go"].files
    tested = files("package x_test\nfunc TestA(t *testing.T) {}\nfunc TestB_C(t *testing.T) {}\n")
    assert '"TestA", program.TestA' in tested["main.go"]
    assert '"TestB_C", program.TestB_C' in tested["main.go"]
    plain = files("package main\nfunc main() {}\n")
    assert "func codeassayMain()" in plain["program.go"]
    assert "codeassayHandIn()" in plain["main.go"]


def test_the_first_error_of_a_compiler_is_told() -> None:
    """Notes and warnings before it are passed over."""
    assert first_error("a.c: In function f:\na.c:1:2: error: no\nmore") == "a.c:1:2: error: no"
    assert first_error("bad\nworse") == "bad"
    assert first_error("") == ""


def test_a_job_holds_plain_data() -> None:
    """What goes to the jail is what the command says."""
    command = Command(argv=("a",), environment={"B": "c"}, files={"d": "e"}, take="f")
    assert command.job() == {"argv": ["a"], "env": {"B": "c"}, "files": {"d": "e"}, "take": "f", "give": ""}
