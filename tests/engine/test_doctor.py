from __future__ import annotations

from pathlib import Path

import pytest

from engine import doctor
from engine.doctor import Finding, check_machine, render_machine
from engine.report import to_text
from runners.isolation import RestrictedProbe
from runners.languages import LANGUAGES
from runners.tools import missing


@pytest.fixture
def no_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying all languages takes seconds, and is tested with the runners."""
    monkeypatch.setattr(doctor, "try_languages", lambda sandbox: iter(()))


@pytest.mark.usefixtures("no_languages")
def test_the_machine_is_described_without_mlflow_or_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken tracking address and a place that cannot be written are findings, and no password is shown."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("CODEASSAY_RUNS", str(tmp_path / "file" / "runs"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:hunter2@127.0.0.1:1")
    found = {finding.name: finding for finding in check_machine()}
    assert not found["mlflow"].ok
    assert not found["mlflow"].needed
    assert "hunter2" not in found["mlflow"].detail
    assert not found["runs"].ok
    assert found["runs"].needed


@pytest.mark.usefixtures("no_languages")
def test_restricted_is_told_though_no_run_takes_it_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether `--isolation restricted` could be asked for is a finding that no run needs."""
    for available, detail in ((True, "Landlock ABI 7"), (False, "this kernel has no Landlock")):
        probed = RestrictedProbe(available=available, detail=detail)
        monkeypatch.setattr(doctor, "probe_restricted", lambda probed=probed: probed)
        found = {finding.name: finding for finding in check_machine()}["restricted"]
        assert (found.ok, found.detail, found.needed) == (available, detail, False)


@pytest.mark.slow
def test_each_language_is_tried_in_the_jail() -> None:
    """A row of the table is a finding that no run needs; what is missing comes with its cure."""
    found = {finding.name: finding for finding in check_machine()}
    for language in LANGUAGES.values():
        finding = found[language.title]
        assert not finding.needed
        assert finding.ok == (not missing(language)), finding.detail
        assert finding.ok or "make toolchains" in finding.detail


def test_findings_tell_what_is_needed_by_their_mark() -> None:
    """One line each: ok or no, name, detail."""
    text = to_text(
        render_machine(
            [Finding(name="isolation", ok=True, detail="full"), Finding(name="cuda", ok=False, detail="[none]")]
        )
    )
    assert [line.split()[:3] for line in text.splitlines()[:2]] == [
        ["ok", "isolation", "full"],
        ["no", "cuda", "[none]"],
    ]
