"""How many of ReCode's released variants are valid: what the gate checks, asked of rows that others made.

A variant is invalid where its reference no longer passes its tests, and vacuous where nothing was changed. Some
references fail only in what no model sees: the hidden rest of the solution calls the function by its old name, or is
indented with blanks below a prompt of tabs. `mended` counts what remains when that is put right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from benchmarks.benchmark import reference_completion
from benchmarks.perturbations.check import KEPT, Finding, structure
from benchmarks.perturbations.gate import Gated, Judge, Variant, program_key
from benchmarks.perturbations.perturbation import HALF
from benchmarks.perturbations.subject import renamed_words
from benchmarks.problem import NOMINAL, Problem
from benchmarks.recode import RECIPES, Recipe, ReCode, recipe_of
from runners.program import Program

_MARGIN = re.compile(r"[ \t]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What became of the variants of one file, recipe or category."""

    name: str
    category: str
    num_variants: int
    num_changed: int
    """Those whose prompt differs from their baseline's."""
    num_vacuous: int
    """Those whose prompt does not, and of recipes that change syntax those whose syntax tree does not."""
    num_invalid: int
    """Those whose reference does not pass."""
    num_mended: int
    """Those of them whose reference passes once its hidden half is put right."""
    invalid_tasks: tuple[str, ...]
    """Problems with an invalid variant, in the benchmark's order."""

    @property
    def invalid_share(self) -> float:
        """Of all variants, those whose reference does not pass."""
        return self.num_invalid / self.num_variants


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """What a perfect, unchanged answer scores on one category: the share of problems with only valid variants."""

    category: str
    num_problems: int
    num_variants_each: int
    robust_pass: float
    mended_robust_pass: float
    """The same where hidden halves are put right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How valid released variants are."""

    files: tuple[Share, ...]
    recipes: tuple[Share, ...]
    ceilings: tuple[Ceiling, ...]
    unverified: tuple[str, ...]
    """Problems left out, since their nominal reference does not pass either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """One variant and what was found."""

    problem: Problem
    recipe: Recipe
    is_changed: bool
    is_vacuous: bool
    passes: bool
    passes_mended: bool
    repaired: Problem
    """The variant with its hidden half put right."""


def invalid_shares(benchmark: ReCode, judge: Judge) -> Shares:
    """Hold every variant against its baseline and run its reference.

    Args:
        benchmark: the released rows with their baselines.
        judge: runs reference programs; those that differ in docstrings and layout alone are given to it once.
    """
    checked, unverified = _checked(benchmark, judge)
    categories = _by(checked, lambda each: each.recipe.category)
    return Shares(
        files=tuple(_share(name, group) for name, group in _by(checked, lambda each: each.problem.variant).items()),
        recipes=tuple(_share(name, group) for name, group in _by(checked, lambda each: each.recipe.name).items()),
        ceilings=tuple(_ceiling(name, group) for name, group in categories.items()),
        unverified=unverified,
    )


def gated(benchmark: ReCode, judge: Judge) -> Gated:
    """The gate over released variants: which count, and why others do not.

    A variant that fails only in the hidden half of its solution counts, with that half put right.
    """
    checked, unverified = _checked(benchmark, judge)
    halves = [
        problem for problem in benchmark.problems() if problem.variant == HALF and problem.task_id not in unverified
    ]
    variants = [_variant(problem, HALF, "prefix", NOMINAL, KEPT) for problem in halves]
    for each in checked:
        recipe, problem = each.recipe, each.repaired if not each.passes else each.problem
        family = f"recode_{recipe.category}"
        variants.append(_variant(problem, recipe.name, family, recipe.baseline, _finding(each)))
    order = {problem.task_id: place for place, problem in enumerate(benchmark.problems())}
    reason = "its reference solution does not pass"
    return Gated(
        variants=tuple(sorted(variants, key=lambda variant: order[variant.task_id])),
        unverified=dict.fromkeys(unverified, reason),
    )


def _finding(each: _Checked) -> Finding:
    if each.is_vacuous:
        return Finding("vacuous", "nothing that counts was changed")
    return KEPT if each.passes_mended else Finding("invalid", "its reference does not pass")


def _variant(problem: Problem, perturbation: str, family: str, baseline: str, finding: Finding) -> Variant:
    return Variant(
        name=problem.variant,
        perturbation=perturbation,
        family=family,
        severity=1,
        seed=int(problem.variant.rpartition(".s")[2]) if ".s" in problem.variant else 0,
        task_id=problem.task_id,
        baseline=baseline,
        problem=problem,
        finding=finding,
    )


def _checked(benchmark: ReCode, judge: Judge) -> tuple[list[_Checked], tuple[str, ...]]:
    """What was found of each variant, and the problems whose own reference does not pass, which are left out."""
    of = {(problem.task_id, problem.variant): problem for problem in benchmark.problems()}
    baselines = [problem for problem in of.values() if recipe_of(problem.variant) is None]
    drafts = [(problem, recipe) for problem in of.values() if (recipe := recipe_of(problem.variant)) is not None]
    befores = [of[problem.task_id, recipe.baseline] for problem, recipe in drafts]
    repaired = [mended(problem, before) for (problem, _), before in zip(drafts, befores, strict=True)]
    passes = _passing(benchmark, [*baselines, *(problem for problem, _ in drafts), *repaired], judge)
    unverified = tuple(dict.fromkeys(each.task_id for each in baselines if not passes[each.sha256()]))
    checked = [
        _Checked(
            problem=problem,
            recipe=recipe,
            is_changed=problem.prompt != before.prompt,
            is_vacuous=problem.prompt == before.prompt or (recipe.category == "syntax" and _same(problem, before)),
            passes=passes[problem.sha256()],
            passes_mended=passes[problem.sha256()] or passes[repair.sha256()],
            repaired=repair,
        )
        for (problem, recipe), before, repair in zip(drafts, befores, repaired, strict=True)
        if problem.task_id not in unverified
    ]
    return checked, unverified


def mended(problem: Problem, before: Problem) -> Problem:
    """A variant whose reference calls the function by its new name and is indented as its prompt is."""
    reference = problem.reference or ""
    if problem.entry_point and before.entry_point and problem.entry_point != before.entry_point:
        reference = renamed_words(reference, {before.entry_point: problem.entry_point})
    old, new = _indentation(before.prompt, problem.prompt)
    if old != new:
        reference = re.sub(r"^[ \t]+", lambda margin: margin[0].replace(old, new), reference, flags=re.MULTILINE)
    return problem if reference == problem.reference else replace(problem, reference=reference)


def _indentation(before: str, after: str) -> tuple[str, str]:
    """One level of indentation in two texts that differ in nothing else; twice nothing where they differ in more."""
    pairs = list(zip_longest(before.split("\n"), after.split("\n"), fillvalue="?"))
    if any(old.strip() != new.strip() for old, new in pairs):
        return "", ""
    margins = [(_MARGIN.match(old), _MARGIN.match(new)) for old, new in pairs if old.strip()]
    units = ((old[0], new[0]) for old, new in margins if old and new and old[0] != new[0])
    return next(units, ("", ""))


def _passing(benchmark: ReCode, problems: Iterable[Problem], judge: Judge) -> dict[str, bool]:
    """Whether each problem's reference passes, by the problem's hash."""
    distinct = {problem.sha256(): problem for problem in problems}
    programs: dict[str, Program] = {}
    key_of: dict[str, str] = {}
    for name, problem in distinct.items():
        completion = reference_completion(problem)
        assert completion is not None
        (program,) = benchmark.programs(problem, completion)
        key_of[name] = program_key(program)
        programs[key_of[name]] = program
    passed = dict(zip(programs, judge(list(programs.values())), strict=True))
    return {name: passed[key] for name, key in key_of.items()}


def _same(problem: Problem, before: Problem) -> bool:
    """Whether two problems have one syntax tree."""
    return structure(_source(problem), "python") == structure(_source(before), "python")


def _source(problem: Problem) -> str:
    return problem.prompt + (problem.reference or "")


def _by(checked: Iterable[_Checked], name: Callable[[_Checked], str]) -> dict[str, list[_Checked]]:
    groups: dict[str, list[_Checked]] = {}
    for each in sorted(checked, key=lambda each: RECIPES.index(each.recipe)):
        groups.setdefault(name(each), []).append(each)
    return groups


def _share(name: str, group: Sequence[_Checked]) -> Share:
    return Share(
        name=name,
        category=group[0].recipe.category,
        num_variants=len(group),
        num_changed=sum(each.is_changed for each in group),
        num_vacuous=sum(each.is_vacuous for each in group),
        num_invalid=sum(not each.passes for each in group),
        num_mended=sum(each.passes_mended and not each.passes for each in group),
        invalid_tasks=tuple(dict.fromkeys(each.problem.task_id for each in group if not each.passes)),
    )


def _ceiling(category: str, group: Sequence[_Checked]) -> Ceiling:
    tasks = {each.problem.task_id for each in group}
    broken = {each.problem.task_id for each in group if not each.passes}
    hurt = {each.problem.task_id for each in group if not each.passes_mended}
    return Ceiling(
        category=category,
        num_problems=len(tasks),
        num_variants_each=len({each.problem.variant for each in group}),
        robust_pass=1 - len(broken) / len(tasks),
        mended_robust_pass=1 - len(hurt) / len(tasks),
    )
