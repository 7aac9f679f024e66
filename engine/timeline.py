"""Interval arithmetic: when at least one thing went on, when two went on together, and how much of a span was idle.

A set of intervals is an array of shape (N, 2) with a start and an end in each row, half open; a row whose end is not
after its start is empty. Merged sets are sorted and disjoint. All of it is one sweep over the starts and ends.
"""

from __future__ import annotations

import numpy as np

from engine.statistics import FloatArray
from engine.usage import IntArray

EMPTY: FloatArray = np.empty((0, 2))


def union(intervals_N2: FloatArray) -> FloatArray:
    """The times in at least one interval, merged; intervals that touch become one."""
    return _covered(intervals_N2, 1)


def intersection(merged_A2: FloatArray, merged_B2: FloatArray) -> FloatArray:
    """The times in both of two merged sets, merged."""
    return _covered(np.concatenate([merged_A2, merged_B2]), 2)


def length(merged_N2: FloatArray) -> float:
    """Total length of a merged set."""
    return float((merged_N2[:, 1] - merged_N2[:, 0]).sum())


def most_at_once(intervals_N2: FloatArray) -> int:
    """Most intervals that hold the same moment; one that ends when another starts makes room for it."""
    _, height_E = _sweep(intervals_N2, ends_first=True)
    return int(height_E.max(initial=0))


def unions_by(group_N: IntArray, intervals_N2: FloatArray, num_groups: int) -> list[FloatArray]:
    """The merged intervals of each group; group_N is a number in [0, num_groups) per interval."""
    ordered_N2 = intervals_N2[np.argsort(group_N, kind="stable")]
    counts = np.bincount(group_N, minlength=num_groups)[:num_groups]
    return [union(ordered_N2[end - count : end]) for count, end in zip(counts, np.cumsum(counts), strict=True)]


def pool_sizes(members: list[FloatArray], spans_S2: FloatArray) -> IntArray:
    """How many members a pool had in each span, shape (S,): the most whose lives hold the same moment.

    A life lasts from the first to the last work in the span. So a member that took the place of a dead one is not
    counted beside it; a member that never had work is not known of.
    """
    sizes = [most_at_once(_lives([intersection(own, span[None]) for own in members])) for span in spans_S2]
    return np.array(sizes, dtype=np.int64)


def idle_share(members: list[FloatArray], spans_S2: FloatArray) -> float | None:
    """1 - work / (members x span), in [0, 1]: the part of a pool's time in which its members had nothing to do.

    Args:
        members: merged intervals of each member's work; what lies outside the spans does not count.
        spans_S2: when the pool was there; a span in which no member worked does not count. Disjoint.

    Returns:
        None where no work lies in any span.
    """
    capacity = float((pool_sizes(members, spans_S2) * (spans_S2[:, 1] - spans_S2[:, 0])).sum())
    if capacity <= 0:
        return None
    spans = union(spans_S2)
    return max(0.0, 1.0 - sum(length(intersection(own, spans)) for own in members) / capacity)


def overlap_share(merged_A2: FloatArray, merged_B2: FloatArray) -> float | None:
    """|A and B| / min(|A|, |B|), in [0, 1]: 1 where the shorter lies wholly within the longer; None if one is empty."""
    shorter = min(length(merged_A2), length(merged_B2))
    return min(1.0, length(intersection(merged_A2, merged_B2)) / shorter) if shorter > 0 else None


def _lives(members: list[FloatArray]) -> FloatArray:
    lives = [(own[0, 0], own[-1, 1]) for own in members if len(own)]
    return np.array(lives) if lives else EMPTY


def _sweep(intervals_N2: FloatArray, *, ends_first: bool) -> tuple[FloatArray, IntArray]:
    """Every start and end in order, and how many intervals are open after it."""
    kept = intervals_N2[intervals_N2[:, 1] > intervals_N2[:, 0]]
    time_E = kept.T.ravel()
    change_E = np.repeat(np.array([1, -1], dtype=np.int64), len(kept))
    order = np.lexsort((change_E if ends_first else -change_E, time_E))
    return time_E[order], np.cumsum(change_E[order])


def _covered(intervals_N2: FloatArray, at_least: int) -> FloatArray:
    """Where at least so many intervals are open, merged."""
    time_E, height_E = _sweep(intervals_N2, ends_first=False)
    is_in = height_E >= at_least
    before = np.concatenate([[False], is_in[:-1]])
    covered = np.column_stack([time_E[is_in & ~before], time_E[~is_in & before]])
    return covered[covered[:, 1] > covered[:, 0]]
