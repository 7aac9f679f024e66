"""Which packages a Go file imports, told by what it uses: an import that is not used is an error in Go."""

from __future__ import annotations

import re

PACKAGES = (
    *("bufio", "bytes", "cmp", "container/heap", "container/list", "container/ring", "crypto/md5", "crypto/sha256"),
    *("encoding/base64", "encoding/hex", "encoding/json", "errors", "fmt", "io", "math", "math/big", "math/bits"),
    *("math/cmplx", "math/rand", "os", "reflect", "regexp", "slices", "sort", "strconv", "strings", "sync", "testing"),
    *("text/tabwriter", "time", "unicode", "unicode/utf8"),
)
"""Of the standard library, those that solutions of small problems use."""
TESTIFY = "github.com/stretchr/testify/assert"
_HEADER = re.compile(
    r"^package \w+[ \t]*\n|^import\s*\([^)]*\)[ \t]*\n?|^import\s+(?:\w+\s+)?\"[^\"]+\"[ \t]*\n?", re.MULTILINE
)
_PATH = re.compile(r'^\s*(?:import\s+)?(?P<alias>[\w.]+\s+)?"(?P<path>[^"]+)"', re.MULTILINE)
_OPAQUE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|`[^`]*`|\'(?:\\[^\n]{1,10}?|[^\'\\\n])\'', re.DOTALL)


def with_imports(setup: str, code: str, test: str) -> str:
    """One file's text without its tests: package line, imports of what code and tests use, then the code.

    Args:
        setup: the benchmark's header: package line and imports that the tests need.
        code: the program; its own package line and imports are read and taken out.
        test: the tests, whose uses count too.
    """
    body = _HEADER.sub("", code)
    offered = [*_paths(setup), *_paths(_headers(code)), *(("", path) for path in PACKAGES)]
    used = _used(body + "\n" + test)
    chosen: dict[str, str] = {}
    for alias, path in offered:
        name = alias or path.rpartition("/")[2]
        if name in used and name not in chosen:
            chosen[name] = f'\t{alias} "{path}"\n' if alias else f'\t"{path}"\n'
    package = re.search(r"^package \w+", setup, re.MULTILINE)
    head = package[0] if package else "package main"
    imports = f"import (\n{''.join(sorted(chosen.values()))})\n\n" if chosen else ""
    return f"{head}\n\n{imports}{body}"


def _headers(code: str) -> str:
    return "".join(match[0] for match in _HEADER.finditer(code))


def _paths(header: str) -> list[tuple[str, str]]:
    """Alias (empty for none) and path of each import."""
    return [((match["alias"] or "").strip(), match["path"]) for match in _PATH.finditer(header)]


def _used(text: str) -> frozenset[str]:
    """Names before a dot and an exported name, outside of comments and literals."""
    return frozenset(re.findall(r"(?<![\w.])(\w+)\.[A-Z]", _OPAQUE.sub(" ", text)))
