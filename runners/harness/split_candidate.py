"""The untrusted half of judge=split: load one program, then answer the judge's calls of its functions.

Nothing that this process says is believed: it holds neither tests, nor expected values, nor the nonce. The messages are
told in `wire`.
"""

from __future__ import annotations

import builtins
import sys
import types
from typing import Any

from runners.harness.codec import Codec, Unsendable
from runners.harness.python_inside import RESERVE
from runners.harness.wire import CALL, NAMES, Ended, Wire, bounded, describe, kind_of

_BUILTIN_NAMES = {
    value: name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException) and value.__name__ == name
}
_IMMUTABLE = frozenset({type(None), bool, int, float, complex, str, bytes, range})


def serve(source: str, module_name: str, connection: int) -> None:
    """Load a program and answer for it until the judge closes the connection.

    Args:
        source: the complete program.
        module_name: its `__name__`; `sys.modules` gets it under that name where it is free.
        connection: number of a connected, blocking stream socket whose other end the judge holds.
    """
    wire, codec = Wire(connection), Codec(judge=False)
    namespace, failure = load(source, module_name)
    try:
        wire.send(codec.encode(["loaded"] if failure is None else ["failed", *failure]))
        while failure is None:
            wire.send(_answer(wire.receive(), namespace, codec))
    except Ended:
        return


def load(source: str, module_name: str) -> tuple[dict[str, Any], tuple[str, str] | None]:
    """Execute a program in a fresh module; returns its namespace and, if it failed, the kind and the text of that."""
    module = types.ModuleType(module_name)
    if module_name == "__main__" or module_name not in sys.modules:
        sys.modules[module_name] = module
    namespace = vars(module)
    namespace["__builtins__"] = builtins
    try:
        code = compile(source, "<program>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError) as error:
        return namespace, ("compile_error", describe(error))
    except MemoryError as error:
        return namespace, ("memory_limit", describe(error))
    try:
        exec(code, namespace)
    except BaseException as error:
        RESERVE.clear()
        kind = kind_of(error)
        return namespace, ("runtime_error" if kind == "wrong_answer" else kind, describe(error))
    return namespace, None


def _answer(request: bytes, namespace: dict[str, Any], codec: Codec) -> bytes:
    """Do what the judge asks; the encoded answer."""
    what, rest = request[:1], request[1:]
    if what == CALL:
        name, _, body = rest.partition(b"\0")
        return _call(namespace.get(name.decode()), body, codec)
    if what == NAMES:
        return codec.encode(_defined(codec.decode(rest), namespace))
    return _reply(["value", namespace.get(rest.decode())], None, codec)


def _defined(names: list[str], namespace: dict[str, Any]) -> list[Any]:
    defined = [name for name in names if name in namespace]
    functions = [name for name in defined if callable(namespace[name])]
    return ["names", functions, [name for name in defined if name not in functions]]


def _call(function: Any, body: bytes, codec: Codec) -> bytes:  # noqa: ANN401
    """Call a function; the answer holds its arguments too where they are no longer what arrived."""
    arguments = codec.decode(body)
    args, flat = arguments
    kwargs = dict(zip(flat[::2], flat[1::2], strict=True))
    mutable = not _IMMUTABLE.issuperset(map(type, args)) or not _IMMUTABLE.issuperset(map(type, flat))
    try:
        answer: list[Any] = ["value", function(*args, **kwargs)]
    except BaseException as error:
        RESERVE.clear()
        answer = _raised(error)
    return _reply(answer, (arguments, body) if mutable else None, codec)


def _reply(answer: list[Any], arguments: tuple[list[Any], bytes] | None, codec: Codec) -> bytes:
    """Encode an answer, with the arguments if they differ from what they were; what cannot be sent is named."""
    try:
        if arguments is not None and codec.encode(arguments[0]) != arguments[1]:
            answer.append(arguments[0])
        return codec.encode(answer)
    except Unsendable as error:
        return codec.encode(["unsendable", bounded(str(error))])
    except Exception:  # a class whose attributes raise, a container that changes while it is read
        return codec.encode(["unsendable", "object"])


def _raised(error: BaseException) -> list[Any]:
    """Tell an exception: its nearest builtin class, arguments that give the same text, and its real name."""
    cls = next(cls for cls in type(error).__mro__ if cls in _BUILTIN_NAMES)
    name = "" if cls is type(error) else bounded(type(error).__name__)
    args = list(error.args)
    try:
        if type(error).__str__ is not cls.__str__:
            args = [str(error)]
        Codec(judge=False).encode(args)
    except BaseException:
        args = [describe(error)]
    return ["raise", _BUILTIN_NAMES[cls], args, name]
