"""The two halves of judge=split, joined by a socket: honest programs in a process, hostile ones as bytes."""

from __future__ import annotations

import ast
import base64
import gzip
import json
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from runners.harness import split_candidate, split_judge
from runners.harness.codec import MAX_MESSAGE_BYTES, Codec
from runners.harness.remote import Foreign
from tests.runners.conftest import Run

HARNESS = Path(split_judge.__file__).parent

NONCE = "nonce"


def judged(source: str, *tests: str, helpers: str = "", under_test: Iterable[str] = ()) -> list[dict[str, Any]]:
    """All that the judge reports of a program, which runs in a child process."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            ours.close()
            split_candidate.serve(source, "program", theirs.fileno())
        finally:
            os._exit(0)
    theirs.close()
    reports: list[dict[str, Any]] = []
    try:
        with ours:
            split_judge.run(tests, NONCE, ours.fileno(), reports.append, helpers, under_test=under_test)
    finally:
        os.waitpid(child, 0)
    return reports


def passes(index: int) -> dict[str, Any]:
    """What is reported of a test that passed."""
    return {"nonce": NONCE, "test": index, "passed": True}


def failure_of(source: str, test: str, **options: Any) -> tuple[str, str]:
    """Kind and error of one test that must fail."""
    loaded, result, done = judged(source, test, **options)
    assert (loaded, done) == ({"loaded": True}, {"nonce": NONCE, "done": 1})
    assert (result["nonce"], result["test"], result["passed"]) == (NONCE, 0, False)
    return result["kind"], result["error"]


HONEST: dict[str, tuple[str, str]] = {
    "result": ("def f(x): return x + 1", "assert f(1) == 2"),
    "keyword arguments": ("def f(a, *, b): return a - b", "assert f(b=1, a=3) == 2"),
    "default arguments": ("def f(a, b=2): return a * b", "assert f(3) == 6 and f(3, 3) == 9"),
    "none": ("def f(): pass", "assert f() is None"),
    "recursion": ("def f(n): return n and 1 + f(n - 1)", "assert f(900) == 900"),
    "two functions": ("def f(x): return g(x) + 1\ndef g(x): return 2 * x", "assert f(g(2)) == 9"),
    "state between calls": ("seen = []\ndef f(x): seen.append(x); return len(seen)", "assert (f(0), f(0)) == (1, 2)"),
    "constant": ("LIMIT = (1, 2)", "assert LIMIT == (1, 2)"),
    "constant that changes": ("n = 0\ndef f():\n    global n\n    n += 1", "f()\nassert n == 1\nf()\nassert n == 2"),
    "constant used in a function": ("n = 5\ndef f(): return n", "def check(): return max(n, 0) == f()\nassert check()"),
    "exact types": (
        "def f(x): return x",
        "for x in (True, 1, 1.0, (1,), [1], {1}, frozenset({1}), b'1', '1', range(3), 10**5000):\n"
        "    assert type(f(x)) is type(x) and f(x) == x",
    ),
    "sign of zero": ("def f(x): return x", "import math\nassert math.copysign(1, f(-0.0)) == -1"),
    "nan": ("def f(x): return x", "n = float('nan')\nassert f(n) is n and f([n]) == [n] and f(n) != n"),
    "order of dicts": ("def f(d): return dict(reversed(d.items()))", "assert list(f({'a': 1, 'b': 2})) == ['b', 'a']"),
    "lone surrogate": ("def f(s): return s[0]", "assert f('\\ud83d\\ude00') == '\\ud83d'"),
    "list changed in place": ("def f(x): x.sort()", "x = [2, 1]\nassert f(x) is None and x == [1, 2]"),
    "list emptied": ("def f(x): x.clear()", "x = [2, 1]\nf(x)\nassert x == []"),
    "inner list changed": ("def f(x): x[0].append(9)", "row = [1]\nx = [row, 2]\nf(x)\nassert row == [1, 9]"),
    "list in a tuple changed": ("def f(x): x[0].append(9)", "x = ([1], 2)\nf(x)\nassert x == ([1, 9], 2)"),
    "tuple in a list replaced": ("def f(x): x[0] = (3, [4])", "x = [(1, [2])]\nf(x)\nassert x == [(3, [4])]"),
    "dict changed": (
        "def f(d): d.pop('a'); d['c'] = [1]",
        "d = {'a': 1, 'b': 2}\nf(d)\nassert d == {'b': 2, 'c': [1]}",
    ),
    "set changed": ("def f(s): s.add(3)", "s = {1}\nf(s)\nassert s == {1, 3}"),
    "bytearray changed": ("def f(b): b[0] = 65", "b = bytearray(b'xy')\nf(b)\nassert b == b'Ay'"),
    "counter changed": (
        "def f(c): c['a'] += 1; c['b'] = 0",
        "from collections import Counter\nc = Counter('ab')\nf(c)\nassert dict(c) == {'a': 2, 'b': 0}",
    ),
    "deque changed": (
        "def f(d): d.rotate(1)",
        "from collections import deque\nd = deque([1, 2, 3])\nf(d)\nassert list(d) == [3, 1, 2]",
    ),
    "keyword argument changed": ("def f(*, x): x.append(1)", "x = []\nf(x=x)\nassert x == [1]"),
    "changed before an exception": (
        "def f(x):\n    x.append(1)\n    raise ValueError",
        "x = []\ntry: f(x)\nexcept ValueError: assert x == [1]\nelse: assert False",
    ),
    "unchanged argument": ("def f(x): return sorted(x)", "x = [2, 1]\nassert f(x) == [1, 2] and x == [2, 1]"),
    "expected exception": ("def f(): 1 / 0", "try: f()\nexcept ZeroDivisionError: pass\nelse: assert False"),
    "expected message": (
        "def f(): raise ValueError('no', 3)",
        "try: f()\nexcept ValueError as e: assert e.args == ('no', 3)\nelse: assert False",
    ),
    "KeyError's text": ("def f(): {}['a']", "try: f()\nexcept KeyError as e: assert str(e) == \"'a'\"\nelse: assert 0"),
    "operating system's errors": (
        "def f(): open('/does/not/exist')",
        "try: f()\nexcept FileNotFoundError as e: assert e.errno == 2\nelse: assert False",
    ),
    "exception of many arguments": ("def f(): b'\\xff'.decode()", "try: f()\nexcept UnicodeDecodeError: pass"),
    "custom exception from ValueError": (
        "class Bad(ValueError): pass\ndef f(): raise Bad('text')",
        "try: f()\nexcept ValueError as e: assert str(e) == 'text' and type(e) is ValueError\nelse: assert False",
    ),
    "custom exception with a text of its own": (
        "class Bad(KeyError):\n    def __str__(self): return 'own'\ndef f(): raise Bad(1)",
        "try: f()\nexcept KeyError as e: assert e.args == ('own',)\nelse: assert False",
    ),
    "custom exception": (
        "class Bad(Exception): pass\ndef f(): raise Bad('text')",
        "try: f()\nexcept Exception as e: assert str(e) == 'Bad: text'\nelse: assert False",
    ),
    "expected SystemExit": ("import sys\ndef f(): sys.exit(3)", "try: f()\nexcept SystemExit as e: assert e.code == 3"),
    "bound method": ("f = 'a-b'.split", "assert f('-') == ['a', 'b']"),
    "class called for plain data": ("f = int", "assert f('3') == 3"),
    "name of the function": ("def f(): pass", "assert f.__name__ == 'f' and callable(f)"),
    "map over the function": ("def f(x): return x * x", "assert sum(map(f, range(4))) == 14"),
    "functions of the standard library": ("def f(): return [0.1 + 0.2]", "import math\nassert math.isclose(*f(), 0.3)"),
    "views": ("def f(d): return d.keys()", "assert f({'a': 1}) == {'a'} and sorted(f({2: 0, 1: 0})) == [1, 2]"),
    "its own output": ("print('passed')\ndef f(): return 1", "assert f() == 1"),
    "large values": ("def f(x): return x[::-1]", "x = list(range(100_000))\nassert f(x) == x[::-1]"),
}


@pytest.mark.parametrize(("source", "test"), HONEST.values(), ids=HONEST)
def test_honest_program_passes(source: str, test: str) -> None:
    """What passes in the program's own process passes in the judge's."""
    assert judged(source, test) == [{"loaded": True}, passes(0), {"nonce": NONCE, "done": 1}]


WRONG: dict[str, tuple[str, str, str]] = {
    "wrong value": ("def f(): return 1", "assert f() == 2", "wrong_answer"),
    "tuple for list": ("def f(): return (1,)", "assert f() == [1]", "wrong_answer"),
    "missing function": ("", "assert f() == 1", "runtime_error"),
    "generator": ("def f(): yield 1", "assert f() == [1]", "wrong_answer"),
    "generator taken apart": ("def f(): yield 1", "assert list(f()) == [1]", "runtime_error"),
    "object that equals all": (
        "class A:\n    __eq__ = lambda s, o: True\ndef f(): return A()",
        "assert f() == 1",
        "wrong_answer",
    ),
    "int that equals all": (
        "class A(int):\n    __eq__ = lambda s, o: True\ndef f(): return A()",
        "assert f() == 1",
        "wrong_answer",
    ),
    "object inside a list": ("def f(): return [object()]", "assert f()[0] != 1", "runtime_error"),
    "object is not true": ("def f(): return object()", "assert f()", "runtime_error"),
    "object is not false": ("def f(): return object()", "assert not f()", "runtime_error"),
    "object is passed on": ("def f(x=0): return object()", "try: f(f())\nexcept TypeError: pass", "runtime_error"),
    "object inside is passed on": (
        "def f(x=0): return object()",
        "try: f([f()])\nexcept TypeError: pass",
        "runtime_error",
    ),
    "cycle": ("def f():\n    x = []\n    x.append(x)\n    return x", "assert f() == []", "wrong_answer"),
    "class that cannot be looked at": (
        "class M(type):\n    __module__ = []\n    __hash__ = None\nclass A(metaclass=M): pass\ndef f(): return A()",
        "assert f() == 1",
        "wrong_answer",
    ),
    "exception": ("def f(): raise ValueError('x')", "assert f() == 1", "runtime_error"),
    "assertion of its own": ("def f(): assert False", "f()", "wrong_answer"),
    "memory": ("def f(): raise MemoryError", "f()", "memory_limit"),
    "timeout": ("def f(): raise TimeoutError", "f()", "timeout"),
    "exit": ("import sys\ndef f(): sys.exit(0)", "f()", "runtime_error"),
    "interrupt": ("def f(): raise KeyboardInterrupt", "f()", "runtime_error"),
    "endless recursion": ("def f(): return f()", "f()", "runtime_error"),
    "exception that cannot be printed": (
        "class E(Exception):\n    def __str__(self): raise E\ndef f(): raise E",
        "f()",
        "runtime_error",
    ),
    "test that does not compile": ("def f(): pass", "assert f( is None", "runtime_error"),
}


@pytest.mark.parametrize(("source", "test", "kind"), WRONG.values(), ids=WRONG)
def test_wrong_program_fails(source: str, test: str, kind: str) -> None:
    """What fails in the program's own process, and what no plain data shows to be right, fails with its kind."""
    assert failure_of(source, test)[0] == kind


def test_exception_is_named_in_the_failure() -> None:
    """The error line says what the program raised."""
    assert failure_of("def f(): raise ValueError('no')", "f()") == ("runtime_error", "ValueError: no")
    custom = "class Bad(Exception): pass\ndef f(): raise Bad('no')"
    assert failure_of(custom, "f()") == ("runtime_error", "CandidateError: Bad: no")


def test_function_as_argument_shows_that_split_does_not_fit() -> None:
    """A test that gives a function to the program fails, even if it expects the TypeError, with a kind of its own."""
    test = "try: f(lambda: 1)\nexcept TypeError as error: assert 'function' in str(error)"
    assert failure_of("def f(x): return x()", test) == (
        "unsendable",
        "an argument of the program's function is no plain data: function",
    )


FAILED_LOADS: dict[str, tuple[str, str]] = {
    "no program": ("def f(:", "compile_error"),
    "NUL": ("\0", "compile_error"),
    "raises": ("1 / 0", "runtime_error"),
    "asserts": ("assert False", "runtime_error"),
    "exits": ("raise SystemExit(0)", "runtime_error"),
    "MemoryError": ("raise MemoryError", "memory_limit"),
    "TimeoutError": ("raise TimeoutError", "timeout"),
}


@pytest.mark.parametrize(("source", "kind"), FAILED_LOADS.values(), ids=FAILED_LOADS)
def test_program_that_does_not_load_gets_no_tests(source: str, kind: str) -> None:
    """The failure is reported and nothing after it."""
    (report,) = judged(source, "pass")
    assert (report["loaded"], report["kind"]) == (False, kind)
    assert report["error"]


def test_each_test_is_reported_in_order() -> None:
    """A failed test does not keep the next from running in the same namespace."""
    reports = judged("def f(x): return x", "y = f(1)", "assert f(1) == 2", "assert y == 1")
    assert [report.get("passed") for report in reports[1:4]] == [True, False, True]
    assert reports[1:] == [passes(0), {**reports[2], "test": 1}, passes(2), {"nonce": NONCE, "done": 3}]


def test_program_that_ends_fails_all_that_remains() -> None:
    """After its death no test passes, not even one that does not call it or that catches everything."""
    source = "import os\ndef f(): return 1\ndef g(): os._exit(0)"
    tests = ("assert f() == 1", "try: g()\nexcept BaseException: pass", "pass")
    reports = judged(source, *tests)
    lost = {"passed": False, "kind": "runtime_error", "error": "program ended"}
    assert reports[1:4] == [passes(0), {"nonce": NONCE, "test": 1, **lost}, {"nonce": NONCE, "test": 2, **lost}]


def test_program_that_ends_while_loaded_is_not_loaded() -> None:
    """An exit status of 0 before the answer is no answer."""
    assert judged("import os; os._exit(0)", "pass") == [
        {"loaded": False, "kind": "runtime_error", "error": "program ended"}
    ]


def test_helpers_are_the_judges_own() -> None:
    """A helper that the program redefines stays what it was; the function under test is the program's."""
    helpers = "def double(x): return 2 * x\ndef f(x):\n    'to be written'\n"
    source = "def double(x): return 0\ndef f(x): return 2 * x"
    test = "assert f(2) == double(2) == 4"
    assert judged(source, test, helpers=helpers, under_test=["f"])[1] == passes(0)
    assert failure_of(source, test, helpers=helpers)[0] == "wrong_answer"


def test_stub_of_the_helpers_is_never_the_function_under_test() -> None:
    """A program that lacks the function fails even if the helpers have one of that name."""
    assert failure_of("", "assert f() is None", helpers="def f(): pass", under_test=["f"]) == (
        "runtime_error",
        "NameError: name 'f' is not defined",
    )


def test_builtins_are_the_judges_own() -> None:
    """A program's `sorted` is not the tests' one, unless it is what they test."""
    source = "def sorted(x): return 'mine'\ndef f(x): return x"
    assert failure_of(source, "assert sorted(f([1])) == 'mine'")[0] == "wrong_answer"
    assert judged(source, "assert sorted([1]) == 'mine'", under_test=["sorted"])[1] == passes(0)


def test_broken_helpers_pass_nothing() -> None:
    """Helpers that raise fail each test."""
    kind, error = failure_of("def f(): return 1", "assert f() == 1", helpers="1 / 0")
    assert (kind, error) == ("runtime_error", "ZeroDivisionError: division by zero")


def test_one_preparation_judges_many_programs() -> None:
    """Prepared tests hold no state of the program before."""
    prepared = split_judge.prepare(["n = 0", "n += f()\nassert n == 1"])
    for result in (1, 2, 1):
        assert reports_of([*START, stream(["value", result])], prepared)[2]["passed"] is (result == 1)


def test_object_that_stands_for_others_is_good_for_nothing() -> None:
    """It equals nothing, itself included, and neither its text nor its hash depends on the program."""
    foreign = Foreign("1")
    assert foreign != foreign
    assert not foreign == 1  # noqa: SIM201
    assert "1" not in repr(foreign) + str(foreign) + f"{foreign}"
    for use in (bool, len, iter, hash, int, float, abs, sorted):
        with pytest.raises(TypeError):
            use(foreign)  # type: ignore[operator]


NEEDED: dict[str, tuple[list[str], set[str]]] = {
    "call": (["assert f(x=1) == len([2])"], {"f", "len"}),
    "own names": (["import math\nfrom a import b as c\nx = 1\ndef g(): return x + c + math.pi\ng()"], set()),
    "inside functions": (
        ["def check(c):\n    y = helper(c)\n    return [poly(i) for i in y]\ncheck(f)"],
        {"helper", "poly", "f"},
    ),
    "parameters and locals": (["def check(candidate, *a, **k):\n    t = 1\n    return candidate(t)"], set()),
    "closures": (["def a(x):\n    def b(): return x + z\n    return b"], {"z"}),
    "earlier test": (["x = f(1)", "assert x == 2"], {"f"}),
    "later test": (["assert x == 2", "x = 1"], {"x"}),
    "global in a function": (["def a():\n    global n\n    n = 1\na(); print(n)"], {"print"}),
    "attributes": (["a.b.c(d.e)"], {"a", "d"}),
    "comprehension": (["[i for i in range(3) if p(i)]"], {"range", "p"}),
    "lambda and default": (["g = lambda x, y=w: x + v"], {"w", "v"}),
    "class": (["class A(B):\n    z = q\n    def m(self): return r"], {"B", "q", "r"}),
    "exception": (["try: f()\nexcept Bad as e: print(e)"], {"f", "Bad", "print"}),
}


@pytest.mark.parametrize(("sources", "names"), NEEDED.values(), ids=NEEDED)
def test_names_that_tests_take_from_the_program(sources: list[str], names: set[str]) -> None:
    """Global names that are used and not bound before; attributes, parameters and locals are none."""
    assert split_judge.needed_names(sources) == names


def test_humaneval_needs_only_what_is_under_test(shared_data: Path) -> None:
    """Of all 164 problems, with the prompt as helpers, the tests want the entry point and nothing else."""
    with gzip.open(shared_data / "humaneval" / "HumanEval.jsonl.gz", "rt") as lines:
        records = [json.loads(line) for line in lines]
    assert len(records) == 164
    for record in records:
        test = f"{record['test']}\ncheck({record['entry_point']})"
        own = {node.name for node in ast.parse(record["prompt"]).body if isinstance(node, ast.FunctionDef)}
        prepared = split_judge.prepare([test], record["prompt"], [record["entry_point"]])
        assert prepared.names == {record["entry_point"]}, record["task_id"]
        assert split_judge.prepare([test]).names <= own, record["task_id"]


CANONICAL = """
import base64, json, os, socket, sys, types
job = json.loads(base64.b64decode({job!r}))
for name in ("runners", "runners.harness"):
    sys.modules[name] = types.ModuleType(name)
for name in ("codec", "wire", "remote", "split_candidate", "split_judge"):
    path = "runners.harness." + name
    sys.modules[path] = module = types.ModuleType(path)
    exec(compile(job["modules"][name], name, "exec"), vars(module))
from runners.harness.split_candidate import serve
from runners.harness.split_judge import run
failed = []
for record in job["records"]:
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        serve(record["prompt"] + record["canonical_solution"], "builtins", theirs.fileno())
        os._exit(0)
    theirs.close()
    test = record["test"] + "\\ncheck(" + record["entry_point"] + ")"
    seen = []
    with ours:
        run([test], "n", ours.fileno(), seen.append, record["prompt"], under_test=[record["entry_point"]])
    os.wait()
    if seen != [{{"loaded": True}}, {{"nonce": "n", "test": 0, "passed": True}}, {{"nonce": "n", "done": 1}}]:
        failed.append((record["task_id"], seen))
"""


@pytest.mark.slow
def test_canonical_solutions_of_humaneval_pass(shared_data: Path, jail: Run) -> None:
    """All 164 pass with program and tests in two processes of one jail."""
    with gzip.open(shared_data / "humaneval" / "HumanEval.jsonl.gz", "rt") as lines:
        records = [json.loads(line) for line in lines]
    names = ("codec", "wire", "remote", "split_candidate", "split_judge")
    job = {"records": records, "modules": {name: (HARNESS / f"{name}.py").read_text() for name in names}}
    source = CANONICAL.format(job=base64.b64encode(json.dumps(job).encode()).decode())
    verdict = jail(source, ("assert len(job['records']) == 164 and failed == [], failed[:3]",), cpu_seconds=60)
    assert verdict.passed, verdict


def stream(*answers: Any) -> bytes:
    """Answers as a program would send them."""
    encoded = [Codec(judge=False).encode(answer) for answer in answers]
    return b"".join(len(data).to_bytes(4, "big") + data for data in encoded)


def reports_of(answers: list[bytes], prepared: split_judge.Prepared) -> list[dict[str, Any]]:
    """What the judge reports of a program that answers each request with the next bytes, then closes."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        for index, answer in enumerate(answers):
            if index == 0 or theirs.recv(1 << 16):
                theirs.sendall(answer)
        os._exit(0)
    theirs.close()
    reports: list[dict[str, Any]] = []
    with ours:
        split_judge.judge(prepared, NONCE, ours.fileno(), reports.append)
    os.waitpid(child, 0)
    return reports


TAKES_ALL = split_judge.prepare(["x = [1]\ntry: f(x)\nexcept BaseException: pass", "pass"])
"""Tests that pass whatever the program does, as long as it keeps to the protocol."""
START = [stream(["loaded"]), stream(["names", ["f"], []])]


def frame(data: bytes) -> bytes:
    """Bytes with their length."""
    return len(data).to_bytes(4, "big") + data


HOSTILE = {
    "no JSON": frame(b"hello"),
    "empty": frame(b""),
    "another type": stream({"value": 1}),
    "number": stream(1),
    "unknown answer": stream(["passed", 1]),
    "answer without a value": stream(["value"]),
    "too many parts": stream(["value", 1, [[[1]], []], 2]),
    "arguments of another number": stream(["value", 1, [[[1], 2], []]]),
    "arguments of another type": stream(["value", 1, [["x"], []]]),
    "arguments that are none": stream(["value", 1, 2]),
    "exception that is none": stream(["raise", "print", ["x"], ""]),
    "exception by another name": stream(["raise", "CandidateError", [], ""]),
    "exception without a class": stream(["raise", None, [], ""]),
    "names again": stream(["names", ["f"], []]),
    "loaded again": stream(["loaded"]),
    "two answers at once": stream(["value", 1], ["value", 1]),
    "deep": frame(b"[" * 100_000),
    "a report": frame(json.dumps({"nonce": NONCE, "test": 0, "passed": True}).encode()),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_garbage_never_passes(data: bytes) -> None:
    """Anything but an answer fails the test at hand, which catches everything, and all after it."""
    reports = reports_of([*START, data], TAKES_ALL)
    lost = {"nonce": NONCE, "passed": False, "kind": "runtime_error", "error": "wrote to the judge's channel"}
    assert reports == [{"loaded": True}, {"test": 0, **lost}, {"test": 1, **lost}, {"nonce": NONCE, "done": 2}]


def raw_reports(data: bytes) -> list[dict[str, Any]]:
    """What the judge reports of bytes that wait in the socket before it asks, followed by the end."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        reports: list[dict[str, Any]] = []
        split_judge.judge(TAKES_ALL, NONCE, ours.fileno(), reports.append)
    return reports


RAW = {
    "nothing": b"",
    "half a length": b"\0\0",
    "half a message": b"\0\0\0\x09[",
    "length of 4 GiB": b"\xff\xff\xff\xff",
    "one byte above the bound": (MAX_MESSAGE_BYTES + 1).to_bytes(4, "big"),
    "claims to have failed as it likes": stream(["failed", "passed", ""]),
    "failure of another type": stream(["failed", "runtime_error", 1]),
    "answers before it is asked": b"".join(START) + stream(["value", 1]),
    "zeros": bytes(4096),
}


@pytest.mark.parametrize("data", RAW.values(), ids=RAW)
def test_bytes_out_of_turn_load_nothing(data: bytes) -> None:
    """A program whose first message is not one is not loaded, and no test is run."""
    (report,) = raw_reports(data)
    assert (report["loaded"], report["kind"]) == (False, "runtime_error")


def test_names_that_were_not_asked_for_are_garbage() -> None:
    """A program cannot bind a name in the judge's namespace that the tests do not take from it."""
    answers = [START[0], stream(["names", ["f", "len"], []]), stream(["value", 1])]
    reports = reports_of(answers, TAKES_ALL)
    assert [report.get("passed") for report in reports[1:3]] == [False, False]


def test_constant_that_is_garbage_passes_nothing() -> None:
    """What the program calls a constant is fetched when it is used, by the same rules as a result."""
    reports = reports_of([START[0], stream(["names", [], ["f"]]), frame(b"garbage")], TAKES_ALL)
    assert [report.get("passed") for report in reports[1:3]] == [False, False]
