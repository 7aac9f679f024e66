"""Which languages and environments the programs of a run need, and whether this machine has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from benchmarks.problem import Completion, Problem
from engine.asking import AnyBenchmark
from runners import kit, tools
from runners.environments import ENVIRONMENTS, find_environment
from runners.errors import SandboxUnavailable, UserError
from runners.languages import LANGUAGES, PYTHON
from runners.sandbox import Sandbox
from runners.trials import cure, failure_of

_NOTHING = Completion(text="", verbatim=True)
"""An empty answer: its programs tell what the programs of any answer need."""


def languages_of(benchmark: AnyBenchmark) -> frozenset[str]:
    """Languages of a benchmark's programs."""
    return frozenset(
        program.language for problem in benchmark.problems() for program in benchmark.programs(problem, _NOTHING)
    )


def with_environments(benchmarks: Mapping[str, AnyBenchmark], sandbox: Sandbox) -> dict[str, AnyBenchmark]:
    """The benchmarks; problems whose optional environment is not built here are unavailable, and a note says so.

    Raises:
        SandboxUnavailable: an environment that is not optional is not built, or this level of isolation has none.
    """
    return {label: _with_environments(label, benchmark, sandbox) for label, benchmark in benchmarks.items()}


def _with_environments(label: str, benchmark: AnyBenchmark, sandbox: Sandbox) -> AnyBenchmark:
    if not benchmark.environment:
        return benchmark
    lacking: Counter[str] = Counter()

    def looked_at(problem: Problem) -> Problem:
        name = "" if problem.unavailable else _lacking(label, problem, benchmark, sandbox)
        if not name:
            return problem
        lacking[name] += 1
        return replace(problem, unavailable=f"it needs {_not_built(name)}")

    problems = [looked_at(problem) for problem in benchmark.problems()]
    notes = [
        f"{count} of {len(problems)} problems are missing: they need {_not_built(n)}" for n, count in lacking.items()
    ]
    return benchmark.with_problems(problems, notes=(*benchmark.notes, *notes))


def _lacking(label: str, problem: Problem, benchmark: AnyBenchmark, sandbox: Sandbox) -> str:
    """Name of the optional environment that a problem needs and that is not built; empty if all is there.

    Raises:
        SandboxUnavailable: the same of an environment that is not optional.
    """
    for name in {program.environment for program in benchmark.programs(problem, _NOTHING)} - {""}:
        if not sandbox.environments:
            raise SandboxUnavailable(
                f"{label}: environment {name} needs isolation full or rootless, not {sandbox.isolation}. "
                "Take --isolation auto."
            )
        if find_environment(name).built:
            continue
        if not ENVIRONMENTS[name].optional:
            raise SandboxUnavailable(f"{label}: it needs {_not_built(name)}; or run make environments.")
        return name
    return ""


def _not_built(name: str) -> str:
    return f"environment {name}, which is not built: {find_environment(name).how_to_build}"


def check_languages(benchmarks: Mapping[str, AnyBenchmark], sandbox: Sandbox, *, judge: str) -> None:
    """See that every language of the run can be judged here, by a right and a wrong program, before the first token.

    Raises:
        SandboxUnavailable: the level of isolation has Python alone, or a compiler is missing or gives wrong verdicts.
        UserError: `split` is asked for by name where there is no such judge.
    """
    for label, benchmark in benchmarks.items():
        for name in sorted(languages_of(benchmark) - {PYTHON}):
            language = LANGUAGES[name]
            if name not in sandbox.languages:
                raise SandboxUnavailable(
                    f"{label}: {language.title} runs at isolation full and rootless, not at {sandbox.isolation}. "
                    "Take --isolation auto."
                )
            if judge == "split":
                raise UserError(f"{label}: judge 'split' knows Python alone, not {language.title}. Take --judge auto.")
            if missing := tools.missing(language):
                raise SandboxUnavailable(
                    f"{label}: {language.title} is not complete on this machine: {', '.join(missing)} missing. "
                    f"Run {cure(language)}; `codeassay doctor` shows all languages."
                )
            _prepare(label, name)
            if failure := failure_of(name, sandbox):
                raise SandboxUnavailable(
                    f"{label}: {language.title} does not work on this machine: {failure}. `codeassay doctor` shows all "
                    "languages."
                )


def _prepare(label: str, name: str) -> None:
    """Make what is made once per machine, so that no program pays for it."""
    try:
        kit.warm_up(LANGUAGES[name])
    except kit.KitError as error:
        raise SandboxUnavailable(f"{label}: {LANGUAGES[name].title} cannot be prepared here: {error}.") from error
