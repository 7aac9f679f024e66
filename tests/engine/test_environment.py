from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from engine import environment
from engine.environment import describe_environment, git_revision


def test_versions_and_hardware_are_plain_data() -> None:
    """Packages that are not installed are left out, and so are the addresses of nodes."""
    described = json.loads(json.dumps(describe_environment({"CPU": 2.0, "node:10.0.0.1": 1.0})))
    assert described["cluster"] == {"CPU": 2.0}
    assert {"ray", "numpy", "pyarrow"} <= set(described["packages"])
    assert all(described["packages"].values())
    assert described["machine"]["cpus"] >= 1
    assert described["machine"]["memory_bytes"] > 1 << 20


def _checkout(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one commit, in which a file pretends to be the module."""
    module = directory / "engine" / "environment.py"
    module.parent.mkdir(parents=True)
    module.write_text("")
    (directory / "README").write_text("")
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    for arguments in (["init", "-q"], ["add", "README"], [*identity, "commit", "-q", "-m", "m"]):
        subprocess.run(["git", "-C", str(directory), *arguments], check=True)
    monkeypatch.setattr(environment, "__file__", str(module))
    return module


def test_the_revision_is_that_of_our_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole commit, marked where tracked files differ from it."""
    module = _checkout(tmp_path, monkeypatch)
    subprocess.run(["git", "-C", str(tmp_path), "add", "engine"], check=True)
    assert re.fullmatch(r"[0-9a-f]{40}-dirty", git_revision() or "")
    assert module.exists()


def test_somebody_elses_checkout_around_an_installation_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed into an environment that lies in another project, there is no revision to tell."""
    _checkout(tmp_path, monkeypatch)
    assert git_revision() is None


def test_without_git_there_is_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing program is no fault."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_revision() is None
