"""What several plots of the report page need of the same runs, computed once."""

from __future__ import annotations

from pathlib import Path

from benchmarks.problem import NOMINAL
from engine.measured import Measured
from engine.page.inputs import PageRun
from engine.scored_rows import ScoredRows


class Known:
    """Rows brought into the form that plots are computed from, kept by run directory."""

    def __init__(self) -> None:
        self._scored: dict[tuple[Path, str], ScoredRows] = {}
        self._measured: dict[Path, Measured | None] = {}

    def scored(self, run: PageRun, name: str) -> ScoredRows:
        """The rows of one planned benchmark."""
        key = (run.run_dir, name)
        if key not in self._scored:
            self._scored[key] = run.scored(name)
        return self._scored[key]

    def measured(self, run: PageRun) -> Measured | None:
        """What all rows of a run measured; None where there are none."""
        if run.run_dir not in self._measured:
            has_copies = run.run["identity"]["generation"].get("temperature") == 0
            scored = [self.scored(run, name) for name in run.planned]
            parts = [Measured.of(each.rows, each.problem_R, has_copies=has_copies) for each in scored if each.num_seen]
            self._measured[run.run_dir] = Measured.together(parts) if parts else None
        return self._measured[run.run_dir]


def is_given(run: PageRun, name: str) -> bool:
    """Whether a benchmark has scores in a run that are not withheld."""
    found = run.metrics.benchmarks.get(name)
    return name in run.planned and found is not None and not found.withheld


def is_nominal(run: PageRun, name: str) -> bool:
    """Whether problems are asked as they were written."""
    return run.planned[name].variant == NOMINAL


def first_metric(metrics: tuple[str, ...]) -> str:
    """What a benchmark is judged by: pass@1 where it has tests, else the first of its scores."""
    score = "pass" if "pass" in metrics else metrics[0]
    return f"{score}_at_1" if score.endswith("pass") else score
