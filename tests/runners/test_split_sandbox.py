"""What `judge=split` does in a whole sandbox: the tests in one jailed process, the program in another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runners.program import MEBIBYTE, Limits, Program, Status, Verdict
from tests.runners.conftest import JAILS, open_or_skip

Split = Callable[..., Verdict]

GOOD = "def f(x): return x + 1"
TEST = "assert f(1) == 2"
EQUAL = "class E:\n    def __eq__(self, other): return True\ndef f(x): return E()"

HONEST: dict[str, tuple[str, str]] = {
    "right value": (GOOD, TEST),
    "exception that the test expects": (
        "def f(x): raise ValueError(x)",
        "try: f(3)\nexcept ValueError as error: assert error.args == (3,)\nelse: assert False",
    ),
    "argument changed in place": ("def f(x): x.append([2])", "x = [[1]]\nf(x)\nassert x == [[1], [2]]"),
    "constant": ("LIMIT = 7", "assert LIMIT == 7"),
    "tests that import numpy": (GOOD, "import numpy\nassert f(int(numpy.int64(1))) == 2"),
}
FAULTS: dict[str, tuple[str, str, Status, str]] = {
    "wrong value": ("def f(x): return x", TEST, Status.WRONG_ANSWER, "AssertionError"),
    "no program": ("def f(x) return x", TEST, Status.COMPILE_ERROR, "SyntaxError"),
    "exception while loaded": ("1 / 0", TEST, Status.RUNTIME_ERROR, "ZeroDivisionError"),
    "assertion while loaded": ("assert False", TEST, Status.RUNTIME_ERROR, "AssertionError"),
    "exception in a call": ("def f(x): return 1 / 0", TEST, Status.RUNTIME_ERROR, "ZeroDivisionError"),
    "no such function": ("", TEST, Status.RUNTIME_ERROR, "NameError"),
    "end while loaded": ("import os; os._exit(0)", TEST, Status.RUNTIME_ERROR, "program ended"),
    "end in a call": ("import os\ndef f(x): os._exit(0)", TEST, Status.RUNTIME_ERROR, "program ended"),
    "end in a call that the test survives": (
        "import os\ndef f(x): os._exit(0)",
        "try: f(1)\nexcept BaseException: pass",
        Status.RUNTIME_ERROR,
        "program ended",
    ),
    "SIGSEGV in a call": (
        "import ctypes\ndef f(x): ctypes.string_at(1)",
        TEST,
        Status.RUNTIME_ERROR,
        "program ended",
    ),
    "forbidden call": (
        "import ctypes\ndef f(x): return ctypes.CDLL(None).ptrace(0, 0, 0, 0)",
        TEST,
        Status.FORBIDDEN,
        "seccomp",
    ),
    "end of an iteration that the test walks": (
        "def f(x): raise StopIteration",
        "assert all(map(f, [1, 2]))",
        Status.RUNTIME_ERROR,
        "StopIteration",
    ),
    "object equal to everything": (EQUAL, TEST, Status.WRONG_ANSWER, "AssertionError"),
    "object true of everything": (EQUAL, "assert f(1)", Status.RUNTIME_ERROR, "cannot leave its process"),
    "bytes on the judge's channel": (
        "import os\ndef f(x):\n    for fd in range(3, 1024):\n        try: os.write(fd, b'x' * 99)\n"
        "        except OSError: pass",
        TEST,
        Status.RUNTIME_ERROR,
        "judge's channel",
    ),
    "all descriptors closed": ("import os\ndef f(x): os.closerange(0, 1024)", TEST, Status.RUNTIME_ERROR, "ended"),
    "signals to all": ("import os\ndef f(x): return os.kill(-1, 9)", TEST, Status.RUNTIME_ERROR, "ProcessLookupError"),
}
BEYOND_LIMITS: dict[str, tuple[str, dict[str, Any], Status]] = {
    "endless loop while loaded": ("while True: pass", {"cpu_seconds": 0.3}, Status.TIMEOUT),
    "endless loop in a call": ("def f(x):\n    while True: pass", {"cpu_seconds": 0.3}, Status.TIMEOUT),
    "sleep in a call": ("import time\ndef f(x): time.sleep(99)", {"wall_seconds": 0.3}, Status.TIMEOUT),
    "memory in a call": (
        "def f(x):\n    held = []\n    while True: held.append(bytearray(1 << 20))",
        {"memory_bytes": 128 * MEBIBYTE},
        Status.MEMORY_LIMIT,
    ),
    "output in a call": (
        "def f(x):\n    while True: print('x' * 999)",
        {"output_bytes": MEBIBYTE},
        Status.OUTPUT_LIMIT,
    ),
}


@pytest.fixture(scope="module", params=JAILS)
def split(request: pytest.FixtureRequest) -> Iterator[Split]:
    """Runs `source` with `tests` apart from it, in each of the jails in turn."""
    sandbox = open_or_skip(request.param)
    assert "split" in sandbox.judges

    def run(source: str, *tests: str, helpers: str = "", under_test: tuple[str, ...] = (), **limits: Any) -> Verdict:
        chosen = Limits(**({"cpu_seconds": 5.0, "wall_seconds": 30.0} | limits))
        verdict = sandbox.run(
            Program(source=source, tests=tests, judge="split", helpers=helpers, under_test=under_test, limits=chosen)
        )
        assert (verdict.judge, verdict.isolation) == ("split", sandbox.isolation)
        return verdict

    yield run
    sandbox.close()


@pytest.mark.parametrize("name", HONEST)
def test_honest_program_passes(split: Split, name: str) -> None:
    """A right program passes, whatever of Python its tests take from it."""
    verdict = split(*HONEST[name])
    assert (verdict.status, verdict.error, verdict.tests_passed) == (Status.PASSED, "", (True,))


@pytest.mark.parametrize("name", FAULTS)
def test_fault_has_its_status(split: Split, name: str) -> None:
    """Each fault of a program has one status, and the error says what happened."""
    source, test, status, says = FAULTS[name]
    verdict = split(source, test)
    assert verdict.status is status, verdict
    assert says in verdict.error


@pytest.mark.parametrize("name", BEYOND_LIMITS)
def test_limit_holds(split: Split, name: str) -> None:
    """Limits hold for the program's process, and the judge that waits for it ends too."""
    source, limits, status = BEYOND_LIMITS[name]
    assert split(source, TEST, **limits).status is status
    assert split(GOOD, TEST).passed


def test_tests_are_told_one_by_one(split: Split) -> None:
    """A failed test does not end the ones after it, and the verdict says which passed."""
    verdict = split(GOOD, TEST, "assert f(1) == 3", "assert f(2) == 3")
    assert (verdict.status, verdict.tests_passed) == (Status.WRONG_ANSWER, (True, False, True))


def test_no_tests_are_no_pass(split: Split) -> None:
    """A program without tests proves nothing."""
    assert split(GOOD).status is Status.RUNTIME_ERROR


def test_output_of_the_program_is_kept(split: Split) -> None:
    """Both streams of the program reach the verdict; what the tests print does not."""
    verdict = split(
        "import sys\nprint('loaded')\ndef f(x): print('called', file=sys.stderr); return 2", f"print('tests')\n{TEST}"
    )
    assert verdict.passed
    assert (verdict.stdout, verdict.stderr) == ("loaded\n", "called\n")


def test_helpers_are_the_judges_own(split: Split) -> None:
    """Helpers win over the program's names, except for those under test; the program cannot see them."""
    helpers = "def double(x): return 2 * x\ndef f(x): return 0"
    source = "def double(x): return 0\ndef f(x): return 6 if 'reference' not in globals() else 0"
    assert split(source, "assert f(1) == double(3)", helpers=helpers, under_test=("f",)).passed
    assert not split(source, "assert f(1) == double(3)", helpers=helpers).passed


def test_judge_that_ends_is_no_pass(split: Split) -> None:
    """A judge that ends or is killed before it has reported leaves no pass, whatever its exit status."""
    for end in ("import os; os._exit(0)", "import os; os.abort()", "import ctypes; ctypes.string_at(1)"):
        verdict = split(GOOD, f"{TEST}\n{end}")
        assert verdict.status is Status.RUNTIME_ERROR, verdict


def test_nothing_is_left_for_the_next_program(split: Split) -> None:
    """Files and state of one program are gone in the next, and those of the judge too."""
    assert split("open('/tmp/program', 'w')\ndef f(x): return 2", f"open('/tmp/judge', 'w')\n{TEST}").passed
    assert split("import os\ndef f(): return os.listdir('/tmp')", "assert f() == []").passed
