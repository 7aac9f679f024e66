"""Which languages the programs of a run are in, and whether this machine can compile and run them."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.problem import Completion
from engine.asking import AnyBenchmark
from runners import kit, tools
from runners.errors import SandboxUnavailable, UserError
from runners.languages import LANGUAGES, PYTHON
from runners.sandbox import Sandbox
from runners.trials import cure


def languages_of(benchmark: AnyBenchmark) -> frozenset[str]:
    """Languages of a benchmark's programs, told by those of an empty answer to each problem."""
    nothing = Completion(text="", verbatim=True)
    return frozenset(
        program.language for problem in benchmark.problems() for program in benchmark.programs(problem, nothing)
    )


def check_languages(benchmarks: Mapping[str, AnyBenchmark], sandbox: Sandbox, *, judge: str) -> None:
    """See that every language of the run can be judged here, before the first token.

    Raises:
        SandboxUnavailable: the level of isolation has Python alone, or a compiler is missing or fails.
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


def _prepare(label: str, name: str) -> None:
    """Make what is made once per machine, so that no program pays for it."""
    try:
        kit.warm_up(LANGUAGES[name])
    except kit.KitError as error:
        raise SandboxUnavailable(f"{label}: {LANGUAGES[name].title} cannot be prepared here: {error}.") from error
