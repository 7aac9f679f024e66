"""What is prepared once per machine so that programs compile and run fast: harnesses, precompiled headers, libraries.

Everything is made of our own sources and the system's, outside the jail, under the cache folder; jails see it
read-only. The folder's name is a hash of what it is made of, so a new compiler gets a new folder. A part is made under
a lock, in a temporary folder that is renamed: other processes see it whole or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from runners.languages import ALL_HEADERS, HELPER_HEADERS, LANGUAGES, Language, pch_name
from runners.toolchain import TOOLS_POLICY
from runners.tools import cache_folder, find, version

SOURCES = Path(__file__).parent / "harness" / "languages"
INSIDE = "/opt/kit"
"""Where the cache folder of toolchains lies in the jail."""
CRATES = {"rand": "0.8", "regex": "1", "md5": "0.7"}
_REGISTRY = Path("/usr/share/cargo/registry")
_SECONDS = 900


class KitError(Exception):
    """A part cannot be made here; says what the tool said."""


def folder(language: Language) -> Path:
    """Where a language's parts lie on the host."""
    digest = hashlib.sha256(version(language).encode())
    for source in sorted(SOURCES.iterdir()):
        digest.update(source.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return cache_folder() / f"{language.name}-{digest.hexdigest()[:16]}"


def fingerprint(language: Language) -> str:
    """What verdicts of a language depend on: its version and our harness."""
    return _fingerprint(language.name)


@functools.cache
def _fingerprint(name: str) -> str:
    language = LANGUAGES[name]
    policy = hashlib.sha256(TOOLS_POLICY.read_bytes()).hexdigest()[:8]
    return f"{language.name}: {version(language)} kit-{folder(language).name.rpartition('-')[2]} policy-{policy}"


def prepared(language: Language) -> Path:
    """The folder of a language's parts, made if need be.

    Raises:
        KitError: a tool fails.
    """
    place = folder(language)
    if not place.exists():
        with _lock(place):
            if not place.exists():
                _make(place, _MAKERS.get(language.name, _copy_harnesses))
    return place


def precompiled_header(headers: tuple[str, ...], flags: tuple[str, ...]) -> Path:
    """A precompiled header for these flags, made if need be.

    Raises:
        KitError: the compiler fails.
    """
    place = prepared(LANGUAGES["cpp"])
    header = place / pch_name(headers, flags)
    compiled = header.with_name(header.name + ".gch")
    if not compiled.exists():
        with _lock(header):
            if not compiled.exists():
                header.write_text("".join(f"#include {name}\n" for name in headers))
                temporary = header.with_name(f".{header.name}.{os.getpid()}.gch")
                _run(_tool("g++"), "-std=c++17", *flags, "-x", "c++-header", str(header), "-o", str(temporary))
                temporary.replace(compiled)
    return header


def warm_up(language: Language) -> None:
    """Make all that the known benchmarks use of a language.

    Raises:
        KitError: a tool fails.
    """
    prepared(language)
    if language.name == "cpp":
        for headers, flags in ((HELPER_HEADERS, ("-std=c++11",)), (ALL_HEADERS, ("-std=c++17",)), (ALL_HEADERS, ())):
            precompiled_header(headers, flags)


@contextlib.contextmanager
def _lock(place: Path) -> Iterator[None]:
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / f".{place.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(place: Path, maker: Callable[[Path], None]) -> None:
    """Make a part in a folder beside its place, then move it there."""
    temporary = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    try:
        temporary.chmod(0o755)
        maker(temporary)
        temporary.rename(place)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _copy_harnesses(place: Path) -> None:
    for source in SOURCES.iterdir():
        shutil.copyfile(source, place / source.name)


def _make_c(place: Path) -> None:
    _run(_tool("gcc"), "-O1", "-c", str(SOURCES / "main_wrap.c"), "-o", str(place / "main_wrap.o"))


def _make_java(place: Path) -> None:
    sources = [str(path) for path in sorted(SOURCES.glob("*.java"))]
    _run(_tool("javac"), "-proc:none", "-d", str(place), *sources)


def _make_go(place: Path) -> None:
    """Compiled packages of the standard library and of testify, and the table in which the linker finds them."""
    _copy_harnesses(place)
    with tempfile.TemporaryDirectory() as cache:
        environment = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": cache, "CGO_ENABLED": "0"}
        wanted = ("std", "github.com/stretchr/testify/assert")
        listing = "{{if .Export}}{{.ImportPath}} {{.Export}}{{end}}"
        listed = _run(_tool("go"), "list", "-export", "-deps", "-f", listing, *wanted, environment=environment)
        lines = []
        for name, path in (line.split() for line in listed.splitlines()):
            inside = path
            if not path.startswith("/usr/"):
                copy = f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.a"
                shutil.copyfile(path, place / copy)
                inside = f"{INSIDE}/{folder(LANGUAGES['go']).name}/{copy}"
            lines.append(f"packagefile {name}={inside}\n")
    (place / "importcfg").write_text("".join(lines))


def _make_rust(place: Path) -> None:
    """The crates that HumanEval-X imports, built from Debian's sources, as plain libraries; and where rustc lies."""
    _make_c(place)
    _run(_tool("gcc"), "-O1", "-shared", "-fPIC", str(SOURCES / "own_path.c"), "-o", str(place / "own_path.so"))
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        (project / "src").mkdir()
        (project / "src" / "lib.rs").write_text("")
        needs = "".join(f'{crate} = "{wanted}"\n' for crate, wanted in CRATES.items())
        package = '[package]\nname = "kit"\nversion = "0.0.0"\nedition = "2021"\n\n[dependencies]\n'
        (project / "Cargo.toml").write_text(package + needs)
        (project / ".cargo").mkdir()
        sources = f'[source.crates-io]\nreplace-with = "debian"\n\n[source.debian]\ndirectory = "{_REGISTRY}"\n'
        (project / ".cargo" / "config.toml").write_text(sources)
        environment = {"CARGO_HOME": str(project / "home"), "RUSTC": _tool("rustc")}
        _run(_tool("cargo"), "build", "--offline", "--quiet", cwd=project, environment=environment)
        for library in (project / "target" / "debug" / "deps").glob("*.rlib"):
            shutil.copyfile(library, place / library.name)
            crate = library.name.removeprefix("lib").partition("-")[0]
            if crate in CRATES:
                shutil.copyfile(library, place / f"lib{crate}.rlib")


_MAKERS: dict[str, Callable[[Path], None]] = {
    "c": _make_c,
    "cpp": _make_c,
    "java": _make_java,
    "go": _make_go,
    "rust": _make_rust,
}


def _tool(name: str) -> str:
    tool = find(name)
    if tool is None:
        raise KitError(f"{name} is not installed")
    return str(tool.path)


def _run(*command: str, cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """What a trusted tool prints on standard output.

    Raises:
        KitError: it fails; with the end of what it said.
    """
    everything = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.environ.get("HOME", "/"),
        **(environment or {}),
    }
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False, cwd=cwd, env=everything
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KitError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())[-400:]
        raise KitError(f"{Path(command[0]).name} failed ({done.returncode}): {said}")
    return done.stdout
