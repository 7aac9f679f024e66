"""The hostile table: each attack by name, with the statuses that are right for it."""

from __future__ import annotations

from runners.program import Status
from tests.runners.attacks.attack import KNOWN_FORGEABLE, Attack
from tests.runners.attacks.forgeable import FORGEABLE
from tests.runners.attacks.forgery import FORGERIES
from tests.runners.attacks.kernel import DEVICES, KERNEL
from tests.runners.attacks.machine import NETWORK, PERSISTENCE, PROCESSES, SECRETS, WRITES
from tests.runners.attacks.resources import BOMBS, ODD_OUTPUT, SURVIVORS

GROUPS = (
    BOMBS,
    SURVIVORS,
    ODD_OUTPUT,
    PROCESSES,
    SECRETS,
    NETWORK,
    WRITES,
    PERSISTENCE,
    DEVICES,
    KERNEL,
    FORGERIES,
    FORGEABLE,
)

HOSTILE: dict[str, Attack] = {f"{attack.group}: {name}": attack for group in GROUPS for name, attack in group.items()}

HOLES: dict[str, str] = {}
"""Rows that fail today, and why: defects of ours that are known and not mended."""

_NO_BOUND = "restricted does not bound how much a program writes to disk"
NOT_AT_RESTRICTED: dict[str, str] = {
    "bombs: disk in large files": _NO_BOUND,
    "bombs: disk in many files": _NO_BOUND,
    "bombs: deep directories": _NO_BOUND,
    "secrets: names of the host": "restricted has no host name of its own",
}
"""Rows that level `restricted` cannot contain, and why; they are not run there."""
_ERROR = frozenset({Status.RUNTIME_ERROR})
_DONE_IN_VAIN = frozenset({Status.WRONG_ANSWER})
AT_RESTRICTED: dict[str, frozenset[Status]] = {
    # Refused at once, where elsewhere the write runs into a limit.
    "bombs: disk in /dev/shm": _ERROR,
    # No process can leave the session. Where a child fails at that it goes on in the harness's place, and which of the
    # two is heard first is chance.
    "survivors: daemon": _ERROR | {Status.TIMEOUT, Status.WRONG_ANSWER},
    "survivors: session of its own": _ERROR,
    "survivors: child that ignores signals": _ERROR | {Status.TIMEOUT, Status.WRONG_ANSWER},
    # Its own pid is among them.
    "processes: kills a range of pids": _ERROR | {Status.WRONG_ANSWER},
    # Modes do not change, so a copy cannot be executed.
    "writes: set-uid program": _ERROR,
    "writes: library open to all": _DONE_IN_VAIN,
    "devices: null device closed to all": _DONE_IN_VAIN,
    # The harness cannot be opened at all.
    "persistence: lock on a shared file": _ERROR,
}
"""The right statuses at level `restricted` where they are not those of the jails."""
NEED_A_BOUND = frozenset(
    {"bombs: fork bomb", "bombs: fork until refused", "bombs: unreaped children", "bombs: thread bomb"}
)
"""Rows that without control groups only RLIMIT_NPROC bounds, which does not bind root."""

QUICK_SPLIT = frozenset(
    {
        "forgery: object equal to everything",
        "forgery: speaks the harness's protocol",
        "forgery: exit status 0 while loading",
        "survivors: daemon",
    }
)
"""Rows that the quick suite runs under judge=split too."""


def right_statuses(name: str, judge: str, level: str) -> frozenset[Status]:
    """The statuses that are right for a row under a judge at a level."""
    differs = AT_RESTRICTED.get(name) if level == "restricted" else None
    return differs or HOSTILE[name].right_statuses(judge)


def says(name: str, level: str) -> str:
    """Part of the error of a row (judge=inside); level `restricted` refuses with other numbers than a jail."""
    text = HOSTILE[name].says
    if level != "restricted":
        return text
    return "" if name in AT_RESTRICTED else "[Errno" if text.startswith("[Errno") else text


def source_at(level: str, source: str) -> str:
    """A program with its own folder in place of /tmp at level `restricted`; Ray's folder there stays."""
    if level != "restricted":
        return source
    return source.replace("'/tmp/ray", "'/./tmp/ray").replace("'/tmp", "'.")


def forged_today() -> set[str]:
    """The attacks that are judged right under judge=inside."""
    return {name for name, attack in HOSTILE.items() if attack.inside == KNOWN_FORGEABLE and attack.forged_today}
