"""A javac that stays warm in a jail of its own: it compiles, and never runs what it compiled.

A fresh javac spends nearly all of its time on starting. This one is thrown away at any oddity, after many programs, and
when it grew; the next program then gets a fresh one, and a program for which it fails is compiled by a fresh javac.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable

from runners import kit, tools
from runners.cgroup import SlotGroup
from runners.cold import kill_session
from runners.commands import Built, Compile, compile_error, sealed
from runners.languages import COMPILE_LIMITS, JAVA_CLASS_PATH, LANGUAGES, Language
from runners.nsjail import enter_groups
from runners.program import Program, Status, Verdict

_HEAP_MEBIBYTES = 256
_GROUP_BYTES = 1 << 30
_PROCESSES = 256
_MAX_PROGRAMS = 2_000
_SIZE = struct.Struct("!i")
_ANSWER = struct.Struct("!bi")
_MAX_BYTES = 64 << 20
_SHOWN_BYTES = 4096


class JavacFailed(Exception):
    """The server did not answer as it should; another way must be found."""


class _Server:
    """One warm javac; serves one program at a time."""

    def __init__(self, argv: list[str], group: SlotGroup | None) -> None:
        """Start it; it is warm after a few programs.

        Raises:
            OSError: it cannot be started.
        """
        self._group = group
        self.num_programs = 0
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        if group is not None:
            argv, environment = enter_groups(argv, group.directories, environment)
        ours, theirs = socket.socketpair()
        self._socket = ours
        with theirs:
            self._process = subprocess.Popen(
                argv,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        if group is not None:
            group.begin(memory_bytes=_GROUP_BYTES, processes=_PROCESSES)

    def compile(self, name: str, text: str) -> tuple[bool, bytes, float]:
        """Whether it compiled, the jar or the diagnostics, and CPU seconds (wall seconds without control groups).

        Raises:
            JavacFailed: no answer in time, or a wrong one.
        """
        self.num_programs += 1
        began, used = time.monotonic(), self._cpu_seconds()
        deadline = began + COMPILE_LIMITS.wall_seconds
        file, source = name.encode(), text.encode()
        try:
            self._socket.settimeout(COMPILE_LIMITS.wall_seconds)
            self._socket.sendall(_SIZE.pack(len(file)) + file + _SIZE.pack(len(source)) + source)
            well, size = _ANSWER.unpack(self._read(_ANSWER.size, deadline, used))
            if well not in (0, 1) or not 0 <= size <= _MAX_BYTES:
                raise JavacFailed("a wrong answer")
            answer = self._read(size, deadline, used)
        except OSError as error:
            raise JavacFailed(str(error)) from error
        seconds = self._cpu_seconds() - used if self._group is not None else time.monotonic() - began
        return well == 1, answer, seconds

    def _read(self, size: int, deadline: float, used: float) -> bytes:
        data = b""
        while len(data) < size:
            if not select.select([self._socket], [], [], 0.5)[0]:
                if time.monotonic() > deadline or self._cpu_seconds() - used > COMPILE_LIMITS.cpu_seconds:
                    raise JavacFailed("no answer in time")
                continue
            chunk = self._socket.recv(min(size - len(data), 1 << 20))
            if not chunk:
                raise JavacFailed("it has ended")
            data += chunk
        return data

    def _cpu_seconds(self) -> float:
        return self._group.cpu_seconds() if self._group is not None else 0.0

    def close(self) -> None:
        """End it, with all in its jail."""
        self._socket.close()
        with contextlib.suppress(ProcessLookupError):
            kill_session(self._process.pid)
        self._process.wait()
        if self._group is not None:
            self._group.remove()


class WarmJavac:
    """Compiles Java with servers that are kept; as many as there are programs at once."""

    def __init__(
        self,
        jail: Callable[[list[str]], list[str]],
        new_group: Callable[[], SlotGroup | None],
        cold: Compile,
        isolation: str,
    ) -> None:
        """Take how to start things.

        Args:
            jail: the command line of a jail around a command.
            new_group: a control group for one server; None where there are none.
            cold: compiles what the server could not.
            isolation: level of the jail, for verdicts.
        """
        self._jail, self._new_group, self._cold, self._isolation = jail, new_group, cold, isolation
        self._spare: list[_Server] = []
        self._lock = threading.Lock()

    def __call__(self, language: Language, text: str, program: Program) -> Built:
        """Compile one program; see `runners.commands.Compile`."""
        if program.flags:
            return self._cold(language, text, program)
        try:
            server = self._take()
        except OSError:
            return self._cold(language, text, program)
        try:
            well, answer, seconds = server.compile(next(iter(language.files(text))), text)
        except JavacFailed:
            server.close()
            return self._cold(language, text, program)
        except BaseException:
            server.close()
            raise
        self._give_back(server)
        if not well:
            verdict = Verdict(status=Status.COMPILE_ERROR, isolation=self._isolation, stderr=_head(answer))
            return Built(descriptor=None, verdict=compile_error(verdict), cpu_seconds=seconds)
        return Built(descriptor=_in_memory(answer), verdict=None, cpu_seconds=seconds)

    def close(self) -> None:
        """End all servers."""
        with self._lock:
            servers, self._spare = self._spare, []
        for server in servers:
            server.close()

    def _take(self) -> _Server:
        with self._lock:
            if self._spare:
                return self._spare.pop()
        group = self._new_group()
        try:
            return _Server(self._jail(_command()), group)
        except OSError:
            if group is not None:
                group.remove()
            raise

    def _give_back(self, server: _Server) -> None:
        with self._lock:
            keep = server.num_programs < _MAX_PROGRAMS and len(self._spare) < 2
            if keep:
                self._spare.append(server)
        if not keep:
            server.close()


def _command() -> list[str]:
    java = tools.find("java")
    if java is None:
        raise OSError("java is not installed")
    own = f"{kit.INSIDE}/{kit.prepared(LANGUAGES['java']).name}"
    options = [f"-Xmx{_HEAP_MEBIBYTES}m", "-Xshare:auto", "-XX:+UseSerialGC", "-XX:-UsePerfData"]
    return [java.inside, *options, "-cp", own, "JavacServer", JAVA_CLASS_PATH, "-proc:none"]


def _head(answer: bytes) -> str:
    """The first lines of what javac said."""
    return answer[:_SHOWN_BYTES].decode("utf-8", "replace")


def _in_memory(data: bytes) -> int:
    descriptor = os.memfd_create("built", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    return sealed(descriptor)
