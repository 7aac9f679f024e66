"""Answers that a perturbed prompt turned: what was changed in the prompt, and what was said to either."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.perturbations.catalogue import catalogue
from engine.asked import readable_prompt
from engine.page.choose import SLIM, texts_of
from engine.page.inputs import PageRun
from engine.robustness import REPLICA
from engine.scored_rows import PlannedBenchmark
from engine.store import read_samples
from runners.program import OURS, Status

MOST_FLIPS = 40
"""Pairs in one page, of each perturbation in turn, answers that broke before answers that were mended."""
MOST_CHARS = 6_000
"""Of one text; the rest is cut, and the cut is told."""
_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text, and whether the other text lacks it."""

    text: str
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two prompts with its answer."""

    name: str
    """Its variant."""
    prompt: tuple[Piece, ...]
    completion: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """One problem whose verdict changed with its prompt."""

    run: str
    benchmark: str
    task_id: str
    variant: str
    what: str
    """What the perturbation does, in words."""
    broken: bool
    """Whether it passed before; else it passed only with the perturbed prompt."""
    before: Side
    after: Side


_Key = tuple[str, str, str]
"""Benchmark's label, variant, task id."""
_Sample = tuple[str, str]
"""Sample id and status."""


def flips(runs: Sequence[PageRun]) -> list[Flip]:
    """Some of the verdicts that a perturbation changed in the last run that has any."""
    for run in reversed(runs):
        if any(plan.perturbation for plan in run.planned.values()):
            return _flips(run)
    return []


def _flips(run: PageRun) -> list[Flip]:
    samples = _samples(run)
    found = [list(_of_variant(name, plan, samples)) for name, plan in run.planned.items() if _is_perturbed(plan)]
    chosen = list(itertools.islice(_in_turn(found), MOST_FLIPS))
    texts = texts_of(run, ["completion"], {sample[0] for *_, pair in chosen for sample in pair})
    prompts = _prompts(run, {key for *_, keys, _ in chosen for key in keys})
    return [_flip(run, plan, keys, pair, texts, prompts) for plan, keys, pair in chosen]


_Found = tuple[PlannedBenchmark, tuple[_Key, _Key], tuple[_Sample, _Sample]]


def _is_perturbed(plan: PlannedBenchmark) -> bool:
    return bool(plan.perturbation) and plan.perturbation != REPLICA


def _samples(run: PageRun) -> dict[_Key, dict[int, _Sample]]:
    found: dict[_Key, dict[int, _Sample]] = {}
    for row in read_samples(run.run_dir, SLIM).to_pylist():
        key = (row["benchmark"], row["variant"], row["task_id"])
        found.setdefault(key, {})[row["sample_index"]] = (row["sample_id"], row["status"])
    return found


def _of_variant(name: str, plan: PlannedBenchmark, samples: Mapping[_Key, Mapping[int, _Sample]]) -> Iterator[_Found]:
    """The problems of one kind of variant whose verdict changed at some sample, those that broke first."""
    label = name.partition("/")[0]
    pairs: list[tuple[bool, _Found]] = []
    for task in plan.task_ids:
        keys = ((label, plan.baseline, task), (label, plan.variant, task))
        before, after = (samples.get(key, {}) for key in keys)
        for index in sorted(before.keys() & after.keys()):
            pair = (before[index], after[index])
            passed = [status == Status.PASSED for _, status in pair]
            if passed[0] != passed[1] and all(Status(status) not in OURS for _, status in pair):
                pairs.append((passed[0], (plan, keys, pair)))
                break
    yield from (found for _, found in sorted(pairs, key=lambda each: not each[0]))


def _in_turn(groups: Iterable[Sequence[_Found]]) -> Iterator[_Found]:
    """The first of each group, then the second of each, and so on."""
    rounds = itertools.zip_longest(*groups)
    yield from (found for one in rounds for found in one if found is not None)


def _prompts(run: PageRun, keys: set[_Key]) -> dict[_Key, str]:
    rows = run.problems.select(["benchmark", "variant", "task_id", "prompt"]).to_pylist()
    told = {(row["benchmark"], row["variant"], row["task_id"]): row["prompt"] for row in rows}
    return {key: readable_prompt(told[key]) for key in keys if key in told}


def _flip(
    run: PageRun,
    plan: PlannedBenchmark,
    keys: tuple[_Key, _Key],
    pair: tuple[_Sample, _Sample],
    texts: Mapping[str, Mapping[str, Any]],
    prompts: Mapping[_Key, str],
) -> Flip:
    label, variant, task = keys[1]
    pieces = marked(*(prompts.get(key, "") for key in keys))
    sides = [
        Side(name=key[1], prompt=prompt, completion=_cut(str(texts[sample]["completion"])), status=status)
        for key, prompt, (sample, status) in zip(keys, pieces, pair, strict=True)
    ]
    entry = catalogue().get(plan.perturbation)
    return Flip(
        run=run.name,
        benchmark=label,
        task_id=task,
        variant=variant,
        what=entry.summary if entry else plan.perturbation,
        broken=pair[0][1] == Status.PASSED,
        before=sides[0],
        after=sides[1],
    )


def marked(before: str, after: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Two texts, word by word: what the other lacks is marked."""
    words = [_TOKEN.findall(_cut(text)) for text in (before, after)]
    sides: tuple[list[Piece], list[Piece]] = ([], [])
    matcher = difflib.SequenceMatcher(None, words[0], words[1], autojunk=False)
    for kind, *places in matcher.get_opcodes():
        for side, tokens, (start, end) in zip(sides, words, (places[:2], places[2:]), strict=True):
            if start < end:
                side.append(Piece("".join(tokens[start:end]), changed=kind != "equal"))
    return tuple(sides[0]), tuple(sides[1])


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARS else f"{text[:MOST_CHARS]}\n[{len(text) - MOST_CHARS:,} characters more]"
