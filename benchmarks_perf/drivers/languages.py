"""Compile and run each program of a file, one after the other, in one way; told when to begin, tells what happened.

Arguments: FILE WAY. Ways: `plain` (compiler and program as they are, in a fresh folder), `afresh` (jailed, nothing made
before), `warm` (jailed, as runs do it). Prints `ready` when it has warmed up on the first program, waits for a line,
runs all, prints a JSON list of statuses.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runners import kit, tools
from runners.cgroup import find_parents
from runners.languages import LANGUAGES, joined
from runners.program import Program
from runners.warm import WarmSandbox

Run = Callable[[dict[str, Any]], str]


def plain(row: dict[str, Any]) -> str:
    """Official commands without a jail; for reference solutions alone."""
    folder = Path(tempfile.mkdtemp(prefix="perf-"))
    try:
        text = joined(row["source"], row["test"])
        return (
            "passed" if all(_ends_well(argv, folder) for argv in COMMANDS[row["language"]](text, row, folder)) else "no"
        )
    finally:
        shutil.rmtree(folder)


def _ends_well(argv: list[str], folder: Path) -> bool:
    return subprocess.run(argv, cwd=folder, capture_output=True, check=False, env=_environment()).returncode == 0


def _environment() -> dict[str, str]:
    import os

    go = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": f"{tempfile.gettempdir()}/perf-gocache"}
    return {**os.environ, **go, "NODE_PATH": str(tools.node_modules())}


def _cpp(text: str, row: dict[str, Any], folder: Path) -> list[list[str]]:
    (folder / "test.cpp").write_text(text)
    return [["g++", *row["flags"], "test.cpp", "-lcrypto"], ["./a.out"]]


def _java(text: str, row: dict[str, Any], folder: Path) -> list[list[str]]:
    (folder / "Main.java").write_text(text)
    return [["javac", "Main.java"], ["java", "-ea", "Main"]]


def _javascript(text: str, row: dict[str, Any], folder: Path) -> list[list[str]]:
    (folder / "test.js").write_text(text)
    return [["node", "test.js"]]


def _go(text: str, row: dict[str, Any], folder: Path) -> list[list[str]]:
    (folder / "main_test.go").write_text(text)
    return [["go", "test", "-vet=off", "-count=1", "main_test.go"]]


def _rust(text: str, row: dict[str, Any], folder: Path) -> list[list[str]]:
    (folder / "main.rs").write_text(text)
    crates = kit.prepared(LANGUAGES["rust"])
    named = [part for name in kit.CRATES for part in ("--extern", f"{name}={crates}/lib{name}.rlib")]
    options = ["--edition", "2021", "-C", "debuginfo=0", "--cap-lints", "allow", "-L", f"dependency={crates}"]
    return [["rustc", *options, *row["flags"], *named, "-o", "main", "main.rs"], ["./main"]]


def _python(text: str, row: dict[str, Any], folder: Path) -> list[list[str]]:
    (folder / "test.py").write_text(text)
    return [[sys.executable, "test.py"]]


COMMANDS: dict[str, Callable[[str, dict[str, Any], Path], list[list[str]]]] = {
    "python": _python,
    "cpp": _cpp,
    "java": _java,
    "javascript": _javascript,
    "go": _go,
    "rust": _rust,
}


def jailed(sandbox: WarmSandbox, row: dict[str, Any]) -> str:
    """Our way."""
    program = Program(source=row["source"], tests=(row["test"],), language=row["language"], flags=tuple(row["flags"]))
    return sandbox.run(program).status.value


def main() -> None:
    """Warm up, wait, run, tell."""
    rows, way = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2]
    sandbox = WarmSandbox(find_parents()[0], afresh=way == "afresh")
    run: Run = plain if way == "plain" else lambda row: jailed(sandbox, row)
    with contextlib.closing(sandbox):
        for row in rows[: 1 if way != "warm" else 5]:
            run({**row, "source": row["source"] + "\n"})
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps([run(row) for row in rows]), flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main()
