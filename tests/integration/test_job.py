"""`ray job submit` against a started head, with Ray's token authentication on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.command import CODEASSAY

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
RAY = str(Path(sys.executable).parent / "ray")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def head(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A head node of its own, ended afterwards; the environment that reaches it."""
    ports = {
        name: _free_port()
        for name in ("port", "dashboard-port", "ray-client-server-port", "dashboard-agent-listen-port")
    }
    token = tmp_path / "token"
    token.write_text("a" * 64)
    environment = {
        **{name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_raylet_start_wait_time_s": "240",
        "RAY_agent_register_timeout_ms": "120000",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": "/tmp",
        "CODEASSAY_RUNS": str(tmp_path / "runs"),
        "CODEASSAY_CACHE": str(tmp_path / "cache"),
    }
    flags = [f"--{name}={port}" for name, port in ports.items()]
    command = [RAY, "start", "--head", "--num-cpus=2", "--dashboard-host=127.0.0.1", "--block", *flags]
    log = (tmp_path / "head.log").open("w")
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=tmp_path, start_new_session=True)
    try:
        yield {**environment, "ADDRESS": f"http://127.0.0.1:{ports['dashboard-port']}"}
    finally:
        process.terminate()
        process.wait(timeout=60)
        log.close()


def test_a_submitted_job_evaluates_on_the_cluster(head: dict[str, str], tmp_path: Path) -> None:
    """The job runs on the head's cluster from an uploaded checkout and leaves its run where it was told to."""
    output = tmp_path / "run"
    job = [str(CODEASSAY), "run", "starter", "--model", "reference", "--limit", "4", "--output", str(output), "--json"]
    submit = [RAY, "job", "submit", "--address", head["ADDRESS"], "--working-dir", ".", "--", *job]
    for _ in range(30):
        done = subprocess.run(submit, env=head, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        if not any(words in done.stdout + done.stderr for words in ("Failed to connect", "No available agent")):
            break
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert '"statuses": {"passed": 4}' in done.stdout
    assert (output / "metrics.json").exists()
