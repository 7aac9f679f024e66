"""Level `restricted`: hold one program in its bounds without namespaces; `runners.restricted` starts this per program.

This process, the keeper, runs nothing that is not ours. It forks the program (and before it, under judge=split, the
judge), each of which gives up all that it does not need before it receives a word from outside. The keeper adopts all
that they leave behind and ends only when none of it lives any more: told to stop, at the end of who reports, or when
the supervisor is gone. Arguments: CHANNEL SETTINGS, the latter as JSON.
"""

# pathlib would cost each start of a program 10 ms:
# ruff: noqa: PTH101, PTH109, PTH120, PTH123, PTH208

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import signal
import site
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from runners.harness import landlock, python_inside
from runners.harness.lock_down import (
    CAPABILITY_VERSION_3,
    CHANNEL,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    PR_SET_SECCOMP,
    SECCOMP_MODE_FILTER,
    FilterProgram,
    checked,
)
from runners.harness.remove import remove_tree
from runners.harness.restricted_protocol import OWN_PID, Settings

PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_CAP_AMBIENT, CLEAR_ALL = 24, 36, 47, 4
NUM_CAPABILITIES = 64
LOCKED, ASIDE = 5, 16
"""Where a child tells that it is locked down; first of the numbers that nothing has."""
FIRST_STEP = 256
"""How many processes a user may have at least where RLIMIT_NPROC counts those of others too."""
NOT_OURS, NOT_LOCKED = 97, 98
"""Exit statuses of a keeper that was not started by the supervisor, of a child that could not be locked down."""

libc = ctypes.CDLL(None, use_errno=True)


class Keeper:
    """Starts the processes of one program and ends when they have ended."""

    def __init__(self, channel: int, settings: Settings) -> None:
        """Prepare all that the children share.

        Raises:
            OSError: the machine refuses; nothing has been started.
        """
        self.settings = settings
        for group in settings["groups"]:
            with open(f"{group}/cgroup.procs", "wb", buffering=0) as file:
                file.write(b"0")
        checked(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
        self.channel = channel
        self.null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self.gid = own_id(settings["ids"]) if settings["ids"] else None
        if self.gid is not None:
            os.chown(settings["directory"], -1, self.gid)
            os.chmod(settings["directory"], 0o770)  # noqa: S103  # the judge and the program share the group
        self.processes = settings["processes"] if settings["ids"] else room_for(settings["processes"])
        beneath = landlock.existing(settings["readable"], landlock.READ)
        beneath |= landlock.existing(("/dev/null", "/dev/zero", "/dev/urandom"), landlock.DEVICE)
        self.ruleset = landlock.make_ruleset(settings["abi"], beneath | {settings["directory"]: landlock.WRITE})

    def start(self) -> list[int]:
        """Fork the children; the pid of who reports, then that of the program if it is another."""
        if self.settings["judge"] != "split":
            self.take_leave()
            return [self.spawn([self.channel, 1, 2], python_inside.serve)]
        from runners.harness import split_roles

        self.take_leave()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            program = self.spawn([theirs.fileno(), 1, 2], split_roles.program, reports=False)
            return [self.spawn([self.channel, self.null, self.null, ours.fileno()], split_roles.judge), program]

    def take_leave(self) -> None:
        """Make this the interpreter that a program expects: no module of ours on the path, no argument."""
        sys.path[:] = [path for path in sys.path if path != self.settings["checkout"]] + self.settings["module_path"]
        sys.argv[:] = sys.orig_argv[:] = ["program"]
        site.setquit()
        site.sethelper()

    def spawn(self, descriptors: Sequence[int], serve: Callable[[int], NoReturn], *, reports: bool = True) -> int:
        """Fork a child into a process group of its own and wait until it is locked down; its pid.

        Raises:
            OSError: it could not be locked down; it said why on its standard error.
        """
        keeper = os.getpid()
        told, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                self.lock_down([*descriptors, tell], keeper)
                os.write(LOCKED, b"r")
                os.close(LOCKED)
                python_inside.keep_reserve()
                if reports:
                    python_inside.write(CHANNEL, python_inside.READY)
                serve(CHANNEL)
            except (OSError, ValueError) as error:
                os.write(2, f"cannot be locked down: {error}\n".encode())
            finally:
                os._exit(NOT_LOCKED)
        os.setpgid(pid, pid)
        os.close(tell)
        locked = os.read(told, 1)
        os.close(told)
        if not locked:
            os.killpg(pid, signal.SIGKILL)
            raise OSError("a child could not be locked down")
        return pid

    def lock_down(self, descriptors: Sequence[int], keeper: int) -> None:
        """Give up everything but the descriptors, for good; see `keep_only`.

        Raises:
            OSError: the machine refuses, or what should be closed is open still.
        """
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        # Where /proc is closed to us the kernel chooses by size alone, which is the program all the same.
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
        self.become()
        checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        checked(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
        if os.getppid() != keeper:
            raise OSError("the keeper is gone")
        landlock.restrict(self.ruleset)
        self.keep_only(descriptors)
        self.limit()
        policy = bytes.fromhex(self.settings["policy"]).replace(OWN_PID, struct.pack("=I", os.getpid()))
        program = FilterProgram(len(policy) // 8, policy)
        checked(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program)))
        prove()

    def limit(self) -> None:
        """Set the rlimits, hard and soft alike; none is raised."""
        for name, value in [*self.settings["rlimits"].items(), ("NPROC", self.processes)]:
            number = getattr(resource, f"RLIMIT_{name}")
            hard = resource.getrlimit(number)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(number, (value, value))

    def become(self) -> None:
        """Become a user that nobody else is, if we may; and in any case one without capabilities."""
        for capability in range(NUM_CAPABILITIES):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails where we may not, or the kernel has none of it
        if self.gid is not None:
            uid = own_id(self.settings["ids"])
            os.setgroups([])
            os.setresgid(self.gid, self.gid, self.gid)
            os.setresuid(uid, uid, uid)
        libc.prctl(PR_CAP_AMBIENT, CLEAR_ALL, 0, 0, 0)
        checked(libc.capset(struct.pack("Ii", CAPABILITY_VERSION_3, 0), bytes(24)))

    def keep_only(self, descriptors: Sequence[int]) -> None:
        """Close all but stdin and these: channel (now 3), stdout, stderr, perhaps one more (4), where to tell (5)."""
        channel, out, err, *more, tell = [fcntl.fcntl(fd, fcntl.F_DUPFD, ASIDE) for fd in descriptors]
        os.closerange(CHANNEL, ASIDE)
        for fd, number in ((out, 1), (err, 2)):
            os.dup2(fd, number)
        for fd, number in ((channel, CHANNEL), *((fd, CHANNEL + 1) for fd in more), (tell, LOCKED)):
            os.dup2(fd, number, inheritable=False)
        os.closerange(LOCKED + 1, 1 << 20)

    def watch(self, pids: list[int]) -> NoReturn:
        """Wait for the end of who reports or for the word to stop; kill and reap all; end as the program ended."""
        stopped = False
        while not stopped and os.waitid(os.P_PID, pids[0], os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            stopped = signal.sigwait({signal.SIGTERM, signal.SIGCHLD}) == signal.SIGTERM
        for pid in pids:
            os.killpg(pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
        ends = reap_all()
        codes = [os.waitstatus_to_exitcode(ends[pid]) for pid in pids]
        code = codes[-1] if codes[-1] == -signal.SIGSYS else codes[0]
        if os.getppid() != self.settings["supervisor"]:
            remove_tree(os.path.dirname(self.settings["directory"]))
        os._exit(code if code >= 0 else 128 - code)


def own_id(ids: list[int]) -> int:
    """A number that no living process of this machine but ours has, as uid and as gid, where there are enough."""
    first, count = ids
    return first + os.getpid() % count


def prove() -> None:
    """See that what should be closed is closed.

    Raises:
        OSError: it is not.
    """
    for path in ("/", "/proc", "/etc/passwd", "/proc/self/status"):
        try:
            os.close(os.open(path, os.O_RDONLY))
        except OSError:
            continue
        raise OSError(f"{path} can be read")
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 or libc.setpgid(0, 0) == 0 or libc.socket(1, 1, 0) >= 0:
        raise OSError("the seccomp filter does not hold")


def room_for(processes: int) -> int:
    """A value of RLIMIT_NPROC that leaves room for a program where the processes of others of this user count too.

    How many there are no file tells (other containers' count and are not seen), so it is tried.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    enough = FIRST_STEP
    while (hard == resource.RLIM_INFINITY or enough < hard) and not can_fork(enough, hard):
        enough *= 2
    resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
    return enough + max(processes, FIRST_STEP)


def can_fork(limit: int, hard: int) -> bool:
    """Whether a process can be started under a limit."""
    resource.setrlimit(resource.RLIMIT_NPROC, (limit, hard))
    try:
        pid = os.fork()
    except BlockingIOError:
        return False
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return True


def reap_all() -> dict[int, int]:
    """Wait until no descendant is left; wait status by pid."""
    ends = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.wait()
            ends[pid] = status
    return ends


def main() -> NoReturn:
    """Prove that we were started as we should be, start the program, watch."""
    channel, settings = int(sys.argv[1]), json.loads(sys.argv[2])
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
    as_told = (os.getppid(), os.getsid(0), os.getcwd()) == (settings["supervisor"], os.getpid(), settings["directory"])
    if not as_told or os.listdir("."):
        sys.stderr.write("restricted_start: not started by the supervisor in an empty directory of its own\n")
        os._exit(NOT_OURS)
    try:
        keeper = Keeper(channel, settings)
        pids = keeper.start()
    except OSError as error:
        sys.stderr.write(f"restricted_start: {error}\n")
        os._exit(NOT_LOCKED)
    os.closerange(0, 1 << 20)
    keeper.watch(pids)
