"""The command line as one process: what it says, what it returns, and that it leaves nothing behind."""

from __future__ import annotations

import gzip
import json
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from engine import cli
from engine.cli_run import publish
from engine.pipeline_errors import PipelineError
from engine.run import Outcome, load_outcome
from engine.suite import load_config
from runners.errors import UserError
from tests.actors.fakes import FakeSandbox
from tests.engine.finished_runs import finished_run

VERBS = (
    *("run", "sweep", "compare", "stability", "report", "leaderboard"),
    *("push", "list", "perturb", "doctor", "demo"),
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed and returned."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The empty current directory of the command."""
    directory = tmp_path / "here"
    directory.mkdir()
    return directory


@pytest.fixture
def command(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `codeassay ARGUMENTS` in this process, without jail; nothing may appear in its current directory."""
    monkeypatch.chdir(here)
    monkeypatch.setenv("CODEASSAY_CACHE", str(here.parent / "cache"))
    monkeypatch.setenv("CODEASSAY_RUNS", str(here.parent / "runs"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("engine.prepare.open_sandbox", lambda isolation: FakeSandbox())

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["codeassay", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        assert list(here.iterdir()) == []
        return Said(left.value.code if isinstance(left.value.code, int) else 0, printed.out, printed.err)

    return run


def _humaneval(path: Path, *, damage: bool) -> Path:
    record = {
        "task_id": "HumanEval/0",
        "prompt": "def f():\n",
        "canonical_solution": "    return 1\n",
        "test": "def check(f):\n    assert f() == 1\n",
        "entry_point": "f",
    }
    second: dict[str, object] = {**record, "task_id": "HumanEval/1"}
    if damage:
        second["test"] = 5
    path.write_bytes(gzip.compress(f"{json.dumps(record)}\n{json.dumps(second)}\n".encode()))
    return path


def _fault(said: Said, *expected: str) -> None:
    """Exit code 2, one line on standard error, nothing on standard output."""
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("codeassay: ")
    assert len(said.err.splitlines()) == 1
    for text in expected:
        assert text in said.err


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(command: Command, verb: str) -> None:
    """`VERB --help` prints its usage and ends well."""
    said = command(verb, "--help")
    assert said.code == 0
    assert f"codeassay {verb}" in said.out
    assert "--json" in said.out


def test_help_names_all_verbs_and_exit_codes(command: Command) -> None:
    """What there is, and what the numbers mean."""
    said = command("--help")
    assert all(verb in said.out for verb in VERBS)
    assert "4 incomplete" in said.out


@pytest.mark.parametrize(
    "arguments", [("lst",), ("run", "starter", "--modl", "x"), ("run",), ("run", "starter", "--n", "x")]
)
def test_wrong_usage_is_code_2(command: Command, arguments: tuple[str, ...]) -> None:
    """An unknown verb or flag, a missing argument, a flag of the wrong type."""
    said = command(*arguments)
    assert (said.code, said.out) == (2, "")
    assert "Error" in said.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "humanevl"), "Did you mean 'humaneval'?"),
        (("run", "starter", "--k", "10", "--n", "5"), "pass@10 needs at least 10 samples per problem and n is 5"),
        (("run", "starter", "--k", "a"), "--k a: give whole numbers"),
        (("run", "starter", "--limit", "0"), "command line: limit:"),
        (("run", "starter", "--isolation", "strong"), "execution.isolation: "),
        (("run", "starter", "--set", "generation.temprature=1"), "did you mean 'temperature'?"),
        (("run", "starter", "--model", "replay:/no/such.jsonl"), "/no/such.jsonl: cannot be read"),
        (("run", "starter", "--model", "nothing"), "is neither an existing path nor org/name"),
        (("report", "/nowhere"), "/nowhere: neither a run directory"),
        (("report", "."), ".: neither a run directory"),
        (("push", "."), ".: no run here"),
        (("doctor", "--gold", "nope"), "There is no benchmark 'nope'"),
        (("doctor", "--gold", "starter", "--gold", "mbpp", "--data", "/x"), "--data /x: it belongs to one benchmark"),
        (("run", "starter", "--output", "/proc/x"), "/proc/x: "),
    ],
)
def test_a_fault_of_the_user_is_one_line_and_code_2(
    command: Command, arguments: tuple[str, ...], expected: str
) -> None:
    """It names the value and the cure; nothing is created."""
    _fault(command(*arguments), expected)


def test_a_damaged_line_of_a_benchmark_is_named(command: Command, tmp_path: Path) -> None:
    """File, line and field."""
    path = _humaneval(tmp_path / "HumanEval.jsonl.gz", damage=True)
    _fault(command("run", "humaneval", "--data", str(path)), f"{path}:2", "field 'test'")


def test_an_empty_samples_file_is_named(command: Command, tmp_path: Path) -> None:
    """Nothing to replay is a fault before the run."""
    path = tmp_path / "samples.jsonl"
    path.touch()
    _fault(command("run", "starter", "--model", f"replay:{path}"), str(path), "holds no samples")


def test_a_samples_file_that_misses_tasks_gives_the_cure(command: Command, tmp_path: Path) -> None:
    """How many are missing, which, and how to score the others."""
    data = _humaneval(tmp_path / "HumanEval.jsonl.gz", damage=False)
    path = tmp_path / "samples.jsonl"
    path.write_text(json.dumps({"task_id": "HumanEval/0", "completion": "    return 1\n"}))
    said = command("run", "humaneval", "--data", str(data), "--model", f"replay:{path}")
    _fault(said, "1 of 2 tasks have no sample: HumanEval/1", "--set model.allow_missing=true")


def test_an_endpoint_that_does_not_answer_is_named(command: Command) -> None:
    """A closed port is told at once, not after the retries of a run."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        _fault(command("run", "starter", "--model", f"openai:{address}#m"), address, "not reachable")


def test_an_output_directory_that_cannot_be_made_is_named(command: Command, tmp_path: Path) -> None:
    """Below a regular file there is no directory, for root neither."""
    (tmp_path / "file").touch()
    said = command("run", "starter", "--output", str(tmp_path / "file" / "run"))
    _fault(said, str(tmp_path / "file" / "run"), "Not a directory", "--output")


def test_list_as_json_is_one_object(command: Command) -> None:
    """Standard output holds JSON and nothing else."""
    said = command("list", "--json")
    assert said.code == 0
    assert "starter" in {entry["name"] for entry in json.loads(said.out)["benchmarks"]}
    assert said.err == ""


@pytest.mark.parametrize(("error", "code"), [(UserError("x [y]"), 2), (PipelineError("x [y]"), 1)])
def test_faults_are_printed_as_they_are(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    """Brackets in a message are text, not markup; a dead stage is code 1, not the user's fault."""

    def fail() -> None:
        raise error

    monkeypatch.setattr("engine.listing.listing", fail)
    said = command("list", "--json")
    assert (said.code, said.err) == (code, "codeassay: x [y]\n")


def test_an_interrupted_evaluation_says_how_to_go_on(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second Ctrl-C leaves at once: code 4, the directory, no stack trace."""

    def evaluate(config: object, console: object, on_open: Callable[[Path], None]) -> None:
        on_open(Path("/runs/[x]"))
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.cli_run.evaluate", evaluate)
    said = command("run", "starter")
    assert said.code == 4
    assert "/runs/[x] keeps what was committed. Run again to resume." in said.err


@pytest.mark.parametrize(("flags", "kept"), [((), True), (("--cache",), True), (("--no-cache",), False)])
def test_no_cache_runs_every_program(
    command: Command, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], kept: bool
) -> None:
    """Verdicts are kept unless the flag says no."""
    configs: list[Any] = []

    def remember(given: list[Any], **rest: object) -> int:
        configs.extend(given)
        return 0

    monkeypatch.setattr("engine.cli_run.run_models", remember)
    assert command("run", "starter", *flags).code == 0
    assert configs[0].execution.cache is kept


@pytest.fixture
def samples(tmp_path: Path) -> list[Path]:
    """Two samples files, which nothing reads."""
    paths = [tmp_path / "s-1.jsonl", tmp_path / "s-2.jsonl"]
    for path in paths:
        path.write_text(path.name)
    return paths


def test_a_typo_in_a_later_model_fails_before_the_first_runs(command: Command, samples: list[Path]) -> None:
    """One line, code 2, and no run directory."""
    said = command("run", "starter", "--model", f"replay:{samples[0]}", "--model", "replay:/no/such.jsonl")
    _fault(said, "/no/such.jsonl: cannot be read")
    assert not (samples[0].parent / "runs").exists()


def test_a_pattern_that_matches_nothing_is_a_fault(command: Command, samples: list[Path]) -> None:
    """It names the folder and what lies there."""
    said = command("run", "starter", "--model", f"replay:{samples[0].parent}/t-*")
    _fault(said, f"in {samples[0].parent}, where there lie: ", "s-1.jsonl, s-2.jsonl")


def test_one_step_for_several_models_is_a_fault(command: Command, samples: list[Path]) -> None:
    """It would put both at the same place of the training."""
    _fault(command("run", "starter", "--model", f"replay:{samples[0].parent}/s-*", "--step", "5"), "--step: belongs to")


def test_a_run_as_output_of_several_models_is_a_fault(command: Command, samples: list[Path]) -> None:
    """A folder that holds a run cannot hold several."""
    (samples[0].parent / "run.json").touch()
    arguments = ("--model", f"replay:{samples[0].parent}/s-*", "--output", str(samples[0].parent))
    _fault(command("run", "starter", *arguments), "holds a run. With several models")


def test_several_models_and_repeats_are_handed_on(
    command: Command, monkeypatch: pytest.MonkeyPatch, samples: list[Path]
) -> None:
    """A pattern is as good as naming each; each model gets the same configuration."""
    seen: list[tuple[list[Any], int]] = []

    def remember(configs: list[Any], *, repeat: int, output: Path | None, as_json: bool) -> int:
        seen.append((configs, repeat))
        return 0

    monkeypatch.setattr("engine.cli_run.run_models", remember)
    folder = samples[0].parent
    assert command("run", "starter", "--model", f"replay:{folder}/s-*", "--model", "reference", "--n", "2").code == 0
    assert command("run", "starter", "--repeat", "3").code == 0
    (several, once), (one, thrice) = seen
    assert [config.model.spec for config in several] == [*(f"replay:{path}" for path in samples), "reference"]
    assert {config.generation.n for config in several} == {2}
    assert (once, thrice) == (1, 3)
    assert [config.model.spec for config in one] == ["reference"]


def test_a_fault_of_all_models_is_told_once(
    command: Command, monkeypatch: pytest.MonkeyPatch, samples: list[Path]
) -> None:
    """What is wrong with the suite is no model's fault: code 2, not one failure per model."""

    def evaluate(config: object, console: object, on_open: object) -> None:
        raise UserError("pass@7 needs 7 samples")

    monkeypatch.setattr("engine.many.connect", lambda cpus: {})
    monkeypatch.setattr("engine.many.evaluate", evaluate)
    said = command("run", "starter", "--model", f"replay:{samples[0].parent}/s-*")
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[-1] == "codeassay: pass@7 needs 7 samples"


def test_a_report_is_shown_and_written(command: Command, tmp_path: Path) -> None:
    """One run in full with its page beside it; several side by side in one page where --output says."""
    one, two = (finished_run(tmp_path / name, {"a": 1, "b": 2}, 3, name=name) for name in ("m-1", "m-2"))
    said = command("report", str(one))
    assert said.code == 0
    assert f"page  {one}/report/index.html" in said.out
    assert (one / "report" / "index.html").read_text().startswith("<!doctype html>")
    both = command("report", str(one), str(two), "--output", str(tmp_path / "page.html"), "--json")
    told = json.loads(both.out)
    assert [run["run_dir"] for run in told["runs"]] == [str(one), str(two)]
    assert Path(told["page"]).exists()
    assert "page" not in json.loads(command("report", str(two), "--no-page", "--json").out)
    assert not (two / "report").exists()


def test_a_page_that_cannot_be_written_costs_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told with the way to write it later; the run stays complete."""
    run_dir = finished_run(tmp_path / "run", {"a": 1}, 3)
    (run_dir / "report").write_text("in the way")
    outcome = Outcome(run_dir=run_dir, status="complete", metrics=load_outcome(run_dir)[1])
    config = load_config(["starter"], {}, ["tracking.enabled=false"])
    publish(outcome, config, Console(stderr=True, width=200), quiet=False)
    told = capsys.readouterr().err
    assert "index.html: cannot be written" in told
    assert f"codeassay report {run_dir}" in told
