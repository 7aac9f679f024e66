"""What can be run: benchmarks with their options, the prompt modes, and the built-in suites."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmarks.perturbations.catalogue import PROFILES, catalogue, families, profile
from benchmarks.prompt_template import built_in_templates, read_template
from benchmarks.registry import OptionInfo, describe
from engine.config import BenchmarkConfig
from engine.suite import built_in_suites

_COMMON = {"data", "revision"}


def listing() -> dict[str, Any]:
    """Benchmarks, prompt modes and suites as plain data."""
    benchmarks = [
        {
            "name": info.name,
            "summary": info.summary,
            "options": {option.name: _values(option) for option in info.options if option.name not in _COMMON},
        }
        for info in describe()
    ]
    return {
        "benchmarks": benchmarks,
        "prompts": {name: read_template(path).summary for name, path in built_in_templates().items()},
        "suites": {name: _labels(path) for name, path in built_in_suites().items()},
    }


def _values(option: OptionInfo) -> str:
    return " | ".join(map(str, option.choices)) if option.choices else str(option.default)


def _labels(path: Path) -> list[str]:
    entries = yaml.safe_load(path.read_text())["benchmarks"]
    return [BenchmarkConfig.model_validate(entry).metric_label for entry in entries]


def render_listing() -> RenderableType:
    """The listing as three tables."""
    data = listing()
    benchmarks = Table("benchmark", "what it measures", "options", box=None, pad_edge=False)
    for entry in data["benchmarks"]:
        options = "\n".join(f"{name}={values}" for name, values in entry["options"].items())
        benchmarks.add_row(Text(entry["name"], style="bold"), entry["summary"], options)
    prompts = Table("prompt mode", "what it adds", box=None, pad_edge=False)
    for name, summary in data["prompts"].items():
        prompts.add_row(Text(name, style="bold"), summary)
    suites = Table("suite", "benchmarks", box=None, pad_edge=False)
    for name, labels in data["suites"].items():
        suites.add_row(Text(name, style="bold"), ", ".join(labels))
    hint = Text("codeassay run mbpp:sanitized,split=all --model reference", style="dim")
    return Group(benchmarks, Text(), prompts, Text(), suites, Text(), hint)


def perturbation_listing() -> dict[str, Any]:
    """The catalogue and its profiles as plain data."""
    entries = [
        {
            "name": entry.name,
            "family": entry.family,
            "summary": entry.summary,
            "source": entry.source,
            "languages": list(entry.languages),
            "text": entry.text,
            "severities": list(entry.scale or ()),
            "keeps": sorted(entry.keeps),
            "baseline": entry.baseline,
            "misleads": entry.misleads,
            "needs_llm": entry.needs_llm,
        }
        for entry in catalogue().values()
    ]
    return {"perturbations": entries, "profiles": {name: list(profile(name)) for name in PROFILES}}


def render_perturbations() -> RenderableType:
    """The catalogue as a table per family."""
    parts: list[RenderableType] = []
    for family in families():
        table = Table(family, "what changes", "severity 1 / 2 / 3", box=None, pad_edge=False)
        for entry in catalogue().values():
            if entry.family == family:
                marks = [*(["misleads"] if entry.misleads else []), *(["needs --llm"] if entry.needs_llm else [])]
                told = f"{entry.summary} ({', '.join(marks)})" if marks else entry.summary
                scale = Text(" / ".join(entry.scale or ("-",)), style="dim")
                table.add_row(Text(entry.name, style="bold"), told, scale)
        parts += [table, Text()]
    for name in PROFILES:
        parts.append(Text.assemble((f"{name}  ", "bold"), f"{len(profile(name))} perturbations"))
    hint = Text("codeassay run humaneval --model CHECKPOINT --perturb smoke", style="dim")
    return Group(*parts, Text(), hint)
