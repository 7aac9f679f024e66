"""What holds of every perturbation, over one problem in each language; nothing is executed."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from benchmarks.perturbations.catalogue import PROFILES, catalogue, catalogue_of, families, profile
from benchmarks.perturbations.check import check
from benchmarks.perturbations.gate import Gated, Wanted, gate
from benchmarks.perturbations.perturbation import HALF, Perturbation, random_of, variant_name
from benchmarks.perturbations.subject import Subject
from benchmarks.problem import Problem
from runners.errors import UserError
from tests.benchmarks.perturbations.own_problems import PROBLEMS, believes, own_benchmark

ENTRIES = tuple(catalogue().values())
MADE_BY_RULES = tuple(entry for entry in ENTRIES if not entry.needs_llm)
by_name = pytest.mark.parametrize("entry", MADE_BY_RULES, ids=lambda entry: entry.name)


def subjects(name: str) -> tuple[Subject, Subject | None]:
    """The problem of one language, and the same with half of its solution given."""
    benchmark = own_benchmark(name)
    subject = Subject(PROBLEMS[name], benchmark.language)
    half = catalogue()[HALF].apply(subject, Random(0), 1)
    return subject, None if half is None else Subject(half, benchmark.language)


def variants(entry: Perturbation, name: str, seed: int = 0) -> list[tuple[Subject, Problem]]:
    """What an entry makes of one language's problem, at each severity."""
    nominal, half = subjects(name)
    before = half if entry.baseline == HALF else nominal
    if before is None or not entry.fits(before):
        return []
    task = before.problem.task_id
    made = [entry.apply(before, random_of(task, entry.name, level, seed), level) for level in entry.severities]
    return [(before, problem) for problem in made if problem is not None]


def test_the_catalogue_has_at_least_forty_entries_of_our_own_besides_recodes() -> None:
    assert len([entry for entry in ENTRIES if entry.family != "recode"]) >= 40


def test_every_family_that_users_ask_for_has_entries() -> None:
    assert set(families()) == {"docstring", "chinese", "names", "syntax", "form", "prefix", "recode"}


@by_name
def test_an_entry_tells_what_it_does_and_where_it_comes_from(entry: Perturbation) -> None:
    assert entry.summary and entry.source and entry.name == entry.name.lower()


@by_name
def test_an_entry_applies_to_a_problem_of_some_language_or_to_a_manner_of_asking(entry: Perturbation) -> None:
    chat = any(
        entry.apply(
            Subject(PROBLEMS["python"], "python", form="chat", num_shots=3), random_of("t", entry.name, 1, s), 1
        )
        for s in range(3)
        if entry.baseline != HALF
    )
    assert chat or any(variants(entry, name, seed) for name in PROBLEMS for seed in range(3))


@by_name
def test_a_variant_depends_on_problem_perturbation_severity_and_seed_alone(entry: Perturbation) -> None:
    for name in PROBLEMS:
        first = [made for _, made in variants(entry, name)]
        catalogue_of(["full"])
        variants(ENTRIES[0], name, seed=7)  # what is made between changes nothing
        assert [made for _, made in variants(entry, name)] == first


@by_name
def test_every_variant_keeps_what_its_perturbation_promises(entry: Perturbation) -> None:
    for name in PROBLEMS:
        for seed in range(3):
            for before, made in variants(entry, name, seed):
                finding = check(entry, before, replace(made, variant=entry.name))
                assert finding.reason in ("kept", "vacuous"), (name, finding.detail, made.prompt)


@by_name
def test_a_variant_is_the_same_problem_with_a_reference_and_tests(entry: Perturbation) -> None:
    for name, problem in PROBLEMS.items():
        for _, made in variants(entry, name):
            assert made.task_id == problem.task_id
            assert made.reference and len(made.tests) == len(problem.tests) and len(made.wrong) == len(problem.wrong)


@pytest.mark.parametrize("name", PROBLEMS)
def test_no_two_variants_that_are_kept_ask_the_same(name: str) -> None:
    gated = gate_of(name, seeds=2)
    prompts = [variant.problem.prompt for variant in gated.kept() if variant.problem and not variant.problem.manner]
    assert len(set(prompts)) == len(prompts) > 10


@pytest.mark.parametrize("name", ["python", "cpp", "java", "js", "go", "rust"])
def test_each_language_has_variants_of_names_syntax_and_description(name: str) -> None:
    kept = {variant.family for variant in gate_of(name).kept()}
    assert {"docstring", "names", "syntax", "prefix"} <= kept


def test_chinese_descriptions_have_variants_of_their_own() -> None:
    kept = {variant.family for variant in gate_of("python_zh").kept()}
    assert "chinese" in kept and "docstring" not in kept


def gate_of(name: str, seeds: int = 1) -> Gated:
    """What the gate makes of one language's problem, executing nothing."""
    wanted = Wanted(perturbations=MADE_BY_RULES, severities=(1, 2, 3), seeds=seeds)
    return gate(own_benchmark(name), wanted, "base", believes)


def test_names_families_and_profiles_choose_entries_once_in_the_catalogues_order() -> None:
    chosen = catalogue_of(["docstring", "keyboard_typos", "smoke"])
    assert [entry.name for entry in chosen] == [entry.name for entry in ENTRIES if entry in chosen]
    assert {"keyboard_typos", *profile("smoke")} <= {entry.name for entry in chosen}


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_names_entries_that_are_there(name: str) -> None:
    assert set(profile(name)) <= set(catalogue())


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"keyboard_typo'.*Did you mean 'keyboard_typos'"):
        catalogue_of(["keyboard_typo"])


def test_a_variants_name_tells_severity_and_further_seeds() -> None:
    scaled, plain = catalogue()["keyboard_typos"], catalogue()[HALF]
    assert [variant_name(scaled, 2, 0), variant_name(scaled, 2, 3)] == ["keyboard_typos.2", "keyboard_typos.2.3"]
    assert [variant_name(plain, 1, 0), variant_name(plain, 1, 1)] == [HALF, f"{HALF}.1.1"]
