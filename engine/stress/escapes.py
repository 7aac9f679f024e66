"""The hostile table of `codeassay stress sandbox`: representative attacks, as data.

Convention: a program defines `f` so that the test passes ONLY IF THE ATTACK WORKED; the verdict `passed` is therefore a
breach by itself. What else proves one is watched from outside (`canaries.py`). It is a sample of the larger table that
the tests of `runners` run row by row; here the rows run beside honest programs, many at a time.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field

from runners.program import MEBIBYTE, Limits, Program

CHECK = "assert f(1) == 2\nassert abs(f(41) - 42) < 1e-6\n"
JAILS = ("full", "rootless")
LEVELS = (*JAILS, "restricted")

_LIMITS: Mapping[str, float] = {
    "cpu_seconds": 1.0,
    "wall_seconds": 4.0,
    "memory_bytes": 256 * MEBIBYTE,
    "processes": 24,
    "tmp_bytes": 4 * MEBIBYTE,
    "stack_bytes": 8 * MEBIBYTE,
    "output_bytes": MEBIBYTE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """One row: a program that wants out, with `$name` for what it is told of the machine (`Canaries.facts`)."""

    source: str
    first: str = ""
    """A program that runs before, whose traces `source` looks for."""
    levels: tuple[str, ...] = LEVELS
    """Isolation levels that promise to contain it; it is not run at others."""
    forgeable_inside: bool = False
    """Tests in the program's own process cannot stop it in principle, so a pass under judge=inside is expected."""
    needs_bound: bool = False
    """Needs a bound on the number of processes, which `restricted` as root has with control groups only."""
    limits: Mapping[str, float] = field(default_factory=dict)

    def program(self, facts: Mapping[str, str], *, source: str = "") -> Program:
        """The row (or another source, such as `first`) as a program for this machine."""
        text = string.Template(source or self.source).substitute(facts)
        limits = Limits(**{**_LIMITS, **self.limits})  # type: ignore[arg-type]  # values are those of Limits' own fields
        return Program(source=text, tests=(CHECK,), under_test=("f",), limits=limits)


def _tries(body: str, **more: object) -> Hostile:
    """An attack whose body raises where it is refused, or sets `worked` to False; else `f` is right."""
    return Hostile(source=f"worked = True\n{body}\ndef f(x): return x + worked\n", **more)  # type: ignore[arg-type]


def _harms(body: str, *, levels: tuple[str, ...] = LEVELS, needs_bound: bool = False, **limits: float) -> Hostile:
    """A program that only does harm; what counts is that it never passes and that nothing outside changes."""
    source = f"{body}\ndef f(x): return None\n"
    return Hostile(source=source, levels=levels, needs_bound=needs_bound, limits=limits)


_IGNORES_SIGNALS = """
import signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass
"""
_FLOOD = """
import os
while True:
    for fd in range(256):
        try: os.write(fd, b'x' * 65536)
        except OSError: pass
"""
_FILL_DISK = """
for name in range(99):
    with open(str(name), 'wb', buffering=0) as file:
        assert file.write(bytes(1 << 20)) == 1 << 20
"""
_DAEMON = """
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3): os.close(fd)
        os.execv(sys.executable, [sys.executable, '-S', '-c', 'import time; time.sleep(600)', $marker])
    os._exit(0)
"""
_SESSION = (
    "import subprocess, sys\n"
    "subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)', $marker], start_new_session=True)"
)
_KILL_RANGE = """
import os
worked = False
for pid in range(2, 1 << 16):
    try:
        os.kill(pid, 9)
        worked = True
    except OSError: pass
"""
_PRINT_SECRETS = """
import ctypes, glob, os
libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p
print(dict(os.environ), libc.getenv(b'CODEASSAY_STRESS_SECRET'))
for path in ['/etc/shadow', '/etc/passwd', $secret, *glob.glob('/proc/*/environ')]:
    try: print(open(path, 'rb').read())
    except OSError: pass
"""
_ANY_ENVIRONMENT = "import glob\nworked = any(open(path, 'rb').read() for path in glob.glob('/proc/*/environ'))"
_WRITE_EVERYWHERE = """
import os
worked, own = False, os.path.realpath('.')
for at, inner, files in os.walk('/'):
    if at.startswith(('/tmp', '/dev', '/proc', own)): inner.clear(); continue
    if at.count('/') > 3: inner.clear()
    try:
        open(os.path.join(at, $marker), 'w')
        worked = True
    except OSError: pass
"""
_LIBC = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def do(result):
    if result < 0: raise OSError(ctypes.get_errno(), 'refused')
"""
_CHANNEL = """
import json, os, socket, struct, sys
def channels():
    for fd in range(3, 1024):
        try: yield socket.socket(fileno=os.dup(fd))
        except OSError: pass
def send(channel, **message):
    data = json.dumps(message).encode()
    channel.sendall(struct.pack('!I', len(data)) + data)
def report(channel, judge):
    for index in range(len(judge['tests'])): send(channel, nonce=judge['nonce'], test=index, passed=True)
    send(channel, nonce=judge['nonce'], done=len(judge['tests']))
    os._exit(0)
"""
_FRAMES = f"""{_CHANNEL}
def f(x):
    frame = sys._getframe()
    while frame:
        judge = frame.f_locals.get('judge')
        if type(judge) is dict and 'nonce' in judge:
            for channel in channels(): report(channel, judge)
        frame = frame.f_back
"""
_COLLECTOR = f"""{_CHANNEL}
import gc
def f(x):
    for thing in gc.get_objects():
        if type(thing) is dict and 'nonce' in thing and 'tests' in thing:
            for channel in channels(): report(channel, thing)
"""
_GUESS = f"""{_CHANNEL}
for channel in channels():
    send(channel, loaded=True)
    report(channel, {{'nonce': '0' * 32, 'tests': ['']}})
def f(x): return None
"""
_EQUAL = """
class Equal(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
def f(x): return Equal()
"""
_NO_ASSERTIONS = "import builtins\nbuiltins.AssertionError = type('E', (SystemExit,), {})"
_MARKERS = 'print(\'{"nonce": "0", "test": 0, "passed": true}\\n{"done": 1}\\n1 passed\\nOK\\nPASSED\')'
_EVERY_DESCRIPTOR = """
import os
for fd in range(3, 1024):
    try: os.write(fd, b'{"passed": true}\\n1 passed\\n')
    except OSError: pass
"""
_PICKLED = "import os\nclass E:\n    def __reduce__(self): return os._exit, (0,)\ndef f(x): return E()"

HOSTILE: dict[str, Hostile] = {
    # Wants everything.
    "fork bomb": _harms(
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        needs_bound=True,
        cpu_seconds=0.4,
        wall_seconds=1,
        processes=12,
    ),
    "thread bomb": _harms(
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(600,)).start()",
        needs_bound=True,
    ),
    "endless loop": _harms("while True: pass", cpu_seconds=0.4),
    "loop that ignores signals": _harms(_IGNORES_SIGNALS, cpu_seconds=0.4),
    "loop in C": _harms("import re\nre.match('(a|a)*c', 'a' * 40 + 'b')", cpu_seconds=0.4),
    "sleeper": _harms("import time; time.sleep(10**6)", wall_seconds=0.5),
    "memory hog": _harms("held = []\nwhile True: held.append(bytearray(1 << 20))"),
    "memory in one block": _harms("held = b'x' * 10**12"),
    "recursion without limit": _harms(
        "import sys\nsys.setrecursionlimit(10**9)\ndef g(): g()\ng()", cpu_seconds=1, wall_seconds=6
    ),
    "output flood": _harms("while True: print('x' * 999)"),
    "flood of every descriptor": _harms(_FLOOD),
    "disk flood": _harms(_FILL_DISK, levels=JAILS),  # `restricted` does not bound what is written to disk
    "open files": _harms("held = []\nwhile True: held.append(open('/dev/null'))"),
    # Outlives its program.
    "daemon": _harms(_DAEMON),
    "session of its own": _harms(_SESSION),
    # Reaches for other processes.
    "kills everything": _tries("import os\nos.kill(-1, 9)"),
    "kills its parent": _harms("import os\nos.kill(os.getppid(), 15)"),
    "kills the supervisor": _tries("import os\nos.kill($supervisor, 9)"),
    "kills another process": _tries("import os\nos.kill($victim, 9)"),
    "kills a range of pids": _tries(_KILL_RANGE),
    "ptrace": _tries(_LIBC + "do(libc.ptrace(16, $victim, 0, 0))"),
    "pidfd of another process": _tries("import os\nos.pidfd_open($victim)"),
    "limits of another process": _tries("import resource as r\nr.prlimit($victim, r.RLIMIT_NOFILE, (1, 1))"),
    "priority of another process": _tries("import os\nos.setpriority(0, $victim, 19)"),
    # Reads what is not its own.
    "prints what it finds": _harms(_PRINT_SECRETS),
    "file that everybody may read": _tries("open($secret).read()"),
    "file by a symbolic link": _tries("import os\nos.symlink($secret, 'link')\nopen('link').read()"),
    "shadow passwords": _tries("open('/etc/shadow').read()"),
    "home": _tries("import os\nos.listdir($home)"),
    "own environment": _tries("import os\nworked = $secret_text in str(os.environb)"),
    "environment of all processes": _tries(_ANY_ENVIRONMENT),
    "files of another sample": _tries(
        "import glob\nworked = bool(glob.glob('**/left-*', recursive=True))", first="open('left-here', 'w').close()"
    ),
    # Writes outside.
    "write outside": _tries("open($folder + '/' + $marker, 'w')"),
    "write by a symbolic link": _tries("import os\nos.symlink($folder, 'out')\nopen('out/' + $marker, 'w')"),
    "write everywhere": _tries(_WRITE_EVERYWHERE),
    "cuts a file outside": _tries("import os\nos.truncate($secret, 0)"),
    "changes the library": _tries("import os\nopen(os.__file__, 'a').write('#')"),
    # Network.
    "TCP to the host": _tries("import socket\nsocket.create_connection(('127.0.0.1', $port))"),
    "UDP to the host": _tries("import socket\nsocket.socket(2, 2).sendto(b'x', ('127.0.0.1', $udp_port))"),
    "abstract unix socket": _tries("import socket\nsocket.socket(1).connect('\\0' + $abstract)"),
    # The kernel.
    "mount": _tries(_LIBC + "do(libc.mount(b'none', b'/tmp', b'tmpfs', 0, 0))"),
    "setuid": _tries("import os\nos.setuid(0)\nos.listdir($home)"),
    "user namespace": _tries(_LIBC + "do(libc.unshare(0x10000000))"),
    "chroot": _tries("import os\nos.chroot('.')"),
    # Forges its verdict.
    "leaves while loading": Hostile(source="import os; os._exit(0)"),
    "leaves in the test": Hostile(source="import os\ndef f(x): os._exit(0)"),
    "exits in the test": Hostile(source="import sys\ndef f(x): sys.exit(0)"),
    "leaves at the interpreter's end": _harms("import atexit, os\natexit.register(os._exit, 0)"),
    "becomes another program": Hostile(source="import os, sys\nos.execv(sys.executable, [sys.executable, '-c', ''])"),
    "prints what a pass looks like": _harms(_MARKERS),
    "writes it to every descriptor": _harms(_EVERY_DESCRIPTOR),
    "guesses the nonce": Hostile(source=_GUESS),
    "takes the nonce from a frame": Hostile(source=_FRAMES, forgeable_inside=True),
    "takes the nonce from the collector": Hostile(source=_COLLECTOR, forgeable_inside=True),
    "object equal to everything": Hostile(source=_EQUAL, forgeable_inside=True),
    "no assertions": _harms(_NO_ASSERTIONS),
    "value that is executed": Hostile(source=_PICKLED),
}
