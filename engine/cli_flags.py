"""Flags that several verbs share; each is a configuration key."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from runners.errors import UserError


class Form(StrEnum):
    """How a leaderboard is written."""

    TABLE = "table"
    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"


class Listed(StrEnum):
    """What `list` names."""

    BENCHMARKS = "benchmarks"
    PERTURBATIONS = "perturbations"


class PerturbForm(StrEnum):
    """Form of prompts in which variants must differ from each other."""

    BASE = "base"
    CHAT = "chat"


JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")]
Targets = Annotated[list[str], typer.Argument(help="A suite file or name, or benchmarks such as mbpp:sanitized.")]
Data = Annotated[Path | None, typer.Option(help="The benchmark's original file on disk.")]
Limit = Annotated[int | None, typer.Option(help="Only the first so many problems of each benchmark.")]
Count = Annotated[int | None, typer.Option("--n", "-n", help="Completions per problem.")]
Ks = Annotated[str | None, typer.Option("--k", help="The k of pass@k, e.g. 1,10.")]
Temperature = Annotated[float | None, typer.Option(help="0 is greedy.")]
MaxTokens = Annotated[int | None, typer.Option(help="Token limit per completion.")]
Seed = Annotated[int | None, typer.Option(help="Seed of generation.")]
PromptMode = Annotated[
    str | None, typer.Option(help="zero_shot, few_shot, zero_shot_cot, few_shot_cot, or a YAML file.")
]
System = Annotated[str | None, typer.Option(help="System message of chat prompts.")]
Replicas = Annotated[int | None, typer.Option(help="Model replicas; all GPUs if empty, else one.")]
Isolation = Annotated[str | None, typer.Option(help="auto, full, rootless, restricted or none.")]
Judge = Annotated[str | None, typer.Option(help="auto, inside or split: where tests run.")]
Cache = Annotated[
    bool | None, typer.Option("--cache/--no-cache", help="Serve programs that were judged before from disk.")
]
Perturb = Annotated[
    list[str] | None,
    typer.Option(help="Ask these perturbed forms too: names, families, or smoke, core, full; repeatable."),
]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Any key: --set generation.top_p=0.9")]

KEYS = {
    "n": "generation.n",
    "temperature": "generation.temperature",
    "max_tokens": "generation.max_tokens",
    "seed": "generation.seed",
    "replicas": "model.replicas",
    "step": "model.step",
    "isolation": "execution.isolation",
    "judge": "execution.judge",
    "cache": "execution.cache",
    "perturb": "perturbations.names",
}
"""Configuration keys of flags that are not called as their key is."""


def flag_values(*, k: str | None, output: Path | None, **flags: Any) -> dict[str, Any]:  # noqa: ANN401 - one per flag
    """Configuration keys and values of what was typed; None where nothing was.

    Raises:
        UserError: `k` holds something else than whole numbers.
    """
    values = {KEYS.get(name, name): value for name, value in flags.items()}
    return {**values, "report.k": _ks(k), "output": str(output) if output else None}


def _ks(text: str | None) -> list[int] | None:
    try:
        return [int(part) for part in text.split(",")] if text else None
    except ValueError as error:
        raise UserError(f"--k {text}: give whole numbers with commas between, e.g. --k 1,10.") from error
