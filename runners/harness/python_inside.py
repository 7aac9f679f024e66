"""Inside the jail: load one Python program, then fetch its tests and run them in its namespace (judge=inside).

Runs as a script under the interpreter that judges; imports nothing of ours. Speaks length-prefixed JSON over the socket
whose number is its first argument. The tests and the nonce arrive only after the program has been loaded, and a result
without the nonce is worth nothing outside. As a script: python -I -S -B python_inside.py FD [UID [PATH ...]].
"""

import builtins
import json
import os
import site
import socket
import struct
import sys
import types
from typing import Any, NoReturn

MAX_ERROR_CHARS = 300
RESERVE = [bytearray(4 << 20)]
"""Given back when a program fails, so that a MemoryError can be reported where memory is a limit of address space."""


def receive(channel: socket.socket) -> dict[str, Any]:
    """Read one message: 4 bytes of length, then JSON."""

    def exactly(count: int) -> bytes:
        data = b""
        while len(data) < count:
            chunk = channel.recv(count - len(data))
            if not chunk:
                os._exit(0)
            data += chunk
        return data

    message: dict[str, Any] = json.loads(exactly(struct.unpack("!I", exactly(4))[0]))
    return message


def send(channel: socket.socket, *messages: dict[str, Any]) -> None:
    """Write messages, all in one go."""
    parts = [json.dumps(message).encode() for message in messages]
    channel.sendall(b"".join(struct.pack("!I", len(part)) + part for part in parts))


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
    for stream in (sys.__stdout__, sys.__stderr__):
        try:
            print(end="", file=stream, flush=True)
        except BaseException:
            continue
    os._exit(0)


def serve(channel: socket.socket) -> NoReturn:
    """Take one program and its tests over the channel, run them, report, end."""
    send(channel, {"ready": True})
    job = receive(channel)
    namespace, failure = load(job.pop("source"), job["module_name"])
    send(channel, {"loaded": failure is None, **(failure or {})})
    if failure is not None:
        finish()
    judge = receive(channel)
    tests, nonce = judge["tests"], judge["nonce"]
    done = [{"nonce": nonce, "done": len(tests)}]
    for index, test in enumerate(tests):
        failure = run_test(test, namespace)
        result = {"nonce": nonce, "test": index, "passed": failure is None, **(failure or {})}
        send(channel, result, *(done if index + 1 == len(tests) else ()))
    if not tests:
        send(channel, *done)
    finish()


def main() -> NoReturn:
    """Serve one program as a script: in its own jail, or in none."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    if len(sys.argv) > 2 and sys.argv[2]:
        become(int(sys.argv[2]))
    os.set_inheritable(channel.fileno(), False)
    sys.path[:] = [path for path in sys.path if path != "/opt/codeassay"] + sys.argv[3:]
    sys.argv = ["program"]
    site.setquit()
    site.sethelper()
    serve(channel)


if __name__ == "__main__":
    main()
