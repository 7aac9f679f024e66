"""The machine as hostile programs find it: bait that they must not reach, and all that must be as before."""

from __future__ import annotations

import ctypes
import os
import resource
import select
import socket
import subprocess
import uuid
from pathlib import Path
from typing import Any

from tests.runners.processes import children, groups_of, open_descriptors, status_of

_SET_CHILD_SUBREAPER = 36
_NOBODY = 65534


class Host:
    """Bait and what is watched; a context manager that takes everything away again."""

    def __init__(self, folder: Path, repository: Path) -> None:
        """Lay the bait: a file that all may read, a folder that all may write, listeners, a victim, a secret."""
        self.marker = f"marker-{uuid.uuid4().hex}"
        self._repository, self.folder = repository, folder
        folder.chmod(0o777)
        (folder / "secret").write_text(self.marker)
        (folder / "secret").chmod(0o644)
        os.environ["CODEASSAY_BAIT"] = self.marker
        self._tcp = _bound(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        self._udp = _bound(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        self._stream = _bound(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self.marker}-stream")
        self._datagram = _bound(socket.AF_UNIX, socket.SOCK_DGRAM, f"\0{self.marker}-datagram")
        self._path = _bound(socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "socket"))
        (folder / "socket").chmod(0o666)
        user = _NOBODY if os.geteuid() == 0 else None
        self.victim = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, user=user, cwd="/")
        # Whatever leaves its parent becomes our child, so a survivor cannot hide from `children`.
        _adopt_orphans(1)

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *exc_info: object) -> None:
        _adopt_orphans(0)
        self.victim.kill()
        self.victim.communicate()
        del os.environ["CODEASSAY_BAIT"]
        for listener in self._listeners():
            listener.close()

    def _listeners(self) -> tuple[socket.socket, ...]:
        return self._tcp, self._udp, self._stream, self._datagram, self._path

    def facts(self) -> dict[str, str]:
        """What an attacker may know of the machine, as Python literals by the names that attacks use."""
        facts = {
            "marker": self.marker,
            "folder": str(self.folder),
            "secret": str(self.folder / "secret"),
            "secret_text": self.marker,
            "socket_path": str(self.folder / "socket"),
            "abstract": f"{self.marker}-stream",
            "abstract_datagram": f"{self.marker}-datagram",
            "port": self._tcp.getsockname()[1],
            "udp_port": self._udp.getsockname()[1],
            "victim": self.victim.pid,
            "supervisor": os.getpid(),
            "supervisor_group": os.getpgrp(),
            "hostname": socket.gethostname(),
            "home": str(Path.home()),
            "repository": str(self._repository),
        }
        return {name: repr(value) for name, value in facts.items()}

    def state(self) -> dict[str, Any]:
        """All that no program may change; equal before and after each."""
        return {
            "processes": children(),
            "victim": self._victim_state(),
            "groups": _own_groups(),
            "descriptors": open_descriptors(),
            "visitors": select.select(self._listeners(), [], [], 0)[0],
            "bait": {path.name: path.stat().st_mode for path in self.folder.iterdir()},
            "secret": (self.folder / "secret").read_text(),
            "marked files": self._marked_files(),
            "objects of the kernel": [_ids(Path("/proc/sysvipc") / kind) for kind in ("shm", "sem", "msg")],
            "name": socket.gethostname(),
            "mounts": Path("/proc/self/mounts").read_text(),
            "null device": os.stat("/dev/null").st_mode,  # noqa: PTH116
            "supervisor": (os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0), os.sched_getscheduler(0)),
            "own limits": [resource.getrlimit(limit) for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC)],
        }

    def _victim_state(self) -> tuple[Any, ...]:
        pid = self.victim.pid
        if self.victim.poll() is not None:
            return ("ended", self.victim.returncode)
        limits = Path(f"/proc/{pid}/limits").read_text()
        return os.getpriority(os.PRIO_PROCESS, pid), os.sched_getaffinity(pid), limits

    def _marked_files(self) -> list[Path]:
        places = (Path("/"), Path("/tmp"), Path("/dev/shm"), Path.home(), Path.cwd(), self._repository, self.folder)
        return [path for place in places for path in place.glob(f"*{self.marker}*")]


def memory_bytes() -> int:
    """What this process holds now."""
    return int(status_of(Path("/proc/self"))["VmRSS"].split()[0]) * 1024


def _own_groups() -> list[Path]:
    """The control groups of this process; tests that run elsewhere remove theirs while we look."""
    while True:
        try:
            return groups_of(os.getpid())
        except FileNotFoundError:
            continue


def _adopt_orphans(on: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, on, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot become the parent of orphans")


def _bound(family: int, kind: int, address: Any) -> socket.socket:
    listener = socket.socket(family, kind)
    listener.bind(address)
    if kind == socket.SOCK_STREAM:
        listener.listen()
    return listener


def _ids(table: Path) -> list[list[str]]:
    """Keys and numbers of the objects of one kind; none where the kernel was built without."""
    return [line.split()[:2] for line in table.read_text().splitlines()] if table.exists() else []
