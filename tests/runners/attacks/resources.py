"""Programs that want everything, never end, outlive their run or say strange things."""

from __future__ import annotations

from dataclasses import replace

from runners.program import MEBIBYTE, Status
from tests.runners.attacks.attack import Attack, nuisance

TIMEOUT, MEMORY, OUTPUT = Status.TIMEOUT, Status.MEMORY_LIMIT, Status.OUTPUT_LIMIT
ERROR, WRONG = Status.RUNTIME_ERROR, Status.WRONG_ANSWER

_CHILDREN_FULL_OF_MEMORY = """
import os, time
for _ in range(6):
    if os.fork() == 0:
        block = bytearray(b'x') * (60 << 20)
        time.sleep(600)
os.wait()
"""
_FILL_PIPES = """
import fcntl, os
pipes = []
while True:
    pipes.append(os.pipe())
    os.set_blocking(pipes[-1][1], False)
    fcntl.fcntl(pipes[-1][1], 1031, 1 << 20)
    os.write(pipes[-1][1], bytes(1 << 20))
"""
_FILL_DISK = """
for name in range(99):
    with open(f'/tmp/{name}', 'wb', buffering=0) as file:
        assert file.write(bytes(1 << 20)) == 1 << 20, 'No space left'
"""
_FLOOD_EVERY_DESCRIPTOR = """
import os
while True:
    for fd in range(1024):
        try: os.write(fd, b'x' * 65536)
        except OSError: pass
"""
_FLOOD_FROM_CHILDREN = """
import os
for _ in range(3): os.fork()
while True: os.write(2, b'x' * 4096)
"""
_VALID_MESSAGES = """
import os, socket, struct
for fd in range(3, 1024):
    try: channel = socket.socket(fileno=os.dup(fd))
    except OSError: continue
    while True: channel.sendall((struct.pack('!I', 8) + b'{"a": 1}') * 999)
"""
_IGNORES_SIGNALS = """
import signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True:
    try:
        while True: pass
    except BaseException: pass
"""
_ENDLESS_COMPARISON = """
import sys
sys.setrecursionlimit(10**9)
one, other = [], []
one.append(one)
other.append(other)
one == other
"""
_STOPPED_CHILD = """
import os, signal
pid = os.fork()
if pid == 0: os.kill(os.getpid(), signal.SIGSTOP)
os.waitpid(pid, 0)
"""
_DEADLOCK = "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()"

BOMBS: dict[str, Attack] = {
    "fork bomb": nuisance(
        "bombs",
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        TIMEOUT,
        quick=True,
        cpu_seconds=0.5,
        wall_seconds=1,
        processes=12,
    ),
    # Each of the processes says so on the channel, so that it may be too many messages before it is one's end.
    "fork until refused": nuisance("bombs", "import os\nwhile True: os.fork()", ERROR),
    "unreaped children": nuisance(
        "bombs", "import os\nwhile True:\n    if os.fork() == 0: os._exit(0)", ERROR, says="[Errno 11]"
    ),
    "thread bomb": nuisance(
        "bombs",
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(600,)).start()",
        ERROR,
        says="can't start new thread",
    ),
    "memory in blocks": nuisance("bombs", "held = []\nwhile True: held.append(bytearray(1 << 20))", MEMORY, quick=True),
    "memory in one block": nuisance("bombs", "held = b'x' * 10**12", MEMORY),
    "memory of shared maps": nuisance(
        # RLIMIT_AS refuses the map (rootless), the control group kills who fills it (full).
        "bombs",
        "import mmap\nheld = mmap.mmap(-1, 512 << 20)\nfor at in range(0, len(held), 4096): held[at] = 1",
        MEMORY,
        ERROR,
    ),
    # At `rootless` memory is bounded per process only: a known weakness.
    "memory of children": replace(nuisance("bombs", _CHILDREN_FULL_OF_MEMORY, MEMORY), levels=("full",)),
    "memory of the kernel in pipes": nuisance("bombs", _FILL_PIPES, ERROR, says="[Errno"),
    "disk in large files": nuisance("bombs", _FILL_DISK, ERROR, says="No space left", quick=True),
    "disk in /dev/shm": nuisance("bombs", _FILL_DISK.replace("/tmp", "/dev/shm"), ERROR, says="No space left"),
    "disk in one sparse file": nuisance(
        "bombs", "open('/tmp/a', 'wb').truncate(1 << 40)", ERROR, says="File too large"
    ),
    "disk in many files": nuisance(
        "bombs", "for name in range(10**6): open(f'/tmp/{name}', 'w').close()", ERROR, says="No space left"
    ),
    "deep directories": nuisance(
        "bombs", "import os\nwhile True: os.mkdir('d'); os.chdir('d')", ERROR, says="No space left"
    ),
    "open files": nuisance("bombs", "held = []\nwhile True: held.append(open('/dev/null'))", ERROR, says="[Errno 24]"),
    "flood of stdout": nuisance("bombs", "while True: print('x' * 999)", OUTPUT, quick=True),
    "flood of raw stderr": nuisance("bombs", "import os\nwhile True: os.write(2, b'x' * 4096)", OUTPUT),
    "flood from children": nuisance("bombs", _FLOOD_FROM_CHILDREN, OUTPUT),
    # Output goes to the supervisor and the rest to the judge: which of the two reports first is chance.
    "flood of every descriptor": replace(
        nuisance("bombs", _FLOOD_EVERY_DESCRIPTOR, ERROR, says="judge's channel"), split=frozenset({ERROR, OUTPUT})
    ),
    "flood of the channel with valid messages": nuisance(
        # One message more than an honest harness sends is enough: nobody waits for the flood's end.
        "bombs",
        _VALID_MESSAGES,
        ERROR,
        says="judge's channel",
    ),
    "huge integer": nuisance("bombs", "x = 9 ** 9 ** 9", TIMEOUT, cpu_seconds=0.4),
    "regular expression without end": nuisance(
        "bombs", "import re\nre.match('(a|a)*c', 'a' * 40 + 'b')", TIMEOUT, cpu_seconds=0.4
    ),
    "loop in C": nuisance("bombs", "import itertools\nsum(itertools.repeat(0))", TIMEOUT, cpu_seconds=0.4),
    "loop that ignores signals": nuisance("bombs", _IGNORES_SIGNALS, TIMEOUT, cpu_seconds=0.4),
    "sleeper": nuisance("bombs", "import time; time.sleep(10**6)", TIMEOUT, wall_seconds=0.5),
    "sleeper in the tests": Attack(
        group="bombs",
        source="import time\ndef f(x): time.sleep(10**6)",
        expected=frozenset({TIMEOUT}),
        limits={"wall_seconds": 0.5},
    ),
    "deadlock": nuisance("bombs", _DEADLOCK, TIMEOUT, wall_seconds=0.5),
    # To the first process of a namespace its own SIGSTOP does nothing; elsewhere it stops.
    "stops itself": nuisance(
        "bombs", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", WRONG, TIMEOUT, wall_seconds=0.5
    ),
    "waits for a stopped child": nuisance("bombs", _STOPPED_CHILD, TIMEOUT, wall_seconds=0.5),
    # Where memory ends as a MemoryError (rootless), millions of frames are unwound first, which may take too long.
    "recursion without limit": nuisance(
        "bombs", "import sys\nsys.setrecursionlimit(10**9)\ndef g(): g()\ng()", MEMORY, ERROR, TIMEOUT, cpu_seconds=1
    ),
    "recursion in C without limit": nuisance("bombs", _ENDLESS_COMPARISON, ERROR, says="SIGSEGV"),
    "illegal address": nuisance("bombs", "import ctypes\nctypes.string_at(1)", ERROR, says="SIGSEGV"),
    "abort": nuisance("bombs", "import os\nos.abort()", ERROR, says="signal"),
}

_SLEEPER = "[sys.executable, '-S', '-c', 'import time; time.sleep(600)', $marker]"
_DAEMON = f"""
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3): os.close(fd)
        os.execv(sys.executable, {_SLEEPER})
    os._exit(0)
"""
_FORKS_ON = """
import os
if os.fork() == 0:
    while True:
        if os.fork(): os._exit(0)
"""
_ON_SIGNALS = """
import os, signal, time
if os.fork() == 0:
    for number in range(1, 65):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    os.setsid()
    time.sleep(600)
"""
_C_THREAD = """
import ctypes
libc = ctypes.CDLL(None)
thread = ctypes.c_ulong()
libc.pthread_create(ctypes.byref(thread), None, libc.pause, None)
libc.pthread_detach(thread)
"""

SURVIVORS: dict[str, Attack] = {
    "daemon": nuisance("survivors", _DAEMON, quick=True),
    "session of its own": nuisance(
        "survivors", f"import subprocess, sys\nsubprocess.Popen({_SLEEPER}, start_new_session=True)"
    ),
    "child that keeps stdout open": nuisance(
        "survivors", "import os, time\nif os.fork() == 0:\n    while True: print('on', flush=True); time.sleep(1)"
    ),
    "child that ignores signals": nuisance("survivors", _ON_SIGNALS),
    "child that always moves on": nuisance("survivors", _FORKS_ON),
    "busy thread": nuisance(
        "survivors", "import threading\ndef spin():\n    while True: pass\nthreading.Thread(target=spin).start()"
    ),
    "detached thread of the C library": nuisance("survivors", _C_THREAD),
    "end that starts anew": nuisance(
        "survivors", "import atexit, os, sys\natexit.register(os.execv, sys.executable, " + _SLEEPER + ")"
    ),
}

_SURROGATE = r"'a\ud800b'.encode('utf-8', 'surrogatepass')"

ODD_OUTPUT: dict[str, Attack] = {
    "NUL": nuisance("odd output", r"import os; os.write(1, b'a\0b'); os.write(2, bytes(4096))"),
    "bytes that are no text": nuisance("odd output", "import os; os.write(1, bytes(range(256)) * 99)", quick=True),
    "a million lines": nuisance("odd output", "print('x\\n' * 10**6)", output_bytes=4 * MEBIBYTE),
    "one line of three megabytes": nuisance("odd output", "print('x' * (3 << 20))", output_bytes=4 * MEBIBYTE),
    "escape sequences": nuisance("odd output", r"print('\033[2J\033]0;owned\007\033[8m' * 99)"),
    "lone surrogates": nuisance("odd output", f"import os; os.write(1, {_SURROGATE})"),
    "escape sequences in an exception": nuisance(
        "odd output", r"raise ValueError('\033[2J\u202e\x9b8m\r\u2028')", ERROR
    ),
    "endless exception text": nuisance("odd output", "raise ValueError('x' * (64 << 20))", ERROR, says="ValueError: x"),
    "exception text that ends the program": nuisance(
        "odd output", "import os\nclass E(Exception):\n    def __str__(self): os._exit(0)\nraise E", ERROR
    ),
}
