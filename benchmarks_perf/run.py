"""One run of the execution benchmark: which subjects over which workloads, round after round, to one result."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks_perf.measure import Measurement, measure, throughput
from benchmarks_perf.pipeline import Replayed, replay
from benchmarks_perf.session import DriverFailed
from benchmarks_perf.subjects import AUTO, BARE_FORK, HUMAN_EVAL, INSIDE, SUBJECTS, Settings, Subject
from benchmarks_perf.summary import spread, summarize
from benchmarks_perf.workload import Workload, distinct
from runners.errors import UserError

Say = Callable[[str], None]
SCALED = (INSIDE, AUTO)
"""What is measured in two slots too."""
COPIES = 4
"""How often the pipeline runs each stored sample."""


@dataclass(slots=True, kw_only=True)
class Run:
    """What is measured, and what could not be."""

    settings: Settings
    subjects: Sequence[Subject]
    workloads: Sequence[Workload]
    rounds: int
    core: int
    say: Say
    """Tells the person who waits what is being done."""
    skipped: dict[str, str] = field(default_factory=dict)
    """What was left out, and why: nothing that is wrong with us."""
    failed: dict[str, str] = field(default_factory=dict)
    """What broke on the way, and its last words."""

    def measured(self) -> list[dict[str, Any]]:
        """Every workload's figures, subjects in turn within each round."""
        return [self._over(workload) for workload in self.workloads]

    def _over(self, workload: Workload) -> dict[str, Any]:
        taken: dict[str, list[Measurement]] = {subject.name: [] for subject in self.subjects}
        for number in range(self.rounds):
            for subject in self.subjects:
                if f"{subject.name}, {workload.name}" in self.failed:
                    continue
                self.say(f"{workload.name}: round {number + 1} of {self.rounds}, {subject.name}")
                try:
                    taken[subject.name].append(measure(subject, workload.samples, self.settings, self.core))
                except DriverFailed as error:
                    self.failed[f"{subject.name}, {workload.name}"] = str(error)
                    taken[subject.name].clear()
        figures = summarize(taken, bases=(HUMAN_EVAL, BARE_FORK))
        return {"name": workload.name, "description": workload.description, "subjects": figures}

    def slots(self) -> dict[str, Any]:
        """Per executor, throughput of two slots on two cores against one, over the first workload."""
        subjects = [subject for subject in self.subjects if subject.name in SCALED]
        cores = two_cores()
        if not subjects or len(cores) < 2:
            self.skipped["two slots"] = f"two processors and one of {', '.join(SCALED)} are needed"
            return {}
        samples, taken = self.workloads[0].samples, {subject: list[tuple[float, float]]() for subject in subjects}
        for number in range(self.rounds):
            for subject in subjects:
                self.say(f"slots: round {number + 1} of {self.rounds}, {subject.name}")
                try:
                    one, two = (throughput(subject, samples, self.settings, slots=n, cores=cores) for n in (1, 2))
                    taken[subject].append((one, two))
                except DriverFailed as error:
                    self.failed[f"two slots, {subject.name}"] = str(error)
        return {
            subject.name: {"workload": self.workloads[0].name, **_scaled(pairs)}
            for subject, pairs in taken.items()
            if pairs
        }

    def pipeline(self, data: Path, workload: Workload, workers: Sequence[int]) -> dict[str, Any]:
        """Per number of workers, `codeassay run` over stored samples against as many executors alone."""
        executor = next(subject for subject in SUBJECTS if subject.name == AUTO)
        samples, cores, found = distinct(workload.samples, copies=COPIES), two_cores(), dict[str, Any]()
        for count in workers:
            pairs: list[tuple[float, Replayed]] = []
            try:
                for number in range(self.rounds):
                    self.say(f"pipeline: round {number + 1} of {self.rounds}, {count} workers")
                    alone = throughput(executor, samples, self.settings, slots=count, cores=cores)
                    pairs.append((alone, replay(samples, data, self.settings, workers=count, cores=cores)))
            except DriverFailed as error:
                self.failed[f"pipeline, {count} workers"] = str(error)
                continue
            found[str(count)] = _against_alone(pairs)
        return found


def two_cores() -> set[int]:
    """The last two processors that we may use, or the only one."""
    return set(sorted(os.sched_getaffinity(0))[-2:])


def _scaled(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    return {
        "one": spread([one for one, _ in pairs]),
        "two": spread([two for _, two in pairs]),
        "speedup": spread([two / one for one, two in pairs]),
    }


def _against_alone(pairs: Sequence[tuple[float, Replayed]]) -> dict[str, Any]:
    return {
        "num_samples": pairs[0][1].num_executed,
        "alone": spread([alone for alone, _ in pairs]),
        "pipeline": spread([run.samples_per_second for _, run in pairs]),
        "ratio": spread([run.samples_per_second / alone for alone, run in pairs]),
        "middle_ratio": spread([run.middle_per_second / alone for alone, run in pairs]),
        "startup_seconds": spread([run.startup_seconds for _, run in pairs]),
        "ending_seconds": spread([run.ending_seconds for _, run in pairs]),
        "statuses": [run.statuses for _, run in pairs],
    }


def chosen(only: Sequence[str], settings: Settings, skipped: dict[str, str]) -> list[Subject]:
    """The subjects that were asked for and can be measured; the others' reasons go to `skipped`.

    Raises:
        UserError: there is no such subject.
    """
    names = [subject.name for subject in SUBJECTS]
    unknown = [name for name in only if name not in names]
    if unknown:
        raise UserError(f"--only '{unknown[0]}' is unknown; choose from: {', '.join(names)}.")
    wanted = [subject for subject in SUBJECTS if not only or subject.name in only]
    skipped |= {subject.name: reason for subject in wanted if (reason := subject.unavailable(settings))}
    return [subject for subject in wanted if subject.name not in skipped]
