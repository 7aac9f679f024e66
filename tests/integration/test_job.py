"""`ray job submit` against a started head, with Ray's token authentication on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cluster import RAY, free_port, head
from tests.integration.command import CODEASSAY

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def head_of_jobs(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A head that takes jobs; the environment that reaches it."""
    names = ("port", "dashboard-port", "ray-client-server-port")
    ports = {name: free_port() for name in names}
    own = {"CODEASSAY_RUNS": str(tmp_path / "runs"), "CODEASSAY_CACHE": str(tmp_path / "cache")}
    with head(tmp_path, ports, ("--dashboard-host=127.0.0.1",), own) as environment:
        yield {**environment, "ADDRESS": f"http://127.0.0.1:{ports['dashboard-port']}"}


def test_a_submitted_job_evaluates_on_the_cluster(head_of_jobs: dict[str, str], tmp_path: Path) -> None:
    """The job runs on the head's cluster from an uploaded checkout and leaves its run where it was told to."""
    output = tmp_path / "run"
    job = [str(CODEASSAY), "run", "starter", "--model", "reference", "--limit", "4", "--output", str(output), "--json"]
    submit = [RAY, "job", "submit", "--address", head_of_jobs["ADDRESS"], "--working-dir", ".", "--", *job]
    for _ in range(30):
        done = subprocess.run(
            submit, env=head_of_jobs, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
        )
        if not any(words in done.stdout + done.stderr for words in ("Failed to connect", "No available agent")):
            break
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert '"statuses": {"passed": 4}' in done.stdout
    assert (output / "metrics.json").exists()
