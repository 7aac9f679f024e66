"""Named environments: pinned lists, folders that appear whole, and what is said of them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from runners import environments
from runners.environments import (
    ENVIRONMENTS,
    MARKER,
    EnvironmentNotBuilt,
    build,
    difference_note,
    find_environment,
    lock_text,
    main,
    states,
    versions,
)
from runners.errors import UserError
from runners.program import Limits, Program, Status
from tests.runners.conftest import open_or_skip

Commands = list[list[str]]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.delenv("CODEASSAY_ENVIRONMENTS", raising=False)
    monkeypatch.setenv("CODEASSAY_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def commands(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """What would have been run: a pip that leaves one file, and imports that succeed."""
    run: Commands = []

    def fake(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        run.append(command)
        if "--target" in command:
            (Path(command[command.index("--target") + 1]) / "numpy.py").write_text("")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("runners.environments.subprocess.run", fake)
    return run


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_line_of_a_list_is_one_pinned_package(name: str) -> None:
    """Nothing is left to be resolved at build time, and no package is named twice."""
    lines = [line for line in lock_text(name).splitlines() if line and not line.startswith(("#", "--extra-index-url"))]
    assert all(re.fullmatch(r"[\w.-]+==[\w.+]+", line) for line in lines)
    names = [line.partition("==")[0].lower() for line in lines]
    assert len(names) == len(set(names)) == len(versions(name))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_differences_from_the_authors_versions_are_told(name: str) -> None:
    """Every package that the authors name is in the list, and each other version is named beside theirs."""
    for package, wanted in ENVIRONMENTS[name].official:
        assert (versions(name)[package] == wanted) is (f"(theirs {wanted})" not in difference_note(name))
    assert "numpy 1.23.5 (theirs 1.21.6)" in difference_note(name)


def test_a_larger_environment_has_the_packages_of_the_smaller() -> None:
    """`torch` is `datascience` and more, in the same versions."""
    assert versions("datascience").items() <= versions("torch").items()


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    """A user's typo costs one line."""
    with pytest.raises(UserError, match="datascience, torch, tensorflow"):
        find_environment("datasience")


def test_a_changed_list_or_interpreter_gets_another_folder(
    cache: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs never see half of one list and half of another; verdicts of both are told apart."""
    first = find_environment("datascience")
    assert first == find_environment("datascience")
    assert first.packages.parent == cache / "environments"
    monkeypatch.setattr("runners.environments.platform.python_version", lambda: "3.11.0")
    second = find_environment("datascience")
    other = tmp_path_factory.mktemp("locks")
    (other / "datascience.txt").write_text("numpy==1.0\n")
    monkeypatch.setattr(environments, "LOCKS", other)
    third = find_environment("datascience")
    assert len({each.packages for each in (first, second, third)}) == 3
    assert len({each.fingerprint for each in (first, second, third)}) == 3


def test_a_build_is_made_once_and_appears_whole(cache: Path, commands: Commands) -> None:
    """Pip installs exactly the wheels of the list; a second build does nothing."""
    made = build("datascience")
    assert made.built
    assert (made.packages / MARKER).read_text().strip() == made.fingerprint
    assert {"--no-deps", "--only-binary=:all:"} <= set(commands[0])
    assert build("datascience") == made
    assert len(commands) == 2
    assert [each.name for each in (cache / "environments").iterdir() if each.is_dir()] == [made.packages.name]


def test_a_failed_build_leaves_nothing_and_says_why(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is not there, and the error holds pip's reason and the cure."""
    said = "WARNING: old\nERROR: No matching distribution found for numpy==1.23.5\n"
    failed = subprocess.CompletedProcess(["pip"], 1, "", said)
    monkeypatch.setattr("runners.environments.subprocess.run", lambda *_, **__: failed)
    with pytest.raises(EnvironmentNotBuilt, match=r"No matching distribution.*PIP_INDEX_URL"):
        build("datascience")
    assert not find_environment("datascience").built
    assert not [each for each in (cache / "environments").iterdir() if each.is_dir()]


def test_states_tell_how_to_build_what_is_not_there(cache: Path, commands: Commands) -> None:
    """`doctor` shows every environment: where it lies, or the command that makes it."""
    build("datascience")
    by_name = {state.name: state for state in states()}
    assert by_name["datascience"].built
    assert "theirs 1.21.6" in by_name["datascience"].detail
    assert "-m runners.environments build torch" in by_name["torch"].detail
    assert by_name["torch"].optional


def test_the_command_builds_what_is_not_optional(
    cache: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make environments` leaves torch and tensorflow out; a wrong word is a usage error."""
    assert main(["build"]) == 0
    assert [state.built for state in states()] == [True, False, False]
    assert main(["list"]) == 0
    assert capsys.readouterr().out.count("datascience") >= 2
    assert main(["buld"]) == 2
    assert main(["build", "nothing"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("level", ["full", "rootless"])
def test_programs_run_with_the_packages_of_their_environment(level: str) -> None:
    """In the jail pandas is the pinned one; without an environment there is none."""
    if not find_environment("datascience").built:
        pytest.skip("environment datascience is not built: make environments")
    sandbox = open_or_skip(level)
    source = "import numpy, pandas\nmean = float(pandas.Series([1, 2, 6]).mean())\n"
    tests = ("assert mean == 3.0", f"assert pandas.__version__ == {versions('datascience')['pandas']!r}")
    limits = Limits(memory_bytes=2 << 30)
    try:
        inside = sandbox.run(Program(source=source, tests=tests, environment="datascience", limits=limits))
        wrong = sandbox.run(
            Program(source=source, tests=("assert mean == 4",), environment="datascience", limits=limits)
        )
        without = sandbox.run(Program(source=source, tests=tests, limits=limits))
    finally:
        sandbox.close()
    assert inside.passed, inside.error
    assert wrong.status is Status.WRONG_ANSWER
    assert without.status is Status.RUNTIME_ERROR
    assert "pandas" in without.error


@pytest.mark.slow
def test_a_program_of_an_environment_that_is_not_there_is_no_fault_of_it(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox says what to build, and judges nothing."""
    sandbox = open_or_skip("auto")
    try:
        verdict = sandbox.run(Program(source="", tests=("pass",), environment="datascience"))
    finally:
        sandbox.close()
    assert verdict.status is Status.SANDBOX_ERROR
    assert "datascience" in verdict.error
