from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from engine.statistics import FloatArray
from engine.timeline import (
    EMPTY,
    idle_share,
    intersection,
    length,
    most_at_once,
    overlap_share,
    pool_sizes,
    union,
    unions_by,
)

SEEDS = range(50)
END = 60
"""Random intervals lie in [0, END] with whole numbers for ends, so that every unit cell is wholly in or out."""


def intervals(*pairs: tuple[float, float]) -> FloatArray:
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def made_up(seed: int, most: int = 12) -> FloatArray:
    """Up to so many intervals, some of them empty, some touching, some turned round."""
    chance = np.random.default_rng(seed)
    starts = chance.integers(0, END, chance.integers(0, most + 1))
    ends = np.minimum(starts + chance.integers(-2, 12, starts.size), END)
    return np.column_stack([starts, ends]).astype(np.float64)


def cells(found: FloatArray) -> set[int]:
    """The unit cells that intervals hold, one by one."""
    return {cell for start, end in found.tolist() for cell in range(int(start), int(end))}


def is_merged(found: FloatArray) -> bool:
    """Whether intervals are not empty, in order, and neither overlap nor touch."""
    flat = found.ravel()
    return bool((np.diff(flat) > 0).all())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_union_holds_what_any_interval_holds(seed: int) -> None:
    """Cell by cell; the result is sorted and disjoint, and its length is the number of cells."""
    found = union(made_up(seed))
    assert cells(found) == cells(made_up(seed))
    assert is_merged(found)
    assert length(found) == len(cells(made_up(seed)))


@pytest.mark.parametrize("seed", SEEDS)
def test_an_intersection_holds_what_both_hold(seed: int) -> None:
    """Cell by cell, whichever comes first."""
    one, other = made_up(seed), made_up(1000 + seed)
    found = intersection(union(one), union(other))
    assert cells(found) == cells(one) & cells(other)
    assert is_merged(found)
    assert np.array_equal(found, intersection(union(other), union(one)))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_most_at_once_is_the_fullest_cell(seed: int) -> None:
    """One that ends where another starts is not open beside it."""
    found = made_up(seed)
    fullest = max((sum(start <= cell < end for start, end in found.tolist()) for cell in range(END)), default=0)
    assert most_at_once(found) == fullest


@pytest.mark.parametrize("seed", SEEDS)
def test_unions_by_group_are_those_of_each_group_alone(seed: int) -> None:
    """Groups without an interval have an empty one."""
    found = made_up(seed, most=40)
    group_N = np.random.default_rng(seed).integers(0, 3, len(found))
    for number, merged in enumerate(unions_by(group_N, found, 4)):
        assert np.array_equal(merged, union(found[group_N == number]))


def brute_idle(members: Sequence[FloatArray], spans: Sequence[tuple[int, int]]) -> float | None:
    """Idle cells over all cells of all members that are alive at once."""
    capacity = work = 0
    for start, end in spans:
        own = [sorted(cells(member) & set(range(start, end))) for member in members]
        lives = [set(range(busy[0], busy[-1] + 1)) for busy in own if busy]
        capacity += max((sum(cell in life for life in lives) for cell in range(start, end)), default=0) * (end - start)
        work += sum(map(len, own))
    return 1 - work / capacity if capacity else None


@pytest.mark.parametrize("seed", SEEDS)
def test_idle_share_counts_cells_without_work(seed: int) -> None:
    """Three members and two spans with a pause between them, cell by cell."""
    members = [union(made_up(seed + offset, most=6)) for offset in (0, 2000, 3000)]
    spans = ((0, 25), (35, 50))
    assert idle_share(members, intervals(*spans)) == pytest.approx(brute_idle(members, spans))


@pytest.mark.parametrize("seed", SEEDS)
def test_overlap_is_the_share_of_the_shorter(seed: int) -> None:
    """Common cells over the cells of the smaller set; None where one is empty."""
    one, other = made_up(seed), made_up(1000 + seed)
    fewer = min(len(cells(one)), len(cells(other)))
    expected = len(cells(one) & cells(other)) / fewer if fewer else None
    assert overlap_share(union(one), union(other)) == pytest.approx(expected)


def test_a_member_that_was_replaced_is_not_counted_beside_its_successor() -> None:
    """Two replicas, one of which died and was started anew under another name: a pool of two."""
    members = [intervals((0, 10)), intervals((0, 4)), intervals((5, 10))]
    assert pool_sizes(members, intervals((0, 10))).tolist() == [2]
    assert idle_share(members, intervals((0, 10))) == pytest.approx(1 / 20)


def test_nothing_is_idle_where_nothing_was_done() -> None:
    """No members, no spans, or work outside all spans: no share."""
    assert idle_share([], intervals((0, 10))) is None
    assert idle_share([intervals((0, 1))], EMPTY) is None
    assert idle_share([intervals((0, 1))], intervals((5, 10))) is None
    assert pool_sizes([], EMPTY).tolist() == []
