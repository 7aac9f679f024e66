"""Tools that are installed while we look for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runners import provide, tools

ANSWER = "#!/bin/sh\necho {folder}\n"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine without tools: where its commands would lie."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "SEARCH_PATH", str(tmp_path))
    monkeypatch.setenv("CODEASSAY_TOOLCHAINS", str(tmp_path / "kept"))
    tools.forget()
    yield tmp_path
    tools.forget()


def installed(folder: Path) -> None:
    """A `go` that says where its compiler lies, and that compiler."""
    (folder / "compile").touch()
    (folder / "go").write_text(ANSWER.format(folder=folder))
    (folder / "go").chmod(0o755)


def test_a_tool_that_another_one_tells_of_is_found_once_that_is_installed(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Go's compiler is where `go` says: what was not there before the installation is asked again after it."""
    found: list[tools.Tool | None] = []

    def install() -> list[list[str]]:
        assert tools.find("go-compile") is None
        installed(machine)
        return []

    def prepare(_name: str) -> bool:
        found.append(tools.find("go-compile"))
        return True

    monkeypatch.setattr(provide, "commands", install)
    monkeypatch.setattr(provide, "LANGUAGES", {"go": None})
    monkeypatch.setattr(provide, "_prepare", prepare)
    monkeypatch.setattr("sys.argv", ["provide"])
    with pytest.raises(SystemExit, match="0"):
        provide.main()
    assert [tool and tool.path for tool in found] == [machine / "compile"]


def test_a_version_that_could_not_be_told_is_not_kept(machine: Path) -> None:
    """A tool that failed once, for want of memory say, is asked again by the next process."""
    broken = machine / "broken"
    tool = machine / "go"
    tool.write_text(f"#!/bin/sh\n[ -e {broken} ] && exit 1\necho v2\n")
    tool.chmod(0o755)
    broken.touch()
    assert tools._kept_version(str(tool)) == ""
    broken.unlink()
    tools.forget()
    assert tools._kept_version(str(tool)) == "v2"
