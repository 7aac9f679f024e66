"""Named sets of packages for programs that need more than Python: where they lie, and how they are built.

Each is one pinned list in `runners/environments/` and one folder in the cache, which jails see read-only. The folder's
name is a hash of the list and of the interpreter, so a changed list gets a new folder. It is filled beside its place
and renamed when its packages import: other processes see it whole or not at all.

    python -m runners.environments build datascience
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from runners.errors import UserError

LOCKS = Path(__file__).parent / "environments"
"""Folder of the pinned lists."""
MARKER = "codeassay-environment"
"""File in a finished folder that holds its fingerprint."""
_INCLUDE = re.compile(r"^-r (\S+)$", re.MULTILINE)
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==(\S+)$", re.MULTILINE)
_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is said of one environment before it is built."""

    summary: str
    imports: tuple[str, ...]
    """Modules that must import before a build counts as one."""
    official: tuple[tuple[str, str], ...]
    """Packages and versions that the benchmark's authors name."""
    warm: tuple[str, ...] = ("numpy", "pandas")
    """Modules that a warm jail has imported before a program comes."""
    optional: bool = False
    """Whether `build` without names leaves it out, for its size."""


_DS1000 = (
    *(("numpy", "1.21.6"), ("pandas", "1.3.5"), ("scipy", "1.7.3")),
    *(("scikit-learn", "1.0.2"), ("matplotlib", "3.5.2")),
)
_DATASCIENCE = ("numpy", "pandas", "scipy", "sklearn", "matplotlib", "seaborn", "statsmodels", "xgboost", "yaml")
ENVIRONMENTS = {
    "datascience": Row(
        summary="DS-1000: numpy, pandas, scipy, scikit-learn, matplotlib",
        imports=_DATASCIENCE,
        official=_DS1000,
    ),
    "torch": Row(
        summary="DS-1000, PyTorch problems: datascience and torch for CPUs",
        imports=(*_DATASCIENCE, "torch", "gensim"),
        official=(*_DS1000, ("torch", "1.12.1")),
        optional=True,
    ),
    "tensorflow": Row(
        summary="DS-1000, TensorFlow problems: datascience and tensorflow for CPUs",
        imports=(*_DATASCIENCE, "tensorflow"),
        official=(*_DS1000, ("tensorflow-cpu", "2.10.0")),
        optional=True,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment of this machine's interpreter, built or not."""

    name: str
    python: Path
    """The interpreter that its packages are for, on the host."""
    packages: Path
    """Folder for `sys.path`; it is there only when the environment is built."""
    fingerprint: str
    """What verdicts depend on: the pinned list, the interpreter, the processor."""

    @property
    def built(self) -> bool:
        """Whether programs can be run in it."""
        return (self.packages / MARKER).is_file()

    @property
    def how_to_build(self) -> str:
        """The command that builds it."""
        return f"{Path(sys.executable).name} -m runners.environments build {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentState:
    """One environment, for `doctor`."""

    name: str
    built: bool
    optional: bool
    detail: str
    """Where it lies and how it differs from what the authors name, or how to build it."""


class EnvironmentNotBuilt(UserError):
    """An environment cannot be made here; says what pip or an import said."""


def find_environment(name: str) -> Environment:
    """The environment of this name; ask its `built` before using it.

    Raises:
        UserError: there is no environment of this name.
    """
    digest = hashlib.sha256(f"{lock_text(name)}\0{_interpreter()}".encode()).hexdigest()[:16]
    return Environment(
        name=name,
        python=Path(getattr(sys, "_base_executable", None) or sys.executable).resolve(),
        packages=environments_folder() / f"{name}-{digest}",
        fingerprint=f"{name}: lock-{_lock_digest(name)} {_interpreter()}",
    )


def environments_folder() -> Path:
    """Where environments are kept: CODEASSAY_ENVIRONMENTS, else in the cache (CODEASSAY_CACHE)."""
    if own := os.environ.get("CODEASSAY_ENVIRONMENTS"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("CODEASSAY_CACHE") or Path(base) / "codeassay").expanduser() / "environments"


def lock_text(name: str) -> str:
    """The pinned list of an environment, lists that it includes put in their places.

    Raises:
        UserError: there is no environment of this name.
    """
    if name not in ENVIRONMENTS:
        raise UserError(f"There is no environment '{name}'; there are: {', '.join(ENVIRONMENTS)}.")
    return _INCLUDE.sub(lambda match: (LOCKS / match[1]).read_text(), (LOCKS / f"{name}.txt").read_text())


def versions(name: str) -> dict[str, str]:
    """Every package of an environment with its version.

    Raises:
        UserError: there is no environment of this name.
    """
    return dict(_PIN.findall(lock_text(name)))


def difference_note(name: str) -> str:
    """Which versions differ from those that the benchmark's authors name; empty where none does."""
    ours = versions(name)
    differing = [f"{package} {ours[package]} (theirs {wanted})" for package, wanted in ENVIRONMENTS[name].official]
    same = {f"{package} {wanted} (theirs {wanted})" for package, wanted in ENVIRONMENTS[name].official}
    told = [text for text in differing if text not in same]
    return f"environment {name} differs from its authors': {', '.join(told)}" if told else ""


def states() -> tuple[EnvironmentState, ...]:
    """Every environment as it is on this machine."""
    return tuple(_state(find_environment(name), ENVIRONMENTS[name]) for name in ENVIRONMENTS)


def _state(environment: Environment, row: Row) -> EnvironmentState:
    found = f"{environment.packages}; {difference_note(environment.name)}".removesuffix("; ")
    detail = found if environment.built else f"not built ({row.summary}); {environment.how_to_build}"
    return EnvironmentState(name=environment.name, built=environment.built, optional=row.optional, detail=detail)


def build(name: str) -> Environment:
    """The environment, made if it is not there; a second process waits for the first.

    Raises:
        EnvironmentNotBuilt: pip cannot install a package, or one does not import.
        UserError: there is no environment of this name.
    """
    environment = find_environment(name)
    environment.packages.parent.mkdir(parents=True, exist_ok=True)
    with _lock(environment.packages):
        if not environment.built:
            _make(environment)
    return environment


@contextlib.contextmanager
def _lock(place: Path) -> Iterator[None]:
    with (place.parent / f".{place.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(environment: Environment) -> None:
    """Install into a folder beside the place, then move it there."""
    shutil.rmtree(environment.packages, ignore_errors=True)  # a folder without marker: somebody's half removal
    temporary = Path(tempfile.mkdtemp(prefix=f".{environment.packages.name}.", dir=environment.packages.parent))
    try:
        temporary.chmod(0o755)
        _install(environment.name, temporary)
        _check_imports(environment, temporary)
        (temporary / MARKER).write_text(environment.fingerprint + "\n")
        temporary.rename(environment.packages)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _install(name: str, target: Path) -> None:
    """Exactly the pinned wheels: nothing is resolved, nothing is compiled, no program of a package runs."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-warn-conflicts"]
    if find_spec("pip") is None and (uv := shutil.which("uv")):  # environments that uv makes have no pip
        pip = [uv, "pip", "install", "--quiet", "--python", sys.executable]
    options = ["--only-binary=:all:", "--no-deps", "--target", str(target)]
    _run(name, [*pip, *options, "--requirement", str(LOCKS / f"{name}.txt")])


def _check_imports(environment: Environment, packages: Path) -> None:
    """Import what programs will, with nothing of ours beside it."""
    modules = "; ".join(f"import {module}" for module in ENVIRONMENTS[environment.name].imports)
    code = f"import sys; sys.path.append({str(packages)!r}); {modules}"
    _run(environment.name, [str(environment.python), "-I", "-S", "-c", code])


def _run(name: str, command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise EnvironmentNotBuilt(f"environment {name}: no end after {_SECONDS} s. Run the command again.") from None
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in said if "ERROR" in line] or said[-1:] or [f"exit status {done.returncode}"]
        raise EnvironmentNotBuilt(
            f"environment {name} cannot be built: {errors[-1].strip()[:300]}. It needs pip ({sys.executable} -m pip) "
            "or uv, and a package index or mirror that holds wheels for this Python (PIP_INDEX_URL)."
        )


def _lock_digest(name: str) -> str:
    return hashlib.sha256(lock_text(name).encode()).hexdigest()[:12]


def _interpreter() -> str:
    return f"cpython-{platform.python_version()} {platform.machine()}"


def main(arguments: list[str]) -> int:
    """`build [NAME ...]` makes environments (all that are not optional), `list` tells what there is."""
    command, *names = arguments or ["list"]
    if command == "list":
        for state in states():
            sys.stdout.write(f"{'ok' if state.built else 'no':<3} {state.name:<12} {state.detail}\n")
        return 0
    if command != "build":
        sys.stderr.write("usage: python -m runners.environments build [NAME ...] | list\n")
        return 2
    try:
        for name in names or [name for name, row in ENVIRONMENTS.items() if not row.optional]:
            sys.stdout.write(f"ok  {name:<12} {build(name).packages}\n")
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
