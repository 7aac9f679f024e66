"""Runs over several languages and turns as users start them: real Ray, real compilers, real jails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.store import read_samples
from tests.benchmarks.toolchains import skip_without
from tests.integration.command import Done, codeassay

pytestmark = pytest.mark.slow


def run(cluster: dict[str, str], places: Path, *arguments: str) -> Done:
    """`codeassay run` without tracking, with this machine's toolchains and environments."""
    done = codeassay("run", *arguments, "--set", "tracking.enabled=false", "--json", places=places, environment=cluster)
    assert done.code == 0, done.err
    return done


def metrics_of(done: Done) -> dict[str, Any]:
    """All numbers of a run."""
    numbers: dict[str, Any] = json.loads((Path(done.json["run_dir"]) / "metrics.json").read_text())
    return numbers


def test_one_run_holds_many_languages_and_turns(cluster: dict[str, str], shared_data: Path, tmp_path: Path) -> None:
    """Tasks that several benchmarks share are answered by each one's own reference; text is told beside programs.

    Where a function is explained first, what was said is kept beside the answer that is judged; problems without their
    data are missing, and the run says why.
    """
    for language in ("cpp", "java", "javascript", "go", "rust"):
        skip_without(language, "datascience")
    suite = tmp_path / "part.yaml"
    suite.write_text(
        "benchmarks:\n"
        "  - {name: code_completion, language: js}\n"
        "  - {name: code_completion, language: cpp}\n"
        "  - {name: code_trans, direction: python_to_cpp}\n"
        "  - {name: code_trans, direction: python_to_java}\n"
        "  - {name: nl2code, text: zh}\n"
        "  - {name: codedatascience, library: Numpy}\n"
        f"  - {{name: humanevalpack, task: explain, language: js, data: {shared_data / 'humanevalpack'}}}\n"
    )
    done = run(
        cluster, tmp_path, str(suite), "--data", str(shared_data / "codefuse"), "--model", "reference", "--limit", "3"
    )
    benchmarks = metrics_of(done)["benchmarks"]
    judged = {name: found for name, found in benchmarks.items() if not name.startswith("codedatascience")}
    assert {found["estimates"]["pass_at_1"]["value"] for found in judged.values()} == {1.0}
    alike = {found["estimates"]["codebleu"]["value"] for found in judged.values() if "codebleu" in found["estimates"]}
    assert alike == {1.0}
    (label,) = benchmarks.keys() - judged.keys()
    assert benchmarks[label]["statuses"] == {"missing": 3}
    lacking = json.loads((Path(done.json["run_dir"]) / "run.json").read_text())["benchmarks"][label]
    assert any("inputs and answers are not here" in note for note in lacking["notes"])
    rows = read_samples(Path(done.json["run_dir"]), ["benchmark", "completion", "earlier"]).to_pylist()
    explained = [row for row in rows if row["benchmark"].startswith("humanevalpack")]
    assert len(explained) == 3
    assert all(len(row["earlier"]) == 1 and row["earlier"][0] != row["completion"] for row in explained)
