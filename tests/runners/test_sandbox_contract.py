"""What every sandbox does: one suite for the jails and for the plain process."""

from __future__ import annotations

from typing import Any

import pytest

from runners.program import MEBIBYTE, Status
from tests.runners.conftest import JAILS, RESTRICTED, SLOW_COLD_JAILS, Run, open_or_skip, runner_of
from tests.runners.processes import children, open_descriptors

GOOD = "def f(x):\n    return x + 1\n"
BAD = "def f(x):\n    return x\n"
TESTS = ("assert f(1) == 2",)

FAULTS: dict[str, tuple[str, tuple[str, ...], Status, str]] = {
    "wrong answer": (BAD, TESTS, Status.WRONG_ANSWER, "AssertionError"),
    "syntax error": ("def f(x) return x", TESTS, Status.COMPILE_ERROR, "SyntaxError"),
    "NUL in the source": ("x = '\0'", TESTS, Status.COMPILE_ERROR, "null bytes"),
    "lone surrogate in the source": ("x = '\ud800'", TESTS, Status.COMPILE_ERROR, "UnicodeEncodeError"),
    "nested too deeply to compile": ("x = " + "(" * 5000 + ")" * 5000, TESTS, Status.COMPILE_ERROR, ""),
    "exception while loaded": ("1 / 0", TESTS, Status.RUNTIME_ERROR, "ZeroDivisionError"),
    "exception in a test": ("def f(x): return 1 / 0", TESTS, Status.RUNTIME_ERROR, "ZeroDivisionError"),
    "assertion while loaded": ("assert False", TESTS, Status.RUNTIME_ERROR, "AssertionError"),
    "no such function": ("", TESTS, Status.RUNTIME_ERROR, "NameError"),
    "no tests at all": (GOOD, (), Status.RUNTIME_ERROR, "exit status 0"),
    "exit 0 while loaded": ("import os; os._exit(0)", TESTS, Status.RUNTIME_ERROR, "exit status 0 while"),
    "exit 0 in a test": ("import os\ndef f(x): os._exit(0)", TESTS, Status.RUNTIME_ERROR, "exit status 0 before"),
    "SystemExit while loaded": ("import sys; sys.exit(0)", TESTS, Status.RUNTIME_ERROR, "SystemExit"),
    "exit() in a test": ("def f(x): exit(0)", TESTS, Status.RUNTIME_ERROR, "SystemExit"),
    "becomes a program that ends well": (
        "import os, sys; os.execv(sys.executable, [sys.executable, '-c', ''])",
        TESTS,
        Status.RUNTIME_ERROR,
        "exit status 0",
    ),
    "prints what a pass looks like": (
        BAD + 'print(\'{"test": 0, "passed": true}\\n{"done": 1}\\n1 passed\')',
        TESTS,
        Status.WRONG_ANSWER,
        "AssertionError",
    ),
    "writes to every descriptor": (
        "import os\nfor fd in range(3, 1024):\n    try: os.write(fd, b'passed\\n')\n    except OSError: pass\n",
        TESTS,
        Status.RUNTIME_ERROR,
        "judge's channel",
    ),
    "MemoryError": ("raise MemoryError", TESTS, Status.MEMORY_LIMIT, "MemoryError"),
    "RecursionError": ("def f(x): return f(x)", TESTS, Status.RUNTIME_ERROR, "RecursionError"),
    "TimeoutError": ("def f(x): raise TimeoutError", TESTS, Status.TIMEOUT, "TimeoutError"),
    "exception that cannot be printed": (
        "class E(Exception):\n    def __str__(self): raise SystemExit(0)\nraise E",
        TESTS,
        Status.RUNTIME_ERROR,
        "cannot be printed",
    ),
    "exception that lies about its class": (
        "class E(Exception):\n    __class__ = property(lambda self: 1 / 0)\nraise E('lies')",
        TESTS,
        Status.RUNTIME_ERROR,
        "E: lies",
    ),
    "lone surrogate in an exception": (r"raise ValueError('a\ud800b')", TESTS, Status.RUNTIME_ERROR, "a?b"),
    "NUL and line break in an exception": (r"raise ValueError('a\0b\nc')", TESTS, Status.RUNTIME_ERROR, "a\ufffdb c"),
    "input()": ("input()", TESTS, Status.RUNTIME_ERROR, "EOFError"),
    "segmentation fault": ("import ctypes; ctypes.string_at(0)", TESTS, Status.RUNTIME_ERROR, "SIGSEGV"),
    "stack overflow": (
        "import ctypes, sys\nsys.setrecursionlimit(10**9)\n@ctypes.CFUNCTYPE(None)\ndef again(): again()\nagain()",
        TESTS,
        Status.RUNTIME_ERROR,
        "",
    ),
}

BEYOND_LIMITS: dict[str, tuple[str, dict[str, Any], Status, str]] = {
    "endless loop": ("while True: pass", {"cpu_seconds": 0.3}, Status.TIMEOUT, "0.3 s of CPU time"),
    "endless loop that catches everything": (
        "import signal\nfor n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n    except OSError: pass\n"
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        {"cpu_seconds": 0.3},
        Status.TIMEOUT,
        "0.3 s of CPU time",
    ),
    "sleeper": ("import time; time.sleep(600)", {"wall_seconds": 0.5}, Status.TIMEOUT, "0.5 s of wall time"),
    "large blocks": (
        "blocks = []\nwhile True: blocks.append(bytearray(1 << 20))",
        {"memory_bytes": 128 * MEBIBYTE},
        Status.MEMORY_LIMIT,
        "",
    ),
    "small objects": (
        "chain = None\nwhile True: chain = [chain]",
        {"memory_bytes": 96 * MEBIBYTE},
        Status.MEMORY_LIMIT,
        "",
    ),
    "endless output": ("while True: print('x' * 999)", {"output_bytes": 1 << 16}, Status.OUTPUT_LIMIT, "65536 bytes"),
    "a little too much output before the end": (
        "print('x' * 1024)",
        {"output_bytes": 1024},
        Status.OUTPUT_LIMIT,
        "1024 bytes",
    ),
    "large file": (
        "open('file', 'wb', buffering=0).write(bytes(2 << 20)); open('file', 'ab', buffering=0).write(b'x')",
        {"file_bytes": MEBIBYTE},
        Status.RUNTIME_ERROR,
        "File too large",
    ),
    "many open files": (
        "files = [open('/dev/null') for _ in range(64)]",
        {"open_files": 32},
        Status.RUNTIME_ERROR,
        "Too many open files",
    ),
}

WORKS = {
    "numpy": "import numpy\ndef f(x): return int(numpy.ones((2, 2)).dot([x, x])[0])",
    "subprocess": "import subprocess, sys\n"
    "def f(x): return int(subprocess.run([sys.executable, '-c', 'print(2)'], capture_output=True).stdout)",
    "threads": "import threading\ndef f(x):\n    out = []\n    t = threading.Thread(target=out.append, args=(x + 1,))\n"
    "    t.start(); t.join()\n    return out[0]",
    "a pool that runs a function of the program": "from multiprocessing import Pool\ndef g(x): return x + 1\n"
    "def f(x):\n    with Pool(1) as pool: return pool.map(g, [x])[0]",
    "temporary files": "import tempfile\ndef f(x):\n    with tempfile.NamedTemporaryFile('w+') as file:\n"
    "        file.write(str(x + 1)); file.seek(0)\n        return int(file.read())",
    "asyncio": "import asyncio\nasync def g(x):\n    await asyncio.sleep(0)\n    return x + 1\n"
    "def f(x): return asyncio.run(g(x))",
    "pickled classes of the program": "import pickle\nclass A: n = 1\n"
    "def f(x): return pickle.loads(pickle.dumps(A())).n + x",
    "its own module": "import __main__\ng = 2\ndef f(x): return __main__.g",
    "output and errors": "import sys\nprint('out')\nprint('err', file=sys.stderr)\ndef f(x): return x + 1",
}


NOT_AT_RESTRICTED = {
    "a pool that runs a function of the program": "POSIX semaphores are files in /dev/shm, which programs share there",
}
"""What honest programs cannot do at level `restricted`, and why."""


@pytest.fixture(scope="module", params=(*JAILS, *SLOW_COLD_JAILS, RESTRICTED, "none"))
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a program in each of the sandboxes in turn."""
    return runner_of(open_or_skip(request.param))


def test_honest_program_passes(run: Run) -> None:
    """A program whose tests end without an exception passes, with its cost and without an error."""
    verdict = run(GOOD, TESTS)
    assert (verdict.status, verdict.error, verdict.tests_passed) == (Status.PASSED, "", (True,))
    assert verdict.cpu_seconds > 0
    assert verdict.wall_seconds > 0


@pytest.mark.parametrize(("source", "tests", "status", "error"), FAULTS.values(), ids=FAULTS)
def test_fault_has_its_status(run: Run, source: str, tests: tuple[str, ...], status: Status, error: str) -> None:
    """Each fault of a program gets its own status and one line that names it; none is a pass."""
    verdict = run(source, tests, stack_bytes=8 * MEBIBYTE)
    assert verdict.status is status, verdict
    assert error in verdict.error
    assert verdict.error.isprintable()


@pytest.mark.parametrize(("source", "limits", "status", "error"), BEYOND_LIMITS.values(), ids=BEYOND_LIMITS)
def test_limit_ends_program(run: Run, source: str, limits: dict[str, Any], status: Status, error: str) -> None:
    """A program that wants more than a limit gives it is ended, and the verdict names the limit."""
    verdict = run(source, **limits)
    assert verdict.status is status, verdict
    assert error in verdict.error


@pytest.mark.parametrize("what", WORKS)
def test_ordinary_python_works(run: Run, what: str) -> None:
    """What honest programs use works as it does outside of a sandbox."""
    verdict = run(WORKS[what], TESTS)
    if verdict.isolation == "restricted" and what in NOT_AT_RESTRICTED:
        pytest.skip(NOT_AT_RESTRICTED[what])
    assert verdict.passed, verdict


def test_cpu_time_used_is_told_of_a_stopped_program(run: Run) -> None:
    """The CPU time of a program that had to be stopped is counted, not lost with its process."""
    verdict = run("import time\nfor _ in range(3_000_000): pass\ntime.sleep(600)", wall_seconds=1)
    assert verdict.status is Status.TIMEOUT
    assert verdict.cpu_seconds > 0.03


def test_each_test_has_its_result(run: Run) -> None:
    """A failed test does not hide the tests after it."""
    verdict = run(GOOD, ("assert f(1) == 2", "assert f(1) == 3", "assert f(2) == 3"))
    assert (verdict.status, verdict.tests_passed) == (Status.WRONG_ANSWER, (True, False, True))


def test_tests_never_reached_did_not_pass(run: Run) -> None:
    """Tests after the end of the program count as not passed."""
    verdict = run(GOOD, ("assert f(1) == 2", "import os; os._exit(0)", "assert f(1) == 2"))
    assert (verdict.status, verdict.tests_passed) == (Status.RUNTIME_ERROR, (True, False, False))


def test_no_test_results_without_a_loaded_program(run: Run) -> None:
    """Where no test started there are no results, which is not the same as failed ones."""
    assert run("1 / 0").tests_passed is None


def test_tests_share_the_namespace_of_the_program(run: Run) -> None:
    """A test sees what the program and the tests before it defined."""
    assert run(GOOD, ("g = f", "assert g(1) == 2")).passed


@pytest.mark.parametrize("name", ["__main__", "builtins", "solution"])
def test_name_is_the_one_asked_for(run: Run, name: str) -> None:
    """`__name__` is the Program's module_name, which decides whether a main block runs."""
    assert run("name = __name__", (f"assert name == __name__ == {name!r}",), module_name=name).passed


def test_first_and_last_output_is_kept(run: Run) -> None:
    """Of long output the verdict keeps both ends and says how much is missing."""
    verdict = run("print('first' + '-' * 10_000 + 'last', end='')", kept_bytes=20)
    assert verdict.stdout == "first-----\n... 9989 bytes left out ...\n------last"


def test_output_is_kept_apart(run: Run) -> None:
    """Standard output and standard error are kept in their own fields."""
    verdict = run("import sys\nprint('out')\nprint('err', file=sys.stderr)")
    assert (verdict.stdout, verdict.stderr) == ("out\n", "err\n")


def test_any_bytes_may_be_printed(run: Run) -> None:
    """Bytes that are no text become replacement characters."""
    verdict = run(r"import sys; sys.stdout.buffer.write(b'a\xff\0b')")
    assert (verdict.status, verdict.stdout) == (Status.PASSED, "a\ufffd\ufffdb")


def test_tests_of_five_megabytes_run(run: Run) -> None:
    """Test sources may be far longer than any pipe or message."""
    assert run("", (f"text = '{'a' * 5_000_000}'\nassert len(text) == 5_000_000",)).passed


def test_nothing_of_ours_stays_open(run: Run) -> None:
    """A run leaves no descriptor and no child process in the process that asked for it."""
    before = open_descriptors(), children()
    run("while True: print('x' * 999)", output_bytes=1 << 16)
    run("import os; os._exit(1)")
    assert (open_descriptors(), children()) == before


def test_no_environment_of_ours_is_seen(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets in our environment are not in the program's."""
    monkeypatch.setenv("SECRET_CANARY", "canary")
    assert run(
        "import os\nseen = str(os.environ)", ("assert 'HOME' in seen", "assert 'canary' not in seen.lower()")
    ).passed


LOOK_AROUND = """
import gc, os, socket, sys
seen = []
frame = sys._getframe()
while frame:
    seen += map(repr, [*frame.f_locals.items(), *frame.f_globals.items()])
    frame = frame.f_back
for thing in gc.get_objects():
    if type(thing) in (list, tuple):
        seen += [part for part in thing if type(part) in (str, bytes)]
    elif type(thing) is dict:
        seen += [part for part in thing.values() if type(part) in (str, bytes)]
for fd in range(1024):
    try:
        seen.append(socket.socket(fileno=os.dup(fd)).recv(1 << 16, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError:
        pass
seen = ''.join(map(str, seen))
"""


def test_program_cannot_see_its_tests_while_it_is_loaded(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the tests nor the nonce are in the process or on their way to it before the program was loaded."""
    monkeypatch.setattr("runners.supervise.secrets.token_hex", lambda _: "n-o-n-c-e")
    verdict = run(
        LOOK_AROUND, ("assert 'MSG_PEEK' in seen", "assert 'quagga' not in seen", "assert 'n-o-n-c-e' not in seen")
    )
    assert verdict.passed, verdict
