"""Where things are kept on this machine: runs, the tracking database, caches."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from actors.weights import default_cache

VARIANTS_FILE = "variants.jsonl"
"""What perturbations made of a run's problems, in its directory."""
REPORT_FILE = Path("report") / "index.html"
"""The report page of a run, in its directory."""


def runs_root() -> Path:
    """Where run directories go: CODEASSAY_RUNS, else `runs` here.

    Inside a Ray job the current directory is a copy that goes away with the job, so there it is `~/codeassay/runs`.
    """
    if named := os.environ.get("CODEASSAY_RUNS"):
        return Path(named).expanduser()
    if in_ray_job():
        return Path.home() / "codeassay" / "runs"
    return Path("runs")


def in_ray_job() -> bool:
    """Whether this process was started by `ray job submit` in an uploaded working directory."""
    return "working_dir_files" in Path.cwd().parts


def cache_root() -> Path:
    """Where fetched files, models, expected outputs and verdicts are kept: CODEASSAY_CACHE, else under ~/.cache."""
    return default_cache()


def program(name: str) -> str:
    """How to call a program of this environment from here: its name where the shell finds it, else its path."""
    ours = Path(sys.executable).parent / name
    if shutil.which(name) == str(ours) or not ours.exists():
        return name
    here = Path.cwd()
    return str(ours.relative_to(here)) if ours.is_relative_to(here) else str(ours)
