"""Watch one jailed harness: talk to it, hold it to its limits, and gather the evidence of what happened.

This is the trusted side: it never executes or unpickles what the other side sends. The verdict is drawn from the
evidence by `runners.judge`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from runners.channel import Channel, ProtocolError
from runners.program import Limits, Program
from runners.tail import Tail

_TICK_SECONDS = 0.1
"""How often the CPU time of the tree is looked at."""
_IDLE_SHARE = 0.05
"""Below this share of a processor in two ticks on end a program is taken to sleep; one of ten on a core gets more."""
_LOG_BYTES = 4096
_DRAIN_READS = 64
"""Enough to empty any socket or pipe buffer; a survivor outside a jail could write for ever."""
_OTHER_MESSAGES = 3  # ready, loaded, done
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
    """Exit status of the jail or of who reports; 128 + n or -n if it died of signal n."""
    program_status: int | None = None
    """Exit status of the program where another process reports (`split`); None where it is the same."""
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    max_rss_bytes: int | None = None
    """Largest process of the tree; None where the kernel only tells that it was no larger than we are ourselves."""
    stdout: str = ""
    stderr: str = ""
    log: str = ""
    """What the jail itself said (not the program)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a process ended and what it and its descendants used."""

    ready: bool | None = None
    """Whether the jail stood before the program ran; None where the harness itself announces that."""
    exit_status: int
    program_status: int | None = None
    cpu_seconds: float
    max_rss_bytes: int | None


Idle = Callable[[], None]
"""Told that a program sleeps; see `runners.sandbox.Sandbox.run`."""


class Jailed(Protocol):
    """One harness that runs, in a jail or not."""

    announces: bool
    """Whether its first message says that it is ready; else its `Ending` tells, and its wall time begins at once."""
    stdout: int
    """Descriptor to read."""
    stderr: int
    """Descriptor to read."""
    log: int | None
    """Descriptor to read what the jail itself says; None where it has no voice of its own."""

    def fileno(self) -> int:
        """Descriptor that becomes readable when the harness has ended."""
        ...

    def end(self) -> Ending:
        """Kill it, with all that it started, if it still lives; close its descriptors.

        Raises:
            OSError: it cannot be ended; the jail must not be used again.
        """
        ...


def watch(
    jailed: Jailed,
    channel: Channel,
    program: Program,
    *,
    job: dict[str, Any] | None = None,
    tree_cpu_seconds: Callable[[], float] | None = None,
    idle: Idle | None = None,
) -> Evidence:
    """Serve one program to a running harness until it ends or breaks a limit.

    Args:
        jailed: the harness that was started.
        channel: our end of its socket.
        program: what it is to run.
        job: the first message, where it is not the program's source.
        tree_cpu_seconds: CPU time of the whole tree so far; None where only rlimits bound it.
        idle: see `runners.sandbox.Sandbox.run`; never called where `tree_cpu_seconds` is None.

    Raises:
        OSError: it cannot be ended.
    """
    return _Watch(jailed, channel, program, job, tree_cpu_seconds, idle).run()


class _Watch:
    """One event loop over the socket, both output streams, the jail's log and the clock."""

    def __init__(
        self,
        jailed: Jailed,
        channel: Channel,
        program: Program,
        job: dict[str, Any] | None,
        tree_cpu_seconds: Callable[[], float] | None,
        idle: Idle | None,
    ) -> None:
        self._jailed, self._channel, self._program = jailed, channel, program
        self._limits: Limits = program.limits
        self._tree_cpu_seconds, self._idle = tree_cpu_seconds, idle
        self._cpu_at_tick, self._num_idle_ticks = 0.0, 0
        self._started = time.monotonic()
        self._deadline = self._started + (START_SECONDS if jailed.announces else self._limits.wall_seconds)
        self._next_tick = self._started + _TICK_SECONDS
        self._seen = Evidence(num_tests=len(program.tests), nonce=secrets.token_hex(16))
        self._out, self._err = Tail(self._limits.kept_bytes), Tail(self._limits.kept_bytes)
        self._log = Tail(_LOG_BYTES)
        self._num_messages = 0
        self._streams: dict[int, Tail] = {jailed.stdout: self._out, jailed.stderr: self._err}
        if jailed.log is not None:
            self._streams[jailed.log] = self._log
        self._poll = select.poll()
        for fd in (*self._streams, jailed.fileno()):
            self._poll.register(fd, select.POLLIN)
        channel.put(self._job() if job is None else job)
        channel.flush()
        self._poll.register(channel.fileno(), self._channel_events())

    def run(self) -> Evidence:
        """Watch until the harness has ended, then close and sum up."""
        try:
            ended = False
            while not ended and not self._seen.stopped_for:
                ended = self._turn()
                self._seen.stopped_for = self._limit_reached(ended)
        except ProtocolError as error:
            self._seen.stopped_for = "protocol"
            self._log.add(str(error).encode())
        finally:
            self._sum_up(self._jailed.end())
        return self._seen

    def _turn(self) -> bool:
        """Wait for the next event and deal with it; whether the harness has ended and nothing is left to read."""
        left = min(self._deadline, self._next_tick) - time.monotonic()
        ended = False
        for fd, _ in self._poll.poll(max(0.0, left * 1000)):
            if fd == self._jailed.fileno():
                ended = True
            elif fd == self._channel.fileno():
                self._talk()
            else:
                self._read(fd)
        if ended:
            self._drain()
        return ended

    def _talk(self) -> None:
        messages, closed = self._channel.receive()
        for message in messages:
            self._answer(message)
        self._channel.flush()
        if closed:
            self._poll.unregister(self._channel.fileno())
        else:
            self._poll.modify(self._channel.fileno(), self._channel_events())

    def _channel_events(self) -> int:
        return select.POLLIN | (select.POLLOUT if self._channel.wants_to_write else 0)

    def _answer(self, message: dict[str, Any]) -> None:
        """Take one message in the order that the protocol knows: ready, loaded, results.

        Raises:
            ProtocolError: more messages than an honest harness ever sends.
        """
        self._num_messages += 1
        if self._num_messages > self._seen.num_tests + _OTHER_MESSAGES:
            raise ProtocolError("more messages than tests")
        if self._jailed.announces and not self._seen.ready:
            self._seen.ready = True
            self._deadline = time.monotonic() + self._limits.wall_seconds
        elif self._seen.load is None:
            self._seen.load = message
            if message.get("loaded") is True and self._program.judge == "inside":
                self._channel.put({"nonce": self._seen.nonce, "tests": list(self._program.tests)})
        elif message.get("nonce") == self._seen.nonce and len(self._seen.results) <= self._seen.num_tests:
            self._seen.results.append(message)

    def _job(self) -> dict[str, Any]:
        """The program; its tests follow once it is loaded, except where they go to a process of their own."""
        program = self._program
        job: dict[str, Any] = {"source": program.source, "module_name": program.module_name}
        if program.judge == "split":
            job |= {"tests": list(program.tests), "nonce": self._seen.nonce}
            job |= {"helpers": program.helpers, "under_test": list(program.under_test)}
        return job

    def _read(self, fd: int) -> None:
        data = os.read(fd, 1 << 16)
        if data:
            self._streams[fd].add(data)
        else:
            self._poll.unregister(fd)

    def _drain(self) -> None:
        """The harness is gone: take what is still in the pipes and the socket."""
        for fd, tail in self._streams.items():
            os.set_blocking(fd, False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(_DRAIN_READS):
                    if not (data := os.read(fd, 1 << 16)):
                        break
                    tail.add(data)
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
        now = time.monotonic()
        if self._tree_cpu_seconds is not None and (ended or now >= self._next_tick):
            self._next_tick = now + _TICK_SECONDS
            used = self._tree_cpu_seconds()
            if used > self._limits.cpu_seconds:
                return "cpu"
            if not ended:
                self._tell_idle(used)
        if not ended and now >= self._deadline:
            return "wall"
        return ""

    def _tell_idle(self, cpu_seconds: float) -> None:
        """Once per tick: tell who wants to know while the program sleeps."""
        asleep = cpu_seconds - self._cpu_at_tick < _IDLE_SHARE * _TICK_SECONDS
        self._cpu_at_tick = cpu_seconds
        self._num_idle_ticks = self._num_idle_ticks + 1 if asleep else 0
        if self._idle is not None and self._num_idle_ticks > 1:
            self._idle()

    def _sum_up(self, ending: Ending) -> None:
        seen = self._seen
        seen.wall_seconds = time.monotonic() - self._started
        seen.ready = seen.ready if ending.ready is None else ending.ready
        seen.exit_status, seen.cpu_seconds = ending.exit_status, ending.cpu_seconds
        seen.program_status = ending.program_status
        seen.max_rss_bytes = ending.max_rss_bytes
        seen.stdout, seen.stderr, seen.log = self._out.text(), self._err.text(), self._log.text()


def cpu_rlimit(limits: Limits) -> int:
    """RLIMIT_CPU in whole seconds: well above the limit that judges, so that the supervisor's evidence comes first.

    The kernel holds it by counting clock ticks, which on a busy machine was seen a quarter above what was really used.
    """
    return int(1.25 * limits.cpu_seconds) + 1
