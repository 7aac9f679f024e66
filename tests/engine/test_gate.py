"""Gates: what passes, what is held back, what is undecided, and what is wrong in a gate file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.cli_compare import run_compare
from engine.compare import Rules, open_run
from engine.gate import check_gate, outcome, read_gate
from runners.errors import UserError
from tests.engine.finished_runs import finished_run

TASKS = [f"t{number:02}" for number in range(60)]
HALF = {task: 2 if number % 2 else 3 for number, task in enumerate(TASKS)}
"""Passed samples of five."""
SOME_LOST = HALF | dict.fromkeys(TASKS[:12], 0)
FEW_LOST = HALF | dict.fromkeys(TASKS[:1], 0)
RULES = Rules(resamples=2000)


def written(folder: Path, text: str) -> Path:
    """A gate file."""
    path = folder / "gate.yaml"
    path.write_text(text)
    return path


def decided(folder: Path, text: str, candidate: Mapping[str, int]) -> list[str]:
    """The outcome, then the decision of each bound."""
    path = written(folder, text)
    base, other = finished_run(folder / "base", HALF, 5), finished_run(folder / "candidate", candidate, 5)
    checked = check_gate(path, read_gate(path), open_run(base), open_run(other), RULES)
    return [outcome(checked), *(each.decision for each in checked)]


@pytest.mark.parametrize(
    ("drop", "candidate", "decision"),
    [
        (0.0, HALF, "pass"),
        (0.05, FEW_LOST, "pass"),
        (0.02, SOME_LOST, "regression"),
        (0.2, SOME_LOST, "pass"),
        (0.12, SOME_LOST, "inconclusive"),
        (0.0, FEW_LOST, "inconclusive"),
    ],
    ids=["equal", "within", "beyond", "allowed", "perhaps beyond", "one problem"],
)
def test_interval_and_mean_decide(tmp_path: Path, drop: float, candidate: Mapping[str, int], decision: str) -> None:
    """A pass is sure, and so is a regression; between them nothing is decided."""
    text = f"critical: {{humaneval/pass_at_1: {{max_drop: {drop}}}}}"
    assert decided(tmp_path, text, candidate) == [decision, decision]


def test_an_advisory_bound_holds_nobody_back(tmp_path: Path) -> None:
    """It is told; the outcome is that of the critical ones, each by its own metric."""
    text = (
        "critical: {humaneval/pass_at_1: {max_drop: 0.3}}\n"
        "advisory: {humaneval/pass_at_1: {max_drop: 0.02}, humaneval/pass_at_5: {max_drop: 0.02}}\n"
    )
    assert decided(tmp_path, text, SOME_LOST) == ["pass", "pass", "regression", "regression"]


def test_the_exit_code_tells_the_outcome(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0, 1 and 3; of several candidates the worst; 0 without a gate."""
    names = {"same": HALF, "lost": SOME_LOST, "one": FEW_LOST}
    runs = {name: str(finished_run(tmp_path / name, passed, 5, name=name)) for name, passed in names.items()}
    gate = written(tmp_path, "critical: {humaneval/pass_at_1: {max_drop: 0.0}}")
    base = str(finished_run(tmp_path / "base", HALF, 5, name="base"))
    codes = [run_compare(base, [runs[name]], RULES, gate, as_json=False) for name in ("same", "lost", "one")]
    assert codes == [0, 1, 3]
    assert "regression" in capsys.readouterr().out
    assert run_compare(base, [runs["one"], runs["lost"]], RULES, gate, as_json=True) == 1
    assert capsys.readouterr().out.count('"gate"') == 2
    assert run_compare(base, [runs["lost"]], RULES, None, as_json=True) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("critical: {humaneval/pass_at_1: {max_drop: 2}}", r"critical.humaneval/pass_at_1.max_drop.*got 2.*Write"),
        ("critcal: {}", "field 'critcal': Extra inputs"),
        ("critical: {humaneval: {max_drop: 0.1}}", "names no metric. Write humaneval/pass_at_1"),
        ("{}", "bounds nothing"),
        ("- a", "a gate is a mapping with the keys critical and advisory"),
        ("critical: [", "gate.yaml:1: not valid YAML"),
        ("critical: {mbpp/pass_at_1: {max_drop: 0.1}}", "'mbpp/pass_at_1': is not in both runs. They share humaneval"),
    ],
)
def test_what_is_wrong_in_a_gate_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    """File, field, value and an example."""
    with pytest.raises(UserError, match=words):
        decided(tmp_path, text, HALF)
