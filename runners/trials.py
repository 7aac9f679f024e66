"""One small program per language: whether the way from text to verdict works on this machine, found by going it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runners import tools
from runners.languages import LANGUAGES, Language
from runners.program import Program, Status
from runners.sandbox import Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A function that adds one, and a test that calls it."""

    source: str
    """Holds `+ 1` once, so that `+ 2` makes it wrong."""
    test: str
    body: str
    """What the function does, as it stands in `source`."""
    leaves: str
    """What in its place ends the program as if all were well."""
    flags: tuple[str, ...] = ()

    def program(self, language: str, *, source: str | None = None) -> Program:
        """The trial, or another source with its test."""
        chosen = self.source if source is None else source
        return Program(source=chosen, tests=(self.test,), language=language, flags=self.flags)


TRIALS: dict[str, Trial] = {
    "c": Trial(
        source="#include <stdlib.h>\nint f(int x) { return x + 1; }\n",
        test="#include <assert.h>\nint main(void) { assert(f(1) == 2); }\n",
        body="return x + 1;",
        leaves="exit(0);",
    ),
    "cpp": Trial(
        source=(
            "#include <boost/any.hpp>\n#include <openssl/md5.h>\n#include <stdlib.h>\nint f(int x) { return x + 1; }\n"
        ),
        test="#undef NDEBUG\n#include <assert.h>\nint main() { assert(f(1) == 2); }\n",
        body="return x + 1;",
        leaves="exit(0);",
    ),
    "java": Trial(
        source="import org.javatuples.*;\nclass Solution {\n    int f(int x) { return x + 1; }\n}\n",
        test=(
            "public class Main {\n    public static void main(String[] args) {\n"
            "        if (new Solution().f(1) != 2) throw new AssertionError();\n    }\n}\n"
        ),
        body="return x + 1;",
        leaves="System.exit(0); return x;",
    ),
    "javascript": Trial(
        source="const md5 = require('js-md5')\nconst _ = require('lodash')\nconst f = (x) => { return x + 1 }\n",
        test="console.assert(f(1) === 2)\n",
        body="return x + 1",
        leaves="process.exit(0)",
    ),
    "typescript": Trial(
        source="declare var process: any;\nfunction f(x: number): number { return x + 1 }\n",
        test="declare var require: any;\nrequire('node:assert').deepEqual(f(1), 2)\n",
        body="return x + 1",
        leaves="process.exit(0); return x",
    ),
    "go": Trial(
        source=(
            'package main\n\nimport (\n\t"syscall"\n\t"testing"\n\n\t"github.com/stretchr/testify/assert"\n)\n\n'
            "var _ = syscall.Exit\n\nfunc F(x int) int { return x + 1 }\n"
        ),
        test="func TestF(t *testing.T) {\n\tassert.New(t).Equal(2, F(1))\n}\n",
        body="return x + 1",
        leaves="syscall.Exit(0); return x",
    ),
    "rust": Trial(
        source="use md5;\nuse rand::Rng;\nuse regex::Regex;\n\nfn f(x: i32) -> i32 { return x + 1; }\n",
        test="#[cfg(test)]\nmod tests {\n    use super::*;\n    #[test]\n    fn adds() { assert_eq!(f(1), 2); }\n}\n",
        body="return x + 1;",
        leaves="std::process::exit(0);",
        flags=("--test",),
    ),
    "php": Trial(
        source="<?php\nfunction f($x) { return $x + 1; }\n",
        test='if (f(1) !== 2) { throw new Exception("Test failed!"); }\n',
        body="return $x + 1;",
        leaves="exit(0);",
    ),
    "ruby": Trial(
        source="def f(x)\n  return x + 1\nend\n",
        test=(
            "require 'test/unit'\nclass TestF < Test::Unit::TestCase\n"
            "  def test_f\n    assert_equal 2, f(1)\n  end\nend\n"
        ),
        body="return x + 1",
        leaves="exit!(0)",
    ),
    "bash": Trial(
        source="f() { echo $(($1 + 1)); }\n",
        test='set -e\nf 1 > /tmp/said\n[[ $(cat /tmp/said) = "2" ]]\n',
        body="echo $(($1 + 1));",
        leaves="exit 0;",
    ),
    "perl": Trial(
        source="sub f { my $x = shift; return $x + 1; }\n",
        test='die "Exception -- test case 0 did not pass" unless f(1) == 2;\n',
        body="return $x + 1;",
        leaves="exit(0);",
    ),
    "lua": Trial(
        source="function f(x) return x + 1 end\n", test="assert(f(1) == 2)\n", body="return x + 1", leaves="os.exit(0)"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of one language."""

    language: Language
    version: str
    """Empty where it is not installed."""
    failure: str = ""
    """Why programs of it cannot be judged here, and the cure; empty where they can."""


def try_languages(sandbox: Sandbox) -> Iterator[Tried]:
    """Run each language's trial, as it is and spoilt, in the order of the table."""
    for name, language in LANGUAGES.items():
        version = tools.version(language)
        if lacking := tools.missing(language):
            yield Tried(language=language, version=version, failure=f"{', '.join(lacking)} missing: {cure(language)}")
            continue
        yield Tried(language=language, version=version, failure=failure_of(name, sandbox))


def failure_of(name: str, sandbox: Sandbox) -> str:
    """Why programs of an installed language cannot be judged here; empty if its trial, right and spoilt, can."""
    trial = TRIALS[name]
    good = sandbox.run(trial.program(name))
    if not good.passed:
        return f"a right program got {good.status}: {good.error}"
    wrong = sandbox.run(trial.program(name, source=trial.source.replace("+ 1", "+ 2")))
    return "" if wrong.status is Status.WRONG_ANSWER else f"a wrong program got {wrong.status}: {wrong.error}"


def cure(language: Language) -> str:
    """The command that installs what a language needs."""
    return f"make toolchains, or apt-get install {' '.join(language.packages)}"
