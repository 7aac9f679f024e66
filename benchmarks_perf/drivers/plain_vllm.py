"""Plain vLLM: `LLM.generate` over a list of prompts, after a warm-up; tells tokens and seconds as one JSON line.

Run as `python -m benchmarks_perf.drivers.plain_vllm JOB.json`, in a process of its own. The job holds the model, engine
arguments, and one entry per sample: prompt, seed, and the sampling that all share.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

WARM_UP = 8
"""Samples of the warm-up; not counted."""


def main(path: Path) -> None:
    """Do the job."""
    from vllm import LLM, SamplingParams

    job: dict[str, Any] = json.loads(path.read_text())
    engine = LLM(model=job["model"], **job["engine"])
    shared = job["sampling"]
    prompts = [sample["prompt"] for sample in job["samples"]]
    sampling = [SamplingParams(seed=sample["seed"], **shared) for sample in job["samples"]]
    engine.generate(prompts[:WARM_UP], sampling[:WARM_UP], use_tqdm=False)
    engine.reset_prefix_cache()
    began = time.perf_counter()
    outputs = engine.generate(prompts, sampling, use_tqdm=False)
    seconds = time.perf_counter() - began
    tokens = [len(output.outputs[0].token_ids) for output in outputs]
    print("RESULT " + json.dumps({"tokens": sum(tokens), "seconds": seconds, "samples": len(tokens)}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
