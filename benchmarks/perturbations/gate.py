"""The gate: which variants count. The others are counted by why they do not.

A variant counts only when it parses, keeps what its perturbation promises to keep, is asked in another way than its
baseline and than its siblings, and when its reference solution, changed alike, passes its tests in the sandbox.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from benchmarks.base import BaseBenchmark
from benchmarks.benchmark import reference_completion
from benchmarks.known_faults import known_faults
from benchmarks.perturbations.catalogue import catalogue_of
from benchmarks.perturbations.check import KEPT, REASONS, Finding, Reason, check, structure
from benchmarks.perturbations.perturbation import HALF, Perturbation, random_of, variant_name
from benchmarks.perturbations.subject import Rewrite, Subject
from benchmarks.problem import NOMINAL, Problem, PromptForm
from runners.program import Program

AnyBenchmark = BaseBenchmark[Any]
Mode = Literal["inside", "split"]
Judge = Callable[[Sequence[Program]], Sequence[bool]]
"""Whether each program passes its tests in the sandbox, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which variants to make."""

    perturbations: tuple[Perturbation, ...]
    severities: tuple[int, ...] = (2,)
    """Those that a perturbation lacks are left out; one without a scale has its only one."""
    seeds: int = 1
    """Variants of each perturbation and severity, of seeds 0 to `seeds` - 1."""

    def each(self) -> Iterator[tuple[Perturbation, int, int]]:
        """Perturbation, severity, seed, baselines first."""
        for perturbation in sorted(self.perturbations, key=lambda each: each.name != HALF):
            scale = [severity for severity in self.severities if severity in perturbation.severities]
            for severity in scale if perturbation.scale else (1,):
                for seed in range(1 if perturbation.name == HALF else self.seeds):
                    yield perturbation, severity, seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One variant, or why there is none."""

    name: str
    """`keyboard_typos.2`, the `variant` of its problem."""
    perturbation: str
    family: str
    severity: int
    seed: int
    task_id: str
    baseline: str
    """`nominal` or `half_solution`."""
    problem: Problem | None
    """None where there was nothing to change."""
    finding: Finding = KEPT

    @property
    def is_kept(self) -> bool:
        """Whether it counts."""
        return self.finding.reason == "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """What the gate made of one benchmark."""

    variants: tuple[Variant, ...]
    """All of them, problem by problem in the benchmark's order."""
    unverified: Mapping[str, str] = field(default_factory=dict)
    """Problems none of whose variants can be proven valid, and why."""

    def kept(self) -> tuple[Variant, ...]:
        """Those that count."""
        return tuple(variant for variant in self.variants if variant.is_kept)

    def counts(self) -> dict[str, dict[Reason, int]]:
        """By name of the variant: how many were kept, and how many dropped for which reason."""
        found: dict[str, Counter[Reason]] = {}
        for variant in self.variants:
            found.setdefault(variant.name, Counter())[variant.finding.reason] += 1
        return {name: {reason: counter[reason] for reason in REASONS} for name, counter in found.items()}


def gate(
    benchmark: AnyBenchmark,
    wanted: Wanted,
    form: PromptForm,
    judge: Judge,
    *,
    splits: bool = False,
    rewrite: Rewrite | None = None,
) -> Gated:
    """Make the variants of all problems and let through those that are valid.

    Args:
        benchmark: nominal problems; what it needs for its programs is prepared.
        wanted: which variants.
        form: in which the model is asked.
        judge: runs reference programs.
        splits: whether `judge` can run tests in a process of their own; where a nominal reference passes so, its
            variants must too, since that is how answers to them are judged.
        rewrite: a language model, for perturbations that need one; they do not apply without.
    """
    modes = _modes(benchmark, judge, splits=splits and benchmark.splits)
    unverified = {
        problem.task_id: problem.unavailable
        or ("it has no reference solution" if problem.reference is None else "its reference solution does not pass")
        for problem in benchmark.problems()
        if problem.task_id not in modes
    }
    by_chance = known_faults(benchmark.name, benchmark.edition, "chance")
    unverified |= {task: why for task, why in by_chance.items() if task in modes}
    drafts: list[Variant] = []
    for problem in benchmark.problems():
        reason = unverified.get(problem.task_id)
        drafts += _without(problem, wanted, reason) if reason else _drafts(benchmark, problem, wanted, form, rewrite)
    return Gated(variants=tuple(_executed(benchmark, drafts, modes, judge)), unverified=unverified)


def _modes(benchmark: AnyBenchmark, judge: Judge, *, splits: bool) -> dict[str, Mode]:
    """How each problem's reference passes, by task_id: in split if it does so, else inside; the others are left out."""
    able = [problem for problem in benchmark.problems() if problem.reference is not None and not problem.unavailable]
    found: dict[str, Mode] = dict.fromkeys(_passing(benchmark, able, "split", judge), "split") if splits else {}
    rest = [problem for problem in able if problem.task_id not in found]
    return found | dict.fromkeys(_passing(benchmark, rest, "inside", judge), "inside")


def _passing(benchmark: AnyBenchmark, problems: Sequence[Problem], mode: Mode, judge: Judge) -> list[str]:
    """Those of the problems whose reference passes in this mode, by task_id."""
    groups = [_programs(benchmark, problem, mode) for problem in problems]
    passed = iter(judge([program for group in groups for program in group]))
    verdicts = [[next(passed) for _ in group] for group in groups]
    return [problem.task_id for problem, group in zip(problems, verdicts, strict=True) if group and all(group)]


def _programs(benchmark: AnyBenchmark, problem: Problem, mode: Mode) -> tuple[Program, ...]:
    """The reference's programs; none in split where a program knows that mode not."""
    completion = reference_completion(problem)
    assert completion is not None
    programs = benchmark.programs(problem, completion)
    if mode == "inside":
        return programs
    is_plain = all(program.language == "python" and not program.environment for program in programs)
    return tuple(replace(program, judge="split") for program in programs) if is_plain else ()


def _variant(problem: Problem, perturbation: Perturbation, severity: int, seed: int, finding: Finding) -> Variant:
    return Variant(
        name=variant_name(perturbation, severity, seed),
        perturbation=perturbation.name,
        family=perturbation.family,
        severity=severity,
        seed=seed,
        task_id=problem.task_id,
        baseline=perturbation.baseline,
        problem=None,
        finding=finding,
    )


def _without(problem: Problem, wanted: Wanted, reason: str) -> Iterator[Variant]:
    for perturbation, severity, seed in wanted.each():
        yield _variant(problem, perturbation, severity, seed, Finding("not_applicable", reason))


def _drafts(
    benchmark: AnyBenchmark, problem: Problem, wanted: Wanted, form: PromptForm, rewrite: Rewrite | None
) -> Iterator[Variant]:
    """The variants of one problem, checked as far as that goes without running them."""

    def subject_of(problem: Problem) -> Subject:
        num_shots = len(benchmark.shots())
        return Subject(problem, benchmark.language, form=benchmark.form_for(form), num_shots=num_shots, rewrite=rewrite)

    subject = subject_of(problem)
    halved = _halved(subject) if any(each.baseline == HALF for each in wanted.perturbations) else None
    half = subject_of(halved) if halved else None
    seen = {_asked(benchmark, each, form) for each in (problem, halved) if each is not None}
    for perturbation, severity, seed in wanted.each():
        before = subject if perturbation.baseline == NOMINAL else half
        draft = _variant(problem, perturbation, severity, seed, Finding("not_applicable"))
        made = None
        if before is not None and perturbation.fits(before):
            random = random_of(problem.task_id, perturbation.name, severity, seed)
            made = perturbation.apply(before, random, severity)
        if before is None or made is None:
            yield draft
            continue
        made = replace(made, variant=draft.name)
        asked = _asked(benchmark, made, form)
        finding = _compared(benchmark, perturbation, before, asked, seen, form)
        finding = finding if finding.reason != "kept" else check(perturbation, before, made)
        if finding.reason == "kept":
            seen.add(asked)
        yield replace(draft, problem=made, finding=finding)


def _halved(subject: Subject) -> Problem | None:
    """The baseline of what changes given code."""
    half = catalogue_of((HALF,))[0]
    made = half.apply(subject, random_of(subject.problem.task_id, HALF, 1, 0), 1)
    return None if made is None else replace(made, variant=HALF)


def _asked(benchmark: AnyBenchmark, problem: Problem, form: PromptForm) -> str:
    """All that a model is told, in one text."""
    prompt = benchmark.ask(problem, form)
    return repr((prompt.form, prompt.text, prompt.suffix, prompt.messages))


def _compared(
    benchmark: AnyBenchmark, perturbation: Perturbation, before: Subject, asked: str, seen: set[str], form: PromptForm
) -> Finding:
    if asked == _asked(benchmark, before.problem, form) and perturbation.name != HALF:
        return Finding("vacuous", "the prompt is the same")
    if asked in seen and perturbation.name != HALF:
        return Finding("duplicate", "another variant has this prompt")
    return KEPT


def _executed(
    benchmark: AnyBenchmark, drafts: Sequence[Variant], modes: Mapping[str, Mode], judge: Judge
) -> Iterator[Variant]:
    """The drafts again; those whose reference fails are invalid. Programs that differ in nothing run once."""
    keys = [_program_keys(benchmark, draft, modes) for draft in drafts]
    programs = {key: program for group in keys for key, program in group}
    passed = dict(zip(programs, judge(list(programs.values())), strict=True))
    for draft, group in zip(drafts, keys, strict=True):
        fails = any(not passed[key] for key, _ in group)
        yield replace(draft, finding=Finding("invalid", "its reference does not pass")) if fails else draft


def _program_keys(benchmark: AnyBenchmark, draft: Variant, modes: Mapping[str, Mode]) -> list[tuple[str, Program]]:
    """What has to be run for a draft, each under a key that programs share which do the same."""
    if draft.problem is None or not draft.is_kept:
        return []
    return [(program_key(program), program) for program in _programs(benchmark, draft.problem, modes[draft.task_id])]


def program_key(program: Program) -> str:
    """Comments, docstrings and layout decide nothing of a program that does not read its own text."""
    reads_itself = any(word in program.source + "".join(program.tests) for word in ("__doc__", "inspect", "__file__"))
    bare = program.source if reads_itself else structure(program.source, program.language)
    helpers = program.helpers if reads_itself else structure(program.helpers, program.language)
    return replace(program, source=bare, helpers=helpers).sha256()


def adjacent(problems: Iterable[Problem], variants: Iterable[Variant]) -> tuple[Problem, ...]:
    """Each problem followed by its kept variants: prompts that begin alike are asked one after another."""
    of: dict[str, list[Problem]] = {}
    for variant in variants:
        if variant.is_kept and variant.problem is not None:
            of.setdefault(variant.task_id, []).append(variant.problem)
    return tuple(each for problem in problems for each in (problem, *of.get(problem.task_id, [])))
