"""The two stages as Ray Data builds them: what all actors share arrives once per node through the object store."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import ray

from actors.attempts import Attempts
from actors.conversation import Conversation
from actors.execute import Execute
from actors.generate import Generate
from actors.generator import Generator, GeneratorDied, Sampling
from actors.judging import Policy
from actors.models import ModelSpec, open_generator
from actors.options import GeneratorOptions
from actors.reference_generator import References
from actors.replay_generator import ReplayFile
from benchmarks.benchmark import Benchmark


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelKit:
    """What all Generate actors share."""

    spec: ModelSpec
    options: GeneratorOptions
    references: References
    stored: ReplayFile | None
    cache: Path
    """Where checkpoints that lie elsewhere are kept on each node."""
    conversations: Mapping[str, Benchmark] = field(default_factory=dict)
    """Benchmarks whose answers are asked about, by label."""


class GenerateStage(Generate):
    """A Generate actor; `shared` refers to a ModelKit."""

    def __init__(self, run_dir: str, shared: ray.ObjectRef, sampling: Sampling, replicas: int = 1) -> None:
        """Fetch what is shared; the model is loaded when the first row needs it.

        Args:
            run_dir: where completions are committed.
            shared: see the class.
            sampling: how completions are drawn.
            replicas: actors of this stage; failed openings are counted over all of them.
        """
        self._attempts = Attempts(Path(run_dir))

        def opener() -> Generator:
            self._attempts.begin(replicas)
            kit: ModelKit = ray.get(shared)
            return open_generator(kit.spec, kit.options, kit.references, stored=kit.stored, cache=kit.cache)

        def conversations() -> dict[str, Conversation]:
            kit: ModelKit = ray.get(shared)
            return {label: Conversation.of(benchmark) for label, benchmark in kit.conversations.items()}

        super().__init__(run_dir, opener, sampling, conversations)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """As Generate; where the back end died, this process ends, so that Ray starts it anew and repeats the batch."""
        try:
            return super().__call__(batch)
        except GeneratorDied as error:
            self._attempts.died(f"{type(error).__name__}: {error}")
            sys.stderr.flush()
            os._exit(1)


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
