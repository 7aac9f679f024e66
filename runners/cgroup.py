"""Control groups, per program or per warm jail: they bound memory and processes of a tree and tell what it used."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_CONTROLLERS = ("memory", "pids", "cpuacct")
_PREFIX = "codeassay"
_REMOVE_ATTEMPTS = 200
_NO_LIMIT = 1 << 40
_MANY_PROCESSES = 1 << 15
_GROWTH_BYTES = 64 << 20
_SETTLE_ATTEMPTS, _SETTLE_SECONDS = 20, 0.01
_counter = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What all processes of one program used together."""

    cpu_seconds: float
    peak_memory_bytes: int | None
    out_of_memory: bool
    """Whether the kernel killed a process of the group for its memory."""


@dataclass(frozen=True, slots=True)
class GroupParents:
    """Where new groups may be made: one directory per controller (v1), or the same one for all (v2)."""

    version: int
    memory: Path
    pids: Path
    cpu: Path


class Group:
    """One control group, made for one program and removed after it."""

    def __init__(self, parents: GroupParents, *, memory_bytes: int, processes: int) -> None:
        """Make the group and set its limits.

        Raises:
            OSError: the control group file system refuses.
        """
        name = f"{_PREFIX}-{os.getpid()}-{_pid_namespace()}-{next(_counter)}"
        self._version = parents.version
        self._memory, self._pids, self._cpu = parents.memory / name, parents.pids / name, parents.cpu / name
        self.directories = tuple(dict.fromkeys((self._memory, self._pids, self._cpu)))
        try:
            self._make(memory_bytes, processes)
        except OSError:
            self.remove()
            raise

    def __enter__(self) -> Group:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()

    def _make(self, memory_bytes: int, processes: int) -> None:
        for directory in self.directories:
            directory.mkdir()
        self._set_limits(memory_bytes, processes)

    def _set_limits(self, memory_bytes: int, processes: int) -> None:
        for file in self._memory_files(memory_bytes):
            if (self._memory / file).exists():
                (self._memory / file).write_text(str(memory_bytes))
        if (self._memory / "memory.swap.max").exists():
            (self._memory / "memory.swap.max").write_text("0")
        (self._pids / "pids.max").write_text(str(processes))

    def _memory_files(self, memory_bytes: int) -> tuple[str, ...]:
        """Files of the memory limit; v1 wants memory with swap never below memory, so the order depends."""
        if self._version == 2:
            return ("memory.max",)
        files = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        return files if memory_bytes < int((self._memory / files[0]).read_text()) else files[::-1]

    def cpu_seconds(self) -> float:
        """CPU time of the group so far."""
        if self._version == 1:
            return int(self._read(self._cpu, "cpuacct.usage")) / 1e9
        return _field(self._read(self._cpu, "cpu.stat"), "usage_usec") / 1e6

    def usage(self) -> Usage:
        """What the group used until now."""
        return Usage(
            cpu_seconds=self.cpu_seconds(), peak_memory_bytes=self._peak(), out_of_memory=self._num_kills() > 0
        )

    def _peak(self) -> int | None:
        try:
            return int(self._read(self._memory, "memory.max_usage_in_bytes" if self._version == 1 else "memory.peak"))
        except FileNotFoundError:
            return None

    def _num_kills(self) -> int:
        """Processes of the group that the kernel killed for its memory."""
        file = "memory.oom_control" if self._version == 1 else "memory.events"
        return _field(self._read(self._memory, file), "oom_kill")

    def _read(self, directory: Path, name: str) -> bytes:
        """A file of the group."""
        return _read(directory / name)

    def remove(self) -> bool:
        """Kill what is left, remove the group; whether processes had been left.

        Raises:
            OSError: processes do not die.
        """
        return _remove(self.directories)


class SlotGroup(Group):
    """A control group that serves one program after the other; its files stay open, since each is read per program."""

    def __init__(self, parents: GroupParents) -> None:
        """Make the group without limits; `begin` sets them.

        Raises:
            OSError: the control group file system refuses.
        """
        super().__init__(parents, memory_bytes=_NO_LIMIT, processes=_MANY_PROCESSES)
        self._limits = (_NO_LIMIT, _MANY_PROCESSES)
        self._files: dict[str, int] = {}
        self._cpu_before, self._cpu_now = 0.0, 0.0
        self._kills_before = self._kills_now = 0
        self._own_bytes = self._bytes_now = self._own_processes = 0

    def _file(self, directory: Path, name: str, flags: int = os.O_RDONLY) -> int:
        descriptor = self._files.get(name)
        if descriptor is None:
            descriptor = self._files[name] = os.open(directory / name, flags | os.O_CLOEXEC)
        return descriptor

    def _read(self, directory: Path, name: str) -> bytes:
        return os.pread(self._file(directory, name), 1 << 12, 0)

    def remove(self) -> bool:
        """Close the files, kill what is left, remove the group; whether processes had been left.

        Raises:
            OSError: processes do not die.
        """
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()
        return super().remove()

    def settle(self) -> None:
        """Take what the group holds now as what the jail itself needs, apart from any program."""
        self._own_bytes = self._bytes_now = self._memory_now()
        self._own_processes = self._num_processes()
        self._cpu_now, self._kills_now = super().cpu_seconds(), self._num_kills()

    def is_clean(self) -> bool:
        """Whether the group, with no program in it, holds no process and little more memory than when it settled.

        The kernel frees what thousands of refused forks held only after a grace period: memory gets a moment.
        """
        for _ in range(_SETTLE_ATTEMPTS):
            self._bytes_now = self._memory_now()
            if self._num_processes() > self._own_processes:
                return False
            if self._bytes_now <= self._own_bytes + _GROWTH_BYTES:
                return True
            time.sleep(_SETTLE_SECONDS)
        return False

    def _memory_now(self) -> int:
        return int(self._read(self._memory, "memory.usage_in_bytes" if self._version == 1 else "memory.current"))

    def _num_processes(self) -> int:
        return int(self._read(self._pids, "pids.current"))

    def begin(self, *, memory_bytes: int, processes: int) -> None:
        """Set the limits of the next program and count from here, which is where the last one ended."""
        memory_bytes += self._own_bytes
        if (memory_bytes, processes) != self._limits:
            self._set_limits(memory_bytes, processes)
            self._limits = (memory_bytes, processes)
        if self._version == 1:
            os.pwrite(self._file(self._memory, "memory.max_usage_in_bytes", os.O_RDWR), b"0", 0)
        self._cpu_before, self._kills_before = self._cpu_now, self._kills_now

    def cpu_seconds(self) -> float:
        """CPU time of the group since `begin`."""
        self._cpu_now = super().cpu_seconds()
        return self._cpu_now - self._cpu_before

    def usage(self) -> Usage:
        """What the group used since `begin`; before kernel 6.12 the peak of a v2 group is that of all its programs."""
        self._kills_now = self._num_kills()
        return Usage(
            cpu_seconds=self.cpu_seconds(),
            peak_memory_bytes=max(0, (self._peak() or 0) - min(self._own_bytes, self._bytes_now)),
            out_of_memory=self._kills_now > self._kills_before,
        )


def remove_stale(parents: GroupParents) -> list[Path]:
    """Remove the groups, and kill what is in them, whose maker is a dead process of our own pid namespace.

    Returns the directories removed. A group that cannot be removed is left for the next time.
    """
    stale = []
    for parent in dict.fromkeys((parents.memory, parents.pids, parents.cpu)):
        for directory in parent.glob(f"{_PREFIX}-*"):
            maker, namespace = directory.name.split("-")[1:3]
            if namespace == str(_pid_namespace()) and not Path(f"/proc/{maker}").exists():
                stale.append(directory)
    with contextlib.suppress(OSError):
        _remove(tuple(stale))
    return [directory for directory in stale if not directory.exists()]


def _pid_namespace() -> int:
    """Which namespace our pids count in: containers may share a control group and not their pids."""
    return Path("/proc/self/ns/pid").stat().st_ino


def _remove(directories: tuple[Path, ...]) -> bool:
    """Kill what is in these groups and remove them; whether there was anything to kill."""
    leftover = False
    for _ in range(_REMOVE_ATTEMPTS):
        pids = {pid for directory in directories for pid in _processes(directory)}
        leftover = leftover or bool(pids)
        for pid in pids:
            _kill(pid)
        left = [directory for directory in directories if not _removed(directory)]
        if not left:
            return leftover
        time.sleep(0.005)
    raise OSError(f"control group {directories[0]} cannot be removed: processes do not die")


def _processes(directory: Path) -> list[int]:
    try:
        return [int(pid) for pid in _read(directory / "cgroup.procs").split()]
    except OSError:  # removed meanwhile
        return []


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _removed(directory: Path) -> bool:
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _field(text: bytes, name: str) -> int:
    """The number behind a name in lines of `name number`; 0 if it is not there (older kernels)."""
    for line in text.splitlines():
        key, _, value = line.partition(b" ")
        if key == name.encode():
            return int(value)
    return 0


def _read(file: Path) -> bytes:
    """A control group file; these are read several times per program, and opening one as text costs four times this."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)


def find_parents() -> tuple[GroupParents | None, str]:
    """Where this process may make groups, found by making one; None and the reason where it may not."""
    paths = _own_paths()
    if all(name in paths for name in _CONTROLLERS):
        parents = GroupParents(1, *(ROOT / name / paths[name] for name in _CONTROLLERS))
    elif "" in paths:
        base = ROOT / "unified" if (ROOT / "unified").is_dir() else ROOT
        parents = GroupParents(2, *[base / paths[""]] * 3)
        reason = _delegate(base / paths[""])
        if reason:
            return None, reason
    else:
        return None, "no cgroup file system is mounted under /sys/fs/cgroup"
    try:
        Group(parents, memory_bytes=64 << 20, processes=8).remove()
    except OSError as error:
        return None, f"cgroup v{parents.version}: {error.strerror or error}"
    return parents, f"cgroup v{parents.version}"


def _own_paths() -> dict[str, str]:
    """This process's group per controller (v1) and under "" (v2), relative to the mount."""
    paths = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller] = path.lstrip("/")
    return paths


def _delegate(directory: Path) -> str:
    """Make `memory` and `pids` available to children of a v2 group; the reason where that fails, else empty."""
    try:
        available = (directory / "cgroup.controllers").read_text().split()
        missing = [name for name in ("memory", "pids") if name not in available]
        if missing:
            return f"cgroup v2 offers no {' and '.join(missing)} controller here (delegate it: systemd `Delegate=yes`)"
        (directory / "cgroup.subtree_control").write_text("+memory +pids")
    except OSError as error:
        if error.errno == errno.EBUSY:
            return "cgroup v2: our own group holds processes, so groups under it get no limits; start us in a subgroup"
        return f"cgroup v2 is not delegated to this process: {error.strerror or error}"
    return ""
