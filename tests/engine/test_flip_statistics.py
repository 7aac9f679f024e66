"""Flips: held against counting every pair of samples."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from engine.flip_statistics import excess_flip, flip_shares, flips_of, self_flip_shares
from engine.paired import mcnemar
from engine.robust_statistics import BoolArray
from engine.statistics import wilson_interval


def _passes(seed: int, count: int = 10) -> tuple[list[BoolArray], list[list[BoolArray]]]:
    """A baseline and one to three variants of each problem, each with a number of samples of its own."""
    rng = np.random.default_rng(seed)
    before = [rng.random(rng.integers(1, 6)) < 0.6 for _ in range(count)]
    return before, [[rng.random(rng.integers(1, 6)) < 0.5 for _ in range(rng.integers(1, 4))] for _ in range(count)]


def test_flips_of_sampled_answers_are_the_mean_over_all_pairs() -> None:
    """Each sample before against each sample after, per variant, then over variants, then over problems."""
    before, after = _passes(0)
    pairs = [[list(itertools.product(x, v)) for v in y] for x, y in zip(before, after, strict=True)]
    broken = [np.mean([np.mean([b and not a for b, a in each]) for each in variants]) for variants in pairs]
    fixed = [np.mean([np.mean([a and not b for b, a in each]) for each in variants]) for variants in pairs]
    passed = [each.mean() for each in before]
    found = flips_of(flip_shares(before, after, paired=False))
    assert found is not None and found.broken is not None and found.fixed is not None
    assert found.flip_rate.value == pytest.approx(np.mean(broken) + np.mean(fixed), abs=1e-12)
    assert found.consistency == pytest.approx(1.0 - found.flip_rate.value, abs=1e-12)
    assert found.broken.value == pytest.approx(np.sum(broken) / np.sum(passed), abs=1e-12)
    assert found.fixed.value == pytest.approx(np.sum(fixed) / (10 - np.sum(passed)), abs=1e-12)


def test_flips_of_greedy_answers_are_counts() -> None:
    """One sample each: 1 of 3 passes broke, 2 of 3 failures were fixed, half of all changed; Wilson's intervals."""
    before, after = [1, 1, 1, 0, 0, 0], [1, 1, 0, 1, 1, 0]
    for paired in (True, False):
        found = flips_of(flip_shares([[b] for b in before], [[[a]] for a in after], paired=paired))
        assert found is not None and found.broken is not None and found.fixed is not None
        assert (found.flip_rate.value, found.flip_rate.interval) == (0.5, wilson_interval(3, 6))
        assert (found.broken.value, found.fixed.value) == pytest.approx((1 / 3, 2 / 3))
        assert (found.broken.interval, found.fixed.interval) == (wilson_interval(1, 3), wilson_interval(2, 3))


def test_pairs_by_index_hold_each_sample_against_its_own() -> None:
    """The same passes in the same order do not flip; the same number of them in another order does."""
    assert flip_shares([[1, 0]], [[[1, 0]]], paired=True).flipped_P.tolist() == [0.0]
    assert flip_shares([[1, 0]], [[[0, 1]]], paired=True).flipped_P.tolist() == [1.0]
    assert flip_shares([[1, 0]], [[[0, 1]]], paired=False).flipped_P.tolist() == [0.5]


@pytest.mark.parametrize("passed", [[1, 1, 0], [1, 0], [1, 1, 1, 1], [0, 0, 0], [1, 0, 0, 1, 0]])
def test_flips_within_a_prompt_are_over_pairs_of_different_samples(passed: list[int]) -> None:
    """A sample is never held against itself."""
    pairs = list(itertools.permutations(passed, 2))
    found = self_flip_shares([passed])
    assert found.flipped_P[0] == pytest.approx(np.mean([a != b for a, b in pairs]), abs=1e-12)
    assert found.broken_P[0] == pytest.approx(np.mean([a and not b for a, b in pairs]), abs=1e-12)


def test_flips_within_a_prompt_are_unbiased() -> None:
    """Over all outcomes of three samples that pass with 0.3, the expectation is 2 * 0.3 * 0.7."""
    outcomes = list(itertools.product((0, 1), repeat=3))
    chances = [math.prod(0.3 if one else 0.7 for one in outcome) for outcome in outcomes]
    flipped_P = self_flip_shares(outcomes).flipped_P
    assert float(np.dot(chances, flipped_P)) == pytest.approx(2 * 0.3 * 0.7, abs=1e-12)


def test_problems_without_a_pair_have_no_share() -> None:
    """No variant, a variant without samples, no baseline, one sample alone."""
    shares = flip_shares([[1], [1], [], [1]], [[], [[]], [[1]], [[0], []]], paired=False)
    assert np.isnan(shares.flipped_P).tolist() == [True, True, True, False]
    found = flips_of(shares)
    assert found is not None and found.flip_rate.num_problems == 1
    assert flips_of(self_flip_shares([[1], []])) is None
    assert flips_of(flip_shares([], [], paired=True)) is None


def test_shares_that_have_no_whole_are_unknown() -> None:
    """Where all passed nothing can be fixed, and where none passed nothing can break."""
    perfect, hopeless = (flips_of(flip_shares([[p], [p]], [[[p]], [[p]]], paired=True)) for p in (1, 0))
    assert perfect is not None and hopeless is not None
    assert (perfect.fixed, hopeless.broken) == (None, None)
    assert perfect.broken is not None and hopeless.fixed is not None
    assert perfect.broken.value == hopeless.fixed.value == perfect.flip_rate.value == 0.0


def test_excess_is_taken_on_the_problems_that_both_have() -> None:
    """Five flips of nine against one of noise; a tenth problem has no replica, and greedy pairs give McNemar."""
    before = [[1]] * 10
    perturbed = flip_shares(before, [[[0]]] * 5 + [[[1]]] * 5, paired=True)
    noise = flip_shares(before, [[[1]]] * 8 + [[[0]]] + [[]], paired=True)
    found = excess_flip(perturbed, noise)
    assert found is not None
    assert found.mean == pytest.approx(5 / 9 - 1 / 9)
    assert (found.num_problems, found.p_value) == (9, mcnemar(5, 1))


def test_a_perturbation_that_does_nothing_has_no_excess() -> None:
    """Where it flips what noise flips, zero remains."""
    before, after = _passes(1)
    shares = flip_shares(before, after, paired=False)
    found = excess_flip(shares, shares)
    assert found is not None and (found.mean, found.p_value) == (0.0, 1.0)
    gone = flip_shares(before, [[] for _ in before], paired=False)
    assert excess_flip(shares, gone) is None


def test_pairs_that_do_not_fit_are_refused() -> None:
    """Lengths, values and clusters are checked."""
    shares = flip_shares([[1]], [[[1]]], paired=True)
    with pytest.raises(ValueError, match="got"):
        flip_shares([[1, 0]], [[[1]]], paired=True)
    with pytest.raises(ValueError, match="got"):
        flip_shares([[1]], [], paired=True)
    with pytest.raises(ValueError, match="got"):
        flip_shares([[1]], [[[7]]], paired=True)
    with pytest.raises(ValueError, match="got"):
        flips_of(shares, clusters_P=["a", "b"])
    with pytest.raises(ValueError, match="got"):
        excess_flip(shares, flip_shares([], [], paired=True))
