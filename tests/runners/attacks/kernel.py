"""Programs that ask the kernel for power: devices, namespaces, capabilities, scheduling, and calls with a bad past.

System call numbers are those of x86_64. Arguments are such that a call would fail with another error, or do no harm,
where no filter stops it; so a row also shows that it was the filter.
"""

from __future__ import annotations

from runners.program import Status
from tests.runners.attacks.attack import CALL, Attack, attempt

_FORBIDDEN = {
    "mount": "165, b'none', b'/tmp', b'tmpfs', 0, 0",
    "umount": "166, b'/tmp', 2",
    "pivot_root": "155, b'/tmp', b'/tmp'",
    "chroot": "161, b'/tmp'",
    "setns": "308, 0, 0",
    "unshare of users": "272, 0x10000000",
    "unshare of mounts": "272, 0x20000",
    "unshare of the network": "272, 0x40000000",
    "unshare of pids": "272, 0x20000000",
    "unshare of nothing": "272, 0",
    "bpf": "321, 0, 0, 0",
    "keyctl": "250, 0, -3, 0",
    "request_key": "249, b'user', b'a', 0, -3",
    "userfaultfd": "323, 1",
    "perf_event_open": "298, 0, 0, -1, -1, 0",
    "kexec_load": "246, 0, 0, 0, 1 << 40",
    "init_module": "175, 0, 0, 0",
    "finit_module": "313, -1, 0, 0",
    "delete_module": "176, 0, 0",
    "swapon": "167, 0, 0",
    "reboot": "169, 0, 0, 0",
    "iopl": "172, 0",
    "ioperm": "173, 0, 0, 0",
    "name_to_handle_at": "303, -1, 0, 0, 0, 0",
    "ptrace": "101, 0, 0, 0, 0",
}
"""Ends the program: nothing but an attack makes these calls."""

_REFUSED = {
    "clone with users of its own": "56, 0x10000011, 0, 0, 0, 0",
    "clone with mounts of its own": "56, 0x20011, 0, 0, 0, 0",
    "clone with a network of its own": "56, 0x40000011, 0, 0, 0, 0",
    "open_tree": "428, -1, 0, 0",
    "move_mount": "429, -1, 0, -1, 0, 0",
    "fsopen": "430, 0, 0",
    "fsmount": "432, -1, 0, 0",
    "mount_setattr": "442, -1, 0, 0, 0, 0",
    "io_uring_setup": "425, 0, 0",
    "io_uring_enter": "426, -1, 0, 0, 0, 0",
    "memfd_create": "319, b'a', 0",
    "memfd_secret": "447, 0",
    "personality": "135, 0x40000",
    "modify_ldt": "154, 1, 0, 0",
    "seccomp filter": "317, 1, 0, 0",
    "seccomp notification": "317, 1, 8, 0",
    "seccomp by prctl": "157, 22, 2, 0",
    "prctl to be dumped": "157, 4, 1",
    "prctl to adopt orphans": "157, 36, 1",
    "prctl to be traced": "157, 0x59616d61, -1",
    "prctl for ambient capabilities": "157, 47, 2, 21, 0, 0",
    "capset": "126, 0, 0",
    "setuid": "105, 0",
    "setreuid": "113, 0, 0",
    "setresuid": "117, 0, 0, 0",
    "setresgid": "119, 0, 0, 0",
    "setfsuid": "122, 0",
    "sched_setscheduler": "144, 0, 1, b'\\1\\0\\0\\0'",
    "sched_setattr": "314, 0, 0, 0",
    "sched_setaffinity": "203, 0, 128, b'\\1' + bytes(127)",
    "setpriority": "141, 0, 0, 0",
    "ioprio_set": "251, 1, 0, 0",
    "pidfd_getfd": "438, -1, 0, 0",
    "process_madvise": "440, -1, 0, 0, 0, 0",
    "process_mrelease": "448, -1, 0",
    "move_pages": "279, 0, 0, 0, 0, 0, 0",
    "mbind": "237, 0, 0, 0, 0, 0, 0",
    "sethostname": "170, 0, 1",
    "settimeofday": "164, 0, 0",
    "clock_settime": "227, 0, 0",
    "adjtimex": "159, 0",
    "acct": "163, 0",
    "quotactl": "179, 0, 0, 0, 0",
    "syslog": "103, 10, 0, 0",
    "vhangup": "153",
    "landlock_create_ruleset": "444, 0, 0, 0",
    "lookup_dcookie": "212, 0, 0, 0",
    "bind": "49, -1, 0, 0",
    "connect": "42, -1, 0, 0",
    "setxattr": "188, b'/tmp', b'user.a', b'', 0, 0",
    "number that does not exist": "9999",
}
"""Answered with EPERM, so that programs which merely try go on."""

_LIMIT = """
import resource as r
for name in ('NPROC', 'NOFILE', 'CPU', 'FSIZE', 'STACK', 'CORE', 'MEMLOCK', 'RTPRIO'):
    limit = getattr(r, 'RLIMIT_' + name, 14)
    hard = r.getrlimit(limit)[1]
    try: r.setrlimit(limit, (hard + 1, hard + 1))
    except (OSError, ValueError): continue
    break
else: worked = False
"""
_MACHINE_CODE = """
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=7)
code.write(bytes.fromhex({code!r}))
address = ctypes.addressof(ctypes.c_char.from_buffer(code))
worked = ctypes.CFUNCTYPE(ctypes.c_int)(address)() > 0
"""
_INT_80_GETPID = "b814000000cd80c3"
"""mov eax, 20 (getpid of i386); int 0x80; ret"""

KERNEL: dict[str, Attack] = {
    **{
        name: attempt("kernel", f"{CALL}call({call})", Status.FORBIDDEN, quick=name == "unshare of users")
        for name, call in _FORBIDDEN.items()
    },
    **{
        name: attempt("kernel", f"{CALL}call({call})", says="[Errno 1]", quick=name == "io_uring_setup")
        for name, call in _REFUSED.items()
    },
    # The C library falls back to clone where this one is missing.
    "clone3": attempt("kernel", CALL + "call(435, 0, 0)", says="[Errno 38]"),
    "forbidden call from a thread": attempt(
        "kernel",
        CALL + "import threading\nthread = threading.Thread(target=call, args=(272, 0))\nthread.start(); thread.join()",
        Status.FORBIDDEN,
    ),
    "forbidden call from a child": attempt(
        "kernel",
        CALL + "import os\npid = os.fork()\nif pid == 0: call(272, 0); os._exit(0)\n"
        "worked = os.waitpid(pid, 0)[1] == 0",
        Status.WRONG_ANSWER,
    ),
    "higher limits": attempt("kernel", _LIMIT, Status.WRONG_ANSWER),
    "x32 getpid": attempt("kernel", CALL + "call(0x40000000 | 39)", Status.FORBIDDEN),
    "x32 ptrace": attempt("kernel", CALL + "call(0x40000000 | 521, 0, 0, 0, 0)", Status.FORBIDDEN),
    "32-bit call": attempt("kernel", _MACHINE_CODE.format(code=_INT_80_GETPID), Status.FORBIDDEN),
}


def _opens(device: str) -> Attack:
    return attempt("devices", f"open('/dev/{device}', 'rb')", says="[Errno 2]")


DEVICES: dict[str, Attack] = {
    "block device of its own": attempt(
        "devices", "import os\nos.mknod('/tmp/disk', 0o60666, os.makedev(254, 0))", says="[Errno 1]", quick=True
    ),
    "character device of its own": attempt(
        "devices", "import os\nos.mknod('/tmp/mem', 0o20666, os.makedev(1, 1))", says="[Errno 1]"
    ),
    "memory": _opens("mem"),
    "virtual machines": _opens("kvm"),
    "terminal": _opens("tty"),
    "terminals": _opens("ptmx"),
    "file systems of its own": _opens("fuse"),
    "loop": _opens("loop-control"),
    "kernel's messages": _opens("kmsg"),
    "network tunnels": _opens("net/tun"),
    "graphics": _opens("nvidiactl"),
    "types into the terminal": attempt(
        "devices", "import fcntl\nfor fd in (0, 1, 2): fcntl.ioctl(fd, 0x5412, b'x')", says="[Errno 25]"
    ),
    "takes a terminal": attempt("devices", "import fcntl\nfcntl.ioctl(0, 0x540e, 0)", says="[Errno 25]"),
    "null device closed to all": attempt(
        "devices",
        "import os\nbefore = os.stat('/dev/null').st_mode\nos.chmod('/dev/null', 0)\n"
        "worked = os.stat('/dev/null').st_mode != before",
        says="[Errno 1]",
    ),
    "null device removed": attempt("devices", "import os\nos.unlink('/dev/null')", says="[Errno 30]"),
}
