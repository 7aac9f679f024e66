"""Expected outputs of EvalPlus: computed once from the canonical solutions, in the sandbox, and kept in the cache."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import evalplus_judge
from benchmarks.fetch import write_atomic
from runners.errors import DataError
from runners.program import MEBIBYTE, Limits, Program
from runners.sandbox import Sandbox

log = logging.getLogger(__name__)

JUDGE_SOURCE = inspect.getsource(evalplus_judge)
LOAD_JUDGE = (
    "_codeassay_judge = {'__name__': 'codeassay_judge'}\n"
    f"__import__('builtins').exec({JUDGE_SOURCE!r}, _codeassay_judge)\n"
)
GROUPS = ("base", "plus")
"""The two tests of every program, in order."""
MARKER = "codeassay-expected:"
MEMORY_BYTES = 4096 * MEBIBYTE
"""As in EvalPlus; a result of Mbpp/255 alone takes 1.2 GiB."""
LIMITS = Limits(
    cpu_seconds=120.0,
    wall_seconds=600.0,
    memory_bytes=MEMORY_BYTES,
    output_bytes=64 * MEBIBYTE,
    kept_bytes=64 * MEBIBYTE,
)
TIME_FACTOR = 4.0
"""A case may take this many times what the canonical solution takes, where that is more than CASE_SECONDS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canonical:
    """One problem's canonical solution and the inputs that it is run on."""

    task_id: str
    source: str
    entry_point: str
    inputs: tuple[str, str]
    """Literal text of the base and of the plus inputs."""
    not_none: bool
    """Whether only `result is not None` is expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is expected of one problem; each field holds base and plus."""

    expected: tuple[str | None, str | None]
    """Literal text of the list of results; None if it is too long to keep."""
    slow: tuple[Mapping[int, float], Mapping[int, float]]
    """CPU seconds of the cases that may take more than CASE_SECONDS."""


def truths(name: str, problems: Iterable[Canonical], sandbox: Sandbox, cache: Path) -> dict[str, Truth]:
    """Expected outputs by task_id, from the cache if they were computed for exactly these problems.

    The file is `<cache>/truth/<name>-<hash of solutions, inputs and comparison code>.json`.

    Raises:
        DataError: some canonical solutions give no usable outputs; lists them all with their reasons.
    """
    wanted = tuple(problems)
    path = cache / "truth" / f"{name}-{_key(wanted)}.json"
    known = _read(path)
    if known is not None and known.keys() == {problem.task_id for problem in wanted}:
        return known
    computed, failures = {}, []
    for problem in wanted:
        truth = _compute(problem, sandbox)
        if isinstance(truth, str):
            failures.append(f"{problem.task_id} ({truth})")
        else:
            computed[problem.task_id] = truth
    if failures:
        raise DataError(
            name,
            f"{len(failures)} of {len(wanted)} canonical solutions gave no expected outputs: {', '.join(failures)}.",
            cure="Check the data file, and the sandbox with `codeassay doctor`; then run again.",
        )
    body = {task_id: asdict(truth) for task_id, truth in computed.items()}
    write_atomic(path, json.dumps(body).encode())
    return computed


def judge_prelude(canonical: Canonical, truth: Truth, group: int) -> str:
    """Source that must stand before a problem's test: the comparison code and this group's expected results.

    Where the results are too long to keep (six tasks of HumanEval+), the canonical solution itself is what is expected.
    """
    lines = [LOAD_JUDGE, f"_codeassay_slow = {dict(truth.slow[group])!r}\n"]
    if truth.expected[group] is not None:
        lines.append(f"_codeassay_expected = {truth.expected[group]!r}\n")
    else:
        lines.append("_codeassay_canonical = {'__name__': 'builtins'}\n")
        lines.append(f"__import__('builtins').exec({canonical.source!r}, _codeassay_canonical)\n")
        lines.append(f"_codeassay_expected = _codeassay_canonical[{canonical.entry_point!r}]\n")
    return "".join(lines)


def _key(problems: tuple[Canonical, ...]) -> str:
    text = json.dumps([JUDGE_SOURCE, [asdict(problem) for problem in problems]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(path: Path) -> dict[str, Truth] | None:
    """The cached truths; None if there are none or the file is damaged (it is then computed anew)."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        return {task_id: _truth(fields) for task_id, fields in body.items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s is damaged (%s); the expected outputs are computed again.", path, error)
        return None


def _truth(fields: Mapping[str, list[object]]) -> Truth:
    base, plus = (None if text is None else str(text) for text in fields["expected"])
    slow = [{int(index): float(seconds) for index, seconds in dict(cases).items()} for cases in fields["slow"]]  # type: ignore[call-overload]
    return Truth(expected=(base, plus), slow=(slow[0], slow[1]))


def _compute(problem: Canonical, sandbox: Sandbox) -> Truth | str:
    """Run one canonical solution; the reason as text if that gives no outputs."""
    groups = dict(zip(GROUPS, problem.inputs, strict=True))
    call = f"({problem.entry_point}, {groups!r}, {MARKER!r}, not_none={problem.not_none!r})"
    test = f"{LOAD_JUDGE}_codeassay_judge['tell_expected']{call}\n"
    program = Program(source=problem.source, tests=(test,), module_name="builtins", limits=LIMITS)
    verdict = sandbox.run(program)
    if not verdict.passed:
        return f"{verdict.status}: {verdict.error}"
    line = verdict.stdout.rpartition(MARKER)[2].partition("\n")[0]
    try:
        told = json.loads(line)
        slow = [_slow(told[group]["seconds"]) for group in GROUPS]
        return Truth(expected=(told["base"]["expected"], told["plus"]["expected"]), slow=(slow[0], slow[1]))
    except (ValueError, KeyError, TypeError):
        return "its outputs were not printed whole"


def _slow(seconds: list[float]) -> dict[int, float]:
    limits = {index: round(TIME_FACTOR * value, 1) for index, value in enumerate(seconds)}
    return {index: limit for index, limit in limits.items() if limit > evalplus_judge.CASE_SECONDS}
