"""What every language does in every jail, from text to verdict; and what attacks in five of them get."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runners import tools
from runners.isolation import open_sandbox
from runners.languages import LANGUAGES
from runners.plain import PlainSandbox
from runners.program import MEBIBYTE, Limits, Program, Status, Verdict
from runners.sandbox import Sandbox
from runners.trials import TRIALS
from tests.runners.conftest import JAILS, open_or_skip
from tests.runners.hostile_languages import ATTACKS, Attack

pytestmark = pytest.mark.slow
LIMITS = Limits(cpu_seconds=5.0, wall_seconds=30.0)
UNREADABLE = "\n}}}}(((( '\n"


@pytest.fixture(scope="module", params=JAILS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Each jail in turn."""
    opened = open_or_skip(request.param)
    yield opened
    opened.close()


def skip_without(name: str) -> None:
    """Skip where a language is not installed, and say what is missing."""
    if missing := tools.missing(LANGUAGES[name]):
        pytest.skip(f"{name}: {', '.join(missing)} missing; make toolchains")


def run_trial(sandbox: Sandbox, name: str, old: str = "", new: str = "") -> Verdict:
    """The language's trial, with something in it replaced."""
    skip_without(name)
    trial = TRIALS[name]
    assert old in trial.source
    program = trial.program(name, source=trial.source.replace(old, new) if old else trial.source + new)
    return sandbox.run(replace(program, limits=LIMITS))


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_right_program_passes(sandbox: Sandbox, name: str) -> None:
    """It passes with its one test, and what compiling cost is told apart."""
    verdict = run_trial(sandbox, name)
    assert verdict.status is Status.PASSED, f"{verdict.error} {verdict.stderr}"
    assert verdict.tests_passed == (True,)
    assert verdict.isolation == sandbox.isolation
    assert (verdict.compile_seconds is not None) == bool(LANGUAGES[name].compile)


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_wrong_program_is_a_wrong_answer(sandbox: Sandbox, name: str) -> None:
    """A failed assertion is told from other failures."""
    verdict = run_trial(sandbox, name, "+ 1", "+ 2")
    assert verdict.status is Status.WRONG_ANSWER, verdict
    assert verdict.tests_passed == (False,)


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_text_that_cannot_be_read_is_a_compile_error(sandbox: Sandbox, name: str) -> None:
    """The compiler's, or the runtime's, first error is told."""
    verdict = run_trial(sandbox, name, new=UNREADABLE)
    assert verdict.status is Status.COMPILE_ERROR, verdict
    assert verdict.error


@pytest.mark.parametrize("name", LANGUAGES)
def test_an_early_end_with_status_zero_is_no_pass(sandbox: Sandbox, name: str) -> None:
    """Only the harness's ticket proves that tests came to their end."""
    verdict = run_trial(sandbox, name, TRIALS[name].body, TRIALS[name].leaves)
    assert verdict.status is Status.RUNTIME_ERROR, verdict
    assert "before its tests ended" in verdict.error


def test_what_was_built_is_not_built_again(sandbox: Sandbox) -> None:
    """The same text under the same flags compiles once."""
    skip_without("c")
    program = TRIALS["c"].program("c", source="int f(int x) { return x + 1; } /* once */\n")
    first, second = sandbox.run(program), sandbox.run(program)
    assert first.passed
    assert second.passed
    assert first.compile_seconds
    assert second.compile_seconds == 0.0


def test_a_java_program_that_is_refused_leaves_the_warm_compiler_usable(sandbox: Sandbox) -> None:
    """After an error the next program compiles as if nothing had been."""
    assert run_trial(sandbox, "java", new=UNREADABLE).status is Status.COMPILE_ERROR
    assert run_trial(sandbox, "java").passed


def test_endless_programs_and_endless_compilations_end(sandbox: Sandbox) -> None:
    """CPU time bounds both; a compilation that takes too long is the program's fault."""
    skip_without("cpp")
    loop = Program(source="int main() { for (volatile int i = 0;; i++) {} }", tests=("",), language="cpp")
    verdict = sandbox.run(replace(loop, limits=Limits(cpu_seconds=0.5, wall_seconds=20)))
    assert verdict.status is Status.TIMEOUT


def test_two_programs_see_nothing_of_each_other(sandbox: Sandbox) -> None:
    """What one leaves in /tmp is gone for the next, in the run and in the compile step."""
    skip_without("bash")
    writes = Program(source="echo secret > /tmp/left; echo secret > /tmp/work/left", tests=("",), language="bash")
    reads = Program(source="[ ! -e /tmp/left ] && [ ! -e /tmp/work/left ]", tests=("",), language="bash")
    assert sandbox.run(writes).passed
    assert sandbox.run(reads).passed


def test_output_beyond_the_kept_bytes_keeps_both_ends(sandbox: Sandbox) -> None:
    """The first and the last of what a program printed are in the verdict."""
    skip_without("bash")
    program = Program(
        source="echo first; for i in {1..5000}; do echo 0123456789; done; echo last", tests=("",), language="bash"
    )
    verdict = sandbox.run(program)
    assert verdict.passed
    assert verdict.stdout.startswith("first")
    assert verdict.stdout.rstrip().endswith("last")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.language}: {attack.name}")
def test_an_attack_gets_the_status_that_it_should(sandbox: Sandbox, attack: Attack) -> None:
    """None passes, and a good program passes right after it."""
    skip_without(attack.language)
    limits = Limits(cpu_seconds=3.0, wall_seconds=15.0, memory_bytes=512 * MEBIBYTE, output_bytes=4 * MEBIBYTE)
    program = Program(source=attack.source, tests=("",), language=attack.language, flags=attack.flags, limits=limits)
    verdict = sandbox.run(program)
    assert verdict.status in attack.statuses, verdict
    assert not Path("/usr/x").exists()
    after = sandbox.run(TRIALS["bash"].program("bash"))
    assert after.passed, after


def test_levels_with_python_alone_say_so() -> None:
    """A C++ program is never judged as Python."""
    verdict = PlainSandbox().run(TRIALS["cpp"].program("cpp"))
    assert verdict.status is Status.SANDBOX_ERROR
    assert "full and rootless" in verdict.error


def test_a_language_that_is_not_in_the_table_is_our_fault() -> None:
    """The error names it."""
    sandbox = open_sandbox("auto")
    verdict = sandbox.run(Program(source="", tests=("",), language="cobol"))
    sandbox.close()
    assert verdict.status is Status.SANDBOX_ERROR
    assert "cobol" in verdict.error
