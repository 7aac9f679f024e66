"""The data of the page's problem browser, packed: problems, what each run did with them, and texts within a budget."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.asked import readable_prompt
from engine.compare import Comparison
from engine.page.choose import ProblemKey, ProblemSamples, choose, samples_by_problem, texts_of
from engine.page.inputs import PageRun
from runners.program import Status

MOST_SAMPLES = 8_000
"""Texts of at most so many different programs are in one page."""
MOST_BYTES = 7_000_000
"""Of the packed data; where it is more, fewer samples are taken."""
MOST_CHARS = 12_000
"""Of one text; the rest is cut, and the cut is told."""
TEXTS = ("completion", "program", "error", "stdout_tail", "stderr_tail")
FACTS = ("finish_reason", "completion_tokens", "generation_seconds", "cpu_seconds", "judge", "tests_passed")
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """What the page embeds."""

    packed: str
    """JSON, deflated (RFC 1950), in base64: no character of it means anything to HTML."""
    note: str
    """What is not in the page; empty if all is."""


class _Texts:
    """A table of texts, each once."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._number: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of a text in the table, cut where it is too long."""
        if len(text) > MOST_CHARS:
            text = f"{text[:MOST_CHARS]}\n[{len(text) - MOST_CHARS:,} characters more]"
        text = _SURROGATES.sub("\ufffd", text)
        if text not in self._number:
            self._number[text] = len(self.all)
            self.all.append(text)
        return self._number[text]


def browser_data(runs: Sequence[PageRun], comparisons: Sequence[Comparison]) -> Browser:
    """Pack what the browser shows of all runs; where that is too much, fewer samples of each problem."""
    found = [samples_by_problem(run) for run in runs]
    flips = [(each.benchmark, task) for one in comparisons for each in one.compared for task in (*each.won, *each.lost)]
    budget = MOST_SAMPLES
    while True:
        chosen = choose(found, flips, budget)
        packed = _pack(_data(runs, found, chosen))
        if len(packed) <= MOST_BYTES or budget < 2:
            return Browser(packed=packed, note=_note(found, chosen))
        budget = min(budget, sum(map(len, chosen))) // 2


def _note(found: Sequence[Mapping[ProblemKey, ProblemSamples]], chosen: Sequence[set[str]]) -> str:
    """What is left out: samples whose program is already there are told by their number, and are not left out."""
    groups = [group for run in found for samples in run.values() for group in samples.groups]
    shown = sum(map(len, chosen))
    if shown == len(groups):
        return ""
    return (
        f"Shown with their texts are {shown:,} of {len(groups):,} different programs, of each problem one per outcome "
        "first. Counts are of all samples; all texts are in samples/ of the run directories."
    )


def _data(
    runs: Sequence[PageRun], found: Sequence[Mapping[ProblemKey, ProblemSamples]], chosen: Sequence[set[str]]
) -> dict[str, Any]:
    texts = _Texts()
    rows = [texts_of(run, [*TEXTS, *FACTS], ids) for run, ids in zip(runs, chosen, strict=True)]
    values = [_values(run) for run in runs]
    prompts = _prompts(runs)
    asked = [(name, task) for run in runs for name, plan in run.planned.items() for task in plan.task_ids]
    keys = list(dict.fromkeys([*asked, *(key for run in found for key in run)]))  # in the benchmark's own order
    problems = [
        {
            "benchmark": key[0],
            "task": key[1],
            **_asked(prompts.get(key), texts),
            "runs": [
                _done(samples.get(key), value.get(key), own, texts)
                for samples, value, own in zip(found, values, rows, strict=True)
            ],
        }
        for key in keys
    ]
    return {
        "runs": [{"name": run.name, "step": run.step} for run in runs],
        "statuses": [status.value for status in Status],
        "problems": problems,
        "texts": texts.all,
    }


def _prompts(runs: Sequence[PageRun]) -> dict[ProblemKey, tuple[str, list[str]]]:
    """Prompt and tags of each problem, from the first run that kept them."""
    found: dict[ProblemKey, tuple[str, list[str]]] = {}
    for run in runs:
        names = {(name.partition("/")[0], plan.variant): name for name, plan in run.planned.items()}
        for row in run.problems.to_pylist():
            name = names.get((row["benchmark"], row["variant"]), row["benchmark"])
            found.setdefault((name, row["task_id"]), (row["prompt"], row["tags"]))
    return found


def _asked(prompt: tuple[str, list[str]] | None, texts: _Texts) -> dict[str, Any]:
    if prompt is None:
        return {"prompt": None, "tags": []}
    return {"prompt": texts.number(readable_prompt(prompt[0])), "tags": prompt[1]}


def _done(
    samples: ProblemSamples | None, value: float | None, rows: Mapping[str, Mapping[str, Any]], texts: _Texts
) -> dict[str, Any] | None:
    """What one run did with one problem; None where it was not asked."""
    if samples is None:
        return None
    shown = [
        {
            "index": group.sample_index,
            "status": group.status,
            "count": group.count,
            **_sample(rows[group.sample_id], texts),
        }
        for group in samples.groups
        if group.sample_id in rows
    ]
    return {"statuses": samples.statuses, "value": value, "samples": shown}


def _sample(row: Mapping[str, Any], texts: _Texts) -> dict[str, Any]:
    told = {name: texts.number(str(row[name])) for name in TEXTS if row[name]}
    facts = {name: row[name] for name in FACTS if row[name] not in (None, "", [])}
    return told | facts


def _values(run: PageRun) -> dict[ProblemKey, float]:
    """The headline score of each problem."""
    found: dict[ProblemKey, float] = {}
    for name, plan in run.planned.items():
        score = plan.metrics[0]
        metric = f"{score}_at_1" if score == "pass" or score.endswith("_pass") else score
        found |= {(name, task): round(value, 6) for task, value in run.scored(name).by_problem(metric).items()}
    return found


def _pack(data: Mapping[str, Any]) -> str:
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(zlib.compress(text.encode(), 6)).decode()
