"""Start one jailed harness, talk to it, watch its limits, and gather the evidence of what happened.

This is the trusted side: it never executes or unpickles what the other side sends. The verdict is drawn from the
evidence by `runners.judge`.
"""

from __future__ import annotations

import contextlib
import os
import resource
import secrets
import select
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runners.channel import Channel, ProtocolError
from runners.program import Limits, Program
from runners.tail import Tail

_TICK_SECONDS = 0.1
"""How often the CPU time of the tree is looked at."""
_LOG_BYTES = 4096
_STOP_SECONDS = 10.0
"""How long a jail that was told to stop may take to kill and reap its program before it is killed itself."""
_DRAIN_READS = 64
"""Enough to empty any socket or pipe buffer; a survivor outside a jail could write for ever."""
START_SECONDS = 10.0
"""How long the jail and its interpreter may take to start. The program's wall time begins only then."""


@dataclass(slots=True)
class Evidence:
    """What the supervisor saw of one run."""

    num_tests: int
    nonce: str
    ready: bool = False
    load: dict[str, Any] | None = None
    """The harness's message after loading the program; None if it never came."""
    results: list[dict[str, Any]] = field(default_factory=list)
    """Messages that carried the nonce, in order of arrival."""
    stopped_for: str = ""
    """`cpu`, `wall`, `output` or `protocol`: the limit for which the supervisor ended the program; empty if none."""
    exit_status: int | None = None
    """Exit status of the jail; 128 + n if the program died of signal n."""
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    max_rss_bytes: int | None = None
    """Largest process of the tree; None where the kernel only tells that it was no larger than we are ourselves."""
    stdout: str = ""
    stderr: str = ""
    log: str = ""
    """What the jail itself said (not the program)."""


def supervise(
    argv: Sequence[str],
    program: Program,
    *,
    environment: Mapping[str, str],
    module_path: Sequence[str] = (),
    log_fd_flag: bool = False,
    cwd: str | None = None,
    tree_cpu_seconds: Callable[[], float] | None = None,
    stop_signal: signal.Signals = signal.SIGKILL,
) -> Evidence:
    """Run `argv` with the harness's socket number in place of `{fd}` (and `{log}`) and return the evidence.

    Args:
        argv: command line of the jail or of the bare harness.
        program: what the harness is to run.
        environment: all that the started process sees of the environment.
        module_path: what the harness appends to `sys.path` before it loads the program.
        log_fd_flag: whether `argv` takes a descriptor for the jail's own log.
        cwd: working directory of the started process; None for ours.
        tree_cpu_seconds: CPU time of the whole tree so far; None where only rlimits bound it.
        stop_signal: SIGTERM for a jail that kills and reaps its program when told to, SIGKILL for a bare process.

    Raises:
        OSError: the process cannot be started.
    """
    ours, theirs = socket.socketpair()
    log_read, log_write = os.pipe()
    with contextlib.ExitStack() as descriptors:
        descriptors.callback(ours.close)
        descriptors.callback(os.close, log_read)
        process = _start(argv, theirs, log_write, environment, log_fd_flag=log_fd_flag, cwd=cwd)
        try:
            watch = _Watch(process, Channel(ours), log_read, program, module_path, tree_cpu_seconds, stop_signal)
        except OSError:
            kill_session(process.pid)
            process.wait()
            raise
        return watch.run()


def _start(
    argv: Sequence[str],
    theirs: socket.socket,
    log_write: int,
    environment: Mapping[str, str],
    *,
    log_fd_flag: bool,
    cwd: str | None,
) -> subprocess.Popen[bytes]:
    """Start the process with its ends of the socket and the log, which are closed here."""
    try:
        fds = {"fd": str(theirs.fileno()), "log": str(log_write)}
        return subprocess.Popen(
            [part.format(**fds) if part in ("{fd}", "{log}") else part for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(theirs.fileno(), log_write) if log_fd_flag else (theirs.fileno(),),
            env=dict(environment),
            cwd=cwd,
            start_new_session=True,
        )
    finally:
        theirs.close()
        os.close(log_write)


class _Watch:
    """One event loop over the socket, both output streams, the jail's log and the clock."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        channel: Channel,
        log_fd: int,
        program: Program,
        module_path: Sequence[str],
        tree_cpu_seconds: Callable[[], float] | None,
        stop_signal: signal.Signals,
    ) -> None:
        self._pidfd = os.pidfd_open(process.pid)
        self._process, self._channel, self._program = process, channel, program
        self._limits: Limits = program.limits
        self._module_path = list(module_path)
        self._tree_cpu_seconds = tree_cpu_seconds
        self._stop_signal = stop_signal
        self._started = time.monotonic()
        self._deadline = self._started + START_SECONDS
        self._seen = Evidence(num_tests=len(program.tests), nonce=secrets.token_hex(16))
        self._out, self._err = Tail(self._limits.kept_bytes), Tail(self._limits.kept_bytes)
        self._log = Tail(_LOG_BYTES)
        self._selector = selectors.DefaultSelector()
        self._streams: dict[int, Tail] = {log_fd: self._log}
        for stream, tail in ((process.stdout, self._out), (process.stderr, self._err)):
            assert stream is not None
            self._streams[stream.fileno()] = tail
        for fd in (*self._streams, channel.fileno(), self._pidfd):
            self._selector.register(fd, selectors.EVENT_READ)

    def run(self) -> Evidence:
        """Watch until the jail has ended, then close and sum up."""
        try:
            ended = False
            while not ended and not self._seen.stopped_for:
                ended = self._turn()
                self._seen.stopped_for = self._limit_reached(ended)
        except ProtocolError as error:
            self._seen.stopped_for = "protocol"
            self._log.add(str(error).encode())
        finally:
            self._reap()
        return self._seen

    def _turn(self) -> bool:
        """Wait for the next event and deal with it; whether the jail has ended and nothing is left to read."""
        left = self._deadline - time.monotonic()
        events = self._selector.select(max(0.0, min(_TICK_SECONDS, left)))
        ended = False
        for key, _ in events:
            if key.fd == self._pidfd:
                ended = True
            elif key.fd == self._channel.fileno():
                self._talk()
            else:
                self._read(key.fd)
        if ended:
            self._drain()
        return ended

    def _talk(self) -> None:
        messages, closed = self._channel.receive()
        for message in messages:
            self._answer(message)
        self._channel.flush()
        if closed:
            self._selector.unregister(self._channel.fileno())
        else:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._channel.wants_to_write else 0)
            self._selector.modify(self._channel.fileno(), events)

    def _answer(self, message: dict[str, Any]) -> None:
        """Take one message in the order that the protocol knows: ready, loaded, results."""
        if not self._seen.ready:
            self._seen.ready = True
            self._deadline = time.monotonic() + self._limits.wall_seconds
            source = {"source": self._program.source, "module_name": self._program.module_name}
            self._channel.put({**source, "path": self._module_path})
        elif self._seen.load is None:
            self._seen.load = message
            if message.get("loaded") is True:
                self._channel.put({"nonce": self._seen.nonce, "tests": list(self._program.tests)})
        elif message.get("nonce") == self._seen.nonce and len(self._seen.results) <= self._seen.num_tests:
            self._seen.results.append(message)

    def _read(self, fd: int) -> bool:
        data = os.read(fd, 1 << 16)
        if data:
            self._streams[fd].add(data)
        else:
            self._selector.unregister(fd)
        return bool(data)

    def _drain(self) -> None:
        """The jail is gone: take what is still in the pipes and the socket."""
        for fd in self._streams:
            os.set_blocking(fd, False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(_DRAIN_READS):
                    if not (data := os.read(fd, 1 << 16)):
                        break
                    self._streams[fd].add(data)
        for _ in range(_DRAIN_READS):
            messages, closed = self._channel.receive()
            for message in messages:
                self._answer(message)
            if closed:
                break

    def _limit_reached(self, ended: bool) -> str:
        """The limit that the program broke; wall time is no matter once it has ended."""
        if self._out.total_bytes + self._err.total_bytes > self._limits.output_bytes:
            return "output"
        if self._tree_cpu_seconds is not None and self._tree_cpu_seconds() > self._limits.cpu_seconds:
            return "cpu"
        if not ended and time.monotonic() >= self._deadline:
            return "wall"
        return ""

    def _reap(self) -> None:
        """End the jail if it still lives (its pid namespace dies with it) and read what it used."""
        self._stop()
        own_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._seen.exit_status = self._process.returncode
        self._seen.wall_seconds = time.monotonic() - self._started
        self._seen.cpu_seconds = usage.ru_utime + usage.ru_stime
        # Between fork and exec the child has our memory, so its maximum is never below ours.
        self._seen.max_rss_bytes = usage.ru_maxrss * 1024 if usage.ru_maxrss > own_rss else None
        self._seen.stdout, self._seen.stderr, self._seen.log = self._out.text(), self._err.text(), self._log.text()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        os.close(self._pidfd)
        self._selector.close()

    def _stop(self) -> None:
        """A jail ends its program itself, so that no process outlives it and all CPU time is counted; then kill."""
        if self._stop_signal != signal.SIGKILL:
            os.killpg(self._process.pid, self._stop_signal)
            poll = select.poll()
            poll.register(self._pidfd, select.POLLIN)
            poll.poll(_STOP_SECONDS * 1000)
        kill_session(self._process.pid)


def kill_session(leader: int) -> None:
    """Kill a session leader that we started and its process group; not yet reaped, so its pid is still its own."""
    os.killpg(leader, signal.SIGKILL)


def cpu_rlimit(limits: Limits) -> int:
    """RLIMIT_CPU in whole seconds: above the limit that judges, so that the supervisor's evidence comes first."""
    return int(limits.cpu_seconds + 0.5) + 1
