"""Programs that reach for the machine: its processes, secrets, network and files, and for the next program."""

from __future__ import annotations

from dataclasses import replace

from runners.program import MEBIBYTE, Status
from tests.runners.attacks.attack import CALL, Attack, attempt, nuisance

FORBIDDEN, WRONG = Status.FORBIDDEN, Status.WRONG_ANSWER
NOT_THERE = "[Errno 2]"
REFUSED = "[Errno 1]"
NO_PROCESS = "[Errno 3]"
READ_ONLY = "[Errno 30]"
CLOSED = "[Errno"
"""Read-only, or first of all not the program's file (as root, where it is nobody)."""

_KILL_RANGE = """
import os, signal
worked = False
for pid in range(2, 1 << 16):
    try:
        os.kill(pid, signal.SIGKILL)
        worked = True
    except OSError: pass
"""

PROCESSES: dict[str, Attack] = {
    "kills everything": attempt("processes", "import os\nos.kill(-1, 9)", says=NO_PROCESS, quick=True),
    "kills the supervisor": attempt("processes", "import os\nos.kill($supervisor, 9)", says=NO_PROCESS),
    "stops the supervisor": attempt("processes", "import os, signal\nos.kill($supervisor, 19)", says=NO_PROCESS),
    "kills a process of its own user": attempt("processes", "import os\nos.kill($victim, 9)", says=NO_PROCESS),
    "kills the supervisor's group": attempt("processes", "import os\nos.killpg($supervisor_group, 9)", says=NO_PROCESS),
    # A parent outside of the namespace shows as 0, which is the program's own group: it can only end itself.
    "kills its parent": nuisance("processes", "import os\nos.kill(os.getppid(), 15)", WRONG, Status.RUNTIME_ERROR),
    "kills a range of pids": attempt("processes", _KILL_RANGE, WRONG),
    "tgkill": attempt("processes", CALL + "call(234, $victim, $victim, 9)", says=NO_PROCESS),
    "queues a signal": attempt(
        "processes", CALL + "call(129, $victim, 9, bytes(8) + b'\\xff' * 4 + bytes(116))", says=NO_PROCESS
    ),
    "pidfd of a process": attempt("processes", "import os\nos.pidfd_open($victim)", says=NO_PROCESS),
    "signal by pidfd": attempt("processes", "import os, signal\nsignal.pidfd_send_signal(0, 9)", says=REFUSED),
    "signals by a descriptor's owner": attempt(
        "processes", "import fcntl, os\nfcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, $victim)", says=NO_PROCESS
    ),
    "ptrace of the supervisor": attempt(
        "processes", "import ctypes\nctypes.CDLL(None).ptrace(16, $supervisor, 0, 0)", FORBIDDEN, quick=True
    ),
    "reads memory of a process": attempt("processes", CALL + "call(310, $victim, 0, 0, 0, 0, 0)", FORBIDDEN),
    "writes memory of a process": attempt("processes", CALL + "call(311, $victim, 0, 0, 0, 0, 0)", FORBIDDEN),
    "compares processes": attempt("processes", CALL + "call(312, $victim, 1, 0, 0, 0)", says=REFUSED),
    "limits of a process": attempt(
        "processes", "import resource as r\nr.prlimit($victim, r.RLIMIT_NOFILE, (1, 1))", says=NO_PROCESS
    ),
    "priority of a process": attempt("processes", "import os\nos.setpriority(0, $victim, 19)", says=REFUSED),
    "cores of a process": attempt("processes", "import os\nos.sched_setaffinity($victim, [0])", says=REFUSED),
    "scheduling of a process": attempt("processes", "import os\nos.sched_getscheduler($victim)", says=NO_PROCESS),
    "group of a process": attempt("processes", "import os\nos.setpgid($victim, 0)", says=NO_PROCESS),
    "session of a process": attempt("processes", "import os\nos.getsid($victim)", says=NO_PROCESS),
    "memory of a process moved": attempt("processes", CALL + "call(256, $victim, 8, bytes(8), bytes(8))", says=REFUSED),
}

_ANY_PROC = """
import glob
worked = any(open(path, 'rb').read() for path in glob.glob('/proc/*/{file}'))
"""
_DESCRIPTORS_OF_FOLDERS = """
import os
worked = False
for fd in range(3, 1024):
    try:
        os.fchdir(fd)
        worked = True
    except OSError: pass
"""
_READABLE_DESCRIPTORS = """
import os, stat
worked = False
for fd in range(3, 1024):
    try: worked = worked or not stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError: pass
"""


def _reads(path: str, says: str = NOT_THERE) -> Attack:
    return attempt("secrets", f"open({path}).read()", says=says)


SECRETS: dict[str, Attack] = {
    "file that everybody may read": attempt("secrets", "open($secret).read()", says=NOT_THERE, quick=True),
    "file by a symbolic link": attempt(
        "secrets", "import os\nos.symlink($secret, '/tmp/link')\nopen('/tmp/link').read()", says=NOT_THERE
    ),
    "file by many steps up": _reads("'../' * 64 + $secret"),
    "file by the root of another process": _reads("'/proc/1/root' + $secret"),
    "file by its own process": _reads("'/proc/self/root' + $secret"),
    "file by descriptors of folders": attempt("secrets", _DESCRIPTORS_OF_FOLDERS, WRONG),
    "descriptors left open": attempt("secrets", _READABLE_DESCRIPTORS, WRONG),
    "file by handle": attempt("secrets", CALL + "call(304, 0, 0, 0)", FORBIDDEN),
    "home": attempt("secrets", "import os\nos.listdir($home)", says=NOT_THERE),
    "checkout": _reads("$repository + '/pyproject.toml'"),
    "shadow passwords": _reads("'/etc/shadow'"),
    "accounts": _reads("'/etc/passwd'"),
    "Ray's token": _reads("$home + '/.ray/auth_token'"),
    "Ray's sessions": attempt("secrets", "import os\nos.listdir('/tmp/ray')", says=NOT_THERE),
    "token of a pod": _reads("'/var/run/secrets/kubernetes.io/serviceaccount/token'"),
    "environment": attempt("secrets", "import os\nworked = $secret_text in str(os.environb)", WRONG),
    "environment of the C library": attempt(
        "secrets", "import ctypes\nctypes.CDLL(None).getenv(b'CODEASSAY_BAIT') or 1 / 0", says="ZeroDivisionError"
    ),
    "environment in its own /proc": _reads("'/proc/self/environ'"),
    "environment of all processes": attempt("secrets", _ANY_PROC.format(file="environ"), WRONG, quick=True),
    "command lines of all processes": attempt("secrets", _ANY_PROC.format(file="cmdline"), WRONG),
    "memory of its own /proc": _reads("'/proc/self/mem'"),
    "kernel's settings": attempt("secrets", "import os\nos.listdir('/sys')", says=NOT_THERE),
    "kernel's log": attempt("secrets", CALL + "call(103, 3, bytes(9), 9)", says=REFUSED),
    "files of another program": attempt("secrets", "import os\nworked = os.listdir('/tmp') != []", WRONG),
    "names of the host": attempt("secrets", "import os\nworked = os.uname().nodename == $hostname", WRONG),
}


def _network(body: str, says: str = REFUSED, *, quick: bool = False) -> Attack:
    return attempt("network", f"import socket\n{body}", says=says, quick=quick)


NETWORK: dict[str, Attack] = {
    "TCP to a port of the host": _network("socket.create_connection(('127.0.0.1', $port))", quick=True),
    "UDP to a port of the host": _network("socket.socket(2, 2).sendto(b'x', ('127.0.0.1', $udp_port))"),
    "TCP over IPv6": _network("socket.socket(socket.AF_INET6).connect(('::1', $port))"),
    "UDP over IPv6": _network("socket.socket(socket.AF_INET6, 2).sendto(b'x', ('::1', $udp_port))"),
    "listens": _network("socket.create_server(('0.0.0.0', 0))"),
    "raw": _network("socket.socket(2, socket.SOCK_RAW, socket.IPPROTO_ICMP)"),
    "packet": _network("socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3)"),
    "netlink": _network("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)"),
    "vsock": _network("socket.socket(40).connect((2, 1024))"),
    "kernel cryptography": _network("socket.socket(38, 5)"),
    "bluetooth": _network("socket.socket(31, 3, 1)"),
    "CAN": _network("socket.socket(29, 3, 1)"),
    "XDP": _network("socket.socket(44, 3, 0)"),
    "pair over the network": _network("socket.socketpair(2)", says="[Errno"),
    "names": _network("socket.create_connection(('localhost', $port))", says="gaierror"),
    "web": attempt("network", "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:$port')", says="URLErr"),
    "abstract unix socket": _network("socket.socket(1).connect('\\0' + $abstract)", quick=True),
    "abstract unix datagram": _network("socket.socket(1, 2).sendto(b'x', '\\0' + $abstract_datagram)", "[Errno 111]"),
    "unix socket by path": _network("socket.socket(1).connect($socket_path)"),
    "unix datagram by path": _network("socket.socket(1, 2).sendto(b'x', $socket_path)", NOT_THERE),
    "name of its own for others": _network("socket.socket(1).bind('\\0' + $marker)"),
    "listener of its own": _network("socket.socket(1).listen()"),
    "x32 socket": attempt("network", CALL + "call(0x40000000 | 41, 2, 1, 0)", FORBIDDEN),
}

_EVERY_WRITABLE_PLACE = """
import os
worked = False
for at, inner, files in os.walk('/'):
    if at.startswith(('/tmp', '/dev')): continue
    if at.count('/') > 3: inner.clear()
    try:
        open(os.path.join(at, $marker), 'w')
        worked = True
    except OSError: pass
"""
_WRITABLE_MAP = """
import mmap, os
fd = os.open(os.__file__, os.O_RDONLY)
mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_WRITE)[0] = 35
"""

WRITES: dict[str, Attack] = {
    "every folder": attempt("writes", _EVERY_WRITABLE_PLACE, WRONG),
    "root": attempt("writes", "open('/' + $marker, 'w')", says=READ_ONLY, quick=True),
    "folder of the host": attempt("writes", "open($folder + '/' + $marker, 'w')", says=NOT_THERE),
    "by a symbolic link": attempt(
        "writes",
        "import os\nos.symlink($folder, '/tmp/out')\nopen('/tmp/out/' + $marker, 'w')",
        says=NOT_THERE,
    ),
    "by a hard link": attempt("writes", "import os\nos.link(os.__file__, '/tmp/os.py')", says="[Errno 18]"),
    "by renaming": attempt(
        "writes", "import os\nopen('/tmp/a', 'w')\nos.rename('/tmp/a', os.__file__)", says="[Errno 18]"
    ),
    "library": attempt("writes", "import os\nopen(os.__file__, 'a')", says=CLOSED),
    "library by a map": attempt("writes", _WRITABLE_MAP, says="[Errno 13]"),
    "library cut": attempt("writes", "import os\nos.truncate(os.__file__, 0)", says=CLOSED),
    "library removed": attempt("writes", "import os\nos.unlink(os.__file__)", says=READ_ONLY),
    "library open to all": attempt(
        "writes",
        "import os\nos.chmod(os.__file__, 0o777)\nworked = os.stat(os.__file__).st_mode & 0o777 == 0o777",
        says=READ_ONLY,
    ),
    "file of the host cut": attempt("writes", "import os\nos.truncate($secret, 0)", says=NOT_THERE),
    "compiled library": attempt(
        "writes", "import os\nopen(os.path.dirname(os.__file__) + '/__pycache__/x.pyc', 'w')", says=READ_ONLY
    ),
    "numpy": attempt(
        "writes", "import numpy, os\nos.mkdir(os.path.dirname(numpy.__file__) + '/' + $marker)", says=READ_ONLY
    ),
    "harness": attempt("writes", "open('/opt/codeassay/runners/harness/python_inside.py', 'a')", says=CLOSED),
    "owner": attempt("writes", "import os\nopen('/tmp/a', 'w')\nos.chown('/tmp/a', 0, 0)", says=REFUSED),
    # The bit itself means nothing: the tmpfs is nosuid or new privileges are off; what counts is not to become root.
    "set-uid program": replace(
        attempt(
            "writes",
            "import os, shutil, subprocess, sys\nshutil.copy(sys.executable, '/tmp/a')\nos.chmod('/tmp/a', 0o6755)\n"
            "worked = subprocess.run(['/tmp/a', '-S', '-c', 'import os; os.setuid(0)']).returncode == 0",
            WRONG,
        ),
        limits={"tmp_bytes": 32 * MEBIBYTE, "file_bytes": 16 * MEBIBYTE},  # room for an interpreter
    ),
    "core dump": nuisance("writes", "import ctypes\nctypes.string_at(1)", Status.RUNTIME_ERROR, says="SIGSEGV"),
}

_LEAVE_LOCK = (
    "import fcntl\nfile = open('/opt/codeassay/runners/harness/python_inside.py')\nfcntl.flock(file, fcntl.LOCK_EX)\n"
)
_FIND_LOCK = """
import fcntl
fcntl.flock(open('/opt/codeassay/runners/harness/python_inside.py'), fcntl.LOCK_EX | fcntl.LOCK_NB)
worked = False
"""
_LEAVE_SHARED = (
    "from multiprocessing import shared_memory as s, resource_tracker as t\nt.register = lambda *a: None\n"
    "s.SharedMemory('left', create=True, size=9)\n"
)
_FIND_MODULE = """
try: import left_behind as found
except ImportError: worked = False
"""
_LEAVE_MODULE = """
import sys
for at in ['/tmp', *sys.path]:
    try: open(at + '/left_behind.py', 'w')
    except OSError: pass
"""


def _left(first: str, find: str, status: Status = Status.RUNTIME_ERROR, says: str = "") -> Attack:
    return attempt("persistence", find, status, says, first=first)


PERSISTENCE: dict[str, Attack] = {
    "file in /tmp": attempt(
        "persistence", "open('/tmp/left')", says=NOT_THERE, first="open('/tmp/left', 'w')", quick=True
    ),
    "file in /dev/shm": _left("open('/dev/shm/left', 'w')", "open('/dev/shm/left')", says=NOT_THERE),
    "shared memory by name": _left(
        _LEAVE_SHARED,
        "from multiprocessing import shared_memory as s\ns.SharedMemory('left')",
        says=NOT_THERE,
    ),
    "module on the path": _left(_LEAVE_MODULE, _FIND_MODULE, WRONG),
    "module of the running interpreter": _left(
        "import sys, json\njson.left = sys.left = 1", "import sys, json\nworked = hasattr(json, 'left')", WRONG
    ),
    "environment": _left("import os\nos.environ['LEFT'] = '1'", "import os\nworked = 'LEFT' in os.environ", WRONG),
    "working folder": _left(
        "import os\nos.mkdir('/tmp/d'); os.chdir('/tmp/d')", "import os\nworked = os.getcwd().endswith('/d')", WRONG
    ),
    "umask": _left("import os\nos.umask(0o777)", "import os\nworked = os.umask(0) == 0o777", WRONG),
    "limits": _left(
        "import resource as r\nr.setrlimit(r.RLIMIT_NOFILE, (9, 9))",
        "import resource as r\nworked = r.getrlimit(r.RLIMIT_NOFILE)[1] == 9",
        WRONG,
    ),
    "lock on a shared file": _left(_LEAVE_LOCK, _FIND_LOCK, WRONG),
    "processor's registers and timers": _left(
        "import signal\nsignal.setitimer(signal.ITIMER_REAL, 1)",
        "import signal\nworked = signal.getitimer(signal.ITIMER_REAL) != (0.0, 0.0)",
        WRONG,
    ),
    "bytes on the judge's channel": _left(
        "import os, socket\nfor fd in range(3, 1024):\n    try: os.write(fd, b'\\0\\0\\0')\n    except OSError: pass",
        "worked = False",
        WRONG,
    ),
    "SysV shared memory": _left(CALL + "call(29, 4711, 9, 0o1666)", CALL + "call(29, 4711, 9, 0)", says=REFUSED),
    "SysV semaphore": _left(CALL + "call(64, 4711, 1, 0o1666)", CALL + "call(64, 4711, 1, 0)", says=REFUSED),
    "SysV queue": _left(CALL + "call(68, 4711, 0o1666)", CALL + "call(68, 4711, 0)", says=REFUSED),
    "POSIX queue": _left(
        CALL + "call(240, b'left', 0o102, 0o666, 0)", CALL + "call(240, b'left', 0, 0, 0)", says=REFUSED
    ),
    "keyring": _left(
        CALL + "call(248, b'user', b'left', b'x', 1, -4)",
        CALL + "call(249, b'user', b'left', 0, -4)",
        FORBIDDEN,
    ),
    "anonymous file": attempt("persistence", "import os\nos.memfd_create('left')", says=REFUSED),
    "watch on files of others": attempt(
        "persistence", CALL + "call(254, call(294, 0), b'/opt/codeassay', 0xfff)", says=REFUSED
    ),
    "watch on all files": attempt("persistence", CALL + "call(300, 0, 0)", says=REFUSED),
}
