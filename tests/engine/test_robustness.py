"""Robustness from sample rows: small runs whose numbers are worked out by hand."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from engine.metrics import PlannedBenchmark
from engine.paired import holm
from engine.resampled import Resampling
from engine.robustness import Robustness, robustness_from, robustness_of
from engine.scored_rows import ScoredRows
from tests.engine.rows import sample_row, sample_table

QUICK = Resampling(resamples=200)

Passed = Mapping[str, Sequence[int | None]]
"""By task whether each sample passed; None is a fault of ours."""


def rows_of(variant: str, passed: Passed, label: str = "humaneval") -> list[dict[str, Any]]:
    words = {1: "passed", 0: "wrong_answer", None: "sandbox_error"}
    return [
        sample_row(task, words[one], sample_index=index, variant=variant, benchmark=label)
        for task, own in passed.items()
        for index, one in enumerate(own)
    ]


def plan_of(variant: str, passed: Passed, **fields: Any) -> PlannedBenchmark:
    """A plan of these problems; the perturbation is what stands before the first dot of the variant."""
    if variant != "nominal":
        name, *rest = variant.split(".")
        numbers = [int(part) for part in rest] + [1, 0][len(rest) :]
        told = {"perturbation": name, "family": "docstring", "severity": numbers[0], "seed": numbers[1]}
        fields = told | fields
    return PlannedBenchmark(
        metrics=("pass",),
        num_problems=len(passed),
        num_samples=max(len(own) for own in passed.values()),
        variant=variant,
        **fields,
    )


def robustness(
    variants: Mapping[str, Passed], fields: Mapping[str, Mapping[str, Any]] | None = None, **options: Any
) -> Robustness:
    """Robustness of one benchmark with these variants."""
    rows = [row for variant, passed in variants.items() for row in rows_of(variant, passed)]
    random.Random(1).shuffle(rows)
    table, scored = sample_table(rows), {}
    for variant, passed in variants.items():
        name = "humaneval" if variant == "nominal" else f"humaneval/{variant}"
        scored[name] = ScoredRows.of(name, table, plan_of(variant, passed, **(fields or {}).get(variant, {})))
    found = robustness_of(scored, "humaneval", options.pop("ks", (1,)), QUICK, **{"max_infra_errors": 1.0} | options)
    assert found is not None
    return found


NOMINAL_PASSES: Passed = {"a": [1], "b": [1], "c": [0], "d": [1]}


def test_a_perturbation_is_judged_on_the_problems_that_it_applies_to() -> None:
    """It applies to three of four problems: one broke, one was mended, one stayed."""
    found = robustness({"nominal": NOMINAL_PASSES, "typos.2": {"a": [0], "b": [1], "c": [1]}})
    typos = found.perturbations["typos.2"]
    assert typos.drop is not None and typos.flips is not None
    assert typos.flips.broken is not None and typos.flips.fixed is not None
    assert (typos.num_problems, typos.drop.num_left_out) == (3, 1)
    assert typos.drop.difference.mean == pytest.approx(0.0)
    assert typos.flips.flip_rate.value == pytest.approx(2 / 3)
    assert (typos.flips.broken.value, typos.flips.fixed.value) == (0.5, 1.0)


def test_faults_of_ours_leave_either_side() -> None:
    """A problem whose nominal or perturbed sample we failed on is no flip and no drop."""
    nominal: Passed = {"a": [1], "b": [None], "c": [1]}
    found = robustness({"nominal": nominal, "typos.1": {"a": [0], "b": [0], "c": [None]}})
    typos, family = found.perturbations["typos.1"], found.families["docstring"]
    assert typos.drop is not None and typos.flips is not None
    assert (typos.num_problems, typos.drop.difference.mean) == (1, -1.0)
    assert typos.flips.flip_rate.num_problems == 1
    assert family.robust is not None and family.robust.robust.num_problems == 1


def test_a_variant_with_too_many_faults_is_withheld() -> None:
    """Above the bound there are no numbers, with the reason, and no worst case counts it; others keep theirs."""
    variants: dict[str, Passed] = {
        "nominal": NOMINAL_PASSES,
        "typos.1": {"a": [None], "b": [0]},
        "swaps.1": {"a": [1], "b": [0]},
    }
    found = robustness(variants, max_infra_errors=0.1)
    assert found.perturbations["typos.1"].drop is None
    assert "50.0% of humaneval/typos.1 are above 10.0%" in found.perturbations["typos.1"].withheld
    assert found.perturbations["swaps.1"].withheld == ""
    assert found.families["docstring"].variants == ("swaps.1",)
    variants["nominal"] = {"a": [None], "b": [1]}
    nothing = robustness(variants, max_infra_errors=0.1)
    assert all(each.withheld for each in nothing.perturbations.values())
    assert (nothing.families, nothing.curves, nothing.noise, nothing.variance) == ({}, {}, None, None)


def test_seeds_are_one_perturbation() -> None:
    """A problem's seeds are averaged; the worst of them is ReCode's robust pass."""
    variants: dict[str, Passed] = {
        "nominal": NOMINAL_PASSES,
        "typos.1.1": {"a": [0], "b": [1]},
        "typos.1": {"a": [1], "b": [1], "d": [0]},
    }
    found = robustness(variants)
    assert list(found.perturbations) == ["typos.1"]
    typos = found.perturbations["typos.1"]
    assert typos.drop is not None and typos.over_seeds is not None
    assert typos.variants == ("typos.1", "typos.1.1")
    assert typos.drop.difference.mean == pytest.approx((-0.5 + 0.0 - 1.0) / 3)
    assert typos.over_seeds.robust.value == pytest.approx(1 / 3)


def test_worst_cases_are_over_the_variants_of_a_family() -> None:
    """Two perturbations, one of which does not apply to every problem; exactly two are there for two problems."""
    variants: dict[str, Passed] = {
        "nominal": NOMINAL_PASSES,
        "typos.1": {"a": [1], "b": [0], "c": [0], "d": [1]},
        "swaps.1": {"a": [1], "b": [1]},
    }
    family = robustness(variants, s=2).families["docstring"]
    assert family.worst is not None and family.robust is not None
    assert family.robust_s is not None and family.independent is not None
    assert (family.worst.worst.value, family.worst.mean_of_m) == (0.5, (1 + 0.5 + 0 + 1) / 4)
    assert (family.worst.min_variants, family.worst.max_variants, family.worst.num_common) == (1, 2, 2)
    assert family.worst.spread == 0.5
    assert (family.robust.robust.value, family.robust.nominal, family.independent.value) == (0.5, 0.75, 0.5)
    assert (family.robust_s.robust.value, family.robust_s.num_left_out) == (0.5, 2)


def test_what_misleads_and_replicas_and_baselines_are_in_no_worst_case() -> None:
    """They are reported by themselves; only the honest perturbation of the prefix is in its family."""
    fails: Passed = {"a": [0], "b": [0]}
    variants: dict[str, Passed] = {
        "nominal": NOMINAL_PASSES,
        "hint": fails,
        "half_solution": {"a": [1], "b": [1]},
        "dead": {"a": [0], "b": [1]},
        "replica.1": fails,
    }
    given: dict[str, Any] = {"baseline": "half_solution", "family": "prefix"}
    found = robustness(
        variants, {"hint": given | {"misleads": True}, "dead": given, "half_solution": {"family": "prefix"}}
    )
    assert list(found.perturbations) == ["hint", "half_solution", "dead"]
    assert found.perturbations["hint"].misleads
    assert {name: each.variants for name, each in found.families.items()} == {"prefix.half_solution": ("dead",)}
    worst = found.families["prefix.half_solution"].robust
    assert worst is not None and (worst.nominal, worst.robust.value) == (1.0, 0.5)


def test_a_perturbation_is_held_against_its_own_baseline() -> None:
    """Given half a solution all pass; dead code costs one of these, though it is better than nominal."""
    variants: dict[str, Passed] = {
        "nominal": {"a": [0], "b": [0]},
        "half_solution": {"a": [1], "b": [1]},
        "dead": {"a": [0], "b": [1]},
    }
    found = robustness(variants, {"dead": {"baseline": "half_solution"}})
    dead, half = found.perturbations["dead"].drop, found.perturbations["half_solution"].drop
    assert dead is not None and half is not None and dead.relative is not None
    assert (dead.difference.mean, dead.relative.value) == (-0.5, -0.5)
    assert (half.difference.mean, half.relative) == (1.0, None)


def test_replicas_are_the_noise_floor() -> None:
    """One of four verdicts changes by itself; the perturbation changes two of the same four."""
    variants: dict[str, Passed] = {
        "nominal": NOMINAL_PASSES,
        "replica.1": {"a": [1], "b": [1], "c": [0], "d": [0]},
        "typos.1": {"a": [0], "b": [0], "c": [0], "d": [1]},
    }
    found = robustness(variants)
    excess = found.perturbations["typos.1"].excess_flip
    assert found.noise is not None and found.replicas is not None and excess is not None
    assert (found.noise_source, found.noise.flip_rate.value) == ("replicas", 0.25)
    assert excess.mean == pytest.approx(0.5 - 0.25)
    assert (found.replicas.num_runs, found.replicas.mean) == (2, (0.75 + 0.5) / 2)


def test_sampled_answers_tell_their_noise_without_replicas() -> None:
    """Two of three samples pass: a pair of them differs with 2/3; a perturbation that does no more has no excess."""
    nominal: Passed = {"a": [1, 1, 0], "b": [0, 0, 0]}
    found = robustness({"nominal": nominal, "typos.1": nominal})
    assert found.noise is not None and found.variance is not None
    assert found.noise_source == "samples"
    assert found.noise.flip_rate.value == pytest.approx(1 / 3)
    assert found.variance.within == pytest.approx(1 / 6)
    typos = found.perturbations["typos.1"]
    assert typos.flips is not None and typos.excess_flip is not None
    assert typos.flips.flip_rate.value == pytest.approx((2 * 2 / 3 * 1 / 3) / 2)
    assert typos.excess_flip.mean < 0.0


def test_one_greedy_sample_tells_nothing_of_noise() -> None:
    """Neither source: no floor is claimed, and no excess."""
    found = robustness({"nominal": NOMINAL_PASSES, "typos.1": {"a": [0]}})
    assert (found.noise, found.noise_source, found.perturbations["typos.1"].excess_flip) == (None, "", None)


def test_greedy_samples_are_paired_by_index() -> None:
    """The same passes at the same indices do not flip; a lost sample takes its pair with it."""
    nominal: Passed = {"a": [1, 0, 1], "b": [0, 1, 0]}
    variant: Passed = {"a": [1, 0, None], "b": [None, 1, 1]}
    flips = robustness({"nominal": nominal, "typos.1": variant}, paired=True).perturbations["typos.1"].flips
    assert flips is not None and flips.flip_rate.value == pytest.approx((0 + 1 / 2) / 2)


def test_severities_make_a_curve() -> None:
    """Over the two problems that have all three: 0, one and two of two broken."""
    variants: dict[str, Passed] = {
        "nominal": NOMINAL_PASSES,
        "typos.3": {"a": [0], "b": [0]},
        "typos.1": {"a": [1], "b": [1], "d": [0]},
        "typos.2": {"a": [0], "b": [1]},
        "swaps.1": {"a": [0]},
    }
    found = robustness(variants)
    assert list(found.curves) == ["typos"]
    curve = found.curves["typos"]
    assert curve.severities == (1.0, 2.0, 3.0)
    assert [each.mean for each in curve.drops] == [0.0, -0.5, -1.0]
    assert (curve.slope.mean, curve.area.mean) == pytest.approx((-0.5, -0.5))
    assert (curve.num_problems, curve.num_left_out) == (2, 2)


def test_p_values_are_adjusted_over_all_perturbations() -> None:
    """Holm over those that have one."""
    nominal = {f"t{i}": [1] for i in range(12)}
    variants: dict[str, Passed] = {"nominal": nominal}
    for name, broken in (("typos.1", 9), ("swaps.1", 6), ("cases.1", 0)):
        variants[name] = {f"t{i}": [int(i >= broken)] for i in range(12)}
    each = robustness(variants).perturbations.values()
    assert [one.p_adjusted for one in each] == holm([one.drop.difference.p_value for one in each if one.drop])


def test_problems_that_share_a_source_are_one() -> None:
    """Copies under two names: the clustered interval is no narrower than that of the originals."""
    nominal = {f"t{i}": [1] for i in range(20)} | {f"u{i}": [1] for i in range(20)}
    variant = {task: [int(int(task[1:]) % 3 > 0)] for task in nominal}
    clusters = {("humaneval", task): task[1:] for task in nominal}
    variants: dict[str, Passed] = {"nominal": nominal, "typos.1": variant}
    alone, shared = robustness(variants), robustness(variants, clusters=clusters)
    drops = [found.perturbations["typos.1"].drop for found in (alone, shared)]
    assert drops[0] is not None and drops[1] is not None
    assert (drops[0].difference.num_clusters, drops[1].difference.num_clusters) == (40, 20)
    assert drops[1].difference.standard_error > 1.3 * drops[0].difference.standard_error


def _rich() -> Robustness:
    variants: dict[str, Passed] = {
        "nominal": {"a": [1, 1], "b": [1, 0], "c": [0, 0]},
        "replica.1": {"a": [1, 1], "b": [1, 1], "c": [0, 0]},
        "typos.1": {"a": [1, 0], "b": [1, 1], "c": [0, 0]},
        "typos.2": {"a": [0, 0], "b": [1, 0], "c": [0, 1]},
        "typos.2.1": {"a": [0, 1], "b": [1, 0]},
    }
    return robustness(variants, {"typos.2": {"dropped": {"invalid": 1}}, "typos.2.1": {"dropped": {"invalid": 2}}}, s=2)


def test_numbers_have_flat_names() -> None:
    """Each is under the benchmark and what it is of; what the gate left out is counted over seeds."""
    found = _rich()
    flat = found.flat("humaneval")
    typos, family = found.perturbations["typos.2"], found.families["docstring"]
    assert typos.drop is not None and typos.flips is not None
    assert family.worst is not None and family.robust_s is not None
    assert flat["humaneval/robust/typos.2/drop"] == typos.drop.difference.mean
    assert flat["humaneval/robust/typos.2/drop.ci_low"] == typos.drop.difference.interval.low
    assert flat["humaneval/robust/typos.2/flip_rate"] == typos.flips.flip_rate.value
    assert flat["humaneval/robust/typos.2/invalid"] == 3
    assert flat["humaneval/robust/family/docstring/worst_pass_at_1"] == family.worst.worst.value
    assert flat["humaneval/robust/family/docstring/robust_pass_2_at_1"] == family.robust_s.robust.value
    assert flat["humaneval/robust/severity/typos/slope"] == found.curves["typos"].slope.mean
    assert flat["humaneval/robust/noise/flip_rate"] == pytest.approx(0.5 / 3)
    assert all(name.replace("/", "").replace(".", "").replace("_", "").isalnum() for name in flat)
    assert all(isinstance(value, int | float) for value in flat.values())


def test_robustness_survives_json() -> None:
    """What was written is read back equal; other fields are refused."""
    found = _rich()
    assert robustness_from(json.loads(json.dumps(found.to_plain(), allow_nan=False))) == found
    with pytest.raises(ValueError, match="this version"):
        robustness_from({"k": 1})


def test_a_larger_k_is_that_of_drops() -> None:
    """With pass@2 of two samples a problem passes if either does."""
    variants: dict[str, Passed] = {"nominal": {"a": [1, 0], "b": [1, 1]}, "typos.1": {"a": [0, 0], "b": [0, 1]}}
    drop = robustness(variants, ks=(2,)).perturbations["typos.1"].drop
    assert drop is not None and (drop.baseline, drop.difference.mean) == (1.0, -0.5)


def test_a_benchmark_without_perturbed_forms_has_no_robustness() -> None:
    """Also one whose headline is no pass, and one that another benchmark's variants stand beside."""
    passed: Passed = {"a": [1]}
    table = sample_table([*rows_of("nominal", passed), *rows_of("typos.1", passed)])
    plain = {"humaneval": ScoredRows.of("humaneval", table, plan_of("nominal", passed))}
    assert robustness_of(plain, "humaneval") is None
    other = {"mbpp/typos.1": ScoredRows.of("mbpp/typos.1", table, plan_of("typos.1", passed))}
    assert robustness_of({**plain, **other}, "humaneval") is None
    scores = PlannedBenchmark(metrics=("bleu", "pass"), num_problems=1, num_samples=1)
    perturbed = ScoredRows.of("humaneval/typos.1", table, plan_of("typos.1", passed))
    both = {"humaneval": ScoredRows.of("humaneval", table, scores), "humaneval/typos.1": perturbed}
    assert robustness_of(both, "humaneval") is None


def test_no_rows_at_all_fail_nothing() -> None:
    """A run before its first sample."""
    passed: Passed = {"a": [1]}
    empty = sample_table([])
    plans = {"humaneval": plan_of("nominal", passed), "humaneval/typos.1": plan_of("typos.1", passed)}
    scored = {name: ScoredRows.of(name, empty, plan) for name, plan in plans.items()}
    found = robustness_of(scored, "humaneval", max_infra_errors=1.0)
    assert found is not None and found.perturbations["typos.1"].drop is None
    assert found.flat("humaneval")["humaneval/robust/typos.1/num_problems"] == 0


def test_given_code_is_not_charged_with_the_noise_of_nominal_prompts() -> None:
    one = {"t0": [1], "t1": [0]}
    found = robustness(
        {"nominal": one, "replica.1": {"t0": [0], "t1": [1]}, "half_solution": one, "dead_code.1": one, "typos.1": one},
        {"dead_code.1": {"baseline": "half_solution", "family": "syntax"}},
    )
    assert found.perturbations["dead_code.1"].excess_flip is None
    excess = found.perturbations["typos.1"].excess_flip
    assert excess is not None and excess.mean == -1.0
