"""`codeassay perturb`: the variants of a benchmark that pass the gate, as a file for use anywhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.perturbations.check import REASONS, Reason
from benchmarks.perturbations.gate import Gated, gate
from benchmarks.problem import PromptForm
from benchmarks.registry import load_benchmark, parse_spec
from engine.asking import AnyBenchmark, limited
from engine.config import PerturbationConfig
from engine.needed import check_languages, with_environments
from engine.perturbing import GateJudge, rewriter, variant_records, wanted_of, write_variants
from engine.places import cache_root
from runners.errors import UserError
from runners.sandbox import open_sandbox


def perturbation_config(names: list[str], severities: list[int], seeds: int, llm: str | None) -> PerturbationConfig:
    """The configuration of what was typed.

    Raises:
        UserError: `llm` is no endpoint.
    """
    try:
        return PerturbationConfig(names=names, severities=severities, seeds=seeds, llm=llm)
    except ValidationError as error:
        raise UserError(f"--llm {llm}: {error.errors()[0]['msg']}. Write openai:URL#MODEL.") from None


def perturb(
    spec: str,
    config: PerturbationConfig,
    output: Path,
    *,
    data: Path | None,
    limit: int | None,
    form: PromptForm,
    as_json: bool,
) -> None:
    """Make, gate and write the variants of one benchmark; show how many were kept and why others were not.

    Raises:
        UserError: an unknown benchmark or perturbation, data that cannot be had, a sandbox that is not there, or a
            file that cannot be written.
    """
    wanted, err = wanted_of(config), Console(stderr=True)
    benchmark = _ready(spec, data, limit)
    err.print(f"{spec}: making and checking variants of {len(benchmark.problems())} problems", style="dim")
    with GateJudge("auto") as judge:
        gated = gate(benchmark, wanted, form, judge, splits=judge.splits, rewrite=rewriter(config))
        records = variant_records(spec, benchmark, gated, judge.isolation)
    write_variants(output, [record for record in records if record["gate"] == "kept"])
    if as_json:
        print(json.dumps(_summary(spec, gated, output)))  # noqa: T201
    else:
        Console().print(_table(gated))
        Console().print(_totals(gated, output), soft_wrap=True, highlight=False, markup=False)


def _ready(spec: str, data: Path | None, limit: int | None) -> AnyBenchmark:
    """The benchmark with what its programs need."""
    name, options = parse_spec(spec)
    benchmark = limited(load_benchmark(name, options | ({"data": data} if data else {}), cache_root() / "data"), limit)
    sandbox = open_sandbox("auto")
    try:
        check_languages({spec: benchmark}, sandbox, judge="auto")
        benchmark = with_environments({spec: benchmark}, sandbox)[spec]
        benchmark.prepare(sandbox, cache_root() / "expected")
    finally:
        sandbox.close()
    return benchmark


def _summary(spec: str, gated: Gated, output: Path) -> dict[str, Any]:
    return {
        "benchmark": spec,
        "output": str(output),
        "kept": len(gated.kept()),
        "variants": gated.counts(),
        "unverified": dict(gated.unverified),
    }


def _table(gated: Gated) -> Table:
    shown: Sequence[Reason] = REASONS
    table = Table("variant", box=None, pad_edge=False)
    for reason in shown:
        table.add_column(reason.replace("_", " "), justify="right")
    for name, counts in gated.counts().items():
        cells = [Text(str(counts[reason] or "-"), _style(reason, counts[reason])) for reason in shown]
        table.add_row(Text(name, "bold"), *cells)
    return table


def _style(reason: Reason, count: int) -> str:
    if not count:
        return "dim"
    return "red" if reason == "invalid" else ""


def _totals(gated: Gated, output: Path) -> str:
    kept, made = len(gated.kept()), sum(variant.problem is not None for variant in gated.variants)
    left = f"; {len(gated.unverified)} problems have no reference that passes" if gated.unverified else ""
    return f"{kept} of {made} variants passed the gate{left}: {output}"
