"""Find a run by what a user calls it: its directory, its id in MLflow, or the checkpoint that it evaluated."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

from engine.places import runs_root
from engine.store import RUN_FILE, read_run
from engine.tracking_lookup import pushed_from
from engine.tracking_places import default_tracking_uri
from runners.errors import UserError

_MLFLOW_ID = re.compile(r"[0-9a-f]{32}")


def find_run(name: str) -> Path:
    """The directory of a run; of a checkpoint's runs the latest.

    Raises:
        UserError: there is no such run; names those that there are.
    """
    if (Path(name) / RUN_FILE).exists():
        return Path(name)
    if _MLFLOW_ID.fullmatch(name):
        return pushed_from(name, default_tracking_uri(runs_root()))
    found: dict[str, list[tuple[float, Path]]] = {}
    for path in sorted(runs_root().glob(f"**/{RUN_FILE}")):
        try:
            run = read_run(path.parent)
        except UserError:
            continue  # a damaged run is not the one that was asked for
        assert run is not None
        model = run["model"]
        for known in {str(model.get(key)) for key in ("name", "spec") if model.get(key)}:
            found.setdefault(known, []).append((run["started_at"], path.parent))
    if name in found:
        return max(found[name])[1]
    near = get_close_matches(name, found, n=3) or sorted(found)[:6]
    known = f"Known here: {', '.join(near)}." if near else "There are none yet; `codeassay run` makes one."
    raise UserError(f"{name}: neither a run directory nor a checkpoint with a run in {runs_root()}. {known}")
