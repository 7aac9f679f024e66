"""`codeassay perturb` and `codeassay list perturbations`: what is written, shown and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.perturbations.catalogue import catalogue
from engine.cli_perturb import perturb, perturbation_config
from engine.listing import perturbation_listing, render_perturbations
from engine.report import to_text
from runners.errors import UserError
from tests.actors.fakes import FakeSandbox


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Jails in which all programs pass."""
    monkeypatch.setattr("engine.perturbing.open_sandbox", lambda level: FakeSandbox())
    monkeypatch.setattr("engine.cli_perturb.open_sandbox", lambda level: FakeSandbox())
    monkeypatch.setenv("CODEASSAY_CACHE", str(tmp_path / "cache"))


def test_kept_variants_are_written_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = perturbation_config(["keyboard_typos", "dead_code"], [1, 3], 1, None)
    perturb("starter", config, tmp_path / "v.jsonl", data=None, limit=6, form="base", as_json=True)
    told = json.loads(capsys.readouterr().out)
    rows = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    assert told["kept"] == len(rows) > 5
    assert set(told["variants"]) == {
        "half_solution",
        "keyboard_typos.1",
        "keyboard_typos.3",
        "dead_code.1",
        "dead_code.3",
    }
    assert {row["gate"] for row in rows} == {"kept"}
    assert all(sum(counts.values()) == 6 for counts in told["variants"].values())


def test_a_table_shows_each_variant_with_what_was_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = perturbation_config(["keyboard_typos"], [2], 1, None)
    perturb("starter", config, tmp_path / "v.jsonl", data=None, limit=6, form="base", as_json=False)
    out = capsys.readouterr().out
    assert "keyboard_typos.2" in out and "variants passed the gate" in out


def test_an_unknown_perturbation_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    config = perturbation_config(["keyboard"], [2], 1, None)
    with pytest.raises(UserError, match=r"There is no perturbation, family or profile 'keyboard'"):
        perturb("no_such_benchmark", config, tmp_path / "v.jsonl", data=None, limit=None, form="base", as_json=True)


def test_a_language_model_is_an_endpoint() -> None:
    with pytest.raises(UserError, match=r"--llm gpt: .*Write openai:URL#MODEL"):
        perturbation_config(["paraphrase"], [2], 1, "gpt")


def test_the_list_names_every_perturbation_with_its_source() -> None:
    listed = perturbation_listing()
    assert [entry["name"] for entry in listed["perturbations"]] == list(catalogue())
    assert all(entry["source"] for entry in listed["perturbations"])


def test_the_list_fits_into_a_terminal() -> None:
    text = to_text(render_perturbations(), 80)
    assert all(name in text for name in catalogue())
    assert max(map(len, text.splitlines())) <= 80
