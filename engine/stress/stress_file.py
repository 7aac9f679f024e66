"""What `stress sandbox` and `stress engine` leave: stress.json, a plot, and what MLflow is told."""

from __future__ import annotations

import os
import shlex
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.environment import describe_environment
from engine.places import runs_root
from engine.stress import files
from engine.stress.plots import DPI, STYLE
from engine.tracking_stress import StressRun, save_stress

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Metrics = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A stress test that has ended."""

    target: str
    """`sandbox` or `engine`."""
    configuration: Mapping[str, Any]
    results: Mapping[str, Any]
    ok: bool
    """Whether what the test demands was held: nothing got out, nothing was lost."""
    started_at: float
    """Seconds since the epoch."""
    series: Sequence[Metrics]
    """Metrics of each step for MLflow."""
    totals: Metrics
    draw: Callable[[Sequence[Axes]], None]
    """Draws the plot's panels."""
    num_panels: int


def open_directory(target: str, asked: Path | None) -> Path:
    """The folder of a stress test, made where it is missing: `asked`, else <runs>/stress/<target>-<time>.

    Raises:
        UserError: it cannot be written, or holds a stress test already.
    """
    directory = asked.expanduser() if asked else runs_root() / "stress" / f"{target}-{time.strftime('%Y%m%d-%H%M%S')}"
    files.claim(directory)
    return directory.resolve()


def write_measured(directory: Path, measured: Measured) -> dict[str, Any]:
    """Write stress.json, the plot, and what MLflow is to be told; gives the content of stress.json."""
    summary = {
        "target": measured.target,
        "status": "complete",
        "ok": measured.ok,
        "run_key": uuid.uuid4().hex,
        "command": shlex.join(["codeassay", *sys.argv[1:]]),
        "started_at": measured.started_at,
        "finished_at": time.time(),
        "configuration": dict(measured.configuration),
        "environment": {**describe_environment({}), "is_root": os.geteuid() == 0},
        "results": dict(measured.results),
    }
    written = files.write_summary(directory, summary)
    save_stress(_tracked(measured, summary), directory)
    _draw(measured, directory / files.PLOTS / f"{measured.target}.png")
    return written


def _tracked(measured: Measured, summary: Mapping[str, Any]) -> StressRun:
    git = str(summary["environment"]["git"] or "")
    return StressRun(
        run_key=str(summary["run_key"]),
        name=f"stress {measured.target}",
        tracking_uri=None,
        experiment="codeassay/stress",
        params=measured.configuration,
        tags={"codeassay.stress": measured.target, "mlflow.source.git.commit": git},
        series=measured.series,
        totals=measured.totals,
        started_at=measured.started_at,
        finished_at=float(summary["finished_at"]),
    )


def _draw(measured: Measured, path: Path) -> None:
    """Draw without a display and without global state."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(0.8 + 4.2 * measured.num_panels, 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(f"codeassay stress {measured.target}", fontsize=10)
        measured.draw(list(figure.subplots(1, measured.num_panels, squeeze=False)[0]))
        for kind in (".png", ".svg"):
            figure.savefig(path.with_suffix(kind), dpi=DPI)
