"""The gate: which variants count, and under which reason the others are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from benchmarks.humaneval import HumanEval
from benchmarks.perturbations.gate import Gated, Variant, Wanted, adjacent, gate
from benchmarks.perturbations.perturbation import PROSE_ONLY, Apply, Perturbation
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.problem import Problem
from runners.program import Program
from tests.benchmarks.perturbations.own_problems import PROVENANCE, believes, python_problem


def entry(name: str, apply: Apply, **fields: object) -> Perturbation:
    """An entry of the family `docstring`."""
    return Perturbation(name=name, family="docstring", summary=name, apply=apply, source="own", **fields)  # type: ignore[arg-type]


def shouting(subject: Subject, random: Random, severity: int) -> Problem | None:
    """The first word in capitals."""
    word = subject.words[0]
    return subject.with_prose([Edit(word.start, word.end, word.text.upper())])


def unchanged(subject: Subject, random: Random, severity: int) -> Problem | None:
    return replace(subject.problem)


def never(subject: Subject, random: Random, severity: int) -> Problem | None:
    return None


def another_number(subject: Subject, random: Random, severity: int) -> Problem | None:
    line = subject.lines[0]
    return subject.with_prose([Edit(line.start, line.start, "All 7 of them. ")])


def unparsable(subject: Subject, random: Random, severity: int) -> Problem | None:
    return replace(subject.problem, prompt=subject.problem.prompt.replace("def ", "def def "))


def wrong(subject: Subject, random: Random, severity: int) -> Problem | None:
    """A reference that does something else."""
    return subject.with_source(subject.source.replace("total += 1", "total += 2"), subject.split)


SHOUTING = entry("shouting", shouting, keeps=PROSE_ONLY)


def gated(*entries: Perturbation, judge: object = believes, problem: Problem | None = None, **wanted: int) -> Gated:
    """What the gate makes of the Python problem."""
    benchmark = HumanEval([problem or python_problem()], PROVENANCE)
    return gate(benchmark, Wanted(perturbations=entries, **wanted), "base", judge)  # type: ignore[arg-type]


def reason(*entries: Perturbation, **fields: object) -> tuple[str, str]:
    """Reason and detail of the last variant."""
    finding = gated(*entries, **fields).variants[-1].finding  # type: ignore[arg-type]
    return finding.reason, finding.detail


def test_a_variant_that_differs_keeps_what_it_promises_and_passes_is_kept() -> None:
    assert reason(SHOUTING) == ("kept", "")


def test_nothing_to_change_is_not_applicable() -> None:
    assert reason(entry("never", never)) == ("not_applicable", "")


def test_an_equal_prompt_is_vacuous() -> None:
    assert reason(entry("unchanged", unchanged)) == ("vacuous", "the prompt is the same")


def test_the_prompt_of_a_sibling_is_a_duplicate() -> None:
    assert reason(SHOUTING, entry("again", shouting)) == ("duplicate", "another variant has this prompt")


def test_a_changed_number_is_invalid_where_numbers_are_to_be_kept() -> None:
    assert reason(entry("number", another_number, keeps=frozenset({"numbers"}))) == ("invalid", "its numbers changed")
    assert reason(entry("number", another_number)) == ("kept", "")


def test_a_program_that_does_not_parse_is_invalid() -> None:
    assert reason(entry("unparsable", unparsable)) == ("invalid", "its reference does not parse")


def test_a_syntax_tree_that_did_not_change_is_vacuous_where_it_must() -> None:
    assert reason(entry("shouting", shouting, restructures=True)) == ("vacuous", "the syntax tree is the same")


def test_a_reference_that_fails_in_the_sandbox_makes_a_variant_invalid() -> None:
    def judge(programs: Sequence[Program]) -> list[bool]:
        return ["total += 2" not in program.source for program in programs]

    assert reason(entry("wrong", wrong), judge=judge) == ("vacuous", "the prompt is the same")
    given = replace(python_problem(), prompt=python_problem().prompt + "    total = 0\n")
    given = replace(given, reference=str(given.reference).replace("    total = 0\n", "", 1))
    two = entry("two", lambda subject, *_: wrong_in_prompt(subject))
    assert reason(two, problem=given, judge=judge) == ("invalid", "its reference does not pass")


def wrong_in_prompt(subject: Subject) -> Problem:
    source = subject.source.replace("total = 0", "total = 1 - 1").replace("total += 1", "total += 2")
    return subject.with_source(source, subject.split + len(" - 1"))


def test_programs_that_differ_in_a_docstring_alone_run_once() -> None:
    run: list[Program] = []

    def judge(programs: Sequence[Program]) -> list[bool]:
        run.extend(programs)
        return believes(programs)

    number = entry("number", another_number)
    assert len(gated(SHOUTING, number, judge=judge).kept()) == 2
    assert len(run) == 2  # the nominal problem's reference, and that of both variants


def test_a_problem_whose_own_reference_fails_has_no_variants() -> None:
    found = gated(SHOUTING, judge=lambda programs: [False] * len(programs))
    assert found.unverified == {"own/0": "its reference solution does not pass"}
    assert found.counts() == {
        "shouting": {"kept": 0, "not_applicable": 1, "vacuous": 0, "duplicate": 0, "invalid": 0},
    }


def test_a_problem_without_a_reference_has_no_variants() -> None:
    found = gated(SHOUTING, problem=replace(python_problem(), reference=None))
    assert found.unverified == {"own/0": "it has no reference solution"}


def test_references_that_pass_in_split_are_judged_so_in_every_variant() -> None:
    modes: list[str] = []

    def judge(programs: Sequence[Program]) -> list[bool]:
        modes.extend(program.judge for program in programs)
        return believes(programs)

    benchmark = HumanEval([python_problem()], PROVENANCE)
    gate(benchmark, Wanted(perturbations=(SHOUTING,)), "base", judge, splits=True)
    assert modes == ["split", "split"]


def test_a_variant_has_its_name_as_the_problems_variant() -> None:
    found = gated(replace(SHOUTING, scale=("a", "b", "c")), severities=(1,)).kept()[0]  # type: ignore[arg-type]
    assert found.problem is not None
    assert (found.name, found.problem.variant, found.severity) == ("shouting.1", "shouting.1", 1)


def test_prompts_of_a_problem_stand_side_by_side() -> None:
    first, second = python_problem(), replace(python_problem(), task_id="own/1")

    def variant(problem: Problem, name: str) -> Variant:
        return Variant(
            name=name,
            perturbation=name,
            family="docstring",
            severity=1,
            seed=0,
            task_id=problem.task_id,
            baseline="nominal",
            problem=replace(problem, variant=name),
        )

    asked = adjacent([first, second], [variant(second, "a"), variant(first, "b"), variant(second, "c")])
    assert [(problem.task_id, problem.variant) for problem in asked] == [
        ("own/0", "nominal"),
        ("own/0", "b"),
        ("own/1", "nominal"),
        ("own/1", "a"),
        ("own/1", "c"),
    ]


@pytest.mark.parametrize("form", ["base", "chat"])
def test_prompt_and_instruction_change_alike(form: str) -> None:
    benchmark = HumanEval([python_problem()], PROVENANCE)
    found = gate(benchmark, Wanted(perturbations=(SHOUTING,)), form, believes).kept()[0]  # type: ignore[arg-type]
    assert found.problem is not None
    assert "GIVEN a list" in found.problem.prompt and "GIVEN a list" in found.problem.instruction


def test_a_problem_whose_reference_passes_by_chance_has_no_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    why = "it relies on the order of a map"
    monkeypatch.setattr("benchmarks.perturbations.gate.known_faults", lambda *_: {"own/0": why, "own/9": why})
    found = gated(SHOUTING)
    assert found.unverified == {"own/0": why}
    assert found.kept() == ()
