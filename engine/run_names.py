"""Find a run by what a user calls it: its directory, its id in MLflow, or the checkpoint that it evaluated."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

from actors.execute import SAMPLES
from engine.compare import asked_key
from engine.places import runs_root
from engine.store import RUN_FILE, read_run
from engine.tracking_lookup import fetch_run
from engine.tracking_places import default_tracking_uri
from runners.errors import UserError

_MLFLOW_ID = re.compile(r"[0-9a-f]{32}")


def find_run(name: str, like: Path | None = None) -> Path:
    """The directory of a run.

    A checkpoint may have several runs: of these the latest complete one that was asked what `like` was asked, else the
    latest complete one, else the latest.

    Args:
        name: a run directory, a run id of MLflow, or a checkpoint's name or path.
        like: a run that it is to be compared with.

    Raises:
        UserError: there is no such run; names those that there are.
    """
    if (Path(name) / RUN_FILE).exists():
        return Path(name)
    if _MLFLOW_ID.fullmatch(name):
        return fetch_run(name, default_tracking_uri(runs_root()))
    found: dict[str, list[tuple[bool, bool, float, Path]]] = {}
    asked = asked_key(read_run(like) or {}) if like else ""
    for run_dir in run_dirs_below(runs_root()):
        try:
            run = read_run(run_dir)
        except UserError:
            continue  # a damaged run is not the one that was asked for
        assert run is not None
        model = run["model"]
        for known in {str(model.get(key)) for key in ("name", "spec") if model.get(key)}:
            is_complete = run["status"] == "complete"
            fits = is_complete and asked_key(run) == asked
            found.setdefault(known, []).append((fits, is_complete, run["started_at"], run_dir))
    if name in found:
        return max(found[name])[-1]
    near = get_close_matches(name, found, n=3) or sorted(found)[:6]
    known = f"Known here: {', '.join(near)}." if near else "There are none yet; `codeassay run` makes one."
    raise UserError(f"{name}: neither a run directory nor a checkpoint with a run in {runs_root()}. {known}")


def run_dirs_below(folder: Path) -> list[Path]:
    """Every run directory below a folder, in order; copies of run.json among MLflow's artifacts are none."""
    return sorted(path.parent for path in folder.glob(f"**/{RUN_FILE}") if (path.parent / SAMPLES).is_dir())
