"""Compilers and runtimes of this machine: where they are, where they lie in the jail, and their versions."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runners.languages import LANGUAGES, Language

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where tools are looked for besides the user's PATH, whose order comes first."""
_ASK_SECONDS = 60
_IN_SYSTEM = ("/usr/", "/bin/", "/lib/")
_SYSTEM_ETC = ("/etc/alternatives", "/etc/java-17-openjdk", "/etc/php", "/etc/ssl/openssl.cnf", "/etc/lsb-release")
JAIL_PREFIX = "/opt/tools"
"""Where the prefix of a tool lies in the jail that is not in /usr."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One command."""

    path: Path
    """On the host, all links resolved but those of multi-call programs."""
    inside: str
    """In the jail."""
    prefix: Path | None
    """What must be mounted for it; None where the system's folders are enough."""


@functools.cache
def find(name: str) -> Tool | None:
    """The tool of this name; None where there is none."""
    path = _locate(name)
    if path is None:
        return None
    if str(path).startswith(_IN_SYSTEM):
        return Tool(path=path, inside=str(path), prefix=None)
    prefix = path.parent.parent
    return Tool(path=path, inside=f"{JAIL_PREFIX}/{prefix.name}/{path.parent.name}/{path.name}", prefix=prefix)


def forget() -> None:
    """Look again for all that is asked for: tools were installed since."""
    find.cache_clear()
    _asked.cache_clear()


def library_folder(name: str) -> str:
    """The folder `lib` beside that of a tool, in the jail; empty where there is no such tool."""
    tool = find(name)
    return "" if tool is None else f"{tool.inside.rsplit('/', 2)[0]}/lib"


def _locate(name: str) -> Path | None:
    """Where a tool really is; some are found by asking another one."""
    if name.startswith("go-"):
        folder = _asked("go", "env", "GOTOOLDIR")
        path = Path(folder) / name.removeprefix("go-") if folder else None
        return path if path is not None and path.exists() else None
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SEARCH_PATH}")
    if found is None:
        return None
    if name in ("rustc", "cargo"):  # rustup's commands only call those of a toolchain
        sysroot = _asked("rustc", "--print", "sysroot")
        own = Path(sysroot or "/") / "bin" / name
        return own if own.exists() else Path(found).resolve()
    return Path(found).resolve() if name in ("java", "javac", "node", "go", "php") else Path(found)


@functools.cache
def _asked(*command: str) -> str:
    """First line that a command prints; empty where it fails."""
    found = shutil.which(command[0], path=f"{os.environ.get('PATH', '')}:{SEARCH_PATH}")
    if found is None:
        return ""
    try:
        done = subprocess.run(
            [found, *command[1:]], capture_output=True, text=True, timeout=_ASK_SECONDS, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    said = done.stdout.strip() or done.stderr.strip()
    return said.splitlines()[0].strip() if done.returncode == 0 and said else ""


def cache_folder() -> Path:
    """Where prepared parts of toolchains are kept: CODEASSAY_TOOLCHAINS, else in the cache (CODEASSAY_CACHE)."""
    if own := os.environ.get("CODEASSAY_TOOLCHAINS"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    root = Path(os.environ.get("CODEASSAY_CACHE") or Path(base) / "codeassay").expanduser()
    return root / "toolchains"


def node_modules() -> Path:
    """Where `make toolchains` puts packages of npm; its name changes with what it should hold."""
    return cache_folder() / "node" / "node_modules"


def version(language: Language) -> str:
    """What the language's tool says of its version; empty where it is not there."""
    command = tuple(part.replace("{node_modules}", str(node_modules())) for part in language.version)
    tool = find(command[0])
    if tool is None or not all(Path(part).exists() for part in command[1:] if part.startswith("/")):
        return ""
    return _kept_version(str(tool.path), *command[1:])


def _kept_version(path: str, *arguments: str) -> str:
    """A version as it was told before, where the file is still the same: some tools take long to tell."""
    status = os.stat(path)  # noqa: PTH116
    key = json.dumps([path, *arguments, status.st_size, status.st_mtime_ns])
    kept = cache_folder() / "versions.json"
    known: dict[str, str] = {}
    try:
        known = json.loads(kept.read_text())
    except (OSError, ValueError):
        known = {}
    if key not in known and (told := _asked(path, *arguments)):
        known[key] = told
        _keep(kept, known)
    return known.get(key, "")


def _keep(path: Path, known: dict[str, str]) -> None:
    """Write what was told; where that cannot be, the next process asks again."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(known))
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)


def missing(language: Language) -> tuple[str, ...]:
    """Tools and files that this machine lacks; empty where programs of the language can be run."""
    lacking = [tool for tool in language.tools if find(tool) is None]
    wanted = [need.replace("{node_modules}", str(node_modules())) for need in language.needs if "{kit}" not in need]
    return (*lacking, *(need for need in wanted if not Path(need).exists()))


def prefixes() -> tuple[Path, ...]:
    """Folders outside the system's that hold tools of any language."""
    tools = (find(name) for language in LANGUAGES.values() for name in language.tools)
    return tuple(dict.fromkeys(tool.prefix for tool in tools if tool is not None and tool.prefix is not None))


def system_folders() -> Iterable[Path]:
    """What compilers and runtimes need of the system: nothing in it is a secret or a person's."""
    paths = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", *_SYSTEM_ETC]
    return (Path(path) for path in paths if Path(path).exists())
