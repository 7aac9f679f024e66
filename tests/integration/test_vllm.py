"""The vLLM generator through the whole pipeline, as users run it: real Ray, real engines on CPUs, real jails."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from benchmarks.registry import load_benchmark
from tests.integration.command import finish, start

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed; `make test-vllm` has it"),
]

FIXED = (
    *("--set", "tracking.enabled=false", "--set", "model.dtype=float32", "--set", "model.max_model_len=512"),
    *("--set", "model.engine.enforce_eager=true", "--max-tokens", "160", "--json"),
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A micro model that knows the problems of `starter` by heart."""
    from actors.micro_model import DEMO, train

    folder = tmp_path_factory.mktemp("model")
    problems = load_benchmark("starter", {}, folder).problems()
    examples = [(problem.prompt, problem.reference or "") for problem in problems]
    return train(folder, examples=examples, steps=DEMO.steps[-1:])[-1]


def _rows(run_dir: Path, folder: str) -> list[dict[str, Any]]:
    return [row for part in sorted((run_dir / folder).glob("part-*")) for row in pq.read_table(part).to_pylist()]


def _kill_a_replica(process: subprocess.Popen[str], run_dir: Path) -> int:
    """SIGKILL the actor that committed the first completions; its pid."""
    while not (parts := list((run_dir / "generations").glob("part-*"))):
        assert process.poll() is None, "the run ended before a replica could be killed"
        select.select([], [], [], 0.05)  # a pause between looks, not a wait for a fixed time
    pid = int(pq.read_table(parts[0])["replica"][0].as_py().rpartition(":")[2])
    assert b"ray::" in Path(f"/proc/{pid}/cmdline").read_bytes()
    os.kill(pid, signal.SIGKILL)
    return pid


def test_a_killed_replica_loses_and_doubles_nothing(tmp_path: Path, checkpoint: Path) -> None:
    """SIGKILL of one of two generation actors in mid-run: Ray starts it anew and the run ends whole.

    What the model knows by heart is solved, and every sample tells how it was served.
    """
    run_dir = tmp_path / "run"
    asked = ("run", "starter", "--model", f"vllm:{checkpoint}", "--n", "10", "--output", str(run_dir))
    process = start((*asked, *FIXED, "--set", "model.replicas=2", "--set", "model.engine.max_num_seqs=8"), tmp_path)
    killed = _kill_a_replica(process, run_dir)
    done = finish(process)
    assert done.code == 0, done.err
    rows = _rows(run_dir, "samples")
    assert len({row["sample_id"] for row in rows}) == len(rows) == 360
    assert not {"missing", "generation_error", "sandbox_error"} & set(done.json["statuses"])
    assert done.json["statuses"]["passed"] >= 300
    for row in rows:
        assert 0 <= row["queue_seconds"] <= row["ttft_seconds"] <= row["generation_seconds"]
        assert row["completion_tokens"] > 0
    generations = _rows(run_dir, "generations")
    assert any(int(row["replica"].rpartition(":")[2]) != killed for row in generations)
    watched = [row for row in generations if row["inter_token_seconds"]]
    assert watched
    assert all(len(row["inter_token_seconds"]) == row["completion_tokens"] - 1 for row in watched)
