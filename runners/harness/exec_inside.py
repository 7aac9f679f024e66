"""Inside the jail: write a program's files, run one command on them (a compiler, or the program), tell how it ended.

The child of the zygote stays process 1 of its pid namespace, so that the command has ordinary signals and nothing of it
outlives the step. Where the command is the program itself, it finds a ticket, which holds the supervisor's nonce; the
language's harness hands it in, byte for byte, when the tests have come to their end. Process 1 passes on what was
handed in and adds nothing to it.
"""

import os
import signal
import stat
from typing import Any, NoReturn

from runners.harness.python_inside import LOADED, framed, receive, send, write

TAKEN, GIVEN = 4, 5
"""Descriptors: what an earlier step left, and where this one leaves something for a later one."""
WORK = "/tmp/work"
TICKET, HANDED_IN = "/tmp/ticket", "/tmp/handed-in"
MAX_TICKET_BYTES = 1 << 10
_CHUNK = 1 << 20
_SIGNAL_BASE = 128


def serve(channel: int) -> NoReturn:
    """Take one step over the channel, do it, report, end."""
    job = receive(channel)
    os.umask(0o022)
    os.mkdir(WORK)  # noqa: PTH102 (pathlib is too large to fork)
    os.chdir(WORK)
    for name, text in job["files"].items():
        _write_file(name, text.encode("utf-8", "surrogatepass"))
    if job["take"]:
        _copy_in(job["take"])
    if job["give"]:
        _compile(channel, job)
    else:
        _run(channel, job)
    os._exit(97)


def _compile(channel: int, job: dict[str, Any]) -> NoReturn:
    """Run a tool that turns the files into one; its output is handed over if there is any."""
    code = _spawn(job)
    if code == 0 and os.path.isfile(job["give"]):  # noqa: PTH113
        _copy_out(job["give"])
        write(channel, LOADED)
    else:
        how = "nothing was built" if code == 0 else f"status {code}"
        send(channel, {"kind": "compile_error", "error": how})
    os._exit(0)


def _run(channel: int, job: dict[str, Any]) -> NoReturn:
    """Run the program; it ends as the program did."""
    write(channel, LOADED)
    nonce = receive(channel)["nonce"]
    passed = framed(b'{"nonce": "%s", "test": 0, "passed": true}' % nonce.encode())
    done = framed(b'{"nonce": "%s", "done": 1}' % nonce.encode())
    _write_file(TICKET, passed + done)
    code = _spawn(job)
    write(channel, _handed_in())
    os._exit(code)


def _spawn(job: dict[str, Any]) -> int:
    """Run the command to its end; its exit status, or 128 and the number of the signal that killed it."""
    argv = job["argv"]
    reset = [signal.SIGPIPE, signal.SIGINT]
    try:
        pid = os.posix_spawn(argv[0], argv, job["env"], setsigdef=reset)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
        return 127
    while True:
        ended, status = os.waitpid(-1, 0)  # orphans come here too
        if ended == pid:
            break
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else _SIGNAL_BASE - code


def _handed_in() -> bytes:
    """What the language's harness left; nothing where it left nothing, or no plain small file."""
    try:
        file = os.open(HANDED_IN, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    if not stat.S_ISREG(os.fstat(file).st_mode):
        return b""
    return os.read(file, MAX_TICKET_BYTES)


def _write_file(name: str, data: bytes) -> None:
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    write(file, data)
    os.close(file)


def _copy_in(name: str) -> None:
    """Write what an earlier step built."""
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
    offset = 0
    while data := os.pread(TAKEN, _CHUNK, offset):
        write(file, data)
        offset += len(data)
    os.close(file)


def _copy_out(name: str) -> None:
    """Hand over what was built."""
    file = os.open(name, os.O_RDONLY)
    while data := os.read(file, _CHUNK):
        write(GIVEN, data)
    os.close(file)
