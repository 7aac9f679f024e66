"""The trusted half of judge=split: run tests against a program that lives in another process.

The names that the tests take from the program are bound to functions that call it by message. What comes back is plain
data that is built, compared and printed here by trusted types, so that the worst a program can do is to give a wrong
answer. A connection that carried anything but answers fails the test at hand and all after it.
"""

from __future__ import annotations

import builtins
import symtable
from collections.abc import Callable, Iterable, Sequence
from types import CodeType
from typing import Any, NamedTuple

from runners.harness.python_inside import RESERVE
from runners.harness.remote import INTERRUPTED, Failure, Program
from runners.harness.wire import CALL, describe, kind_of

Report = Callable[[dict[str, Any]], None]


class Prepared(NamedTuple):
    """The tests of one problem, compiled: made once, before the processes that run them are forked."""

    tests: tuple[CodeType | BaseException, ...]
    """A test that does not compile is kept as the exception, which it raises in its turn."""
    helpers: CodeType
    names: frozenset[str]
    """What the tests may take from the program."""
    under_test: frozenset[str]
    module_name: str


def run(
    tests: Sequence[str],
    nonce: str,
    connection: int,
    report: Report,
    helpers: str = "",
    *,
    under_test: Iterable[str] = (),
    module_name: str = "__main__",
) -> None:
    """`prepare` and `judge` in one step."""
    judge(prepare(tests, helpers, under_test, module_name), nonce, connection, report)


def prepare(
    tests: Sequence[str], helpers: str = "", under_test: Iterable[str] = (), module_name: str = "__main__"
) -> Prepared:
    """Compile tests and find out what they need of the program.

    Args:
        tests: sources, run in order in one namespace.
        helpers: trusted source that is executed there before them; what it defines is not taken from the program.
        under_test: names taken from the program in any case: before helpers and before builtins.
        module_name: `__name__` of the namespace.

    Raises:
        SyntaxError: the helpers do not compile.
    """
    compiled = tuple(map(_compiled, tests))
    sources = [source for source, code in zip(tests, compiled, strict=True) if isinstance(code, CodeType)]
    needed = needed_names([helpers, *sources])
    return Prepared(
        tests=compiled,
        helpers=compile(helpers, "<helpers>", "exec", dont_inherit=True),
        names=frozenset(needed - vars(builtins).keys()) | frozenset(under_test),
        under_test=frozenset(under_test),
        module_name=module_name,
    )


def _compiled(source: str) -> CodeType | BaseException:
    try:
        return compile(source, "<test>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        return error


def needed_names(sources: Iterable[str]) -> set[str]:
    """Global names that sources, run in order in one namespace, use without having bound them; builtins included."""
    bound: set[str] = set()
    needed: set[str] = set()
    for source in sources:
        used: set[str] = set()
        pending = [symtable.symtable(source, "<test>", "exec")]
        while pending:
            table = pending.pop()
            pending += table.get_children()
            outermost = table.get_type() == "module"
            for symbol in table.get_symbols():
                if outermost or symbol.is_global():
                    bound |= {symbol.get_name()} if symbol.is_assigned() or symbol.is_imported() else set()
                    used |= {symbol.get_name()} if symbol.is_referenced() else set()
        needed |= used - bound
    return needed


def judge(prepared: Prepared, nonce: str, connection: int, report: Report) -> None:
    """Run all tests against the program at the other end of a connection; may be called again for the next program.

    Reports `{"loaded": ...}`, then, if it is loaded, one message per test and `{"done": n}`, with the nonce, in the
    form of `python_inside`. Kind `unsendable` says that the tests gave a function an argument that is no plain data:
    heed it where the reference solution shows that split does not fit a problem, never to excuse a sample.

    Args:
        prepared: what `prepare` gave.
        nonce: proof that a report is the judge's.
        connection: number of a connected, blocking stream socket that `split_candidate.serve` answers.
        report: takes each message.
    """
    program = Program(connection)
    failure = program.wait_until_loaded()
    report({"loaded": failure is None, **(_told(failure) if failure else {})})
    if failure is not None:
        return
    unusable, namespace = None, {}
    try:
        namespace = _namespace(prepared, program)
    except BaseException as error:
        unusable = program.broken or (kind_of(error), describe(error))
    for index, test in enumerate(prepared.tests):
        failure = unusable or program.broken or _run_test(test, namespace, program)
        report({"nonce": nonce, "test": index, "passed": failure is None, **(_told(failure) if failure else {})})
    report({"nonce": nonce, "done": len(prepared.tests)})


def _told(failure: Failure) -> dict[str, str]:
    return {"kind": failure[0], "error": failure[1]}


def _namespace(prepared: Prepared, program: Program) -> dict[str, Any]:
    """A fresh namespace with helpers and the program's names; those that the program lacks stay unbound."""
    namespace: dict[str, Any] = {"__name__": prepared.module_name, "__builtins__": builtins}
    exec(prepared.helpers, namespace)
    for name in prepared.under_test:
        namespace.pop(name, None)
    functions, values = program.defined(sorted(prepared.names - namespace.keys()))
    namespace.update((name, _proxy(name, program)) for name in functions)
    return _Live(namespace, frozenset(values), program) if values else namespace


class _Live(dict[str, Any]):
    """A namespace in which the program's constants are read anew whenever they are used."""

    def __init__(self, namespace: dict[str, Any], values: frozenset[str], program: Program) -> None:
        super().__init__(namespace)
        self._values, self._program = values, program

    def __missing__(self, name: str) -> Any:  # noqa: ANN401
        if name not in self._values:
            raise KeyError(name)
        return self._program.value(name)


def _run_test(test: CodeType | BaseException, namespace: dict[str, Any], program: Program) -> Failure | None:
    """Kind and text of a test's failure; None if it passed."""
    failure: Failure | None = None
    program.refused = None
    if isinstance(test, BaseException):
        return kind_of(test), describe(test)
    try:
        exec(test, namespace)
    except BaseException as error:
        RESERVE.clear()
        failure = kind_of(error), describe(error)
    if program.broken is INTERRUPTED and failure is not None:
        return failure
    return program.broken or program.refused or failure


def _proxy(name: str, program: Program) -> Callable[..., Any]:
    """A function that calls the program's function of that name."""
    prefix = CALL + name.encode() + b"\0"

    def proxy(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        return program.call(prefix, args, kwargs)

    proxy.__name__ = proxy.__qualname__ = name
    return proxy
