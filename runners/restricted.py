"""Level `restricted`: seccomp, rlimits and Landlock only, for containers that give no namespaces; asked for by name.

Each program is started by a keeper of its own (`harness/restricted_start.py`). What this level does not give:
namespaces of pids, network, mounts and host name; a bound on the files that a program writes; and without control
groups a bound on memory and CPU time of all its processes together.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from runners.cgroup import Group, GroupParents, remove_stale
from runners.cold import supervise
from runners.errors import SandboxUnavailable
from runners.harness import landlock
from runners.harness.remove import remove_tree
from runners.harness.restricted_protocol import Settings
from runners.judge import verdict_of
from runners.nsjail import environment_of
from runners.only_python import ONLY_PYTHON, refused
from runners.policy import PolicyError, parse_policy, tightened
from runners.program import Limits, Program, Status, Verdict
from runners.seccomp import compile_rules
from runners.supervise import Evidence, Idle, cpu_rlimit
from runners.toolchain import HARNESS, PACKAGES, POLICY, PythonToolchain, python_toolchain

_CHECKOUT = HARNESS.parent.parent
_POLICIES = POLICY.parent
_START = "import sys; sys.path.insert(0, sys.argv[3]); from runners.harness.restricted_start import main; main()"
_IDS = ((1_879_048_192, 1 << 28), (50_000, 10_000))
"""First number and how many: uids and gids that no machine gives to a person, whole or within the 65,536 of a pod."""
_CAPABILITIES = {
    "CAP_CHOWN": 0,
    "CAP_DAC_OVERRIDE": 1,
    "CAP_FOWNER": 3,
    "CAP_KILL": 5,
    "CAP_SETGID": 6,
    "CAP_SETUID": 7,
}
"""What it takes to run a program as another user, to end it and to remove its files; Docker's default has them all."""
_KEEPERS = 4
_OPEN_TO_ALL = 0o005


class RestrictedSandbox:
    """Runs each program as processes of this machine that may see and do little; see the module."""

    isolation = "restricted"
    judges = frozenset({"inside", "split"})
    languages = ONLY_PYTHON
    environments = False

    def __init__(self, groups: GroupParents | None, *, abi: int | None = None) -> None:
        """Take the parents of control groups as `runners.isolation` found them; None where there are none.

        Args:
            groups: where control groups are made.
            abi: use Landlock as if this kernel had an older one; None for what it has.

        Raises:
            SandboxUnavailable: no Landlock, or no table of system calls for this processor.
        """
        try:
            self.abi = min(abi or sys.maxsize, landlock.abi_version())
        except OSError as error:
            raise SandboxUnavailable(f"isolation restricted is not available here: {error.strerror}.") from error
        if groups is not None:
            remove_stale(groups)
        self._groups = groups
        self._python = python_toolchain()
        packages = [str(mount.source) for mount in self._python.mounts if mount.target.startswith(f"{PACKAGES}/")]
        interpreter = _on_host(self._python, self._python.interpreter)
        self._ids = _own_ids([interpreter, tempfile.gettempdir(), *packages])
        self._policy = self._compile()

    @property
    def has_groups(self) -> bool:
        """Whether a control group bounds all processes of a program together."""
        return self._groups is not None

    @property
    def own_uid(self) -> bool:
        """Whether each program runs as a user that nobody else is."""
        return bool(self._ids)

    def toolchain(self) -> str:
        """Interpreter, packages, harness and policies that verdicts depend on."""
        return f"{self._python.fingerprint} restricted-{hashlib.sha256(self._policy).hexdigest()[:12]}"

    def run(self, program: Program, idle: Idle | None = None) -> Verdict:
        """Run one program in an empty directory; see `runners.sandbox.Sandbox`."""
        if (refusal := refused(program, self)) is not None:
            return refusal
        try:
            with self._folder() as around, self._new_group(program.limits) as group:
                evidence = self._run_in(around / "tmp", group, program, idle)
                usage = group.usage() if group is not None else None
        except OSError as error:
            return self._failed(f"the program cannot be started or ended: {error}")
        if evidence.exit_status is not None and evidence.exit_status < 0:
            return self._failed(f"the keeper was killed (signal {-evidence.exit_status}): processes may be left")
        return verdict_of(evidence, program.limits, usage, self.isolation, judge=program.judge)

    def close(self) -> None:
        """Nothing outlives a program here."""

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        """A folder with an empty one, closed to others, and with links to the packages; removed afterwards.

        Raises:
            OSError: it cannot be made or removed.
        """
        around = Path(tempfile.mkdtemp(prefix="codeassay-"))
        try:
            around.chmod(0o711)  # its name is random, and users of their own must get through
            (around / "tmp").mkdir(0o700)
            (around / "packages").mkdir()
            (around / "packages").chmod(0o755)
            for mount in self._python.mounts:
                if mount.target.startswith(f"{PACKAGES}/"):
                    (around / "packages" / Path(mount.target).name).symlink_to(mount.source)
            yield around
        finally:
            remove_tree(str(around))

    def _new_group(self, limits: Limits) -> Group | contextlib.nullcontext[None]:
        if self._groups is None:
            return contextlib.nullcontext()
        return Group(self._groups, memory_bytes=limits.memory_bytes, processes=limits.processes + _KEEPERS)

    def _run_in(self, directory: Path, group: Group | None, program: Program, idle: Idle | None) -> Evidence:
        settings = json.dumps(self._settings(directory, group, program))
        interpreter = _on_host(self._python, self._python.interpreter)
        return supervise(
            [interpreter, "-I", "-S", "-B", "-c", _START, "{fd}", settings, str(_CHECKOUT)],
            program,
            environment=self._environment(directory),
            cwd=str(directory),
            tree_cpu_seconds=group.cpu_seconds if group is not None else None,
            idle=idle,
            stop_signal=signal.SIGTERM,
        )

    def _environment(self, directory: Path) -> dict[str, str]:
        """That of the jails, with the program's directory in place of /tmp."""
        pairs = dict(part.split("=", 1) for part in environment_of(self._python)[1::2])
        if self._python.library_path:
            pairs["LD_LIBRARY_PATH"] = _on_host(self._python, self._python.library_path)
        return pairs | {"HOME": str(directory), "TMPDIR": str(directory)}

    def _settings(self, directory: Path, group: Group | None, program: Program) -> Settings:
        limits = program.limits
        return Settings(
            supervisor=os.getpid(),
            checkout=str(_CHECKOUT),
            directory=str(directory),
            judge=program.judge,
            module_path=[str(directory.with_name("packages"))],
            readable=[*(str(mount.source) for mount in self._python.mounts), str(directory.with_name("packages"))],
            groups=[str(directory) for directory in group.directories] if group is not None else [],
            abi=self.abi,
            ids=self._ids,
            rlimits={
                "CPU": cpu_rlimit(limits),
                "AS": limits.memory_bytes,
                "FSIZE": limits.file_bytes,
                "NOFILE": limits.open_files,
                "STACK": limits.stack_bytes,
                "CORE": 0,
                "MEMLOCK": 0,
                "MSGQUEUE": 0,
                "RTPRIO": 0,
            },
            processes=limits.processes,
            policy=self._policy.hex(),
        )

    def _compile(self) -> bytes:
        """The seccomp filter: the jails' policy, and what is missing where there are no namespaces."""
        names = ["restricted"]
        if self.abi < landlock.TRUNCATION:
            names.append("no_truncation")
        if self.abi < landlock.SCOPES and not self._ids:
            names.append("own_signals")
        machine = platform.machine()
        try:
            more = [parse_policy((_POLICIES / f"{name}.kafel").read_text(), machine=machine) for name in names]
            return compile_rules(tightened(parse_policy(POLICY.read_text(), machine=machine), *more), machine=machine)
        except PolicyError as error:
            raise SandboxUnavailable(f"isolation restricted is not available here: {error}.") from error

    def _failed(self, error: str) -> Verdict:
        return Verdict(status=Status.SANDBOX_ERROR, isolation=self.isolation, error=" ".join(error.split())[:400])


def _on_host(python: PythonToolchain, path: str) -> str:
    """Where on the host a path of the jails lies."""
    for mount in python.mounts:
        if path == mount.target or path.startswith(f"{mount.target}/"):
            return str(mount.source) + path.removeprefix(mount.target)
    return path


def _own_ids(needed: list[str]) -> list[int]:
    """First uid and count of those that programs may get; empty if they must stay who we are.

    That is so without the capabilities, or where a user who is nobody cannot reach what programs need.
    """
    if not _has_capabilities() or not all(_is_open_to_all(Path(path)) for path in needed):
        return []
    return next((list(ids) for ids in _IDS if _is_mapped(*ids)), [])


def _has_capabilities() -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return all(int(value, 16) >> number & 1 for number in _CAPABILITIES.values())
    return False


def _is_open_to_all(path: Path) -> bool:
    """Whether every user can read and search a path (or execute it), and search all above it."""
    path = path.resolve()
    modes = [parent.stat().st_mode & 0o001 for parent in path.parents]
    return all(modes) and path.stat().st_mode & _OPEN_TO_ALL == _OPEN_TO_ALL


def _is_mapped(first: int, count: int) -> bool:
    """Whether these numbers exist as uids and as gids in our user namespace."""
    maps = [Path(f"/proc/self/{name}").read_text().splitlines() for name in ("uid_map", "gid_map")]
    starts = [[tuple(map(int, line.split())) for line in lines] for lines in maps]
    return all(
        any(inside <= first and first + count <= inside + length for inside, _, length in lines) for lines in starts
    )
