from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.places import cache_root, in_ray_job, program, runs_root


def test_runs_go_below_the_current_directory_or_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """CODEASSAY_RUNS names the place; unset or empty it is `runs`."""
    monkeypatch.setenv("CODEASSAY_RUNS", "/big/runs")
    assert runs_root() == Path("/big/runs")
    monkeypatch.setenv("CODEASSAY_RUNS", "~/runs")
    assert runs_root() == Path.home() / "runs"
    for unset in ("", None):
        monkeypatch.delenv("CODEASSAY_RUNS") if unset is None else monkeypatch.setenv("CODEASSAY_RUNS", unset)
        assert runs_root() == Path("runs")


def test_in_a_ray_job_runs_do_not_go_into_the_uploaded_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The uploaded working directory goes away with the job."""
    copy = tmp_path / "working_dir_files" / "_ray_pkg_1"
    copy.mkdir(parents=True)
    monkeypatch.delenv("CODEASSAY_RUNS", raising=False)
    monkeypatch.chdir(copy)
    assert in_ray_job()
    assert runs_root() == Path.home() / "codeassay" / "runs"


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """CODEASSAY_CACHE, then XDG_CACHE_HOME, then ~/.cache; empty is unset."""
    monkeypatch.setenv("CODEASSAY_CACHE", "/c")
    assert cache_root() == Path("/c")
    monkeypatch.setenv("CODEASSAY_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_root() == Path("/x/codeassay")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_root() == Path.home() / ".cache" / "codeassay"


def test_a_program_is_named_as_the_shell_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name on the PATH, by a relative path below here, else by its whole path; unknown ones by name."""
    environment = tmp_path / ".venv" / "bin"
    environment.mkdir(parents=True)
    tool = environment / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(environment / "python"))
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.chdir("/")
    assert program("tool") == str(tool.relative_to("/"))
    monkeypatch.chdir(tmp_path)
    assert program("tool") == ".venv/bin/tool"
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert program("tool") == str(tool)
    monkeypatch.setenv("PATH", str(environment))
    assert program("tool") == "tool"
    assert program("nothing-of-this-name") == "nothing-of-this-name"
