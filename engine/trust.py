"""What speaks for and against trusting a run's numbers, as lines of text that terminal and page show alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.metrics import Metrics

TRUSTED_ISOLATIONS = frozenset({"full", "rootless"})
Level = Literal["", "weak", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line of the trust box."""

    label: str
    text: str
    level: Level = ""
    """`weak` lessens trust, `bad` keeps numbers from being given."""


def trust_facts(
    metrics: Metrics, isolation: str, gold: Mapping[str, Any], notes: Mapping[str, Sequence[str]]
) -> list[Fact]:
    """The lines for one run.

    Args:
        metrics: of the run.
        isolation: the level that the run asked for and got.
        gold: per benchmark its `references` and how many `passed`; None where none was run.
        notes: per benchmark what is to be known of its data.
    """
    return [*_judged(metrics, isolation), *_gold(gold), *_samples(metrics), *_data(notes)]


def _judged(metrics: Metrics, isolation: str) -> Iterator[Fact]:
    usage = metrics.overall.usage
    # What the run got may be weaker than what it says: the rows tell.
    weak = ({isolation} | set(usage.isolations)) - TRUSTED_ISOLATIONS
    yield Fact(label="isolation", text=_levels(usage.isolations) or isolation, level="weak" if weak else "")
    yield Fact(label="judge", text=_levels(usage.judges) or "none")
    yield from _passes(metrics)


def _passes(metrics: Metrics) -> Iterator[Fact]:
    """How many passes a program could have forged; nothing where no program passed."""
    inside, split = metrics.overall.usage.num_passed_inside, metrics.overall.usage.num_passed_split
    if not inside + split:
        return
    if not inside:
        yield Fact(label="passes", text=f"all {split:,} confirmed in split, out of the program's reach")
        return
    count = share_text(inside, inside + split) if split else f"all {inside:,}"
    where = {name: benchmark.usage.num_passed_inside for name, benchmark in metrics.benchmarks.items()}
    names = ", ".join(f"{name} {number:,}" for name, number in where.items() if number) if len(where) > 1 else ""
    text = f"{count} judged inside only, where a program could forge them" + (f" ({names})" if names else "")
    yield Fact(label="passes", text=text, level="weak")


def _gold(gold: Mapping[str, Any]) -> Iterator[Fact]:
    """Whether the benchmarks' own solutions pass their own tests here; nothing where that was not looked at."""
    known = {name: counts for name, counts in gold.items() if counts}
    if not known:
        return
    references = sum(counts["references"] for counts in known.values())
    passed = sum(counts["passed"] for counts in known.values())
    short = [name for name, counts in known.items() if counts["passed"] < counts["references"]]
    text = f"{passed:,} of {references:,} reference solutions pass in split"
    yield Fact(label="gold check", text=text + (f"; not all of {', '.join(short)}" if short else ""))


def _samples(metrics: Metrics) -> Iterator[Fact]:
    overall, usage = metrics.overall, metrics.overall.usage
    infra: Level = "bad" if overall.withheld else "weak" if overall.num_infra_errors else ""
    yield Fact(
        label="infra errors", text=share_text(overall.num_infra_errors, sum(overall.statuses.values())), level=infra
    )
    yield Fact(label="truncated", text=share_text(usage.num_truncated, usage.num_generated))
    yield Fact(label="duplicates", text=share_text(usage.num_duplicates, usage.num_programs))
    if usage.num_cached:
        known = share_text(usage.num_cached, usage.num_programs - usage.num_duplicates)
        yield Fact(label="from the cache", text=f"{known} programs were judged before and did not run")
    if usage.num_flaky:
        text = f"{usage.num_flaky:,} ran out of time beside other programs and not when run again alone"
        yield Fact(label="flaky timeouts", text=text, level="weak")
    if overall.num_problems_short:
        short = share_text(overall.num_problems_short, overall.num_problems)
        text = f"{short} problems have fewer than {metrics.ks[-1]} samples that count"
        yield Fact(label="short", text=text, level="weak")


def _data(notes: Mapping[str, Sequence[str]]) -> Iterator[Fact]:
    """What benchmarks say of their data; one that several share is told once."""
    named: dict[str, list[str]] = {}
    for name, texts in notes.items():
        for text in texts:
            named.setdefault(text, []).append(name)
    for text, names in named.items():
        yield Fact(label="data", text=f"{', '.join(names)}: {text}" if len(notes) > 1 else text)


def share_text(part: int, whole: int) -> str:
    """A count and its share: `3 of 180 (1.7%)`."""
    return f"{part:,} of {whole:,} ({part / whole:.1%})" if whole else "0"


def _levels(counts: Mapping[str, int]) -> str:
    return next(iter(counts)) if len(counts) == 1 else ", ".join(f"{name} {count:,}" for name, count in counts.items())
