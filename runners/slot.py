"""One nsjail with a warm interpreter in it, and one child of that interpreter; `runners.warm` uses them."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess

from runners.cgroup import SlotGroup
from runners.cold import kill_session
from runners.harness.zygote_protocol import KILL, READY, REPLY
from runners.nsjail import enter_groups
from runners.supervise import START_SECONDS, Ending

_STOP_SECONDS = 5.0
_MAX_RUNS = 5_000
"""After so many programs a slot is replaced, doubt or none."""


class Doubt(OSError):
    """A slot did what an honest one does not; it must not be used again."""


class Slot:
    """One nsjail with a warm zygote in it, and its control group."""

    def __init__(self, argv: list[str], group: SlotGroup | None, policy: bytes) -> None:
        """Start and wait until the zygote is ready.

        Raises:
            OSError: the jail does not start; says what it said.
        """
        self.group = group
        self.num_runs = 0
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control = ours
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        if group is not None:
            argv, environment = enter_groups(argv, group.directories, environment)
        with theirs:
            self._process = subprocess.Popen(
                [part.format(fd=theirs.fileno()) if part == "{fd}" else part for part in argv],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                env=environment,
                start_new_session=True,
            )
        ours.settimeout(START_SECONDS)
        try:
            ours.send(policy)
            if ours.recv(REPLY.size) != READY:
                raise Doubt(f"the zygote does not start: {self._said()}")
        except (TimeoutError, ConnectionError) as error:
            said = self._said()
            self.close()
            raise Doubt(f"the zygote does not start: {said or error}") from error
        ours.settimeout(None)
        if group is not None:
            group.settle()

    def is_worn(self) -> bool:
        """Whether it has served long enough, or holds a process or memory that should be gone."""
        if self.num_runs >= _MAX_RUNS:
            return True
        return self.group is not None and not self.group.is_clean()

    def _said(self) -> str:
        """What the jail wrote to its standard error before it ended."""
        stderr = self._process.stderr
        assert stderr is not None
        os.set_blocking(stderr.fileno(), False)
        return (stderr.read() or b"").decode("utf-8", "replace").strip()

    def close(self) -> None:
        """End the jail, and with it all that lives in it; remove its group."""
        self.control.close()
        with contextlib.suppress(ProcessLookupError):
            kill_session(self._process.pid)
        self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()
        if self.group is not None:
            self.group.remove()


class WarmChild:
    """One child of a zygote; see `runners.supervise.Jailed`."""

    announces = False

    def __init__(self, slot: Slot, request: bytes, channel: socket.socket, *more: int) -> None:
        """Hand the request, the child's ends of channel and output pipes, and `more` descriptors to the zygote."""
        self._control = slot.control
        self.log: int | None = None
        self.stdout, out = os.pipe()
        self.stderr, err = os.pipe()
        try:
            socket.send_fds(self._control, [request], [channel.fileno(), out, err, *more])
        finally:
            os.close(out)
            os.close(err)

    def fileno(self) -> int:
        """The control socket: the zygote answers when the child has ended."""
        return self._control.fileno()

    def end(self) -> Ending:
        """Read how the child ended; kill it first if it has not.

        Raises:
            Doubt: the zygote gives no answer, or a wrong one.
        """
        try:
            poll = select.poll()
            poll.register(self._control, select.POLLIN)
            if not poll.poll(0):
                self._control.send(KILL)
                if not poll.poll(_STOP_SECONDS * 1000):
                    raise Doubt("the zygote does not answer")
            answer = self._control.recv(REPLY.size + 1)
        except ConnectionError as error:
            raise Doubt(f"the zygote has gone: {error}") from error
        finally:
            os.close(self.stdout)
            os.close(self.stderr)
        if len(answer) != REPLY.size:
            raise Doubt("the zygote has gone" if not answer else "the zygote's answer is no answer")
        _, ready, status, program_status, user, system, max_rss = REPLY.unpack(answer)
        return Ending(
            ready=ready,
            exit_status=os.waitstatus_to_exitcode(status),
            program_status=os.waitstatus_to_exitcode(program_status),
            cpu_seconds=user + system,
            max_rss_bytes=max_rss,
        )
