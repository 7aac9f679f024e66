"""Find what MLflow knows of a run."""

from __future__ import annotations

import os
from pathlib import Path

from engine.store import RUN_FILE
from engine.tracking import TIMEOUT
from engine.tracking_files import redact
from engine.tracking_places import FIRST_CONTACT_SECONDS
from engine.tracking_quiet import environment, quiet
from runners.errors import UserError


def pushed_from(run_id: str, tracking_uri: str) -> Path:
    """The directory that a run in MLflow was pushed from.

    Raises:
        UserError: the server does not answer or has no such run, or the directory is not on this machine.
    """
    timeout = os.environ.get(TIMEOUT, str(FIRST_CONTACT_SECONDS))
    with quiet(), environment({TIMEOUT: timeout}):
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            tags = MlflowClient(tracking_uri=tracking_uri).get_run(run_id).data.tags
        except (MlflowException, OSError) as error:
            reason = redact(" ".join(str(error).split()))
            cure = "Set MLFLOW_TRACKING_URI, or name a run directory."
            raise UserError(
                f"{run_id}: MLflow at {redact(tracking_uri)} does not give it ({reason:.200}). {cure}"
            ) from error
    run_dir = Path(tags.get("codeassay.run_dir", ""))
    if not tags.get("codeassay.run_dir") or not (run_dir / RUN_FILE).exists():
        where = str(run_dir) if tags.get("codeassay.run_dir") else "no directory"
        raise UserError(f"{run_id}: its directory is not on this machine ({where}). Copy it here and name it.")
    return run_dir
