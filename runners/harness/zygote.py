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
import resource
import select
import signal
import site
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from runners.harness import python_inside, split_roles
from runners.harness.zygote_protocol import INSIDE, KILL, READY, REPLY, REQUEST, SPLIT

CLONE_NEWPID, CLONE_NEWUSER = 0x20000000, 0x10000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MNT_DETACH = 1, 2, 4, 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 24, 38
SECCOMP_MODE_FILTER = 2
NUM_CAPABILITIES = 64
NUM_INODES = 4096
CHANNEL = 3
"""Number of the channel's descriptor in a child."""
Serve = Callable[[socket.socket], NoReturn]

libc = ctypes.CDLL(None, use_errno=True)


class FilterProgram(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def checked(result: int) -> int:
    """The result of a libc call.

    Raises:
        OSError: it failed.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def refuse_outside(host_mount_namespace: int) -> None:
    """End unless we are in the jail: nothing below may ever run on a host."""
    inside = (
        os.getpid() == 1
        and Path("/proc/self/ns/mnt").stat().st_ino != host_mount_namespace
        and Path(__file__).is_relative_to("/opt/codeassay")
        and not Path("/root").exists()
        and not Path("/home").exists()
    )
    if not inside:
        sys.stderr.write("zygote: not inside a jail\n")
        os._exit(97)


class Zygote:
    """Forks children until its control socket closes."""

    def __init__(self, control: socket.socket, mode: str, policy: bytes) -> None:
        self.control = control
        self.multi_uid = mode == "multi-uid"
        self.policy = FilterProgram(len(policy) // 8, policy)
        self.null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self.own_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self.proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        checked(libc.mount(b"none", b"/proc", b"tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, b"size=4k,mode=555"))
        checked(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        for capability in range(NUM_CAPABILITIES):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails where the kernel has none of this number
        self.tmp_bytes = 0
        self.clean = (0, 0)

    def serve(self) -> NoReturn:
        """Take one request after the other."""
        self.control.send(READY)
        while True:
            message, descriptors, _, _ = socket.recv_fds(self.control, REQUEST.size, 3)
            if not message:
                os._exit(0)
            if message == KILL:
                continue  # its program has just ended by itself
            kind, uid, *limits = REQUEST.unpack(message)
            if kind not in (INSIDE, SPLIT) or len(descriptors) != 3:
                os._exit(98)
            self.fresh_tmp(limits[6])
            start = self.start_inside if kind == INSIDE else self.start_split
            pids = start(uid, limits, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            self.watch(pids)

    def start_inside(self, uid: int, limits: list[int], descriptors: list[int]) -> list[int]:
        """One child: the program with its tests."""
        return [self.spawn(uid, limits, descriptors, python_inside.serve)]

    def start_split(self, uid: int, limits: list[int], descriptors: list[int]) -> list[int]:
        """Two children, joined by a socket: first the judge, who alone can report, then the program."""
        channel, out, err = descriptors
        ours, theirs = socket.socketpair()
        with ours, theirs:
            judge = self.spawn(uid + 1, limits, [channel, self.null, self.null, ours.fileno()], split_roles.judge)
            program = self.spawn(uid, limits, [theirs.fileno(), out, err], split_roles.program)
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

    def spawn(self, uid: int, limits: list[int], descriptors: list[int], serve: Serve) -> int:
        """Fork the child into a pid namespace of its own, where it is process 1."""
        checked(libc.unshare(CLONE_NEWPID))
        pid = os.fork()
        if pid == 0:
            try:
                self.lock_down(uid, limits, descriptors)
                serve(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, CHANNEL))
            finally:
                os._exit(99)
        checked(libc.setns(self.own_pid_namespace, CLONE_NEWPID))
        return pid

    def watch(self, pids: list[int]) -> None:
        """Wait for the end of the child that reports, or for the word to kill it; then tell the supervisor."""
        child = os.pidfd_open(pids[0])
        poll = select.poll()
        poll.register(child, select.POLLIN)
        poll.register(self.control, select.POLLIN)
        ended = False
        while not ended:
            for descriptor, _ in poll.poll():
                if descriptor == child:
                    ended = True
                elif self.control.recv(REQUEST.size) == KILL:
                    for pid in pids:
                        os.kill(pid, signal.SIGKILL)
                else:
                    os._exit(0)  # closed, or a word that has no place here: our own end takes the children along
        os.close(child)
        for pid in pids[1:]:
            os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
        ends = [os.wait4(pid, 0)[1:] for pid in pids]
        user = sum(usage.ru_utime for _, usage in ends)
        system = sum(usage.ru_stime for _, usage in ends)
        peak = max(usage.ru_maxrss for _, usage in ends) * 1024
        self.control.send(REPLY.pack(b"E", ends[0][0], ends[-1][0], user, system, peak))

    def lock_down(self, uid: int, limits: list[int], descriptors: list[int]) -> None:
        """Give up everything but the descriptors, for good; they become 3 (channel), 1, 2, and 4 if there are four."""
        score = os.open("self/oom_score_adj", os.O_WRONLY, dir_fd=self.proc)
        os.write(score, b"1000")
        os.close(score)
        if not self.multi_uid:
            self.own_user_namespace(uid)
        channel, out, err, *more = descriptors
        high = [os.dup(descriptor) for descriptor in more]  # out of the way of the numbers below
        os.dup2(self.null, 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.dup2(channel, CHANNEL, inheritable=False)
        for number, descriptor in enumerate(high, CHANNEL + 1):
            os.dup2(descriptor, number, inheritable=False)
        os.closerange(CHANNEL + 1 + len(high), 1 << 20)
        os.chdir("/tmp")
        self.limit(limits)
        os.setgroups([]) if self.multi_uid else None
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        self.drop_capabilities()
        checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        checked(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        checked(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(self.policy)))
        gc.enable()

    def own_user_namespace(self, uid: int) -> None:
        """Where only one uid is mapped, a namespace below gives the child another number for it."""
        checked(libc.unshare(CLONE_NEWUSER))
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} 0 1"), ("gid_map", f"{uid} 0 1")):
            file = os.open(f"self/{name}", os.O_WRONLY, dir_fd=self.proc)
            os.write(file, text.encode())
            os.close(file)

    def limit(self, limits: list[int]) -> None:
        """Set the rlimits, hard and soft alike."""
        cpu, file, open_files, processes, stack, address_space, _ = limits
        values = {
            resource.RLIMIT_CPU: cpu,
            resource.RLIMIT_FSIZE: file,
            resource.RLIMIT_NOFILE: open_files,
            resource.RLIMIT_NPROC: processes,
            resource.RLIMIT_STACK: stack,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_MEMLOCK: 0,
            resource.RLIMIT_MSGQUEUE: 0,
            resource.RLIMIT_RTPRIO: 0,
        }
        if address_space:
            values[resource.RLIMIT_AS] = address_space
        for name, value in values.items():
            resource.setrlimit(name, (value, value))

    def drop_capabilities(self) -> None:
        """Empty every capability set; the bounding set has been empty since the zygote started."""
        header = struct.pack("Ii", 0x20080522, 0)
        checked(libc.capset(header, bytes(24)))


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
    gc.collect()
    gc.freeze()
    gc.disable()
    zygote.serve()
