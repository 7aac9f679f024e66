"""Which isolation this machine gives, found by running canaries, and the sandbox that gives it."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass

from runners.cgroup import GroupParents, find_parents
from runners.errors import SandboxUnavailable, UserError
from runners.nsjail import NsjailSandbox
from runners.plain import PlainSandbox
from runners.program import Limits, Program, Status
from runners.syscalls import MACHINES
from runners.warm import WarmSandbox

LEVELS = ("full", "rootless", "none")
"""From strongest to none; `restricted` is not built yet."""

_CURE = (
    "Allow unprivileged user namespaces (sysctl user.max_user_namespaces > 0 and, on Ubuntu, "
    "kernel.apparmor_restrict_unprivileged_userns=0), or run as root. In Docker: --security-opt seccomp=unconfined "
    "--security-opt apparmor=unconfined --security-opt systempaths=unconfined. For trusted programs only: "
    "--isolation none."
)
_GROUPS_CURE = (
    "Run as root where control groups (memory, pids) may be made; in a container they must be mounted writable. "
    "Without them --isolation rootless limits each process, but not all processes of a program together."
)

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


Jail = WarmSandbox | NsjailSandbox


def probe() -> Probe:
    """Try the levels from the strongest down by running canaries in each."""
    jail, found = _strongest()
    if jail is not None:
        jail.close()
    return found


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
    return None, Probe(level=None, groups=groups, failures=tuple(failures))


def _jail(groups: GroupParents | None) -> Jail:
    """A jail with a warm interpreter; on a processor whose system calls we have no table of, one nsjail per program."""
    return WarmSandbox(groups) if platform.machine() in MACHINES else NsjailSandbox(groups)


def _canaries(sandbox: Jail) -> str:
    """An honest program passes, an escaping one finds nothing, a mount call is ended; else what went wrong."""
    honest = sandbox.run(_HONEST)
    if not honest.passed:
        return f"an honest program got {honest.status}: {honest.error}"
    escape = sandbox.run(_ESCAPES)
    if not escape.passed:
        return f"a canary saw the host: {escape.status} {escape.error}"
    mount = sandbox.run(_MOUNTS)
    if mount.status is not Status.FORBIDDEN:
        return f"seccomp did not end a forbidden call: {mount.status} {mount.error}"
    return ""


def open_sandbox(isolation: str = "auto") -> Jail | PlainSandbox:
    """The sandbox for a level: `auto` takes the strongest that is at least `rootless`, never less.

    Raises:
        SandboxUnavailable: this machine does not give that level; says why and what to change.
        UserError: no such level.
    """
    if isolation == "none":
        print("codeassay: --isolation none: programs run UNPROTECTED on this machine", file=sys.stderr)  # noqa: T201
        return PlainSandbox()
    if isolation not in ("auto", *LEVELS):
        raise UserError(f"isolation '{isolation}' is unknown; choose auto, {', '.join(LEVELS)}.")
    if isolation == "rootless":
        failure = _canaries(jail := _jail(None))
        if failure:
            jail.close()
            raise SandboxUnavailable(f"isolation rootless is not available here: {failure}. {_CURE}")
        return jail
    strongest, found = _strongest()
    if strongest is None or (isolation == "full" and found.level != "full"):
        why = "; ".join(found.failures) or found.groups
        wanted = "isolation full" if isolation == "full" else "safe isolation"
        cure = _CURE if strongest is None else _GROUPS_CURE
        raise SandboxUnavailable(f"{wanted} is not available here: {why}. {cure}")
    return strongest
