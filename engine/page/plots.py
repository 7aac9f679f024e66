"""All plots of the report page, in the order in which one reads them; those without anything to draw are left out."""

from __future__ import annotations

from collections.abc import Sequence

from engine.compare import Comparison
from engine.page import plot_differences, plot_samples, plot_scores, plot_tags, plot_timeline
from engine.page.figure import Figure
from engine.page.inputs import PageRun
from engine.page.plot_data import Known
from engine.page.plot_style import styled


def draw(runs: Sequence[PageRun], comparisons: Sequence[Comparison]) -> list[Figure]:
    """Draw what the runs have to show.

    Args:
        runs: at least one, in the order in which they are shown.
        comparisons: between some of them; may be empty.
    """
    known = Known()
    with styled():
        figures = (
            plot_scores.score_by_step(runs),
            plot_differences.forest(comparisons),
            plot_scores.pass_at_k(runs, known),
            plot_differences.flips(comparisons, runs, known),
            plot_samples.statuses(runs),
            plot_tags.tags(runs, known),
            plot_differences.robustness(runs, known),
            plot_samples.latency(runs, known),
            plot_timeline.timeline(runs, known),
        )
        return [figure for figure in figures if figure is not None]
