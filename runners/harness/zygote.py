"""Inside the jail: a warm interpreter that forks one locked-down child per program and never looks at a program itself.

It is namespace root of the jail and process 1 of its pid namespace. Over its control socket it takes one request at a
time: limits, and three descriptors (the program's channel to the supervisor, stdout, stderr). The child gets a pid
namespace of its own, a clean /tmp, rlimits, no capability, no descriptor but those three, and the seccomp filter before
the first untrusted instruction.
Arguments: FD HOST_MOUNT_NAMESPACE MODE PRELOAD [PATH ...]; `runners.warm` gives them.
"""

import ctypes
import gc
import os
import select
import signal
import site
import socket
import struct
import sys
from collections.abc import Callable
from typing import NoReturn

from runners.harness import exec_inside, python_inside, split_roles
from runners.harness.lock_down import CHANNEL, LockDown, call_all, checked, own_user_namespace
from runners.harness.rehearsal import rehearse
from runners.harness.zygote_protocol import COMMAND, INSIDE, KILL, READY, REPLY, REQUEST, SPLIT

CLONE_NEWPID = 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MNT_DETACH = 1, 2, 4, 2
PR_SET_DUMPABLE, PR_CAPBSET_DROP = 4, 24
NUM_CAPABILITIES = 64
NUM_INODES = 4096
OOM_FIRST = b"1000"
"""Where the kernel must kill for memory, it is to kill a child and never the zygote."""
GRACE_MS = 100
DESCRIPTORS = {INSIDE: struct.Struct("3i"), SPLIT: struct.Struct("3i"), COMMAND: struct.Struct("5i")}
"""What comes with a request of each kind: channel, stdout, stderr; for a command also what it takes and gives."""
Serve = Callable[[int], NoReturn]

libc = ctypes.CDLL(None, use_errno=True)
fork = ctypes.PyDLL(None).fork
"""Without Python's own hooks: we have one thread, and each page that they touch would be copied for every child.
`random` starts in the same state in every program, so that no verdict is a matter of luck."""


def refuse_outside(host_mount_namespace: int) -> None:
    """End unless we are in the jail: nothing below may ever run on a host."""
    inside = (
        os.getpid() == 1
        and os.stat("/proc/self/ns/mnt").st_ino != host_mount_namespace  # noqa: PTH116 (pathlib is too large to fork)
        and __file__.startswith("/opt/codeassay/")
        and not os.path.lexists("/root")
        and not os.path.lexists("/home")
    )
    if not inside:
        sys.stderr.write("zygote: not inside a jail\n")
        os._exit(97)


class Zygote:
    """Forks children until its control socket closes."""

    def __init__(self, control: socket.socket, mode: str, policy: bytes) -> None:
        self.control = control
        self.null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        os.dup2(self.null, 0)
        self.own_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self.oom = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
        self.own_oom = os.read(self.oom, 16)
        self.proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        checked(libc.mount(b"none", b"/proc", b"tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, b"size=4k,mode=555"))
        checked(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        for capability in range(NUM_CAPABILITIES):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails where the kernel has none of this number
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.multi_uid = mode == "multi-uid"
        if self.multi_uid:
            os.setgroups([])
        self.is_ready, ready = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.lock_down = LockDown(policy, ready)
        self.poll = select.poll()
        self.poll.register(control, select.POLLIN)
        self.tmp_bytes = 0
        self.clean = (0, 0)

    def serve(self) -> NoReturn:
        """Take one request after the other."""
        self.control.send(READY)
        space = socket.CMSG_SPACE(DESCRIPTORS[COMMAND].size)
        starts = {INSIDE: self.start_inside, SPLIT: self.start_split, COMMAND: self.start_command}
        while True:
            message, ancillary, _, _ = self.control.recvmsg(REQUEST.size, space)
            if not message:
                os._exit(0)
            if message == KILL:
                continue  # its program has just ended by itself
            kind, uid, *limits, tmp_bytes = REQUEST.unpack(message)
            if kind not in starts:
                os._exit(98)
            descriptors = DESCRIPTORS[kind].unpack(ancillary[0][2])
            self.fresh_tmp(tmp_bytes)
            os.write(self.oom, OOM_FIRST)
            pids = starts[kind](uid, tuple(limits), descriptors)
            os.write(self.oom, self.own_oom)
            self.watch(pids)
            answer = self.reap(pids)
            for descriptor in descriptors:
                os.close(descriptor)
            self.control.send(answer)

    def start_inside(self, uid: int, limits: tuple[int, ...], descriptors: tuple[int, ...]) -> list[int]:
        """One child: the program with its tests."""
        return [self.spawn(uid, limits, descriptors, python_inside.serve)]

    def start_command(self, uid: int, limits: tuple[int, ...], descriptors: tuple[int, ...]) -> list[int]:
        """One child, which starts a compiler or a program and waits for it."""
        return [self.spawn(uid, limits, descriptors, exec_inside.serve)]

    def start_split(self, uid: int, limits: tuple[int, ...], descriptors: tuple[int, ...]) -> list[int]:
        """Two children, joined by a socket: first the judge, who alone can report, then the program."""
        channel, out, err = descriptors
        ours, theirs = socket.socketpair()
        with ours, theirs:
            judge = self.spawn(uid + 1, limits, (channel, self.null, self.null, ours.fileno()), split_roles.judge)
            program = self.spawn(uid, limits, (theirs.fileno(), out, err), split_roles.program)
        return [judge, program]

    def fresh_tmp(self, num_bytes: int) -> None:
        """Give the next program an empty /tmp: a new tmpfs where the last one left anything or the size differs."""
        state = os.statvfs("/tmp")
        if num_bytes == self.tmp_bytes and (state.f_ffree, state.f_bfree) == self.clean:
            return
        if self.tmp_bytes:
            checked(libc.umount2(b"/tmp", MNT_DETACH))
        options = f"size={num_bytes},nr_inodes={NUM_INODES},mode=1777".encode()
        checked(libc.mount(b"none", b"/tmp", b"tmpfs", MS_NOSUID | MS_NODEV, options))
        state = os.statvfs("/tmp")
        self.tmp_bytes, self.clean = num_bytes, (state.f_ffree, state.f_bfree)
        os.chdir("/tmp")  # children begin there

    def spawn(self, uid: int, limits: tuple[int, ...], descriptors: tuple[int, ...], serve: Serve) -> int:
        """Fork the child into a pid namespace of its own, where it is process 1."""
        calls, multi_uid, limited = self.lock_down.calls(uid, limits, descriptors), self.multi_uid, limits[-1]
        checked(libc.setns(self.own_pid_namespace, CLONE_NEWPID))  # back from the last child's
        checked(libc.unshare(CLONE_NEWPID))
        pid: int = fork()
        if pid == 0:
            try:
                if not multi_uid:
                    own_user_namespace(uid, self.proc)
                call_all(calls)
                if limited:
                    python_inside.keep_reserve()
                gc.enable()
                serve(CHANNEL)
            finally:
                os._exit(99)
        if pid < 0:
            raise MemoryError("fork")
        return pid

    def watch(self, pids: list[int]) -> None:
        """Wait for the end of the child that reports, or for the word to kill it."""
        child = os.pidfd_open(pids[0])
        self.poll.register(child, select.POLLIN)
        ended = False
        while not ended:
            for descriptor, _ in self.poll.poll():
                if descriptor == child:
                    ended = True
                elif self.control.recv(REQUEST.size) == KILL:
                    for pid in pids:
                        os.kill(pid, signal.SIGKILL)
                else:
                    os._exit(0)  # closed, or a word that has no place here: our own end takes the children along
        self.poll.unregister(child)
        os.close(child)

    def end(self, pid: int) -> None:
        """Let a child that is no longer needed hand over what it printed, but not for long."""
        child = os.pidfd_open(pid)
        poll = select.poll()
        poll.register(child, select.POLLIN)
        poll.poll(GRACE_MS)
        os.close(child)
        os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still its own

    def reap(self, pids: list[int]) -> bytes:
        """End all children, with all in their namespaces; what the supervisor is to be told of it."""
        user = system = peak = 0.0
        statuses: list[int] = []
        for pid in pids:
            if statuses:
                self.end(pid)
            _, status, usage = os.wait4(pid, 0)
            statuses.append(status)
            user, system, peak = user + usage.ru_utime, system + usage.ru_stime, max(peak, usage.ru_maxrss)
        try:
            num_ready = len(os.read(self.is_ready, 2))
        except BlockingIOError:
            num_ready = 0
        return REPLY.pack(b"E", num_ready == len(statuses), statuses[0], statuses[-1], user, system, int(peak) * 1024)


def main() -> NoReturn:
    """Prove that we are inside, warm up, serve."""
    refuse_outside(int(sys.argv[2]))
    control = socket.socket(fileno=int(sys.argv[1]))
    policy = control.recv(1 << 16)
    mode, preload = sys.argv[3], sys.argv[4]
    sys.path.remove("/opt/codeassay")  # programs cannot import what is there by chance
    sys.path.extend(path for path in sys.argv[5:] if path)
    for name in filter(None, preload.split(",")):
        __import__(name)
    site.setquit()
    site.sethelper()
    sys.argv = ["program"]
    zygote = Zygote(control, mode, policy)
    rehearse()
    del os.environ["LD_BIND_NOW"]
    gc.freeze()
    gc.disable()
    zygote.serve()
