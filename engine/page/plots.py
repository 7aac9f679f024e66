"""All plots of the report page, in the order in which one reads them; those without anything to draw are left out."""

from __future__ import annotations

from collections.abc import Sequence

from engine.compare import Comparison
from engine.page import plot_samples, plot_scores
from engine.page.figure import Figure
from engine.page.inputs import PageRun
from engine.page.plot_style import styled


def draw(runs: Sequence[PageRun], comparisons: Sequence[Comparison]) -> list[Figure]:
    """Draw what the runs have to show.

    Args:
        runs: at least one, in the order in which they are shown.
        comparisons: between some of them; may be empty.
    """
    with styled():
        figures = (
            plot_scores.score_by_step(runs),
            plot_scores.forest(comparisons),
            plot_scores.pass_at_k(runs),
            plot_scores.flips(comparisons, runs),
            plot_samples.statuses(runs),
            plot_scores.tags(runs),
            plot_scores.robustness(runs),
            plot_samples.latency(runs),
            plot_samples.timeline(runs),
        )
        return [figure for figure in figures if figure is not None]
