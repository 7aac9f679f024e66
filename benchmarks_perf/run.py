"""One run of the execution benchmark: which subjects over which workloads, round after round, to one result."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks_perf.measure import Measurement, measure, throughput
from benchmarks_perf.session import DriverFailed
from benchmarks_perf.subjects import BARE_FORK, HUMAN_EVAL, INSIDE, SUBJECTS, Settings, Subject
from benchmarks_perf.summary import spread, summarize
from benchmarks_perf.workload import Workload
from runners.errors import UserError

Say = Callable[[str], None]


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

    def slots(self) -> dict[str, Any] | None:
        """Throughput of two slots on two cores against one, over the first workload; None where it was not measured."""
        inside = next((subject for subject in self.subjects if subject.name == INSIDE), None)
        cores = sorted(os.sched_getaffinity(0))[-2:]
        if inside is None or len(cores) < 2:
            self.skipped["two slots"] = "two processors and the executor 'inside' are needed"
            return None
        samples, taken = self.workloads[0].samples, []
        try:
            for number in range(self.rounds):
                self.say(f"slots: round {number + 1} of {self.rounds}")
                one, two = (
                    throughput(inside, samples, self.settings, slots=slots, cores=set(cores)) for slots in (1, 2)
                )
                taken.append((one, two))
        except DriverFailed as error:
            self.failed["two slots"] = str(error)
            return None
        return {
            "subject": INSIDE,
            "workload": self.workloads[0].name,
            "one": spread([one for one, _ in taken]),
            "two": spread([two for _, two in taken]),
            "speedup": spread([two / one for one, two in taken]),
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
