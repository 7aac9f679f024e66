"""What a run needs of this machine: environments of its programs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.problem import Completion, Problem
from engine import needed
from engine.needed import with_environments
from runners.environments import find_environment
from runners.errors import SandboxUnavailable
from runners.program import Program, Status
from tests.actors.fakes import FakeSandbox, TinyBenchmark, problem, tiny


class InEnvironments(TinyBenchmark):
    """Each problem's tag names its environment."""

    environment = "datascience"

    def programs(self, problem: Problem, completion: Completion) -> tuple[Program, ...]:
        """One program in that environment."""
        return (Program(source="", tests=problem.tests, environment=problem.tags[0]),)


@pytest.fixture(autouse=True)
def nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEASSAY_ENVIRONMENTS", str(tmp_path))


def needing(*environments: str) -> InEnvironments:
    """One problem for each."""
    problems = [problem(f"t{number}", tags=(name,)) for number, name in enumerate(environments)]
    return InEnvironments(problems, tiny(1).provenance)


def build(name: str) -> None:
    """As `make environments` leaves it."""
    packages = find_environment(name).packages
    packages.mkdir()
    (packages / "codeassay-environment").touch()


def test_an_environment_that_is_not_built_is_refused_with_the_command() -> None:
    """Before the first token."""
    with pytest.raises(SandboxUnavailable, match=r"ds: it needs environment datascience, .* build datascience; or run"):
        with_environments({"ds": needing("datascience")}, FakeSandbox())


def test_problems_of_an_optional_environment_are_missing_where_it_is_not_built() -> None:
    """They are unavailable and counted in a note; the others are as before."""
    build("datascience")
    told = with_environments({"ds": needing("datascience", "torch", "torch")}, FakeSandbox())["ds"]
    first, second, _ = told.problems()
    assert first.unavailable == ""
    assert second.unavailable.startswith("it needs environment torch, which is not built: ")
    (note,) = told.notes
    assert note.startswith("2 of 3 problems are missing: they need environment torch, which is not built")


def test_built_environments_change_nothing() -> None:
    """No note, no missing problem."""
    for name in ("datascience", "torch"):
        build(name)
    benchmark = needing("datascience", "torch")
    told = with_environments({"ds": benchmark}, FakeSandbox())["ds"]
    assert (told.problems(), told.notes) == (benchmark.problems(), ())


def test_a_level_without_environments_is_refused() -> None:
    """The level is named, and the cure."""
    sandbox = FakeSandbox()
    sandbox.environments = False
    with pytest.raises(SandboxUnavailable, match=r"needs isolation full or rootless, not fake\. Take --isolation auto"):
        with_environments({"ds": needing("datascience")}, sandbox)


def test_what_a_machine_lacks_is_no_part_of_a_problems_identity() -> None:
    """Completions that were generated before an environment was built are judged after it."""
    known = problem("t0")
    assert replace(known, unavailable="no data").sha256() == known.sha256()


class InBash(TinyBenchmark):
    """Programs in Bash."""

    language = "bash"


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        ((Status.COMPILE_ERROR,), "a right program got compile_error"),
        ((Status.PASSED, Status.PASSED), "a wrong program got passed"),
    ],
)
def test_a_language_that_gives_wrong_verdicts_is_refused(
    statuses: tuple[Status, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken compiler would make every answer a compile error: it is tried before the first token."""
    sandbox = FakeSandbox(*statuses)
    sandbox.languages = frozenset({"python", "bash"})
    monkeypatch.setattr(needed.tools, "missing", lambda language: ())
    monkeypatch.setattr(needed.kit, "warm_up", lambda language: None)
    with pytest.raises(SandboxUnavailable, match=rf"mine: Bash does not work on this machine: {words}"):
        needed.check_languages({"mine": InBash(tiny(1).problems(), tiny(1).provenance)}, sandbox, judge="auto")


def test_a_language_whose_trials_end_as_they_should_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """One right program and one wrong one."""
    sandbox = FakeSandbox(Status.PASSED, Status.WRONG_ANSWER)
    sandbox.languages = frozenset({"python", "bash"})
    monkeypatch.setattr(needed.tools, "missing", lambda language: ())
    monkeypatch.setattr(needed.kit, "warm_up", lambda language: None)
    needed.check_languages({"mine": InBash(tiny(1).problems(), tiny(1).provenance)}, sandbox, judge="auto")
    assert len(sandbox.ran) == 2
