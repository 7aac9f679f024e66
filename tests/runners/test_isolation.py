"""What a jail keeps from the machine, and what is left after it: nothing."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from runners.program import MEBIBYTE, Status
from tests.runners.conftest import JAILS, SLOW_COLD_JAILS, Run, open_or_skip, runner_of
from tests.runners.processes import groups_of, status_while, wait_until, with_marker

REPOSITORY = Path(__file__).resolve().parents[2]

WRITABLE_PLACES = """
import os
found = set()
for at, inner, files in os.walk('/'):
    paths = [os.path.join(at, name) for name in inner + files]
    found.update(path for path in paths if os.access(path, os.W_OK) and not os.path.islink(path))
    if at.count('/') > 2:
        inner.clear()
ok = found == {'/tmp', '/dev/null', '/dev/zero', '/dev/urandom'}
"""


@pytest.fixture(scope="module", params=[*JAILS, *SLOW_COLD_JAILS])
def jail(request: pytest.FixtureRequest) -> Run:
    """Runs a program in each of the jails in turn, those for other processors too."""
    return runner_of(open_or_skip(request.param))


UNSEEN = {
    "home directories": "import os\nok = not os.path.exists('/root') and not os.path.exists('/home')",
    "the checkout": f"import os\nok = not os.path.exists({str(REPOSITORY)!r})",
    "processes": (
        "import os\n"
        "seen = [path for path in ('/proc', '/sys') if os.path.exists(path) and os.listdir(path)]\n"
        "ok = not seen and os.getpid() == 1"
    ),
    "parents": "import os\nok = os.getppid() == 0",
    "the host's name": "import os\nok = os.uname().nodename == 'jail'",
    "devices": "import os\nok = set(os.listdir('/dev')) == {'null', 'zero', 'urandom', 'shm'}",
    "files of others": "import os\nok = os.listdir('/tmp') == [] == os.listdir('/dev/shm')",
    "packages that were not offered": "import sys\nok = not any('site-packages' in path for path in sys.path)",
    "secrets of the launcher": "import os\nok = set(os.environ) <= {'PATH', 'HOME', 'LANG', 'PYTHONHASHSEED', "
    "'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'LD_LIBRARY_PATH'}",
    "writable places": WRITABLE_PLACES,
}

REFUSED = {
    "network": "import socket; socket.socket()",
    "netlink": "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "unix sockets of others": "import socket; socket.socket(socket.AF_UNIX).connect('/tmp/x')",
    "write to the root": "open('/file', 'w')",
    "write to the libraries": "import os; open(os.__file__, 'a')",
    "root again": "import os; os.setuid(0)",
    "root again by all ids": "import os; os.setresuid(0, 0, 0)",
    "root's group": "import os; os.setgroups([0])",
    "real-time scheduling": "import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))",
    "other cores": "import os; os.sched_setaffinity(0, [0])",
    "device nodes": "import os; os.mknod('/tmp/disk', 0o60600, os.makedev(8, 0))",
    "more processes": "import resource as r; r.setrlimit(r.RLIMIT_NPROC, (9999, 9999))",
}

FORBIDDEN = {
    "mount": "libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)",
    "umount": "libc.umount2(b'/tmp', 2)",
    "ptrace": "libc.ptrace(0, 0, 0, 0)",
    "unshare": "libc.unshare(0x10000000)",
    "setns": "libc.setns(0, 0)",
    "chroot": "libc.chroot(b'/tmp')",
    "bpf": "libc.syscall(321, 0, 0, 0)",
    "keyctl": "libc.syscall(250, 0, 0)",
    "add_key": "libc.syscall(248, b'user', b'a', b'b', 1, 0)",
    "process_vm_readv": "libc.syscall(310, 1, 0, 0, 0, 0, 0)",
    "userfaultfd": "libc.syscall(323, 0)",
    "kexec_load": "libc.syscall(246, 0, 0, 0, 0)",
    "from a thread": "import threading\nthread = threading.Thread(target=libc.unshare, args=(0x20000,))\n"
    "thread.start(); thread.join()",
}

DAEMON = """
import os, sys
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(0); os.close(1); os.close(2)
        os.execv(sys.executable, [sys.executable, '-S', '-c', 'import time; time.sleep(600)', {marker!r}])
    os._exit(0)
os.close(write)
started = os.read(read, 1) == b''
"""

BECOME_MARKED = (
    "import os, sys; os.execv(sys.executable, [sys.executable, '-S', '-c', 'import time; time.sleep(600)', {marker!r}])"
)


@pytest.fixture
def marker() -> str:
    """A text by which one test's processes are found from outside."""
    return f"marker-{uuid.uuid4().hex}"


@pytest.mark.parametrize("source", UNSEEN.values(), ids=UNSEEN)
def test_host_is_not_seen(jail: Run, source: str) -> None:
    """The program sees the interpreter, its libraries and an empty /tmp, and nothing else of the machine."""
    verdict = jail(source, ("assert ok",))
    assert verdict.passed, verdict


@pytest.mark.parametrize("source", REFUSED.values(), ids=REFUSED)
def test_power_is_refused(jail: Run, source: str) -> None:
    """What a program may not do fails with an error that it can see."""
    verdict = jail(source)
    assert verdict.status is Status.RUNTIME_ERROR, verdict
    assert "Error: [Errno" in verdict.error or "not allowed" in verdict.error


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="system call numbers are those of x86_64")
@pytest.mark.parametrize("call", FORBIDDEN.values(), ids=FORBIDDEN)
def test_attack_is_forbidden(jail: Run, call: str) -> None:
    """Calls that only an attack makes end the whole program, with a status of their own."""
    verdict = jail(f"import ctypes\nlibc = ctypes.CDLL(None)\n{call}\n")
    assert verdict.status is Status.FORBIDDEN, verdict


def test_no_capability_is_left(jail: Run, marker: str) -> None:
    """A running program is nobody on the host, holds no capability, cannot gain one, and is under seccomp."""
    status = status_while(marker, lambda: jail(BECOME_MARKED.format(marker=marker), wall_seconds=1))
    assert {name: int(status[name], 16) for name in ("CapPrm", "CapEff", "CapAmb")} == {
        "CapPrm": 0,
        "CapEff": 0,
        "CapAmb": 0,
    }
    assert (status["NoNewPrivs"], status["Seccomp"], status["Groups"]) == ("1", "2", "")
    ids = {*status["Uid"].split(), *status["Gid"].split()}
    assert os.geteuid() == 0 or ids == {str(os.getuid()), str(os.getgid())}
    assert os.geteuid() != 0 or all(int(number) >= 65534 for number in ids)


def test_kill_everything_harms_nobody(jail: Run, marker: str) -> None:
    """`kill(-1)` reaches only the program's own processes."""
    victim = subprocess.Popen([sys.executable, "-S", "-c", "input()", marker], stdin=subprocess.PIPE)
    try:
        jail("import os, signal\ntry: os.kill(-1, signal.SIGKILL)\nexcept ProcessLookupError: pass")
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.communicate()


def test_daemon_does_not_survive(jail: Run, marker: str) -> None:
    """A process that left its session is gone when the verdict is there."""
    verdict = jail(DAEMON.format(marker=marker), ("assert started",))
    assert verdict.passed, verdict
    assert with_marker(marker) == []


def test_stopped_program_does_not_survive(jail: Run, marker: str) -> None:
    """A program that is stopped for its wall time is gone when the verdict is there, at every level."""
    assert jail(BECOME_MARKED.format(marker=marker), wall_seconds=0.5).status is Status.TIMEOUT
    assert with_marker(marker) == []


def test_fork_bomb_is_bounded(jail: Run) -> None:
    """Processes are limited for the whole tree, and all of them are gone afterwards."""
    bomb = "import os, time\nfor _ in range(64):\n    if os.fork() == 0: time.sleep(600)"
    verdict = jail(bomb, processes=16)
    assert verdict.status is Status.RUNTIME_ERROR
    assert "Resource temporarily unavailable" in verdict.error


def test_tmp_is_bounded(jail: Run) -> None:
    """/tmp holds no more than its limit."""
    verdict = jail("open('/tmp/a', 'wb').write(bytes(4 << 20))", tmp_bytes=2 * MEBIBYTE)
    assert verdict.status is Status.RUNTIME_ERROR
    assert "No space left" in verdict.error


def test_programs_do_not_meet(jail: Run) -> None:
    """What one program leaves in /tmp the next does not see."""
    assert jail("open('/tmp/a', 'w').write('x')").passed
    assert jail("import os\nseen = os.listdir('/tmp')", ("assert seen == []",)).passed


def test_memory_of_all_processes_counts_together() -> None:
    """With control groups, four children of 60 MiB break a limit of 128 MiB."""
    run = runner_of(open_or_skip("full"))
    children = "import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        x = bytearray(b'x') * (60 << 20)\n"
    verdict = run(children + "        time.sleep(600)\nos.wait()", memory_bytes=128 * MEBIBYTE)
    assert verdict.status is Status.MEMORY_LIMIT
    assert verdict.peak_memory_bytes is not None
    ahead = 64 * resource.getpagesize() * (os.cpu_count() or 1)  # the kernel charges 64 pages a CPU at a time
    assert verdict.peak_memory_bytes <= 128 * MEBIBYTE + ahead


@pytest.mark.parametrize("level", [*JAILS, *SLOW_COLD_JAILS])
def test_no_group_is_left(level: str) -> None:
    """A closed sandbox leaves no control group, whether its programs passed or were stopped."""
    gc.collect()  # what another test left open goes now, not while this one looks
    before = groups_of(os.getpid())
    sandbox = open_or_skip(level)
    run = runner_of(sandbox)
    run("")
    run("import os\nwhile os.fork() >= 0: pass", processes=16)
    run("while True: pass", cpu_seconds=0.2)
    sandbox.close()
    assert groups_of(os.getpid()) == before


ORPHAN = """
import sys
from runners import supervise
from runners.isolation import open_sandbox
from runners.program import Limits, Program
sandbox = open_sandbox(sys.argv[1])
supervise.START_SECONDS = 1.5
sandbox.run(Program(source=sys.argv[2], tests=(), limits=Limits(wall_seconds=0.5)))
"""


@pytest.mark.parametrize("level", ["full", "rootless"])
def test_orphaned_jail_ends_by_itself(level: str, marker: str) -> None:
    """When our process is killed, the jail's own clock ends the program, and the next sandbox removes its group."""
    open_or_skip(level)
    source = BECOME_MARKED.format(marker=marker)
    child = subprocess.Popen([sys.executable, "-c", ORPHAN, level, source], cwd=REPOSITORY)
    try:
        assert wait_until(lambda: bool(with_marker(marker)))
    finally:
        child.kill()
        child.wait()
    assert wait_until(lambda: not with_marker(marker))
    open_or_skip(level)
    assert groups_of(child.pid) == []
