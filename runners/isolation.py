"""Which isolation this machine gives, found by running canaries, and the sandbox that gives it."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
import sys
from dataclasses import dataclass

from runners.cgroup import GroupParents, find_parents
from runners.errors import SandboxUnavailable, UserError
from runners.nsjail import NsjailSandbox
from runners.plain import PlainSandbox
from runners.program import Limits, Program, Status
from runners.restricted import RestrictedSandbox
from runners.syscalls import MACHINES
from runners.warm import WarmSandbox

LEVELS = ("full", "rootless", "restricted", "none")
"""From strongest to none; `auto` takes one of the first two, the others must be asked for by name."""

_CURE = (
    "Allow unprivileged user namespaces (sysctl user.max_user_namespaces > 0 and, on Ubuntu, "
    "kernel.apparmor_restrict_unprivileged_userns=0), or run as root. In Docker: --security-opt seccomp=unconfined "
    "--security-opt apparmor=unconfined --security-opt systempaths=unconfined. In Kubernetes: hostUsers: false, "
    "procMount: Unmasked, seccompProfile and appArmorProfile of type Unconfined. Where that is not allowed, "
    "--isolation restricted is weaker and needs none of it. For trusted programs only: --isolation none."
)
_RESTRICTED_CURE = (
    "It needs Linux 5.13 or newer with Landlock, and a container whose seccomp profile allows landlock_* and seccomp "
    "filters, as those of Docker (since 20.10.18) and containerd (since 2022) do; no privilege, no namespace."
)
_GROUPS_CURE = (
    "Run as root where control groups (memory, pids) may be made; in a container they must be mounted writable. "
    "Without them --isolation rootless limits each process, but not all processes of a program together."
)

_UNSHARE = (
    "import ctypes, sys\n"
    "libc = ctypes.CDLL(None, use_errno=True)\n"
    "sys.exit(libc.unshare(0x10000000 | 0x20000 | 0x20000000 | 0x40000000) and ctypes.get_errno())\n"
)
"""Ends with the error number of making user, mount, pid and network namespaces; 0 if it can be done."""
_REFUSED = {
    errno.ENOSPC: "user.max_user_namespaces is 0 or used up",
    errno.EPERM: "a seccomp profile, AppArmor or a sysctl forbids them",
    errno.EINVAL: "this kernel is built without",
}

_CANARY_LIMITS = Limits(cpu_seconds=5, wall_seconds=20)
_HONEST = Program(source="def f(x):\n    return x + 1\n", tests=("assert f(1) == 2",), limits=_CANARY_LIMITS)
_ESCAPES = Program(
    source=(
        "import os, socket\n"
        "seen = [p for p in ('/root', '/home', '/proc/1', '/sys/fs') if os.path.exists(p)]\n"
        "try:\n    open('/canary', 'w')\n    seen.append('writable root')\n"
        "except OSError:\n    pass\n"
        "try:\n    socket.socket(socket.AF_INET)\n    seen.append('network sockets')\n"
        "except OSError:\n    pass\n"
        "if os.getuid() == 0 or os.getpid() > 8:\n    seen.append('uid or pid of the host')\n"
    ),
    tests=("assert not seen, seen",),
    limits=_CANARY_LIMITS,
)
_LOOKS_AROUND = Program(
    source=(
        "import os, socket\n"
        "seen = []\n"
        "for place in ('/', '/root', '/home', '/etc', '/tmp', '/proc', '/proc/1', '/sys', '/dev', '..'):\n"
        "    try:\n        os.listdir(place)\n        seen.append(place)\n"
        "    except OSError:\n        pass\n"
        "for file in ('/etc/passwd', '/proc/1/environ', '/proc/self/environ', '/proc/self/maps', '/proc/uptime'):\n"
        "    try:\n        open(file).close()\n        seen.append(file)\n"
        "    except OSError:\n        pass\n"
        "for place in ('/', '/tmp', '/var/tmp', '/dev/shm', '..', os.path.dirname(os.__file__)):\n"
        "    try:\n        os.mkdir(place + '/codeassay-canary')\n        os.rmdir(place + '/codeassay-canary')\n"
        "        seen.append('writable ' + place)\n"
        "    except OSError:\n        pass\n"
        "for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, 16):\n"
        "    try:\n        socket.socket(family)\n        seen.append('sockets')\n"
        "    except OSError:\n        pass\n"
        "for act in (lambda: os.kill(os.getppid(), 0), lambda: os.kill(-1, 0), os.setsid, lambda: os.setpgid(0, 0)):\n"
        "    try:\n        act()\n        seen.append('other processes')\n"
        "    except OSError:\n        pass\n"
    ),
    tests=("assert not seen, seen",),
    limits=_CANARY_LIMITS,
)
_MOUNTS = Program(source="import ctypes\nctypes.CDLL(None).unshare(0x20000)\n", tests=("pass",), limits=_CANARY_LIMITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What this machine gives, and why not more."""

    level: str | None
    """The strongest level that passed its canaries; None if only `none` is left."""
    groups: str
    """What was found about control groups."""
    failures: tuple[str, ...]
    """Why stronger levels failed, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictedProbe:
    """Whether level `restricted` can be asked for here."""

    available: bool
    detail: str
    """What it holds and what it does not, or why it is not available."""


Jail = WarmSandbox | NsjailSandbox
AnySandbox = Jail | RestrictedSandbox | PlainSandbox


def probe() -> Probe:
    """Try the levels from the strongest down by running canaries in each."""
    jail, found = _strongest()
    if jail is not None:
        jail.close()
    return found


def probe_restricted() -> RestrictedProbe:
    """Try level `restricted`, which `auto` never takes, by running its canaries."""
    try:
        sandbox = _open_restricted()
    except SandboxUnavailable as error:
        return RestrictedProbe(available=False, detail=str(error).removeprefix("isolation restricted "))
    sandbox.close()
    return RestrictedProbe(available=True, detail=f"only when asked for by name; {_holds(sandbox)}")


def _strongest() -> tuple[Jail | None, Probe]:
    """The strongest jail whose canaries behave, ready to be used, and what was found on the way."""
    parents, groups = find_parents() if os.geteuid() == 0 else (None, "control groups need root")
    failures: list[str] = []
    for candidate in [parents, None] if parents is not None else [None]:
        jail = _jail(candidate)
        failure = _canaries(jail)
        if not failure:
            return jail, Probe(level=jail.isolation, groups=groups, failures=tuple(failures))
        jail.close()
        failures.append(f"{jail.isolation}: {failure}")
    failures[-1] += _why_no_namespaces()
    return None, Probe(level=None, groups=groups, failures=tuple(failures))


def _why_no_namespaces() -> str:
    """What keeps this machine from making namespaces, where something does; nsjail itself does not tell."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", _UNSHARE], capture_output=True, check=False)
    if done.returncode == 0:
        return ""
    why = _REFUSED.get(done.returncode, os.strerror(done.returncode))
    return f" (namespaces are refused: {why})"


def _jail(groups: GroupParents | None) -> Jail:
    """A jail with a warm interpreter; on a processor whose system calls we have no table of, one nsjail per program."""
    return WarmSandbox(groups) if platform.machine() in MACHINES else NsjailSandbox(groups)


def _open_restricted() -> RestrictedSandbox:
    """A sandbox of level `restricted` whose canaries behave.

    Raises:
        SandboxUnavailable: this machine does not give it; says why and what to change.
    """
    parents = find_parents()[0] if os.geteuid() == 0 else None
    sandbox = RestrictedSandbox(parents)
    failure = _canaries(sandbox, _LOOKS_AROUND)
    if failure:
        sandbox.close()
        raise SandboxUnavailable(f"isolation restricted is not available here: {failure}. {_RESTRICTED_CURE}")
    return sandbox


def _holds(sandbox: RestrictedSandbox) -> str:
    """What an open sandbox of level `restricted` holds its programs with, in words."""
    user = "a uid of its own for each program" if sandbox.own_uid else "programs run as our own user"
    groups = "memory of all processes in a control group" if sandbox.has_groups else "memory bounded per process only"
    return f"Landlock ABI {sandbox.abi}, {user}, {groups}"


def _warn_restricted(sandbox: RestrictedSandbox) -> None:
    print(  # noqa: T201
        "codeassay: --isolation restricted is WEAKER than a jail: no namespaces, so programs share processes, users, "
        "network and file tree of this machine and are kept from them by Landlock and seccomp alone; how much they "
        f"write to disk is not bounded. Here: {_holds(sandbox)}.",
        file=sys.stderr,
    )


def _canaries(sandbox: AnySandbox, escapes: Program = _ESCAPES) -> str:
    """An honest program passes, an escaping one finds nothing, a mount call is ended; else what went wrong."""
    honest = sandbox.run(_HONEST)
    if not honest.passed:
        return f"an honest program got {honest.status}: {honest.error}"
    escape = sandbox.run(escapes)
    if not escape.passed:
        return f"a canary saw the host: {escape.status} {escape.error}"
    mount = sandbox.run(_MOUNTS)
    if mount.status is not Status.FORBIDDEN:
        return f"seccomp did not end a forbidden call: {mount.status} {mount.error}"
    return ""


def open_sandbox(isolation: str = "auto") -> AnySandbox:
    """The sandbox for a level: `auto` takes the strongest that is at least `rootless`, never less.

    `restricted` and `none` are given by name only, with a warning on standard error.

    Raises:
        SandboxUnavailable: this machine does not give that level; says why and what to change.
        UserError: no such level.
    """
    if isolation == "none":
        print("codeassay: --isolation none: programs run UNPROTECTED on this machine", file=sys.stderr)  # noqa: T201
        return PlainSandbox()
    if isolation not in ("auto", *LEVELS):
        raise UserError(f"isolation '{isolation}' is unknown; choose auto, {', '.join(LEVELS)}.")
    if isolation == "restricted":
        _warn_restricted(restricted := _open_restricted())
        return restricted
    if isolation == "rootless":
        failure = _canaries(jail := _jail(None))
        if failure:
            jail.close()
            failure += _why_no_namespaces()
            raise SandboxUnavailable(f"isolation rootless is not available here: {failure}. {_CURE}")
        return jail
    strongest, found = _strongest()
    if strongest is None or (isolation == "full" and found.level != "full"):
        why = "; ".join(found.failures) or found.groups
        wanted = "isolation full" if isolation == "full" else "safe isolation"
        cure = _CURE if strongest is None else _GROUPS_CURE
        raise SandboxUnavailable(f"{wanted} is not available here: {why}. {cure}")
    return strongest
