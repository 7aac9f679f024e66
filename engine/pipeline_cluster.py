"""The Ray cluster of a run: the one that RAY_ADDRESS names, or one that is started on this machine."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.data import DataContext

from runners.errors import UserError

STARTS = 4
"""So often a cluster is started anew whose own time-out ended the start."""
_TIMED_OUT = "timed out during startup"
_RAY_ENVIRONMENT = {
    # A busy machine starts Ray slowly. Ray 2.60 gives each of its agents 15 s, which cannot be set, and dies without
    # them (ray issue 65983); the process that started it waits on, so that waiting longer gains nothing.
    "RAY_raylet_start_wait_time_s": "75",
    "RAY_agent_register_timeout_ms": "120000",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Workers that are started before anybody asks for them cost a fifth of the start.
    "RAY_prestart_worker_first_driver": "0",
    # Its C++ side writes to our terminal about Ray Data's own actors; what fails reaches us as exceptions.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


def connect(num_cpus: int | None = None) -> dict[str, Any]:
    """Join the cluster that RAY_ADDRESS names, or start one on this machine; its resources.

    Args:
        num_cpus: CPUs of a cluster that is started here; None is all.

    Raises:
        UserError: RAY_ADDRESS names a cluster that does not answer, or this machine is too busy to start one.
    """
    if not ray.is_initialized():
        for name, value in _RAY_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        address = os.environ.get("RAY_ADDRESS") or "local"
        if address == "local":
            _start(num_cpus)
        else:
            _join(address)
    _quiet()
    return dict(ray.cluster_resources())


def _join(address: str) -> None:
    try:
        with _muted_stderr():
            ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except ConnectionError as error:
        cure = "Unset it to run on this machine; where Ray asks for a token, RAY_AUTH_TOKEN_PATH names its file."
        raise UserError(f"RAY_ADDRESS={address}: no Ray cluster answers there. {cure}") from error


def _start(num_cpus: int | None) -> None:
    local: dict[str, Any] = {"include_dashboard": False, "num_cpus": num_cpus}
    said = ""
    for _ in range(STARTS):
        try:
            with _muted_stderr():
                ray.init(address="local", logging_level=logging.ERROR, log_to_driver=False, **local)
        except Exception as error:
            if _TIMED_OUT not in str(error):
                raise
            said = str(error)
        else:
            return
    raise UserError(f"Ray did not start in {STARTS} attempts: {said} Run again when this machine is less busy.")


@contextmanager
def _muted_stderr() -> Iterator[None]:
    """Keep what Ray's C++ side says while it starts off the terminal; shown after all if the start fails."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(saved, said.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _quiet() -> None:
    """Ray Data's own bars and logs would tear our block; its errors still reach us as exceptions."""
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    logging.getLogger("ray").setLevel(logging.ERROR)
