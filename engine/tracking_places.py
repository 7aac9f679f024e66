"""Where MLflow is: the default store, what to type to look at it, and whether it can be reached."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import httpx

from engine.places import program
from engine.tracking_files import redact

FIRST_CONTACT_SECONDS = 5
"""How long the first request may take: a server that is down is told within seconds."""


def default_tracking_uri(runs_root: Path) -> str:
    """MLFLOW_TRACKING_URI where it is set, else a SQLite file beside the runs."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{runs_root.resolve() / 'mlflow.db'}"


def ui_command(tracking_uri: str) -> str:
    """What to type, or the address to open, to look at the runs."""
    if tracking_uri.startswith(("http://", "https://")):
        return tracking_uri
    command = [program("mlflow"), "ui", "--backend-store-uri", tracking_uri, "--workers", "1"]
    return f"MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false {shlex.join(command)}"


def check_tracking(tracking_uri: str) -> str:
    """Why a run could not be sent there now; empty if nothing speaks against it. Writes nothing, imports no mlflow."""
    try:
        if tracking_uri.startswith(("http://", "https://")):
            # Any answer will do: without credentials a guarded server refuses, but it is there.
            httpx.get(f"{tracking_uri.rstrip('/')}/health", timeout=FIRST_CONTACT_SECONDS)
        elif database := sqlite_file(tracking_uri):
            _check_writable(database)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return f"{redact(tracking_uri)}: {redact(str(error)) or type(error).__name__}"
    return ""


def sqlite_file(tracking_uri: str) -> Path | None:
    """The file of a SQLite store; None for any other store."""
    path = tracking_uri.removeprefix("sqlite:///").partition("?")[0]
    return Path(path).resolve() if tracking_uri.startswith("sqlite:///") else None


def make_room(tracking_uri: str) -> None:
    """Make the directory of a SQLite store.

    Raises:
        OSError: it cannot be made or written; MLflow itself would try for minutes.
    """
    if database := sqlite_file(tracking_uri):
        database.parent.mkdir(parents=True, exist_ok=True)
        _check_writable(database)


def _check_writable(database: Path) -> None:
    nearest = next(path for path in (database, *database.parents) if path.exists())
    if nearest != database and not nearest.is_dir():
        raise NotADirectoryError(f"{nearest} is not a directory.")
    if not os.access(nearest, os.W_OK):
        raise PermissionError(f"{nearest} cannot be written.")
