"""The two stages as Ray Data builds them: what all actors share arrives once per node through the object store."""

from __future__ import annotations

from collections.abc import Mapping

import ray

from actors.execute import Execute
from actors.generate import Generate
from actors.generator import Sampling
from actors.judging import Policy
from actors.models import open_generator


class GenerateStage(Generate):
    """A Generate actor; `shared` refers to (ModelSpec, GeneratorOptions, references, stored samples)."""

    def __init__(self, run_dir: str, shared: ray.ObjectRef, sampling: Sampling) -> None:
        """Fetch what is shared; the model is loaded when the first row needs it."""

        def opener() -> object:
            spec, options, references, stored = ray.get(shared)
            return open_generator(spec, options, references, stored=stored)

        super().__init__(run_dir, opener, sampling)  # type: ignore[arg-type]


class ExecuteStage(Execute):
    """An Execute actor; `shared` refers to (benchmarks by label, calibration)."""

    def __init__(
        self,
        run_dir: str,
        shared: ray.ObjectRef,
        isolation: str,
        limits: Mapping[str, float],
        policy: Policy,
        verdicts: str | None = None,
    ) -> None:
        """Fetch the benchmarks and open the sandbox; `verdicts` is the directory of the verdict cache."""
        benchmarks, calibration = ray.get(shared)
        super().__init__(run_dir, benchmarks, isolation, limits, policy, calibration, verdicts)
