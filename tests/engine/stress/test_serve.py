"""`codeassay stress serve` as a user runs it: against a server on a real socket, with files, plots and MLflow."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from engine import cli
from tests.actors.fake_server import REFUSED, fake_server
from tests.integration.command import codeassay


def _humaneval(path: Path, count: int, num_refused: int) -> Path:
    """So many problems, the first of which the server refuses to answer."""
    records = [
        {
            "task_id": f"HumanEval/{number}",
            "prompt": f"def f{number}():\n    # {REFUSED if number < num_refused else 'say one'}\n",
            "canonical_solution": "    return 1\n",
            "test": "def check(f):\n    assert f() == 1\n",
            "entry_point": f"f{number}",
        }
        for number in range(count)
    ]
    path.write_bytes(gzip.compress("".join(f"{json.dumps(record)}\n" for record in records).encode()))
    return path


@pytest.mark.slow
def test_an_endpoint_is_loaded_over_a_real_socket(tmp_path: Path) -> None:
    """Two rates of 16 requests, a quarter of them refused: figures, rows, plots, and the same in MLflow by level."""
    from mlflow import MlflowClient

    data, output = _humaneval(tmp_path / "h.jsonl.gz", 8, 2), tmp_path / "out"
    with fake_server() as url:
        done = codeassay(
            *("stress", "serve", "--model", f"openai:{url}#org/fake", "--from", "humaneval", "--data", str(data)),
            *("--rate", "20,40", "--requests", "16", "--warmup", "4", "--goal", "e2e_p99<30s", "--json"),
            *("--output", str(output)),
            places=tmp_path,
        )
    assert done.code == 0, done.err
    told = done.json
    assert (told["target"], told["status"], told["directory"]) == ("serve", "complete", str(output))
    assert [level["value"] for level in told["levels"]] == [20.0, 40.0]
    for level in told["levels"]:
        (figures,) = level["runs"]
        assert (figures["requests"], figures["failed"]) == (16, 4)
        assert figures["latency_seconds"]["e2e"]["p99"] > 0
        assert figures["goodput"] == pytest.approx(12 / figures["seconds"])
        assert level["meets_goals"] is False
        assert sum(level["errors"].values()) >= 4
        assert "refused" in next(iter(level["errors"]))
    rows = pq.read_table(output / "requests.parquet").to_pylist()
    assert len(rows) == 2 * (16 + 4)
    assert {path.name for path in (output / "plots").iterdir()} >= {"latency.png", "goodput.png", "cdf.png"}
    client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(f"{told['model']['family']}/stress")
    (run,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(run.info.run_id, "serve/rate")
    assert [(metric.step, metric.value) for metric in history] == [(0, 20.0), (1, 40.0)]
    assert "stress.json" in {artifact.path for artifact in client.list_artifacts(run.info.run_id)}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--model", "openai:http://127.0.0.1:9/v1#x", "--rate", "1"), "not reachable"),
        (("--model", "reference", "--rate", "1"), "it gives back what is stored and has no latency"),
        (("--model", "openai:http://h/v1#x", "--rate", "1", "--replicas", "2"), "--replicas 2"),
        (("--model", "openai:http://h/v1#x"), "give --rate 1,2,4"),
        (("--model", "openai:http://h/v1#x", "--rate", "1", "--goal", "ttft<1s"), "--goal 'ttft<1s'"),
        (("--model", "openai:http://h/v1#x", "--rate", "1", "--set", "model.tmeout=3"), "unknown key"),
    ],
)
def test_a_fault_of_the_user_is_one_line_and_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    expected: str,
) -> None:
    """It names the value and the cure, and nothing is left on disk."""
    monkeypatch.setenv("CODEASSAY_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(sys, "argv", ["codeassay", "stress", "serve", "--from", "starter", "--json", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    printed = capsys.readouterr()
    assert (left.value.code, printed.out) == (2, "")
    assert expected in printed.err
    assert len(printed.err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()
