"""What proves that a program got out of its jail: bait on this machine, looked at from outside after each program.

The bait: a file that all may read in a folder that all may write; listeners on loopback and on an abstract name; a
process that could be killed; a secret in file and environment; a marker by which processes and files are known.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from runners.program import Verdict

SECRET_VARIABLE = "CODEASSAY_STRESS_SECRET"  # noqa: S105 - the name of a bait, no password
_NOBODY = 65534
_PLACES = (Path("/"), Path(tempfile.gettempdir()), Path("/dev/shm"))  # noqa: S108 - looked at, not written


class Canaries:
    """Bait of one worker; a context manager that takes it away again."""

    def __init__(self) -> None:
        """Choose a marker; nothing is laid out yet."""
        self.marker = f"canary-{uuid.uuid4().hex}"
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Lay the bait."""
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="codeassay-bait-"))
        self.folder, self.secret = Path(folder), Path(folder) / "secret"
        self.folder.chmod(0o777)  # the point of it: nothing but the jail keeps anybody out
        self.secret.write_text(self.marker)
        self.secret.chmod(0o644)
        os.environ[SECRET_VARIABLE] = self.marker
        self._tcp = self._listener(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        self._udp = self._listener(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        self._abstract = self._listener(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self.marker}")
        self._start_victim()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it away; what bears the marker is ended."""
        os.environ.pop(SECRET_VARIABLE, None)
        self._end_victim()
        for pid in self._marked_processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        self._stack.close()

    def facts(self) -> dict[str, str]:
        """What an attacker may know, as Python literals by the names that the table uses."""
        facts = {
            "marker": self.marker,
            "folder": str(self.folder),
            "secret": str(self.secret),
            "secret_text": self.marker,
            "abstract": self.marker,
            "port": self._tcp.getsockname()[1],
            "udp_port": self._udp.getsockname()[1],
            "victim": self.victim.pid,
            "supervisor": os.getpid(),
            "home": str(Path.home()),
        }
        return {name: repr(value) for name, value in facts.items()}

    def escapes(self, verdict: Verdict, *, may_pass: bool = False) -> list[str]:
        """Each proof of an escape since the last look, in words; what was found is put right again.

        Args:
            verdict: of the hostile program.
            may_pass: whether a pass is a known weakness of the judge and no escape.
        """
        found = [
            *(["verdict: passed"] if verdict.passed and not may_pass else []),
            *self._changed_files(),
            *self._visits(),
            *self._harm(),
            *[f"process {pid} outlived its program" for pid in self._marked_processes()],
            *(["the secret stands in the program's output"] if self._is_told(verdict) else []),
        ]
        if found:
            self._mend()
        return found

    def _changed_files(self) -> list[str]:
        names = sorted(path.name for path in self.folder.iterdir())
        strange = [f"file {self.folder / name} was made" for name in names if name != self.secret.name]
        if not self.secret.exists() or self.secret.read_text() != self.marker:
            strange.append(f"file {self.secret} was changed")
        return strange + [f"file {path} was made" for path in self._marked_files()]

    def _marked_files(self) -> list[Path]:
        places = {*_PLACES, Path.home(), Path.cwd()}
        return [path for place in places for path in place.glob(f"*{self.marker}*")]

    def _visits(self) -> list[str]:
        named = {self._tcp: "TCP", self._udp: "UDP", self._abstract: "abstract unix"}
        visited = select.select(list(named), [], [], 0)[0]
        return [f"the {named[listener]} listener was reached" for listener in visited]

    def _harm(self) -> list[str]:
        if self.victim.poll() is not None:
            return [f"another process was killed (status {self.victim.returncode})"]
        is_changed = self._victim_state() != self._victim_before
        return ["priority or limits of another process were changed"] if is_changed else []

    def _marked_processes(self) -> list[int]:
        """Processes with the marker in their command line."""
        return [int(path.name) for path in Path("/proc").glob("[0-9]*") if self.marker.encode() in _command_line(path)]

    def _is_told(self, verdict: Verdict) -> bool:
        return any(self.marker in text for text in (verdict.stdout, verdict.stderr))

    def _mend(self) -> None:
        """Lay out again what was taken, so that the next program is not blamed for it."""
        for path in (*self.folder.iterdir(), *self._marked_files()):
            path.unlink()
        self.secret.write_text(self.marker)
        for listener in (self._tcp, self._abstract):
            while select.select([listener], [], [], 0)[0]:
                listener.accept()[0].close()
        while select.select([self._udp], [], [], 0)[0]:
            self._udp.recv(1 << 16)
        for pid in self._marked_processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        self._end_victim()
        self._start_victim()

    def _start_victim(self) -> None:
        user = _NOBODY if os.geteuid() == 0 else None
        self.victim = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, user=user, cwd="/")
        self._victim_before = self._victim_state()

    def _end_victim(self) -> None:
        self.victim.kill()
        self.victim.communicate()

    def _victim_state(self) -> tuple[object, ...]:
        pid = self.victim.pid
        return os.getpriority(os.PRIO_PROCESS, pid), Path(f"/proc/{pid}/limits").read_text()

    def _listener(self, family: int, kind: int, address: object) -> socket.socket:
        listener = self._stack.enter_context(contextlib.closing(socket.socket(family, kind)))
        listener.bind(address)  # type: ignore[arg-type]  # an address of its family
        if kind == socket.SOCK_STREAM:
            listener.listen()
        return listener


def known_pass(judge: str, *, forgeable_inside: bool) -> bool:
    """Whether a pass of a hostile row is a known weakness: tests in the program's own process decided alone."""
    return judge == "inside" and forgeable_inside


def _command_line(path: Path) -> bytes:
    try:
        return (path / "cmdline").read_bytes()
    except OSError:  # ended meanwhile
        return b""
