"""Check everything that a run needs before the first token: data, model, samples file, isolation, k and n."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from actors.generator import Sampling
from actors.judging import Calibration
from actors.model_digest import model_digest
from actors.models import ModelSpec, parse_model
from actors.reference_generator import References
from actors.replay_generator import ReplayFile
from benchmarks.benchmark import reference_answers
from benchmarks.perturbations.gate import Gated
from benchmarks.perturbations.perturbation import VERSION
from benchmarks.problem import Problem, PromptForm
from engine.asking import AnyBenchmark, check_prompts, limited, load_benchmarks, model_form
from engine.calibrate import calibrate, with_variants
from engine.config import RunConfig
from engine.identity import IDENTITY_FORMAT, Identity
from engine.needed import check_languages, with_environments
from engine.perturbing import Perturbed, Tell, perturbed, wanted_of
from engine.places import cache_root
from runners.errors import UserError
from runners.sandbox import open_sandbox

_HEADLINE_KS = (1, 10, 100)
_DECISIVE = ("dtype", "quantization", "max_model_len", "chat_template", "engine", "extra_body")
"""Options of a back end that are a part of the run's identity; the others decide its pace alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A checked run: all that the pipeline and the report need."""

    config: RunConfig
    spec: ModelSpec
    model_digest: str
    step: int | None
    form: PromptForm
    benchmarks: Mapping[str, AnyBenchmark]
    """By label; each problem is followed by its variants."""
    gated: Mapping[str, Gated]
    """What became of each benchmark's variants."""
    references: References
    replay: ReplayFile | None
    sampling: Sampling
    n: int
    ks: tuple[int, ...]
    isolation: str
    """The level that this machine gave for what was asked."""
    calibration: Calibration
    """What the reference solutions told: which problems can be judged in split, and what they need."""
    identity: Identity


def prepare(config: RunConfig, tell: Tell = lambda _: None) -> Prepared:
    """Load and check, cheapest first.

    Args:
        config: what to run.
        tell: told what takes long.

    Raises:
        UserError: whatever is wrong, with its cure.
    """
    spec = parse_model(config.model.spec)
    if config.perturbations:
        wanted_of(config.perturbations)  # a name that is not there is told before data is fetched
    benchmarks = load_benchmarks(config)
    replay = _replay(spec, config, benchmarks)
    benchmarks = {label: limited(benchmark, config.limit) for label, benchmark in benchmarks.items()}
    n = config.generation.n or (max(replay.counts.values()) if replay else 1)
    _check_counts(replay, n, config, benchmarks)
    ks = _ks(config.report.k, n)
    digest = model_digest(spec, lora=config.model.lora, cache=cache_root())
    if spec.kind == "reference":
        benchmarks = _with_answers(benchmarks, _references(benchmarks))
    form = model_form(spec, config)
    check_prompts(benchmarks, form, by_name=config.model.form != "auto")
    if spec.kind == "openai":
        _check_endpoint(spec, config, {benchmark.form_for(form) for benchmark in benchmarks.values()})
    isolation, calibration, told = _sandbox_facts(config, benchmarks, form, tell)
    benchmarks = {label: each.benchmark for label, each in told.items()}
    sampling = _sampling(config, n, spec)
    return Prepared(
        config=config,
        spec=spec,
        model_digest=digest,
        step=config.model.step if config.model.step is not None else spec.step,
        form=form,
        benchmarks=benchmarks,
        gated={label: each.gated for label, each in told.items()},
        references=_references(benchmarks) if spec.kind == "reference" else {},
        replay=replay,
        sampling=sampling,
        n=n,
        ks=ks,
        isolation=isolation,
        calibration=calibration,
        identity=_identity(config, benchmarks, digest, sampling, form, n),
    )


def _replay(spec: ModelSpec, config: RunConfig, benchmarks: Mapping[str, AnyBenchmark]) -> ReplayFile | None:
    if spec.kind != "replay":
        return None
    model, task_ids = config.model, _task_ids(benchmarks)
    return ReplayFile.load(
        Path(spec.target), task_ids, allow_missing=model.allow_missing, allow_unknown=model.allow_unknown
    )


def _task_ids(benchmarks: Mapping[str, AnyBenchmark]) -> list[str]:
    """Each once: a suite may ask one benchmark in several modes."""
    return list(dict.fromkeys(p.task_id for benchmark in benchmarks.values() for p in benchmark.problems()))


def _check_counts(replay: ReplayFile | None, n: int, config: RunConfig, benchmarks: Mapping[str, AnyBenchmark]) -> None:
    """Samples that a file does not hold would be missing however often the run is resumed."""
    if replay is None or config.model.allow_missing:
        return
    tasks = _task_ids(benchmarks)
    short = [task for task in tasks if replay.counts.get(task, 0) < n]
    if short:
        fewest = min(replay.counts.get(task, 0) for task in short)
        raise UserError(
            f"{replay.path}: {len(short)} of {len(tasks)} tasks have fewer than n = {n} samples, the first is "
            f"{short[0]}. Use --n {fewest}, or count the others as missing: --set model.allow_missing=true"
        )


def _ks(asked: list[int] | None, n: int) -> tuple[int, ...]:
    if asked is None:
        return tuple(k for k in _HEADLINE_KS if k <= n)
    for k in asked:
        if k < 1 or k > n:
            raise UserError(
                f"report.k: pass@{k} needs at least {k} samples per problem and n is {n}. Raise --n or lower --k."
            )
    return tuple(sorted(set(asked)))


def _references(benchmarks: Mapping[str, AnyBenchmark]) -> References:
    found = {
        (label, problem.task_id, problem.variant): answers
        for label, benchmark in benchmarks.items()
        for problem in benchmark.problems()
        if (answers := reference_answers(benchmark, problem))
    }
    for label in benchmarks:
        if not any(key[0] == label for key in found):
            raise UserError(f"{label}: its problems have no reference solutions; choose another --model.")
    return found


def _with_answers(benchmarks: Mapping[str, AnyBenchmark], references: References) -> dict[str, AnyBenchmark]:
    """The benchmarks for the model `reference`: problems that it cannot answer are unavailable."""

    def known(label: str, problem: Problem) -> Problem:
        has_answer = (label, problem.task_id, problem.variant) in references
        return problem if has_answer else replace(problem, unavailable="it has no reference solution")

    told: dict[str, AnyBenchmark] = {}
    for label, benchmark in benchmarks.items():
        problems = [known(label, problem) for problem in benchmark.problems()]
        lacking = sum(problem.reference is None for problem in problems)
        note = f"{lacking} of {len(problems)} problems have no reference solution and are missing"
        told[label] = benchmark.with_problems(problems, notes=(*benchmark.notes, *([note] if lacking else [])))
    return told


def _check_endpoint(spec: ModelSpec, config: RunConfig, forms: Collection[PromptForm]) -> None:
    from actors.openai_generator import OpenAIGenerator

    async def check() -> None:
        generator = OpenAIGenerator(spec.target, spec.model, config.model)
        try:
            for form in sorted(forms):
                await generator.check(form)
        finally:
            await generator.close()

    asyncio.run(check())


def _sandbox_facts(
    config: RunConfig, benchmarks: Mapping[str, AnyBenchmark], form: PromptForm, tell: Tell
) -> tuple[str, Calibration, dict[str, Perturbed]]:
    """Level of isolation, calibration and the benchmarks as far as they run here; computes what benchmarks need."""
    execution = config.execution
    sandbox = open_sandbox(execution.isolation)
    try:
        if execution.judge not in {"auto", *sandbox.judges}:
            known = ", ".join(sorted(sandbox.judges))
            raise UserError(
                f"execution.judge: isolation {sandbox.isolation} has no '{execution.judge}'; it has {known}."
            )
        check_languages(benchmarks, sandbox, judge=execution.judge)
        benchmarks = with_environments(benchmarks, sandbox)
        for benchmark in benchmarks.values():
            benchmark.prepare(sandbox, cache_root() / "expected")
        calibration = calibrate(benchmarks, sandbox, cache_root() / "judges")
        told = perturbed(benchmarks, config.perturbations, form, sandbox.isolation, tell)
        kept = {label: each.benchmark for label, each in told.items()}
        return sandbox.isolation, with_variants(calibration, kept), told
    finally:
        sandbox.close()


def _sampling(config: RunConfig, n: int, spec: ModelSpec) -> Sampling:
    """Sampling as configured; stored samples and references are the same whatever it says."""
    generation = config.generation
    if spec.kind in ("reference", "replay"):
        return Sampling()
    greedy = n == 1
    temperature = generation.temperature if generation.temperature is not None else (0.0 if greedy else 0.8)
    return Sampling(
        temperature=temperature,
        top_p=generation.top_p,
        top_k=generation.top_k,
        max_tokens=generation.max_tokens,
        seed=generation.seed,
    )


def _identity(
    config: RunConfig,
    benchmarks: Mapping[str, AnyBenchmark],
    digest: str,
    sampling: Sampling,
    form: PromptForm,
    n: int,
) -> Identity:
    """Everything that decides the numbers."""
    entries = {
        entry.metric_label: {
            "name": entry.name,
            **entry.options(),
            "data_sha256": benchmarks[entry.metric_label].provenance.sha256,
            **_prompt_identity(benchmarks[entry.metric_label]),
        }
        for entry in config.benchmarks
    }
    return {
        "format": IDENTITY_FORMAT,
        "suite": config.suite,
        "benchmarks": entries,
        "limit": config.limit,
        **_perturbation_identity(config),
        "model": {"digest": digest, "form": form, **_model_options(config)},
        "generation": {"n": n, **asdict(sampling)},
        "execution": {
            "isolation": config.execution.isolation,
            "judge": config.execution.judge,
            **config.execution.limits(),
        },
    }


def _perturbation_identity(config: RunConfig) -> dict[str, Any]:
    """What is perturbed, where something is: runs of before have no such key."""
    wanted = config.perturbations
    if wanted is None:
        return {}
    names = [each.name for each in wanted_of(wanted).perturbations]
    values = {"severities": wanted.severities, "seeds": wanted.seeds, "replicas": wanted.replicas, "llm": wanted.llm}
    return {"perturbations": {"catalogue": VERSION, "names": names, **values}}


def _prompt_identity(benchmark: AnyBenchmark) -> dict[str, Any]:
    """The prompt mode, where it is not the benchmark's own prompt alone."""
    template = benchmark.template
    return {} if template.is_plain else {"prompt": {"name": template.name, "sha256": template.sha256}}


def _model_options(config: RunConfig) -> dict[str, Any]:
    """Options of the back end that change what a model says, where they are not the defaults."""
    fields = type(config.model).model_fields
    values = {name: getattr(config.model, name) for name in _DECISIVE}
    return {
        name: value for name, value in values.items() if value != fields[name].get_default(call_default_factory=True)
    }
