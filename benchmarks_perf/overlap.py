"""Generation elsewhere, execution here: how much longer both together take than the longer of them alone."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actors.generator import Sampling
from actors.openai_generator import OpenAIGenerator
from actors.options import GeneratorOptions
from benchmarks.humaneval import STOP
from benchmarks.problem import Prompt
from benchmarks_perf.drivers.protocol import Sample
from benchmarks_perf.generation_parts import PATIENCE_SECONDS
from benchmarks_perf.pipeline import START, replay, run_command
from benchmarks_perf.subjects import Settings
from benchmarks_perf.timings import timings

CONCURRENCY = 32
_ROOT = Path(__file__).resolve().parents[1]


def overlap_round(
    samples: Sequence[Sample], data: Path, folder: Path, *, n: int, seconds: float, cores: set[int]
) -> dict[str, Any]:
    """One round: generation alone, execution alone, both through the pipeline.

    Args:
        samples: distinct programs.
        data: HumanEval's file.
        folder: for runs and the server's file.
        n: completions of each problem.
        seconds: that the endpoint waits per request.
        cores: processors for execution.

    Raises:
        DriverFailed: a command failed.
    """
    kept = _evened(samples, n)
    settings = Settings(isolation="full", timeout_seconds=3.0, evalplus_data=data)
    executed = replay(kept, data, settings, workers=len(cores), cores=cores)
    with _server(kept, folder, seconds) as url:
        alone = asyncio.run(_generate_all(url, kept, n))
        output = folder / "overlap"
        run_command(_command(url, data, kept, n, output), folder, patience_seconds=PATIENCE_SECONDS)
    both = timings(output)
    execution = len(kept) / executed.samples_per_second
    return {
        "samples": len(kept),
        "n": n,
        "wait_seconds": seconds,
        "generation_alone_seconds": alone,
        "execution_alone_seconds": execution,
        "together_seconds": both.total_seconds,
        "ratio": both.total_seconds / max(alone, execution),
        "first_execution_share": both.first_execution_share,
        "first_lag_batches": both.first_lag_batches,
    }


def _evened(samples: Sequence[Sample], n: int) -> list[Sample]:
    """So many different programs of each problem: its samples in turn, repeated ones told apart by a comment."""
    of_problem: dict[str, list[Sample]] = {}
    for sample in samples:
        of_problem.setdefault(sample["task_id"], []).append(sample)
    return [_copy(own[index % len(own)], index // len(own)) for own in of_problem.values() for index in range(n)]


def _copy(sample: Sample, number: int) -> Sample:
    return {**sample, "completion": f"{sample['completion']}\n# {number}\n"} if number else sample


@contextmanager
def _server(samples: Sequence[Sample], folder: Path, seconds: float) -> Iterator[str]:
    """The waiting endpoint in a process of its own; its base URL."""
    stored = folder / "answers.jsonl"
    stored.write_text("".join(json.dumps({k: s[k] for k in ("prompt", "completion")}) + "\n" for s in samples))  # type: ignore[literal-required]
    argv = [sys.executable, "-m", "benchmarks_perf.waiting_server", str(stored), str(seconds)]
    process = subprocess.Popen(argv, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.terminate()
        process.wait()


async def _generate_all(url: str, samples: Sequence[Sample], n: int) -> float:
    """Seconds of all requests through the generator alone, as many in flight as a run has."""
    generator = OpenAIGenerator(url, "waits", GeneratorOptions(concurrency=CONCURRENCY))
    prompts = {sample["task_id"]: sample["prompt"] for sample in samples}
    asked = [Prompt(task_id=task_id, form="base", text=text, stop=STOP) for task_id, text in prompts.items()]
    began = time.perf_counter()
    await asyncio.gather(*(generator.generate(prompt, Sampling(temperature=0.8), range(n)) for prompt in asked))
    seconds = time.perf_counter() - began
    await generator.close()
    return seconds


def _command(url: str, data: Path, samples: Sequence[Sample], n: int, output: Path) -> list[str]:
    sets = {"model.form": "base", "model.concurrency": CONCURRENCY, "execution.cpu_seconds": 3.0}
    numbers = [int(sample["task_id"].rpartition("/")[2]) for sample in samples]
    return [
        *(sys.executable, "-c", START, "run", "humaneval", "--data", str(data), "--model", f"openai:{url}#waits"),
        *("--limit", str(1 + max(numbers)), "--n", str(n), "--no-cache", "--output", str(output), "--json"),
        *[part for key, value in sets.items() for part in ("--set", f"{key}={value}")],
        *("--set", "tracking.enabled=false", "--isolation", "full"),
    ]
