"""Programs of all languages but Python: build them in one jail, run them in another, both with nothing left over.

What is built is kept by content for a while, so that a program that is run again (alone, or by another problem) is not
built again. A pass needs the ticket that the language's harness hands in (`harness/exec_inside.py`), and exit status 0.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from runners import kit, tools
from runners.languages import COMPILE_LIMITS, LANGUAGES, Language, joined, precompiled
from runners.program import Limits, Program, Status, Verdict
from runners.supervise import Evidence, Idle

_KEPT_BYTES = 48 << 20
"""What was built and is kept; a C++ program of HumanEval-X has 0.1 MB, one of Rust or Go 2 MB."""
_MAX_ERROR_CHARS = 400
_FIRST_LINES_CHARS = 2000
_NODE_MODULES = "/opt/kit/node/node_modules"
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp/work",
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
}
_OF_TOOL = re.compile(r"\{(?P<what>tool|lib):(?P<name>[a-z-]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One step in a jail of its own."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    files: Mapping[str, str]
    take: str = ""
    """Name under which what was built before is written; empty for nothing."""
    give: str = ""
    """Name of what is handed over at the end; empty where the program itself runs."""
    bounded_addresses: bool = True

    def job(self) -> dict[str, Any]:
        """The message to the jail."""
        return {
            "argv": list(self.argv),
            "env": dict(self.environment),
            "files": dict(self.files),
            "take": self.take,
            "give": self.give,
        }


class Execute(Protocol):
    """Runs one command in a jail; `take` and `give` are descriptors to read what was built and to write it."""

    def __call__(
        self, command: Command, limits: Limits, take: int, give: int, idle: Idle | None
    ) -> tuple[Evidence, Verdict]:
        """Evidence and verdict.

        Raises:
            OSError: the jail cannot be started or ended.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What came of compiling: something to run, or a verdict."""

    descriptor: int | None
    """A sealed memory file; None where nothing was built."""
    verdict: Verdict | None
    """Why nothing was built."""
    cpu_seconds: float


class Builds:
    """What was built lately, by content; used by several threads."""

    def __init__(self, max_bytes: int = _KEPT_BYTES) -> None:
        self._max_bytes, self._num_bytes = max_bytes, 0
        self._kept: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> int | None:
        """A descriptor of one's own, to be closed; None where it is not kept."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return os.dup(self._kept[key][0])

    def put(self, key: str, descriptor: int) -> None:
        """Keep what a descriptor holds, and let go of what was not asked for longest."""
        size = os.fstat(descriptor).st_size
        with self._lock:
            if key in self._kept or size > self._max_bytes:
                return
            self._kept[key] = (os.dup(descriptor), size)
            self._num_bytes += size
            while self._num_bytes > self._max_bytes:
                _, (oldest, freed) = self._kept.popitem(last=False)
                os.close(oldest)
                self._num_bytes -= freed

    def clear(self) -> None:
        """Let go of all."""
        with self._lock:
            for descriptor, _ in self._kept.values():
                os.close(descriptor)
            self._kept.clear()
            self._num_bytes = 0


Compile = Callable[[Language, str, Program], Built]


class Commands:
    """Runs programs of the table's languages through an `Execute`."""

    def __init__(self, execute: Execute, isolation: str, *, afresh: bool = False) -> None:
        """Take who runs commands in jails.

        Args:
            execute: runs one command.
            isolation: its level, for verdicts of ours.
            afresh: use nothing made before (precompiled header, warm compiler, what was built); to measure.
        """
        self._execute, self._isolation = execute, isolation
        self._warm: dict[str, Compile] = {}
        self._afresh = afresh
        self._builds = Builds(0 if afresh else _KEPT_BYTES)

    def add_compiler(self, language: str, build: Compile) -> None:
        """Take who builds texts of a language faster than a fresh compiler."""
        self._warm[language] = build

    def close(self) -> None:
        """Let go of what was built."""
        self._builds.clear()

    def run(self, program: Program, idle: Idle | None = None) -> Verdict:
        """Build and run one program; faults of ours, a toolchain that is not there too, are SANDBOX_ERROR.

        Raises:
            OSError: the jail cannot be started or ended.
        """
        language = LANGUAGES.get(program.language)
        if language is None:
            return self._failed(f"there is no language {program.language!r}")
        if lacking := tools.missing(language):
            wanted = " ".join(language.packages)
            return self._failed(f"{language.title}: {', '.join(lacking)} is not here; apt-get install {wanted}")
        try:
            return self._run(language, program, idle)
        except kit.KitError as error:
            return self._failed(f"{language.title} cannot be prepared: {error}")

    def _run(self, language: Language, program: Program, idle: Idle | None) -> Verdict:
        text = joined(program.source, "".join(program.tests))
        if "\0" in text:
            return self._verdict(Status.COMPILE_ERROR, "source holds a null byte")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            return self._verdict(Status.COMPILE_ERROR, f"source is no text: {error.reason}")
        if not language.compile:
            return self._start(language, text, program, None, idle)
        built = self._build(language, text, program)
        if built.descriptor is None:
            assert built.verdict is not None
            return replace(built.verdict, compile_seconds=built.cpu_seconds)
        try:
            verdict = self._start(language, text, program, built.descriptor, idle)
        finally:
            os.close(built.descriptor)
        return replace(verdict, compile_seconds=built.cpu_seconds)

    def _build(self, language: Language, text: str, program: Program) -> Built:
        """Build a text, or take what was built of it before."""
        key = hashlib.sha256(json.dumps([kit.fingerprint(language), program.flags, text]).encode()).hexdigest()
        kept = self._builds.get(key)
        if kept is not None:
            return Built(descriptor=kept, verdict=None, cpu_seconds=0.0)
        build = self.compile if self._afresh else self._warm.get(language.name, self.compile)
        built = build(language, text, program)
        if built.descriptor is not None:
            self._builds.put(key, built.descriptor)
        return built

    def compile(self, language: Language, text: str, program: Program) -> Built:
        """Start the compiler."""
        headers = precompiled(text) if language.name == "cpp" and not self._afresh else ()
        header = kit.precompiled_header(headers, program.flags) if headers else None
        include = ("-include", f"{kit.INSIDE}/{header.parent.name}/{header.name}") if header else ()
        files, more = language.files(text), (*include, *language.more(text))
        command = _command(language, language.compile, text, program, files=files, give=language.output, more=more)
        output = os.memfd_create("built", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            with open(os.devnull, "rb") as nothing:  # noqa: PTH123
                evidence, verdict = self._execute(command, COMPILE_LIMITS, nothing.fileno(), output, None)
        except BaseException:
            os.close(output)
            raise
        if _is_built(evidence):
            return Built(descriptor=sealed(output), verdict=None, cpu_seconds=verdict.cpu_seconds)
        os.close(output)
        return Built(descriptor=None, verdict=compile_error(verdict), cpu_seconds=verdict.cpu_seconds)

    def _start(self, language: Language, text: str, program: Program, built: int | None, idle: Idle | None) -> Verdict:
        """Run what was built, or the text itself."""
        files = {} if language.compile else language.files(text)
        take = language.output if built is not None else ""
        command = _command(language, language.run, text, program, files=files, take=take)
        limits = replace(program.limits, processes=max(program.limits.processes, language.processes), open_files=1024)
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123
            descriptor = nothing.fileno() if built is None else built
            _, verdict = self._execute(command, limits, descriptor, nothing.fileno(), idle)
        return explained(language, verdict)

    def _failed(self, error: str) -> Verdict:
        return self._verdict(Status.SANDBOX_ERROR, error)

    def _verdict(self, status: Status, error: str) -> Verdict:
        return Verdict(status=status, isolation=self._isolation, error=" ".join(error.split())[:_MAX_ERROR_CHARS])


def sealed(descriptor: int) -> int:
    """A memory file that nobody can change any more."""
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    return descriptor


def _command(
    language: Language,
    template: tuple[str, ...],
    text: str,
    program: Program,
    *,
    files: Mapping[str, str],
    take: str = "",
    give: str = "",
    more: tuple[str, ...] = (),
) -> Command:
    """Fill a row's template."""
    inside = f"{kit.INSIDE}/{kit.prepared(language).name}"
    values = {
        "kit": inside,
        "source": next(iter(files), ""),
        "memory": str(language.heap_mebibytes(program.limits)),
        "main": language.main(text),
        "node_modules": _NODE_MODULES,
    }
    spread = {"{flags}": program.flags, "{more}": more}
    words: list[str] = []
    for part in template:
        words += spread.get(part, (_filled(part, values),))
    tool = tools.find(words[0]) if not words[0].startswith("./") else None
    first = words[0] if tool is None else tool.inside
    environment = {name: _filled(value, values) for name, value in language.environment.items()}
    return Command(
        argv=(first, *words[1:]),
        environment=_ENVIRONMENT | environment,
        files=files,
        take=take,
        give=give,
        bounded_addresses=language.bounded_addresses,
    )


def _filled(part: str, values: Mapping[str, str]) -> str:
    def inside(match: re.Match[str]) -> str:
        tool = tools.find(match["name"])
        if match["what"] == "lib":
            return tools.library_folder(match["name"])
        return "" if tool is None else tool.inside

    part = _OF_TOOL.sub(inside, part)
    for name, value in values.items():
        part = part.replace("{" + name + "}", value)
    return part


def _is_built(evidence: Evidence) -> bool:
    """Whether the jail's process 1, which no program can speak for, told that the compiler has left its output."""
    load = evidence.load
    return load is not None and load.get("loaded") is True and evidence.exit_status == 0 and not evidence.stopped_for


def compile_error(verdict: Verdict) -> Verdict:
    """What a compiler that built nothing stands for: the program's fault, unless the jail failed."""
    if not verdict.status.counts:
        return verdict
    said = (verdict.stderr.strip() or verdict.stdout.strip())[:_FIRST_LINES_CHARS]
    if verdict.status in (Status.TIMEOUT, Status.MEMORY_LIMIT, Status.OUTPUT_LIMIT, Status.FORBIDDEN):
        said = f"compiling took {verdict.error}"
    error = " ".join((first_error(said) or verdict.error).split())[:_MAX_ERROR_CHARS]
    return replace(verdict, status=Status.COMPILE_ERROR, error=_printable(error), tests_passed=None)


def first_error(said: str) -> str:
    """The first line that speaks of an error, else the first line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in lines if re.search(r"\berror\b", line, re.I)), lines[0] if lines else "")


def explained(language: Language, verdict: Verdict) -> Verdict:
    """A failed run with its kind and its error read from what the runtime said; never one that passed."""
    if verdict.status is not Status.RUNTIME_ERROR:
        return verdict
    said = f"{verdict.error}\n{verdict.stderr}\n{verdict.stdout}"
    for status, pattern in (
        (Status.MEMORY_LIMIT, language.out_of_memory),
        (Status.COMPILE_ERROR, language.syntax_error),
        (Status.WRONG_ANSWER, language.wrong_answer),
    ):
        if re.search(pattern, said):
            return replace(verdict, status=status, error=_matching(pattern, said))
    last = [line.strip() for line in verdict.stderr.splitlines() if line.strip()]
    what = first_error("\n".join(last)) if last else ""
    return replace(verdict, error=_printable(f"{verdict.error}: {what}" if what else verdict.error)[:_MAX_ERROR_CHARS])


def _matching(pattern: str, said: str) -> str:
    """The line in which a pattern was found."""
    match = re.search(pattern, said)
    assert match is not None
    start = said.rfind("\n", 0, match.start()) + 1
    end = said.find("\n", match.end())
    return _printable(" ".join(said[start : end if end >= 0 else None].split()))[:_MAX_ERROR_CHARS]


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
