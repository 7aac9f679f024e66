"""What latencies of a run look like: distributions of what its requests and executions took.

Definitions are those of `vllm bench serve` (vllm/benchmarks/serve.py, calculate_metrics): TTFT is the first token's
arrival minus the sending, E2E the last token's arrival minus the sending, TPOT (E2E - TTFT) / (output tokens - 1) of
completions with two tokens or more, ITL the gaps between arrivals, pooled over all completions. Percentiles interpolate
linearly. Completions that failed are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """What a set of measured values looks like, in their own unit."""

    count: int
    """Values that were measured."""
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(
        cls, values: NDArray[np.floating], *, count: int | None = None, maximum: float | None = None
    ) -> Distribution | None:
        """The distribution of values, in any order; None of no values.

        Args:
            values: all of them, or a fair sample.
            count: how many there are where `values` is a sample.
            maximum: the largest of all where `values` is a sample.
        """
        if not values.size:
            return None
        ordered = np.sort(values)  # a sum depends on the order of its terms
        p50, p90, p95, p99 = (float(value) for value in np.percentile(ordered, PERCENTILES))
        return cls(
            count=values.size if count is None else count,
            mean=float(ordered.mean(dtype=np.float64)),
            p50=p50,
            p90=p90,
            p95=p95,
            p99=p99,
            max=float(ordered[-1]) if maximum is None else maximum,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Distributions by name; a name is missing where nothing was measured."""

    generation: dict[str, Distribution] = field(default_factory=dict)
    """`queue_seconds`, `ttft_seconds`, `itl_seconds`, `tpot_seconds`, `e2e_seconds`, `prompt_tokens` (per request) and
    `completion_tokens`."""
    execution: dict[str, Distribution] = field(default_factory=dict)
    """`queue_seconds`, `compile_seconds`, `run_seconds` (wall time), `cpu_seconds`, `peak_memory_bytes`; each program
    of a problem once, those that did not run (an earlier run's verdict) or on which we failed not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Inter-token gaps of one benchmark, in seconds: all, or a fair sample where there are too many for memory."""

    values: NDArray[np.float32]
    count: int
    """How many there are."""
    maximum: float
    """The largest of all."""
