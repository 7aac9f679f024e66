"""A real `mlflow server` on a free port of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

READY_SECONDS = 180
_START = (
    "import socket, sys; s = socket.socket(); s.bind(('127.0.0.1', 0)); port = str(s.getsockname()[1]); s.close();"
    "print(port, flush=True); sys.argv = ['mlflow', 'server', '--port', port, '--workers', '1', *sys.argv[1:]];"
    "from mlflow.cli import cli; cli()"
)


class Server:
    """Started when made; `address` answers from then on."""

    def __init__(self, store: str, artifacts: Path) -> None:
        """Start it over a store, with artifacts below a folder."""
        variables = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        variables.pop("MLFLOW_TRACKING_URI", None)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, "--backend-store-uri", store, "--artifacts-destination", str(artifacts)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=variables,
            cwd=artifacts.parent,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.address = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self._ready = threading.Event()
        # What it says is read to its end: a full pipe would stop it.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._ready.wait(READY_SECONDS), "mlflow server did not start"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "startup complete" in line:
                self._ready.set()

    def close(self) -> None:
        """End the server and what it started."""
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(timeout=60)
        self._reader.join(timeout=10)
