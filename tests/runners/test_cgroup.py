"""Control groups that were left behind, and those that serve one program after the other."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from runners import cgroup
from runners.cgroup import Group, GroupParents, SlotGroup, remove_stale
from runners.nsjail import NsjailSandbox


@pytest.fixture
def parents(tmp_path: Path) -> GroupParents:
    """Folders in place of the control group file system: groups are folders there too."""
    for name in ("memory", "pids", "cpu"):
        (tmp_path / name).mkdir()
    return GroupParents(1, tmp_path / "memory", tmp_path / "pids", tmp_path / "cpu")


def dead_pid() -> int:
    """The pid of a process that has ended."""
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    return process.pid


def group_names(parents: GroupParents) -> set[str]:
    """The groups under the parent of the memory controller."""
    return {path.name for path in parents.memory.iterdir()}


def test_groups_of_dead_processes_are_removed(parents: GroupParents) -> None:
    """Opening a sandbox removes what a killed process left, under every controller."""
    name = f"codeassay-{dead_pid()}-{cgroup._pid_namespace()}-0"
    for parent in (parents.memory, parents.pids, parents.cpu):
        (parent / name).mkdir()
    NsjailSandbox(parents)
    assert [list(parent.iterdir()) for parent in (parents.memory, parents.pids, parents.cpu)] == [[], [], []]


def test_groups_of_others_are_left_alone(parents: GroupParents) -> None:
    """Groups of living processes, of other pid namespaces and of other programs stay."""
    namespace = cgroup._pid_namespace()
    names = {f"codeassay-{os.getpid()}-{namespace}-0", f"codeassay-{dead_pid()}-{namespace + 1}-0", "docker-1-2-3"}
    for name in names:
        (parents.memory / name).mkdir()
    assert remove_stale(parents) == []
    assert group_names(parents) == names


def test_stale_group_that_cannot_be_removed_is_no_error(parents: GroupParents, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group that does not go away is left for the next time; the others go."""
    monkeypatch.setattr(cgroup, "_REMOVE_ATTEMPTS", 2)
    stuck = parents.memory / f"codeassay-{dead_pid()}-{cgroup._pid_namespace()}-0"
    (stuck / "child").mkdir(parents=True)
    loose = parents.memory / f"codeassay-{dead_pid()}-{cgroup._pid_namespace()}-1"
    loose.mkdir()
    assert remove_stale(parents) == [loose]


def test_group_that_cannot_be_made_leaves_nothing(parents: GroupParents) -> None:
    """Where one controller refuses, what was made under the others is removed again."""
    parents.cpu.rmdir()
    with pytest.raises(FileNotFoundError):
        Group(parents, memory_bytes=1 << 20, processes=1)
    assert group_names(parents) == set()


class Scripted(SlotGroup):
    """A slot's group whose files say what a test wants, in turn; the last reading stays."""

    def __init__(self, memory: list[int], processes: int) -> None:
        """Settle with a megabyte and one process."""
        self._own_bytes, self._own_processes = 1 << 20, 1
        self._readings, self._found = memory, processes
        self.num_looks = 0

    def _memory_now(self) -> int:
        self.num_looks += 1
        return self._readings.pop(0) if len(self._readings) > 1 else self._readings[0]

    def _num_processes(self) -> int:
        return self._found


@pytest.mark.parametrize(
    ("memory", "processes", "clean", "looks"),
    [
        ([2 << 20], 1, True, 1),
        ([90 << 20, 80 << 20, 2 << 20], 1, True, 3),
        ([90 << 20], 1, False, cgroup._SETTLE_ATTEMPTS),
        ([90 << 20], 2, False, 1),
    ],
    ids=["clean", "freed a moment later", "kept", "a process is left"],
)
def test_memory_that_the_kernel_frees_late_is_no_doubt(
    monkeypatch: pytest.MonkeyPatch, memory: list[int], processes: int, clean: bool, looks: int
) -> None:
    """A fork bomb's refused forks are freed after a grace period; what stays, and processes, are held against it."""
    monkeypatch.setattr(cgroup, "_SETTLE_SECONDS", 0.0)
    group = Scripted(memory, processes)
    assert (group.is_clean(), group.num_looks) == (clean, looks)
