"""What `benchmarks_perf.generation` measures: each part is one function that takes one round and gives its figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from actors.generator import Sampling
from benchmarks.problem import Prompt
from benchmarks_perf.machine import has_gpu
from benchmarks_perf.pipeline import START, run_command
from benchmarks_perf.session import DriverFailed
from benchmarks_perf.timings import Timings, timings

PATIENCE_SECONDS = 900.0
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What all parts share."""

    benchmark: str
    """Registry name: `humaneval`, or `starter` where its file is not at hand."""
    data: Path | None
    """HumanEval's file; None for `starter`, which comes with the package."""
    prompts: Sequence[Prompt]
    """Its base prompts, in order."""
    folder: Path
    """For checkpoints, jobs and runs."""
    threads: int
    """CPU threads of a model replica."""
    n: int
    """Completions per prompt."""
    max_tokens: int


def vllm_round(inputs: Inputs, model: Path, engine: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Plain `LLM.generate` and the `vllm` generator through the pipeline: same prompts, seeds and engine settings.

    Raises:
        DriverFailed: one of both failed.
    """
    sampling = Sampling(temperature=0.8, top_p=0.95, max_tokens=inputs.max_tokens)
    samples = [
        {"prompt": prompt.text, "seed": sampling.seed_of(prompt, index)}
        for prompt in inputs.prompts
        for index in range(inputs.n)
    ]
    shared = {"temperature": 0.8, "top_p": 0.95, "max_tokens": inputs.max_tokens, "stop": list(inputs.prompts[0].stop)}
    job = {"model": str(model), "engine": dict(engine), "sampling": shared, "samples": samples}
    plain = _driver("plain_vllm", job, inputs, _cpu_environment(inputs.threads))
    ours = _codeassay(inputs, f"vllm:{model}", engine, f"{name}-ours")
    rate = plain["tokens"] / plain["seconds"]
    return {
        "plain": {**plain, "tokens_per_second": rate},
        "ours": {**asdict(ours), "tokens_per_second": ours.tokens_per_second},
        "ratio": ours.tokens_per_second / rate,
        "first_execution_share": ours.first_execution_share,
        "first_lag_batches": ours.first_lag_batches,
    }


def transformers_round(inputs: Inputs, model: Path) -> dict[str, Any]:
    """One prompt at a time through `model.generate`, and the `transformers` generator, both in one process.

    Raises:
        DriverFailed: the process failed.
    """
    prompts = [prompt.text for prompt in inputs.prompts]
    job = {"model": str(model), "prompts": prompts, "max_tokens": inputs.max_tokens}
    told = _driver("plain_transformers", {**job, "threads": inputs.threads, "batch_size": 16}, inputs, {})
    rates = {name: told[name]["tokens"] / told[name]["seconds"] for name in ("plain", "ours")}
    return {**told, "tokens_per_second": rates, "ratio": rates["ours"] / rates["plain"]}


def _cpu_environment(threads: int) -> dict[str, str]:
    """What our own generator sets for its engine on CPUs; nothing where there is a GPU."""
    if has_gpu():
        return {}
    return {
        "OMP_NUM_THREADS": str(threads),
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_CPU_KVCACHE_SPACE": "2",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
    }


def _driver(module: str, job: Mapping[str, Any], inputs: Inputs, environment: Mapping[str, str]) -> dict[str, Any]:
    """Run a driver in a process of its own and read what it tells."""
    path = inputs.folder / f"{module}.json"
    path.write_text(json.dumps(job))
    argv = [sys.executable, "-m", f"benchmarks_perf.drivers.{module}", str(path)]
    done = subprocess.run(
        argv,
        env={**os.environ, **environment},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    told = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not told:
        raise DriverFailed(f"{module} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    result: dict[str, Any] = json.loads(told[-1].removeprefix("RESULT "))
    return result


def _codeassay(inputs: Inputs, model: str, engine: Mapping[str, Any], name: str) -> Timings:
    """`codeassay run humaneval` over the same prompts in a fresh run directory."""
    output = inputs.folder / name
    sets = {
        **{f"model.{key}": value for key, value in engine.items() if key in ("dtype", "max_model_len")},
        "model.engine": {key: value for key, value in engine.items() if key not in ("dtype", "max_model_len")},
        "model.threads": inputs.threads,
        "tracking.enabled": False,
    }
    argv = [
        *(sys.executable, "-c", START, "run", inputs.benchmark, "--model", model),
        *(("--data", str(inputs.data)) if inputs.data else ()),
        *("--limit", str(len(inputs.prompts)), "--n", str(inputs.n), "--temperature", "0.8"),
        *("--max-tokens", str(inputs.max_tokens), "--no-cache", "--output", str(output), "--json"),
        *[part for key, value in sets.items() for part in ("--set", f"{key}={json.dumps(value)}")],
    ]
    run_command(argv, inputs.folder, patience_seconds=PATIENCE_SECONDS)
    return timings(output)
