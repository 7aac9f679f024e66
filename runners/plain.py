"""No isolation at all: a plain process with rlimits, for trusted programs only, and only when asked for by name."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile

from runners.cold import supervise
from runners.judge import verdict_of
from runners.only_python import ONLY_PYTHON, refused
from runners.program import Limits, Program, Status, Verdict
from runners.supervise import Idle, cpu_rlimit
from runners.toolchain import HARNESS, python_toolchain

_LIMIT_AND_RUN = (
    "import os, resource, sys\n"
    "for name, value in zip(sys.argv[1].split(','), sys.argv[2].split(',')):\n"
    "    resource.setrlimit(int(name), (int(value), int(value)))\n"
    "os.execv(sys.argv[3], sys.argv[3:])\n"
)


class PlainSandbox:
    """Runs each program as a child of ours in a fresh directory; the machine is open to it."""

    isolation = "none"
    judges = frozenset({"inside"})
    languages = ONLY_PYTHON
    environments = False

    def toolchain(self) -> str:
        """Interpreter, packages and harness that verdicts depend on."""
        return python_toolchain().fingerprint

    def run(self, program: Program, idle: Idle | None = None) -> Verdict:
        """Run one program; see `runners.sandbox.Sandbox`."""
        if (refusal := refused(program, self)) is not None:
            return refusal
        directory = tempfile.mkdtemp(prefix="codeassay-")
        try:
            environment = {"PATH": "/usr/bin:/bin", "HOME": directory, "PYTHONHASHSEED": "0"}
            evidence = supervise(
                self._argv(program.limits),
                program,
                environment=environment,
                cwd=directory,
                idle=idle,
            )
        except OSError as error:
            return Verdict(status=Status.SANDBOX_ERROR, isolation=self.isolation, error=f"cannot be started: {error}")
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        return verdict_of(evidence, program.limits, None, self.isolation)

    def close(self) -> None:
        """Nothing outlives a program here, except what the program itself left."""

    def _argv(self, limits: Limits) -> list[str]:
        rlimits = {
            resource.RLIMIT_CPU: cpu_rlimit(limits),
            resource.RLIMIT_AS: limits.memory_bytes,
            resource.RLIMIT_FSIZE: limits.file_bytes,
            resource.RLIMIT_NOFILE: limits.open_files,
            resource.RLIMIT_CORE: 0,
        }
        names, values = ",".join(map(str, rlimits)), ",".join(map(str, rlimits.values()))
        python = os.path.realpath(sys.executable)
        harness = str(HARNESS / "python_inside.py")
        packages = [path for path in sys.path if path.endswith("site-packages")]
        run = [python, "-I", "-S", "-B", harness, "{fd}", "", *packages]
        return [python, "-I", "-S", "-c", _LIMIT_AND_RUN, names, values, *run]
