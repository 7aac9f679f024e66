"""The hostile table: each attack by name, with the statuses that are right for it."""

from __future__ import annotations

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

QUICK_SPLIT = frozenset(
    {
        "forgery: object equal to everything",
        "forgery: speaks the harness's protocol",
        "forgery: exit status 0 while loading",
        "survivors: daemon",
    }
)
"""Rows that the quick suite runs under judge=split too."""


def forged_today() -> set[str]:
    """The attacks that are judged right under judge=inside."""
    return {name for name, attack in HOSTILE.items() if attack.inside == KNOWN_FORGEABLE and attack.forged_today}
