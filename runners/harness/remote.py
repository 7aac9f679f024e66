"""The program as the judge sees it: its functions are called by message, and only plain data comes back.

Whatever else arrives breaks the connection for good, which no test can catch its way out of: see `Program.broken`.
"""

from __future__ import annotations

import builtins
from collections import deque
from typing import Any

from runners.harness.codec import Codec, Garbage, Unsendable
from runners.harness.wire import GET, NAMES, Ended, Wire, bounded
from runners.harness.zygote_protocol import PROGRAM_ENDED

Failure = tuple[str, str]
"""Kind and text."""
_EXCEPTIONS = {
    name: value
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}
INTERRUPTED = ("runtime_error", "a call of the program was interrupted")
_GARBAGE = ("runtime_error", "wrote to the judge's channel")
_ENDED = ("runtime_error", PROGRAM_ENDED)
_LOAD_FAILURES = ("compile_error", "memory_limit", "timeout", "runtime_error")


class CandidateError(Exception):
    """What the program raised where its class is no builtin and derives from none but Exception."""


class ConnectionLost(BaseException):
    """The program can answer no more; the failure is in the caller's `broken`, so catching this helps nobody."""


class Foreign:
    """Stands for a result that is no plain data: equal to nothing, neither true nor false, good for nothing."""

    __slots__ = ("_kind",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    def __bool__(self) -> bool:
        raise TypeError(f"the program returned an object that cannot leave its process: {self._kind}")

    def __repr__(self) -> str:
        return "<object that cannot leave its process>"


class Program:
    """The program at the other end of the connection."""

    def __init__(self, connection: int) -> None:
        """Talk over a connected, blocking stream socket by its number."""
        self._wire, self._codec = Wire(connection), Codec(judge=True)
        self.broken: Failure | None = None
        """Why nothing more is believed; once set it stays."""
        self.refused: Failure | None = None
        """Why the test at hand cannot pass: an argument that could not be sent."""

    def wait_until_loaded(self) -> Failure | None:
        """None once the program is loaded; else kind and text of its failure."""
        try:
            match self._exchange(b""):
                case ["loaded"]:
                    return None
                case ["failed", str(kind), str(error)] if kind in _LOAD_FAILURES:
                    return kind, bounded(error)
        except ConnectionLost:
            return self.broken
        return _GARBAGE

    def defined(self, names: list[str]) -> tuple[list[str], list[str]]:
        """Which of these names the program has bound to callables, and which to other values."""
        if not names:
            return [], []
        match self._exchange(NAMES + self._codec.encode(names)):
            case ["names", list(functions), list(values)] if all(name in names for name in functions + values):
                return functions, values
        raise self._lost(_GARBAGE)

    def value(self, name: str) -> Any:  # noqa: ANN401
        """What a name of the program is bound to now."""
        return self._result(self._exchange(GET + name.encode()), None)

    def call(self, prefix: bytes, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        """Call a function of the program: returns and raises what it does, and changes the arguments as it does.

        Raises:
            TypeError: an argument is no plain data.
        """
        arguments = [list(args), [part for pair in kwargs.items() for part in pair]]
        try:
            request = prefix + self._codec.encode(arguments)
        except Unsendable as error:
            text = f"an argument of the program's function is no plain data: {error}"
            # What the program itself returned must not make the problem look unfit for split.
            self.refused = ("runtime_error" if str(error) == Foreign.__name__ else "unsendable", text)
            raise TypeError(text) from None
        return self._result(self._exchange(request), arguments)

    def _exchange(self, request: bytes) -> Any:  # noqa: ANN401
        """Send a request, unless it is empty, and wait for the answer."""
        if self.broken is not None:
            raise ConnectionLost
        self.broken = INTERRUPTED  # stays if a timer of the tests ends this halfway
        try:
            if request:
                self._wire.send(request)
            answer = self._codec.decode(self._wire.receive())
        except Ended:
            raise self._lost(_ENDED) from None
        except Garbage:
            raise self._lost(_GARBAGE) from None
        self.broken = None
        return answer

    def _lost(self, reason: Failure) -> ConnectionLost:
        self.broken = reason
        return ConnectionLost(reason[1])

    def _result(self, answer: Any, arguments: list[Any] | None) -> Any:  # noqa: ANN401
        """Do here what an answer says: change arguments, then return or raise."""
        match answer:
            case ["value", result, *changed]:
                outcome = result
            case ["unsendable", str(kind), *changed]:
                outcome = Foreign(bounded(kind))
            case ["raise", str(cls), list(args), str(name), *changed] if cls in _EXCEPTIONS:
                outcome = _exception(cls, args, name)
                if isinstance(outcome, StopIteration | StopAsyncIteration):
                    # `all(map(f, cases))` would take it for the end of the cases and pass; PEP 479 does the same.
                    outcome = RuntimeError(f"the program raised {cls}")
            case _:
                raise self._lost(_GARBAGE)
        if changed:
            self._change(arguments, changed)
        if answer[0] == "raise":
            raise outcome from None
        return outcome

    def _change(self, arguments: list[Any] | None, changed: list[Any]) -> None:
        """Change the arguments of a call in place."""
        match arguments, changed:
            case [list(args), list(flat)], [[list(new_args), list(new_flat)]]:
                try:
                    restore((*args, *flat), (*new_args, *new_flat))
                except Garbage:
                    raise self._lost(_GARBAGE) from None
            case _:
                raise self._lost(_GARBAGE)


def _exception(cls: str, args: list[Any], name: str) -> BaseException:
    """The exception that the program raised, or the nearest that exists here."""
    kind = _EXCEPTIONS[cls]
    try:
        if name and kind in (Exception, BaseException):
            return CandidateError(f"{bounded(name)}: {', '.join(map(str, args))}")
        return kind(*args)
    except Exception:
        return CandidateError(f"{bounded(name) or cls}: {bounded(repr(args))}")


def restore(old: Any, new: Any) -> None:  # noqa: ANN401
    """Make a value, in place, what the program made of its copy; inner containers stay the same objects by position.

    Raises:
        Garbage: no change in place leads there.
    """
    kind = type(old)
    if kind is not type(new) or (kind is tuple and len(old) != len(new)):
        raise Garbage("argument of another type")
    if kind in (list, bytearray):
        old[:] = [_merged(*pair) for pair in zip(old, new, strict=False)] + list(new[len(old) :])
    elif kind is deque:
        items = [_merged(*pair) for pair in zip(old, new, strict=False)] + list(new)[len(old) :]
        old.clear()
        old.extend(items)
    elif kind is tuple:
        for pair in zip(old, new, strict=True):
            restore(*pair)
    elif isinstance(old, dict):
        items = [(key, _merged(old[key], value) if key in old else value) for key, value in new.items()]
        old.clear()
        for key, value in items:
            old[key] = value
    elif kind is set:
        old.clear()
        old.update(new)


def _merged(old: Any, new: Any) -> Any:  # noqa: ANN401
    if type(old) is type(new) and (type(old) in (list, bytearray, set, deque) or isinstance(old, dict)):
        restore(old, new)
        return old
    return new
