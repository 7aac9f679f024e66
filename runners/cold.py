"""A harness in a process of its own, started for one program: a fresh nsjail, or no jail at all."""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence

from runners.channel import Channel
from runners.program import Program
from runners.supervise import Ending, Evidence, Idle, watch

_STOP_SECONDS = 10.0
"""How long a jail that was told to stop may take to kill and reap its program before it is killed itself."""


def supervise(
    argv: Sequence[str],
    program: Program,
    *,
    environment: Mapping[str, str],
    log_fd_flag: bool = False,
    cwd: str | None = None,
    tree_cpu_seconds: Callable[[], float] | None = None,
    idle: Idle | None = None,
    stop_signal: signal.Signals = signal.SIGKILL,
) -> Evidence:
    """Run `argv` with the harness's socket number in place of `{fd}` (and `{log}`) and return the evidence.

    Args:
        argv: command line of the jail or of the bare harness.
        program: what the harness is to run.
        environment: all that the started process sees of the environment.
        log_fd_flag: whether `argv` takes a descriptor for the jail's own log.
        cwd: working directory of the started process; None for ours.
        tree_cpu_seconds: CPU time of the whole tree so far; None where only rlimits bound it.
        idle: see `runners.sandbox.Sandbox.run`.
        stop_signal: SIGTERM for a jail that kills and reaps its program when told to, SIGKILL for a bare process.

    Raises:
        OSError: the process cannot be started.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            started = ColdProcess(argv, theirs, environment, log_fd_flag=log_fd_flag, cwd=cwd, stop_signal=stop_signal)
        return watch(started, Channel(ours), program, tree_cpu_seconds=tree_cpu_seconds, idle=idle)


class ColdProcess:
    """One started process with its output pipes, its log and its pidfd; see `runners.supervise.Jailed`."""

    announces = True

    def __init__(
        self,
        argv: Sequence[str],
        theirs: socket.socket,
        environment: Mapping[str, str],
        *,
        log_fd_flag: bool,
        cwd: str | None,
        stop_signal: signal.Signals,
    ) -> None:
        self._stop_signal = stop_signal
        log, log_write = os.pipe()
        self.log: int | None = log
        try:
            self._process = _start(argv, theirs, log_write, environment, log_fd_flag=log_fd_flag, cwd=cwd)
        except OSError:
            os.close(log)
            raise
        finally:
            os.close(log_write)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.stdout, self.stderr = self._process.stdout.fileno(), self._process.stderr.fileno()
        try:
            self._pidfd = os.pidfd_open(self._process.pid)
        except OSError:
            kill_session(self._process.pid)
            self._process.wait()
            self._close()
            raise

    def fileno(self) -> int:
        """The pidfd."""
        return self._pidfd

    def end(self) -> Ending:
        """Stop the process if it still lives (a pid namespace dies with its jail) and read what it used."""
        self._stop()
        own_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        os.close(self._pidfd)
        self._close()
        return Ending(
            exit_status=self._process.returncode,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            # Between fork and exec the child has our memory, so its maximum is never below ours.
            max_rss_bytes=usage.ru_maxrss * 1024 if usage.ru_maxrss > own_rss else None,
        )

    def _stop(self) -> None:
        """A jail ends its program itself, so that no process outlives it and all CPU time is counted; then kill."""
        if self._stop_signal != signal.SIGKILL:
            os.killpg(self._process.pid, self._stop_signal)
            poll = select.poll()
            poll.register(self._pidfd, select.POLLIN)
            poll.poll(_STOP_SECONDS * 1000)
        kill_session(self._process.pid)

    def _close(self) -> None:
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        if self.log is not None:
            os.close(self.log)


def _start(
    argv: Sequence[str],
    theirs: socket.socket,
    log_write: int,
    environment: Mapping[str, str],
    *,
    log_fd_flag: bool,
    cwd: str | None,
) -> subprocess.Popen[bytes]:
    """Start the process with its ends of the socket and the log."""
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


def kill_session(leader: int) -> None:
    """Kill a session leader that we started and its process group; not yet reaped, so its pid is still its own."""
    os.killpg(leader, signal.SIGKILL)
