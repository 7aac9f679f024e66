"""Inside the jail: load one Python program, then fetch its tests and run them in its namespace (judge=inside).

Runs as a script under the interpreter that judges; imports nothing of ours. Speaks length-prefixed JSON over the socket
whose number is its first argument. The tests and the nonce arrive only after the program has been loaded, and a result
without the nonce is worth nothing outside. As a script: python -I -S -B python_inside.py FD [UID [PATH ...]].
"""

import builtins
import json
import mmap
import os
import site
import sys
import types
from typing import Any, NoReturn

MAX_ERROR_CHARS = 300
RESERVE: list[mmap.mmap] = []
"""Given back when a program fails, so that a MemoryError can be reported where memory is a limit of address space."""
_RESERVE_BYTES = 4 << 20
_CHUNK = 1 << 16


def keep_reserve() -> None:
    """Set address space aside, where it is limited; its pages are never touched."""
    RESERVE.append(mmap.mmap(-1, _RESERVE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


def framed(text: bytes) -> bytes:
    """One message as it goes over the channel: 4 bytes of length, then JSON."""
    return len(text).to_bytes(4, "big") + text


READY = framed(b'{"ready": true}')
LOADED = framed(b'{"loaded": true}')


_scan = json.decoder.JSONDecoder().scan_once  # type: ignore[attr-defined]


def receive(channel: int) -> dict[str, Any]:
    """Read one message; nothing follows it before we have answered. Ends the process if the other side has closed."""
    data = os.read(channel, _CHUNK)
    while data and (len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big")):
        more = os.read(channel, _CHUNK)
        data = data + more if more else b""
    if not data:
        os._exit(0)
    message: dict[str, Any] = _scan(data[4:].decode(), 0)[0]
    return message


def send(channel: int, *messages: dict[str, Any]) -> None:
    """Write messages, all in one go."""
    write(channel, b"".join([framed(json.dumps(message).encode()) for message in messages]))


def write(channel: int, data: bytes) -> None:
    """Write all bytes."""
    while data:
        data = data[os.write(channel, data) :]


def describe(error: BaseException) -> str:
    """Type and text of an exception in one bounded line, whatever its __str__ does."""
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:
        text = "exception that cannot be printed"
    return text[:MAX_ERROR_CHARS].encode("utf-8", "replace").decode()


def kind_of(error: BaseException) -> str:
    """The status that an exception stands for."""
    for kind, classes in KINDS:
        if issubclass(type(error), classes):
            return kind
    return "runtime_error"


KINDS = (
    ("memory_limit", (MemoryError,)),
    ("timeout", (TimeoutError,)),
    ("wrong_answer", (AssertionError,)),
)


def become(uid: int) -> None:
    """Give up namespace root, and with it every capability, for good."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def fresh_namespace(module_name: str) -> dict[str, Any]:
    """The namespace of a new module; importable by its name (as pickle and multiprocessing want) where that is free."""
    module = types.ModuleType(module_name)
    if module_name == "__main__" or module_name not in sys.modules:
        sys.modules[module_name] = module
    vars(module)["__builtins__"] = builtins
    return vars(module)


def load(source: str, module_name: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Execute the program in a fresh namespace; returns it and the failure, if any."""
    namespace = fresh_namespace(module_name)
    try:
        code = compile(source, "<program>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError) as error:
        return namespace, {"kind": "compile_error", "error": describe(error)}
    except MemoryError as error:
        return namespace, {"kind": "memory_limit", "error": describe(error)}
    try:
        exec(code, namespace)
    except BaseException as error:
        RESERVE.clear()
        kind = kind_of(error)
        return namespace, {"kind": "runtime_error" if kind == "wrong_answer" else kind, "error": describe(error)}
    return namespace, None


def run_test(source: str, namespace: dict[str, Any]) -> dict[str, Any] | None:
    """Run one test; None if it passed, else its failure."""
    try:
        exec(compile(source, "<test>", "exec", dont_inherit=True), namespace)
    except BaseException as error:
        RESERVE.clear()
        return {"kind": kind_of(error), "error": describe(error)}
    return None


def finish() -> NoReturn:
    """Hand over what the program printed, then end without running anything it left behind."""
    flush()
    os._exit(0)


def flush() -> None:
    """Hand over what the program printed."""
    for stream in (sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()  # type: ignore[union-attr]
        except BaseException:
            continue


def serve(channel: int) -> NoReturn:
    """Take one program and its tests over the channel, run them, report, end."""
    converse(channel)
    finish()


def converse(channel: int) -> None:
    """Take one program and its tests over the channel, run them, report."""
    job = receive(channel)
    namespace, failure = load(job.pop("source"), job["module_name"])
    if failure is not None:
        send(channel, {"loaded": False, **failure})
        return
    write(channel, LOADED)
    judge = receive(channel)
    tests, nonce = judge["tests"], judge["nonce"]
    told = b""
    for index, test in enumerate(tests):
        write(channel, told)
        failure = run_test(test, namespace)
        if failure is None:
            told = framed(f'{{"nonce": "{nonce}", "test": {index}, "passed": true}}'.encode())
        else:
            told = framed(json.dumps({"nonce": nonce, "test": index, "passed": False, **failure}).encode())
    write(channel, told + framed(f'{{"nonce": "{nonce}", "done": {len(tests)}}}'.encode()))


def main() -> NoReturn:
    """Serve one program as a script: in its own jail, or in none."""
    keep_reserve()
    channel = int(sys.argv[1])
    if len(sys.argv) > 2 and sys.argv[2]:
        become(int(sys.argv[2]))
    os.set_inheritable(channel, False)
    sys.path[:] = [path for path in sys.path if path != "/opt/codeassay"] + sys.argv[3:]
    sys.argv = ["program"]
    site.setquit()
    site.sethelper()
    write(channel, READY)
    serve(channel)


if __name__ == "__main__":
    main()
