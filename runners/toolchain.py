"""The Python that judges: where it lies on the host, where it lies in the jail, and its fingerprint."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

HARNESS = Path(__file__).parent / "harness"
POLICY = Path(__file__).parent / "policies" / "python.kafel"
TOOLS_POLICY = Path(__file__).parent / "policies" / "tools.kafel"
PACKAGES = "/opt/packages"
"""Where a jail has the packages that programs may import."""
_OFFERED = ("numpy",)
"""Packages of our own environment that programs may import, if installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A host path that is seen, read-only, in the jail."""

    source: Path
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonToolchain:
    """Interpreter, its libraries and the packages offered to programs."""

    interpreter: str
    """Path inside the jail."""
    library_path: str
    module_path: tuple[str, ...]
    """What the harness appends to sys.path before it loads a program."""
    mounts: tuple[Mount, ...]
    fingerprint: str
    """Version of the interpreter and the packages, and hash of harness and policy."""


@functools.cache
def python_toolchain() -> PythonToolchain:
    """The interpreter that runs us, without our own packages except those that programs are offered."""
    prefix = Path(sys.base_prefix).resolve()
    in_usr = prefix == Path("/usr")
    inside = "/usr" if in_usr else "/opt/python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    mounts = [Mount(source=Path(p), target=p) for p in ("/usr/lib", "/lib", "/lib64", "/usr/lib64", "/etc/ld.so.cache")]
    if in_usr:
        mounts.append(Mount(source=Path("/usr/bin") / version, target=f"/usr/bin/{version}"))
    else:
        mounts.append(Mount(source=prefix, target=inside))
    packages = _packages()
    mounts += packages
    return PythonToolchain(
        interpreter=f"{inside}/bin/{version}",
        library_path="" if in_usr else f"{inside}/lib",
        module_path=(PACKAGES,) if packages else (),
        mounts=tuple(mount for mount in mounts if mount.source.exists()),
        fingerprint=_fingerprint(),
    )


def _packages() -> list[Mount]:
    """Each offered package and the shared libraries beside it."""
    mounts = []
    for name in _OFFERED:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        directory = Path(spec.origin).parent
        for path in (directory, directory.with_name(f"{name}.libs")):
            mounts.append(Mount(source=path, target=f"{PACKAGES}/{path.name}"))
    return [mount for mount in mounts if mount.source.exists()]


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in (*sorted(HARNESS.glob("*.py")), POLICY, Path(__file__).with_name("seccomp.py")):
        digest.update(path.read_bytes())
    numpy = importlib.util.find_spec("numpy")
    version = "none"
    if numpy is not None:
        from importlib.metadata import version as version_of

        version = version_of("numpy")
    return f"cpython-{platform.python_version()} {os.uname().machine} numpy-{version} harness-{digest.hexdigest()[:12]}"
