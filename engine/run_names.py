"""Find a run by what a user calls it: its directory, its id in MLflow, or the checkpoint that it evaluated."""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from pathlib import Path

from engine.places import runs_root
from engine.store import RUN_FILE, read_run
from engine.tracking_files import redact
from engine.tracking_places import FIRST_CONTACT_SECONDS, default_tracking_uri
from engine.tracking_quiet import environment, quiet
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
        return _of_mlflow(name)
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


def _of_mlflow(run_id: str) -> Path:
    """The directory that a run in MLflow was pushed from."""
    uri = default_tracking_uri(runs_root())
    timeout = os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", str(FIRST_CONTACT_SECONDS))
    with quiet(), environment({"MLFLOW_HTTP_REQUEST_TIMEOUT": timeout}):
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            tags = MlflowClient(tracking_uri=uri).get_run(run_id).data.tags
        except (MlflowException, OSError) as error:
            reason = redact(" ".join(str(error).split()))
            cure = "Set MLFLOW_TRACKING_URI, or name a run directory."
            raise UserError(f"{run_id}: MLflow at {redact(uri)} does not give it ({reason:.200}). {cure}") from error
    run_dir = Path(tags.get("codeassay.run_dir", ""))
    if not tags.get("codeassay.run_dir") or not (run_dir / RUN_FILE).exists():
        where = str(run_dir) if tags.get("codeassay.run_dir") else "no directory"
        raise UserError(f"{run_id}: its directory is not on this machine ({where}). Copy it here and name it.")
    return run_dir
