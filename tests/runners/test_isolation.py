"""What a jail keeps from the machine, what is left after it, and that no weaker one is taken silently."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runners import isolation
from runners.cgroup import find_parents
from runners.errors import SandboxUnavailable, UserError
from runners.isolation import open_sandbox, probe
from runners.nsjail import NsjailSandbox
from runners.plain import PlainSandbox
from runners.program import MEBIBYTE, Program, Status
from tests.runners.conftest import JAILS, Run, open_or_skip, runner_of
from tests.runners.processes import groups_of, status_of, wait_until, with_marker

REPOSITORY = Path(__file__).resolve().parents[2]

UNSEEN = {
    "home directories": "import os\nok = not os.path.exists('/root') and not os.path.exists('/home')",
    "the checkout": f"import os\nok = not os.path.exists({str(REPOSITORY)!r})",
    "processes": "import os\nok = not os.path.exists('/proc') and not os.path.exists('/sys') and os.getpid() == 1",
    "parents": "import os\nok = os.getppid() == 0",
    "the host's name": "import os\nok = os.uname().nodename == 'jail'",
    "devices": "import os\nok = set(os.listdir('/dev')) == {'null', 'zero', 'urandom', 'shm'}",
    "files of others": "import os\nok = os.listdir('/tmp') == [] == os.listdir('/dev/shm')",
    "packages that were not offered": "import sys\nok = not any('site-packages' in path for path in sys.path)",
    "secrets of the launcher": "import os\nok = set(os.environ) <= {'PATH', 'HOME', 'LANG', 'PYTHONHASHSEED', "
    "'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'LD_LIBRARY_PATH'}",
    "writable places": "import os\nok = {os.path.join(at, name) for at, inner, files in os.walk('/') "
    "if at.count('/') < 4 for name in inner + files if not os.path.islink(os.path.join(at, name)) "
    "and os.access(os.path.join(at, name), os.W_OK)} <= {'/tmp', '/dev/null', '/dev/zero', '/dev/urandom'}",
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
    found: list[dict[str, str]] = []

    def look() -> None:
        if wait_until(lambda: bool(with_marker(marker)), 5):
            found.append(status_of(with_marker(marker)[0]))

    watcher = threading.Thread(target=look)
    watcher.start()
    jail(BECOME_MARKED.format(marker=marker), wall_seconds=1)
    watcher.join()
    status = found[0]
    assert {name: int(status[name], 16) for name in ("CapPrm", "CapEff", "CapAmb")} == {
        "CapPrm": 0,
        "CapEff": 0,
        "CapAmb": 0,
    }
    assert (status["NoNewPrivs"], status["Seccomp"], status["Groups"]) == ("1", "2", "")
    ids = {*status["Uid"].split(), *status["Gid"].split()}
    assert ids == ({"65534"} if os.geteuid() == 0 else {str(os.getuid()), str(os.getgid())})


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
    assert verdict.peak_memory_bytes <= 128 * MEBIBYTE


def test_no_group_is_left(jail: Run) -> None:
    """No control group remains after a program, whether it passed or was stopped."""
    jail("")
    jail("import os\nwhile os.fork() >= 0: pass", processes=16)
    jail("while True: pass", cpu_seconds=0.2)
    assert groups_of(os.getpid()) == []


ORPHAN = """
import sys
from runners import supervise
from runners.isolation import open_sandbox
from runners.program import Limits, Program
supervise.START_SECONDS = 1.0
open_sandbox(sys.argv[1]).run(Program(source=sys.argv[2], tests=(), limits=Limits(wall_seconds=1)))
"""


@pytest.mark.parametrize("level", JAILS)
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


def can_unshare() -> bool:
    """Whether this machine gives namespaces, asked without any code of ours."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "--net", "--pid", "--fork", "/bin/true"]
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not can_unshare(), reason="this machine gives no namespaces (unshare --user fails or is missing)")
def test_machine_with_namespaces_has_a_jail() -> None:
    """Where namespaces can be made a jail works, and where groups can be made it is the full one: no quiet skipping."""
    found = probe()
    with_groups = os.geteuid() == 0 and find_parents()[0] is not None
    assert (found.level, found.failures) == ("full" if with_groups else "rootless", ())
    assert open_sandbox("rootless").isolation == "rootless"


def test_probe_tells_the_level_that_opens() -> None:
    """`auto` opens the level that the probe found, which is at least rootless."""
    found = probe()
    if found.level is None:
        pytest.skip(f"no jail on this machine: {found.failures}")
    assert found.level in JAILS
    assert open_sandbox().isolation == found.level
    assert len(found.failures) <= 1


def broken_nsjail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every jail fail to start."""
    make = NsjailSandbox.__init__

    def broken(self: NsjailSandbox, *args: Any) -> None:
        make(self, *args)
        self._nsjail = "/bin/false"

    monkeypatch.setattr(NsjailSandbox, "__init__", broken)


def test_jail_that_does_not_start_is_our_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program whose jail never started has not failed."""
    broken_nsjail(monkeypatch)
    verdict = NsjailSandbox(None).run(Program(source="", tests=("pass",)))
    assert verdict.status is Status.SANDBOX_ERROR
    assert "did not start" in verdict.error


def test_jail_that_is_missing_is_our_fault() -> None:
    """A program whose jail is not installed has not failed."""
    sandbox = NsjailSandbox(None)
    sandbox._nsjail = "/no-such-file"
    verdict = sandbox.run(Program(source="", tests=("pass",)))
    assert verdict.status is Status.SANDBOX_ERROR
    assert "no-such-file" in verdict.error or "did not start" in verdict.error


@pytest.mark.parametrize("level", ["auto", *JAILS])
def test_nothing_weaker_is_taken_silently(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    """Where no jail works, opening one says why and what to change, and opens nothing."""
    broken_nsjail(monkeypatch)
    with pytest.raises(SandboxUnavailable, match="did not start") as error:
        open_sandbox(level)
    assert "max_user_namespaces" in str(error.value)
    assert "--isolation none" in str(error.value)


def test_full_is_not_replaced_by_rootless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for `full`, a machine without control groups refuses and says what it found."""
    monkeypatch.setattr(isolation, "find_parents", lambda: (None, "no groups here"))
    open_or_skip("rootless")
    with pytest.raises(SandboxUnavailable, match=r"no groups here|need root") as error:
        open_sandbox("full")
    assert "--isolation rootless" in str(error.value)


def test_auto_without_groups_is_rootless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without control groups `auto` is rootless and says so in its name."""
    open_or_skip("rootless")
    monkeypatch.setattr(isolation, "find_parents", lambda: (None, "no groups here"))
    assert open_sandbox().isolation == "rootless"


def test_no_isolation_is_loud(capsys: pytest.CaptureFixture[str]) -> None:
    """A plain process is given only by name, and with a warning on standard error."""
    sandbox = open_sandbox("none")
    assert isinstance(sandbox, PlainSandbox)
    assert "UNPROTECTED" in capsys.readouterr().err


def test_unknown_level_names_the_known() -> None:
    """An unknown level is the user's error, answered with those that exist."""
    with pytest.raises(UserError, match="full, rootless, none"):
        open_sandbox("docker")


AS_NOBODY = """
from runners.isolation import open_sandbox, probe
from runners.program import Limits, Program
sandbox = open_sandbox()
sources = ("def f(): return 1", "import time; time.sleep(600)", "import os; os.setuid(0)")
verdicts = [sandbox.run(Program(source=s, tests=("f()",), limits=Limits(wall_seconds=1))) for s in sources]
print(sandbox.isolation, *(verdict.status for verdict in verdicts))
"""


@pytest.fixture
def public_copy() -> Iterator[Path]:
    """A copy of runners and nsjail that every user can read."""
    folder = Path(tempfile.mkdtemp(prefix="codeassay-test-"))
    shutil.copytree(REPOSITORY / "runners", folder / "runners", ignore=shutil.ignore_patterns("__pycache__"))
    for package in Path(NsjailSandbox(None)._nsjail).parents[2].glob("*nsjail*"):
        shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
    yield folder
    shutil.rmtree(folder)


def public_python() -> str:
    """An interpreter of at least 3.11 that any user may start."""
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        command = [python, "-S", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            if subprocess.run(command, user=65534, group=65534, cwd="/", stderr=subprocess.DEVNULL).returncode == 0:
                return python
        except OSError:  # lies in a directory that is closed to others
            continue
    pytest.skip("no interpreter of at least 3.11 here is open to other users")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; as a user the other tests show it")
def test_any_user_gets_rootless(public_copy: Path) -> None:
    """A user without any right on the machine gets `rootless`, and it holds."""
    open_or_skip("rootless")
    done = subprocess.run(
        [public_python(), "-B", "-c", AS_NOBODY],
        user=65534,
        group=65534,
        extra_groups=[],
        cwd=public_copy,
        env={"PYTHONPATH": str(public_copy), "HOME": str(public_copy), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["rootless", "passed", "timeout", "runtime_error"], done.stderr
