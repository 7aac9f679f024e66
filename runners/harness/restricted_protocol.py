"""What the supervisor tells the keeper of level `restricted`; read on both sides."""

from typing import TypedDict

OWN_PID = b"OWN!"[::-1]
"""What stands for a program's own pid in its filter."""


class Settings(TypedDict):
    """What the supervisor decided."""

    supervisor: int
    """Its pid."""
    checkout: str
    """Where our own modules lie; taken from sys.path before a program runs."""
    directory: str
    """The program's own, empty; all that it may write to. What is beside it goes with it."""
    judge: str
    module_path: list[str]
    readable: list[str]
    groups: list[str]
    """Control groups to enter."""
    abi: int
    """Of Landlock."""
    ids: list[int]
    """First uid and how many there are, for programs that get one of their own; empty for those that get none."""
    rlimits: dict[str, int]
    """By name of the resource."""
    processes: int
    policy: str
    """The seccomp filter, in hexadecimal digits."""
