"""What a run asks: its benchmarks as configured, and the form of their prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors.checkpoint import folder_of, has_chat_template
from actors.models import LOCAL_KINDS, ModelSpec
from benchmarks.base import BaseBenchmark
from benchmarks.problem import PromptForm
from benchmarks.prompt_template import DEFAULT, load_template
from benchmarks.registry import check_options, load_benchmark
from engine.config import RunConfig
from engine.places import cache_root
from runners.errors import UserError

AnyBenchmark = BaseBenchmark[Any]


def load_benchmarks(config: RunConfig) -> dict[str, AnyBenchmark]:
    """Load what the configuration names, by label.

    Raises:
        UserError: two have one label, or an option, a prompt mode or a file is at fault.
    """
    benchmarks: dict[str, AnyBenchmark] = {}
    for index, entry in enumerate(config.benchmarks):
        label = entry.metric_label
        if label in benchmarks:
            raise UserError(
                f"{config.suite}: two benchmarks have the label '{label}'; give one of them another `label`."
            )
        options = entry.options() | ({"data": entry.data.expanduser()} if entry.data else {})
        try:
            check_options(entry.name, options)
            template = load_template(entry.prompt or DEFAULT).changed(system=entry.system, examples=entry.examples)
        except UserError as error:
            raise UserError(f"{config.suite}: benchmarks.{index}: {error}") from error
        benchmark = load_benchmark(entry.name, options, cache_root() / "data")
        benchmarks[label] = benchmark if template.is_plain else benchmark.asked_with(template)
    return benchmarks


def check_prompts(benchmarks: Mapping[str, AnyBenchmark], form: PromptForm, *, by_name: bool) -> None:
    """Make every prompt that a mode changes once, before anything is paid for.

    Raises:
        UserError: the form was asked for by name and a benchmark has none of that form, or a mode does not fit.
    """
    for label, benchmark in benchmarks.items():
        if by_name and form not in benchmark.forms:
            known = ", ".join(benchmark.forms)
            raise UserError(f"model.form={form}: {label} has only prompts of form {known}; leave model.form out.")
        for problem in () if benchmark.template.is_plain else benchmark.problems():
            try:
                benchmark.ask(problem, form)
            except UserError as error:
                raise UserError(f"{label}: {error}") from error


def limited(benchmark: AnyBenchmark, limit: int | None) -> AnyBenchmark:
    """Keep its first so many problems; None keeps all."""
    return benchmark if limit is None else benchmark.limited(limit)


def model_form(spec: ModelSpec, config: RunConfig) -> PromptForm:
    """The prompt form of a model: as configured, else `chat` for endpoints and where there is a chat template.

    Raises:
        UserError: the checkpoint's tokenizer_config.json is damaged.
    """
    if config.model.form != "auto":
        return config.model.form
    if spec.kind == "openai" or config.model.chat_template:
        return "chat"
    is_folder = spec.kind in LOCAL_KINDS and not spec.is_hub_id
    return "chat" if is_folder and has_chat_template(folder_of(spec.target)) else "base"
