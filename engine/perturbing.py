"""Perturbed forms of a run's problems: made, let through by the gate in the sandbox, put beside the nominal ones."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from actors.alone import open_alone
from actors.judging import Runner
from actors.verdict_cache import VerdictCache
from benchmarks.perturbations.catalogue import catalogue, catalogue_of
from benchmarks.perturbations.check import KEPT
from benchmarks.perturbations.gate import Gated, Variant, Wanted, adjacent, gate
from benchmarks.perturbations.perturbation import HALF, VERSION
from benchmarks.perturbations.released import gated
from benchmarks.perturbations.subject import Rewrite
from benchmarks.problem import NOMINAL, Problem, PromptForm
from benchmarks.recode import ReCode
from engine.asking import AnyBenchmark
from engine.config import PerturbationConfig
from engine.places import cache_root
from engine.robustness import REPLICA
from engine.store import write_text
from runners.errors import SandboxUnavailable, UserError
from runners.program import Program
from runners.sandbox import Sandbox, open_sandbox

RELEASED = "ReCode (2212.10264), as released"
_MODE = "gate"
"""Mode under which the gate keeps verdicts: a reference's, by content."""
Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbed:
    """A benchmark whose problems are followed by their variants, and what became of those that were left out."""

    benchmark: AnyBenchmark
    gated: Gated = field(default_factory=lambda: Gated(variants=()))


def wanted_of(config: PerturbationConfig) -> Wanted:
    """What a configuration asks for; the baselines of what it names come with them.

    Raises:
        UserError: there is no perturbation, family or profile of such a name.
    """
    try:
        chosen = catalogue_of(config.names)
    except UserError as error:
        raise UserError(f"perturbations.names: {error}") from error
    if any(each.baseline == HALF for each in chosen) and all(each.name != HALF for each in chosen):
        chosen = (catalogue()[HALF], *chosen)
    return Wanted(perturbations=chosen, severities=tuple(config.severities), seeds=config.seeds)


def perturbed(
    benchmarks: Mapping[str, AnyBenchmark],
    config: PerturbationConfig | None,
    form: PromptForm,
    isolation: str,
    tell: Tell = lambda _: None,
) -> dict[str, Perturbed]:
    """Each benchmark with the variants that the gate lets through, prompts of a problem side by side.

    Args:
        benchmarks: by label; their languages and environments are there, and `prepare` was called.
        config: what to make; None makes nothing.
        form: in which the model is asked.
        isolation: where references are run.
        tell: told what is going on.

    Raises:
        UserError: an unknown name; SandboxUnavailable where the sandbox itself keeps failing.
    """
    released = [label for label, benchmark in benchmarks.items() if isinstance(benchmark, ReCode)]
    if config is None and not released:
        return {label: Perturbed(benchmark=benchmark) for label, benchmark in benchmarks.items()}
    wanted, rewrite = (wanted_of(config), rewriter(config)) if config else (None, None)
    with GateJudge(isolation) as judge:
        found: dict[str, Perturbed] = {}
        for label, benchmark in benchmarks.items():
            if isinstance(benchmark, ReCode):
                tell(f"{label}: checking released variants")
                found[label] = _released(benchmark, judge)
                continue
            if config is None or wanted is None:
                found[label] = Perturbed(benchmark=benchmark)
                continue
            tell(f"{label}: making and checking variants of {len(benchmark.problems())} problems")
            made = gate(benchmark, wanted, form, judge, splits=judge.splits, rewrite=rewrite)
            variants = (*_replicas(benchmark, config.replicas), *made.kept())
            problems = adjacent(benchmark.problems(), variants)
            notes = (*benchmark.notes, *_notes(made))
            found[label] = Perturbed(benchmark=benchmark.with_problems(problems, notes=notes), gated=made)
    return found


def _released(benchmark: ReCode, judge: GateJudge) -> Perturbed:
    """ReCode's own variants: the valid ones, or all of them where the options say so; what is wrong is told."""
    found = gated(benchmark, judge)
    shares = [variant for variant in found.variants if variant.perturbation != HALF]
    counts = Counter(variant.finding.reason for variant in shares)
    asked = "left out" if benchmark.valid_only else "asked all the same"
    note = (
        f"of {len(shares)} released variants {counts['invalid']} ({counts['invalid'] / max(1, len(shares)):.1%}) are "
        f"invalid and {counts['vacuous']} change nothing; they are {asked}"
    )
    nominal = [problem for problem in benchmark.problems() if problem.variant == NOMINAL]
    variants = [replace(each, finding=KEPT) for each in found.variants] if not benchmark.valid_only else found.variants
    problems = adjacent(nominal, variants)
    return Perturbed(benchmark=benchmark.with_problems(problems, notes=(*benchmark.notes, note)), gated=found)


def _notes(gated: Gated) -> list[str]:
    kept, made = len(gated.kept()), sum(variant.problem is not None for variant in gated.variants)
    notes = [f"{kept} of {made} perturbed prompts passed the gate"]
    counts = gated.counts()
    nowhere = dict.fromkeys(each.name for each in gated.variants if not counts[each.name]["kept"])
    if nowhere:
        notes.append(f"no problem has a variant of {', '.join(nowhere)}")
    if gated.unverified:
        notes.append(f"{len(gated.unverified)} problems have no variants: no reference solution of theirs passes")
    return notes


def _replicas(benchmark: AnyBenchmark, count: int) -> list[Variant]:
    """The nominal prompts again, under names of their own: samples of them are drawn apart."""
    return [
        Variant(
            name=f"{REPLICA}.{number}",
            perturbation=REPLICA,
            family=REPLICA,
            severity=1,
            seed=number,
            task_id=problem.task_id,
            baseline=NOMINAL,
            problem=replace(problem, variant=f"{REPLICA}.{number}"),
        )
        for problem in benchmark.problems()
        for number in range(1, count + 1)
    ]


class GateJudge:
    """Runs reference programs on all CPUs; what was judged before is read from disk."""

    def __init__(self, isolation: str, verdicts: Path | None = None) -> None:
        """Open one sandbox per CPU.

        Raises:
            SandboxUnavailable: this machine cannot isolate programs so.
        """
        self._sandboxes: list[Sandbox] = [open_sandbox(isolation) for _ in range(os.cpu_count() or 1)]
        first = self._sandboxes[0]
        self.splits = "split" in first.judges
        self.isolation = first.isolation
        directory = verdicts or (cache_root() / "verdicts").absolute()
        self._cache = VerdictCache(directory, toolchain=first.toolchain(), isolation=first.isolation)
        self.num_run = 0
        """Programs that were run, not read."""

    def __enter__(self) -> GateJudge:
        return self

    def __exit__(self, *_: object) -> None:
        for sandbox in self._sandboxes:
            sandbox.close()

    def __call__(self, programs: Sequence[Program]) -> list[bool]:
        """Whether each program passes, in order.

        Raises:
            SandboxUnavailable: the sandbox failed over and over at one of them.
        """
        found: list[bool | None] = [self._known(program) for program in programs]
        left = [index for index, passed in enumerate(found) if passed is None]
        self.num_run += len(left)
        with ThreadPoolExecutor(len(self._sandboxes)) as pool:
            jobs = [
                pool.submit(self._run, sandbox, programs, left[worker :: len(self._sandboxes)])
                for worker, sandbox in enumerate(self._sandboxes)
            ]
            for job in jobs:
                for index, passed in job.result():
                    found[index] = passed
        return [bool(passed) for passed in found]

    def _known(self, program: Program) -> bool | None:
        verdict = self._cache.get(program.sha256(), _MODE)
        return None if verdict is None else verdict.passed

    def _run(self, sandbox: Sandbox, programs: Sequence[Program], part: Sequence[int]) -> list[tuple[int, bool]]:
        runner, results = Runner(sandbox, open_alone()), []
        for index in part:
            verdict = runner.run(programs[index]).verdict
            if not verdict.status.counts:
                raise SandboxUnavailable(f"a reference could not be judged: {verdict.status}: {verdict.error}.")
            self._cache.put(programs[index].sha256(), _MODE, verdict)
            results.append((index, verdict.passed))
        return results


def rewriter(config: PerturbationConfig) -> Rewrite | None:
    """The language model that rewords, where the configuration names one."""
    if config.llm is None:
        return None
    from engine.rewriting import open_rewriter

    return open_rewriter(config.llm)


def variant_records(label: str, benchmark: AnyBenchmark, gated: Gated, isolation: str) -> list[dict[str, Any]]:
    """Every variant as plain data with its provenance; of those that were left out the reason.

    `benchmark` holds the nominal problems, perhaps among others.
    """
    nominal = {problem.task_id: problem for problem in benchmark.problems() if problem.variant == NOMINAL}
    entries = catalogue()
    return [
        {
            "benchmark": label,
            "task_id": variant.task_id,
            "variant": variant.name,
            "perturbation": variant.perturbation,
            "family": variant.family,
            "severity": variant.severity,
            "seed": variant.seed,
            "baseline": variant.baseline,
            "gate": variant.finding.reason,
            "detail": variant.finding.detail,
            **(_content(variant.problem) if variant.problem and variant.is_kept else {}),
            "provenance": {
                "catalogue": VERSION,
                "source": entries[variant.perturbation].source if variant.perturbation in entries else RELEASED,
                "language": benchmark.language,
                "data_sha256": benchmark.provenance.sha256,
                "nominal_sha256": nominal[variant.task_id].sha256(),
                "isolation": isolation,
            },
        }
        for variant in gated.variants
    ]


def _content(problem: Problem) -> dict[str, Any]:
    return {
        "prompt": problem.prompt,
        "instruction": problem.instruction,
        "entry_point": problem.entry_point,
        "canonical_solution": problem.reference,
        "setup": problem.setup,
        "tests": list(problem.tests),
        "sha256": problem.sha256(),
    }


def write_variants(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """One JSON object per line, whole or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    write_text(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
