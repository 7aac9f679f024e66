"""How fast completions come through the whole pipeline, beside the engine alone, in one run on one machine.

`python -m benchmarks_perf.generation` prints the ratios and files them; README.md says what is measured and how.
"""

from __future__ import annotations

import datetime
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.registry import load_benchmark
from benchmarks_perf.generation_parts import Inputs, transformers_round, vllm_round
from benchmarks_perf.machine import file_result, has_gpu, machine
from benchmarks_perf.overlap import overlap_round
from benchmarks_perf.random_model import make
from benchmarks_perf.session import DriverFailed
from benchmarks_perf.summary import spread
from benchmarks_perf.workload import distinct, stored

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared" / "data"
PARTS = ("vllm", "vllm-micro", "transformers", "overlap")
GOALS = {"vllm": ("at least", 0.95), "transformers": ("at least", 3.0), "overlap": ("at most", 1.15)}
ENGINE = {"max_model_len": 1024, "max_num_seqs": 256, "max_num_batched_tokens": 4096}
"""Engine settings of both sides; named, since vLLM's own defaults differ between its two entry points."""
ON_CPUS = {"enable_chunked_prefill": False}
"""vLLM's seeded requests end the engine on CPUs where a prompt is read in pieces."""
OVERLAP_N = 20
"""Completions per prompt of part overlap."""
console = Console(width=max(Console().width, 110), highlight=False)


def main(
    data: Annotated[Path, typer.Option(help="HumanEval.jsonl(.gz)")] = SHARED / "humaneval/HumanEval.jsonl.gz",
    samples: Annotated[Path, typer.Option(help="a model's samples of HumanEval, verdicts beside them")] = (
        SHARED / "samples/humaneval_codegen_16b_mono_n10.jsonl.gz"
    ),
    only: Annotated[list[str] | None, typer.Option(help=f"one of {', '.join(PARTS)}; may be repeated")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="how often everything is measured")] = 3,
    subset: Annotated[int | None, typer.Option(min=1, help="only the first so many problems")] = None,
    size: Annotated[str, typer.Option(help="of the random-weight model of part vllm")] = "100m",
    dtype: Annotated[str, typer.Option(help="of weights and engine of the vllm parts")] = "float32",
    eager: Annotated[bool, typer.Option(help="without torch.compile and CUDA graphs")] = True,
    n: Annotated[int, typer.Option(min=1, help="completions per prompt")] = 4,
    max_tokens: Annotated[int, typer.Option(min=1)] = 64,
    wait: Annotated[float, typer.Option(help="seconds per request of the waiting endpoint")] = 0.25,
    results: Annotated[Path, typer.Option(help="folder for the result file")] = HERE / "results",
) -> None:
    """Measure the pipeline against plain engines."""
    load_before = os.getloadavg()
    benchmark = _benchmark(data)
    problems = benchmark.problems()[:subset]
    threads = len(os.sched_getaffinity(0))
    folder = Path(tempfile.mkdtemp(prefix="codeassay-generation-"))
    inputs = Inputs(
        benchmark=benchmark.name,
        data=data if data.exists() else None,
        prompts=[benchmark.prompt(problem, "base") for problem in problems],
        folder=folder,
        threads=threads,
        n=n,
        max_tokens=max_tokens,
    )
    texts = [f"{problem.prompt}{problem.reference}" for problem in problems]
    setup = Setup(
        texts=texts,
        size=size,
        samples=samples,
        wait_seconds=wait,
        engine={**ENGINE, **({} if has_gpu() else ON_CPUS), "dtype": dtype, "enforce_eager": eager},
    )
    found: dict[str, Any] = {}
    try:
        for part in only or [part for part in PARTS if not part.startswith("vllm") or find_spec("vllm")]:
            found[part] = _rounds(part, _round(part, inputs, setup), rounds)
    except DriverFailed as error:
        console.print(str(error), style="red", markup=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    asked = {"rounds": rounds, "subset": subset, "size": size, "n": n, "max_tokens": max_tokens, "wait_seconds": wait}
    result = _result({**asked, "engine": setup.engine, "threads": threads}, load_before, found)
    _show(found)
    console.print(f"written to {file_result('generation', result, results)}", markup=False)


def _result(config: Mapping[str, Any], load_before: Sequence[float], found: Mapping[str, Any]) -> dict[str, Any]:
    """What the result file holds."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": shlex.join(["python", "-m", "benchmarks_perf.generation", *sys.argv[1:]]),
        "machine": machine(),
        "load_average": {"before": load_before, "after": os.getloadavg()},
        "config": config,
        "parts": found,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What single parts need."""

    texts: list[str]
    """What tokenizers are learned from."""
    size: str
    samples: Path
    wait_seconds: float
    engine: dict[str, Any]


def _benchmark(data: Path) -> Any:  # noqa: ANN401 - benchmarks are generic in their options
    """HumanEval from its file; without one the package's own problems."""
    name, options = ("humaneval", {"data": data}) if data.exists() else ("starter", {})
    return load_benchmark(name, options, Path(tempfile.gettempdir()))


def _round(part: str, inputs: Inputs, setup: Setup) -> Callable[[int], Mapping[str, Any]]:
    """What one round of a part is; makes the checkpoint it needs.

    Raises:
        typer.BadParameter: there is no such part, or its data is not at hand.
    """
    model = inputs.folder / part
    if part in ("vllm", "vllm-micro"):
        make(model, setup.size if part == "vllm" else "1m", setup.texts, dtype=setup.engine["dtype"])
        return lambda number: vllm_round(inputs, model, setup.engine, f"{part}-{number}")
    if part == "transformers":
        make(model, "10m", setup.texts)
        return lambda number: transformers_round(inputs, model)
    if part == "overlap" and inputs.data:
        return _overlap(inputs, inputs.data, setup)
    raise typer.BadParameter(f"'{part}': choose from {', '.join(PARTS)}; overlap needs --data and --samples")


def _overlap(inputs: Inputs, data: Path, setup: Setup) -> Callable[[int], Mapping[str, Any]]:
    programs = distinct(stored(setup.samples, data, subset=len(inputs.prompts), timeouts=False).samples)
    cores = set(sorted(os.sched_getaffinity(0))[:2])
    return lambda number: overlap_round(
        programs, data, _fresh(inputs.folder / f"o{number}"), n=OVERLAP_N, seconds=setup.wait_seconds, cores=cores
    )


def _fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _rounds(part: str, measure: Callable[[int], Mapping[str, Any]], count: int) -> dict[str, Any]:
    taken: list[Mapping[str, Any]] = []
    for number in range(count):
        console.print(f"{part}: round {number + 1} of {count}", style="dim")
        taken.append(measure(number))
        console.print(f"  ratio {taken[-1]['ratio']:.3f}", style="dim")
    return {"ratio": spread([each["ratio"] for each in taken]), "rounds": taken, "goal": _goal(part, taken)}


def _goal(part: str, taken: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    if part not in GOALS:
        return None
    word, bound = GOALS[part]
    median = spread([each["ratio"] for each in taken])["median"]
    return {"bound": f"{word} {bound}", "met": median >= bound if word == "at least" else median <= bound}


def _show(found: Mapping[str, Any]) -> None:
    table = Table("part", "ratio", "rounds", "goal", "met")
    for part, figures in found.items():
        ratio, goal = figures["ratio"], figures["goal"] or {"bound": "", "met": ""}
        rounds = ", ".join(f"{value:.3f}" for value in ratio["rounds"])
        table.add_row(part, f"{ratio['median']:.3f}", rounds, goal["bound"], str(goal["met"]))
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
